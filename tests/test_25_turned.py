"""Files whose pixels run another way than north-up: they are where their georeference says."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent))
import tiny
from test_23_folder_names import STACK12, catalogued
from test_25_one_id import of, opened, searched

from pipeline.passes.gather import gather

Pixels = NDArray[np.uint16]
Turn = Callable[[Pixels, Affine], tuple[Pixels, Affine]]


def plain(data: Pixels, t: Affine) -> tuple[Pixels, Affine]:
    return data, t


def mirrored(data: Pixels, t: Affine) -> tuple[Pixels, Affine]:
    """East to west."""
    return data[:, :, ::-1], t * Affine.translation(data.shape[2], 0) * Affine.scale(-1, 1)


def quarter(data: Pixels, t: Affine) -> tuple[Pixels, Affine]:
    """By 90 degrees: a pixel's width has no part in x."""
    return data.transpose(0, 2, 1), t * Affine(0, 1, 0, 1, 0, 0)


def half(data: Pixels, t: Affine) -> tuple[Pixels, Affine]:
    """South-up and mirrored."""
    rows, cols = data.shape[1:]
    return data[:, ::-1, ::-1], t * Affine.translation(cols, rows) * Affine.scale(-1, -1)


def written(folder: Path, turn: Turn) -> Path:
    folder.mkdir()
    north_up = Affine(10, 0, 700_000, 0, -10, 3_080_000)
    for day in tiny.days()[:2]:
        rows, cols = np.indices((128, 128), "uint16")
        data = np.stack([1000 + 40 * k + rows + 3 * cols for k in range(6)]).astype("uint16")
        turned, t = turn(data, north_up)
        path = folder / f"tiny_{day:%Y-%m-%d}.tif"
        tiny.write_stack(path, turned)
        with rasterio.open(path, "r+") as sink:
            sink.transform = t
    return folder


def read(folder: Path, turn: Turn) -> tuple[float, NDArray[Any]]:
    """Give the pixel size of the store, and what it holds of a band."""
    workflow = of(folder, written(folder.parent / f"{folder.name}-images", turn))
    found = searched(workflow)
    site = opened(workflow, found)
    assert all(g.usable for g in gather(site, found.passes["tiny"]))
    first = found.passes["tiny"][0].id
    layers = [site.store.packed(first, "red", t) for t in site.store.tiles]
    return site.store.grid.transform.a, np.concatenate([b.values for b in layers if b is not None])


@pytest.mark.parametrize("turn", [mirrored, quarter, half])
def test_a_folder_of_turned_files_is_read_where_it_lies(tmp_path: Path, turn: Turn) -> None:
    (size, held), (other, straight) = read(tmp_path / "t", turn), read(tmp_path / "s", plain)
    assert size == other == 10.0
    # Their lattices share a corner, so that warping moves nothing.
    assert held.size == straight.size
    assert np.array_equal(held, straight)


def test_pixels_without_extent_are_set_aside(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    for day, turn in (("05", 0.0), ("06", 10.0)):
        path = tmp_path / "files" / f"a_2024-01-{day}.tif"
        tiny.write_stack(path, np.full((12, 64, 64), 1000, "int16"))
        with rasterio.open(path, "r+") as sink:
            sink.transform = Affine(10, turn, 700_000, -turn, -10, 3_080_000)
    items, reasons = catalogued(tmp_path, STACK12)
    assert len(items) == 1
    assert reasons == ["its georeference gives pixels without an extent"]
