"""A small writer of tiled GeoTIFFs from compressed blocks, so that a full square is cheap to make.

Blocks that many places share are written once, and the places point to the same bytes: a square of
10980² px holds texture everywhere, and its file little more than the blocks along the river.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_LEVEL = 6  # of deflate, as GDAL's own default
_SHORT, _LONG, _DOUBLE, _ASCII = 3, 4, 12, 2


@dataclass(frozen=True)
class Layout:
    """Where a raster lies and how it is cut."""

    side: int  # rows and columns [px]
    block: int  # side of a block [px]
    res_m: float
    left: float
    top: float
    epsg: int
    dtype: type[np.uint8] | type[np.uint16]

    @property
    def across(self) -> int:
        """Blocks along one side."""
        return -(-self.side // self.block)


def compressed(values: NDArray[np.uint8] | NDArray[np.uint16]) -> bytes:
    """Give a block as DEFLATE with the horizontal predictor."""
    moved = values.copy()
    moved[:, 1:] = values[:, 1:] - values[:, :-1]
    return zlib.compress(moved.tobytes(), _LEVEL)


def write_tiff(
    path: Path,
    layout: Layout,
    own: Mapping[tuple[int, int], bytes],
    shared: Sequence[bytes],
) -> None:
    """Write a raster, header first as a COG's.

    Parameters
    ----------
    own
        Compressed blocks by (row, column) of blocks.
    shared
        Compressed blocks that all other places take in turn.
    """
    n = layout.across
    head = _header_size(layout)
    at = head
    places: list[int] = []
    for blob in shared:
        places.append(at)
        at += len(blob)
    offsets, counts, body = [], [], [*shared]
    for i in range(n * n):
        blob = own.get((i // n, i % n))
        if blob is None:
            # A stride that shares no factor with the row, so that no column repeats one block.
            k = (i * 7 + i // n) % len(shared)
            offsets.append(places[k])
            counts.append(len(shared[k]))
            continue
        offsets.append(at)
        counts.append(len(blob))
        body.append(blob)
        at += len(blob)
    with path.open("wb") as file:
        file.write(_header(layout, offsets, counts).ljust(head, b"\0"))
        file.writelines(body)


def _header_size(layout: Layout) -> int:
    return 1024 + 8 * layout.across**2


def _header(layout: Layout, offsets: Sequence[int], counts: Sequence[int]) -> bytes:
    bits = np.dtype(layout.dtype).itemsize * 8
    keys = (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, layout.epsg)
    tags: list[tuple[int, int, Sequence[int | float] | bytes]] = [
        (256, _LONG, (layout.side,)),
        (257, _LONG, (layout.side,)),
        (258, _SHORT, (bits,)),
        (259, _SHORT, (8,)),
        (262, _SHORT, (1,)),
        (277, _SHORT, (1,)),
        (284, _SHORT, (1,)),
        (317, _SHORT, (2,)),
        (322, _LONG, (layout.block,)),
        (323, _LONG, (layout.block,)),
        (324, _LONG, offsets),
        (325, _LONG, counts),
        (339, _SHORT, (1,)),
        (33550, _DOUBLE, (layout.res_m, layout.res_m, 0.0)),
        (33922, _DOUBLE, (0.0, 0.0, 0.0, layout.left, layout.top, 0.0)),
        (34735, _SHORT, keys),
        (42113, _ASCII, b"0\0"),
    ]
    code = {_SHORT: "H", _LONG: "I", _DOUBLE: "d"}
    directory = struct.pack("<H", len(tags))
    extra_at, extra = 8 + 2 + 12 * len(tags) + 4, b""
    for tag, kind, values in tags:
        raw = values if isinstance(values, bytes) else b""
        if not isinstance(values, bytes):
            raw = struct.pack(f"<{len(values)}{code[kind]}", *values)
        where = raw.ljust(4, b"\0")
        if len(raw) > 4:
            where = struct.pack("<I", extra_at + len(extra))
            extra += raw + b"\0" * (len(raw) % 2)
        directory += struct.pack("<HHI", tag, kind, len(values)) + where
    return struct.pack("<2sHI", b"II", 42, 8) + directory + struct.pack("<I", 0) + extra


def block_bytes(path: Path, places: Sequence[tuple[int, int]]) -> int:
    """Give the compressed bytes of some blocks of a file of :func:`write_tiff`."""
    with path.open("rb") as file:
        head = file.read(1 << 16)
    tags = {}
    for i in range(struct.unpack_from("<H", head, 8)[0]):
        tag, _, count, value = struct.unpack_from("<HHII", head, 10 + 12 * i)
        tags[tag] = (count, value)
    count, at = tags[325]
    across = round(count**0.5)
    counts = struct.unpack_from(f"<{count}I", head, at)
    return sum(counts[row * across + col] for row, col in places)
