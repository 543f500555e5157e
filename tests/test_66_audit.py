"""A blind sample: fair, blind, and its intervals hold."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
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
from pipeline.cases.answers import count_answers
from pipeline.cases.audit import AuditKey, Chosen, Meaning, choose
from pipeline.cases.ground import Marked, Place, Square, groups_of, one_of, places_of
from pipeline.cases.strata import (
    CASES,
    SHOWN,
    Stratum,
    Tally,
    Weighed,
    allot,
    chances_by_size,
    draw,
    precision,
    recall,
    set_aside,
    share_of_squares,
    stratum_of,
)
from pipeline.cases.where import today
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
    assert len({d.what for d in first}) == len(first)
    assert all(d.stratum is d.what[0] and d.stands == 1.0 for d in first)


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
    for corridor, on, clear in zip(
        load_corridors(file), ("2024-11-02", "2024-02-03", "2024-11-02"), (1, 1, 0), strict=True
    ):
        look = LookedAt(on=date.fromisoformat(on), clear=(f"{corridor.id}-1",) * clear)
        note_looks(state, corridor, {"look": look})
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


def fill(
    office: Path, rows: list[dict[str, str]], answer: Callable[[str], str], **stated: str
) -> Path:
    for row in rows:
        row |= {"answer": answer(row["place"]), "by": "李工", "on": today().isoformat()}
        row.update(stated)
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
    wide = box(LEFT - 1000, LOW - 1000, LEFT + 2000, LOW + 2000)
    every = places_of(CRS, {"a": wide}, marked)
    flagged = {(p.square.col, p.square.row) for p in every if p.standing is not None}
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
        # Squares with a case that were not seen count too.
        touched = any(near in flagged for near in _neighbours(place))
        assert place.beside == (best is None and touched)
        assert ground.centroid.within(seen[place.square.corridor_id])


def _neighbours(place: Place) -> list[tuple[int, int]]:
    col, row = place.square.col, place.square.row
    return [(col + c, row + r) for c in (-1, 0, 1) for r in (-1, 0, 1) if c or r]


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


def _stratum(place: Place) -> Stratum:
    if place.standing is not None:
        return CASES[place.standing]
    return Stratum.BESIDE if place.beside else Stratum.UNFLAGGED


def office_scale(seed: int, *, crowded: bool) -> tuple[dict[Stratum, list[Place]], list[Marked]]:
    """60 km of a corridor with 90 cases of 40 to 300 m: all over it, or around 12 spots."""
    rng = np.random.default_rng(seed)
    spots = rng.uniform(600, 59_000, 12)
    x = rng.choice(spots, 90) + rng.normal(0, 600, 90) if crowded else rng.uniform(0, 59_600, 90)
    marked = []
    for i, (left, low) in enumerate(zip(x, rng.uniform(0, 1200, 90), strict=True)):
        wide, high = rng.choice([40, 80, 150, 300], 2)
        ground = box(LEFT + left, LOW + low, LEFT + left + wide, LOW + low + high)
        case = replace(one(), case_id=f"K{i}", corridor_id="c", crs=CRS, polygon=ground)
        marked.append(Marked(case, int(rng.integers(0, 4))))
    strata: dict[Stratum, list[Place]] = {s: [] for s in Stratum}
    for place in places_of(CRS, {"c": box(LEFT, LOW, LEFT + 60_000, LOW + 1500)}, marked):
        strata[_stratum(place)].append(place)
    return strata, marked


def told_by_distance(chosen: list[Chosen]) -> float:
    """Chance that a place with a case lies closer to the next listed place than one without."""
    at = np.array([(c.place.square.col, c.place.square.row) for c in chosen], dtype=float)
    apart = np.hypot(*np.moveaxis(at[:, None] - at[None], 2, 0))
    np.fill_diagonal(apart, np.inf)
    flagged = np.array([c.stratum in CASES for c in chosen])
    ours, others = apart.min(axis=1)[flagged][:, None], apart.min(axis=1)[~flagged][None]
    return float(((ours < others) + 0.5 * (ours == others)).mean())


@pytest.mark.parametrize(("crowded", "low", "high"), [(False, 0.4, 0.5), (True, 0.45, 0.6)])
def test_closeness_tells_nothing(crowded: bool, low: float, high: float) -> None:
    told = []
    for seed in range(8):
        strata, _ = office_scale(seed, crowded=crowded)
        chosen = choose(strata, 120, np.random.default_rng(seed))
        told.append(told_by_distance(chosen))
        for stratum in CASES:
            squares = {c.place.square for c in chosen if c.stratum is stratum}
            cells = {(s.col, s.row) for s in squares}
            assert all(
                cells.isdisjoint(_neighbours(c.place)) for c in chosen if c.place.square in squares
            )
    assert low <= np.mean(told) <= high, told


def test_one_square_of_a_group_stands_for_all_of_it() -> None:
    ground = {"c": box(LEFT, LOW, LEFT + 1000, LOW + 1000)}
    marked = [_mark(LEFT + 10, LOW + 10, 270, 1, "K0"), _mark(LEFT + 310, LOW + 310, 60, 1, "K1")]
    marked += [_mark(LEFT + 710, LOW + 710, 60, 1, "K2")]
    flagged = [p for p in places_of(CRS, ground, marked) if p.standing is not None]
    group, alone = groups_of(flagged)
    assert (len(group), len(alone)) == (10, 1)
    rng = np.random.default_rng(1)
    assert one_of(alone, rng) == (alone[0], 1.0)
    drawn = [one_of(group, rng) for _ in range(4000)]
    for place in group:
        (weight,) = {w for p, w in drawn if p is place}
        assert weight == (4.0 if place.case_id else 16.0)
        share = sum(p is place for p, _ in drawn) / len(drawn)
        assert share == pytest.approx(1 / weight, abs=0.025)


def test_weights_that_are_alike_change_nothing_and_others_widen() -> None:
    plain = Tally(of=40, yes=3, no=7)
    alike = replace(plain, weighed=Weighed(6.0, 14.0, 40.0))
    assert share_of_squares(alike) == share_of_squares(plain)
    unlike = share_of_squares(replace(plain, weighed=Weighed(9.0, 21.0, 170.0)))
    assert unlike.value == 0.3
    assert unlike.low < share_of_squares(plain).low
    assert unlike.high > share_of_squares(plain).high
    certain = share_of_squares(Tally(of=9, yes=3, weighed=Weighed(9.0, 0.0, 33.0)))
    assert (certain.value, certain.high) == (1.0, 1.0)


def test_the_estimates_are_those_of_the_ground_whatever_the_size_of_objects() -> None:
    """Cases true in part, problems wider than their case, and missed ones of several squares."""
    strata, marked = office_scale(3, crowded=True)
    rng = np.random.default_rng(9)
    problems = [
        box(LEFT + x, LOW + y, LEFT + x + 350, LOW + y + 250)
        for x, y in zip(rng.uniform(0, 59_000, 60), rng.uniform(0, 1200, 60), strict=True)
    ]
    for i, m in enumerate(marked):
        if i % 3:  # shifted, so that a part of the case is none, and more than it is one
            left, low, right, top = m.case.polygon.bounds
            problems.append(box(left + 60, low, right + 90, top + 50) if i % 2 else m.case.polygon)
    tree = shapely.STRtree(problems)
    truth: dict[Place, bool] = {}
    for places in strata.values():
        for p in places:
            ground = p.square.polygon
            near = tree.query(ground)
            truth[p] = any(ground.intersection(problems[int(i)]).area >= 100 for i in near)
    real = {s: np.mean([truth[p] for p in v]) for s, v in strata.items()}
    homes = {
        s: np.mean([truth[p] for p in v if p.case_id]) for s, v in strata.items() if s in CASES
    }
    amounts = {s: len(strata[s]) * real[s] for s in strata}
    shown = sum(amounts[s] for s in SHOWN) / sum(amounts.values())
    assert 0.2 < shown < 0.8

    told: dict[object, list[float]] = {}
    held: list[bool] = []
    sizes_of = {s: len(v) for s, v in strata.items()}
    for seed in range(200):
        chosen = choose(strata, 200, np.random.default_rng(seed))
        tallies = answered(chosen, sizes_of, truth)
        for s in Stratum:
            share = share_of_squares(tallies[s])
            told.setdefault(s, []).append(share.value or 0.0)
            held.append(share.low <= real[s] <= share.high)
            if s in CASES:
                share = precision(tallies[s])
                told.setdefault((s, "cases"), []).append(
                    share.value if share.value is not None else homes[s]
                )
                held.append(share.low <= homes[s] <= share.high)
        share = recall(tallies, SHOWN)
        told.setdefault("recall", []).append(share.value or 0.0)
        held.append(share.low <= shown <= share.high)
    means = {name: float(np.mean(values)) for name, values in told.items()}
    for s in Stratum:
        assert means[s] == pytest.approx(real[s], abs=0.02), s
        if s in CASES:
            assert means[s, "cases"] == pytest.approx(homes[s], abs=0.02), s
    assert means["recall"] == pytest.approx(shown, abs=0.03)
    assert np.mean(held) >= 0.95


def answered(
    chosen: list[Chosen], sizes_of: dict[Stratum, int], truth: dict[Place, bool]
) -> dict[Stratum, Tally]:
    """Let every place be answered as it is."""
    meanings = {
        f"P{i:04d}": Meaning(stratum=c.stratum, case_id=c.place.case_id, weight=c.weight)
        for i, c in enumerate(chosen, 1)
    }
    known = AuditKey(audit="a", made_at="2026-11-28T00:00:00+00:00", seed=1, side_m=100,
                     ledger_events=1, sizes=sizes_of, places=meanings)  # fmt: skip
    said = {n: "yes" if truth[c.place] else "no" for n, c in zip(meanings, chosen, strict=True)}
    return count_answers(known, said)


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


@pytest.mark.parametrize("end", [".geojson", ".kml"])
def test_answers_in_any_of_its_files_are_not_written_over(office: Path, end: str) -> None:
    sample(office)
    out = office.parent / "check"
    (listed,), (filled,) = out.glob("*.csv"), out.glob(f"*{end}")
    listed.unlink()
    words = ("audit", "--workflow", office, "--sample", 60, "--seed", 7, "--out", out)
    siluan(*words)  # as it was written it holds no answers: a writing was cut off
    listed.unlink()
    filled.write_text(filled.read_text(encoding="utf-8").replace("P0001", "P0001 有问题"), "utf-8")
    before = filled.read_bytes()
    said = siluan(*words, code=2)
    assert f"{filled} is there already and may hold answers" in said
    assert filled.read_bytes() == before
    assert not listed.exists()


@pytest.mark.parametrize("below", ["", "deeper", "deeper/still"])
def test_a_file_in_the_place_of_the_folder_leaves_no_key(office: Path, below: str) -> None:
    file = office.parent / "file"
    file.write_text("mine", encoding="utf-8")
    words = ("audit", "--workflow", office, "--sample", 20, "--out", file / below)
    said = siluan(*words, code=2)
    assert f"{file} is a file where --out needs a folder. Give another --out" in said
    assert file.read_text(encoding="utf-8") == "mine"
    assert not list(office.parent.rglob("audits"))


@pytest.mark.parametrize("content", [b"", b'{"audit": "a', b"\xff\xfe", b"{}"])
def test_a_damaged_key_is_said_to_be_damaged(office: Path, content: bytes) -> None:
    answers = fill(office, sample(office), lambda _: "没有问题")
    (path,) = office.parent.rglob("audits/*.json")
    whole = path.read_bytes()
    path.write_bytes(content)
    said = siluan("audit", "--workflow", office, "--answers", answers, code=2)
    assert f"is damaged: {path}. Restore it from a backup" in said
    path.write_bytes(whole.replace(b'"made_at": "2', b'"made_at": "x'))
    assert "is damaged" in siluan("audit", "--workflow", office, "--answers", answers, code=2)
    path.unlink()
    said = siluan("audit", "--workflow", office, "--answers", answers, code=2)
    assert "was drawn from this ledger" in said


def test_places_that_were_moved_are_named(office: Path) -> None:
    rows = sample(office)

    def told(changed: list[dict[str, str]], code: int = 0) -> str:
        answers = fill(office, [dict(r) for r in changed], lambda _: "没有问题")
        return siluan("audit", "--workflow", office, "--answers", answers, code=code)

    rounded = [
        {**r, "lon": f"{float(r['lon']):.5f}", "lat": f"{float(r['lat']):.5f}"} for r in rows
    ]
    told(rounded)
    told([{k: v for k, v in r.items() if k not in {"lon", "lat"}} for r in rows])
    for columns in (("lon", "lat"), ("lon_gcj02", "lat_gcj02")):
        back = [
            {**r, **{c: other[c] for c in columns}}
            for r, other in zip(rows, rows[::-1], strict=True)
        ]
        said = told(back, code=2)
        assert f"line 2: P0001 was drawn elsewhere: {columns[0]} {rows[-1][columns[0]]}" in said
        assert all(f"{r['place']} was drawn elsewhere" in said for r in rows[:10])
    assert "lat north (and not" in told([{**rows[0], "lat": "north"}], code=2)
    # Of a key that was written before it kept places nothing is held.
    (path,) = office.parent.rglob("audits/*.json")
    known = json.loads(path.read_text(encoding="utf-8"))
    for meaning in known["places"].values():
        for name in ("lon", "lat", "weight"):
            del meaning[name]
    del known["sizes"]["beside"]
    path.write_text(json.dumps(known), encoding="utf-8")
    assert "issued: 0 of 2 = 0.00" in told(back)


def test_outlines_that_were_moved_are_named(office: Path) -> None:
    sample(office)
    (path,) = (office.parent / "check").glob("*.geojson")
    drawn = json.loads(path.read_text(encoding="utf-8"))
    for feature in drawn["features"]:
        feature["properties"] |= {"answer": "否", "by": "李工", "on": today().isoformat()}
    path.write_text(json.dumps(drawn), encoding="utf-8")
    siluan("audit", "--workflow", office, "--answers", path)
    first, second = drawn["features"][:2]
    first["geometry"], second["geometry"] = second["geometry"], first["geometry"]
    path.write_text(json.dumps(drawn), encoding="utf-8")
    said = siluan("audit", "--workflow", office, "--answers", path, code=2)
    assert "feature 1: P0001 was drawn elsewhere: its outline was moved" in said
    assert "feature 2: P0002 was drawn elsewhere" in said


def test_a_visit_lies_between_the_draw_and_today(office: Path) -> None:
    rows = sample(office)
    (path,) = office.parent.rglob("audits/*.json")
    known = json.loads(path.read_text(encoding="utf-8"))
    # 01:30 in the office on 6 March; a visit of that day is none of the day before.
    path.write_text(json.dumps(known | {"made_at": "2026-03-05T17:30:00+00:00"}), "utf-8")

    def told(on: str, code: int = 0) -> str:
        answers = fill(office, rows, lambda _: "没有问题", on=on)
        return siluan("audit", "--workflow", office, "--answers", answers, code=code)

    told("2026-03-06")
    told("2026年3月6日")
    told(today().isoformat())
    said = told("2026-03-05", code=2)
    assert "P0001: its day 2026-03-05 lies before the day the list was drawn (2026-03-06)" in said
    assert all(f"{r['place']}: its day" in said for r in rows)
    later = today() + timedelta(days=1)
    assert f"P0001: its day {later} has not come yet" in told(later.isoformat(), code=2)
    # What was not answered has no day that could be wrong.
    answers = fill(office, rows, lambda _: "", on="2030-01-01")
    siluan("audit", "--workflow", office, "--answers", answers)


def test_a_list_that_is_drawn_again_was_there_since_it_first_was(office: Path) -> None:
    rows = sample(office)
    (path,) = office.parent.rglob("audits/*.json")
    known = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(known | {"made_at": "2026-03-05T17:30:00+00:00"}), "utf-8")
    answers = fill(office, rows, lambda _: "没有问题", on="2026-03-07")
    again = office.parent / "again"
    siluan(
        "audit",
        "--workflow",
        office,
        "--sample",
        len(rows),
        "--seed",
        known["seed"],
        "--out",
        again,
    )
    assert json.loads(path.read_text(encoding="utf-8"))["made_at"].startswith("2026-03-05")
    siluan("audit", "--workflow", office, "--answers", answers)


@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=30).flatmap(
        lambda sizes: st.tuples(st.just(sizes), st.integers(0, len(sizes)))
    )
)
def test_chances_by_size_are_chances_and_make_up_the_draw(given_: tuple[list[int], int]) -> None:
    sizes, take = np.array(given_[0], np.float64), given_[1]
    chances = chances_by_size(sizes, take)
    assert chances.sum() == pytest.approx(take)
    assert ((chances >= 0) & (chances <= 1)).all()
    order = np.argsort(sizes)
    assert (np.diff(chances[order]) >= -1e-12).all()
    free = chances < 1
    assert np.ptp(chances[free] / sizes[free]) < 1e-12 if free.any() else True


def test_large_true_cases_and_small_false_ones_are_each_told_by_their_share() -> None:
    """Groups drawn with one chance had half of the truth, and intervals that missed it."""
    truth = dict[Place, bool]()
    for i, (many, true) in enumerate([(1, False)] * 100 + [(20, True)] * 8):
        for k in range(many):
            truth[Place(Square("c", CRS, 100 * i + k, 0), 1, None if k else f"K{i}")] = true
    strata = {s: list[Place]() for s in Stratum} | {Stratum.SUSPECTED: list(truth)}
    sizes_of = {s: len(places) for s, places in strata.items()}
    share, cases = np.mean(list(truth.values())), 8 / 108
    told, held, right = list[float](), list[bool](), list[bool]()
    for seed in range(200):
        chosen = choose(strata, 20, np.random.default_rng(seed))
        tally = answered(chosen, sizes_of, truth)[Stratum.SUSPECTED]
        squares, found = share_of_squares(tally), precision(tally)
        assert squares.value is not None
        told.append(squares.value)
        held.append(squares.low <= share <= squares.high)
        right.append(found.low <= cases <= found.high)
    assert np.mean(told) == pytest.approx(share, abs=0.04)
    assert np.mean(held) >= 0.95
    assert np.mean(right) >= 0.95


def test_what_was_joined_and_a_folder_are_called_so(office: Path) -> None:
    rows = sample(office)
    answers = fill(office, rows, lambda _: "没有问题")
    answers.write_bytes(answers.read_bytes() * 2)
    said = siluan("audit", "--workflow", office, "--answers", answers, code=2)
    assert f"{answers}: the column names come again in line {len(rows) + 2}" in said
    folder = office.parent / "check"
    said = siluan("audit", "--workflow", office, "--answers", folder, code=2)
    assert f"{folder} is a folder and no table" in said


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
