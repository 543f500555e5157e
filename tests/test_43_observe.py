from __future__ import annotations

import numpy as np

from pipeline.detect.observe import observe
from pipeline.model import Ground, Seen

WET, DRY, GREEN, UNKNOWN = (int(Ground[n]) for n in ("WET", "DRY", "GREEN", "UNKNOWN"))
FOOT = np.ones((2, 5), bool)


def _looks(
    codes: list[int], ranks: list[float], known: list[bool] | None = None, deep: bool = False
) -> list[Seen]:
    states = np.stack([np.full(FOOT.shape, c, np.uint8) for c in codes])
    flags = known if known is not None else [True] * len(codes)
    expected = np.stack([np.full(FOOT.shape, k) for k in flags])
    seen = observe(
        FOOT, states, expected, np.full_like(expected, deep), np.array(ranks, np.float32)
    )
    return [o.seen for o in seen]


def test_a_fill_appears_stays_and_goes() -> None:
    seen = _looks([WET, DRY, DRY, WET], [0.5, 0.5, 0.6, 0.5])
    assert seen == [Seen.MISS, Seen.HIT, Seen.HIT, Seen.MISS]


def test_dry_where_water_is_not_expected_says_nothing() -> None:
    assert _looks([DRY], [0.2], [False]) == [Seen.UNKNOWN]


def test_water_above_an_object_is_no_miss() -> None:
    assert _looks([DRY, WET], [0.4, 0.9]) == [Seen.HIT, Seen.UNKNOWN]
    assert _looks([WET, DRY], [0.9, 0.4]) == [Seen.UNKNOWN, Seen.HIT]


def test_plants_on_a_fill_are_the_fill_and_plants_on_water_are_not() -> None:
    assert _looks([DRY, GREEN], [0.5, 0.5]) == [Seen.HIT, Seen.HIT]
    assert _looks([GREEN, GREEN], [0.5, 0.5]) == [Seen.UNKNOWN, Seen.UNKNOWN]


def test_cloud_says_nothing() -> None:
    assert _looks([DRY, UNKNOWN], [0.5, 0.5]) == [Seen.HIT, Seen.UNKNOWN]
    states = np.full((1, 2, 5), DRY, np.uint8)
    states[0, 0] = UNKNOWN  # half clear is less than 0.6
    yes = np.ones(states.shape, bool)
    look = observe(FOOT, states, yes, ~yes, np.array([0.5], np.float32))[0]
    assert (look.clear_share, look.seen) == (0.5, Seen.UNKNOWN)


def test_a_hit_that_only_geometry_carries_is_not_certain() -> None:
    states = np.full((1, 2, 5), DRY, np.uint8)
    no = np.zeros(states.shape, bool)
    look = observe(FOOT, states, no, ~no, np.array([0.0], np.float32))[0]
    assert look.seen is Seen.HIT
    assert not look.certain


def test_unknown_level_gives_no_miss() -> None:
    assert _looks([DRY, WET], [0.5, float("nan")]) == [Seen.HIT, Seen.UNKNOWN]


def test_no_looks() -> None:
    nothing = np.zeros((0, 2, 5), bool)
    assert observe(FOOT, nothing.astype(np.uint8), nothing, nothing, np.zeros(0, np.float32)) == []
