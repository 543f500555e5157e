"""A blind sample: fair, blind, and its intervals hold."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import shapely
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pyogrio import raw
from shapely.geometry import box, mapping, shape

sys.path.insert(0, str(Path(__file__).parent))
import tiny
from test_63_people import one
from test_64_cases import X, Y, candidate, make, read, siluan

from pipeline.adjudicate.intervals import exact, wilson
from pipeline.cases.ground import Marked, places_of
from pipeline.cases.strata import (
    CASES,
    SHOWN,
    Stratum,
    Tally,
    allot,
    draw,
    precision,
    recall,
    set_aside,
    share_of_squares,
    stratum_of,
)
from pipeline.grid import reproject
from pipeline.io.corridors import load_corridors
from pipeline.io.observed import LookedAt, note_looks
from pipeline.model import Case, EvidenceState, Status

CRS, LEFT, LOW = "EPSG:4547", 414500, 3079700  # CGCS2000, near Zhuzhou, on the lattice

sizes = st.dictionaries(st.sampled_from(list(Stratum)), st.integers(0, 50))


@given(sizes, st.integers(0, 200))
def test_draws_are_shared_out_and_none_is_lost(of: dict[Stratum, int], n: int) -> None:
    got = allot(of, n)
    assert sum(got.values()) == min(n, sum(of.values()))
    assert all(got[s] <= of[s] for s in of)
    short = [got[s] for s in of if got[s] < of[s]]
    assert not short or max(got.values()) - min(short) <= 1


@settings(max_examples=25)
@given(sizes, st.integers(0, 100), st.integers(0, 99))
def test_a_draw_repeats_with_its_seed_and_puts_nothing_back(
    of: dict[Stratum, int], n: int, seed: int
) -> None:
    strata = {s: [(s, i) for i in range(k)] for s, k in of.items()}
    first, second = (draw(strata, n, np.random.default_rng(seed)) for _ in range(2))
    assert first == second
    assert len({u for _, u in first}) == len(first)
    assert all(s is u[0] for s, u in first)


def test_intervals() -> None:
    assert exact(0, 0) == wilson(0, 0) == (0.0, 1.0)
    assert exact(0, 10) == pytest.approx((0.0, 0.3085), abs=1e-4)
    assert exact(10, 10)[1] == 1.0
    assert exact(5, 10) == pytest.approx((0.1871, 0.8129), abs=1e-4)


def test_strata() -> None:
    case = one()
    assert case.status is Status.SUSPECTED

    def where(c: Case, issued: frozenset[str] = frozenset()) -> Stratum | None:
        return stratum_of(c, issued)

    ever = frozenset({case.case_id})
    rejected = replace(case, status=Status.REJECTED)
    assert where(case) is Stratum.SUSPECTED
    assert where(replace(case, status=Status.WATCH)) is Stratum.WATCH
    assert where(replace(case, status=Status.ISSUED), ever) is Stratum.ISSUED
    # What was issued and turned out to be nothing is a false issue; else precision were too high.
    assert where(rejected, ever) is Stratum.ISSUED
    assert where(rejected) is Stratum.SUPPRESSED
    assert where(replace(case, produced=False)) is Stratum.SUPPRESSED
    assert where(replace(case, merged_into="x")) is None
    gone = replace(case, evidence=replace(case.evidence, state=EvidenceState.EXPIRED))
    assert set_aside(gone)
    assert stratum_of(case, (), lambda _: True) is Stratum.SUPPRESSED


def test_recall_weighs_each_answer_by_what_it_stands_for() -> None:
    tallies = {
        Stratum.ISSUED: Tally(of=40, yes=9, no=1),
        Stratum.SUSPECTED: Tally(of=20, yes=5, no=5),
        Stratum.UNFLAGGED: Tally(of=1000, yes=1, no=99),
    }
    # 36 of the issued, 10 of the suspected, 10 on unflagged ground.
    assert recall(tallies, SHOWN[:1]).value == pytest.approx(36 / 56)
    assert recall(tallies, SHOWN[:2]).value == pytest.approx(46 / 56)
    assert share_of_squares(tallies[Stratum.ISSUED]).value == 0.9
    assert precision(Tally(of=40, yes=9, no=11, cases_yes=6, cases_no=2)).value == 0.75
    # What nobody looked at can be anything: no number is told, and the interval says why.
    tallies[Stratum.UNFLAGGED] = Tally(of=1000, silent=100)
    blind = recall(tallies, SHOWN[:1])
    assert blind.value is None
    assert blind.low < 0.05
    assert recall({}, SHOWN).value is None


def test_the_interval_of_the_recall_covers_the_truth() -> None:
    rng = np.random.default_rng(4)
    truth = {Stratum.ISSUED: (60, 0.8), Stratum.WATCH: (80, 0.2), Stratum.UNFLAGGED: (3000, 0.004)}
    held, total = 0, 200
    for _ in range(total):
        places = {s: rng.random(n) < p for s, (n, p) in truth.items()}
        real = places[Stratum.ISSUED].sum() / sum(v.sum() for v in places.values())
        tallies = {}
        for s, found in places.items():
            seen = rng.choice(found, 40, replace=False)
            tallies[s] = Tally(of=len(found), yes=int(seen.sum()), no=int(40 - seen.sum()))
        share = recall(tallies, SHOWN[:1])
        held += share.low <= real <= share.high
    assert held / total >= 0.95


@pytest.fixture
def office(tmp_path: Path) -> Path:
    """A workflow with a ledger of one run: a corridor that was seen, and two that were not."""
    path = tiny.workflow(tmp_path, tmp_path / "images", confidence=None)
    file = tmp_path / "corridors.geojson"
    features = [
        outline("xiangjiang", X - 200, X + 1400),
        outline("lushui", X + 1400, X + 1800),
        outline("mishui", X + 1800, X + 2200),
    ]
    body = yaml.safe_load(path.read_text(encoding="utf-8"))
    body.pop("confidence", None)
    body["corridors"].pop("ids", None)
    path.write_text(yaml.safe_dump(body, allow_unicode=True), encoding="utf-8")
    file.write_text(json.dumps({"type": "FeatureCollection", "features": features}), "utf-8")
    state = tmp_path / body["state"]
    ids = make(state, [candidate(i, hits=1 + 2 * (i < 4)) for i in range(6)])
    # The second was seen before the patrol began only, the third under clouds only.
    for one_of, on, clear in zip(
        load_corridors(file), ("2024-11-02", "2024-02-03", "2024-11-02"), (1, 1, 0), strict=True
    ):
        look = LookedAt(on=date.fromisoformat(on), clear=(f"{one_of.id}-1",) * clear)
        note_looks(state, one_of, {"look": look})
    siluan("issue", ids[0], ids[1], "--workflow", path, "--by", "王工")
    return path


def outline(name: str, left: float, right: float) -> dict[str, object]:
    feature = tiny.corridor()
    area = reproject(box(left, Y - 200, right, Y + 300), "EPSG:32649", "EPSG:4326")
    return {
        **feature,
        "geometry": mapping(area),
        "properties": {**feature["properties"], "id": name},
    }


def sample(
    office: Path, n: int = 60, seed: int = 7, out: Path | str = "check"
) -> list[dict[str, str]]:
    out = office.parent / out
    siluan("audit", "--workflow", office, "--sample", n, "--seed", seed, "--out", out)
    (path,) = out.glob("*.csv")
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))


def fill(office: Path, rows: list[dict[str, str]], answer: Callable[[str], str]) -> Path:
    for row in rows:
        row |= {"answer": answer(row["place"]), "by": "李工", "on": "2026-03-05"}
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    path = office.parent / "answers.csv"
    path.write_text(out.getvalue(), encoding="gbk")
    return path


def key(office: Path) -> dict[str, object]:
    (path,) = office.parent.rglob("audits/*.json")
    return json.loads(path.read_text(encoding="utf-8"))


def test_the_list_is_blind_and_the_answers_come_to_numbers(office: Path) -> None:
    rows = sample(office)
    known = key(office)
    places = known["places"]
    strata = {p: {meaning["stratum"]} for p, meaning in places.items()}
    assert known["sizes"]["issued"] == 2
    inner = [m["stratum"] for m in places.values() if m["case_id"]]
    assert {s: inner.count(s) for s in inner} == {"issued": 2, "suspected": 2, "watch": 2}
    # All that is written says the same of every place.
    assert len({(r["side_m"], r["corridor"], r["answer"]) for r in rows}) == 1
    names = sorted(strata)
    firsts = [n for n in names if strata[n] == {"issued"}]
    assert firsts != names[: len(firsts)], "the order tells"
    (drawn,) = (office.parent / "check").glob("*.geojson")
    for name, case in read(next(office.parent.rglob("ledger.sqlite")).parent).items():
        assert name not in drawn.read_text(encoding="utf-8")
        spot = reproject(case.polygon, case.crs, "EPSG:4326").point_on_surface()
        features = json.loads(drawn.read_text(encoding="utf-8"))["features"]
        (at,) = [f for f in features if shape(f["geometry"]).covers(spot)]
        assert strata[at["id"]] != {"unflagged"}
        areas = [shapely.area(shape(f["geometry"])) for f in features]
        assert max(areas) / min(areas) < 1.001, "a place of another size"
    (kml,) = (office.parent / "check").glob("*.kml")
    assert len(raw.read(kml)[2]) == len(rows)

    truth = {p: "有问题" if s & {"issued", "watch"} else "没有问题" for p, s in strata.items()}
    answers = fill(office, rows, truth.__getitem__)
    told = json.loads(siluan("audit", "--workflow", office, "--answers", answers, "--json"))
    assert told["strata"]["issued"]["precision"]["value"] == 1.0
    assert told["strata"]["suspected"]["precision"]["value"] == 0.0
    of = known["sizes"]
    share = of["issued"] / (of["issued"] + of["watch"])
    assert told["recall"]["issued"]["value"] == pytest.approx(share)
    assert told["recall"]["issued+suspected+watch"]["value"] == 1.0
    text = siluan("audit", "--workflow", office, "--answers", answers)
    assert "issued: 2 of 2 = 1.00 [0.16, 1.00]; of 2; 0 unclear, 0 unanswered" in text
    assert "precision of issued: 2 of 2 cases = 1.00 [0.16, 1.00]" in text


def test_what_no_look_of_the_patrol_saw_is_not_drawn(office: Path) -> None:
    out = office.parent / "all"
    said = siluan("audit", "--workflow", office, "--sample", 500, "--seed", 7, "--out", out)
    assert "nothing was seen yet, and nothing drawn, of lushui, mishui" in said
    rows = list(csv.DictReader(next(out.glob("*.csv")).read_text("utf-8-sig").splitlines()))
    assert {r["corridor"] for r in rows} == {"xiangjiang"}
    assert 70 <= len(rows) <= 90  # 16 x 5 squares, about


def _mark(x: float, y: float, side: float, standing: int, name: str) -> Marked:
    polygon = box(x, y, x + side, y + side)
    case = replace(one(), case_id=name, corridor_id="c", crs=CRS, polygon=polygon)
    return Marked(case, standing)


rooms = st.tuples(
    st.integers(-300, 900), st.integers(-300, 900), st.sampled_from([8, 30, 170]), st.integers(0, 3)
)


@settings(max_examples=40, deadline=None)
@given(st.lists(rooms, max_size=5))
def test_every_square_is_one_place_and_of_its_best_case(
    made: list[tuple[int, int, int, int]],
) -> None:
    area = box(LEFT, LOW, LEFT + 700, LOW + 500)
    marked = [_mark(LEFT + x, LOW + y, side, s, f"K{i}") for i, (x, y, side, s) in enumerate(made)]
    # Two corridors that overlap: a square is one place all the same.
    right = box(LEFT + 200, LOW, LEFT + 700, LOW + 500)
    seen = {"b": right, "a": area.difference(box(LEFT + 600, LOW, LEFT + 700, LOW + 500))}
    places = places_of(CRS, seen, marked)
    assert places == places_of(CRS, seen, marked[::-1])
    cells = {(p.square.col, p.square.row) for p in places}
    assert len(cells) == len(places) == 35
    for place in places:
        ground = place.square.polygon
        left, low, right, top = ground.bounds
        points = [(m, m.case.polygon.point_on_surface()) for m in marked]
        inner = [m for m, p in points if left <= p.x < right and low <= p.y < top]
        over = [m for m in marked if ground.intersection(m.case.polygon).area >= 100]
        best = min((m.standing for m in (*over, *inner)), default=None)
        assert place.standing == best
        homes = [m.case.case_id for m in inner if m.standing == best]
        assert place.case_id == min(homes, default=None)
        assert ground.centroid.within(seen[place.square.corridor_id])


def test_a_census_tells_the_truth_whatever_lies_beside_what() -> None:
    """A set-aside case beside a found problem is no missed problem; parts of one are not either."""
    area = box(LEFT, LOW, LEFT + 1000, LOW + 1000)
    rng = np.random.default_rng(5)
    marked = [
        _mark(LEFT + x, LOW + y, 60, int(s), f"K{i}")
        for i, (x, y, s) in enumerate(
            zip(*rng.uniform(0, 900, (2, 15)), rng.integers(1, 4, 15), strict=True)
        )
    ]
    problems = [m.case.polygon for m in marked if m.standing == 1][::2]
    problems += [box(LEFT + 340, LOW + 340, LEFT + 470, LOW + 420)]
    tallies = dict.fromkeys(Stratum, Tally(0))
    flagged = held = 0
    for place in places_of(CRS, {"c": area}, marked):
        ground = place.square.polygon
        yes = any(ground.intersection(p).area >= 100 for p in problems)
        stratum = Stratum.UNFLAGGED if place.standing is None else CASES[place.standing]
        t = tallies[stratum]
        tallies[stratum] = replace(t, of=t.of + 1, yes=t.yes + yes, no=t.no + (not yes))
        held += yes
        suspected = [m.case.polygon for m in marked if m.standing == 1]
        flagged += yes and any(ground.intersection(c).area >= 100 for c in suspected)
    assert 0 < flagged < held
    assert recall(tallies, SHOWN[:2]).value == pytest.approx(flagged / held)


def test_a_list_never_lies_there_without_its_key(
    office: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    words = ("audit", "--workflow", office, "--sample", 20, "--seed", 7)
    words += ("--out", office.parent / "check")
    with monkeypatch.context() as broken:
        broken.setattr("pipeline.cases.audit.write_bytes", full)
        siluan(*words, code=5)
    assert key(office)["seed"] == 7
    assert not list((office.parent / "check").glob("*.csv"))
    siluan(*words)
    assert len(sample(office, n=20, seed=8, out="other")) == 20


def test_bad_answers_are_named(office: Path) -> None:
    rows = sample(office)
    answers = fill(office, rows, lambda p: {"P0001": "也许", "P0002": ""}.get(p, "看不清"))
    out = siluan("audit", "--workflow", office, "--answers", answers, code=2)
    assert "P0001: answer '也许' is not known" in out
    answers = fill(office, rows, lambda p: {"P0002": ""}.get(p, "看不清"))
    out = siluan("audit", "--workflow", office, "--answers", answers)
    assert "recall of issued: ? [0.00, 1.00]" in out
    text = answers.read_text(encoding="gbk").replace("audit-", "audit-x")
    answers.write_text(text, encoding="gbk")
    assert "no audit" in siluan("audit", "--workflow", office, "--answers", answers, code=2)
    assert "is there already" in siluan(
        "audit", "--workflow", office, "--sample", 60, "--seed", 7,
        "--out", office.parent / "check", code=2,
    )  # fmt: skip
    assert "not said" in siluan("audit", "--workflow", office, code=2)
