"""The seasonal normal: what a pixel looks like at a time of the year, and how far it strays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.detect.normal import Normal, NormalOptions, design, fit_normal
from pipeline.model import Ground, Window
from pipeline.passes.normals import _fit_strip, _layers, _pack

SEASON = np.array([0.4, 0.2, -0.1, 0, 0])


def series(
    dates: int, seed: int = 0, span: float = 730.0, noise: float = 0.02
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """NDVI with one harmonic over a small window, and days; the other features follow it."""
    rng = np.random.default_rng(seed)
    days = np.sort(rng.uniform(0, span, dates))
    ndvi = (design(days) @ SEASON)[:, None, None] + rng.normal(0, noise, (dates, 5, 5))
    return np.stack([0.2 * ndvi, ndvi, 0.1 - ndvi]).astype(np.float32), days


def fit(stack: NDArray[np.float32], days: NDArray[np.float64], use: NDArray[np.bool_] | None = None,
        **options: float) -> Normal:  # fmt: skip
    clear = np.ones(stack.shape[1:], bool) if use is None else use
    wanted = np.ones(stack.shape[2:], bool)
    return fit_normal(stack, clear, days, wanted, NormalOptions.model_validate(options))


def test_a_season_is_recovered_and_its_noise_is_the_spread() -> None:
    stack, days = series(40, noise=0.08)
    normal = fit(stack, days)
    for day in (20.0, 200.0, 350.0):
        truth = design(np.array([day]))[0] @ SEASON
        assert abs(float(normal.at(day)[1].mean()) - truth) < 0.04
    assert float(np.median(normal.spread[1])) == pytest.approx(0.08, rel=0.35)


def test_a_few_wild_looks_do_not_move_it() -> None:
    stack, days = series(40)
    wild = stack.copy()
    wild[:, ::9] += 0.6
    calm, shaken = fit(stack, days), fit(wild, days)
    assert np.abs(calm.at(100.0)[1] - shaken.at(100.0)[1]).max() < 0.05


def test_looks_that_do_not_count_do_not_count() -> None:
    stack, days = series(30)
    use = np.ones(stack.shape[1:], bool)
    use[::3] = False
    spoilt = stack.copy()
    spoilt[:, ~use] = 0.9
    assert np.array_equal(fit(stack, days, use).coef, fit(spoilt, days, use).coef)
    missing = stack.copy()
    missing[0, ~use] = np.nan
    assert np.array_equal(fit(missing, days).coef, fit(stack, days, use).coef)


def test_less_than_a_year_carries_no_season() -> None:
    stack, days = series(20, span=150.0)
    normal = fit(stack, days)
    assert not normal.coef[:, 1:].any()
    # What it does not know of the season stands in the spread.
    assert float(normal.spread[1].min()) > 0.1


def test_few_looks_ask_their_neighbours_and_are_less_sure() -> None:
    stack, days = series(8, span=400.0)
    normal = fit(stack, days)
    assert normal.coef[1, 1:3].any()
    assert float(normal.spread[0].min()) >= 0.012 * 1.5 - 1e-6
    assert (normal.looks == 8).all()


def test_a_season_without_looks_is_not_extrapolated() -> None:
    stack, days = series(60)
    winter = (days % 365.25 < 90) | (days % 365.25 > 300)
    normal = fit(stack[:, winter], days[winter])
    seen = stack[:, winter]
    for day in (120.0, 180.0, 240.0):
        expected = normal.at(day)
        assert (expected <= seen.max(axis=1) + 1e-6).all()
        assert (expected >= seen.min(axis=1) - 1e-6).all()


def test_no_look_no_model() -> None:
    stack, days = series(20)
    use = np.ones(stack.shape[1:], bool)
    use[:, 2, 2] = False
    normal = fit(stack, days, use)
    assert normal.looks[2, 2] == 0
    assert np.isnan(normal.at(50.0)[:, 2, 2]).all()
    assert np.isfinite(normal.at(50.0)[:, 2, 3]).all()


@settings(max_examples=15, deadline=None)
@given(st.integers(4, 30), st.integers(0, 10_000), st.integers(1, 3))
def test_a_pixel_needs_its_neighbours_and_nothing_else(dates: int, seed: int, row: int) -> None:
    """Tiling: a window cut anywhere gives the same model where one pixel of margin is left."""
    rng = np.random.default_rng(seed)
    stack = rng.uniform(0, 1, (3, dates, 6, 9)).astype(np.float32)
    use = rng.random((dates, 6, 9)) < 0.7
    days = np.sort(rng.uniform(0, 900, dates))
    whole = fit(stack, days, use)
    part = fit(stack[:, :, row - 1 :, 2:8], days, use[:, row - 1 :, 2:8])
    for name in ("coef", "spread", "low", "high"):
        left, right = getattr(whole, name)[..., row:, 3:7], getattr(part, name)[..., 1:, 1:5]
        # The last row of the whole has no neighbour below in either.
        assert np.array_equal(left, right), name


class _Looks:
    """Ground codes and features of some looks, as a store gives them; nothing around."""

    def __init__(self, rng: np.random.Generator, looks: int, side: int) -> None:
        self._codes = rng.choice([0, 1, 2, 3], (looks, side, side)).astype(np.uint8)
        self._seen = rng.random((looks, 3, side, side)).astype(np.float32)

    def history(self, ids: Sequence[str], window: Window) -> np.ndarray:
        return np.stack([_cut(self._codes[int(i)], window, 0) for i in ids])

    def features(self, look: str, window: Window) -> np.ndarray:
        return _cut(self._seen[int(look)], window, np.nan)


def _cut(image: np.ndarray, window: Window, blank: float) -> np.ndarray:
    wide = np.pad(image, [(0, 0)] * (image.ndim - 2) + [(2, 2)] * 2, constant_values=blank)
    return wide[..., window.row0 + 2 : window.row1 + 2, window.col0 + 2 : window.col1 + 2].copy()


@pytest.mark.parametrize("share", [0.0, 0.1, 1.0])
def test_only_the_box_of_what_needs_a_model_is_fitted_and_its_model_is_the_same(
    share: float,
) -> None:
    rng = np.random.default_rng(5)
    strip, ids = Window(0, 9, 0, 12), [str(k) for k in range(12)]
    days = np.arange(12) * 60.0
    looks = _Looks(rng, 12, 12)
    wanted = np.zeros(strip.shape, bool)
    wanted[3:8, 2:9] = rng.random((5, 7)) < share
    made = _fit_strip(looks, (ids, days), strip, wanted, NormalOptions())  # type: ignore[arg-type]
    wide = strip.pad(1)
    stack = np.stack([looks.features(i, wide) for i in ids], axis=1)
    use = np.isin(looks.history(ids, wide), (Ground.DRY, Ground.GREEN))
    whole = fit_normal(stack, use, days, np.pad(wanted, 1), NormalOptions())
    assert set(made) == set(_layers(whole))
    for name, values in _layers(whole).items():
        np.testing.assert_array_equal(made[name], _pack(values[1:-1, 1:-1]), name)
    assert made["looks"].any() == wanted.any() == (share > 0)
