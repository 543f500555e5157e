"""The newest clear look at every place of a corridor, as small pictures for a map."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pyproj import Transformer

from pipeline.grid import tiles_over
from pipeline.io.atomic import remove_tree
from pipeline.io.burn import burn
from pipeline.io.shelf import MANIFEST, is_whole, keep
from pipeline.io.store import DamagedBlockError
from pipeline.io.tasks import Progress, map_tiles
from pipeline.io.vault import content_key
from pipeline.model import Grid, Pass, Window
from pipeline.passes.showing import Shown
from pipeline.prepare.sky import is_clear

_VERSION = 1
_SIDE = 512  # of a picture [px]
_RES_M = 10.0  # finer imagery is thinned out: it is a map to find places by
_LOOKS = 10  # newest that may fill a hole
_REDUCE, _LEVELS = 4, 3
_BLACK, _WHITE, _GAMMA = 0.01, 0.28, 1.6  # reflectance; one stretch, so that weeks compare
_KEPT = 3  # mosaics of a corridor that stay on the shelf

Rgba = NDArray[np.uint8]


@dataclass(frozen=True)
class Mosaic:
    """Pictures of one corridor on the shelf."""

    folder: Path
    tiles: Sequence[Mapping[str, Any]]  # name, level, corners (lon/lat of NW, NE, SW)


def corridor_mosaic(
    shelf: Path, corridor_id: str, shown: Shown, how: tuple[int, Progress | None]
) -> Mosaic | None:
    """Make the map of a corridor, unless its newest looks are those of the one on the shelf.

    Returns
    -------
    Mosaic or None
        None where no look is at hand, or a block of the store is damaged.
    """
    passes = sorted(shown.looks.passes, key=lambda p: (p.acquired, p.id), reverse=True)[:_LOOKS]
    if not passes:
        return None
    folder = shelf / corridor_id / _key(shown, passes)
    if not is_whole(folder):
        try:
            keep(folder, _render(shown, passes, how))
        except DamagedBlockError as error:
            if error.path is not None:
                shown.store.forget(error.path)
            return None
        _drop_old(folder)
    return Mosaic(folder, json.loads((folder / "tiles.json").read_bytes()))


def _key(shown: Shown, passes: Sequence[Pass]) -> str:
    looks = [
        (p.id, shown.store.fingerprint(p.id), shown.looks.mask_keys[p.id], str(q.shift_px))
        for p in passes
        if (q := shown.looks.quality[p.id])
    ]
    grid = shown.store.grid
    place = (grid.crs, list(grid.transform)[:6], list(grid.shape), shown.store.stored.wkb_hex)
    return content_key("mosaic", _VERSION, place, looks)


def _drop_old(folder: Path) -> None:
    """Keep the newest few: the outputs that used the others hold their own links."""
    others = sorted(folder.parent.iterdir(), key=lambda p: p.stat().st_mtime_ns, reverse=True)
    for old in [p for p in others if p != folder][_KEPT - 1 :]:
        remove_tree(old)


def _render(
    shown: Shown, passes: Sequence[Pass], how: tuple[int, Progress | None]
) -> dict[str, bytes]:
    grid = shown.store.grid
    thin = max(1, round(_RES_M / grid.res_m))
    windows = [
        t.core
        for t in tiles_over(grid, _SIDE * thin, 0)
        if burn(shown.store.stored, grid.sub(t.core)).any()
    ]
    work = partial(_picture, shown, passes, thin)
    first = map_tiles(work, windows, how[0], how[1], "map")
    level: dict[tuple[int, int], Rgba] = {
        (w.row0 // (_SIDE * thin), w.col0 // (_SIDE * thin)): image
        for w, image in zip(windows, first, strict=True)
    }
    contents: dict[str, bytes] = {}
    tiles: list[dict[str, Any]] = []
    for n in range(_LEVELS):
        span = _SIDE * thin * _REDUCE**n
        for (row, col), image in sorted(level.items()):
            name = f"{n}_{row}_{col}.webp"
            contents[name] = _webp(image)
            box = Window(row * span, (row + 1) * span, col * span, (col + 1) * span)
            tiles.append({"name": name, "level": n, "corners": _corners(grid, box)})
        if len(level) == 1:
            break
        level = dict(_coarser(level))
    contents["tiles.json"] = json.dumps(tiles).encode()
    listed = [
        {"name": n, "sha256": hashlib.sha256(d).hexdigest()} for n, d in sorted(contents.items())
    ]
    return {**contents, MANIFEST: json.dumps({"files": listed}).encode()}


def _picture(shown: Shown, passes: Sequence[Pass], thin: int, window: Window) -> Rgba:
    """Give one picture, (512, 512, 4) uint8; clear where nothing is stored or nothing was seen."""
    reader = shown.looks.reader(shown.store)
    out = np.full((3, *window.shape), np.nan, np.float32)
    wanted = burn(shown.store.stored, shown.store.grid.sub(window))
    for p in passes:
        if not wanted.any():
            break
        held: Sequence[str] = shown.store.note(p.id)["bands"]
        if not {"red", "green", "blue"} <= set(held):
            continue
        take = is_clear(reader.mask(p.id, window)) & wanted
        if not take.any():
            continue
        bands = np.stack([reader.band(p.id, b, window) for b in ("red", "green", "blue")])
        take &= np.isfinite(bands).all(axis=0)
        out[:, take] = bands[:, take]
        wanted &= ~take
    out = out[:, ::thin, ::thin]
    share = np.clip((np.nan_to_num(out) - _BLACK) / (_WHITE - _BLACK), 0, 1) ** (1 / _GAMMA)
    image = np.zeros((_SIDE, _SIDE, 4), np.uint8)
    rows, cols = out.shape[1:]
    image[:rows, :cols, :3] = np.rint(share * 255).astype(np.uint8).transpose(1, 2, 0)
    image[:rows, :cols, 3] = np.where(np.isfinite(out[0]), 255, 0)
    return image


def _coarser(level: Mapping[tuple[int, int], Rgba]) -> Iterator[tuple[tuple[int, int], Rgba]]:
    """Put 4 by 4 pictures into one."""
    small = _SIDE // _REDUCE
    for key in sorted({(r // _REDUCE, c // _REDUCE) for r, c in level}):
        out = np.zeros((_SIDE, _SIDE, 4), np.uint8)
        for (row, col), image in level.items():
            if (row // _REDUCE, col // _REDUCE) == key:
                r, c = row % _REDUCE * small, col % _REDUCE * small
                reduced = Image.fromarray(image).convert("RGBa").reduce(_REDUCE).convert("RGBA")
                out[r : r + small, c : c + small] = np.asarray(reduced)
        yield key, out


def _webp(image: Rgba) -> bytes:
    out = BytesIO()
    Image.fromarray(image).save(out, "WEBP", quality=72, method=2)
    return out.getvalue()


def _corners(grid: Grid, window: Window) -> list[list[float]]:
    """Longitude and latitude of the north-western, north-eastern and south-western corner."""
    left, bottom, right, top = grid.sub(window).bounds
    to = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
    places = [to.transform(x, y) for x, y in ((left, top), (right, top), (left, bottom))]
    return [[round(float(lon), 7), round(float(lat), 7)] for lon, lat in places]
