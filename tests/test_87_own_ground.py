"""A field that lies bare as in earlier years waits for half a year; a heap on it does not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.adjudicate.candidates import AdjudicateOptions
from pipeline.adjudicate.evidence import FoldOptions, fold
from pipeline.adjudicate.tracks import Track
from pipeline.adjudicate.weighing import weighed_again
from pipeline.config import GroundOptions
from pipeline.model import EvidenceState, Ground, Kind, Look, Seen, Sighting, Window
from pipeline.passes import own_ground as asked_of
from pipeline.passes.follow_ground import _lasted
from pipeline.passes.own_ground import own_ground
from pipeline.passes.verdicts import Question

FIRST = datetime(2025, 1, 10, tzinfo=UTC)
SIDE = 30
ROWS, COLS = (a.ravel().astype(np.int32) for a in np.mgrid[10:15, 10:17])
TRACK = Track(
    Kind.DUI, (Sighting(Kind.DUI, "0", FIRST, ROWS, COLS, 0.5, {}, True),), ROWS, COLS, ROWS, COLS
)  # fmt: skip
FIELD, CROP = (0.11, 0.2, -0.35, 0.21), (0.05, 0.75, -0.55, -0.22)
HEAP = (0.17, 0.06, -0.3, 0.14)
BARE = {
    "wet_share": 0.0, "bar_share": 0.0, "wait_days": 0.0, "strip": 0.0, "linear": 0.0,
    "certain_share": 1.0, "soil": 0.0, "area_m2": 3500.0, "bright": 0.11, "ndvi": 0.2,
    "water": -0.4,
}  # fmt: skip


def looks_of(seen: str, step: int = 10, *, certain: bool = True) -> list[Look]:
    words = {"h": Seen.HIT, "m": Seen.MISS, "u": Seen.UNKNOWN}
    return [
        Look(FIRST + timedelta(days=step * i), str(i), "s", 1.0, words[c], certain, 0.2, 1.0)
        for i, c in enumerate(seen)
    ]


class Ask:
    """One place: what history saw of it (autumn of the year before first), and what looks see."""

    def __init__(
        self, before: Sequence[tuple[float, ...]], now: Sequence[tuple[float, ...]]
    ) -> None:
        history = [FIRST - timedelta(days=300 - 10 * i) for i in range(len(before))]
        self.passes = [SimpleNamespace(id=str(i)) for i in range(len(now))]
        past = [SimpleNamespace(id=f"h{i}", acquired=on) for i, on in enumerate(history)]
        told = {p.id: v for p, v in zip([*past, *self.passes], [*before, *now], strict=True)}
        self.flagged: set[str] = set()
        self.read: list[str] = []

        def features(name: str, window: Window, _: object) -> NDArray[np.float32]:
            self.read.append(name)
            fill = np.array(told[name], np.float32)[:, None, None]
            return np.broadcast_to(fill, (4, *window.shape)).copy()

        def of(name: str, window: Window) -> NDArray[np.uint8]:
            code = Ground.GREEN if told[name][1] > 0.4 else Ground.DRY
            code = Ground.UNKNOWN if name in self.flagged else code
            return np.full(window.shape, code, np.uint8)

        def each(names: Sequence[str], window: Window) -> Iterator[NDArray[np.uint8]]:
            return (of(name, window) for name in names)

        states = SimpleNamespace(features=features, of=of, each=each)
        quarter = SimpleNamespace(history=past, states=states, book=None)
        self.bench = SimpleNamespace(
            looks=SimpleNamespace(passes=self.passes), normals=SimpleNamespace(quarter=quarter)
        )

    def __call__(self, looks: Sequence[Look], **of: float) -> dict[str, float]:
        with mock.patch.object(asked_of, "rows_of", lambda _, __, some, judge: judge(some)):
            how = (looks, GroundOptions(), FoldOptions())
            return own_ground(self.bench, TRACK, Window(0, SIDE, 0, SIDE), BARE | of, how)  # type: ignore[arg-type]


def test_a_field_that_was_bare_at_another_time_of_the_year_waits() -> None:
    ask = Ask([CROP, FIELD, FIELD, CROP], [FIELD] * 4)
    assert ask(looks_of("hhhh")) == {"own_ground": 1.0, "wait_days": 180.0}
    assert ask(looks_of("hhhh"), wait_days=200.0)["wait_days"] == 200.0


def test_a_heap_on_it_does_not() -> None:
    assert Ask([CROP, FIELD, FIELD, CROP], [HEAP] * 4)(looks_of("hhhh")) == {}


def test_what_is_heaped_on_a_bare_field_is_told_by_the_newest_hits() -> None:
    now = [FIELD] * 6 + [HEAP] * 6
    assert Ask([FIELD] * 3, now)(looks_of("h" * 12)) == {}
    assert Ask([FIELD] * 3, [FIELD] * 12)(looks_of("h" * 12))


def test_what_history_flagged_is_no_ground_of_its_own() -> None:
    ask = Ask([FIELD, FIELD, CROP], [FIELD] * 3)
    ask.flagged = {"h0"}
    assert ask(looks_of("hhh")) == {}


def test_half_of_the_pixels_must_be_seen_bare_for_a_look_to_be_read() -> None:
    ask = Ask([CROP, FIELD, FIELD, CROP], [FIELD] * 3)
    ask(looks_of("hhh"))
    assert set(ask.read) == {"h1", "h2", "0", "1", "2"}


@pytest.mark.parametrize(
    "other",
    [
        {"wet_share": 0.8}, {"bar_share": 0.6}, {"mixed_water": 1.0}, {"strip": 1.0},
        {"precedents": 2.0}, {"filled_px": 20.0},
    ],
)  # fmt: skip
def test_water_bars_fills_and_what_is_doubted_anyway_are_not_asked(other: dict[str, float]) -> None:
    ask = Ask([FIELD] * 3, [FIELD] * 4)
    assert ask(looks_of("hhhh"), **other) == {}
    assert not ask.read


def test_only_what_may_be_told_is_asked() -> None:
    ask = Ask([FIELD] * 3, [FIELD] * 4)
    assert ask(looks_of("hhhh", certain=False)) == {}
    assert ask(looks_of("hmmm")) == {}
    assert not ask.read


def state_of(seen: str, step: int, **of: float) -> EvidenceState:
    """Say what comes of looks at a field, from the first on."""
    measures = BARE | of
    how = (AdjudicateOptions(), FIRST + timedelta(days=400), FIRST, 0)
    found = _lasted(looks_of(seen, step), TRACK, measures, how)
    case = SimpleNamespace(case_id="one", measures=measures, area_m2=3500.0)
    every = weighed_again([case], {"one": found}, FoldOptions())["one"]  # type: ignore[list-item]
    return fold(every).state


OWN = {"own_ground": 1.0, "wait_days": 180.0}


def test_a_winter_without_a_crop_is_not_told_and_half_a_year_is() -> None:
    assert state_of("h" * 3, 40) is EvidenceState.SUSPECTED
    assert state_of("h" * 9, 20, **OWN) is EvidenceState.PROVISIONAL  # 160 days
    assert state_of("h" * 12, 20, **OWN) is EvidenceState.SUSPECTED


def test_a_crop_between_begins_the_wait_anew() -> None:
    assert state_of("hhhhmmhhhhh", 25, **OWN) is EvidenceState.PROVISIONAL
    assert state_of("hhhhuuhhhhh", 25, **OWN) is EvidenceState.SUSPECTED
    assert state_of("hhhhmhhhhh", 25, **OWN) is EvidenceState.SUSPECTED  # a cloud's shadow


@pytest.mark.parametrize("after", ["m", "mm", "mmhhh", "mhhhhmhhhhm"])
def test_what_was_told_after_half_a_year_is_not_taken_back_by_a_miss_or_two(after: str) -> None:
    assert state_of("h" * 12 + after, 20, **OWN) is EvidenceState.SUSPECTED


def test_what_was_another_ground_when_it_came_stays_told_once_it_is_wet() -> None:
    wet = (0.1, 0.2, -0.35, 0.21)  # as the field lay bare
    assert Ask([FIELD] * 3, [HEAP] * 4 + [wet] * 8)(looks_of("h" * 12)) == {}


def test_a_heap_that_nobody_searched_for_does_not_explain_itself() -> None:
    """Looks after the last that misses it may show the object, whoever was to look for it."""
    heap_before = Ask([CROP] * 27 + [HEAP] * 2, [HEAP] * 4)  # 30 and 20 days before
    assert heap_before(looks_of("hhhh")) == {}
    missed = [Look(FIRST - timedelta(days=45), "x", "s", 1.0, Seen.MISS, True, 0.2, 1.0)]
    assert heap_before(missed + looks_of("hhhh")) == {}


def test_looks_of_the_last_200_days_explain_nothing_where_none_missed_it() -> None:
    late = Ask([CROP] * 12 + [FIELD] * 3, [FIELD] * 4)  # 180 to 160 days before
    assert late(looks_of("hhhh")) == {}
    missed = [Look(FIRST - timedelta(days=100), "x", "s", 1.0, Seen.MISS, True, 0.2, 1.0)]
    assert late(missed + looks_of("hhhh"))


def test_one_look_decides_nothing() -> None:
    nan = (np.nan,) * 4
    assert Ask([FIELD] * 3, [FIELD] + [nan] * 7)(looks_of("h" * 8)) == {}


def test_an_answer_is_named_by_all_that_it_rests_on() -> None:
    """A late scene that moves the first sighting, or a miss before it, asks anew."""
    named: list[object] = []
    ask = Ask([FIELD] * 3, [FIELD] * 4)

    def rows_of(_: object, question: Question, some: object, judge: object) -> object:
        named.append(question.content)
        return judge(some)  # type: ignore[operator]

    missed = [Look(FIRST - timedelta(days=20), "x", "s", 1.0, Seen.MISS, True, 0.2, 1.0)]
    for looks in (looks_of("hhhh"), missed + looks_of("hhhh")):
        with mock.patch.object(asked_of, "rows_of", rows_of):
            how = (looks, GroundOptions(), FoldOptions())
            own_ground(ask.bench, TRACK, Window(0, SIDE, 0, SIDE), BARE, how)  # type: ignore[arg-type]
    assert len(named) == 2
    assert named[0] != named[1]
    assert all(FIRST.isoformat() in content for content in named)  # type: ignore[operator]
