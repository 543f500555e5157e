"""A band of a remote GeoTIFF, fetched as its header and the blocks of a corridor, all at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rasterio.errors import RasterioError

from pipeline.errors import SceneUnusableError
from pipeline.io import remote
from pipeline.io.ranges import Fetcher
from pipeline.io.raster import AssetReader
from pipeline.io.tiff_parts import TiffHead, parse
from pipeline.model import Asset, Grid, Window

_HEAD_BYTES = 16_384  # of a file: holds the directory of all but the largest
_MOST_HEAD_BYTES = 4 << 20

Keep = Callable[[Window, int], NDArray[np.bool_]]
"""Gives the wanted pixels of a window of the grid at a factor."""


@dataclass(frozen=True)
class Planned:
    """What of a file will be fetched: ``spans`` are the bytes of blocks, by their number.

    ``start`` are the first bytes of the file, which hold all of a small one.
    """

    asset: Asset
    what: remote.Opening
    start: bytes
    head: TiffHead
    spans: Mapping[int, tuple[int, int]]

    @property
    def size(self) -> int:
        """Bytes of the blocks."""
        return sum(end - first for first, end in self.spans.values())

    def ask(self, fetcher: Fetcher) -> Callable[[], bytes]:
        """Ask for the blocks; give what waits for them, as data of an :class:`AssetReader`."""
        start, spans = self.start, self.spans
        here = {n: start[a:b] for n, (a, b) in spans.items() if b <= len(start)}
        others = {n: span for n, span in spans.items() if n not in here}
        wait = fetcher.spans(self.what, self.asset.access, list(others.values()))
        return lambda: self.head.with_blocks({**here, **dict(zip(others, wait(), strict=True))})


def plan_band(
    asset: Asset, grid: Grid, wanted: tuple[Sequence[Window], Keep], fetcher: Fetcher
) -> Planned | None:
    """Fetch a band's header, and say which blocks windows of the grid need.

    Parameters
    ----------
    wanted
        The windows that will be read, with the pixels that are kept of each.

    Returns
    -------
    Planned or None
        None for what GDAL has to read itself: another format, another grid, objects that want a
        signature, a server without ranges, a file that may not be read.

    Raises
    ------
    SceneUnusableError, SourceUnreachableError
        As :class:`AssetReader`.
    """
    found = _head(asset, fetcher)
    spans = found and _spans(asset, grid, wanted, found)
    return Planned(asset, *found[:3], spans) if found and spans is not None else None


_Found = tuple[remote.Opening, bytes, TiffHead, int]


def _head(asset: Asset, fetcher: Fetcher) -> _Found | None:
    """Fetch a header, with the size of its file; None for what GDAL has to read, or to explain."""
    what = remote.opening(asset.href, asset.access)
    if not what.path.startswith("/vsicurl/"):
        return None
    size = _HEAD_BYTES
    while size <= _MOST_HEAD_BYTES:
        answer = fetcher.start(what, asset.access, size)
        if answer.status in (401, 403):
            return None
        failure = remote.meaning(what, answer.status)
        if failure is not None:
            raise failure
        if answer.status != 206 or not answer.total:
            return None
        head = parse(answer.body)
        if isinstance(head, TiffHead):
            return what, answer.body, head, answer.total
        if head is None or len(answer.body) < size:
            return None
        size = head
    return None


def _spans(
    asset: Asset, grid: Grid, wanted: tuple[Sequence[Window], Keep], found: _Found
) -> dict[int, tuple[int, int]] | None:
    """Give the bytes of each block that will be read; None if the band has to be warped."""
    what, _, head, total = found
    windows, keep = wanted
    try:
        with AssetReader(asset, grid, head.with_blocks({})) as reader:
            if reader.warped:
                return None
            blocks = {b for w in windows for b in reader.blocks(w, keep(w, reader.factor))}
    except RasterioError:
        return None  # GDAL tells what is wrong with it where it lies
    out: dict[int, tuple[int, int]] = {}
    for row, col in sorted(blocks):
        number = head.index(row, col, asset.band_index)
        first, end = head.spans[number]
        if end > total:
            raise SceneUnusableError(
                f"{what.href} is damaged or truncated (it ends at byte {total}, and its header "
                f"names a block up to {end})",
                "Fetch the file again",
            )
        if end > first:
            out[number] = (first, end)
    return out
