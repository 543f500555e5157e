"""Paddies that no channel's water reaches are land, however often they were flooded."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pipeline.detect.expect import Baseline
from pipeline.detect.ground_kinds import lies
from pipeline.detect.look_surface import NDVI, as_land, fields_apart
from pipeline.detect.water_frequency import N_BINS, UNSEEN
from pipeline.model import Ground, Window
from pipeline.passes import change
from pipeline.passes.change import Normals

RANKS = np.linspace(0.02, 0.98, 25, dtype=np.float32)
ONE = np.ones((1, 1), np.uint16)
HERE = np.ones((1, 1), bool)


class Grown:
    """A normal of one pixel with its greenest month."""

    def __init__(self, green: float) -> None:
        self._green = np.full((1, 1), green, np.float32)

    def over_year(self, days: np.ndarray, feature: int) -> tuple[np.ndarray, np.ndarray]:
        assert days.size >= 12
        assert feature == NDVI
        return np.zeros_like(self._green), self._green


CROP: Any = Grown(0.7)
BARE: Any = Grown(0.3)
NONE: Any = Grown(float("nan"))


def base_of(wet: np.ndarray) -> Baseline:
    """One pixel: whether each look, by level from low to high, was wet."""
    states = (np.full((1, 1), Ground.WET if w else Ground.GREEN, np.uint8) for w in wet)
    ranks = np.stack([np.full_like(RANKS, np.nan), RANKS], axis=1)
    return Baseline.build(states, ranks, ONE)


def on_its_own_calendar(share: float = 0.4) -> Baseline:
    return base_of(np.arange(25) % 5 < 5 * share)


def filled_by_the_river(above: float = 0.6) -> Baseline:
    return base_of(above < RANKS)


def is_field(base: Baseline, normal: Any = CROP, apart: np.ndarray = HERE) -> bool:
    return bool(fields_apart(base, apart, normal, ONE)[0, 0])


def test_a_paddy_is_flooded_at_any_level_and_dry_at_high_ones() -> None:
    assert is_field(on_its_own_calendar())
    assert not is_field(on_its_own_calendar(), apart=~HERE)  # hangs together with the channel
    assert not is_field(on_its_own_calendar(), BARE)  # the hollow of a bar
    assert not is_field(on_its_own_calendar(), NONE)
    assert not is_field(on_its_own_calendar(0.6))  # a pond
    assert not is_field(on_its_own_calendar(0.0))  # was land before


@pytest.mark.parametrize("above", [0.55, 0.7, 0.85])
def test_a_green_hollow_that_the_river_fills_is_none(above: float) -> None:
    assert not is_field(filled_by_the_river(above))


def test_one_dry_look_at_high_water_is_not_enough() -> None:
    wet = RANKS > 0.85
    wet[-1] = False
    assert not is_field(base_of(wet))


def test_what_is_a_field_counts_as_never_wet_and_nothing_is_written_to() -> None:
    base = on_its_own_calendar()
    bins = np.array([[0, 1, 16, N_BINS - 1, UNSEEN]], np.uint8)
    given = Baseline(bins, np.full((1, 5), 4, np.uint16), base.history)
    some = np.array([[False, True, False, False, False]])
    assert as_land(given, some).bins.tolist() == [[0, 0, 16, N_BINS - 1, UNSEEN]]
    assert as_land(given, np.zeros_like(some)) is given
    assert given.bins.tolist() == [[0, 1, 16, N_BINS - 1, UNSEEN]]


def test_no_level_of_the_river_explains_a_field() -> None:
    """At high water a bar may be under water; a field beyond the levee is dry land."""

    def judged(base: Baseline) -> tuple[bool, bool, bool]:
        counts = (np.zeros((1, 1), np.uint16), ONE)  # dry once, at a lower level
        ranks = np.array([np.nan, 0.9], np.float32), np.array([np.nan, 0.95], np.float32)
        land, shoal, _, dry, _ = lies(base.bins, ONE, ranks, counts, 2)
        return bool(land[0, 0]), bool(shoal[0, 0]), bool(dry[0, 0])

    base = on_its_own_calendar()
    assert judged(base) == (False, True, False)
    assert judged(as_land(base, fields_apart(base, HERE, CROP, ONE))) == (True, False, True)


@pytest.mark.parametrize("apart", [None, False, True])
def test_the_ground_of_a_quarter_knows_its_fields(
    monkeypatch: pytest.MonkeyPatch, apart: bool | None
) -> None:
    monkeypatch.setattr(change, "read_normal", lambda *_: CROP)
    monkeypatch.setattr(change, "stored_normal", lambda *_: CROP)
    base = on_its_own_calendar()
    told = None if apart is None else np.full((1, 1), apart)
    row = None if apart is None else np.array([not apart, apart])
    quarter: Any = SimpleNamespace(
        site=SimpleNamespace(store=None, reach=lambda _: ONE),
        baselines=SimpleNamespace(around=lambda _: base, stored=lambda *_: base),
        apart=SimpleNamespace(over=lambda _: told, stored=lambda _: row),
    )
    normals = Normals(quarter, "folder", None)  # type: ignore[arg-type]
    pixels: Any = SimpleNamespace(tile=None, at=np.array([1]), reach=ONE[0])
    *at_pixels, fields = normals.given_at(pixels)
    for given in (normals.given(Window(0, 1, 0, 1)), at_pixels):
        assert given[0] is CROP
        assert bool(given[1].bins[0, 0] == 0) is (apart is True)
    assert (None if fields is None else bool(fields[0, 0])) is apart
