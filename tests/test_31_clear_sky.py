"""The clear-sky mask: clouds go, bright ground and turbid water stay."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from scipy import ndimage

from pipeline.prepare.mask import MaskOptions, clear_sky, halo_px
from pipeline.prepare.rescue import RescueOptions
from pipeline.prepare.shadow import ShadowOptions
from pipeline.prepare.sky import Sky, is_clear

OPTIONS = MaskOptions()
SUN = (150.0, 40.0)
LAND = {"blue": 0.05, "green": 0.07, "red": 0.06, "nir": 0.28, "swir16": 0.18}
ROOF = {"blue": 0.36, "green": 0.38, "red": 0.40, "nir": 0.42, "swir16": 0.40}
WATER = {"blue": 0.05, "green": 0.05, "red": 0.03, "nir": 0.02, "swir16": 0.01}
TURBID = {"blue": 0.16, "green": 0.19, "red": 0.20, "nir": 0.12, "swir16": 0.02}
CLOUD = {"blue": 0.6, "green": 0.58, "red": 0.57, "nir": 0.6, "swir16": 0.35}
SNOW = {"blue": 0.7, "green": 0.7, "red": 0.68, "nir": 0.6, "swir16": 0.08}
Place = tuple[slice, slice]


@dataclass
class World:
    """A window over time that a test paints into."""

    dates: int
    side: int = 160
    seed: int = 0
    bands: dict[str, np.ndarray] = field(default_factory=dict)
    scl: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        shape = (self.dates, self.side, self.side)
        field_ = 1 + 0.15 * ndimage.gaussian_filter(rng.normal(size=shape[1:]), 2) * 4
        for name, value in LAND.items():
            noise = rng.normal(scale=0.003, size=shape)
            self.bands[name] = (value * field_ + noise).astype(np.float32)
        self.scl = np.full(shape, 4, dtype=np.uint8)

    def paint(self, dates: slice, place: Place, spectrum: dict[str, float], scl: int) -> None:
        rng = np.random.default_rng(1)
        for name, value in spectrum.items():
            shape = self.bands[name][dates, place[0], place[1]].shape
            noise = rng.normal(scale=0.004, size=shape)
            self.bands[name][dates, place[0], place[1]] = (value + noise).astype(np.float32)
        self.scl[dates, place[0], place[1]] = scl

    def cloud(self, date: int, place: Place) -> None:
        self.paint(slice(date, date + 1), place, CLOUD, 9)

    def shade(self, date: int, place: Place, scl: int = 3) -> None:
        for name in self.bands:
            self.bands[name][date, place[0], place[1]] *= 0.45
        self.scl[date, place[0], place[1]] = scl

    def codes(self, classes: bool, sun: tuple[float, float] | None = SUN) -> np.ndarray:
        suns = None if sun is None else [sun] * self.dates
        return clear_sky(self.bands, self.scl if classes else None, suns, OPTIONS, 10.0)


def box(row: int, col: int, side: int) -> Place:
    return slice(row, row + side), slice(col, col + side)


BOTH = pytest.mark.parametrize("classes", [True, False], ids=["scl", "spectral"])


@BOTH
def test_plain_ground_is_clear(classes: bool) -> None:
    assert is_clear(World(5).codes(classes)).mean() > 0.999


@BOTH
def test_a_cloud_goes_with_its_margin_and_other_dates_stay(classes: bool) -> None:
    world = World(5)
    world.cloud(2, box(70, 70, 20))
    clear = is_clear(world.codes(classes))
    assert not clear[2, 55:105, 75:85].any()
    assert clear[2, 70:90, :45].all()
    assert clear[[0, 1, 3, 4]].mean() > 0.999


@BOTH
def test_an_overcast_date_is_useless(classes: bool) -> None:
    world = World(4)
    world.cloud(1, box(0, 0, 160))
    assert not is_clear(world.codes(classes))[1].any()


@BOTH
def test_a_standing_bright_roof_is_never_masked(classes: bool) -> None:
    world = World(6)
    roof = box(80, 80, 12)
    world.paint(slice(None), roof, ROOF, 9)
    codes = world.codes(classes)
    assert is_clear(codes).all()
    assert (codes[:, 82:90, 82:90] == Sky.RESCUED).mean() > 0.95


@BOTH
def test_a_cloud_over_a_roof_stays_a_cloud(classes: bool) -> None:
    world = World(8)
    world.paint(slice(None), box(80, 80, 12), ROOF, 9)
    world.cloud(3, box(60, 60, 50))
    clear = is_clear(world.codes(classes))
    assert not clear[3, 80:92, 80:92].any()
    assert clear[[0, 1, 2, 4, 5, 6, 7], 80:92, 80:92].all()


@BOTH
def test_a_new_roof_is_given_back_at_its_third_clear_look(classes: bool) -> None:
    for looks, seen in ((2, False), (3, True)):
        world = World(9)
        world.paint(slice(9 - looks, None), box(80, 80, 12), ROOF, 8)
        clear = is_clear(world.codes(classes))
        assert clear[-1, 82:90, 82:90].all() == seen
        assert clear[: 9 - looks].all()


def test_a_cloudy_look_between_does_not_break_the_three() -> None:
    world = World(10)
    world.paint(slice(6, None), box(80, 80, 12), ROOF, 8)
    world.cloud(7, box(20, 20, 140))
    clear = is_clear(world.codes(True))
    assert clear[[6, 8, 9], 82:90, 82:90].all()
    assert not clear[7, 82:90, 82:90].any()


def test_three_clouds_at_one_place_with_shadows_are_no_object() -> None:
    world = World(9)
    for date in (6, 7, 8):
        world.paint(slice(date, date + 1), box(80, 80, 14), ROOF, 9)
        world.shade(date, box(62, 70, 14), scl=4)
    assert not is_clear(world.codes(True))[6:, 82:90, 82:90].any()


@BOTH
def test_turbid_water_called_cirrus_or_cloud_stays(classes: bool) -> None:
    world = World(5)
    channel = (slice(60, 100), slice(None))
    world.paint(slice(None), channel, WATER, 6)
    world.paint(slice(2, 3), channel, TURBID, 10)
    world.paint(slice(3, 4), channel, TURBID, 8)
    assert is_clear(world.codes(classes))[:, 65:95].mean() > 0.99


@BOTH
def test_shadow_on_land_goes_and_dark_water_stays(classes: bool) -> None:
    world = World(6)
    world.paint(slice(None), (slice(None), slice(0, 30)), WATER, 6)
    world.cloud(2, box(110, 110, 20))
    world.shade(2, box(58, 80, 20))  # away from the sun by 60 px
    world.scl[4, 40:60, 0:30] = 3  # the usual mistake
    codes = world.codes(classes)
    assert (codes[2, 60:76, 82:98] == Sky.SHADOW).all()
    assert is_clear(codes[:, :, 0:30]).all()
    assert is_clear(codes)[[0, 1, 3, 4, 5]].all()


def test_a_shadow_without_a_known_sun_is_found_near_its_cloud() -> None:
    world = World(6)
    world.cloud(2, box(110, 110, 20))
    world.shade(2, box(58, 80, 20))
    assert (world.codes(False, sun=None)[2, 60:76, 82:98] == Sky.SHADOW).all()


def test_flooded_land_is_not_shadow() -> None:
    world = World(6)
    world.cloud(2, box(110, 110, 20))
    world.paint(slice(2, 3), box(50, 70, 40), TURBID, 6)
    assert is_clear(world.codes(False))[2, 55:75, 72:95].all()


def test_speckle_does_not_blind_its_neighbourhood() -> None:
    world = World(5)
    world.scl[2, 80:82, 80:82] = 9
    clear = is_clear(world.codes(True))
    assert not clear[2, 80:82, 80:82].any()
    assert clear[2].sum() >= 160 * 160 - 16


def test_haze_that_hides_goes_and_thin_haze_stays() -> None:
    world = World(6)
    for date, veil in ((2, 0.12), (4, 0.03)):
        for name, share in (("blue", 1.0), ("green", 0.8), ("red", 0.65), ("nir", 0.3)):
            world.bands[name][date] += np.float32(veil * share)
    clear = is_clear(world.codes(True))
    assert clear[2].mean() < 0.02
    assert clear[4].mean() > 0.99


def test_snow_is_snow_and_a_white_roof_called_snow_is_not() -> None:
    world = World(5)
    world.paint(slice(2, 3), box(20, 20, 60), SNOW, 11)
    world.paint(slice(None), box(120, 120, 12), ROOF, 11)
    codes = world.codes(True)
    assert (codes[2, 25:75, 25:75] == Sky.SNOW).all()
    assert is_clear(codes[:, 122:130, 122:130]).all()


def test_nodata_is_nodata_and_counts_for_nothing() -> None:
    world = World(5)
    world.bands["red"][1, :, :40] = np.nan
    codes = world.codes(False)
    assert (codes[1, :, :40] == Sky.NODATA).all()
    assert is_clear(codes[1, :, 40:]).all()


def test_a_missing_band_is_named() -> None:
    with pytest.raises(ValueError, match="nir"):
        clear_sky({"blue": np.zeros((1, 2, 2), np.float32)}, None, None, OPTIONS, 10.0)


def test_three_dates_and_four_bands_suffice() -> None:
    world = World(3)
    del world.bands["swir16"]
    for name in world.bands:
        world.bands[name][1, 70:90, 70:90] = CLOUD[name]
    clear = is_clear(world.codes(False))
    assert not clear[1, 70:90, 70:90].any()
    assert clear[[0, 2]].all()


@BOTH
def test_the_tile_does_not_matter(classes: bool) -> None:
    options = MaskOptions(
        dilate_cloud_m=60,
        dilate_soft_m=20,
        speckle_px=8,
        rescue=RescueOptions(around_px=10, shadow_px=10, object_px=8),
        shadow=ShadowOptions(reach_px=25),
    )
    halo = halo_px(options, 10.0)
    side = 2 * halo + 60
    world = World(6, side=side, seed=5)
    rng = np.random.default_rng(3)
    for _ in range(40):
        date, size = int(rng.integers(6)), int(rng.integers(2, 25))
        row, col = (int(v) for v in rng.integers(0, side - size, 2))
        kind = int(rng.integers(4))
        if kind == 0:
            world.shade(date, box(row, col, size))
        elif kind == 1:
            world.paint(slice(date, None), box(row, col, size), ROOF, 8)
        else:
            world.cloud(date, box(row, col, size))
    scl = world.scl if classes else None
    suns = [SUN] * 6
    whole = clear_sky(world.bands, scl, suns, options, 10.0)
    middle = side // 2
    for core, seen in (
        (slice(0, middle), slice(0, middle + halo)),
        (slice(middle, side), slice(middle - halo, side)),
    ):
        part = clear_sky(
            {n: b[:, :, seen] for n, b in world.bands.items()},
            None if scl is None else scl[:, :, seen],
            suns,
            options,
            10.0,
        )
        start = core.start - seen.start
        assert np.array_equal(part[:, :, start : start + middle], whole[:, :, core])
    assert 0.1 < is_clear(whole).mean() < 0.95
