"""Two slim pieces that face each other across water are parts of one bridge."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.adjudicate.tracks import Track
from pipeline.config import GroundOptions
from pipeline.detect.crossings import faces, gap, over_water, points
from pipeline.detect.objects import measure
from pipeline.detect.ramps import RampOptions
from pipeline.detect.water_frequency import UNSEEN
from pipeline.model import Kind, Sighting, Window
from pipeline.passes.company import Company, companies, facing_tracks

FIRST = datetime(2025, 3, 1, tzinfo=UTC)
OPTIONS = RampOptions()
SIDE = 80


def arm(wet: int = 12, below: int = 0) -> NDArray[np.uint8]:
    """History of an arm that runs from west to east, ``wet`` pixels wide from row 40 on."""
    bins = np.full((SIDE, SIDE), below, np.uint8)
    bins[40 : 40 + wet] = 12  # water on two looks of five: it falls dry
    return bins


def track(top: int, high: int, left: int = 30, wide: int = 2, **of: Any) -> Track:
    """Sighted every ten days from ``later`` days on, the first ``unsure`` times not certainly."""
    begin = FIRST + timedelta(days=of.pop("later", 0))
    unsure = of.pop("unsure", 0)
    kind, times = of.pop("kind", Kind.JIAN), of.pop("times", 3)
    box = np.mgrid[top : top + high, left : left + wide]
    rows, cols = (a.ravel().astype(np.int32) for a in box)
    seen = tuple(
        Sighting(kind, str(k), begin + timedelta(days=10 * k), rows, cols, 0.5, of, k >= unsure)
        for k in range(times)
    )
    return Track(kind, seen, rows, cols, rows, cols)


ASKED: list[datetime] = []
"""Of which history was asked last."""


def facing(some: list[Track], bins: NDArray[np.uint8] | None = None, later: int = 0) -> list[bool]:
    known = arm() if bins is None else bins

    def baseline(w: Window) -> Any:
        return SimpleNamespace(bins=known[w.slices])

    def history(on: datetime) -> Any:
        ASKED[:] = [on]
        return SimpleNamespace(baseline=baseline)

    since = [FIRST + timedelta(days=later * k) for k in range(len(some))]
    return facing_tracks(some, since, history, OPTIONS)


NORTH, SOUTH = track(34, 5), track(53, 5)


def test_two_ramps_in_one_line_across_water_are_one_bridge() -> None:
    beside = track(34, 5, left=60)
    assert facing([NORTH, beside, SOUTH]) == [True, False, True]
    assert facing([SOUTH, NORTH]) == [True, True]
    assert facing([NORTH]) == facing([NORTH, beside])[:1] == [False]
    assert facing([]) == []
    assert Company() == Company(alike=0, facing=False)


def test_a_ramp_and_a_pier_are_one_bridge() -> None:
    assert facing([track(34, 5), track(46, 5, kind=Kind.ZHAN)]) == [True, True]
    # Two fills in the water lie in one line by chance, or along one shore.
    both = [track(41, 3, kind=Kind.ZHAN, wide=1), track(48, 3, kind=Kind.ZHAN, wide=1)]
    assert facing(both) == [False, False]


@pytest.mark.parametrize(
    "other",
    [
        track(53, 5, left=40),  # beside the line
        track(55, 2, left=28, wide=7),  # along the other bank
        track(53, 9, left=26, wide=9),  # a yard
        track(53, 5, times=2),  # a cloud's edge may be on two
        track(53, 5, unsure=2),
        track(53, 5, wet_share=1.0),  # a pond
        track(53, 5, wet_share=0.4, hollow_share=0.9),
        track(53, 90),  # longer than any landing
        track(53, 5, later=30),  # it came when the other had gone
    ],
    ids=["aside", "along", "wide", "twice", "unsure", "pond", "pit", "long", "after"],
)
def test_what_does_not_point_over_the_water_is_none(other: Track) -> None:
    assert facing([NORTH, other]) == [False, False]


def test_the_way_between_must_lead_over_water() -> None:
    assert facing([NORTH, SOUTH], arm(wet=2)) == [False, False]  # a ditch
    assert facing([NORTH, SOUTH], arm(wet=0)) == [False, False]
    assert facing([NORTH, SOUTH], np.full((SIDE, SIDE), UNSEEN, np.uint8)) == [False, False]
    wide = arm(wet=25)
    wide[10:40] = 12
    # Less than half of the way, and farther than a deck is looked for.
    assert facing([track(22, 5), track(53, 5)], arm(wet=6)) == [False, False]
    assert facing([track(2, 5), track(70, 5)], wide) == [False, False]
    # Neither stands on a bank.
    assert facing([NORTH, SOUTH], arm(below=20)) == [False, False]


def test_water_of_one_flood_or_of_a_paddy_is_none() -> None:
    for code, found in ((1, False), (4, False), (7, False), (8, True), (31, True)):
        bins = arm()
        bins[bins > 0] = code
        assert facing([NORTH, SOUTH], bins) == [found] * 2, code


def test_one_of_a_row_is_no_end_of_a_bridge() -> None:
    """Greenhouses along a canal, heaps along a reach."""
    row = [track(top, 5, left=left) for left in (30, 35, 41) for top in (34, 53)]
    assert facing(row) == [False] * 6
    # One more beside an end is none, and twin decks are bridges.
    assert facing([NORTH, SOUTH, track(53, 5, left=38)]) == [True, True, False]
    assert facing([NORTH, SOUTH, track(34, 5, left=35), track(53, 5, left=35)]) == [True] * 4
    # A pier between its landings is beside both, and in their line.
    assert facing([NORTH, track(44, 4), SOUTH]) == [True] * 3
    assert facing([NORTH, track(40, 4), SOUTH]) == [True, True, True]


def test_the_history_before_both_came_is_asked() -> None:
    assert facing([track(34, 5, later=10), SOUTH]) == [True, True]
    assert ASKED == [FIRST]


def test_pixels_of_30_m_are_not_asked() -> None:
    tracks, since = [NORTH, SOUTH], [FIRST, FIRST]
    asked = []
    for res in (10.0, 30.0):
        site: Any = SimpleNamespace(store=SimpleNamespace(grid=SimpleNamespace(res_m=res)))
        history: Any = lambda _: SimpleNamespace(  # noqa: E731
            baseline=lambda w: SimpleNamespace(bins=arm()[w.slices])
        )
        asked.append([c.facing for c in companies(site, tracks, since, history, GroundOptions())])
    assert asked == [[True, True], [False, False]]


def test_a_bridge_is_built_in_a_year() -> None:
    assert facing([NORTH, SOUTH], later=300) == [True, True]
    assert facing([NORTH, SOUTH], later=400) == [False, False]


def test_the_parts_of_the_question() -> None:
    mask = np.zeros((20, 20), bool)
    mask[4:9, 5:7] = True
    shape, pixels = measure(mask), np.argwhere(mask).astype(np.float64)
    assert points(shape, 4.5)
    assert not points(shape, 1.5)
    assert faces(pixels, shape, np.array([15.0, 5.5]))
    assert faces(pixels, shape, np.array([15.0, 7.0]))
    assert not faces(pixels, shape, np.array([15.0, 15.0]))
    assert not faces(pixels, shape, pixels.mean(axis=0))
    line = gap(pixels, pixels + np.array([10.0, 0.0]))
    assert (line[0].tolist(), line[-1].tolist()) == ([9.0, 5.5], [13.5, 5.5])
    assert gap(pixels, pixels + np.array([3.0, 0.0])).size == 0
    assert over_water(np.full(10, 12, np.uint8))
    assert not over_water(np.full(5, 12, np.uint8))
    assert not over_water(np.array([12] * 6 + [0] * 7, np.uint8))
