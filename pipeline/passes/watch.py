"""Sweep 3: judge every look of the patrol against the history before its quarter.

Quarters are taken in order, because pixel-looks flagged in one stay out of the history of the next.
Within a quarter: levels of all dates (tiles added up), recession of the patrol's dates (added up),
candidate pixels (joined over tiles), objects examined in their own window.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from pipeline.config import EpochOptions, GroundOptions
from pipeline.detect.expect import (
    Baseline,
    Days,
    Totals,
    View,
    by_shore,
    judge_levels,
    tally_levels,
    tally_shore,
)
from pipeline.detect.objects import Pixels, Rejection, split
from pipeline.detect.zhan import (
    HALO_PX,
    WINDOW_MARGIN_PX,
    ZhanOptions,
    candidates,
    examine,
)
from pipeline.io.tasks import map_tiles
from pipeline.model import Level, Pass, Sighting, Tile, Window
from pipeline.passes.baselines import BaselineCache
from pipeline.passes.change import ChangeSweep, Normals, Quarter
from pipeline.passes.ground import Looks, Site, Sparse, States


@dataclass(frozen=True)
class Epoch:
    """A calendar quarter (UTC): its history and the looks it judges."""

    start: datetime
    history: tuple[Pass, ...]
    judged: tuple[Pass, ...]


@dataclass
class Watched:
    """What the sweep found."""

    sightings: list[Sighting] = field(default_factory=list[Sighting])
    levels: dict[str, tuple[Level, ...]] = field(default_factory=dict[str, tuple[Level, ...]])
    unjudged: dict[str, str] = field(default_factory=dict[str, str])
    rejected: Counter[str] = field(default_factory=Counter[str])
    unknown_px: dict[str, int] = field(default_factory=dict[str, int])
    epochs: list[tuple[Epoch, NDArray[np.float32]]] = field(
        default_factory=list[tuple[Epoch, NDArray[np.float32]]]
    )
    flagged: dict[str, list[Sparse]] = field(default_factory=dict[str, list[Sparse]])
    normals: dict[datetime, Normals] = field(default_factory=dict[datetime, Normals])


@dataclass(frozen=True)
class WatchOptions:
    """Options of the stages that this sweep calls."""

    zhan: ZhanOptions
    ground: GroundOptions
    epoch: EpochOptions


def quarter_start(when: datetime) -> datetime:
    """Give the first instant of the calendar quarter (UTC) of a time."""
    return datetime(when.year, (when.month - 1) // 3 * 3 + 1, 1, tzinfo=UTC)


def epochs_of(passes: Sequence[Pass], patrol_start: datetime, options: EpochOptions) -> list[Epoch]:
    """Group the looks from ``patrol_start`` on by quarter, each with its history."""
    starts = sorted({quarter_start(p.acquired) for p in passes if p.acquired >= patrol_start})
    out: list[Epoch] = []
    for start in starts:
        since = start - timedelta(days=365.25 * options.history_years)
        out.append(
            Epoch(
                start,
                tuple(p for p in passes if since <= p.acquired < start),
                tuple(
                    p
                    for p in passes
                    if p.acquired >= patrol_start and quarter_start(p.acquired) == start
                ),
            )
        )
    return out


def watch(
    site: Site,
    looks: Looks,
    patrol_start: datetime,
    options: WatchOptions,
    known: Mapping[str, Sequence[Sparse]] | None = None,
) -> Watched:
    """Find all sightings from ``patrol_start`` on.

    ``known`` are pixel-looks of cases found before the patrol, by pass: they are no history.
    """
    found = Watched()
    found.flagged.update({k: list(v) for k, v in (known or {}).items()})
    for epoch in epochs_of(looks.passes, patrol_start, options.epoch):
        if len(epoch.history) < options.epoch.min_history:
            for p in epoch.judged:
                found.unjudged[p.id] = (
                    f"{len(epoch.history)} looks in the {options.epoch.history_years:g} years "
                    f"before its quarter, and {options.epoch.min_history} are needed"
                )
            continue
        sweep = _EpochSweep(site, looks, epoch, options.zhan, found.flagged)
        found.epochs.append((epoch, sweep.ranks))
        for p, days in zip(epoch.judged, sweep.days, strict=True):
            found.levels[p.id] = tuple(d.level for d in days)
        sweep.judge(found)
        ground = ChangeSweep(sweep.quarter(), options.ground)
        found.normals[epoch.start] = ground.normals
        _record_ground(found, ground)
        sweep.cache.clear()  # the normals are kept, and the windows of the tiles are not
    found.sightings.sort(key=lambda s: (s.on, s.pass_id, int(s.rows[0]), int(s.cols[0])))
    return found


def watch_first(
    site: Site,
    looks: Looks,
    patrol_start: datetime,
    options: WatchOptions,
    known: Mapping[str, Sequence[Sparse]],
) -> Watched:
    """Make ready the first quarter that a patrol could judge, and search nothing in it.

    Known cases are looked at against this quarter; see :func:`pipeline.passes.follow.relook`.
    """
    found = Watched()
    found.flagged.update({k: list(v) for k, v in known.items()})
    every = epochs_of(looks.passes, patrol_start, options.epoch)
    epoch = next((e for e in every if len(e.history) >= options.epoch.min_history), None)
    if epoch is None:
        return found
    sweep = _EpochSweep(site, looks, epoch, options.zhan, found.flagged)
    found.epochs.append((epoch, sweep.ranks))
    found.normals[epoch.start] = ChangeSweep(sweep.quarter(), options.ground).normals
    return found


def _record_ground(found: Watched, sweep: ChangeSweep) -> None:
    sightings, rejected, flagged = sweep.sightings()
    found.sightings.extend(sightings)
    for p, rejection in rejected:
        found.rejected[rejection.reason] += 1
        if rejection.unknown:
            found.unknown_px[p.id] = found.unknown_px.get(p.id, 0) + rejection.pixels
    for pass_id, pixels in flagged.items():
        found.flagged.setdefault(pass_id, []).extend(pixels)


class _EpochSweep:
    """The sweeps over tiles of one quarter."""

    def __init__(
        self,
        site: Site,
        looks: Looks,
        epoch: Epoch,
        options: ZhanOptions,
        flagged: dict[str, list[Sparse]],
    ) -> None:
        self.site, self.looks, self.epoch, self.options = site, looks, epoch, options
        self.states = States(site, looks, flagged)
        everything = [*epoch.history, *epoch.judged]
        tallies = self._map(lambda t: self._tally(t, everything), f"levels {epoch.start:%Y-%m}")
        self._level_sums = np.sum(tallies, axis=0)
        judged = [judge_levels(s, options.expect) for s in self._level_sums]
        n = len(epoch.history)
        self.ranks = np.array([[_rank(d) for d in days] for days in judged[:n]], np.float32)
        self.days: list[Days] = judged[n:]
        self.cache = BaselineCache(self.states, epoch.history, self.ranks)

    def _map(self, work: Callable[[Tile], NDArray[np.int64]], what: str) -> list[NDArray[np.int64]]:
        return map_tiles(work, self.site.store.tiles, self.site.workers, self.site.progress, what)

    def view(self, p: Pass, window: Window, base: Baseline) -> View:
        """Give one look over a window."""
        quality = self.looks.quality[p.id]
        res = self.site.store.grid.res_m
        return View(
            window,
            self.states.of(p.id, window),
            self.site.reach(window),
            base,
            quality.residual_m / res,
            res,
        )

    def quarter(self) -> Quarter:
        """Give what this quarter's levels have established."""
        return Quarter(
            f"{self.epoch.start:%Y-%m}",
            self.states,
            self.epoch.history,
            self.epoch.judged,
            self.ranks,
            self.days,
            self.cache,
        )

    def _halo(self, tile: Tile) -> Window:
        window = tile.core.pad(HALO_PX).intersect(self.site.store.grid.window)
        assert window is not None
        return window

    def _tally(self, tile: Tile, passes: Sequence[Pass]) -> NDArray[np.int64]:
        """Levels need the frequency of water only, so the baseline's ranks may still be missing."""
        ids = [p.id for p in self.epoch.history]
        reach = self.site.reach(tile.core)
        blank = np.full((len(ids), self.site.n_reach + 1), np.nan, np.float32)
        base = Baseline.build(self.states.each(ids, tile.core), blank, reach)
        return np.stack(
            [tally_levels(self.view(p, tile.core, base), self.site.n_reach) for p in passes]
        )

    def _shores(self, tile: Tile) -> NDArray[np.int64]:
        window = self._halo(tile)
        base = self.cache.over(window)
        tallies: dict[int, NDArray[np.int64]] = {}
        for i in by_shore(self.days, self.site.reach(window)):
            view = self.view(self.epoch.judged[i], window, base)
            tallies[i] = tally_shore(view, self.days[i], tile.core)
        return np.stack([tallies[i] for i in range(len(self.days))])

    def _pixels(self, tile: Tile, totals: Sequence[Totals]) -> list[Pixels]:
        window = self._halo(tile)
        base = self.cache.over(window)
        found: dict[int, Pixels] = {}
        for i in by_shore(self.days, self.site.reach(window)):
            view = self.view(self.epoch.judged[i], window, base)
            found[i] = candidates(view, tile.core, totals[i], self.options)
        return [found[i] for i in range(len(totals))]

    def judge(self, found: Watched) -> None:
        """Add the quarter's sightings and what was rejected to ``found``."""
        shores = np.sum(self._map(self._shores, "shores"), axis=0)
        n = len(self.epoch.history)
        totals = [
            Totals(self._level_sums[n + i], shores[i], days) for i, days in enumerate(self.days)
        ]
        tiles = map_tiles(
            lambda t: self._pixels(t, totals),
            self.site.store.tiles,
            self.site.workers,
            self.site.progress,
            f"candidates {self.epoch.start:%Y-%m}",
        )
        work = [
            (p, totals[i], piece)
            for i, p in enumerate(self.epoch.judged)
            for piece in split([tile[i] for tile in tiles])
        ]
        results = map_tiles(lambda w: self._examine(*w), work, self.site.workers)
        for (p, _, pixels), result in zip(work, results, strict=True):
            self._record(found, p, pixels, result)

    def _examine(self, p: Pass, totals: Totals, pixels: Pixels) -> Sighting | Rejection:
        if pixels.rows.size < self.options.min_pixels or not pixels.seed.any():
            return Rejection("smaller than the smallest object", False, int(pixels.rows.size))
        box = Window(
            int(pixels.rows.min()),
            int(pixels.rows.max()) + 1,
            int(pixels.cols.min()),
            int(pixels.cols.max()) + 1,
        )
        window = box.pad(WINDOW_MARGIN_PX).intersect(self.site.store.grid.window)
        assert window is not None
        view = self.view(p, window, self.cache.around(window))
        return examine(pixels, view, totals, (p.id, p.acquired), self.options)

    def _record(
        self, found: Watched, p: Pass, pixels: Pixels, result: Sighting | Rejection
    ) -> None:
        if isinstance(result, Sighting):
            found.sightings.append(result)
            found.flagged.setdefault(p.id, []).append((pixels.rows, pixels.cols))
            return
        found.rejected[result.reason] += 1
        if result.unknown:
            found.unknown_px[p.id] = found.unknown_px.get(p.id, 0) + result.pixels


def _rank(day: object) -> float:
    level: Level = day.level  # type: ignore[attr-defined]
    return float("nan") if day.unusable else level.rank  # type: ignore[attr-defined]
