"""Laws of identity: however a period is cut into runs, and whoever saw it, the same cases.

A small world of objects that stand apart, each seen or not on every date. A run sees what its dates
show, from history up to its end, as the sweeps do: an object that was seen from the patrol's start
on is a candidate with all its looks, and known cases are looked at again from there.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from shapely.affinity import translate
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

sys.path.insert(0, str(Path(__file__).parent))
from test_60_ledger_rules import START, candidate, context, looks

from pipeline.ledger.context import Judgement
from pipeline.ledger.plan import plan, unmatched
from pipeline.model import Candidate, Case, Kind, Look, Seen

DAYS = 16  # dates of the world
APART_M = 400.0


@dataclass(frozen=True)
class Thing:
    """One object of the world."""

    kind: Kind
    side: float
    text: str  # what each date shows


@dataclass(frozen=True)
class Run:
    """One run: the dates of its patrol, its end not included, and how it draws."""

    start: int
    end: int
    shift: tuple[float, float] = (0.0, 0.0)  # error of registration [m]
    pixel_m: float = 0.0  # outlines follow pixels of this size; 0: none
    without: frozenset[int] = frozenset()  # dates that have not arrived yet
    told: bool = False  # whether what is said of a date depends on the history that a run had


def whole(thing: Thing, run: Run) -> list[Look]:
    """Give the looks of an object up to the end of a run."""
    every = enumerate(looks(thing.text.ljust(DAYS, "?")))
    return [k for i, k in every if i < run.end and i not in run.without]


def drawn(place: int, thing: Thing, run: Run) -> BaseGeometry:
    shape = box(0, 0, thing.side, thing.side)
    shape = translate(shape, 3 + APART_M * place + run.shift[0], 7 + run.shift[1])
    if run.pixel_m:
        px = run.pixel_m
        x0, y0, x1, y1 = (v / px for v in shape.bounds)
        shape = box(x0 // 1 * px, y0 // 1 * px, -(-x1 // 1) * px, -(-y1 // 1) * px)
    return shape


def in_context(seen: Sequence[Look], run: Run) -> list[Look]:
    """Let looks depend on the history that the run had, as levels and what is certain do."""
    history = [i for i in range(run.start) if i not in run.without]
    rank = round(1 / (1 + len(history)), 4)
    return [
        # A history of an odd length takes a miss at a level of its own for a look that cannot see.
        replace(k, level_rank=rank, certain=k.on.day % (1 + len(history)) != 1)
        if k.seen is not Seen.MISS or len(history) % 2
        else replace(k, level_rank=rank, seen=Seen.UNKNOWN)
        for k in seen
    ]


def found_by(world: Sequence[Thing], run: Run) -> list[Candidate]:
    first = START + timedelta(days=5 * run.start)
    out: list[Candidate] = []
    for place, thing in enumerate(world):
        seen = whole(thing, run)
        if run.told:
            seen = in_context(seen, run)
        if any(k.seen is Seen.HIT and k.on >= first for k in seen):
            shape = drawn(place, thing, run)
            one = candidate(0, 0, 1, "h", kind=thing.kind, looks=tuple(seen))
            out.append(replace(one, polygon=shape, area_m2=shape.area, evidence=evidence(seen)))
    return out


def evidence(seen: Sequence[Look]) -> Any:
    return context().fold(tuple(seen))


def patrol(known: Sequence[Case], world: Sequence[Thing], run: Run) -> tuple[Case, ...]:
    """Run once over a ledger."""
    first, last = (START + timedelta(days=5 * d) for d in (run.start, run.end - 1))
    every = whole(Thing(Kind.ZHAN, 1, ""), run)
    passes = [k for k in every if k.on >= first]
    where = replace(
        context(f"{run}", first, last + timedelta(hours=1)),
        judged={"xiangjiang": Judgement(frozenset(k.pass_id for k in every))},
        until={"xiangjiang": passes[-1].on if passes else last},
    )
    shown = found_by(world, run)
    again: dict[str, list[Look]] = {}
    for case in unmatched(known, shown, where):
        if case.evidence.first_seen is not None and case.evidence.first_seen < first:
            thing = world[place_of(case)]
            again[case.case_id] = [k for k in whole(thing, run) if k.on >= first]
    return plan(known, shown, where, again).cases


def place_of(case: Case) -> int:
    return round((case.polygon.centroid.x - 20) / APART_M)


def projection(cases: Sequence[Case]) -> list[tuple[Any, ...]]:
    """Give what is said of each place, without ids and provenance."""
    said = [
        (place_of(c), c.kind, c.status, replace(c.evidence, frozen=False), c.proposal, c.produced)
        for c in cases
        if c.merged_into is None
    ]
    return sorted(said, key=repr)


def several(world: Sequence[Thing], runs: Sequence[Run]) -> tuple[Case, ...]:
    known: tuple[Case, ...] = ()
    for run in runs:
        known = patrol(known, world, run)
    return known


things = st.lists(
    st.builds(
        Thing,
        st.sampled_from(list(Kind)),
        st.sampled_from([20.0, 40.0, 120.0]),
        st.text(alphabet="hm?", min_size=DAYS, max_size=DAYS),
    ),
    min_size=1,
    max_size=4,
)


@st.composite
def cut(draw: Any, **more: Any) -> list[Run]:
    """Cut the period into runs whose end moves on, and whose start may follow it."""
    ends = sorted({*draw(st.lists(st.integers(1, DAYS), max_size=4)), DAYS})
    runs: list[Run] = []
    start = 0
    for end in ends:
        # Never beyond what the run before has seen: between them nobody would have looked.
        start = draw(st.integers(start, min(runs[-1].end if runs else 0, end - 1)))
        given = {name: draw(how) for name, how in more.items()}
        runs.append(Run(start, end, **given))
    return runs


@settings(max_examples=40, deadline=None)
@given(things, cut())
def test_law_a_period_in_many_runs_is_that_of_one(world: list[Thing], runs: list[Run]) -> None:
    done = several(world, runs)
    assert projection(done) == projection(several(world, [Run(0, DAYS)]))
    # The last run once more says nothing new.
    again = patrol(done, world, runs[-1])
    assert again == done


@settings(max_examples=30, deadline=None)
@given(things, st.sets(st.integers(0, DAYS - 1), max_size=DAYS // 2), st.integers(0, 3))
def test_law_late_scenes_replayed_say_what_they_would_have_said_in_time(
    world: list[Thing], late: set[int], start: int
) -> None:
    early = Run(start, DAYS, without=frozenset(late))
    done = several(world, [early, Run(start, DAYS)])
    want = several(world, [Run(start, DAYS)])
    assert projection(c for c in done if c.produced or c.issued) == projection(want)  # type: ignore[arg-type]


def to_the_letter(cases: Sequence[Case]) -> list[tuple[Any, ...]]:
    """Give cases whole, but for their ids and how often they were revised, and by which run."""
    same = {"case_id": "", "revision": 1, "run_id": ""}
    plain = [replace(c, **same) for c in cases if c.produced and c.merged_into is None]
    return sorted([(place_of(c), c.polygon.wkb, repr(c.looks), repr(c)) for c in plain], key=repr)


@settings(max_examples=40, deadline=None)
@example([Thing(Kind.ZHAN, 20.0, "mmmhhhhh")], {1}, 3)
@example([Thing(Kind.ZHAN, 20.0, "hhhhhhhh")], {0, 4}, 3)
@given(things, st.sets(st.integers(0, DAYS - 1), max_size=DAYS // 2), st.integers(0, 6))
def test_law_late_scenes_replayed_give_the_ledger_to_the_letter_but_for_ids(
    world: list[Thing], late: set[int], start: int
) -> None:
    """Where a look depends on its context, that of the run with all scenes holds."""
    whole_run = Run(start, DAYS, told=True)
    early = several(world, [replace(whole_run, without=frozenset(late))])
    done = patrol(early, world, whole_run)
    assert to_the_letter(done) == to_the_letter(several(world, [whole_run]))
    # An id that was given once stays; nothing more is said by the same run.
    assert {c.case_id for c in early} <= {c.case_id for c in done}
    assert patrol(done, world, whole_run) == done


@settings(max_examples=20, deadline=None)
@given(things, st.integers(1, 6), st.integers(7, DAYS - 1))
def test_law_a_later_patrol_does_not_unsay_what_an_earlier_one_told(
    world: list[Thing], start: int, later: int
) -> None:
    first = several(world, [Run(start, later, told=True)])
    then = patrol(first, world, Run(later, DAYS, told=True))
    after = {c.case_id: c for c in then}
    for case in first:
        assert set(case.looks) <= set(after[case.case_id].looks)


# What is left after registration: up to 12 m from run to run, of pixels of 10 m.
_shift = st.builds(
    lambda m, a: (m * math.cos(a), m * math.sin(a)), st.floats(0, 6), st.floats(0, 2 * math.pi)
)


_SMALL = [Thing(Kind.ZHAN, 20.0, "h" * DAYS)]
_COARSE = [Run(0, 8), Run(4, DAYS, (-7.0, -14.0), 30.0)]  # 60 m by 60 m of pixels that it straddles
# 30 m by 30 m, and 11.7 m beside it: less than half of it is inside, and half of the size.
_BESIDE = [Run(0, 4, (0.0, 4.0), 10.0), Run(0, DAYS, (-4.0, -7.0))]


@settings(max_examples=30, deadline=None)
@example(_SMALL, _COARSE)
@example([Thing(Kind.ZHAN, 20.0, "???h")], _BESIDE)
@given(things, cut(shift=_shift, pixel_m=st.sampled_from([0.0, 2.0, 10.0, 30.0])))
def test_law_drift_and_sensors_of_other_pixels_open_no_second_case(
    world: list[Thing], runs: list[Run]
) -> None:
    """Errors of registration from run to run, and outlines of pixels from 2 m to 30 m."""
    done = several(world, runs)
    assert [c.merged_into for c in done] == [None] * len(done)
    assert projection(done) == projection(several(world, [Run(0, DAYS)]))


@settings(max_examples=30, deadline=None)
@given(things, st.randoms(use_true_random=False))
def test_law_the_order_of_scenes_and_of_objects_changes_nothing(
    world: list[Thing], random: Any
) -> None:
    run = Run(0, DAYS)
    shown = found_by(world, run)
    mixed: list[Candidate] = []
    for one in shown:
        order = list(one.looks)
        random.shuffle(order)
        mixed.append(replace(one, looks=tuple(order)))
    random.shuffle(mixed)
    where = context()
    assert plan((), mixed, where).cases == plan((), shown, where).cases
