"""GF and ZY products on a disk: placed on the ground by RPC and terrain, calibrated, or refused."""

from __future__ import annotations

import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from pyproj import Transformer

sys.path.insert(0, str(Path(__file__).parent))
import parcel
import tiny
from shapely.geometry import shape

from pipeline.acquire.disk.sun import sun_distance_au, sun_position
from pipeline.acquire.stac import Wanted
from pipeline.errors import ExitCode
from pipeline.run import RunRequest, run_workflow

WHEN = datetime(2024, 1, 5, 3, 10, 42, tzinfo=UTC)  # 11:10 in Beijing
STEM = "GF1_PMS1_E113.0_N27.8_20240105_L1A0001234567-MSS1"
PIXELS = (160, 160)  # of the raw image, about 8 m each
CENTRE = (113.0371, 27.8239)
HALF = (0.0066, 0.0058)
TILT = 0.25  # half widths of the image per 400 m of height: a view of some 22 degrees off nadir
HEIGHT0, HALF_HEIGHT = 200.0, 400.0


def raw_image() -> NDArray[np.uint16]:
    """Ground of 300, with one bright target of 3 x 3 pixels."""
    image = np.full((4, *PIXELS), 300, "uint16")
    image[:, 59:62, 89:92] = 900
    return image


def relief(lon: Any, lat: Any) -> Any:
    """Hills of 100 to 300 m, steep on a scale of a few hundred metres."""
    return 200 + 60 * np.sin((lon - CENTRE[0]) / 0.0012) + 40 * np.cos((lat - CENTRE[1]) / 0.0016)


def write_dem(path: Path, heights: Any, crs: str = "EPSG:4326", margin: float = 0.04) -> Path:
    step = 0.0001
    west, north = CENTRE[0] - margin, CENTRE[1] + margin
    size = round(2 * margin / step)
    lon = west + (np.arange(size) + 0.5) * step
    lat = north - (np.arange(size) + 0.5) * step
    field = heights(lon[None, :], lat[:, None])
    data = np.broadcast_to(field, (size, size)).astype("float32")[None]
    transform = rasterio.Affine(step, 0, west, 0, -step, north)
    profile = {"driver": "GTiff", "width": size, "height": size, "count": 1, "dtype": "float32"}
    with rasterio.open(path, "w", crs=crs, transform=transform, nodata=-9999, **profile) as out:
        out.write(data)
    return path


def write_raw(folder: Path, stem: str = STEM, **changes: Any) -> Path:
    corners = [
        (CENTRE[0] + sx * HALF[0], CENTRE[1] + sy * HALF[1])
        for sx, sy in ((-1, 1), (1, 1), (1, -1), (-1, -1))
    ]
    model = parcel.rpb((*CENTRE, HEIGHT0), (*HALF, HALF_HEIGHT), PIXELS, TILT)
    stated: dict[str, Any] = {"rpc": model, "corners": corners, "when": WHEN, **changes}
    return parcel.write_gaofen(folder, stem, raw_image(), **stated)


def target(h: Any = relief, undulation: float = 0.0) -> tuple[float, float]:
    """UTM position of the target's centre: the ground point that the camera saw there."""
    line, samp = 60.0, 90.0
    lat = CENTRE[1] - (line - 79.5) / 80 * HALF[1]
    lon = CENTRE[0]
    for _ in range(200):  # where the ray of that pixel meets the ground
        height = h(lon, lat) + undulation
        lon += 0.5 * (
            CENTRE[0]
            + ((samp - 79.5) / 80 - TILT * (height - HEIGHT0) / HALF_HEIGHT) * HALF[0]
            - lon
        )
    x, y = Transformer.from_crs("EPSG:4326", parcel.CRS, always_xy=True).transform(lon, lat)
    return x, y


def found_at(scene: Any) -> tuple[float, float]:
    """Centre of what is bright in the orthorectified image, UTM."""
    with rasterio.open(scene.assets["nir"].href) as file:
        data = file.read(4).astype(float)
        weight = np.clip(data - 450, 0, None)
        rows, cols = np.indices(data.shape)
        row, col = (weight * rows).sum() / weight.sum(), (weight * cols).sum() / weight.sum()
        t = file.transform
    return t.c + (col + 0.5) * t.a, t.f + (row + 0.5) * t.e


def dem_of(path: Path, **more: Any) -> dict[str, Any]:
    return {"path": str(path), "heights": "ellipsoid", **more}


def distance(a: tuple[float, float], b: tuple[float, float]) -> float:
    return float(np.hypot(a[0] - b[0], a[1] - b[1]))


def test_a_target_on_a_hill_is_placed_within_a_pixel(tmp_path: Path) -> None:
    write_raw(tmp_path / "disk")
    dem = write_dem(tmp_path / "dem.tif", relief)
    found = parcel.search(tmp_path / "disk", tmp_path / "state", dem=dem_of(dem))
    assert not found.set_aside
    (scene,) = found.scenes
    assert distance(found_at(scene), target()) < 8 / 2
    with rasterio.open(scene.assets["nir"].href) as file:
        assert file.crs.to_epsg() == 32649
        assert (file.transform.a, file.transform.c % 8, file.transform.f % 8) == (8, 0, 0)


def test_a_flat_terrain_misplaces_it_by_the_parallax(tmp_path: Path) -> None:
    write_raw(tmp_path / "disk")
    dem = write_dem(tmp_path / "dem.tif", lambda lon, lat: 0 * lon * lat)
    (scene,) = parcel.search(tmp_path / "disk", tmp_path / "state", dem=dem_of(dem)).scenes
    # The error is the height times the slope of the view, west to east.
    x, y = Transformer.from_crs(parcel.CRS, "EPSG:4326", always_xy=True).transform(*target())
    height = float(relief(x, y))
    slope = TILT / HALF_HEIGHT * HALF[0] * 111_320 * np.cos(np.radians(CENTRE[1]))
    error = distance(found_at(scene), target())
    assert error == pytest.approx(height * slope, rel=0.05)
    assert error > 60


def test_heights_above_the_geoid_need_and_use_the_undulation(tmp_path: Path) -> None:
    write_raw(tmp_path / "disk")
    above_geoid = write_dem(tmp_path / "dem.tif", lambda lon, lat: relief(lon, lat) + 60)
    dem = {"path": str(above_geoid), "heights": "geoid", "undulation_m": -60.0}
    (scene,) = parcel.search(tmp_path / "disk", tmp_path / "state", dem=dem).scenes
    assert distance(found_at(scene), target()) < 8 / 2
    wrong = parcel.search(tmp_path / "disk", tmp_path / "state", dem=dem_of(above_geoid))
    assert distance(found_at(wrong.scenes[0]), target()) > 16
    with pytest.raises(ValueError, match="undulation_m"):
        parcel.search(tmp_path / "disk", tmp_path / "s", dem={**dem, "undulation_m": None})


def test_another_terrain_makes_another_image(tmp_path: Path) -> None:
    write_raw(tmp_path / "disk")
    flat = write_dem(tmp_path / "dem.tif", lambda lon, lat: 0 * lon * lat)
    (first,) = parcel.search(tmp_path / "disk", tmp_path / "state", dem=dem_of(flat)).scenes
    write_dem(tmp_path / "dem.tif", relief)
    (second,) = parcel.search(tmp_path / "disk", tmp_path / "state", dem=dem_of(flat)).scenes
    assert first.assets["nir"].href != second.assets["nir"].href


def test_without_terrain_it_is_refused_with_the_remedy(tmp_path: Path) -> None:
    write_raw(tmp_path / "disk")
    found = parcel.search(tmp_path / "disk", tmp_path / "state")
    assert not found.scenes
    assert "not georeferenced, and the source names no terrain model" in parcel.reasons(found)[STEM]
    assert "State 'dem'" in parcel.reasons(found)[STEM]
    area = shape(tiny.corridor()["geometry"])
    wanted = Wanted(area, datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC))
    dry = parcel.open_disk(tmp_path / "disk", tmp_path / "dry", area, dry=True).search(wanted)
    assert parcel.reasons(dry) == parcel.reasons(found)


@pytest.mark.parametrize(
    ("why", "margin", "crs"),
    [("uncovered", 0.005, "EPSG:4326"), ("no coordinate reference system", 0.04, None)],
)
def test_a_useless_terrain_is_refused(tmp_path: Path, why: str, margin: float, crs: Any) -> None:
    write_raw(tmp_path / "disk")
    dem = write_dem(tmp_path / "dem.tif", relief, crs, margin)
    found = parcel.search(tmp_path / "disk", tmp_path / "state", dem=dem_of(dem))
    assert not found.scenes
    assert why in parcel.reasons(found)[STEM]


def test_without_polynomials_it_is_refused(tmp_path: Path) -> None:
    write_raw(tmp_path / "disk", rpc=None)
    dem = write_dem(tmp_path / "dem.tif", relief)
    found = parcel.search(tmp_path / "disk", tmp_path / "state", dem=dem_of(dem))
    assert not found.scenes
    assert ".rpb" in parcel.reasons(found)[STEM]


def test_an_archive_gives_the_same_image(tmp_path: Path) -> None:
    dem = write_dem(tmp_path / "dem.tif", relief)
    image = write_raw(tmp_path / "loose")
    (loose,) = parcel.search(tmp_path / "loose", tmp_path / "a", dem=dem_of(dem)).scenes
    (tmp_path / "disk").mkdir()
    archive = tmp_path / "disk" / f"{STEM.removesuffix('-MSS1')}.tar.gz"
    parcel.tar_files(sorted(image.parent.glob(f"{STEM}*")), archive)
    (packed,) = parcel.search(tmp_path / "disk", tmp_path / "b", dem=dem_of(dem)).scenes
    one, two = (rasterio.open(s.assets["nir"].href) for s in (loose, packed))
    with one, two:
        assert (one.read() == two.read()).all()
    assert not list((tmp_path / "b").rglob("*.rpb"))


def test_numbers_become_reflectance_at_the_top_of_the_atmosphere(tmp_path: Path) -> None:
    dem = write_dem(tmp_path / "dem.tif", relief)
    write_raw(tmp_path / "disk")
    (scene,) = parcel.search(tmp_path / "disk", tmp_path / "state", dem=dem_of(dem)).scenes
    assert scene.properties["level"] == "toa"
    assert scene.properties["calibration"] == "gain of the product's XML"
    assert set(scene.assets) == {"blue", "green", "red", "nir"}
    asset = scene.assets["red"]
    cosine = np.cos(np.radians(90 - scene.sun_elevation_deg))
    expected = np.pi * 300 * 0.1311 * sun_distance_au(WHEN) ** 2 / (1542.90 * cosine)
    assert 300 * asset.scale + asset.offset == pytest.approx(expected, rel=1e-4)


def test_a_gain_from_the_table_says_that_it_is_unverified(tmp_path: Path) -> None:
    dem = write_dem(tmp_path / "dem.tif", relief)
    write_raw(tmp_path / "disk", AbsCeof="NULL")
    (scene,) = parcel.search(tmp_path / "disk", tmp_path / "state", dem=dem_of(dem)).scenes
    assert "unverified" in scene.properties["calibration"]
    assert scene.assets["blue"].scale > 0


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"AbsCeof": "0.1,0.2"}, "does not give 4 gains"),
        ({"SatelliteID": "GF2"}, "its XML speaks of 'GF2'"),
        ({"SolarZenith": None}, "no SolarZenith"),
        ({"CenterTime": "2024-01-06 11:10:42"}, "another day"),
        ({"TopLeftLatitude": "north"}, "no four corners"),
        # UTC where Beijing's time is meant: the sun stood elsewhere then.
        ({"CenterTime": "2024-01-05 03:10:42"}, "its times are in another zone"),
    ],
)
def test_metadata_that_contradict_are_refused(
    tmp_path: Path, changes: dict[str, Any], why: str
) -> None:
    write_raw(tmp_path / "disk", **changes)
    found = parcel.search(tmp_path / "disk", tmp_path / "state")
    assert not found.scenes
    assert why in parcel.reasons(found)[STEM]


def test_an_angle_named_zenith_that_is_the_elevation_is_understood(tmp_path: Path) -> None:
    zenith, _ = sun_position(WHEN, *CENTRE)
    dem = write_dem(tmp_path / "dem.tif", relief)
    write_raw(tmp_path / "disk", SolarZenith=f"{90 - zenith:.3f}")
    (scene,) = parcel.search(tmp_path / "disk", tmp_path / "state", dem=dem_of(dem)).scenes
    assert scene.sun_elevation_deg == pytest.approx(90 - zenith, abs=0.1)


def test_the_sun_stands_where_almanacs_say() -> None:
    """Equinox at noon on the equator: overhead; a solstice at the tropic too."""
    assert sun_position(datetime(2024, 3, 20, 12, 7, tzinfo=UTC), 0, 0)[0] < 0.7
    assert sun_position(datetime(2024, 6, 20, 12, 2, tzinfo=UTC), 0, 23.44)[0] < 0.7
    zenith, azimuth = sun_position(datetime(2024, 12, 21, 4, 26, tzinfo=UTC), 113, 27.8)
    assert zenith == pytest.approx(27.8 + 23.44, abs=0.7)
    assert azimuth == pytest.approx(180, abs=3)
    assert sun_distance_au(datetime(2024, 1, 3, tzinfo=UTC)) == pytest.approx(0.9833, abs=5e-4)
    assert sun_distance_au(datetime(2024, 7, 5, tzinfo=UTC)) == pytest.approx(1.0167, abs=5e-4)


@pytest.mark.parametrize(
    ("stem", "sensor", "bands"),
    [
        ("GF1_WFV3_E113.0_N27.8_20240105_L2A0001234567", "gf1-wfv", 4),
        ("GF1B_PMS_E113.0_N27.8_20240105_L2A1227654321-MUX", "gf1-pms", 4),
        ("GF2_PMS2_E113.0_N27.8_20240105_L2A0001234567-MSS2", "gf2-pms", 4),
        ("GF6_PMS_E113.0_N27.8_20240105_L2A1119838015-MUX", "gf6-pms", 4),
        ("GF6_WFV_E113.0_N27.8_20240105_L2A1119838015-2", "gf6-wfv", 8),
        ("ZY3_MUX_E113.0_N27.8_20240105_L2A0004317668", "zy3-mux", 4),
        ("ZY302_TMS_E113.0_N27.8_20240105_L2A0000345912-MUX", "zy3-mux", 4),
    ],
)
def test_every_family_is_recognised_and_calibrated(
    tmp_path: Path, stem: str, sensor: str, bands: int
) -> None:
    """Georeferenced products are taken where they lie, with the CRS of the file."""
    disk = tmp_path / "disk"
    image = np.full((bands, 128, 128), 400, "uint16")
    camera = "MUX" if "TMS" in stem else stem.split("_")[1]
    path = parcel.write_gaofen(
        disk, stem, image, when=WHEN, crs=parcel.CRS, AbsCeof=None, SensorID=camera
    )
    pan = stem.rsplit("-", 1)[0] + "-PAN1.tiff"
    parcel.write_raster(disk / pan, image[:1], 2.0)
    found = parcel.search(disk, tmp_path / "state")
    assert not found.set_aside
    (scene,) = found.scenes
    assert (scene.id, scene.sensor) == (stem, sensor)
    assert scene.assets["nir"].href == str(path)
    for asset in scene.assets.values():
        assert 0.03 < 400 * asset.scale + asset.offset < 0.5


def test_an_ortho_product_without_crs_is_refused(tmp_path: Path) -> None:
    stem = STEM.replace("L1A", "L2A")
    image = np.full((4, 64, 64), 400, "uint16")
    parcel.write_gaofen(tmp_path / "disk", stem, image, when=WHEN)
    found = parcel.search(tmp_path / "disk", tmp_path / "state")
    assert not found.scenes
    assert "no coordinate reference system" in parcel.reasons(found)[stem]


def test_a_corridor_in_the_next_zone_gets_its_own_grid(tmp_path: Path) -> None:
    """Raw images are placed in the UTM zone of the corridor that asks."""
    write_raw(tmp_path / "disk")
    dem = write_dem(tmp_path / "dem.tif", relief)
    from shapely.geometry import box

    near = shape(tiny.corridor()["geometry"])
    wide = box(*near.bounds).union(
        box(near.bounds[0], near.bounds[1], 117.5, near.bounds[1] + 1e-4)
    )
    (scene,) = parcel.search(tmp_path / "disk", tmp_path / "s", dem=dem_of(dem), area=wide).scenes
    with rasterio.open(scene.assets["nir"].href) as file:
        assert file.crs.to_epsg() == 32650


@pytest.mark.thorough
def test_a_run_over_raw_images_finds_the_fill(tmp_path: Path) -> None:
    """Fifteen raw images of a flat valley at 8 m, seen through their polynomials."""
    disk = tmp_path / "disk"
    dem = write_dem(tmp_path / "dem.tif", lambda lon, lat: 200 + 0 * lon * lat)
    table = (0.149, 0.1328, 0.1311, 0.1217)
    esun = (1945.29, 1854.10, 1542.90, 1080.77)
    for index, day in enumerate(tiny.days()):
        when = datetime(day.year, day.month, day.day, 3, 10, tzinfo=UTC)
        zenith, _ = sun_position(when, *CENTRE)
        factor = np.pi * sun_distance_au(when) ** 2 / np.cos(np.radians(zenith))
        look = tiny.look(index, fill=True)[:4]
        number = [b / (g * factor / e) for b, g, e in zip(look, table, esun, strict=True)]
        stem = f"GF1_PMS1_E113.0_N27.8_{day:%Y%m%d}_L1A000123{index:04d}-MSS1"
        data = np.rint(np.stack(number)).clip(1, 65_535).astype("uint16")
        west_north, _, east_south, _ = parcel.ring(1280)
        middle = tuple((np.array(west_north) + east_south) / 2)
        half = tuple(np.abs(np.array(east_south) - west_north) / 2)
        model = parcel.rpb((*middle, 200.0), (*half, 400.0), (128, 128), 0.1)
        parcel.write_gaofen(disk, stem, data, when=when, rpc=model, corners=parcel.ring(1280))
    source = {"type": "disk", "path": str(disk), "dem": dem_of(dem)}
    path = tiny.workflow(tmp_path, disk, sources=[source], sensors=str(parcel.SENSORS))
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    (case,) = tiny.features(tmp_path, "cases.geojson")
    assert case["properties"]["evidence_state"] == "suspected"
    shutil.rmtree(tmp_path / "state")
