from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.detect.features import features
from pipeline.detect.look_layers import look_layers
from pipeline.detect.water import WaterOptions, ground_state, water_score
from pipeline.model import Ground

# green, red, nir, swir16: typical surface reflectance of covers that are often confused
COVERS = {
    "clear water": ((0.03, 0.02, 0.01, 0.008), Ground.WET),
    "very dark water": ((0.018, 0.010, 0.006, 0.004), Ground.WET),
    "clear lake, NIR above red": ((0.012, 0.001, 0.008, 0.004), Ground.WET),
    "lake whose red was corrected below zero": ((0.010, -0.003, 0.006, 0.003), Ground.WET),
    "deeply shaded forest": ((0.016, 0.009, 0.020, 0.008), Ground.GREEN),
    "forest in the shade of a gorge": ((0.010, 0.006, 0.035, 0.010), Ground.GREEN),
    "turbid flood": ((0.12, 0.14, 0.07, 0.042), Ground.WET),
    "most turbid flood": ((0.15, 0.18, 0.15, 0.05), Ground.WET),
    "flood over shallow ground": ((0.10, 0.13, 0.12, 0.105), Ground.WET),
    "glint over water": ((0.07, 0.065, 0.055, 0.05), Ground.WET),
    "shaded forest": ((0.02, 0.012, 0.05, 0.02), Ground.GREEN),
    "shaded slope": ((0.03, 0.025, 0.045, 0.03), Ground.DRY),
    "dark roof": ((0.08, 0.08, 0.09, 0.10), Ground.DRY),
    "blue metal roof": ((0.20, 0.16, 0.24, 0.18), Ground.DRY),
    "burnt soil": ((0.04, 0.05, 0.08, 0.15), Ground.DRY),
    "wet soil": ((0.07, 0.08, 0.11, 0.12), Ground.DRY),
    "dry sand": ((0.25, 0.30, 0.36, 0.42), Ground.DRY),
    "cloud or snow": ((0.70, 0.70, 0.68, 0.30), Ground.DRY),
    "hyacinth": ((0.08, 0.05, 0.35, 0.15), Ground.GREEN),
    "thin hyacinth over silt": ((0.084, 0.065, 0.156, 0.067), Ground.GREEN),
    "thin hyacinth over a flood": ((0.113, 0.128, 0.197, 0.072), Ground.UNKNOWN),
    "grey ice": ((0.25, 0.24, 0.23, 0.06), Ground.UNKNOWN),
    "crop": ((0.07, 0.04, 0.40, 0.20), Ground.GREEN),
}


def _bands(values: tuple[float, ...]) -> dict[str, np.ndarray]:
    names = ("green", "red", "nir", "swir16")
    return {n: np.full((1, 1), v, np.float32) for n, v in zip(names, values, strict=True)}


@pytest.mark.parametrize("name", COVERS)
def test_covers_that_are_confused(name: str) -> None:
    values, expected = COVERS[name]
    state = ground_state(_bands(values), np.ones((1, 1), bool))[0, 0]
    if name in ("glint over water", "shaded slope"):
        assert state in (expected, Ground.UNKNOWN)
    else:
        assert state == expected


@pytest.mark.parametrize("name", ["clear water", "turbid flood", "crop", "dry sand", "burnt soil"])
def test_without_swir_the_plain_covers_still_hold(name: str) -> None:
    values, expected = COVERS[name]
    bands = _bands(values)
    del bands["swir16"]
    assert ground_state(bands, np.ones((1, 1), bool))[0, 0] == expected


def test_unknown_where_not_clear_nan_or_near_the_threshold() -> None:
    o = WaterOptions()
    bands = {k: np.repeat(v, 3, axis=1) for k, v in _bands(COVERS["clear water"][0]).items()}
    bands["green"][0, 1] = np.nan
    bands["swir16"][0, 2] = bands["green"][0, 2]  # MNDWI 0: the threshold itself
    clear = np.array([[False, True, True]])
    assert abs(float(water_score(bands, o)[0, 2])) < o.unknown_band
    assert (ground_state(bands, clear, o) == Ground.UNKNOWN).all()


reflectance = st.floats(0, 1.2, allow_nan=False)


@settings(deadline=None)
@given(reflectance, reflectance, reflectance, reflectance, st.floats(0.001, 0.3))
def test_more_swir_is_never_more_water(g: float, r: float, n: float, s: float, more: float) -> None:
    low, high = water_score(_bands((g, r, n, s))), water_score(_bands((g, r, n, s + more)))
    assert float(high[0, 0]) <= float(low[0, 0]) + 1e-5
    assert -1 <= float(low[0, 0]) <= 1


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([(), ("blue",), ("swir16",), ("blue", "swir16", "swir22")]),
    st.sampled_from([0.0, 0.05, 0.2]),
    st.sampled_from([0.0, 0.025]),
)
def test_what_is_kept_of_a_look_is_what_the_plain_formulas_say(
    seed: int, more: tuple[str, ...], band: float, dark: float
) -> None:
    rng = np.random.default_rng(seed)
    # As stored: whole ten-thousandths, so that many scores lie at a threshold to the last bit.
    names, n = ("green", "red", "nir", *more), 4000
    top = rng.choice([300, 1500, 9000], n)
    bands = {k: (rng.integers(-60, top) / np.float32(1e4)).astype(np.float32) for k in names}
    for values in bands.values():
        values[rng.random(n) < 0.02] = np.nan
    clear = rng.random(n) < 0.8
    o = WaterOptions(unknown_band=band, dark_nir=dark)
    state, named = look_layers(bands, clear, o, (10_000.0, -32768))
    score = water_score(bands, o)
    np.testing.assert_array_equal(state, ground_state(bands, clear, o, score))
    plain = features(bands, score)
    assert list(named) == list(plain)
    for name, values in plain.items():
        whole = np.where(np.isnan(values), -32768, np.rint(values * 10_000.0))
        np.testing.assert_array_equal(named[name], whole, err_msg=name)
