"""Landsat products on a disk: scale, times and classes as USGS states them."""

from __future__ import annotations

import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent))
import parcel
import tiny

from pipeline.errors import ExitCode
from pipeline.io.asset_reader import AssetReader
from pipeline.model import Grid, Window
from pipeline.prepare.classes import scl_codes
from pipeline.run import RunRequest, run_workflow

WHEN = datetime(2024, 1, 5, 2, 54, 16, tzinfo=UTC)
CLEAR = 1 << 6 | 1 << 8 | 1 << 10 | 1 << 12 | 1 << 14  # 21824, as the product guide has it
BANDS = {str(b): np.full((60, 60), 0.02 * b) for b in range(2, 8)}


def qa(value: int = CLEAR) -> NDArray[np.uint16]:
    return np.full((60, 60), value, "uint16")


def write(disk: Path, **how: Any) -> str:
    disk.mkdir(parents=True, exist_ok=True)
    return parcel.write_landsat(disk, WHEN, BANDS, qa(), **how)


@pytest.mark.parametrize("mtl", ["txt", "json", "xml"])
@pytest.mark.parametrize("packed", ["", ".tar", ".tar.gz"])
def test_metadata_become_a_scene(tmp_path: Path, mtl: str, packed: str) -> None:
    disk = tmp_path / "disk"
    name = write(disk, mtl=mtl)
    if packed:
        parcel.tar_files(sorted(disk.iterdir()), disk / f"{name}{packed}")
        for path in disk.glob("*.TIF"):
            path.unlink()
        (disk / f"{name}_MTL.{mtl}").unlink()
    found = parcel.search(disk, tmp_path / "state")
    assert not found.set_aside
    (scene,) = found.scenes
    assert (scene.id, scene.sensor, scene.platform) == (name, "landsat-c2-l2", "landsat-8")
    assert scene.acquired == WHEN
    assert scene.tile == "123/041"
    assert scene.sun_elevation_deg == 38.4
    asset = scene.assets["nir"]
    assert (asset.scale, asset.offset) == (2.75e-5, -0.2)
    with rasterio.open(asset.href) as file:
        found_dn = file.read(1)
    assert found_dn * asset.scale + asset.offset == pytest.approx(0.1, abs=2e-5)
    assert str(asset.href).startswith(str(tmp_path / "state")) == bool(packed)


def test_classes_are_read_as_the_mask_knows_them(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    codes = qa()
    codes[:20] = CLEAR | 1 << 3  # cloud
    codes[40:] = 1  # fill
    parcel.write_landsat(disk, WHEN, BANDS, codes)
    (scene,) = parcel.search(disk, tmp_path / "state").scenes
    asset = scene.assets["scl"]
    assert asset.decode == "qa_pixel"
    grid = Grid(parcel.CRS, rasterio.Affine(10, 0, 700_000, 0, -10, 3_080_000), (180, 180))
    with AssetReader(asset, grid) as reader:
        values, valid = reader.read(Window(0, 180, 0, 180))
    seen = np.where(valid, scl_codes(values, asset.decode), 0)
    assert set(np.unique(seen[:55, :175])) == {9}
    assert set(np.unique(seen[65:115, :175])) == {5}
    assert set(np.unique(seen[125:170])) == {0}


@settings(deadline=None)
@given(st.integers(0, 2**16 - 1))
def test_every_qa_value_has_one_code(value: int) -> None:
    (code,) = scl_codes(np.array([value], np.uint16), "qa_pixel")
    bit = [bool(value >> i & 1) for i in range(8)]
    if bit[0]:
        assert code == 0
    elif bit[3]:
        assert code == 9
    elif bit[1] or bit[2]:
        assert code == 10
    elif bit[4]:
        assert code == 3
    elif bit[5]:
        assert code == 11
    else:
        assert code == (6 if bit[7] else 5)


def test_published_qa_values() -> None:
    """Values that the product guide lists: fill, clear, water, cloud, shadow, snow."""
    values = np.array([1, 21824, 21952, 22280, 23888, 30048], np.uint16)
    assert scl_codes(values, "qa_pixel").tolist() == [0, 5, 6, 9, 3, 11]


def test_scl_itself_is_left_alone() -> None:
    values = np.arange(12, dtype=np.uint8)
    assert scl_codes(values, "") is values


def test_a_missing_band_is_named(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    name = write(disk)
    (disk / f"{name}_SR_B5.TIF").unlink()
    (disk / f"{name}_QA_PIXEL.TIF").unlink()
    found = parcel.search(disk, tmp_path / "state")
    assert not found.scenes
    why = parcel.reasons(found)[name]
    assert f"{name}_SR_B5.TIF, {name}_QA_PIXEL.TIF missing" in why


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("LC08_L1TP_123041_20240105_20240113_02_T1", "not Collection 2 level 2"),
        ("LC08_L2SP_123041_20240105_20240113_01_T1", "not Collection 2 level 2"),
        ("LE07_L2SP_123041_20240105_20240113_02_T1", "no Landsat 8 or 9"),
    ],
)
def test_other_levels_and_satellites_are_refused(tmp_path: Path, name: str, why: str) -> None:
    disk = tmp_path / "disk"
    real = write(disk)
    for path in disk.iterdir():
        path.rename(disk / path.name.replace(real, name))
    found = parcel.search(disk, tmp_path / "state")
    assert not found.scenes
    assert why in parcel.reasons(found)[name]


def test_an_mtl_of_another_product_is_refused(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    name = write(disk)
    mtl = disk / f"{name}_MTL.txt"
    mtl.write_text(mtl.read_text("ascii").replace("_20240105_", "_20240121_"), "ascii")
    assert "describes LC08" in parcel.reasons(parcel.search(disk, tmp_path / "state"))[name]


def test_two_products_in_one_folder_are_two(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    write(disk)
    parcel.write_landsat(
        disk, datetime(2024, 1, 21, 2, 54, 10, tzinfo=UTC), BANDS, qa(), sat="LC09"
    )
    found = parcel.search(disk, tmp_path / "state")
    assert [s.platform for s in found.scenes] == ["landsat-8", "landsat-9"]


@pytest.mark.thorough
def test_a_run_with_landsat_beside_sentinel_counts_both(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    (disk / "landsat").mkdir(parents=True)
    for index, day in enumerate(tiny.days()[:6]):
        look = tiny.look(index, fill=False)
        when = datetime(day.year, day.month, day.day, 3, 1, 12, tzinfo=UTC)
        parcel.write_safe(disk, when, parcel.bands_of(look))
        coarse = {str(b): band[1:126:3, 1:126:3] for b, band in zip(range(2, 8), look, strict=True)}
        codes = np.full((42, 42), CLEAR, "uint16")
        parcel.write_landsat(
            disk / "landsat", when.replace(minute=1, second=0, hour=2), coarse, codes
        )
    source = {"type": "disk", "path": str(disk)}
    path = tiny.workflow(tmp_path, disk, sources=[source], sensors=str(parcel.SENSORS))
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    shutil.rmtree(tmp_path / "out")
    from pipeline.config import choose_corridors, load_workflow
    from pipeline.passes.site import store_root

    workflow = load_workflow(path)
    root = store_root(workflow, choose_corridors(workflow)[0])
    notes = [p.name for p in root.iterdir() if (p / "pass.json").exists()]
    assert sum("landsat" in n for n in notes) == 6
    assert root.name.endswith("-10m")
