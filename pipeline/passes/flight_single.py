"""One flight without an earlier one: what stands out of its ground, window by window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.detect.surface_change import ChangedCells, change_halo_m, gather, judge, sparse
from pipeline.detect.surface_noise import estimate
from pipeline.detect.surface_objects import halo_m
from pipeline.detect.surface_single import (
    SingleOptions,
    Standing,
    single_change,
    single_fit,
    single_halo_m,
    single_noise_sample,
    single_object_of,
    standing,
)
from pipeline.detect.surface_types import FlightObject, SurfaceChangeOptions
from pipeline.model import FlightReader, Grid, SurfaceFit, SurfaceNoise, Window
from pipeline.passes.flight_groups import boxes_of, by_groups, others_within, window_of
from pipeline.passes.flight_windows import FlightOptions, noise_windows
from pipeline.passes.flight_windows import Windows as _Windows


@dataclass(frozen=True)
class SingleFound:
    """What one flight with a surface shows."""

    grid: Grid  # of the cells that objects are indices into
    objects: tuple[FlightObject, ...]


@dataclass(frozen=True)
class _Ground:
    """What is known of a flight before it is judged."""

    fit: SurfaceFit
    noise: SurfaceNoise
    options: SingleOptions


def single_objects(
    read: FlightReader,
    grid: Grid,
    options: FlightOptions,
    single: SingleOptions,
    within: Sequence[Window] | None = None,
) -> SingleFound:
    """Find what stands on the ground or is dug into it.

    Parameters
    ----------
    read : FlightReader
        A flight with a surface, on ``grid``.
    grid : Grid
        Full pixels, projected, m.
    within : sequence of Window, optional
        Windows of cells; others are not looked at, and what reaches out of them is cut there.
    """
    work = _Windows.over(read, read, grid, options, surface=True)
    change = single_change(options.change, single)
    samples = work.each(
        lambda w: single_noise_sample(_standing(work, w, single), single), noise_windows(work)
    )
    ground = _Ground(
        single_fit(work.cells.shape, work.cell_m, single),
        estimate(samples, work.cell_m, options.threads),
        single,
    )
    shown = work.shown(_halo(work, change) + round(single_halo_m(single) / work.cell_m))
    cores = [c for c in shown if within is None or any(c.intersect(w) for w in within)]
    parts = [
        part for window in work.each(lambda w: _judged(work, w, ground), cores) for part in window
    ]
    found = [
        own
        for own in gather(parts, work.cell_m, change)
        # What runs on is no object, and need not be read.
        if max(window_of(own).shape) * work.cell_m <= single.longest_m
    ]
    objects = _objects(work, found, ground)
    return SingleFound(work.cells, tuple(o for o in objects if o is not None))


def _standing(work: _Windows, window: Window, single: SingleOptions) -> Standing:
    """Guess the ground of a window (of cells) from a wider one."""
    wide = window.pad(round(single_halo_m(single) / work.cell_m))
    cells = work.sources[1](wide)
    if cells.height is None:
        raise ValueError("a flight without a surface shows nothing by itself")
    whole = standing(wide, work.cell_m, cells.height, work.covers[1](wide), single)
    return Standing(whole.up.within(window), whole.down.within(window))


def _halo(work: _Windows, change: SurfaceChangeOptions) -> int:
    return round(change_halo_m(change) / work.cell_m) + 1


def _judged(work: _Windows, core: Window, ground: _Ground) -> list[ChangedCells]:
    change = single_change(work.options.change, ground.options)
    seen = _standing(work, core.pad(_halo(work, change)), ground.options)
    out: list[ChangedCells] = []
    for pair, sign in ((seen.up, 1), (seen.down, -1)):
        judged = judge(pair, ground.noise, ground.fit, change)
        out += [c for c in sparse(judged, pair, core) if c.sign == sign]
    return out


def _objects(
    work: _Windows, found: Sequence[ChangedCells], ground: _Ground
) -> list[FlightObject | None]:
    """Measure objects; those that lie near each other are read together."""
    change = single_change(work.options.change, ground.options)
    pad = round(halo_m(change) / work.cell_m)
    boxes = boxes_of(found)
    windows = [window_of(own).pad(pad) for own in found]

    def some(seen: Standing, which: Sequence[int]) -> list[FlightObject | None]:
        rest = (ground.fit, change, ground.options)
        out: list[FlightObject | None] = []
        for i in which:
            others = others_within(found, boxes, i, windows[i])
            own = Standing(seen.up.within(windows[i]), seen.down.within(windows[i]))
            out.append(single_object_of(found[i], others, own, ground.noise, rest))
        return out

    return by_groups(work, windows, lambda hull: _standing(work, hull, ground.options), some)
