"""Sentinel-2 on a disk: what the metadata say is what is read, and bad copies are named."""

from __future__ import annotations

import json
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.warp import calculate_default_transform
from rasterio.warp import reproject as warp

sys.path.insert(0, str(Path(__file__).parent))
import parcel
import tiny
from shapely.geometry import shape

from pipeline.errors import ExitCode
from pipeline.io.asset_reader import AssetReader
from pipeline.model import Grid, Window
from pipeline.run import RunRequest, run_workflow

WHEN = datetime(2024, 1, 5, 3, 1, 12, tzinfo=UTC)
LOOK = parcel.bands_of(tiny.look(0, fill=False))


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    return tmp_path / "disk"


def reflectance(asset: Any, crs: str = parcel.CRS) -> NDArray[np.float64]:
    grid = Grid(crs, rasterio.Affine(10, 0, 700_000, 0, -10, 3_080_000), (128, 128))
    with AssetReader(asset, grid) as reader:
        values, valid = reader.read(Window(0, 128, 0, 128))
    return np.where(valid, values * asset.scale + asset.offset, np.nan)


def test_metadata_become_a_scene(disk: Path, tmp_path: Path) -> None:
    parcel.write_safe(disk / "2024" / "一月", WHEN, LOOK)
    found = parcel.search(disk, tmp_path / "state")
    (scene,) = found.scenes
    assert not found.set_aside
    assert (scene.sensor, scene.platform, scene.tile) == (
        "sentinel-2-l2a",
        "sentinel-2a",
        "MGRS-49RGL",
    )
    assert scene.acquired == WHEN
    assert scene.datatake == "GS2A_20240105T030112_044589_N05.10"
    assert scene.baseline == "05.10"
    assert (scene.sun_elevation_deg, scene.sun_azimuth_deg) == (37.5, 155.25)
    assert scene.cloud_share == pytest.approx(0.035)
    assert set(scene.assets) == {"blue", "green", "red", "nir", "nir08", "swir16", "swir22", "scl"}
    assert (scene.assets["scl"].scale, scene.assets["scl"].offset) == (1, 0)


@pytest.mark.parametrize(("baseline", "offset"), [("05.10", -1000), ("04.00", -1000), ("03.01", 0)])
@pytest.mark.parametrize("packed", [False, True])
def test_reflectance_is_what_was_written(
    disk: Path, tmp_path: Path, baseline: str, offset: float, packed: bool
) -> None:
    root = parcel.write_safe(disk, WHEN, LOOK, baseline=baseline, offset=offset)
    if packed:
        parcel.zip_folder(root, disk / f"{root.name}.zip")
        shutil.rmtree(root)
    (scene,) = parcel.search(disk, tmp_path / "state").scenes
    for band, name in (("blue", "B02"), ("nir", "B08")):
        assert np.abs(reflectance(scene.assets[band]) - LOOK[name]).max() <= 0.5e-4 + 1e-9


def test_jpeg_2000_is_transcoded_once(disk: Path, tmp_path: Path) -> None:
    parcel.write_safe(disk, WHEN, LOOK)
    (scene,) = parcel.search(disk, tmp_path / "state").scenes
    path = Path(scene.assets["blue"].href)
    with rasterio.open(path) as file:
        assert (file.driver, file.profile["compress"], file.profile["tiled"]) == (
            "GTiff",
            "deflate",
            True,
        )
        assert file.nodata == 0
    before = path.stat().st_ino
    (again,) = parcel.search(disk, tmp_path / "state").scenes
    assert again == scene
    assert path.stat().st_ino == before


def test_a_killed_transcoding_goes_on(
    disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.acquire.disk import shelf

    parcel.write_safe(disk, WHEN, LOOK)
    made: list[str] = []
    real = shelf.transcode

    def dies(source: Path, target: Path, area: Any) -> None:
        if len(made) == 3:
            raise KeyboardInterrupt
        made.append(target.name)
        real(source, target, area)

    monkeypatch.setattr(shelf, "transcode", dies)
    with pytest.raises(KeyboardInterrupt):
        parcel.search(disk, tmp_path / "state")
    assert not list(tmp_path.rglob("done.json"))
    kept = {p: p.stat().st_ino for p in (tmp_path / "state").rglob("*.tif")}
    assert len(kept) >= 3
    monkeypatch.setattr(shelf, "transcode", real)
    assert len(parcel.search(disk, tmp_path / "state").scenes) == 1
    assert {p: p.stat().st_ino for p in kept} == kept
    assert not list(tmp_path.rglob(".*.partial"))


@pytest.mark.thorough
def test_only_what_touches_a_corridor_is_decoded(disk: Path, tmp_path: Path) -> None:
    wide = {b: np.tile(v, (20, 20)) for b, v in LOOK.items()}  # 2560 px, 3 x 3 blocks of 1024
    parcel.write_safe(disk, WHEN, wide)
    (scene,) = parcel.search(disk, tmp_path / "state").scenes
    with rasterio.open(scene.assets["blue"].href) as file:
        data = file.read(1)
    assert (data[:1024, :1024] > 0).all()
    assert (data[1024:, 1024:] == 0).all()


@pytest.mark.thorough
def test_a_new_corridor_gets_its_ground(disk: Path, tmp_path: Path) -> None:
    wide = {b: np.tile(v, (20, 20)) for b, v in LOOK.items()}
    parcel.write_safe(disk, WHEN, wide)
    near, far = (shape(tiny.corridor(m)["geometry"]) for m in (0, 20_000))
    state = tmp_path / "state"
    from pipeline.acquire.stac import Wanted

    wanted = Wanted(near, datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC))
    parcel.open_disk(disk, state, near).search(wanted)
    (scene,) = parcel.open_disk(disk, state, near, far).search(wanted).scenes
    with rasterio.open(scene.assets["blue"].href) as file:
        assert (file.read(1)[:1024, 2048:] > 0).all()
    # What the larger area replaces is gone, and the smaller question is answered from it.
    assert len(list((state / "disk" / "products").iterdir())) == 1
    (same,) = parcel.open_disk(disk, state, near).search(wanted).scenes
    assert same.assets["blue"].href == scene.assets["blue"].href


def test_level_1c_is_refused_with_the_remedy(disk: Path, tmp_path: Path) -> None:
    root = parcel.write_safe(disk, WHEN, LOOK)
    (root / "MTD_MSIL2A.xml").rename(root / "MTD_MSIL1C.xml")
    root.rename(disk / (parcel.safe_name(WHEN, level="L1C") + ".SAFE"))
    found = parcel.search(disk, tmp_path / "state")
    assert not found.scenes
    ((name, why),) = parcel.reasons(found).items()
    assert "_MSIL1C_" in name
    assert "level 1C" in why
    assert "level 2A" in why


def test_missing_and_short_images_are_all_named(disk: Path, tmp_path: Path) -> None:
    root = parcel.write_safe(disk, WHEN, LOOK)
    (blue,) = root.rglob("*_B02_10m.jp2")
    (swir,) = root.rglob("*_B11_20m.jp2")
    swir.unlink()
    blue.write_bytes(blue.read_bytes()[:-100])
    ((name, why),) = parcel.reasons(parcel.search(disk, tmp_path / "state")).items()
    assert name == root.name.removesuffix(".SAFE")
    assert "B02_10m.jp2 has" in why
    assert "B11_20m.jp2 is missing" in why
    assert "Copy the whole product again" in why


def test_a_flipped_bit_is_found_by_the_checksum(disk: Path, tmp_path: Path) -> None:
    root = parcel.write_safe(disk, WHEN, LOOK)
    (blue,) = root.rglob("*_B02_10m.jp2")
    data = bytearray(blue.read_bytes())
    data[len(data) // 2] ^= 4
    blue.write_bytes(bytes(data))
    found = parcel.search(disk, tmp_path / "state")
    assert not found.scenes
    assert "checksum" in next(iter(parcel.reasons(found).values()))


def test_a_truncated_image_is_found_without_a_manifest_entry(disk: Path, tmp_path: Path) -> None:
    root = parcel.write_safe(disk, WHEN, LOOK)
    (blue,) = root.rglob("*_B02_10m.jp2")
    blue.write_bytes(blue.read_bytes()[: blue.stat().st_size // 2])
    manifest = root / "manifest.safe"
    text = manifest.read_text("utf-8")
    manifest.write_text(text.replace("_B02_10m.jp2", "_B02_10m.gone"), "utf-8")
    found = parcel.search(disk, tmp_path / "state")
    assert not found.scenes
    assert "damaged or truncated" in next(iter(parcel.reasons(found).values()))


def test_an_older_baseline_gives_way(disk: Path, tmp_path: Path) -> None:
    from pipeline.acquire.passes import drop_duplicates

    parcel.write_safe(disk, WHEN, LOOK, baseline="02.14", offset=0)
    parcel.write_safe(disk, WHEN, LOOK, baseline="05.10")
    kept, aside = drop_duplicates(parcel.search(disk, tmp_path / "state").scenes)
    assert [s.baseline for s in kept] == ["05.10"]
    assert ["_N0214_" in a.what for a in aside] == [True]


def test_a_product_packed_and_unpacked_counts_once(disk: Path, tmp_path: Path) -> None:
    root = parcel.write_safe(disk, WHEN, LOOK)
    parcel.zip_folder(root, disk / "copy.zip")
    found = parcel.search(disk, tmp_path / "state")
    assert len(found.scenes) == 1
    (why,) = parcel.reasons(found).values()
    assert "lies there twice" in why
    assert "copy.zip is not" in why


def in_zone_50(data: NDArray[np.float64]) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """Warp one of tiny's bands into the neighbouring zone."""
    target, width, height = calculate_default_transform(
        parcel.CRS, "EPSG:32650", 128, 128, 700_000, 3_078_720, 701_280, 3_080_000, resolution=10
    )
    size = 2 * (max(width, height) // 2 + 1)
    out = np.zeros((size, size))
    source = rasterio.Affine(10, 0, 700_000, 0, -10, 3_080_000)
    warp(
        data,
        out,
        src_transform=source,
        src_crs=parcel.CRS,
        dst_transform=target,
        dst_crs="EPSG:32650",
        src_nodata=0,
        resampling=Resampling.bilinear,
    )
    return out, (target.c, target.f)


def test_tiles_of_two_zones_are_read_on_one_grid(disk: Path, tmp_path: Path) -> None:
    """The eastern half comes in zone 50, as a neighbouring tile would."""
    smooth = np.add.outer(np.linspace(0.05, 0.15, 128), np.linspace(0, 0.1, 128))
    west = np.where(np.arange(128) < 64, smooth, 0)
    parcel.write_safe(disk, WHEN, dict.fromkeys(LOOK, west), tile="49RGL")
    east, origin = in_zone_50(np.where(np.arange(128) >= 64, smooth, 0))
    parcel.write_safe(
        disk, WHEN, dict.fromkeys(LOOK, east), tile="50RKQ", crs="EPSG:32650", origin=origin
    )
    found = parcel.search(disk, tmp_path / "state")
    assert sorted(s.tile for s in found.scenes) == ["MGRS-49RGL", "MGRS-50RKQ"]
    from pipeline.acquire.passes import merge_passes

    assert len(merge_passes(found.scenes)) == 1
    one, two = sorted(found.scenes, key=lambda s: s.tile)
    seen_west, seen_east = (reflectance(s.assets["green"]) for s in (one, two))
    inside = (slice(5, 123), slice(70, 123))
    assert np.nanmax(np.abs(seen_east[inside] - smooth[inside])) < 2e-3
    assert np.isfinite(seen_east[inside]).all()
    assert np.nanmax(np.abs(seen_west[5:123, 5:60] - smooth[5:123, 5:60])) < 1e-4


@pytest.fixture(scope="module")
def post(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fifteen products, some of them zipped."""
    disk = tmp_path_factory.mktemp("post") / "disk"
    for index, day in enumerate(tiny.days()):
        when = datetime(day.year, day.month, day.day, 3, 1, 12, tzinfo=UTC)
        root = parcel.write_safe(disk, when, parcel.bands_of(tiny.look(index, fill=True)))
        if index % 4 == 0:
            parcel.zip_folder(root, disk / f"{root.name}.zip")
            shutil.rmtree(root)
    return disk


def test_a_run_over_a_disk_finds_the_fill(post: Path, tmp_path: Path) -> None:
    source = {"type": "disk", "path": str(post)}
    path = tiny.workflow(tmp_path, post, sources=[source], sensors=str(parcel.SENSORS))
    assert run_workflow(RunRequest(path, dry_run=True)) == ExitCode.DONE
    assert not (tmp_path / "state").exists()
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    (case,) = tiny.features(tmp_path, "cases.geojson")
    assert case["properties"]["evidence_state"] == "suspected"
    assert case["properties"]["first_seen"].startswith("2024-10-31")
    before = tiny.outputs(tmp_path)
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    assert tiny.outputs(tmp_path) == before


@pytest.mark.thorough
def test_a_broken_product_does_not_stop_the_run(post: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    shutil.copytree(post, disk)
    broken = sorted(disk.glob("*.SAFE"))[3]
    next(broken.rglob("*_B03_10m.jp2")).unlink()
    (disk / "notes.zip").write_bytes(b"PK\x03\x04 cut short")
    source = {"type": "disk", "path": str(disk)}
    path = tiny.workflow(tmp_path, disk, sources=[source], sensors=str(parcel.SENSORS))
    assert run_workflow(RunRequest(path)) == ExitCode.SET_ASIDE
    record = json.loads((tmp_path / "out/latest/run.json").read_text("utf-8"))
    names = {a["what"] for a in record["set_aside"]}
    assert {broken.name.removesuffix(".SAFE"), "notes.zip"} <= names
    assert len(tiny.features(tmp_path, "cases.geojson")) == 1
