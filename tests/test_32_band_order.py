"""Near infrared in a visible band's place is seen by plants, and by nothing else on the ground."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio

sys.path.insert(0, str(Path(__file__).parent))
import valley
from test_84_prepare_sweeps import DATES, OPTIONS, SIDE, WITHOUT

from pipeline.passes.reduce import reduce_dates
from pipeline.prepare.band_order import BANDS, exchanged, tally_order

REAL = Path(__file__).parents[1].parent / "shared" / "data"
LEAST, ENOUGH = 0.05, 1000

# Blue, green, red, near infrared: surface reflectance as Sentinel-2 sees it.
GROUND = {
    "forest": (0.03, 0.05, 0.035, 0.28),
    "winter wheat": (0.04, 0.07, 0.05, 0.40),
    "leafless wood": (0.05, 0.07, 0.09, 0.17),
    "red soil": (0.05, 0.09, 0.20, 0.28),
    "laterite, wet": (0.03, 0.05, 0.13, 0.15),
    "sand": (0.18, 0.24, 0.30, 0.36),
    "burnt stubble": (0.05, 0.05, 0.06, 0.07),
    "clear water": (0.05, 0.04, 0.03, 0.02),
    "turbid flood": (0.08, 0.13, 0.17, 0.08),
    "red flood": (0.06, 0.11, 0.20, 0.11),
    "algae": (0.03, 0.09, 0.05, 0.20),
    "green water": (0.03, 0.09, 0.03, 0.02),
    "glint": (0.22, 0.22, 0.21, 0.20),
    "snow": (0.90, 0.90, 0.88, 0.80),
    "snow in shade": (0.25, 0.20, 0.16, 0.12),
    "cloud": (0.55, 0.54, 0.55, 0.58),
    "thick haze over forest": (0.20, 0.18, 0.14, 0.33),
    "blue roof": (0.30, 0.22, 0.14, 0.25),
    "red roof": (0.08, 0.10, 0.24, 0.30),
    "asphalt": (0.09, 0.09, 0.10, 0.11),
}
PLANTS = ("forest", "winter wheat")


def ground(spectrum: tuple[float, ...], n: int = 5000) -> np.ndarray:
    """Its pixels: as light as each other within a fifth, of one colour within a fifteenth."""
    rng = np.random.default_rng(1)
    noise = rng.lognormal(0, 0.2, n) * rng.lognormal(0, 0.07, (4, n))
    return (np.array(spectrum)[:, None] * noise).astype(np.float32)


def swapped(values: np.ndarray, band: str) -> np.ndarray:
    out, at = values.copy(), BANDS.index(band)
    out[[at, 3]] = values[[3, at]]
    return out


@pytest.mark.parametrize("name", GROUND)
def test_no_ground_or_sky_looks_exchanged(name: str) -> None:
    counts = tally_order(ground(GROUND[name]))
    assert counts[3] == 5000
    assert counts[:3].max() <= 0.01 * counts[3]
    assert exchanged(counts, LEAST, ENOUGH) == ""


@pytest.mark.parametrize("band", ["blue", "green", "red"])
@pytest.mark.parametrize("name", PLANTS)
def test_plants_tell_which_band_has_the_place_of_near_infrared(name: str, band: str) -> None:
    values = swapped(ground(GROUND[name]), band)
    values[:, ::50] = np.nan
    counts = tally_order(values)
    assert counts[3] == 4900
    assert f"{band} and nir are exchanged" in exchanged(counts, LEAST, ENOUGH)
    assert exchanged(counts, LEAST, 5001) == ""
    # A tenth of plants among water is enough.
    few = tally_order(values[:, :500]) + tally_order(ground(GROUND["clear water"], 4500))
    assert exchanged(few, LEAST, ENOUGH)


def test_a_date_with_exchanged_bands_is_set_aside_by_name(tmp_path: Path) -> None:
    where = valley.site(tmp_path, SIDE, 64)
    dates = valley.looks(DATES, SIDE)
    dates[2]["red"], dates[2]["nir"] = dates[2]["nir"], dates[2]["red"]
    passes = valley.fill(where, dates, WITHOUT)
    found = reduce_dates(where, passes, OPTIONS)
    (aside,) = found.set_aside
    assert aside.what == passes[2].id
    assert "not in the order of the band table" in aside.reason
    assert "red and nir are exchanged" in aside.reason
    assert "band table in the order of the files" in aside.remedy
    never = OPTIONS.radiometry.model_copy(update={"exchanged_share": 1.0})
    kept = reduce_dates(where, passes, OPTIONS.model_copy(update={"radiometry": never}))
    assert not any("order of the band table" in a.reason for a in kept.set_aside)


@pytest.mark.real
@pytest.mark.skipif(
    not REAL.is_dir() and not os.environ.get("SILUAN_REQUIRE_REAL"), reason="no shared imagery"
)
@pytest.mark.parametrize(
    ("pattern", "places", "clear"),
    [
        ("s2_l2a_boadella_reservoir/*-0[169]-[1-2][13458].tif", (2, 3, 4, 8), False),
        ("s2_l2a_boadella_reservoir/*-0[269]-*.tif", (2, 3, 4, 8), True),
        ("s2_l2a_bolzano/*.tif", (3, 2, 1, 4), True),
        ("landsat7_river_pair_guatemala/*.gtif", (1, 2, 3, 4), True),
    ],
)
def test_real_scenes_are_in_order_and_exchanged_ones_are_not(
    pattern: str, places: tuple[int, ...], clear: bool
) -> None:
    files = sorted(REAL.glob(pattern))
    assert files
    for file in files:
        with rasterio.open(file) as source:
            values = source.read(places).reshape(4, -1).astype(np.float32) * np.float32(1e-4)
        values[:, (values <= 0).any(axis=0)] = np.nan
        counts = tally_order(values)
        assert counts[:3].max() <= 0.003 * counts[3], file
        assert exchanged(counts, LEAST, ENOUGH) == "", file
        for band in BANDS[:3] if clear else ():
            assert f"{band} and nir" in exchanged(
                tally_order(swapped(values, band)), LEAST, ENOUGH
            ), file
