"""A bare field is the ground that history saw bare there; a heap on it is another or lighter."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.detect.own_ground import OwnGroundOptions, own_share
from pipeline.model import Ground

FIELD = (0.11, 0.20, -0.35, 0.21)  # bright, NDVI, water score, BSI: bare soil with some stubble
CROP = (0.05, 0.75, -0.55, -0.22)
WET = (0.08, 0.10, -0.20, 0.15)
SAND = (0.17, 0.07, -0.30, 0.16)
RUBBLE = (0.16, 0.05, -0.25, 0.09)
HAZE = (0.23, 0.10, -0.30, 0.05)
N = 20

Look = tuple[NDArray[np.float32], NDArray[np.uint8]]


def look(values: tuple[float, ...], state: Ground = Ground.DRY, light: float = 1.0) -> Look:
    seen = np.repeat(np.array(values, np.float32)[:, None], N, axis=1)
    seen[0] *= light
    return seen, np.full(N, state, np.uint8)


def before(*looks: Look) -> Look:
    return np.stack([k[0] for k in looks]), np.stack([k[1] for k in looks])


YEAR = before(look(CROP, Ground.GREEN), look(FIELD), look(FIELD, light=0.8), look(FIELD))


@pytest.mark.parametrize("light", [1.0, 0.7, 1.08])
def test_a_field_that_is_bare_again_is_its_own_ground_wet_or_dry(light: float) -> None:
    assert own_share(look(FIELD, light=light), YEAR) == 1.0


@pytest.mark.parametrize("heap", [SAND, RUBBLE])
def test_a_heap_is_lighter_or_of_another_colour(heap: tuple[float, ...]) -> None:
    assert own_share(look(heap), YEAR) == 0.0


def test_the_same_colour_must_have_been_as_light() -> None:
    assert own_share(look(FIELD, light=1.2), YEAR) == 0.0


def test_one_look_of_haze_makes_no_ground() -> None:
    hazy = before(look(HAZE), look(FIELD), look(FIELD))
    assert own_share(look((0.20, 0.08, -0.3, 0.08)), hazy) == 0.0
    assert own_share(look(FIELD), before(look(FIELD), look(CROP, Ground.GREEN))) == 0.0


def test_ground_that_was_never_bare_has_none() -> None:
    assert own_share(look(FIELD), before(*[look(CROP, Ground.GREEN)] * 9)) == 0.0
    nothing = (np.empty((0, 4, N), np.float32), np.empty((0, N), np.uint8))
    assert own_share(look(FIELD), nothing) == 0.0


@pytest.mark.parametrize("state", [Ground.UNKNOWN, Ground.WET, Ground.GREEN])
def test_what_was_flagged_flooded_or_clouded_tells_nothing(state: Ground) -> None:
    assert own_share(look(FIELD), before(*[look(FIELD, state)] * 3)) == 0.0
    assert np.isnan(own_share(look(FIELD, state), YEAR))


def test_wet_soil_of_another_colour_is_no_dry_one() -> None:
    assert own_share(look(FIELD), before(*[look(WET)] * 5)) == 0.0


def test_pixels_are_asked_one_by_one() -> None:
    seen, state = look(FIELD)
    seen[:, :5] = look(SAND)[0][:, :5]
    assert own_share((seen, state), YEAR) == 0.75
    state[10:] = Ground.UNKNOWN
    assert own_share((seen, state), YEAR) == 0.5  # of those that are seen
    state[5:] = Ground.UNKNOWN
    assert np.isnan(own_share((seen, state), YEAR))


def test_ground_without_the_soil_index_is_not_compared() -> None:
    seen, state = look(FIELD)
    seen[3] = np.nan
    assert np.isnan(own_share((seen, state), YEAR))
    assert own_share(look(FIELD), before(*[(seen, state)] * 3)) == 0.0


def test_options_say_how_near() -> None:
    strict = OwnGroundOptions(looks=4)
    assert own_share(look(FIELD), YEAR, strict) == 0.0
    assert own_share(look(FIELD, light=1.2), YEAR, OwnGroundOptions(lighter=1.3)) == 1.0
