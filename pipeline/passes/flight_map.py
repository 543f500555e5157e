"""The mosaics of flights as small pictures, for the map of the page."""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pipeline.errors import SceneUnusableError
from pipeline.grid import tiles_over
from pipeline.io.atomic import remove_tree
from pipeline.io.flights import reading_flights
from pipeline.io.shelf import is_whole, keep
from pipeline.io.tasks import Progress, map_tiles
from pipeline.io.vault import content_key
from pipeline.model import Grid, Window
from pipeline.passes.map_tiles import SIDE, Picture, pyramid
from pipeline.passes.showing_flights import FlightViews, Taken

_VERSION = 1
_RES_M = 0.1  # finer is in the evidence of each case
_MOST_PX = 2048  # along the side of a square as large as a flight: about a megabyte of files
_MOST_VIEWS = 24  # newest whose flights are drawn
_KEPT = 8 * _MOST_VIEWS  # flights on the shelf: those of four inspections of one state

When = Literal["before", "after"]


@dataclass(frozen=True)
class FlightMap:
    """Pictures of one flight on the shelf."""

    folder: Path
    tiles: Sequence[Mapping[str, Any]]  # name, level, corners (lon/lat of NW, NE, SW)
    flown: datetime
    when: When


def flight_maps(
    shelf: Path, views: Sequence[FlightViews], how: tuple[int, Progress | None]
) -> list[FlightMap]:
    """Make the pictures of flights, unless they are on the shelf; in the order to draw them.

    A flight that cannot be read has none. Of those that are not asked for, the last used stay on
    the shelf, for other inspections of the same state; outputs that used the rest hold their own
    links.
    """
    if not views:
        return []  # a patrol of satellites has none, and leaves those of inspections alone
    newest = sorted(views, key=lambda v: (v.after.flight.flown, v.after.flight.id))[-_MOST_VIEWS:]
    found: list[FlightMap] = []
    for view in newest:
        both: tuple[tuple[When, Taken | None], ...] = (
            ("before", view.before),
            ("after", view.after),
        )
        for when, taken in both:
            made = None if taken is None else _made(shelf, view.grid, taken, how)
            if made is not None and taken is not None:
                found.append(FlightMap(*made, taken.flight.flown, when))
    _clear(shelf, [m.folder for m in found])
    return found


def _clear(shelf: Path, used: Sequence[Path]) -> None:
    """Remove what was used longest ago; names with a dot are being written by some process."""
    for folder in used:
        os.utime(folder)
    if not shelf.is_dir():
        return
    others = [p for p in shelf.iterdir() if p not in set(used) and not p.name.startswith(".")]
    ages: list[tuple[float, Path]] = []
    for folder in others:
        with contextlib.suppress(FileNotFoundError):  # another process removed it
            ages.append((folder.stat().st_mtime, folder))
    for _, old in sorted(ages, reverse=True)[max(_KEPT - len(set(used)), 0) :]:
        remove_tree(old)


def _made(
    shelf: Path, grid: Grid, taken: Taken, how: tuple[int, Progress | None]
) -> tuple[Path, Sequence[Mapping[str, Any]]] | None:
    place = (grid.crs, list(grid.transform)[:6], list(grid.shape), taken.by.matrix)
    size = (_RES_M, _MOST_PX)
    folder = shelf / content_key("flight", _VERSION, taken.flight.fingerprint, place, size)
    if not is_whole(folder):
        try:
            with reading_flights():
                contents = _render(grid, taken, how)
        except SceneUnusableError:
            return None
        if contents is None:
            return None
        keep(folder, contents)
    return folder, json.loads((folder / "tiles.json").read_bytes())


def _render(grid: Grid, taken: Taken, how: tuple[int, Progress | None]) -> dict[str, bytes] | None:
    step = max(
        1, round(_RES_M / grid.res_m), math.ceil(math.sqrt(math.prod(grid.shape)) / _MOST_PX)
    )
    windows = [t.core for t in tiles_over(grid, SIDE * step, 0)]
    pictures = map_tiles(partial(_picture, taken, step), windows, how[0], how[1], "map")
    finest = {
        (w.row0 // (SIDE * step), w.col0 // (SIDE * step)): picture
        for w, picture in zip(windows, pictures, strict=True)
        if picture is not None
    }
    return pyramid(finest, grid, SIDE * step) if finest else None


def _picture(taken: Taken, step: int, window: Window) -> Picture | None:
    """Give one picture from the overview, None where the flight shows nothing."""
    pixels = taken.read(window, step)
    if not pixels.valid.any():
        return None
    spare = np.iinfo(pixels.colour.dtype).bits - 8
    image = np.zeros((SIDE, SIDE, 4), np.uint8)
    rows, cols = pixels.valid.shape
    image[:rows, :cols, :3] = (pixels.colour[:3] >> spare).transpose(1, 2, 0)
    image[:rows, :cols, 3] = np.where(pixels.valid, 255, 0)
    return Picture.of(image)
