"""A band of a remote GeoTIFF, fetched as its header and the blocks of a corridor, all at once."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray
from rasterio.errors import RasterioError

from pipeline.errors import SceneUnusableError
from pipeline.io import remote
from pipeline.io.asset_reader import AssetReader, Lattice
from pipeline.io.line import Answer, LeftToGdalError
from pipeline.io.ranges import Coming, Fetcher
from pipeline.io.tiff_parts import TiffHead, parse
from pipeline.model import Asset, Grid, Window

_HEAD_BYTES = 16_384  # of a file: holds the directory of all but the largest
_MOST_HEAD_BYTES = 1 << 20
_MOST_BYTES = 96 << 20  # of one band
_PACKED = 2, 65_536  # packed bytes of a block: at most so many times its pixels, and so many more
_JPEG2000 = (".jp2", ".j2k")

Keep = Callable[[Window, int], NDArray[np.bool_]]
"""Gives the wanted pixels of a window of the grid at a factor."""


_Blocks = frozenset[tuple[int, int]]
"""Blocks of a file, by row and column."""


@dataclass(frozen=True)
class Wanted:
    """What is wanted of all files: the windows of the grid that will be read, and their pixels.

    Files that lie on the grid alike have the same blocks, of which these are asked once.
    """

    windows: Sequence[Window]
    keep: Keep  # the pixels that are kept of a window
    _known: dict[Lattice, _Blocks] = field(default_factory=dict[Lattice, _Blocks])
    _one_at_a_time: Lock = field(default_factory=Lock)

    def blocks(self, reader: AssetReader) -> _Blocks:
        """Give the blocks of an open file that will be read."""
        with self._one_at_a_time:  # the headers of all bands come at the same time
            known = self._known.get(reader.lattice)
            if known is None:
                known = self._known[reader.lattice] = frozenset(
                    b for w in self.windows for b in reader.blocks(w, self.keep(w, reader.factor))
                )
            return known


@dataclass(frozen=True)
class Planned:
    """What of a file will be fetched: ``spans`` are the bytes of blocks, by their number.

    ``start`` brought the first bytes of the file, which hold all of a small one.
    """

    asset: Asset
    what: remote.Opening
    start: Answer
    head: TiffHead
    spans: Mapping[int, tuple[int, int]]

    @property
    def size(self) -> int:
        """Bytes of the blocks."""
        return sum(end - first for first, end in self.spans.values())

    def ask(self, fetcher: Fetcher) -> Coming[bytes]:
        """Ask for the blocks; give what waits for them, as data of an :class:`AssetReader`."""
        start, spans = self.start.body, self.spans
        here = {n: start[a:b] for n, (a, b) in spans.items() if b <= len(start)}
        others = {n: span for n, span in spans.items() if n not in here}
        access = self.asset.access
        parts = fetcher.spans(self.what, access, list(others.values()), self.start)

        def joined() -> bytes:
            try:
                return self.head.with_blocks({**here, **dict(zip(others, parts(), strict=True))})
            except struct.error:
                raise LeftToGdalError from None

        return parts.then(joined)


def plan_band(asset: Asset, grid: Grid, wanted: Wanted, fetcher: Fetcher) -> Planned | None:
    """Fetch a band's header, and say which blocks windows of the grid need.

    Parameters
    ----------
    wanted
        The windows that will be read.

    Returns
    -------
    Planned or None
        None for what GDAL has to read itself: another format, another grid, objects that want a
        signature, a server without ranges, a file that may not be read, and all that is out of the
        ordinary in a header or an answer.

    Raises
    ------
    SceneUnusableError, SourceUnreachableError
        As :class:`AssetReader`.
    """
    try:
        found = _head(asset, fetcher)
        spans = found and _spans(asset, grid, wanted, found)
    except LeftToGdalError:
        return None
    if not found or spans is None:
        return None
    planned = Planned(asset, *found, spans)
    return planned if planned.size <= _MOST_BYTES else None


_Found = tuple[remote.Opening, Answer, TiffHead]


def _head(asset: Asset, fetcher: Fetcher) -> _Found | None:
    """Fetch a header; None for what GDAL has to read, or to explain."""
    what = remote.opening(asset.href, asset.access)
    if not what.path.startswith("/vsicurl/"):
        return None
    if urlsplit(what.href).path.lower().endswith(_JPEG2000):
        return None
    size = _HEAD_BYTES
    while size <= _MOST_HEAD_BYTES:
        answer = fetcher.start(what, asset.access, size)
        if answer.status in (404, 410, 429) or answer.status >= 500:
            failure = remote.meaning(what, answer.status)
            assert failure is not None
            raise failure
        if answer.status != 206:
            return None
        head = parse(answer.body)
        if isinstance(head, TiffHead):
            return what, answer, head
        if head is None or len(answer.body) < size:
            return None
        size = head
    return None


def _spans(
    asset: Asset, grid: Grid, wanted: Wanted, found: _Found
) -> dict[int, tuple[int, int]] | None:
    """Give the bytes of each block that will be read; None if GDAL has to read the band."""
    what, start, head = found
    try:
        with AssetReader(asset, grid, head.with_blocks({})) as reader:
            # Of one strip without compression GDAL makes many.
            if reader.warped or reader.block_shape != head.block:
                return None
            if head.planes > 1 and reader.by_alpha:
                return None  # its blocks are others
            blocks = wanted.blocks(reader)
            pixel = reader.pixel_bytes[0 if head.planes > 1 else 1]
    except (RasterioError, struct.error):
        return None  # GDAL tells what is wrong with it where it lies
    most = _PACKED[0] * head.block[0] * head.block[1] * pixel + _PACKED[1]
    out: dict[int, tuple[int, int]] = {}
    for row, col in sorted(blocks):
        number = head.index(row, col, asset.band_index)
        if number is None:
            return None
        first, end = head.spans[number]
        if end == first:
            continue
        if not 8 <= first < end <= first + most:
            return None
        if end > start.total:
            raise SceneUnusableError(
                f"{what.href} is damaged or truncated (it ends at byte {start.total}, and its "
                f"header names a block up to {end})",
                "Fetch the file again",
            )
        out[number] = (first, end)
    return out
