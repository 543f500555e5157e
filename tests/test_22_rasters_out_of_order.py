"""Remote files and servers that are out of the ordinary are left to GDAL; nothing is guessed."""

from __future__ import annotations

import http.server
import struct
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp

sys.path.insert(0, str(Path(__file__).parent))
from small_servers import _serving  # pyright: ignore[reportPrivateUsage]
from test_22_rasters_fetched import grids, image
from test_22_rasters_remote import asset, written

from pipeline.errors import SceneUnusableError, SourceUnreachableError
from pipeline.io import line, remote, secrets
from pipeline.io.asset_reader import AssetReader
from pipeline.io.fetched import plan_band
from pipeline.io.line import LeftToGdalError
from pipeline.io.ranges import Fetcher
from pipeline.io.raster import raster_profile
from pipeline.io.tiff_parts import TiffHead, parse
from pipeline.model import Grid
from pipeline.passes import fetched_bands

Change = Callable[[int, dict[str, str], bytes], tuple[int, dict[str, str], bytes]]


@contextmanager
def ranged(
    blob: bytes, change: Change, asked: list[dict[str, str]] | None = None
) -> Generator[str]:
    """Serve ranges of a file; ``change`` spoils the answers to all requests but the first."""
    count = [0]

    class _Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if asked is not None:
                asked.append(dict(self.headers))
            first, last = (int(n) for n in self.headers["Range"][6:].split("-"))
            body = blob[first : last + 1]
            span = f"bytes {first}-{first + len(body) - 1}/{len(blob)}"
            answer = (206, {"Content-Range": span, "ETag": '"a"'}, body)
            if count[0]:
                answer = change(first, answer[1], body)
            count[0] += 1
            self.send_response(answer[0])
            for name, value in answer[1].items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer[2])))
            self.end_headers()
            self.wfile.write(answer[2])

        def log_message(self, format: str, *args: object) -> None:
            pass

    with _serving(_Handler) as url:
        yield url


def honest(first: int, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
    return 206, headers, body


SPOILT: dict[str, Change] = {
    "longer": lambda f, h, b: (206, h, b + b"x"),
    "shorter": lambda f, h, b: (206, h, b[:-1]),
    "elsewhere": lambda f, h, b: (
        (206, h | {"Content-Range": h["Content-Range"].replace(f"{f}-", f"{f + 1}-")}, b)
    ),
    "of no size": lambda f, h, b: (
        (206, h | {"Content-Range": h["Content-Range"].split("/")[0] + "/*"}, b)
    ),
    "of another size": lambda f, h, b: (206, h | {"Content-Range": h["Content-Range"] + "0"}, b),
    "of another state": lambda f, h, b: (206, h | {"ETag": '"b"'}, b),
    "packed": lambda f, h, b: (206, h | {"Content-Encoding": "gzip"}, b),
    "whole": lambda f, h, b: (200, {}, b),
    "gone": lambda f, h, b: (404, {}, b""),
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Grid]:
    path, area = written(tmp_path_factory.mktemp("served"))
    return path.read_bytes(), area


@pytest.mark.parametrize("how", SPOILT)
def test_an_answer_that_does_not_fit_is_left_to_gdal(served: tuple[bytes, Grid], how: str) -> None:
    blob, area = served
    with ranged(blob, SPOILT[how]) as url, Fetcher(2) as fetcher:
        planned = plan_band(asset(f"{url}/a.tif"), area, grids(area), fetcher)
        assert planned is not None
        with pytest.raises(LeftToGdalError):
            planned.ask(fetcher)()


def planned_of(path: Path, nodata: float | None = 0.0, area: Grid | None = None) -> bool:
    area = area or Grid("EPSG:32649", raster_profile(str(path)).transform, (256, 256))
    with ranged(path.read_bytes(), honest) as url, Fetcher(2) as fetcher:
        found = asset(f"{url}/{path.name}", nodata)
        return plan_band(found, area, grids(area), fetcher) is not None


def test_a_file_that_is_out_of_the_ordinary_is_left_to_gdal(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    image(path, {"tiled": False, "blockysize": 300})  # one strip, of which GDAL makes many
    area = Grid("EPSG:32649", raster_profile(str(path)).transform, (256, 256))
    one_strip = planned_of(path)
    image(path, {"tiled": True, "count": 2, "interleave": "band", "compress": "deflate"})
    assert planned_of(path)
    with rasterio.open(path, "r+") as sink:
        sink.colorinterp = (ColorInterp.gray, ColorInterp.alpha)
        sink.nodata = None
    assert not planned_of(path, None), "its alpha lies in a plane of its own"
    profile: dict[str, Any] = {"driver": "GTiff", "count": 1, "height": 64, "width": 64}
    with rasterio.open(path, "w", dtype="uint16", **profile) as sink:
        sink.write(np.ones((1, 64, 64), np.uint16))
    assert not planned_of(path, area=area), "it has no CRS"
    with pytest.raises(SceneUnusableError, match="no coordinate"), AssetReader(asset(path), area):
        pass
    assert not one_strip


@pytest.mark.parametrize("tag", [256, 257, 322, 323, 324, 325])
@pytest.mark.parametrize("value", [0, 1, 2**32 - 1])
def test_a_damaged_header_is_no_reason_to_fall(
    served: tuple[bytes, Grid], tag: int, value: int
) -> None:
    blob = bytearray(served[0])
    at = struct.unpack_from("<I", blob, 4)[0]
    for place in range(at + 2, at + 2 + 12 * struct.unpack_from("<H", blob, at)[0], 12):
        if struct.unpack_from("<H", blob, place)[0] == tag:
            struct.pack_into("<HII", blob, place + 2, 4, 1, value)
    assert not isinstance(parse(bytes(blob)), TiffHead)


def test_the_time_of_one_request_has_an_end(
    served: tuple[bytes, Grid], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "_DEADLINE_S", -1000.0)
    blob, _ = served
    asked: list[dict[str, str]] = []
    with ranged(blob, honest, asked) as url, Fetcher(1) as fetcher:
        what = remote.opening(f"{url}/a.tif")
        with pytest.raises(SourceUnreachableError, match="cannot be fetched"):
            fetcher.start(what, None, 100)
    assert len(asked) == 1


def test_nothing_of_netrc_is_sent_and_no_query_is_said(
    served: tuple[bytes, Grid], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    asked: list[dict[str, str]] = []
    with ranged(served[0], honest, asked) as url, Fetcher(1) as fetcher:
        what = remote.opening(f"{url}/a.tif?sig=abcdef")
        assert fetcher.start(what, None, 100).status == 206
    assert "Authorization" not in asked[0]
    assert what.href.endswith("/a.tif")
    assert "sig=abcdef" not in secrets.clean(f"'{what.probe}' broke; GET /a.tif?sig=abcdef gave 1")


def test_the_proxy_of_an_entry_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://environment:1")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    own = remote.Opening("", "", probe="http://example.org/a.tif", proxy="http://entry:1")
    other = remote.Opening("", "", probe="http://example.org/a.tif")
    assert line._proxies(own)["http"] == "http://entry:1"  # pyright: ignore[reportPrivateUsage]
    assert line._proxies(other)["http"] == "http://environment:1"  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize("how", ["honest", "whole", "undecodable"])
def test_a_pass_of_which_one_answer_is_odd_is_read_by_gdal(
    served: tuple[bytes, Grid], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    blob, area = served
    wanted = grids(area)
    cores = [SimpleNamespace(core=w) for w in wanted.windows]
    store: Any = SimpleNamespace(root="s", tiles=cores, kept=wanted.keep, grid=area)
    if how == "undecodable":
        monkeypatch.setattr(TiffHead, "with_blocks", _nonsense_with_blocks(TiffHead.with_blocks))
    scene: Any = SimpleNamespace(id="a")
    monkeypatch.setattr(fetched_bands, "read_tile", lambda _store, band, _readers, _tile: band)
    with ranged(blob, SPOILT.get(how, honest)) as url, Fetcher(2) as fetcher:
        files = {"green": [(scene, asset(f"{url}/a.tif"))]}
        found = fetched_bands.fetched_bands(store, files, fetcher)
        assert (found is None) == (how != "honest")
        if found is None:
            with fetcher.room.held(1 << 40):
                pass  # its room is free again for others


def _nonsense_with_blocks(whole: Callable[..., bytes]) -> Callable[..., bytes]:
    return lambda head, blocks: b"II*\0" if blocks else whole(head, blocks)
