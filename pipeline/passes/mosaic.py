"""The newest clear look at every place of a corridor, as small pictures for a map."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.grid import box_of_mask, tiles_over
from pipeline.io.atomic import remove_tree
from pipeline.io.blocks import DamagedBlockError
from pipeline.io.burn import burn
from pipeline.io.shelf import is_whole, keep
from pipeline.io.store import CorridorStore
from pipeline.io.tasks import Progress, map_tiles
from pipeline.io.vault import content_key
from pipeline.model import Pass, Tile, Window
from pipeline.passes.map_tiles import SIDE, Picture, pyramid
from pipeline.passes.showing import Shown
from pipeline.prepare.sky import is_clear

_VERSION = 1
_RES_M = 10.0  # finer imagery is thinned out: it is a map to find places by
_LOOKS = 10  # newest that may fill a hole
_BLACK, _WHITE, _GAMMA = 0.01, 0.28, 1.6  # reflectance; one stretch, so that weeks compare
_KEPT = 3  # mosaics of a corridor that stay on the shelf


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


def kept_mosaic(shelf: Path, corridor_id: str) -> Mosaic | None:
    """Give the newest map of a corridor that a patrol left on the shelf."""
    places = [p for p in (shelf / corridor_id).glob("*") if is_whole(p)]
    if not places:
        return None
    folder = max(places, key=lambda p: (p.stat().st_mtime_ns, p.name))
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
    windows = [t.core for t in _squares(shown.store, SIDE * thin)]
    work = partial(_picture, shown, passes, thin)
    first = map_tiles(work, windows, how[0], how[1], "map")
    level: dict[tuple[int, int], Picture] = {
        (w.row0 // (SIDE * thin), w.col0 // (SIDE * thin)): picture
        for w, picture in zip(windows, first, strict=True)
    }
    return pyramid(level, grid, SIDE * thin)


def _squares(store: CorridorStore, side: int) -> Sequence[Tile]:
    """Give squares that hold stored pixels, row-major; mostly they are the store's tiles."""
    if side == store.tile_px:
        return store.all_tiles
    every = tiles_over(store.grid, side, 0)
    return [t for t in every if burn(store.stored, store.grid.sub(t.core)).any()]


def _stored(store: CorridorStore, window: Window) -> NDArray[np.bool_]:
    """Mask of the stored pixels of such a square."""
    tiles = store.touched(window)
    if len(tiles) == 1 and tiles[0].core == window:
        return store.kept(window)
    return burn(store.stored, store.grid.sub(window))


def _picture(shown: Shown, passes: Sequence[Pass], thin: int, window: Window) -> Picture:
    """Give one picture; clear where nothing is stored or nothing was seen."""
    reader = shown.looks.reader(shown.store)
    out = np.full((3, *window.shape), np.nan, np.float32)
    wanted = _stored(shown.store, window)
    for p in passes:
        if not wanted.any():
            break
        held: Sequence[str] = shown.store.note(p.id)["bands"]
        if not {"red", "green", "blue"} <= set(held):
            continue
        take = is_clear(reader.mask(p.id, window)) & wanted
        box = box_of_mask(take, window)  # of an older look what the newer ones hid
        if box is None:
            continue
        part = box.within(window)
        bands = np.stack([reader.band(p.id, b, box) for b in ("red", "green", "blue")])
        new = take[part] & np.isfinite(bands).all(axis=0)
        out[:, *part][:, new] = bands[:, new]
        wanted[part] &= ~new
    out = out[:, ::thin, ::thin]
    known = np.isfinite(out[0])
    share = np.clip((out[:, known] - _BLACK) / (_WHITE - _BLACK), 0, 1) ** (1 / _GAMMA)
    image = np.zeros((SIDE, SIDE, 4), np.uint8)
    seen = image[: known.shape[0], : known.shape[1]]
    seen[known, :3] = np.rint(share * 255).astype(np.uint8).T
    seen[known, 3] = 255
    return Picture.of(image)
