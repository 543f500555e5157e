"""One problem is one case where corridors overlap, and where their file was drawn anew."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely.geometry import Point, box

sys.path.insert(0, str(Path(__file__).parent))
from ledgers import CONTEXT
from test_60_ledger_rules import candidate

from pipeline.grid import reproject
from pipeline.ledger import (
    Command,
    Edit,
    LeadAt,
    LedgerContext,
    LedgerPlace,
    LedgerResult,
    apply,
    change,
    heirs_of,
    open_ledger,
    take_leads,
)
from pipeline.ledger.status import Reason
from pipeline.model import (
    DRONE_SURFACES,
    LEAD_POINT,
    Candidate,
    Case,
    EvidenceState,
    Kind,
    Lead,
    LeadSource,
    Status,
)

BOTH = ("meets", "main")  # in the order of the run; the file has them the other way round
FILE = ("main", "meets")


def found(corridor: str, x: float = 0.0, side: float = 60.0, text: str = "hhh") -> Candidate:
    return candidate(x, 0, side, text, corridor_id=corridor)


def context(corridors: Sequence[str] = BOTH, file: Sequence[str] = FILE) -> LedgerContext:
    return replace(CONTEXT, corridors=tuple(corridors), siblings=tuple(file))


@pytest.fixture
def place(tmp_path: Path) -> LedgerPlace:
    return LedgerPlace(tmp_path / "ledger.sqlite")


def run(
    place: LedgerPlace, candidates: Sequence[Candidate], about: LedgerContext | None = None
) -> LedgerResult:
    with open_ledger(place) as ledger:
        return apply(ledger, candidates, about or context())


def people(place: LedgerPlace, case: Case, status: Status) -> None:
    said = Command("siluan cases update", f"update-{case.case_id}", datetime.now(UTC), "0.2.0")
    day = date(2025, 12, 31)
    reason = Reason.CROP if status is Status.REJECTED else None
    edit = Edit(case.case_id, "王", day, status=status, reason=reason)
    with open_ledger(place) as ledger:
        done = change(ledger, [edit], said)
    assert not done.refused, done.refused


def test_what_two_corridors_see_is_one_case_of_the_first_in_the_file(place: LedgerPlace) -> None:
    mine = [found("main", 1), found("meets"), found("meets", 500), found("main", 900)]
    first = run(place, mine)
    assert [c.corridor_id for c in sorted(first.cases, key=lambda c: c.polygon.bounds)] == [
        *("main", "meets", "main")
    ]
    assert first.counts["doubles"] == 1
    again = run(place, mine)
    assert (again.events, again.cases) == ((), first.cases)
    # Whichever ran first has the case, and keeps it when the other runs alone or both do.
    assert len(run(place, [found("meets")], context(["meets"])).cases) == 1
    assert len(run(place, mine).cases) == 3


def test_the_corridor_that_has_the_case_keeps_it(place: LedgerPlace) -> None:
    (old,) = run(place, [found("meets")], context(["meets"])).cases
    (kept,) = run(place, [found("meets"), found("main", 1)]).cases
    assert (kept.case_id, kept.corridor_id) == (old.case_id, "meets")
    # Where it sees nothing this time, what the other saw is the same case.
    (seen,) = run(place, [found("main", 1, text="hhhh")]).cases
    assert (seen.case_id, seen.corridor_id) == (old.case_id, "meets")
    assert (seen.evidence.hits, seen.produced) == (4, True)
    # The other alone opens none beside it, and leaves it as it is.
    alone = run(place, [found("main", 1, text="hhhhh")], context(["main"]))
    assert (alone.cases, alone.events, alone.counts["doubles"]) == ((), (), 1)
    # To a file without that corridor there is no such sibling: see the heirs.
    assert len(run(place, [found("main", 1)], context(["main"], ["main"])).cases) == 1


def test_what_people_rejected_does_not_come_back_from_the_other_side(place: LedgerPlace) -> None:
    (case,) = run(place, [found("meets")], context(["meets"])).cases
    people(place, case, Status.REJECTED)
    (still,) = run(place, [found("main", 1, text="hhhh")]).cases
    assert (still.case_id, still.status) == (case.case_id, Status.REJECTED)


def test_the_whole_goes_before_the_part_that_reaches_the_edge(place: LedgerPlace) -> None:
    (whole,) = run(place, [found("main", side=40), found("meets", side=60)]).cases
    assert (whole.corridor_id, whole.area_m2) == ("meets", 3600)
    # What one corridor saw in two pieces is the whole that the other saw.
    pieces = [found("main", 1000, 40), found("main", 1041, 40), found("meets", 1000, 65)]
    cases = run(place, pieces).cases
    assert sorted(c.corridor_id for c in cases if c.polygon.bounds[0] >= 1000) == ["meets"]


def test_doubles_of_before_become_one_but_not_where_people_speak_of_both(
    place: LedgerPlace,
) -> None:
    one = context(["main"], ["main"]), context(["meets"], ["meets"])
    (mine,), (other,) = (run(place, [found(c.corridors[0])], c).cases for c in one)
    both = [found("main"), found("meets")]
    people(place, other, Status.ISSUED)
    after = {c.case_id: c for c in run(place, both).cases}
    assert (after[mine.case_id].produced, after[other.case_id].produced) == (False, True)
    people(place, mine, Status.ISSUED)
    after = {c.case_id: c for c in run(place, both).cases}
    assert [c.produced for c in after.values()] == [True, True]


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    things=st.lists(
        st.tuples(st.sampled_from(FILE), st.integers(0, 9), st.sampled_from([40.0, 60.0, 90.0])),
        min_size=1,
        max_size=8,
        unique=True,
    ),
    data=st.data(),
)
def test_the_order_of_candidates_says_nothing_and_a_rerun_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory,
    things: list[tuple[str, int, float]],
    data: st.DataObject,
) -> None:
    mine = [found(c, 25.0 * x, side) for c, x, side in things]
    places = [LedgerPlace(tmp_path_factory.mktemp("order") / "l.sqlite") for _ in range(2)]
    one = run(places[0], mine)
    other = run(places[1], data.draw(st.permutations(mine)))
    assert one.cases == other.cases
    again = run(places[0], mine)
    assert {c.case_id for c in again.cases} == {c.case_id for c in one.cases}
    ground = [c for c in one.cases if c.merged_into is None]
    for i, a in enumerate(ground):
        for b in ground[:i]:
            common = a.polygon.intersection(b.polygon).area
            union = a.polygon.union(b.polygon).area
            assert a.corridor_id == b.corridor_id or common < 0.2 * union


def test_cases_of_a_corridor_with_a_new_id_go_on_in_it(place: LedgerPlace) -> None:
    old = context(["old"], ["old"])
    first = run(place, [found("old"), found("old", 500), found("old", 5000)], old).cases
    rejected, issued, far = sorted(first, key=lambda c: c.polygon.bounds)
    people(place, rejected, Status.REJECTED)
    people(place, issued, Status.ISSUED)
    with open_ledger(place) as ledger:
        known = ledger.cases()
    area = reproject(box(-100, -100, 1000, 1000), "EPSG:32649", "EPSG:4326")
    heirs = heirs_of(known, {"new": area, "never": area}, ["new", "never"])
    assert heirs == {rejected.case_id: "new", issued.case_id: "new"}
    assert heirs_of(known, {"old": area}, ["old"]) == {}
    about = replace(context(["new"], ["new"]), heirs=heirs)
    done = run(place, [found("new"), found("new", 500, text="hhhh")], about)
    after = {c.case_id: c for c in done.cases}
    assert set(after) == {rejected.case_id, issued.case_id}
    assert {c.corridor_id for c in after.values()} == {"new"}
    assert after[rejected.case_id].status is Status.REJECTED
    assert after[issued.case_id].evidence.hits == 4
    moved = [e for e in done.events if e.what == "corridor"]
    assert [(e.case_id, e.old, e.new) for e in moved] == [
        (i, "old", "new") for i in sorted([rejected.case_id, issued.case_id])
    ]
    # One revision each, and nothing more when the run is repeated.
    assert {c.revision for c in after.values()} == {3}
    again = run(place, [found("new"), found("new", 500, text="hhhh")], context(["new"], ["new"]))
    assert (again.events, {c.case_id for c in again.cases}) == ((), set(after))
    with open_ledger(place) as ledger:
        assert ledger.cases([far.case_id]) == (far,)
    assert far.evidence.state is EvidenceState.SUSPECTED


def test_a_flight_and_a_lead_join_the_case_of_the_corridor_that_has_it(
    place: LedgerPlace,
) -> None:
    (case,) = run(place, [found("meets")], context(["meets"])).cases
    spots = replace(context(), spots=True, until={"main": CONTEXT.period[1]})
    flown = found("main", 2, text="hhhh")
    (seen,) = run(place, [replace(flown, detector=DRONE_SURFACES)], spots).cases
    assert (seen.case_id, seen.corridor_id, seen.of_drone) == (case.case_id, "meets", True)
    # Where its own corridor has one as well, it is that.
    (mine,) = run(place, [found("main", 300)], context(["main"])).cases
    run(place, [found("meets", 310)], context(["meets"], ["meets"]))
    near = replace(found("main", 302, text="hhhh"), detector=DRONE_SURFACES)
    assert [c.case_id for c in run(place, [near], spots).cases] == [mine.case_id]
    lead = Lead(date(2025, 6, 1), LeadSource.REPORT, "1", Kind.ZHAN, "12345 热线", "1")
    spot = Point(10, 10).buffer(30)
    said = Command("siluan leads import", "leads-1", datetime.now(UTC), "0.2.0")
    at = LeadAt(lead, "main", spot, "EPSG:32649", spot.area, LEAD_POINT, 0.3)
    with open_ledger(place) as ledger:
        assert not take_leads(ledger, [at], "王", said, context()).refused
        (told,) = ledger.cases([case.case_id])
        assert ledger.count() == 3
    assert [k.ref for k in told.leads] == ["1"]


def test_an_issued_case_at_the_edge_takes_the_whole_and_gets_no_double(
    place: LedgerPlace,
) -> None:
    (part,) = run(place, [found("main", side=40)], context(["main"])).cases
    people(place, part, Status.ISSUED)
    both = [found("main", side=40), found("meets", side=60)]
    (case,) = run(place, both).cases
    assert (case.case_id, case.corridor_id, case.area_m2) == (part.case_id, "main", 3600)
    for _ in range(3):
        again = run(place, both)
        assert (again.events, again.cases) == ((), (case,))


def test_a_small_part_in_a_corridor_that_was_not_looked_at_hides_nothing(
    place: LedgerPlace,
) -> None:
    """An object of which another corridor has a tenth, or lost it, or rejected it."""
    (part,) = run(place, [found("main", side=20)], context(["main"])).cases
    alone = run(place, [found("meets", side=90)], context(["meets"]))
    assert [(c.corridor_id, c.area_m2) for c in alone.cases] == [("meets", 8100)]
    people(place, part, Status.REJECTED)
    again = run(place, [found("meets", side=90)], context(["meets"]))
    assert [c.case_id for c in again.cases] == [c.case_id for c in alone.cases]
    assert again.events == ()


def test_what_lies_between_two_corridors_does_not_join_a_third(place: LedgerPlace) -> None:
    chain = ("a", "b", "c")
    about = context(chain, chain)
    far = [found("c", 62)]
    (old,) = run(place, far, context(["c"], chain)).cases
    cases = run(place, [found("a"), found("b", 30), *far], about).cases
    assert [(c.corridor_id, c.produced) for c in cases if c.case_id == old.case_id] == [("c", True)]
    assert {c.corridor_id for c in cases} == {"a", "c"}


def test_a_small_thing_that_drifts_is_the_same_on_the_other_side(place: LedgerPlace) -> None:
    (case,) = run(place, [found("main", side=20)], context(["main"])).cases
    (same,) = run(place, [found("meets", 14, 20, "hhhh")]).cases
    assert same.case_id == case.case_id
    # And where its own corridor is not looked at.
    assert run(place, [found("meets", 14, 20)], context(["meets"])).cases == ()


def test_a_lost_double_takes_no_case_from_the_one_that_stands(place: LedgerPlace) -> None:
    one = context(["main"], ["main"]), context(["meets"], ["meets"])
    (mine,), (other,) = (run(place, [found(c.corridors[0])], c).cases for c in one)
    both = [found("main"), found("meets")]
    runs = [(both, context()), ([found("meets")], context(["meets"])), (both, context())]
    states = []
    for candidates, about in runs:
        run(place, candidates, about)
        with open_ledger(place) as ledger:
            states.append([c.produced for c in ledger.cases([mine.case_id, other.case_id])])
    # The double of before is gone with the first run of both; alone it is not found again.
    assert states == [states[0]] * 3
    assert sum(states[0]) == 1
    # What people hold hears of its place all the same.
    (gone,) = [c for c in (mine, other) if c.corridor_id == "meets"]
    people(place, gone, Status.ISSUED)
    after = run(place, [found("meets", text="hhhhh")], context(["meets"])).cases
    assert [(c.case_id, c.evidence.hits) for c in after] == [(gone.case_id, 5)]
