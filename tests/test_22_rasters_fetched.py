"""Remote files fetched by block: what is decoded is what the whole file holds."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rasterio.io import MemoryFile
from starlette.requests import Request
from starlette.responses import Response

sys.path.insert(0, str(Path(__file__).parent))
from small_servers import answering
from test_20_acquire import five
from test_22_rasters_remote import asset, failing, written
from test_24_catalogues_access import Storage, closed_store

from pipeline.access import Access
from pipeline.acquire.local_api import serve
from pipeline.errors import SceneUnusableError, SiluanError, SourceUnreachableError
from pipeline.io import remote
from pipeline.io.asset_reader import AssetReader
from pipeline.io.fetched import Planned, Wanted, plan_band
from pipeline.io.ranges import Fetcher, Room, merged
from pipeline.io.tiff_parts import TiffHead, parse
from pipeline.io.tokens import Tokens
from pipeline.model import Asset, Grid, Window

KINDS: dict[str, dict[str, Any]] = {
    "tiles": {"tiled": True, "compress": "deflate", "predictor": 2},
    "a COG": {"driver": "COG", "compress": "lzw", "blocksize": 128, "overviews": "auto"},
    "BigTIFF, big-endian": {"tiled": True, "BIGTIFF": "YES", "ENDIANNESS": "BIG"},
    "a plane a band": {"tiled": True, "count": 3, "interleave": "band", "compress": "zstd"},
    "pixel by pixel": {"tiled": True, "count": 3, "interleave": "pixel", "compress": "deflate"},
    "strips": {"tiled": False, "blockysize": 32, "compress": "deflate"},
    "one block": {"tiled": True, "blockxsize": 512, "blockysize": 512},
    "a mask inside": {"tiled": True, "compress": "deflate", "mask": True},
    "few values": {"tiled": True, "compress": "deflate", "flat": True},
}


def image(path: Path, kind: Mapping[str, Any], side: int = 300) -> NDArray[np.uint16]:
    options = {"driver": "GTiff", "count": 1, "blockxsize": 64, "blockysize": 64, **kind}
    mask, flat = options.pop("mask", False), options.pop("flat", False)
    if not options.get("tiled", True) or options["driver"] == "COG":
        options.pop("blockxsize")
    if options["driver"] == "COG":
        options.pop("blockysize"), options.pop("tiled", None)
    values = np.random.default_rng(0).integers(500, 3000, (options["count"], side, side))
    values = np.full_like(values, 7) if flat else values
    place = {"crs": "EPSG:32649", "transform": Affine(10, 0, 700_000, 0, -10, 3_080_000)}
    where = {"height": side, "width": side, "dtype": "uint16", "nodata": 0, **place}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", **options, **where) as sink,
    ):
        sink.write(values.astype("uint16"))
        if mask:
            sink.write_mask(np.full((side, side), 255, np.uint8))
    return values.astype(np.uint16)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_some_blocks_reads_as_the_whole(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.tif"
    values, blob = image(path, KINDS[kind]), path.read_bytes()
    first = parse(blob[:200])
    assert isinstance(first, int), "a header that is cut asks for more"
    head = parse(blob[: max(16_384, first)])
    assert isinstance(head, TiffHead)
    band = len(values)
    rows, cols = head.block
    down = -(-300 // rows)
    for row, col in {(0, 0), (down - 1, head.across - 1), (down // 2, 0)}:
        number = head.index(row, col, band)
        assert number is not None
        begin, end = head.spans[number]
        data = head.with_blocks({number: blob[begin:end]})
        assert len(data) < len(blob) or head.across * down == 1
        with MemoryFile(data) as file, file.open() as source:
            part = (
                (row * rows, min(row * rows + rows, 300)),
                (col * cols, min(col * cols + cols, 300)),
            )
            read = source.read(band, window=part)
            assert (source.crs.to_epsg(), source.nodata, source.shape) == (32649, 0, (300, 300))
        np.testing.assert_array_equal(read, values[band - 1, slice(*part[0]), slice(*part[1])])


def test_what_is_no_tiff_is_left_to_gdal() -> None:
    assert parse(b"<html></html>" * 9) is None
    assert parse(b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(99)) is None
    assert parse(b"II*\0") is None


def grids(area: Grid) -> Wanted:
    """Give windows of 64 px whose wanted pixels lie along the diagonal."""
    windows = [Window(r, r + 64, c, c + 64) for r in range(0, 256, 64) for c in range(0, 256, 64)]

    def keep(w: Window, factor: int) -> NDArray[np.bool_]:
        return np.full((64, 64), w.row0 == w.col0)

    return Wanted(windows, keep)


def brought(found: Asset, area: Grid) -> tuple[Planned | None, bytes]:
    with Fetcher(4) as fetcher:
        planned = plan_band(found, area, grids(area), fetcher)
        return planned, planned.ask(fetcher)() if planned else b""


def test_blocks_come_once_and_read_as_the_file_does(tmp_path: Path) -> None:
    catalogue = five(tmp_path)
    path, area = written(tmp_path)
    shifted = Grid(area.crs, area.transform * Affine.translation(0.5, 0.5), area.shape)
    asked: list[str] = []

    def watch(request: Request) -> Response | None:
        asked.append(request.headers.get("range", ""))
        return None

    with serve(catalogue, watch) as url:
        planned, data = brought(asset(f"{url}/data/a.tif"), area)
        assert planned is not None
        assert len(planned.spans) == 4
        assert len(asked) == len(set(asked)) <= 5
        wanted = grids(area)
        with (
            AssetReader(asset(path), area, data) as ours,
            AssetReader(asset(path), area) as theirs,
        ):
            for window in wanted.windows:
                pair = [r.read(window, wanted.keep(window, 1)) for r in (ours, theirs)]
                np.testing.assert_array_equal(pair[0][0], pair[1][0])
                np.testing.assert_array_equal(pair[0][1], pair[1][1])
        assert brought(asset(f"{url}/data/a.tif"), shifted)[0] is None, "warping is GDAL's"
        assert brought(asset(path), area)[0] is None, "a path is no address"
    with answering(lambda _: (200, path.read_bytes())) as url:
        assert brought(asset(f"{url}/a.tif"), area)[0] is None, "a server without ranges"


def test_files_that_lie_alike_are_asked_for_their_blocks_once(tmp_path: Path) -> None:
    path, area = written(tmp_path)
    moved = Grid(area.crs, area.transform * Affine.translation(64, 0), area.shape)
    wanted, alone = grids(area), grids(area)
    asked: list[Window] = []

    def keep(window: Window, factor: int) -> NDArray[np.bool_]:
        asked.append(window)
        return alone.keep(window, factor)

    shared = Wanted(wanted.windows, keep)
    for grid in (area, area, moved, area, moved):
        with AssetReader(asset(path), grid) as reader:
            assert shared.blocks(reader) == grids(grid).blocks(reader)
    assert len(asked) == 2 * len(wanted.windows)


def test_a_server_that_stumbles_is_asked_again_and_one_that_is_down_is_named(
    tmp_path: Path,
) -> None:
    catalogue = five(tmp_path)
    path, area = written(tmp_path)
    blob = path.read_bytes()
    (tmp_path / "cut.tif").write_bytes(blob[: len(blob) // 2])
    cases: list[tuple[str, int, int, type[SiluanError] | None, str]] = [
        ("a.tif", 2, 503, None, ""),
        ("a.tif", 99, 503, SourceUnreachableError, "answers 503"),
        ("gone.tif", 0, 404, SceneUnusableError, "answers 404"),
        ("cut.tif", 0, 200, SceneUnusableError, "damaged or truncated"),
    ]
    for name, times, status, kind, said in cases:
        with serve(catalogue, failing(times, status)) as url:
            access = Access(read_retries=1 if times > 2 else 4)
            found = Asset("green", f"{url}/data/{name}", 1, 1.0, 0.0, 0.0, 10.0, access=access)
            if kind is None:
                assert brought(found, area)[0] is not None
                continue
            with pytest.raises(kind, match=said):
                brought(found, area)


def test_a_token_that_ends_between_header_and_blocks_is_renewed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "TOKENS", Tokens())
    store, catalogue = Storage(), five(tmp_path)
    _, area = written(tmp_path)
    with closed_store(catalogue, store) as (url, access), Fetcher(1) as fetcher:
        found = Asset("green", f"{url}/data/a.tif", 1, 1.0, 0.0, 0.0, 10.0, access=access)
        planned = plan_band(found, area, grids(area), fetcher)
        assert planned is not None
        store.accepted = set()  # the keeper changed his key
        assert len(planned.ask(fetcher)()) > planned.size
    assert store.given == 2


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**7), st.integers(1, 2_000_000)), max_size=20))
def test_merged_spans_hold_all_and_hardly_more(parts: list[tuple[int, int]]) -> None:
    spans = sorted({first: (first, first + size) for first, size in parts}.values())
    apart = [s for i, s in enumerate(spans) if i == 0 or s[0] >= spans[i - 1][1]]
    out = merged(apart)
    assert all(any(a <= first and end <= b for a, b in out) for first, end in apart)
    assert sum(b - a for a, b in out) <= sum(b - a for a, b in apart) + 1024 * len(apart)


def test_no_more_is_held_than_there_is_room_for() -> None:
    room, held, most = Room(10), [0], [0]
    lock = threading.Lock()

    def work(size: int) -> None:
        with room.held(size):
            with lock:
                held[0] += size
                most[0] = max(most[0], held[0] if size <= 10 else 0)
                assert size <= 10 or held[0] == size, "what is too large is let in alone"
            threading.Event().wait(0.002)
            with lock:
                held[0] -= size

    threads = [threading.Thread(target=work, args=(n,)) for n in (3, 4, 5, 25, 6, 1, 9, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0 < most[0] <= 10


def test_room_is_given_by_turn_and_not_by_who_is_small() -> None:
    room, order = Room(10), list[tuple[int, int]]()
    waiting = threading.Event()

    def work(size: int, turn: int) -> None:
        with room.held(size, turn):
            order.append((turn, size))

    with room.held(10):
        threads = [
            threading.Thread(target=work, args=at) for at in ((6, 2), (9, 1), (7, 3), (8, 1))
        ]
        for thread in threads:
            thread.start()
        while len(room._line) < len(threads):  # pyright: ignore[reportPrivateUsage]
            waiting.wait(0.001)
        assert order == []
    for thread in threads:
        thread.join()
    assert [turn for turn, _ in order] == [1, 1, 2, 3]
