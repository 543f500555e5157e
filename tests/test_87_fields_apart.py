"""Fields that no channel's water reaches are land, however often rain or rice stood on them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pipeline.detect.expect import Baseline
from pipeline.detect.ground_kinds import lies
from pipeline.detect.look_surface import NDVI, fields_as_land
from pipeline.detect.water_frequency import N_BINS, UNSEEN
from pipeline.model import Ground, Window
from pipeline.passes import change
from pipeline.passes.change import Normals

BINS = [0, 1, 15, 16, N_BINS - 1, UNSEEN]
RANKS = np.array([[np.nan, r] for r in (0.2, 0.4, 0.6, 0.8)], np.float32)


class Grown:
    """A normal of which each pixel has its greenest month."""

    def __init__(self, *green: float) -> None:
        self._green = np.array([green], np.float32)

    def over_year(self, days: np.ndarray, feature: int) -> tuple[np.ndarray, np.ndarray]:
        assert days.size >= 12
        assert feature == NDVI
        return np.zeros_like(self._green), self._green


CROP: Any = Grown(0.7)


def base_of(wet_looks: int) -> Baseline:
    """One pixel and four looks, of which the highest so many were wet."""
    states = [Ground.WET if i >= 4 - wet_looks else Ground.DRY for i in range(4)]
    each = (np.array([[s]], np.uint8) for s in states)
    return Baseline.build(each, RANKS, np.ones((1, 1), np.uint16))


def test_what_was_more_often_dry_is_a_field_and_the_rest_stays() -> None:
    base = base_of(1)
    given = Baseline(np.array([BINS], np.uint8), np.full((1, 6), 4, np.uint16), base.history)
    every = np.ones((1, 6), bool)
    crops: Any = Grown(*[0.7] * 6)
    assert fields_as_land(given, every, crops).bins.tolist() == [[0, 0, 0, 16, N_BINS - 1, UNSEEN]]
    assert fields_as_land(given, ~every, crops) is given
    bars: Any = Grown(0.7, 0.2, np.nan, 0.7, 0.7, 0.7)  # nothing grows in the hollow of a bar
    assert fields_as_land(given, every, bars).bins.tolist() == [BINS]
    assert given.bins.tolist() == [BINS]  # not written to


def test_no_level_of_the_river_explains_a_field() -> None:
    """At high water a bar may be under water; a field beyond the levee is dry land."""

    def judged(base: Baseline) -> tuple[bool, bool, bool]:
        one = np.ones((1, 1), np.uint16)
        counts = (np.zeros((1, 1), np.uint16), one)  # dry once, at a lower level
        ranks = np.array([np.nan, 0.9], np.float32), np.array([np.nan, 0.95], np.float32)
        land, shoal, _, dry, _ = lies(base.bins, one, ranks, counts, 2)
        return bool(land[0, 0]), bool(shoal[0, 0]), bool(dry[0, 0])

    assert judged(base_of(1)) == (False, True, False)
    assert judged(fields_as_land(base_of(1), np.ones((1, 1), bool), CROP)) == (True, False, True)


@pytest.mark.parametrize("apart", [None, False, True])
def test_the_ground_of_a_quarter_knows_its_fields(
    monkeypatch: pytest.MonkeyPatch, apart: bool | None
) -> None:
    monkeypatch.setattr(change, "read_normal", lambda *_: CROP)
    monkeypatch.setattr(change, "stored_normal", lambda *_: CROP)
    base = base_of(1)
    told = None if apart is None else np.full((1, 1), apart)
    row = None if apart is None else np.array([not apart, apart])
    quarter: Any = SimpleNamespace(
        site=SimpleNamespace(store=None),
        baselines=SimpleNamespace(around=lambda _: base, stored=lambda *_: base),
        apart=SimpleNamespace(over=lambda _: told, stored=lambda _: row),
    )
    normals = Normals(quarter, "folder", None)  # type: ignore[arg-type]
    pixels: Any = SimpleNamespace(tile=None, at=np.array([1]))
    for given in (normals.given(Window(0, 1, 0, 1)), normals.given_at(pixels)):
        assert given[0] is CROP
        assert bool(given[1].bins[0, 0] == 0) is (apart is True)
