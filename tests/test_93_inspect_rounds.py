"""``siluan run`` over more than two flights: which are compared, and what moved back there."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
from shapely.geometry import box, mapping

sys.path.insert(0, str(Path(__file__).parent))
from pairs import (
    CRS,
    FIRST,
    PIT,
    SECOND,
    THIRD,
    N,
    X,
    Y,
    answers,
    cases,
    fly,
    patrol,
    place,
    published,
    run,
    workflow,
    write,
)

import pipeline.passes.flight_rounds as rounds_module
from pipeline.adjudicate.evidence import fold
from pipeline.grid import reproject
from pipeline.ledger import apply, open_ledger
from pipeline.model import Candidate, EvidenceState, Kind, Look, Seen, Status
from pipeline.passes.inspect import Inspected

BETWEEN = "2026-08-10T10:30:00+08:00"
FOURTH = "2026-12-10T10:30:00+08:00"
PIT_M3 = 3.1416 * 3**2 * 1.8 / 3


@pytest.fixture(scope="module")
def dug(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("dug")
    return fly(root / "one", FIRST, (), 1), fly(root / "two", SECOND, ("pit",), 2)


def become(root: Path, case_id: str, status: Status) -> None:
    with (
        open_ledger(root / "state" / "ledger.sqlite") as ledger,
        ledger.transaction(lambda: None) as transaction,
    ):
        (case,) = transaction.cases({case_id})
        transaction.write([replace(case, status=status, revision=case.revision + 1)], [])


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("now", "status", "want"),
    [
        ((), Status.SUSPECTED, "gone"),
        ((), Status.RECTIFYING, "gone"),
        (("half a pit",), Status.SUSPECTED, "less"),
        (("half a pit",), Status.VERIFIED, "less"),
        (("mound",), Status.SUSPECTED, "heap"),
        (("mound",), Status.VERIFIED, "another"),
    ],
)
def test_a_pit_is_held_against_the_ground_from_before_it(
    tmp_path: Path, dug: tuple[Path, Path], now: tuple[str, ...], status: Status, want: str
) -> None:
    if status is not Status.SUSPECTED:
        assert run(workflow(tmp_path, list(dug)))[0] == 0
        (pit,) = cases(tmp_path).values()
        assert (pit.kind, pit.measures["net_m3"]) == (Kind.CAI, pytest.approx(-PIT_M3, rel=0.15))
        become(tmp_path, pit.case_id, status)
    third = fly(tmp_path / "three", THIRD, now, 3)
    code, said = run(workflow(tmp_path, [*dug, third]))
    assert code == 0, said
    after, *more = sorted(cases(tmp_path).values(), key=lambda c: c.kind.value)
    last = [k.seen for k in after.looks if k.pass_id == "drone_three"]
    kind, seen, net_m3 = {
        "gone": (Kind.CAI, [Seen.MISS], -PIT_M3),
        "less": (Kind.CAI, [Seen.HIT], -PIT_M3 / 2),
        "heap": (Kind.DUI, [Seen.HIT], PIT_M3 * 1.2 / 1.8),
        "another": (Kind.CAI, [], -PIT_M3),
    }[want]
    assert (after.kind, last) == (kind, seen)
    assert after.measures["net_m3"] == pytest.approx(net_m3, rel=0.2)
    held = status is not Status.SUSPECTED
    assert after.proposal == ("已恢复" if want == "gone" and held else after.proposal)
    assert [c.kind for c in more] == ([Kind.DUI] if want == "another" else [])
    if want == "gone":
        assert after.evidence.state is (EvidenceState.SUSPECTED if held else EvidenceState.EXPIRED)
        assert answers(tmp_path)[after.case_id] == "contradicted"
    if want == "another":
        (heap,) = more
        assert (heap.parent, [k.pass_id for k in heap.looks]) == (
            after.case_id,
            ["drone_one", "drone_three"],
        )
        assert heap.measures["net_m3"] == pytest.approx(PIT_M3 * 1.2 / 1.8, rel=0.2)
        assert answers(tmp_path)[after.case_id] == "undecided"
    if want in ("gone", "another"):
        # The same flights again say the same.
        before = cases(tmp_path)
        assert run(workflow(tmp_path, [*dug, third]))[0] == 0
        assert cases(tmp_path) == before


@pytest.mark.thorough
def test_a_pit_that_rises_without_a_flight_from_before_it_is_undecided(
    tmp_path: Path, dug: tuple[Path, Path]
) -> None:
    assert run(workflow(tmp_path, list(dug)))[0] == 0
    (pit,) = cases(tmp_path).values()
    third = fly(tmp_path / "three", THIRD, (), 3)
    assert run(workflow(tmp_path, [dug[1], third]))[0] == 0
    (after,) = cases(tmp_path).values()
    assert (after.kind, after.looks) == (Kind.CAI, pit.looks)
    told = json.loads((tmp_path / "out/latest/run.json").read_text())["counts"]["worklist"]
    assert (told[pit.case_id]["answer"], told[pit.case_id]["why_zh"]) == (
        "undecided",
        "地面比上次飞行升高，但没有问题出现之前的地表模型可比，不能判断是否已恢复",
    )
    assert published(tmp_path)[0]["properties"]["kind"] == "cai"


@pytest.mark.thorough
def test_a_heap_on_a_pit_that_was_seen_filled_is_told_whichever_flights_are_left(
    tmp_path: Path, dug: tuple[Path, Path]
) -> None:
    flights = [*dug, fly(tmp_path / "three", THIRD, (), 3)]
    assert run(workflow(tmp_path, flights))[0] == 0
    flights.append(fly(tmp_path / "four", FOURTH, ("mound",), 4))
    for some in (flights[2:], flights):
        assert run(workflow(tmp_path, some))[0] == 0
        (case,) = cases(tmp_path).values()
        assert (case.kind, case.status) == (Kind.DUI, Status.SUSPECTED)
        assert case.looks[-1].pass_id == "drone_four"
    assert answers(tmp_path)[case.case_id] == "refined"  # by the newest look
    counts = json.loads((tmp_path / "out/latest/run.json").read_text())["counts"]
    assert counts["withheld"] == []


@pytest.mark.thorough
def test_what_is_withheld_for_a_closed_case_is_named_by_its_place(
    tmp_path: Path, dug: tuple[Path, Path]
) -> None:
    assert run(workflow(tmp_path, list(dug)))[0] == 0
    (pit,) = cases(tmp_path).values()
    become(tmp_path, pit.case_id, Status.CLOSED)
    code, said = run(workflow(tmp_path, [dug[1], fly(tmp_path / "three", THIRD, (), 3)]))
    (line,) = (k for k in said.splitlines() if "not listed" in k)
    assert code == 0
    assert line.startswith(f"{pit.case_id}: three 在 at 113.")
    counts = json.loads((tmp_path / "out/latest/run.json").read_text())["counts"]
    (told,) = counts["withheld"]
    assert (told["case_id"], told["flight"]) == (pit.case_id, "three")
    assert list(cases(tmp_path)) == [pit.case_id]


@pytest.mark.parametrize("detector", ["drone/1", "zhan/1"])
def test_the_kind_that_people_verified_stays_whatever_imagery_shows(
    tmp_path: Path, detector: str
) -> None:
    at = place(PIT, 6)
    state = tmp_path / "state"
    state.mkdir()
    context = replace(patrol(), spots=True, judged={})

    def shown(kind: Kind, day: int) -> Candidate:
        on = datetime(2026, 9, day, tzinfo=UTC)
        look = Look(on, f"s{day}", "sentinel-2-l2a", 1.0, Seen.HIT)
        return Candidate(
            kind, "bank", at, CRS, at.area, (look,), fold((look,)), 0.5, {}, (f"s{day}",), detector
        )

    def kind() -> Kind:
        (case,) = cases(tmp_path).values()
        return case.kind

    def see(candidate: Candidate) -> Kind:
        with open_ledger(state / "ledger.sqlite") as store:
            apply(store, [candidate], context)
        return kind()

    assert see(shown(Kind.CAI, 1)) is Kind.CAI
    assert see(shown(Kind.DUI, 2)) is Kind.DUI
    (name,) = cases(tmp_path)
    become(tmp_path, name, Status.VERIFIED)
    assert see(shown(Kind.CAI, 3)) is Kind.DUI
    become(tmp_path, name, Status.CLOSED)
    assert see(shown(Kind.CAI, 4)) is Kind.DUI


def test_what_was_compared_with_nothing_is_said(
    tmp_path: Path, dug: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds_module, "inspect_pair", lambda *_: Inspected())
    path = workflow(tmp_path, [dug[0]])
    code, said = run(path)
    assert (code, "set aside one: no other flight of the workflow overlaps it: later" in said) == (
        0,
        True,
    )
    assert "Next: hand in a flight over the same ground: no flight could be compared" in said
    small = tmp_path / "small"
    fly(small, THIRD, (), 3)
    shown = reproject(box(X, Y - 48, X + 24, Y), CRS, "EPSG:4326")
    item = {"id": "small", "geometry": mapping(shown), "properties": {"datetime": THIRD}}
    (small / "item.json").write_text(json.dumps(item))
    for more in ((), ("--dry-run",)):
        code, said = run(workflow(tmp_path, [dug[0], small]), *more)
        assert code == 0
        assert "one: 未与其他飞行比较 compared with nothing: 0.12 of 0.23 ha" in said
        assert "hand in a flight" not in said
    assert "small: 未" not in said
    counts = json.loads((tmp_path / "out/latest/run.json").read_text())["counts"]
    assert counts["uncompared_ha"]["one"] == {"uncompared": 0.12, "ground": 0.23}


@pytest.mark.thorough
def test_a_refused_flight_between_two_others_hides_nothing(
    tmp_path: Path, dug: tuple[Path, Path]
) -> None:
    torn = fly(tmp_path / "torn", BETWEEN, (), 4)
    write(torn / "ortho.tif", np.random.default_rng(9).integers(0, 255, (3, N, N), np.uint8))
    code, said = run(workflow(tmp_path, [dug[0], torn, dug[1]]))
    assert code == 10
    for name in ("one and torn", "torn and two"):
        assert f"set aside {name}: the orthomosaics" in said
    assert "torn: 未与其他飞行比较 compared with nothing: 0.23 of 0.23 ha" in said
    (pit,) = cases(tmp_path).values()
    assert (pit.kind, pit.status) == (Kind.CAI, Status.SUSPECTED)


def test_a_spike_of_a_surface_is_named_and_not_told(tmp_path: Path, dug: tuple[Path, Path]) -> None:
    after = fly(tmp_path / "spiked", SECOND, ("pit",), 2)
    with rasterio.open(after / "dsm.tif", "r+") as file:
        height = file.read()
        height[0, 360:400, 90:140] += 900
        file.write(height)
        file.build_overviews([2, 4], rasterio.enums.Resampling.average)
    code, said = run(workflow(tmp_path, [dug[0], after]))
    assert code == 10
    (line,) = (k for k in said.splitlines() if "a change of 900 m over" in k)
    assert "set aside one and spiked, at 1" in line
    assert "cannot be (options.compare.change: highest_m" in line
    assert "疑似 suspected: 1 " in said
    assert [c.kind for c in cases(tmp_path).values()] == [Kind.CAI]
