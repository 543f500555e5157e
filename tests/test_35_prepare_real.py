"""Preparing a real reservoir: seven dates, no classes, one overcast, one off the scale."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.features import rasterize
from rasterio.warp import Resampling, reproject, transform_bounds, transform_geom
from scipy import ndimage

from pipeline.prepare.mask import MaskOptions, clear_sky
from pipeline.prepare.quarantine import (
    QuarantineOptions,
    decide,
    difference_histogram,
    regional_shift,
    stable_ground,
    tally_change,
)
from pipeline.prepare.radiometry import (
    RadiometryOptions,
    RadiometryVerdict,
    band_histogram,
    check_radiometry,
)
from pipeline.prepare.register import (
    RegisterOptions,
    Vote,
    lattice_windows,
    reference_median,
    vote,
    window_shift,
)
from pipeline.prepare.sky import is_clear
from pipeline.prepare.temporal import median_and_spread

SHARED = Path(__file__).parents[1].parent / "shared" / "data"
FOLDER = SHARED / "s2_l2a_boadella_reservoir"
BANDS = {"blue": 2, "green": 3, "red": 4, "nir": 8, "swir16": 11, "swir22": 12}
OUTLIER, OVERCAST, PARTLY, FLOOD = 0, 1, 2, 3
CLEAR_DATES = (3, 4, 5, 6)
CRS = "EPSG:32631"

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        not FOLDER.is_dir() and not os.environ.get("SILUAN_REQUIRE_REAL"),
        reason=f"no shared imagery at {FOLDER}",
    ),
]


@dataclass(frozen=True)
class Reservoir:
    bands: dict[str, np.ndarray]  # (7, H, W)
    full: np.ndarray  # outline at full pool


@pytest.fixture(scope="module")
def reservoir() -> Reservoir:
    files = sorted(FOLDER.glob("*.tif"))
    stacks: dict[str, list[np.ndarray]] = {name: [] for name in BANDS}
    shape, transform = (0, 0), Affine.identity()
    for file in files:
        with rasterio.open(file) as source:
            left, bottom, right, top = transform_bounds(source.crs, CRS, *source.bounds)
            transform = Affine(10, 0, np.floor(left / 10) * 10, 0, -10, np.ceil(top / 10) * 10)
            shape = (int((top - bottom) / 10) + 1, int((right - left) / 10) + 1)
            for name, index in BANDS.items():
                out = np.full(shape, np.nan, dtype=np.float32)
                reproject(
                    source.read(index).astype(np.float32) * 1e-4,
                    out,
                    src_transform=source.transform,
                    src_crs=source.crs,
                    src_nodata=np.nan,
                    dst_transform=transform,
                    dst_crs=CRS,
                    dst_nodata=np.nan,
                    resampling=Resampling.bilinear,
                )
                stacks[name].append(out)
    document = json.loads((FOLDER / "boadella.geojson").read_text())
    parts = [f["geometry"] for f in document.get("features", [{"geometry": document}])]
    shapes = [transform_geom("EPSG:4326", CRS, part) for part in parts]
    full = rasterize(shapes, shape, transform=transform).astype(bool)
    return Reservoir({name: np.stack(stack) for name, stack in stacks.items()}, full)


@pytest.fixture(scope="module")
def verdicts(reservoir: Reservoir) -> list[RadiometryVerdict]:
    everywhere = np.ones(reservoir.full.shape, dtype=bool)
    dates = [
        {name: band_histogram(stack[t], everywhere) for name, stack in reservoir.bands.items()}
        for t in range(7)
    ]
    return check_radiometry(dates, RadiometryOptions())


@pytest.fixture(scope="module")
def clear(reservoir: Reservoir) -> np.ndarray:
    return is_clear(clear_sky(reservoir.bands, None, None, MaskOptions(), 10.0))


def test_the_outlier_and_the_overcast_date_are_refused(
    verdicts: list[RadiometryVerdict],
) -> None:
    assert [v.usable for v in verdicts] == [False, False, True, True, True, True, True]
    assert all(v.offset == 0 for v in verdicts)


def test_a_wrong_flag_on_real_dates_is_undone(reservoir: Reservoir) -> None:
    everywhere = np.ones(reservoir.full.shape, dtype=bool)
    dates = [
        {
            name: band_histogram(stack[t] + np.float32(0.1 * (t >= 5)), everywhere)
            for name, stack in reservoir.bands.items()
        }
        for t in range(2, 7)
    ]
    offsets = [v.offset for v in check_radiometry(dates, RadiometryOptions())]
    assert offsets == [0, 0, 0, -0.1, -0.1]


@pytest.mark.parametrize("drop_refused", [True, False])
def test_clear_dates_stay_clear_and_clouds_go(reservoir: Reservoir, drop_refused: bool) -> None:
    first = PARTLY if drop_refused else 0
    bands = {name: stack[first:] for name, stack in reservoir.bands.items()}
    share = is_clear(clear_sky(bands, None, None, MaskOptions(), 10.0))[:, reservoir.full].mean(1)
    for date in CLEAR_DATES:  # turbid flood water among them
        assert share[date - first] >= 0.95
    assert share[PARTLY - first] < 0.3
    if not drop_refused:
        assert share[OVERCAST] == 0


def voted(bands: dict[str, np.ndarray], clear: np.ndarray, name: str) -> list[Vote]:
    wet = (bands["green"] > bands["swir16"]) & clear
    land = ~ndimage.binary_dilation(wet.any(axis=0), iterations=3)
    options = RegisterOptions()
    reference = reference_median(bands[name], clear)
    out: list[Vote] = []
    for t in range(clear.shape[0]):
        found = [
            window_shift(
                reference[w.slices], bands[name][t][w.slices], (clear[t] & land)[w.slices], options
            )
            for w in lattice_windows(reference.shape, options.size_px, options.stride_px)
        ]
        out.append(vote([s for s in found if s is not None], options))
    return out


def test_clear_dates_register_and_two_bands_agree(reservoir: Reservoir, clear: np.ndarray) -> None:
    dates = list(CLEAR_DATES)
    bands = {name: stack[dates] for name, stack in reservoir.bands.items()}
    red, green = (voted(bands, clear[dates], name) for name in ("red", "green"))
    for one, other in zip(red, green, strict=True):
        assert one.known
        assert one.residual_px < 0.3
        assert abs(one.dy - other.dy) < 0.15
        assert abs(one.dx - other.dx) < 0.15


def test_a_date_that_cannot_be_seen_is_not_registered(
    reservoir: Reservoir, clear: np.ndarray
) -> None:
    assert not voted(reservoir.bands, clear, "red")[OVERCAST].known


def test_only_the_overcast_date_would_be_quarantined(
    reservoir: Reservoir, clear: np.ndarray
) -> None:
    names = ("green", "red", "nir", "swir16")
    dates = list(CLEAR_DATES)
    pairs = [median_and_spread(reservoir.bands[name][dates], clear[dates])[:2] for name in names]
    median, spread = (np.stack([pair[k] for pair in pairs]) for k in (0, 1))
    wet = ((reservoir.bands["green"] > reservoir.bands["swir16"])[dates] & clear[dates]).mean(0)
    options = QuarantineOptions()
    stable = stable_ground(median, spread, wet.astype(np.float32), options)
    for t in (OVERCAST, *dates):
        look = np.stack([reservoir.bands[name][t] for name in names])
        shift = np.array(
            [
                regional_shift(difference_histogram(median[b], look[b], stable))
                for b in range(len(names))
            ],
            dtype=np.float32,
        )
        verdict = decide(*tally_change(median, spread, look, stable, shift, options), options)
        assert verdict.known
        assert verdict.quarantined == (t == OVERCAST)
