"""The sweep of the inventory: what stands in a corridor, over all its looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from shapely.geometry.base import BaseGeometry

from pipeline.adjudicate.candidates import outline
from pipeline.config import Workflow
from pipeline.detect.disturb import MARGIN_PX
from pipeline.detect.expect import never_wet
from pipeline.detect.kinds import kind_scores
from pipeline.detect.medians import middle_of
from pipeline.detect.objects import Pixels, split
from pipeline.detect.stock import describe, standing
from pipeline.detect.water_frequency import frequency_bins, tally_history
from pipeline.io.tasks import map_tiles
from pipeline.model import Case, Kind, Pass, SetAside, Tile, Window
from pipeline.passes.change import box_of
from pipeline.passes.gather import gather
from pipeline.passes.ground import Looks, Site, States, meet
from pipeline.passes.known import case_pixels
from pipeline.passes.layers import keep_looks
from pipeline.passes.normals import keep_normals, read_normal, write_normals
from pipeline.passes.reduce import reduce_dates
from pipeline.passes.states import write_states

_RECENT = 8  # newest looks whose median makes the bare soil index
_STRIP_PX = 64


@dataclass(frozen=True)
class Standing:
    """One object of the inventory; ``polygon`` in ``crs``."""

    corridor_id: str
    polygon: BaseGeometry
    crs: str
    scores: Mapping[Kind, float]  # best first
    measures: Mapping[str, float]


@dataclass
class Stocked:
    """What the sweep of one corridor gave."""

    objects: list[Standing] = field(default_factory=list[Standing])
    looks: int = 0
    set_aside: list[SetAside] = field(default_factory=list[SetAside])
    unreachable: list[str] = field(default_factory=list[str])


def take_stock(
    workflow: Workflow, site: Site, passes: Sequence[Pass], cases: Sequence[Case]
) -> Stocked:
    """List what stands in a corridor; ground of ``cases`` is left to them. Safe to repeat."""
    found = Stocked()
    gathered = gather(site, passes)
    found.set_aside = [a for g in gathered for a in g.set_aside]
    found.unreachable = [g.unreachable for g in gathered if g.unreachable]
    usable = [p for p, g in zip(passes, gathered, strict=True) if g.usable]
    reduced = reduce_dates(site, usable, workflow.options.prepare)
    found.set_aside += reduced.set_aside
    found.looks = len(reduced.passes)
    if not reduced.passes:
        return found
    detect = workflow.options.detect
    keys = write_states(site, reduced.passes, reduced, detect.water)
    keep_looks(site, reduced.mask_keys, keys)
    states = States(site, Looks(reduced.passes, reduced.quality, reduced.mask_keys, keys))
    what = "normal ground of all looks"
    folder = write_normals(states, reduced.passes, detect.ground.normal, what)
    keep_normals(site, "inventory", [folder])
    taken = [case_pixels(site, c) for c in cases if c.corridor_id == site.corridor.id]
    sweep = _Sweep(workflow, states, reduced.passes, folder)
    parts = map_tiles(sweep.pixels, site.store.tiles, site.workers, site.progress, "inventory")
    least = detect.ground.stock.min_pixels
    pieces = [p for p in split(parts) if p.rows.size >= least and not _overlaps(p, taken)]
    found.objects = map_tiles(sweep.describe, pieces, site.workers)
    return found


def _overlaps(piece: Pixels, taken: Sequence[tuple[np.ndarray, np.ndarray]]) -> bool:
    return any(meet((piece.rows, piece.cols), other) for other in taken)


@dataclass(frozen=True)
class _Sweep:
    """Small and frozen, so that a worker elsewhere can have it."""

    workflow: Workflow
    states: States
    passes: tuple[Pass, ...]
    folder: str

    def pixels(self, tile: Tile) -> Pixels:
        """Give the standing pixels of a tile, in strips."""
        site, core = self.states.site, tile.core
        rows: list[np.ndarray] = []
        cols: list[np.ndarray] = []
        for row in range(core.row0, core.row1, _STRIP_PX):
            strip = Window(row, min(row + _STRIP_PX, core.row1), core.col0, core.col1)
            inside = site.inside(strip)
            if not inside.any():
                continue
            history = self.states.history([p.id for p in self.passes], strip)
            dry = never_wet(frequency_bins(*tally_history(history)))
            normal = read_normal(site.store, self.folder, strip)
            mask = standing(normal, dry, self.workflow.options.detect.ground.stock) & inside
            r, c = np.nonzero(mask)
            rows.append(r + strip.row0)
            cols.append(c + strip.col0)
        none = np.zeros(0, np.int32)
        r = np.concatenate(rows).astype(np.int32) if rows else none
        c = np.concatenate(cols).astype(np.int32) if cols else none
        return Pixels(r, c, np.ones(r.size, bool))

    def describe(self, piece: Pixels) -> Standing:
        """Measure one object."""
        site = self.states.site
        grid = site.store.grid
        window = box_of((piece.rows, piece.cols)).pad(MARGIN_PX).intersect(grid.window)
        assert window is not None
        normal = read_normal(site.store, self.folder, window)
        recent = [self.states.features(p.id, window, ("bare",))[0] for p in self.passes[-_RECENT:]]
        clear = [self.states.of(p.id, window) > 0 for p in self.passes[-_RECENT:]]
        bare = middle_of(list(np.where(clear, recent, np.float32(np.nan))))
        ground = self.workflow.options.detect.ground
        measures = describe(piece, window, normal, bare, ground.stock)
        measures["area_m2"] = measures["pixels"] * grid.pixel_area_m2
        scores = kind_scores([measures], ground.kinds)
        polygon = outline(piece.rows, piece.cols, grid)
        return Standing(site.corridor.id, polygon, grid.crs, scores, measures)
