"""Ponds among plants of which no pixel is water."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.detect.change import NDVI, ChangeOptions, Flags, Surface, flag
from pipeline.detect.features import near_infrared
from pipeline.model import Ground, Window

SHAPE = (15, 15)
POND = np.s_[6:8, 6:9]  # six pixels
PLANTS, HALF = (0.04, 0.8, -0.9), (0.06, 0.3, -0.3)  # brightness, NDVI, water score
SPREAD = np.array([0.012, 0.05, 0.08], np.float32)[:, None, None]
Where = tuple[slice, slice]


def look(
    usual: tuple[float, float, float],
    now: tuple[float, float, float],
    where: Where = POND,
    looks: int = 20,
) -> tuple[Surface, NDArray[np.float32]]:
    """Ground as usual, but for a patch; z without noise."""
    expected = np.broadcast_to(np.array(usual, np.float32)[:, None, None], (3, *SHAPE)).copy()
    seen = expected.copy()
    seen[:, *where] = np.array(now, np.float32)[:, None, None]
    no, yes = np.zeros(SHAPE, bool), np.ones(SHAPE, bool)
    surface = Surface(
        Window(0, SHAPE[0], 0, SHAPE[1]), seen, expected, np.tile(SPREAD, (1, *SHAPE)),
        np.full(SHAPE, Ground.DRY, np.uint8), yes.copy(), no.copy(), no, yes, yes,
        np.full(SHAPE, looks, np.uint16), np.ones(SHAPE, np.uint16),
        np.zeros(SHAPE, np.uint8), 0.1,
    )  # fmt: skip
    return surface, ((seen - expected) / SPREAD).astype(np.float32)


def flags(*args: object, o: ChangeOptions | None = None, **more: object) -> Flags:
    return flag(*look(*args, **more), o)  # type: ignore[arg-type]


def marked(found: Flags) -> int:
    return int(np.count_nonzero(found.wet))


def test_a_pond_among_plants_without_a_pixel_of_water_is_water() -> None:
    found = flags(PLANTS, HALF)
    assert marked(found) == found.seed.sum() == 6
    assert not found.bare.any()


def test_half_nir_zero_sees_no_such_pond() -> None:
    assert not flags(PLANTS, HALF, o=ChangeOptions(half_nir=0)).marked.any()


def test_what_keeps_its_near_infrared_or_got_lighter_is_no_such_pond() -> None:
    lighter = (0.12, 0.3, -0.3)
    assert not flags(PLANTS, lighter).wet.any()
    kept = (0.068, 0.59, -0.3)
    now, before = (near_infrared(*np.array(v[:2], np.float32)) for v in (kept, PLANTS))
    assert now > 0.65 * before
    assert not flags(PLANTS, kept).wet.any()


def test_what_looks_bare_is_soil() -> None:
    found = flags((0.06, 0.8, -0.9), (0.085, 0.15, -0.3))
    assert found.bare.sum() == 6
    assert not found.wet.any()


def test_what_lost_too_little_green_starts_no_pond() -> None:
    surface, z = look(PLANTS, HALF)
    z[NDVI, *POND] = -3.0
    found = flag(surface, z)
    assert marked(found) == 6
    assert not found.seed.any()


def test_a_field_is_larger_than_such_a_pond_and_history_must_know_the_ground() -> None:
    assert not flags(PLANTS, HALF, np.s_[4:10, 4:10]).wet.any()
    assert not flags(PLANTS, HALF, looks=10).wet.any()
    meadow = (0.06, 0.5, -0.6)
    assert not flags(meadow, (0.06, 0.2, -0.2)).wet.any()  # not green enough to lose it to water


@pytest.mark.parametrize(("row", "seen"), [(3, 6), (4, 3), (5, 0)])
def test_plants_at_the_shore_that_the_river_wets_are_no_pond(row: int, seen: int) -> None:
    surface, z = look(PLANTS, HALF)
    surface.land[row] = False  # within two pixels of either row of the patch, of one, of both
    surface.shoal[row] = True
    assert np.count_nonzero(flag(surface, z).wet) == seen


def test_the_rim_of_such_a_pond_is_part_of_it() -> None:
    surface, z = look(PLANTS, HALF, np.s_[6:7, 6:8])
    for image, value in ((surface.seen, (0.05, 0.64, -0.6)), (z, (0.8, -3.2, 3.0))):
        image[:, 7, 6:8] = np.array(value, np.float32)[:, None]
    found = flag(surface, z)
    assert marked(found) == 2
    assert found.rim[7, 6:8].all()
    assert found.rim.sum() == 2
    alone, z = look(PLANTS, (0.05, 0.64, -0.6), np.s_[7:8, 6:8])
    assert not flag(alone, z).marked.any()
