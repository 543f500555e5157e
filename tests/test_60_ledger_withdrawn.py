"""What rests on flights that were superseded rests on nothing."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from shapely.affinity import translate
from shapely.geometry.base import BaseGeometry

sys.path.insert(0, str(Path(__file__).parent))
from pairs import CRS, FIRST, HEAP, HOUSE, SECOND, THIRD, fly, patrol, place, run, workflow

import pipeline.passes.flight_rounds as rounds_module
from pipeline.adjudicate.evidence import fold
from pipeline.io.flights import superseded
from pipeline.ledger import LedgerContext, Withdrawn, apply, open_ledger
from pipeline.model import Candidate, Case, EvidenceState, Kind, Look, Seen, Status
from pipeline.passes.inspect import Inspected
from pipeline.publish.geojson import case_feature
from pipeline.running.inspecting import withdrawal_lines

BAD = Withdrawn(frozenset({"drone_bad"}), frozenset({"bad"}))


def shown(flight: str, month: int, at: BaseGeometry | None = None) -> Candidate:
    at = place(HEAP, 4) if at is None else at
    looks = (
        Look(datetime(2026, 6, 10, tzinfo=UTC), "drone_a", "drone", 1.0, Seen.MISS, certain=False),
        Look(datetime(2026, month, 10, tzinfo=UTC), f"drone_{flight}", "drone", 1.0, Seen.HIT),
    )
    return Candidate(
        Kind.DUI, "bank", at, CRS, at.area, looks, fold(looks), 0.5, {"net_m3": 80.0},
        ("a", flight), "drone/1",
    )  # fmt: skip


def satellite(day: int) -> Candidate:
    look = Look(datetime(2026, 8, day, tzinfo=UTC), f"s{day}", "sentinel-2-l2a", 1.0, Seen.HIT)
    at = place(HEAP, 6)
    return Candidate(
        Kind.ZHAN, "bank", at, CRS, at.area, (look,), fold((look,)), 0.4, {"looks": 2.0},
        (f"s{day}",), "zhan/1",
    )  # fmt: skip


def flown(withdrawn: Withdrawn | None = None) -> LedgerContext:
    return replace(patrol(), spots=True, judged={}, withdrawn=withdrawn or Withdrawn())


def take_back(state: Path, *candidates: Candidate) -> list[Case]:
    """Run an inspection that finds so much after the bad flight was superseded."""
    with open_ledger(state / "ledger.sqlite") as store:
        touched = [c.case_id for c in store.cases() if BAD.touches(c)]
        gone = replace(BAD, cases={i: BAD.newest_before(store.revisions(i)) for i in touched})
        apply(store, candidates, flown(withdrawn=gone))
        done = store.cases()
        # What was taken back once is not taken back again.
        assert not any(BAD.touches(c) for c in done)
        apply(store, candidates, flown(withdrawn=gone))
        assert store.cases() == done
    return list(done)


def remember(state: Path, *candidates: Candidate, status: Status | None = None) -> None:
    state.mkdir(exist_ok=True)
    with open_ledger(state / "ledger.sqlite") as store:
        for candidate in candidates:
            apply(store, [candidate], flown())
        if status is not None:
            with store.transaction(lambda: None) as transaction:
                cases = transaction.cases()
                moved = [replace(c, status=status, revision=c.revision + 1) for c in cases]
                transaction.write(moved, [])


def test_a_case_of_superseded_flights_alone_is_off_the_list(tmp_path: Path) -> None:
    remember(tmp_path, shown("bad", 9))
    (case,) = take_back(tmp_path)
    assert (case.produced, case.status, case.revision) == (False, Status.WATCH, 2)
    assert (case.looks, case.scene_ids, case.evidence.hits) == ((case.looks[0],), ("a",), 0)
    assert case.looks[0].pass_id == "drone_a"
    # The flight that came instead brings it back, on its own date alone.
    (case,) = take_back(tmp_path, shown("good", 8))
    assert (case.produced, case.status) == (True, Status.SUSPECTED)
    assert (case.evidence.hits, case.evidence.last_seen) == (1, datetime(2026, 8, 10, tzinfo=UTC))
    assert case.measures["net_m3"] == 80.0


def test_a_correction_of_the_date_leaves_one_sighting(tmp_path: Path) -> None:
    remember(tmp_path, shown("bad", 11))
    (case,) = take_back(tmp_path, shown("good", 8))
    assert (case.evidence.hits, case.revision) == (1, 2)
    assert case.evidence.last_seen == datetime(2026, 8, 10, tzinfo=UTC)
    assert case.scene_ids == ("a", "good")


def test_what_people_issued_is_kept_and_says_that_nothing_supports_it(tmp_path: Path) -> None:
    remember(tmp_path, shown("bad", 9), status=Status.ISSUED)
    (case,) = take_back(tmp_path)
    assert (case.produced, case.status, case.unsupported) == (True, Status.ISSUED, True)
    assert case.evidence.state is EvidenceState.SUSPECTED
    said = json.dumps(case_feature(case), ensure_ascii=False)
    assert "所依据的无人机飞行已被更正替代" in said


def test_what_satellites_saw_is_theirs_again(tmp_path: Path) -> None:
    remember(tmp_path, satellite(5), satellite(10), shown("bad", 9))
    (case,) = take_back(tmp_path)
    assert (case.kind, case.detector, case.measures) == (Kind.ZHAN, "zhan/1", {"looks": 2.0})
    assert case.polygon.area == pytest.approx(144.0)
    assert (case.produced, case.evidence.hits, case.status) == (True, 2, Status.WATCH)


def test_cases_that_a_superseded_flight_drew_together_are_named(tmp_path: Path) -> None:
    def spot(day: int, north_m: float) -> Candidate:
        found = satellite(day)
        return replace(found, polygon=translate(place(HEAP, 5), yoff=north_m), area_m2=100.0)

    with open_ledger(tmp_path / "ledger.sqlite") as store:
        apply(store, [spot(4, 0), spot(5, 14), spot(6, 28)], flown())  # at once: they are three
    # Merged before the flight that was wrong came: no fault of it.
    wide = replace(spot(7, 0), polygon=place(HEAP, 5).union(spot(5, 14).polygon).envelope)
    remember(tmp_path, replace(wide, area_m2=wide.polygon.area))
    with open_ledger(tmp_path / "ledger.sqlite") as store:
        (early,) = (c.case_id for c in store.cases() if c.merged_into)
    all_three = wide.polygon.union(spot(6, 28).polygon).envelope
    remember(tmp_path, shown("bad", 9, at=all_three))
    with open_ledger(tmp_path / "ledger.sqlite") as store:
        merged = {c.case_id for c in store.cases() if c.merged_into}
        touched = {c.case_id: BAD.newest_before(store.revisions(c.case_id)) for c in store.cases()
                   if BAD.touches(c)}  # fmt: skip
    (late,) = merged - {early}
    (line,) = withdrawal_lines(replace(BAD, cases=touched), take_back(tmp_path))
    assert line.endswith(f"cases merged into it since stay: {late}")


def test_other_cases_are_left_alone(tmp_path: Path) -> None:
    remember(tmp_path, shown("bad", 9), shown("fine", 9, at=place(HOUSE, 3)))
    with open_ledger(tmp_path / "ledger.sqlite") as store:
        (fine,) = (c for c in store.cases() if not BAD.touches(c))
    assert fine in take_back(tmp_path)


def test_a_run_names_what_rested_on_a_superseded_flight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "flights"
    for name, on, instead in (("a", FIRST, None), ("bad", SECOND, None), ("c", THIRD, "bad")):
        fly(root / name, on, (), 1)
        item = {"id": name, "properties": {"datetime": on, "siluan:supersedes": instead}}
        (root / name / "item.json").write_text(json.dumps(item))
    (root / "catalog.json").write_text("{}")
    assert superseded([root]) == superseded([root / "c"]) == {"bad"}
    monkeypatch.setattr(rounds_module, "inspect_pair", lambda *_: Inspected())
    remember(tmp_path / "state", shown("bad", 9), shown("fine", 9, at=place(HOUSE, 3)))
    code, said = run(workflow(tmp_path, [root]))
    assert code == 0
    (line,) = (k for k in said.splitlines() if "所依据的飞行已被替代" in k)
    assert "dui" in line
    assert "no imagery is left, taken off the list" in line
    assert "疑似 suspected: 1" in said
