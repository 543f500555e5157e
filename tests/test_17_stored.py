"""What is read of stored pixels alone is bit for bit what the drawn window holds there."""

from __future__ import annotations

import os
import pickle
import struct
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import LineString, Polygon

from pipeline.io import blocks
from pipeline.io.blocks import NODATA, DamagedBlockError, Layer
from pipeline.io.burn import burn_indices
from pipeline.io.looks import LookReader
from pipeline.io.runs import areas_of, fill
from pipeline.io.store import CorridorStore, open_store
from pipeline.io.unpack import codes_of, holds_any, scaled
from pipeline.model import Corridor, DateQuality, Grid, Reach, Window
from pipeline.passes.ground import Site


@pytest.fixture
def store(tmp_path: Path) -> CorridorStore:
    grid = Grid("EPSG:32650", Affine(10, 0, 500000, 0, -10, 3300000), (64, 64))
    line = LineString([(500050, 3299400), (500600, 3299900)])
    return replace(open_store(tmp_path, grid, 32, line), stored=line.buffer(70))


def write(store: CorridorStore, folder: str, name: str, factor: int, top: int) -> None:
    rng = np.random.default_rng(top + factor)
    for tile in store.tiles:
        values = rng.integers(0, top, store.kept(tile.core, factor).shape).astype(np.int16)
        values[rng.random(values.shape) < 0.2] = NODATA
        store.write(
            folder,
            tile,
            {name: store.pack(values, tile, factor), "one": Layer(values.ravel()[:1], 1)},
        )


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.4, -0.3), (1.4, -1.7)])
@pytest.mark.parametrize("factor", [1, 2])
def test_codes_of_stored_pixels(
    store: CorridorStore, factor: int, shift: tuple[float, float]
) -> None:
    write(store, "mask/key/look", "mask", factor, 12)
    quality = {"look": DateQuality("look", shift, 0.0, 0.0, 0.0, 0.0)}
    reader = LookReader(store, quality, {"look": "key"})
    for tile in store.tiles:
        drawn = reader.mask("look", tile.core)[store.kept(tile.core)]
        np.testing.assert_array_equal(reader.stored_mask("look", tile), drawn)


def test_a_block_is_the_same_without_the_package_for_checksums(
    store: CorridorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = {"red": Layer(np.arange(999, dtype=np.int16), 1)}
    blob = b"".join(blocks.pieces(layers))
    assert blob[4:8] == struct.pack("<I", zlib.crc32(blob[8:]))
    store.write("look", store.tiles[0], layers)
    monkeypatch.setitem(sys.modules, "deflate", None)
    blocks._summing.cache_clear()
    assert blocks._summing() is zlib.crc32
    assert (
        b"".join(blocks.pieces(layers))
        == blob
        == store.block_path("look", store.tiles[0]).read_bytes()
    )
    assert blocks.damaged_in(store.root / "look") == []
    blocks._summing.cache_clear()


def test_some_stored_pixels_are_those_of_all(store: CorridorStore) -> None:
    write(store, "look", "red", 1, 9000)
    write(store, "look2", "red", 2, 9000)
    reader = LookReader(store, {"look": DateQuality("look", (0.0, 0.0), 0.0, 0.0, 0.0, 0.1)})
    for tile in store.tiles:
        at = np.flatnonzero(np.arange(store.runs(tile.core).size) % 3 == 1)
        for look in ("look", "look2"):
            every = reader.stored(look, "red", tile)
            np.testing.assert_array_equal(reader.stored(look, "red", tile, at), every[at])


def test_layers_of_a_block_are_read_as_one_by_one(store: CorridorStore) -> None:
    write(store, "state/key/look", "bright", 1, 9000)
    window = Window(5, 60, 20, 64)
    together = store.reflectances("state/key/look", ["bright", "no such layer"], window, 0.5)
    alone = store.reflectance("state/key/look", "bright", window, blank=0.5)[0]
    np.testing.assert_array_equal(together[0], alone)
    assert (together[1] == 0.5).all()
    store.block_path("state/key/look", store.tiles[-1]).unlink()
    with pytest.raises(DamagedBlockError, match="missing"):
        store.reflectances("state/key/look", ["bright"], window)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_an_image_of_numbers_comes_back_from_its_runs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(1, 20, 2))
    image = rng.integers(0, 3, shape).astype(np.uint16)
    areas, numbers = areas_of(image)
    (r0, r1), (c0, c1) = (sorted(rng.integers(0, n + 1, 2).tolist()) for n in shape)
    out = np.zeros((r1 - r0 + 2, c1 - c0 + 1), np.uint16)
    fill(numbers, areas, (slice(r0, r1), slice(c0, c1)), out, (2, 1))
    np.testing.assert_array_equal(out[2:, 1:], image[r0:r1, c0:c1])
    assert not out[:2].any()
    assert not out[:, 0].any()


def test_reaches_over_any_window_are_those_that_are_drawn(store: CorridorStore) -> None:
    edge = Polygon([(500030, 3299300), (500330, 3299313), (500250, 3299991), (500020, 3299978)])
    other = Polygon([(500330, 3299313), (500640, 3299460), (500600, 3300080), (500250, 3299991)])
    reaches = (Reach(1, "1", edge), Reach(2, "2", other))
    corridor = Corridor("c", "c", "river", edge, None, 10.0, "drawn for this test")
    site = Site(corridor, store, reaches)
    for window in (Window(0, 64, 0, 64), Window(-3, 40, 11, 70), Window(31, 33, 31, 33)):
        drawn = burn_indices([(edge, 1), (other, 2)], store.grid.sub(window))
        np.testing.assert_array_equal(site.reach(window), drawn)
    assert set(np.unique(site.reach(store.grid.window))) == {0, 1, 2}


@pytest.mark.skipif(sys.platform != "linux", reason="names of open files are read from /proc")
def test_a_pass_is_noted_once_its_blocks_are_on_the_disk(
    store: CorridorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for tile in store.tiles:
        values = store.pack(np.ones(tile.core.shape, np.int16), tile, 1)
        store.write("look", tile, {"green": values}, durable=False)
    left = store.root / "look" / f".{store.tile_name(store.tiles[0])}.blk.0123abcd.partial"
    left.write_bytes(b"killed here")
    waited: list[str] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        waited.append(Path(os.readlink(f"/proc/self/fd/{handle}")).name)
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    store.finish("look", "mark", {})
    blocks = {f"{store.tile_name(t)}.blk" for t in store.tiles}
    note = waited.index(".pass.json.partial")
    assert blocks
    assert blocks <= set(waited[:note])
    assert "look" in waited[:note]  # the names of the blocks
    assert not left.exists()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 500]))
def test_packed_pixels_are_unpacked_as_the_plain_formulas_say(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(-32767, 32768, n).astype(np.int16)
    values[rng.random(n) < 0.2] = NODATA
    at = rng.integers(0, max(n, 1), n // 2)
    plain = values / np.float32(1e4)
    plain[values == NODATA] = np.nan
    for offset in (0.0, -0.1):
        moved = plain + np.float32(offset)
        np.testing.assert_array_equal(scaled(values, None, (NODATA, 1e4, offset)), moved)
        np.testing.assert_array_equal(scaled(values, at, (NODATA, 1e4, offset)), moved[at])
    codes = rng.integers(0, 12, n).astype(np.int16)
    codes[rng.random(n) < 0.2] = NODATA
    blank = np.where(codes == NODATA, 7, codes).astype(np.uint8)
    np.testing.assert_array_equal(codes_of(codes, NODATA, 7), blank)
    wanted = rng.random(256) < 0.1
    assert holds_any(codes, wanted) == wanted[codes.astype(np.uint8)].any()
    for one in codes[:1]:
        only = np.zeros(256, bool)
        only[one.astype(np.uint8)] = True
        assert holds_any(codes[:1], only)


def test_a_store_is_sent_with_what_it_is_about(store: CorridorStore) -> None:
    """A worker elsewhere sweeps the tiles that this process chose."""
    assert len(store.all_tiles) > 1
    part = replace(store, chosen=store.all_tiles[:1])
    for one in (store, part):
        sent = pickle.loads(pickle.dumps(one))
        assert sent.tiles == one.tiles
        assert sent.all_tiles == store.all_tiles
    assert pickle.loads(pickle.dumps(part)) is pickle.loads(pickle.dumps(part))
