"""What a pair of flights with surfaces says of a place where it found no object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from pipeline.detect.picture_change import fields, light, picture_halo, scales, strength
from pipeline.detect.surface_change import change_halo_m, judge
from pipeline.detect.surface_single import SingleOptions
from pipeline.detect.surface_types import FlightObject
from pipeline.grid import reproject
from pipeline.io.burn import burn
from pipeline.model import Cover, FlightReader, Grid, Window
from pipeline.passes.flight_single import single_objects
from pipeline.passes.flight_windows import (
    FlightOptions,
    SurfaceWindows,
    noise_windows,
    picture_pair,
    surface_pair,
    tiles,
)
from pipeline.passes.flight_windows import Windows as _Windows
from pipeline.passes.flights import SurfaceChange, sampled

Mask = NDArray[np.bool_]
_AROUND_M = 15.0  # so that an object that reaches out of a place is whole


@dataclass(frozen=True)
class PlaceSaid:
    """Shares of the cells of a place, 0..1."""

    seen: float  # bare, built or grassy ground on both dates, with both surfaces
    changed: float  # of these, where the surface changed
    repainted: float  # of these, where the picture changed more than light explains
    standing: float  # of these, under an object of the later flight by itself

    @property
    def nothing(self) -> bool:
        """Whether nothing is there and nothing came: a clear miss."""
        return (
            self.seen >= 0.9
            and self.changed <= 0.02
            and self.repainted <= 0.1
            and self.standing <= 0.02
        )

    @property
    def why_zh(self) -> str:
        """Say what keeps it from being a clear miss, for the reader."""
        if self.seen < 0.9:
            return f"只有{self.seen:.0%}的地面在两次飞行中都能看清（其余为植被、水面或无数据）"
        if self.changed > 0.02:
            return f"{self.changed:.0%}的地面高度有变化，但不成独立物体"
        if self.repainted > 0.1:
            return f"高度没有变化，{self.repainted:.0%}的地面颜色或纹理有变化"
        if self.standing > 0.02:
            return "两次飞行之间没有变化，但原来就有高出地面的物体或坑"
        return "两次飞行都没有物体，也没有变化"


@dataclass(frozen=True)
class PairAsker:
    """A pair of flights that can be asked about places; windows are read when it is."""

    before: FlightReader
    after: FlightReader  # moved by its picture's registration
    grid: Grid
    options: FlightOptions
    found: SurfaceChange
    single: SingleOptions

    def __call__(self, places_wgs84: Sequence[BaseGeometry]) -> list[PlaceSaid]:
        """Say of each place (lon/lat) what both flights show there."""
        if not places_wgs84:
            return []
        work = self.found.windows(self.before, self.after, self.grid, self.options)
        flat = _Windows.over(self.before, self.after, self.grid, self.options)
        light_ = _light(flat)
        places = [reproject(p, "EPSG:4326", work.cells.crs) for p in places_wgs84]
        near = [_window(p, work.cells) for p in places]
        standing = single_objects(work.after, self.grid, self.options, self.single, near).objects
        return [self._ask(place, (work, flat), light_, standing) for place in places]

    def _ask(
        self,
        place: BaseGeometry,
        works: tuple[SurfaceWindows, _Windows],
        light_: tuple[NDArray[np.float64], NDArray[np.float64]],
        standing: Sequence[FlightObject],
    ) -> PlaceSaid:
        counts = np.zeros(5)
        work, flat = works
        for core in tiles(work):
            inside = _inside(place, work.cells, core)
            if inside.any():
                stood = _burnt(standing, core)
                counts += self._count((inside, stood), core, work, flat, light_)
        total, seen, *rest = counts
        return PlaceSaid(seen / max(total, 1.0), *(v / max(seen, 1.0) for v in rest))

    def _count(
        self,
        masks: tuple[Mask, Mask],
        core: Window,
        work: SurfaceWindows,
        flat: _Windows,
        light_: tuple[NDArray[np.float64], NDArray[np.float64]],
    ) -> NDArray[np.float64]:
        """Cells of a place in one window: all, seen, changed, repainted, standing."""
        change, own = self.options.change, self.options.picture
        inside, stood = masks
        wide = core.pad(round(change_halo_m(change) / work.cell_m) + 1)
        pair = surface_pair(work, wide)
        judged = judge(pair, self.found.noise, self.found.fit, change)
        inner = core.within(wide)
        moved = (judged.up | judged.down)[inner]
        open_ = (Cover.GROUND, Cover.GRASS)
        seen = inside & pair.surface[inner]
        for cover in pair.covers:
            seen &= np.isin(cover[inner], open_)
        wide = core.pad(picture_halo(own))
        pictures = picture_pair(flat, wide)
        value = strength(fields(pictures, light_[0], own), light_[1], own)[core.within(wide)]
        counted = (inside, seen, seen & moved, seen & (value >= own.grow), seen & stood)
        return np.array([float(m.sum()) for m in counted])


def _light(flat: _Windows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give what exposure changed over the pair, and the spread of its unchanged ground."""
    windows = noise_windows(flat)
    own = flat.options.picture
    lights = np.stack(flat.each(lambda w: light(picture_pair(flat, w), own), windows))
    lit = np.zeros(3) if np.isnan(lights).all() else np.nanmedian(lights, axis=0)
    return lit, scales(flat.each(lambda w: sampled(flat, w, lit), windows))


def _burnt(things: Sequence[FlightObject], window: Window) -> Mask:
    out = np.zeros(window.shape, bool)
    for thing in things:
        rows, cols = thing.rows - window.row0, thing.cols - window.col0
        ok = (rows >= 0) & (rows < out.shape[0]) & (cols >= 0) & (cols < out.shape[1])
        out[rows[ok], cols[ok]] = True
    return out


def _window(place: BaseGeometry, cells: Grid) -> Window:
    """Give the window of cells that holds a place and a little around it."""
    west, south, east, north = place.buffer(_AROUND_M).bounds
    t = cells.transform  # upright, with square cells
    (c0, c1), (r0, r1) = (
        ((v - t.c) / t.a for v in (west, east)),
        ((v - t.f) / t.e for v in (north, south)),
    )
    return Window(int(np.floor(r0)), int(np.ceil(r1)), int(np.floor(c0)), int(np.ceil(c1)))


def _inside(place: BaseGeometry, cells: Grid, window: Window) -> Mask:
    part = Grid(
        cells.crs,
        cells.transform * cells.transform.translation(window.col0, window.row0),
        window.shape,
    )
    left, bottom, right, top = part.bounds
    west, south, east, north = place.bounds
    if west > right or east < left or south > top or north < bottom:
        return np.zeros(window.shape, bool)
    return burn(place, part)
