"""Dark targets tell a wrong offset from a wrong date, and leave seasons alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.prepare.band_order import ORDER
from pipeline.prepare.radiometry import (
    WRONG_ORDER,
    WRONG_SCALE,
    Histogram,
    RadiometryOptions,
    _verdict,  # pyright: ignore[reportPrivateUsage]
    band_histogram,
    check_radiometry,
    merge,
    percentile,
)

OPTIONS = RadiometryOptions()
BANDS = ("blue", "green", "red", "nir", "swir16", "swir22")
FOREST = (0.03, 0.05, 0.035, 0.25, 0.13, 0.07)
WATER = (0.04, 0.04, 0.03, 0.02, 0.015, 0.01)


def date(
    offset: float | tuple[float, ...] = 0.0,
    gain: float = 1.0,
    season: float = 1.0,
    cloud: float = 0.0,
) -> dict[str, Histogram]:
    rng = np.random.default_rng(4)
    kind = rng.random(20000)
    out: dict[str, Histogram] = {}
    offsets = offset if isinstance(offset, tuple) else (offset,) * len(BANDS)
    for name, forest, water, step in zip(BANDS, FOREST, WATER, offsets, strict=True):
        values = np.where(kind < 0.15, water, forest * (season if name != "blue" else 1.0))
        values = gain * values * rng.lognormal(0.0, 0.25, kind.size) + step
        values = np.where(rng.random(kind.size) < cloud, rng.uniform(0.3, 0.9, kind.size), values)
        out[name] = band_histogram(values.astype(np.float32), np.ones(kind.size, dtype=bool))
    return out


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 99))
def test_histograms_merge_exactly(seed: int, cut: int) -> None:
    values = np.random.default_rng(seed).uniform(-0.6, 1.9, 100).astype(np.float32)
    values[::7] = np.nan
    use = np.ones(100, dtype=bool)
    parts = [band_histogram(values[s], use[s]) for s in (slice(0, cut), slice(cut, None))]
    assert np.array_equal(merge(parts[::-1]), band_histogram(values, use))


def test_percentile_is_within_a_bin() -> None:
    values = np.linspace(0, 1, 10001).astype(np.float32)
    hist = band_histogram(values, np.ones(values.size, dtype=bool))
    assert percentile(hist, 50) == pytest.approx(0.5, abs=0.003)
    assert np.isnan(percentile(merge([]), 50))


@pytest.mark.parametrize(("wrong", "fix"), [(0.1, -0.1), (-0.1, 0.1), (0.09, -0.1)])
def test_a_wrong_baseline_flag_is_undone_exactly(wrong: float, fix: float) -> None:
    verdicts = check_radiometry([date(), date(wrong), date(), date()], OPTIONS)
    assert [v.offset for v in verdicts] == [0.0, fix, 0.0, 0.0]
    assert all(v.usable for v in verdicts)
    assert "0.1" in verdicts[1].reason


def test_even_when_most_of_the_series_is_wrong() -> None:
    verdicts = check_radiometry([date(), date(), *[date(0.1)] * 5], OPTIONS)
    assert [v.offset for v in verdicts] == [0, 0, *[-0.1] * 5]


def test_an_unexplained_step_is_refused_with_its_numbers() -> None:
    verdict = check_radiometry([date(), date(0.055), date(), date()], OPTIONS)[1]
    assert not verdict.usable
    assert verdict.offset == 0
    assert "blue +0.0" in verdict.reason


def test_haze_everywhere_and_a_wrong_scale_are_refused() -> None:
    haze = (0.10, 0.08, 0.065, 0.03, 0.01, 0.0)
    verdicts = check_radiometry([date(), date(haze), date(gain=0.1), date(), date()], OPTIONS)
    assert [v.usable for v in verdicts] == [True, False, False, True, True]


def test_a_fully_clouded_date_is_refused_and_a_half_clouded_one_is_not() -> None:
    verdicts = check_radiometry([date(), date(cloud=1.0), date(cloud=0.7), date()], OPTIONS)
    assert [v.usable for v in verdicts] == [True, False, True, True]
    assert [v.offset for v in verdicts] == [0.0] * 4


def test_clear_dates_are_kept_where_most_are_half_clouded() -> None:
    verdicts = check_radiometry([*[date(cloud=0.7)] * 5, date(), date(gain=0.1)], OPTIONS)
    assert [v.usable for v in verdicts] == [True] * 6 + [False]


def test_seasons_are_left_alone() -> None:
    verdicts = check_radiometry([date(season=s) for s in (0.7, 0.85, 1.0, 1.3, 1.5)], OPTIONS)
    assert all(v.usable and v.offset == 0 and not v.reason for v in verdicts)


def test_too_few_dates_or_pixels_say_unknown() -> None:
    pair = check_radiometry([date(), date(0.02)], OPTIONS)
    assert not any(v.known for v in pair)
    assert all(v.usable for v in pair)
    few = {name: hist // 1000 for name, hist in date().items()}
    verdicts = check_radiometry([date(), few, date(), date()], OPTIONS)
    assert [v.known for v in verdicts] == [True, False, True, True]
    assert verdicts[1].usable
    assert check_radiometry([], OPTIONS) == []


def test_a_table_that_fits_no_date_is_said_where_no_date_can_be_compared() -> None:
    verdicts = check_radiometry([date(0.1), date(0.1), date(0.1)], OPTIONS)
    assert not any(v.usable for v in verdicts)
    assert all("04.00" in v.reason for v in verdicts)
    assert not check_radiometry([date(0.1)], OPTIONS)[0].usable
    assert check_radiometry([date()], OPTIONS)[0].usable
    # Without SWIR haze looks the same.
    four = [{n: h for n, h in d.items() if "swir" not in n} for d in (date(0.1), date(0.1))]
    assert all(v.usable for v in check_radiometry(four, OPTIONS))
    # Where enough other dates are right, it is corrected.
    assert check_radiometry([date(), date(), date(0.1)], OPTIONS)[2].offset == -0.1


@pytest.mark.parametrize("gain", [1e-4, 1e2])
def test_numbers_that_are_no_reflectance_are_refused(gain: float) -> None:
    verdicts = check_radiometry([date(gain=gain)] * 4, OPTIONS)
    assert not any(v.usable for v in verdicts)
    assert all("scale" in v.reason for v in verdicts)
    mixed = check_radiometry([*[date()] * 3, date(gain=gain)], OPTIONS)
    assert [v.usable for v in mixed] == [True, True, True, False]


@pytest.mark.parametrize(("gain", "offset"), [(6.5535, 0.0), (3.636, 0.727)])
def test_a_scale_that_clouds_could_not_make_is_told_in_swir(gain: float, offset: float) -> None:
    # Numbers of 65,535 a unit, and Landsat's of Collection 2, by a table of 10,000 a unit: clouds
    # and snow are as bright in the visible, and a run would call the sky overcast.
    wrong = date(gain=gain, offset=offset)
    bright = np.full(2000, 1.7, np.float32)
    wrong["swir16"] = wrong["swir16"] + band_histogram(bright, np.ones(2000, dtype=bool))
    for series in ([wrong], [wrong] * 5, [date(), date(), date(), wrong]):
        verdict = check_radiometry(series, OPTIONS)[-1]
        assert not verdict.usable
        assert verdict.reason.startswith(WRONG_SCALE)
        assert "swir" in verdict.reason


def test_the_brightest_cloud_is_no_wrong_scale() -> None:
    # As thick cloud over a reservoir was seen: blue to 1.7, SWIR to 1.1, its shaded parts dark.
    rng = np.random.default_rng(7)
    top = dict(zip(BANDS, (1.7, 1.65, 1.6, 1.6, 1.1, 0.85), strict=True))
    cloud = {
        n: band_histogram(
            rng.uniform(0.2 * m, m, 20000).astype(np.float32), np.ones(20000, dtype=bool)
        )
        for n, m in top.items()
    }
    assert check_radiometry([cloud], OPTIONS)[0].usable


def test_fog_over_all_of_a_corridor_is_cloud_where_other_dates_are_right() -> None:
    # Fine droplets reflect more in SWIR than thick cloud does, and fog has no shade.
    rng = np.random.default_rng(1)
    low = dict(zip(BANDS, (0.75, 0.75, 0.75, 0.76, 0.62, 0.45), strict=True))
    fog = {
        n: band_histogram(
            rng.uniform(v, v + 0.1, 20000).astype(np.float32), np.ones(20000, dtype=bool)
        )
        for n, v in low.items()
    }
    verdict = check_radiometry([date(), date(), date(), fog], OPTIONS)[-1]
    assert not verdict.usable
    assert "cloud over all of the corridor" in verdict.reason
    # Nobody can mend it: passes/reduce.py gives no remedy for what is lighter.
    assert verdict.deviation > OPTIONS.step + OPTIONS.step_tolerance
    # Alone, or where most dates are so, it is the table.
    for series in ([fog], [date(), date(), fog, fog, fog]):
        assert check_radiometry(series, OPTIONS)[-1].reason.startswith(WRONG_SCALE)


def test_a_date_that_a_wrong_offset_darkens_is_corrected_and_has_its_bands_in_order() -> None:
    """Near nothing any band is many times another, and passes for exchanged."""
    odd = np.array([0, 0, 5000, 20000])
    dates = [date(), date(-0.1) | {ORDER: odd}, date(), date()]
    verdict = check_radiometry(dates, OPTIONS)[1]
    assert verdict.usable
    assert verdict.offset == 0.1
    refused = check_radiometry([date(), date() | {ORDER: odd}, date()], OPTIONS)[1]
    assert refused.reason.startswith(WRONG_ORDER)
    assert not refused.sky


def test_a_scale_that_is_wrong_is_no_sky_whatever_its_sign() -> None:
    # Dark targets below nothing come nearer to it when all is scaled down.
    verdict = _verdict(BANDS, np.full(6, 0.004), 0.1, OPTIONS)
    assert not verdict.usable
    assert not verdict.sky
    hazy = check_radiometry([date(), date(), date(0.04), date()], OPTIONS)[2]
    assert hazy.sky
