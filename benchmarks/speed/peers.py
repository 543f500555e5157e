"""The floor, and peers for one output, each as a process that imports what it needs and no more.

Usage: python -m benchmarks.speed.peers TASK LAYOUT NAME [NAME ...]

``decode`` reads the blocks that the corridor touches with rasterio and does nothing else. The
other tasks make the output of :mod:`benchmarks.speed.wet`, whose checksum is printed and must be
that of :mod:`benchmarks.speed.own`: ``loop`` (windows of a tile by rasterio, each file opened
once), ``odc-tiles`` (odc-stac tile by tile), ``odc-box`` (odc-stac and dask over the corridor's
box, band by band).
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import rasterio
from affine import Affine
from numpy.typing import NDArray

_THREADS = 2


def decode(layout: dict[str, Any], names: Sequence[str]) -> str:
    """Decode each touched block of all bands once."""
    pixels = 0
    for name in names:
        for key, places in layout["touched"].items():
            with rasterio.open(f"{layout['scenes']}/{name}_{key}.tif") as source:
                n = layout["block"]
                for row, col in places:
                    rows = (row * n, min((row + 1) * n, source.height))
                    cols = (col * n, min((col + 1) * n, source.width))
                    pixels += source.read(1, window=(rows, cols)).size
    return f"{pixels} px"


def loop(layout: dict[str, Any], names: Sequence[str]) -> str:
    """Read windows of a tile, each file opened once."""
    from benchmarks.speed.wet import USED, Wet, repeated  # noqa: PLC0415 - none for the floor

    files = {(n, k): rasterio.open(f"{layout['scenes']}/{n}_{k}.tif") for n in names for k in USED}
    out = Wet(layout)
    inverse: Any = ~Affine(*layout["file_transform"])
    for i, (r0, r1, c0, c1) in enumerate(layout["tiles"]):
        corner: Any = Affine(*layout["transform"]) * (c0, r0)
        col, row = inverse * corner
        for key, factor in USED.items():
            first = (round(row / factor), round(col / factor))
            part = tuple(
                (f, f + n // factor) for f, n in zip(first, (r1 - r0, c1 - c0), strict=True)
            )
            read = (files[n, key].read(1, window=part) for n in names)
            out.add(i, key, [repeated(values, factor) for values in read])
    return out.digest()


def _load(
    layout: dict[str, Any],
    names: Sequence[str],
    box: Sequence[int],
    bands: Sequence[str],
    chunks: Any = None,
) -> Any:
    import pystac  # noqa: PLC0415 - a peer's

    # By name: it is in no lock, and types are checked where it is not installed.
    boxes: Any = importlib.import_module("odc.geo.geobox")
    loader: Any = importlib.import_module("odc.stac")

    items = []
    for name in names:
        content = json.loads(Path(f"{layout['scenes']}/{name}.json").read_text(encoding="utf-8"))
        for key, asset in content["assets"].items():
            asset["href"] = f"{layout['scenes']}/{name}_{key}.tif"
        items.append(pystac.Item.from_dict(content))
    r0, r1, c0, c1 = box
    moved = Affine(*layout["transform"]) * Affine.translation(c0, r0)
    numbers = {"*": {"data_type": "uint16", "nodata": 0}, "SCL": {"data_type": "uint8"}}
    return loader.load(
        items,
        bands=bands,
        geobox=boxes.GeoBox((r1 - r0, c1 - c0), moved, layout["crs"]),
        chunks=chunks,
        stac_cfg={"*": {"assets": numbers}},
        groupby="id",
        resampling="nearest",
    )


def odc_tiles(layout: dict[str, Any], names: Sequence[str]) -> str:
    """Load tile by tile, without dask."""
    from benchmarks.speed.wet import USED, Wet  # noqa: PLC0415 - none for the floor

    out = Wet(layout)
    for i, box in enumerate(layout["tiles"]):
        cube = _load(layout, names, box, list(USED))
        for key in USED:
            out.add(i, key, cube[key].values)
    return out.digest()


def odc_box(layout: dict[str, Any], names: Sequence[str]) -> str:
    """Load the corridor's whole box lazily, as the tutorials do, and compute with dask."""
    from dask.config import set as configured  # noqa: PLC0415 - a peer's

    from benchmarks.speed.wet import USED, Wet  # noqa: PLC0415 - none for the floor

    rows, cols = layout["shape"]
    cube = _load(layout, names, (0, rows, 0, cols), list(USED), {"x": 2048, "y": 2048})
    out = Wet(layout)
    for key in USED:
        with configured(scheduler="threads", num_workers=_THREADS):
            whole: NDArray[Any] = cube[key].data.compute()
        for i, (r0, r1, c0, c1) in enumerate(layout["tiles"]):
            out.add(i, key, whole[:, r0:r1, c0:c1])
    return out.digest()


TASKS: dict[str, Callable[[dict[str, Any], Sequence[str]], str]] = {
    "decode": decode,
    "loop": loop,
    "odc-tiles": odc_tiles,
    "odc-box": odc_box,
}


def main() -> None:
    task, layout, *names = sys.argv[1:]
    print(TASKS[task](json.loads(Path(layout).read_text(encoding="utf-8")), names))


if __name__ == "__main__":
    main()
