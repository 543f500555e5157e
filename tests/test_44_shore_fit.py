"""The waterline by the shape of the edge: where a wet margin or a bright hinterland misleads."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial import KDTree

from pipeline.detect.shore_fit import Seen, ShoreFitOptions, fit_shore
from pipeline.detect.water import ground_state, water_score
from pipeline.detect.waterline import water_fraction, waterline
from pipeline.model import Grid

N, FINE = 60, 8
GRID = Grid("EPSG:32649", Affine(10, 0, 500000, 0, -10, 3000000), (N, N))
LAND = {"green": 0.10, "red": 0.12, "nir": 0.30, "swir16": 0.30}
WATER = {"green": 0.06, "red": 0.05, "nir": 0.03, "swir16": 0.01}
WET = {"green": 0.45, "red": 0.45, "nir": 0.45, "swir16": 0.6}  # what water takes of bare ground
OPTIONS = ShoreFitOptions()
FINE_PIXELS = {"nir": 1, "red": 1, "swir16": 2}


def _bands(away: np.ndarray, margin_px: float, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Blur a shore; ``away`` (fine) is the distance from the water [px], negative in it.

    Land dries with distance from the water, over ``margin_px``.
    """
    out: dict[str, np.ndarray] = {}
    damp = np.exp(-np.clip(away, 0, None) / margin_px) if margin_px else np.zeros_like(away)
    for name, dry in LAND.items():
        fine = np.where(away < 0, WATER[name], dry * (1 - WET[name] * damp))
        sigma = 0.46 * (2 if name == "swir16" else 1)  # with the pixel itself: 0.55
        blurred = ndimage.gaussian_filter(fine, sigma * FINE, mode="nearest")
        step = 2 * FINE if name == "swir16" else FINE
        image = blurred.reshape(N * FINE // step, step, -1, step).mean(axis=(1, 3))
        image = image + rng.normal(0, 0.002, image.shape)
        if name == "swir16":
            image = np.asarray(ndimage.zoom(image, 2, order=1, mode="nearest", grid_mode=True))
        out[name] = image.astype(np.float32)
    return out


def _fit(bands: dict[str, np.ndarray], start: list[np.ndarray] | None = None) -> list[np.ndarray]:
    lines = waterline(water_score(bands), GRID) if start is None else start
    seen = {b: Seen(bands[b], FINE_PIXELS[b]) for b in FINE_PIXELS}
    return fit_shore(lines, seen, GRID, OPTIONS)


def _straight(at_px: float) -> np.ndarray:
    x = (np.arange(N * FINE) + 0.5) / FINE
    return np.broadcast_to(x - at_px, (N * FINE, N * FINE)).copy()


def _errors(lines: list[np.ndarray], at_px: float) -> np.ndarray:
    """Metres inland of a straight north-south shore, away from the rim."""
    points = np.concatenate(lines)
    rows = (3000000 - points[:, 1]) / 10
    return (points[:, 0] - 500000 - 10 * at_px)[(rows > 4) & (rows < N - 4)]


@pytest.mark.parametrize("margin_px", [0.0, 1.0, 2.0])
def test_a_wet_margin_does_not_draw_the_line_inland(margin_px: float) -> None:
    rng = np.random.default_rng(int(margin_px))
    bands = _bands(_straight(30.3), margin_px, rng)
    fitted = _errors(_fit(bands), 30.3)
    state = ground_state(bands, np.ones((N, N), bool))
    half_way = _errors(waterline(water_fraction(bands["nir"], state), GRID), 30.3)
    score = _errors(waterline(water_score(bands), GRID), 30.3)
    assert np.sqrt(np.mean(fitted**2)) <= 1.5
    assert abs(fitted.mean()) < abs(score.mean())
    if margin_px:
        assert abs(fitted.mean()) < abs(half_way.mean())


def test_land_on_the_other_side_is_found_as_well() -> None:
    """The same shore mirrored: orientation comes from the line, not from the picture."""
    bands = _bands(_straight(30.3), 1.0, np.random.default_rng(1))
    mirrored = {k: v[:, ::-1].copy() for k, v in bands.items()}
    errors = -_errors(_fit(mirrored), N - 30.3)
    assert np.sqrt(np.mean(errors**2)) <= 1.5


@pytest.mark.parametrize("radius_px", [6.0, 12.0])
@pytest.mark.parametrize("island", [False, True])
def test_a_ring_stays_closed_and_round(radius_px: float, island: bool) -> None:
    y, x = (np.indices((N * FINE, N * FINE)) + 0.5) / FINE
    away = np.hypot(y - 30.2, x - 29.7) - radius_px
    bands = _bands(-away if island else away, 1.0, np.random.default_rng(2))
    lines = _fit(bands)
    assert len(lines) == 1
    assert np.allclose(lines[0][0], lines[0][-1])
    radius = np.hypot(lines[0][:, 0] - 500297, lines[0][:, 1] - 2999698)
    assert np.sqrt(np.mean((radius - 10 * radius_px) ** 2)) <= 2.0


def test_a_blur_does_not_draw_a_turning_shore_to_its_centre() -> None:
    """A lake and an island of 35 m: the blur makes both smaller, whichever side is dark."""
    y, x = (np.indices((N * FINE, N * FINE)) + 0.5) / FINE
    away = np.hypot(y - 30.2, x - 29.7) - 3.5
    short = []
    for side in (away, -away):
        (line,) = _fit(_bands(side, 0.0, np.random.default_rng(5)))
        radius = np.hypot(line[:, 0] - 500297, line[:, 1] - 2999698)
        short.append(35 - radius.mean())
    assert abs(np.mean(short)) <= 0.5  # 0.23 m; 0.82 without the curvature


def test_haze_and_gain_do_not_move_the_line() -> None:
    bands = _bands(_straight(30.3), 1.0, np.random.default_rng(3))
    start = waterline(water_score(bands), GRID)
    veiled = {k: (0.9 * v + 0.02).astype(np.float32) for k, v in bands.items()}
    moved = np.concatenate(_fit(veiled, start)) - np.concatenate(_fit(bands, start))
    assert np.abs(moved).max() < 0.3


def test_where_nothing_is_seen_the_line_stays() -> None:
    bands = _bands(_straight(30.3), 1.0, np.random.default_rng(4))
    start = waterline(water_score(bands), GRID)
    blind = {k: np.full_like(v, np.nan) for k, v in bands.items()}
    before, after = _errors(start, 30.3), _errors(_fit(blind, start), 30.3)
    assert after.mean() == pytest.approx(before.mean(), abs=0.2)


def test_without_near_infrared_nothing_is_fitted() -> None:
    with pytest.raises(KeyError):
        fit_shore([], {"red": Seen(np.zeros((N, N), np.float32))}, GRID, OPTIONS)


@settings(deadline=None, max_examples=8)
@given(st.integers(0, 2**31))
def test_no_line_goes_farther_than_its_rounds_reach(seed: int) -> None:
    rng = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(rng.normal(size=(24, 24)), 3)
    start = waterline(field.astype(np.float32), GRID)
    noise = {b: Seen(rng.random((24, 24)).astype(np.float32)) for b in FINE_PIXELS}
    far = OPTIONS.rounds * (OPTIONS.reach + 0.2) + 1  # and a pixel for cut corners
    for line in fit_shore(start, noise, GRID, OPTIONS):
        assert np.isfinite(line).all()
        gone, _ = KDTree(np.concatenate(start)).query(line)
        assert gone.max() <= 10 * far
