"""Matching and life cycle, by example and by law; nothing here touches a disk."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from shapely.affinity import translate
from shapely.geometry import box

from pipeline.adjudicate.evidence import fold
from pipeline.ledger.context import LedgerContext
from pipeline.ledger.match import match
from pipeline.ledger.plan import Plan, plan, unmatched
from pipeline.model import (
    PICTURE,
    PICTURES,
    Attribution,
    Candidate,
    Case,
    EvidenceState,
    Kind,
    Look,
    ReceiverAnswer,
    Ruling,
    Seen,
    Status,
)

START = datetime(2025, 1, 1, 3, tzinfo=UTC)
END = datetime(2025, 12, 31, tzinfo=UTC)
SEEN = {"h": Seen.HIT, "m": Seen.MISS, "?": Seen.UNKNOWN}


def looks(text: str, first_day: int = 0) -> tuple[Look, ...]:
    out: list[Look] = []
    for i, c in enumerate(text):
        on = START + timedelta(days=5 * i + first_day)
        out.append(Look(on, f"{on:%Y%m%d}_s2", "sentinel-2-l2a", 1.0, SEEN[c], True, 0.5, 2.0))
    return tuple(out)


def candidate(x: float, y: float, side: float, text: str, **more: Any) -> Candidate:
    seen = looks(text)
    return replace(
        Candidate(
            kind=Kind.ZHAN,
            corridor_id="xiangjiang",
            polygon=box(x, y, x + side, y + side),
            crs="EPSG:32649",
            area_m2=side * side,
            looks=seen,
            evidence=fold(seen),
            score=0.5,
            measures={"area_px": side * side / 100},
            scene_ids=tuple(look.pass_id for look in seen),
            detector="zhan/1",
        ),
        **more,
    )


def context(run: str = "run1", start: datetime = START, end: datetime = END) -> LedgerContext:
    return LedgerContext(
        run, "0.1.0", "cfg", ("xiangjiang",), (start, end), partial(fold, until=end)
    )


def apply(
    known: Sequence[Case], found: Sequence[Candidate], run: str = "run1", **more: Any
) -> Plan:
    return plan(known, found, context(run), **more)


def test_opens_with_a_readable_id_and_the_status_the_evidence_allows() -> None:
    done = apply([], [candidate(0, 0, 60, "hhh"), candidate(500, 0, 60, "h")])
    assert [c.status for c in sorted(done.cases, key=lambda c: c.polygon.bounds)] == [
        Status.SUSPECTED,
        Status.WATCH,
    ]
    assert all(c.case_id.startswith("ZZ-2025-zhan-") for c in done.cases)
    assert [e.what for e in done.events] == ["opened", "opened"]
    assert apply([], [candidate(0, 0, 60, "???m")]).cases == ()


def test_the_same_again_changes_nothing() -> None:
    found = [candidate(0, 0, 60, "hhh"), candidate(500, 0, 60, "h")]
    first = apply([], found)
    again = apply(first.cases, found, run="another")
    assert (again.changed, again.events) == ((), ())
    assert again.cases == first.cases


def test_what_another_sensor_has_shown_with_swir_was_seen_with_it() -> None:
    def seen(sensor: str, text: str, **measures: float) -> Candidate:
        found = candidate(0, 0, 60, text)
        own = tuple(replace(k, sensor=sensor, pass_id=sensor + k.pass_id) for k in found.looks)
        return replace(found, looks=own, measures={**found.measures, **measures})

    first = apply([], [seen("s2", "hhh")]).cases
    (both,) = apply(first, [seen("gf", "???hhh", no_swir=1.0)], run="2").cases
    assert "no_swir" not in both.measures
    (alone,) = apply([], [seen("gf", "hhh", no_swir=1.0)]).cases
    (again,) = apply([alone], [seen("gf2", "???hhh", no_swir=1.0)], run="2").cases
    assert again.measures["no_swir"] == 1.0
    # A case of before there was the measure.
    older = replace(alone, measures={"area_px": 36.0})
    (known,) = apply([older], [seen("gf", "???hhh", no_swir=1.0)], run="2").cases
    assert known.measures["no_swir"] == 1.0


def test_looks_that_could_not_see_are_kept_without_a_revision() -> None:
    first = apply([], [candidate(0, 0, 60, "hhh")])
    (case,) = apply(first.cases, [candidate(0, 0, 60, "hhh??")], run="2").cases
    assert (case.revision, case.run_id, len(case.looks)) == (1, "run1", 5)
    (case,) = apply([case], [candidate(0, 0, 60, "hhh??h")], run="3").cases
    assert (case.revision, case.run_id) == (2, "3")


def test_identity_survives_shift_growth_and_another_kind() -> None:
    (case,) = apply([], [candidate(0, 0, 20, "hhh")]).cases
    for moved in (
        candidate(14, 12, 20, "hhhh"),  # nearly off its old place: registration
        candidate(0, 0, 200, "hhhh"),  # grew a hundredfold
        candidate(0, 0, 20, "hhhh", kind=Kind.DUI),
    ):
        (after,) = apply([case], [moved], run="2").cases
        assert after.case_id == case.case_id
        assert after.revision == 2
        assert after.kind is moved.kind
    assert len(apply([case], [candidate(60, 0, 20, "hhhh")]).cases) == 2
    assert len(apply([case], [candidate(0, 0, 20, "hhh", corridor_id="lushui")]).cases) == 2


def test_drift_of_a_small_thing_opens_none_where_pixels_of_another_size_drew_it() -> None:
    (case,) = apply([], [candidate(0, 0, 20, "hhh")]).cases
    # 30 m by 30 m that hold 12 m by 14 m of it, their middles 17 m away and no similar size.
    (after,) = apply([case], [candidate(8, 6, 30, "hhhh")], run="2").cases
    assert after.case_id == case.case_id
    # A tenth of it is inside; or a fifth, and a shift of 10 m would leave most of it outside.
    assert len(apply([case], [candidate(18, 0, 30, "hhhh")], run="2").cases) == 2
    (large,) = apply([], [candidate(0, 0, 100, "hhh")]).cases
    assert len(apply([large], [candidate(78, 0, 150, "hhhh")], run="2").cases) == 2


def test_what_grows_out_of_the_edge_of_something_large_is_another_thing() -> None:
    """It takes neither the case over, which would become as small, nor joins it."""
    (large,) = apply([], [candidate(0, 0, 100, "hhh")]).cases
    for beside in (candidate(90, 0, 30, "hhhh"), candidate(60, 60, 100, "hhhh")):
        done = apply([large], [beside], run="2").cases
        assert len(done) == 2
        assert next(c for c in done if c.case_id == large.case_id).polygon.equals(large.polygon)


def test_merging_keeps_the_oldest() -> None:
    two = apply([], [candidate(0, 0, 60, "mhhh"), candidate(70, 0, 60, "hhh")])
    old = next(c for c in two.cases if c.polygon.bounds[0] == 70)
    young = next(c for c in two.cases if c is not old)
    joined = [candidate(0, 0, 130, "hhhh")]
    done = apply(two.cases, joined, run="2")
    after = {c.case_id: c for c in done.cases}
    assert after[old.case_id].merged_from == (young.case_id,)
    assert after[young.case_id].merged_into == old.case_id
    assert {e.what for e in done.events} == {"merged", "absorbed"}
    assert apply(done.cases, joined, run="3").changed == ()


def test_what_is_merged_brings_its_number_at_another_system_along() -> None:
    two = apply([], [candidate(0, 0, 60, "mhhh"), candidate(70, 0, 60, "hhh")]).cases
    answers = [ReceiverAnswer("r", START.date(), str(i)) for i in range(2)]
    young, old = sorted(two, key=lambda c: c.polygon.bounds)
    young = replace(young, external_id="A-1", answer=answers[0])
    joined = [candidate(0, 0, 130, "hhhh")]
    done = apply([young, old], joined, run="2")
    after = next(c for c in done.cases if c.case_id == old.case_id)
    assert (after.external_id, after.answer) == ("A-1", answers[0])
    assert ("external", "A-1") in [(e.what, e.new) for e in done.events]
    own = replace(old, external_id="B-1", answer=answers[1])
    after = next(c for c in apply([young, own], joined, run="2").cases if c.case_id == old.case_id)
    assert (after.external_id, after.answer) == ("B-1", answers[1])


def test_a_split_names_its_parent() -> None:
    (case,) = apply([], [candidate(0, 0, 100, "hhh")]).cases
    parts = [candidate(0, 0, 60, "hhhh"), candidate(70, 70, 30, "hhhh")]
    done = apply([case], parts, run="2")
    (child,) = [c for c in done.cases if c.case_id != case.case_id]
    assert child.parent == case.case_id
    assert apply(done.cases, parts, run="3").changed == ()


def test_expiry_before_issue_goes_back_to_watch() -> None:
    first = apply([], [candidate(0, 0, 60, "hhh")])
    (case,) = apply(first.cases, [candidate(0, 0, 60, "hhhmmmm")], run="2").cases
    assert (case.status, case.evidence.state) == (Status.WATCH, EvidenceState.EXPIRED)
    (case,) = apply([case], [candidate(0, 0, 60, "hhhmmmmhhh")], run="3").cases
    assert (case.status, case.evidence.state) == (Status.SUSPECTED, EvidenceState.RELAPSED)


def test_imagery_never_moves_what_people_issued() -> None:
    (case,) = apply([], [candidate(0, 0, 60, "hhh")]).cases
    for status in set(Status) - {Status.WATCH, Status.SUSPECTED}:
        issued = replace(case, status=status)
        done = apply([issued], [candidate(0, 0, 60, "hhhmmmm")], run="2")
        assert len(done.cases) == 1
        assert done.cases[0].status is status
        assert done.cases[0].evidence.state is EvidenceState.SUSPECTED
        assert done.cases[0].proposal == "已恢复"
        assert [e.what for e in done.events] == ["proposed"]
        assert apply(done.cases, [candidate(0, 0, 60, "hhhmmmm")], run="3").changed == ()
    # Two that people hold are never made one.
    held = [
        replace(c, status=Status.ISSUED)
        for c in apply([], [candidate(0, 0, 60, "hhh"), candidate(70, 0, 60, "hhh")]).cases
    ]
    assert all(c.merged_into is None for c in apply(held, [candidate(0, 0, 130, "hhhh")]).cases)


def test_a_case_no_longer_produced_is_kept_and_marked_once() -> None:
    first = apply([], [candidate(0, 0, 60, "hhh")])
    done = apply(first.cases, [], run="2")
    assert [e.what for e in done.events] == ["lost"]
    assert not done.cases[0].produced
    assert apply(done.cases, [], run="3").changed == ()
    back = apply(done.cases, [candidate(0, 0, 60, "hhh")], run="4")
    assert [e.what for e in back.events] == ["found"]
    # A run over other dates, or another corridor, says nothing about it.
    later = context("5", start=START + timedelta(days=100))
    assert plan(first.cases, [], later).changed == ()
    assert plan(first.cases, [], replace(context(), corridors=("lushui",))).changed == ()


def test_misses_reach_a_case_without_a_candidate() -> None:
    first = apply([], [candidate(0, 0, 60, "hhh")])
    later = context("2", start=START + timedelta(days=100))
    assert unmatched(first.cases, [], later) == first.cases
    assert unmatched(first.cases, [candidate(0, 0, 60, "hhh")], later) == ()
    missed = {first.cases[0].case_id: looks("mmmm", first_day=100)}
    done = plan(first.cases, [], later, missed)
    assert done.cases[0].evidence.state is EvidenceState.EXPIRED
    assert done.cases[0].produced
    assert plan(done.cases, [], later, missed).changed == ()


def test_ids_that_collide_get_a_suffix() -> None:
    twins = [candidate(0, 0, 60, "hhh"), candidate(1, 1, 60, "hhh")]
    ids = [c.case_id for c in apply([], twins).cases]
    assert ids[1] == f"{ids[0]}-2"


candidates = st.lists(
    st.builds(
        candidate,
        st.integers(0, 20).map(lambda v: 10.0 * v),
        st.integers(0, 20).map(lambda v: 10.0 * v),
        st.integers(2, 10).map(lambda v: 10.0 * v),
        st.text(alphabet="hm?", min_size=1, max_size=10),
        kind=st.sampled_from(list(Kind)),
    ),
    max_size=7,
)


def summary(done: Plan) -> list[tuple[Any, ...]]:
    return [
        (c.case_id, c.kind, c.polygon.wkb, c.status, c.evidence, c.revision) for c in done.cases
    ]


@settings(max_examples=60, deadline=None)
@given(candidates, candidates, st.randoms(use_true_random=False))
def test_order_never_matters(old: list[Candidate], new: list[Candidate], random: Any) -> None:
    known = apply([], old).cases
    want = apply(known, new, run="2")
    shuffled, mixed = list(known), list(new)
    random.shuffle(shuffled)
    random.shuffle(mixed)
    got = apply(shuffled, mixed, run="2")
    assert summary(got) == summary(want)
    assert got.events == want.events


@settings(max_examples=60, deadline=None)
@example([candidate(0, 0, 20, "?"), candidate(0, 0, 20, "m"), candidate(0, 0, 20, "?h")])
@given(candidates)
def test_first_run_repeated_is_idempotent_and_ids_are_stable(found: list[Candidate]) -> None:
    first = apply([], found)
    ids = [c.case_id for c in first.cases]
    assert len(set(ids)) == len(ids)
    again = apply(first.cases, found, run="2")
    assert {c.case_id for c in again.cases} >= set(ids)
    assert match(found, first.cases).case_of.keys() >= {
        i for i, c in enumerate(found) if c.evidence.hits
    }
    assert again.counts["opened"] == 0


@settings(max_examples=60, deadline=None)
@given(candidates, st.floats(-8, 8), st.floats(-8, 8))
def test_a_small_shift_of_everything_opens_nothing(
    found: list[Candidate], dx: float, dy: float
) -> None:
    # Apart, because a row of equal touching boxes shifted by half a box cannot be told apart.
    apart = [replace(c, polygon=translate(c.polygon, 400.0 * i, 0.0)) for i, c in enumerate(found)]
    known = apply([], apart).cases
    moved = [replace(c, polygon=translate(c.polygon, dx, dy)) for c in apart]
    seen = sum(c.evidence.hits > 0 for c in apart)
    assert len(known) == seen
    assert len(apply(known, moved, run="2").cases) == seen


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="hm?", min_size=1, max_size=14), st.integers(1, 13))
def test_splitting_a_period_gives_the_same_projection(text: str, cut: int) -> None:
    whole = apply([], [candidate(0, 0, 60, text)]).cases
    known: tuple[Case, ...] = ()
    for part in (looks(text)[:cut], looks(text)[cut:]):
        known = apply(known, [candidate(0, 0, 60, "h", looks=part)] if part else []).cases
    split = [(c.kind, c.status, c.evidence) for c in known]
    want = [(c.kind, c.status, c.evidence) for c in whole]
    if any(k.seen is Seen.HIT for k in looks(text)[:cut]):
        assert split == want


def picture(x: float, y: float, side: float, day: int) -> Candidate:
    """What two pictures say: not there in the older one, there in the newer."""
    on = [START + timedelta(days=d) for d in (day - 60, day)]
    seen = tuple(
        Look(when, f"{PICTURE}{when:%Y%m%d}", "mosaic-rgb8", 1.0, what, certain=False)
        for when, what in zip(on, (Seen.MISS, Seen.HIT), strict=True)
    )
    return candidate(
        *(x, y, side, ""), kind=Kind.JIAN, looks=seen, evidence=fold(seen), detector=PICTURES,
        scene_ids=(f"mosaic-{day}",), measures={"strength": 9.0}, score=0.1,
    )  # fmt: skip


def test_a_picture_is_evidence_beside_a_case_and_never_takes_it_over() -> None:
    ground = candidate(0, 0, 60, "mhhh", kind=Kind.CAI, detector="ground/1")
    (case,) = apply([], [ground]).cases
    later = context("2", START + timedelta(days=100), START + timedelta(days=200))
    again = {case.case_id: looks("mhm", 110)}
    done = plan([case], [picture(5, 5, 90, 150)], later, again)
    (after,) = done.cases
    assert (after.detector, after.kind, after.area_m2) == ("ground/1", Kind.CAI, 3600)
    assert (after.measures, after.polygon, after.score) == (case.measures, case.polygon, case.score)
    assert after.produced
    assert after.status == case.status
    # It was looked at again, and the newer picture stands beside it; the older one says nothing.
    assert [k.pass_id for k in after.looks if k.of_picture] == [f"{PICTURE}20250531"]
    assert len(after.looks) == 4 + 3 + 1
    assert after.evidence.hits == case.evidence.hits + 2
    assert "mosaic-150" in after.scene_ids
    assert done.counts["candidates"] == 1
    assert unmatched([case], [picture(5, 5, 90, 150)], later) == (case,)


def test_a_picture_beside_a_case_changes_nothing_the_second_time() -> None:
    (case,) = apply([], [candidate(0, 0, 60, "mhhh", detector="ground/1")]).cases
    later = context("2", START + timedelta(days=100), START + timedelta(days=200))
    first = plan([case], [picture(5, 5, 90, 150)], later)
    again = plan(first.cases, [picture(5, 5, 90, 150)], later)
    assert (again.changed, again.events) == ((), ())
    # Nor is the case lost once the picture is gone.
    (gone,) = plan(first.cases, [], replace(later, run_id="3")).cases
    assert gone.produced


def test_a_picture_alone_opens_a_case_and_calibrated_imagery_takes_it_over() -> None:
    (case,) = apply([], [picture(0, 0, 60, 100)]).cases
    assert (case.of_pictures, case.status) == (True, Status.WATCH)
    (same,) = apply([case], [picture(2, 0, 60, 100)]).cases
    assert (same.case_id, same.of_pictures) == (case.case_id, True)
    (seen,) = apply([case], [candidate(0, 0, 60, "hhh", detector="ground/1")]).cases
    assert (seen.case_id, seen.detector) == (case.case_id, "ground/1")
    # Beside a case that a candidate of this run is, the candidate is given and no second case.
    found = [candidate(0, 0, 60, "hhh", detector="ground/1"), picture(10, 0, 90, 100)]
    assert len(apply([seen], found).cases) == 1


def test_a_ruling_makes_a_revision_once_and_moves_no_status() -> None:
    def screened(ruling: Ruling, run: str) -> LedgerContext:
        return replace(context(run), attribute=lambda _: Attribution(), screen=lambda _: ruling)

    found = [candidate(0, 0, 60, "hhh")]
    hidden = Ruling("suppressed", "works-valid")
    first = plan([], found, screened(hidden, "1"))
    assert [(e.what, e.new) for e in first.events] == [
        ("opened", "suspected"),
        ("screened", "suppressed:works-valid"),
    ]
    (case,) = first.cases
    assert (case.status, case.suppressed) == (Status.SUSPECTED, True)
    assert plan([case], found, screened(hidden, "2")).changed == ()
    # Looks go on being collected, and it comes back with all of them.
    more = [candidate(0, 0, 60, "hhhhh")]
    back = plan([case], more, screened(Ruling(), "3"))
    assert [(e.what, e.old, e.new) for e in back.events] == [
        ("screened", "suppressed:works-valid", "kept")
    ]
    (case,) = back.cases
    assert (case.evidence.hits, case.revision, case.suppressed) == (5, 2, False)
    # What people hold is ruled on too, and stays on their list.
    held = replace(case, status=Status.ISSUED)
    (after,) = plan([held], more, screened(hidden, "4")).cases
    assert (after.status, after.ruling, after.suppressed) == (Status.ISSUED, hidden, False)
