"""Sweep 3: judge every look of the patrol against the history before its quarter.

Quarters are taken in order, because pixel-looks flagged in one stay out of the history of the next.
Within a quarter: levels of all dates (tiles added up), recession of the patrol's dates (added up),
candidate pixels (joined over tiles), objects examined in their own window.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from pipeline.config import EpochOptions, GroundOptions
from pipeline.detect.expect import Days, Totals, by_shore
from pipeline.detect.objects import Pixels, Rejection, split
from pipeline.detect.zhan import HALO_PX, WINDOW_MARGIN_PX, candidates, examine, may_be_object
from pipeline.detect.zhan_options import ZhanOptions
from pipeline.io.tasks import map_tiles
from pipeline.model import Level, Pass, Sighting, Tile, Window
from pipeline.passes.baselines import BaselineCache
from pipeline.passes.book import Book, Found, by_place, found_by_look
from pipeline.passes.change import ChangeSweep
from pipeline.passes.ground import Looks, Site, Sparse, States
from pipeline.passes.layers import keep_together, trim_results
from pipeline.passes.levels import Levels
from pipeline.passes.past import Past
from pipeline.passes.quarter import Normals, Quarter
from pipeline.passes.rules import note_judged
from pipeline.passes.silent import Silent, joined


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
    levels: dict[str, Days] = field(default_factory=dict[str, Days])
    unjudged: dict[str, str] = field(default_factory=dict[str, str])
    rejected: Counter[str] = field(default_factory=Counter[str])
    unknown_px: dict[str, int] = field(default_factory=dict[str, int])
    epochs: list[tuple[Epoch, NDArray[np.float32]]] = field(
        default_factory=list[tuple[Epoch, NDArray[np.float32]]]
    )
    flagged: dict[str, list[Sparse]] = field(default_factory=dict[str, list[Sparse]])
    # Of these the pixels of sightings and of known cases.
    sighted: dict[str, list[Sparse]] = field(default_factory=dict[str, list[Sparse]])
    normals: dict[datetime, Normals] = field(default_factory=dict[datetime, Normals])
    # Of each quarter's history, by its start: what every look is held against.
    against: dict[datetime, Levels] = field(default_factory=dict[datetime, Levels])
    # What of each look is known to be filled, and has no say in its level.
    silent: Silent = field(default_factory=lambda: Silent(0))


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
    filled: Sequence[Sparse] = (),
) -> Watched:
    """Find all sightings from ``patrol_start`` on.

    ``known`` are pixel-looks of cases found before the patrol, by pass: they are no history.
    ``filled`` are those of them that are proved to be fills: they tell no level of the patrol.
    """
    found = Watched(silent=_silent(patrol_start, options, filled))
    _begin(found, known or {})
    for epoch in epochs_of(looks.passes, patrol_start, options.epoch):
        if len(epoch.history) < options.epoch.min_history:
            for p in epoch.judged:
                found.unjudged[p.id] = (
                    f"{len(epoch.history)} looks in the {options.epoch.history_years:g} years "
                    f"before its quarter, and {options.epoch.min_history} are needed"
                )
            continue
        sweep = _EpochSweep(site, looks, epoch, options, found)
        found.epochs.append((epoch, sweep.ranks))
        found.against[epoch.start] = sweep.levels
        sweep.judge(found)
        # What was proved to be filled meanwhile has changed some of them.
        for p, days in zip(epoch.judged, sweep.days, strict=True):
            found.levels[p.id] = days
        ground = ChangeSweep(sweep.quarter(), options.ground)
        found.normals[epoch.start] = ground.normals
        for p, made in zip(epoch.judged, ground.found(), strict=True):
            record(found, p, made)
        sweep.cache.clear()  # the normals are kept, and the windows of the tiles are not
    note_judged(site.store.root, options.zhan, options.ground, options.epoch)
    found.sightings.sort(key=lambda s: (s.on, s.pass_id, int(s.rows[0]), int(s.cols[0])))
    return found


def watch_first(
    site: Site,
    looks: Looks,
    patrol_start: datetime,
    options: WatchOptions,
    known: Mapping[str, Sequence[Sparse]],
    filled: Sequence[Sparse] = (),
) -> Watched:
    """Make ready the first quarter that a patrol could judge, and search nothing in it.

    Known cases are looked at against this quarter; see :func:`pipeline.passes.follow.relook`.
    """
    found = Watched(silent=_silent(patrol_start, options, filled))
    _begin(found, known)
    every = epochs_of(looks.passes, patrol_start, options.epoch)
    epoch = next((e for e in every if len(e.history) >= options.epoch.min_history), None)
    if epoch is None:
        return found
    sweep = _EpochSweep(site, looks, epoch, options, found)
    found.epochs.append((epoch, sweep.ranks))
    found.against[epoch.start] = sweep.levels
    found.normals[epoch.start] = ChangeSweep(sweep.quarter(), options.ground).normals
    return found


def keep_histories(site: Site, step: str, watched: Watched) -> None:
    """Keep what a step made of its quarters' histories, and drop what no recent run had.

    What is dropped is made again when it is asked for.
    """
    normals = [n.folder.split("/")[1] for n in watched.normals.values()]
    pasts = [levels.past.key for levels in watched.against.values()]
    if normals:
        keep_together(site, step, {"normal": normals, "past": pasts}, runs=2)
    trim_results(site)


def record(found: Watched, p: Pass, of: Found) -> None:
    """Add what was found on a look; its pixels are no history of later quarters."""
    found.sightings.extend(of.sightings)
    if of.flagged:
        found.flagged.setdefault(p.id, []).extend(of.flagged)
    if of.sighted:
        found.sighted.setdefault(p.id, []).extend(of.sighted)
    for reason, unknown, objects, pixels in of.rejected:
        found.rejected[reason] += objects
        if unknown:
            found.unknown_px[p.id] = found.unknown_px.get(p.id, 0) + pixels


def _silent(start: datetime, options: WatchOptions, filled: Sequence[Sparse]) -> Silent:
    return Silent(options.zhan.expect.level.silent_looks, joined(filled), start)


def _begin(found: Watched, known: Mapping[str, Sequence[Sparse]]) -> None:
    """Begin with what was found before the patrol."""
    for held in (found.flagged, found.sighted):
        held.update({k: list(v) for k, v in known.items()})


class _EpochSweep:
    """The sweeps over tiles of one quarter."""

    def __init__(
        self,
        site: Site,
        looks: Looks,
        epoch: Epoch,
        options: WatchOptions,
        found: Watched,
    ) -> None:
        self.site, self.epoch, self.options = site, epoch, options.zhan
        self.states = States(site, looks, found.flagged, found.sighted)
        past = Past.of(self.states, epoch.history)
        rules = [options.zhan.model_dump(), options.ground.model_dump()]
        self.levels = Levels(past, Book.of(past, rules, found.silent), options.zhan.expect)
        everything = [*epoch.history, *epoch.judged]
        sums, judged = self.levels.levels(everything, self._what)
        n = len(epoch.history)
        self.ranks = np.array([[_rank(d) for d in days] for days in judged[:n]], np.float32)
        self._level_sums, self.days = sums[n:], judged[n:]
        self.cache = BaselineCache(self.levels.past, self.ranks)

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
            self.levels.book,
        )

    @property
    def _what(self) -> str:
        return f"levels {self.epoch.start:%Y-%m}"

    def judge(self, found: Watched) -> None:
        """Add the quarter's sightings and what was rejected to ``found``.

        What looks show to be filled has no say in the levels of those after them, which are judged
        again where that is new; nothing is after the last one.
        """
        book, judged = self.levels.book, self.epoch.judged
        held: dict[str, Found] = {}
        keys = [book.key(p) for p in judged]
        while True:
            self._judge(keys, held)
            for p, key in zip(judged, keys, strict=True):
                found.silent.tell(p, held[key].sightings)
            before, keys = keys, [book.key(p) for p in judged]
            if keys == before:
                break
            self._level_sums, self.days = self.levels.levels(judged, self._what)
        for p, key in zip(judged, keys, strict=True):
            record(found, p, held[key])

    def _judge(self, keys: Sequence[str], held: dict[str, Found]) -> None:
        """Fill in what is found of the quarter's looks: what is kept, and the rest is searched."""
        book = self.levels.book
        missing: list[int] = []
        for i, key in enumerate(keys):
            kept = held.get(key) or book.found("zhan", key)
            if kept is None:
                missing.append(i)
            else:
                held[key] = kept
        for i, made in zip(missing, self._search(missing), strict=True):
            held[keys[i]] = made
            book.keep_found("zhan", keys[i], made)

    def _search(self, new: Sequence[int]) -> list[Found]:
        """Search some of the quarter's looks, by their places."""
        if not new:
            return []
        site, passes = self.site, [self.epoch.judged[i] for i in new]
        days = [self.days[i] for i in new]
        shores = self.levels.shores(passes, days, self.cache.over)
        totals = [Totals(self._level_sums[i], shores[k], days[k]) for k, i in enumerate(new)]

        def pixels(tile: Tile) -> list[Pixels]:
            window = tile.core.pad(HALO_PX).intersect(site.store.grid.window)
            assert window is not None
            base, reach = self.cache.over(window), site.reach(window)
            out: dict[int, Pixels] = {}
            for k in by_shore(days, reach):
                view = self.levels.view(passes[k], window, base, reach)
                out[k] = candidates(view, tile.core, totals[k], self.options)
            return [out[k] for k in range(len(totals))]

        what = f"candidates {self.epoch.start:%Y-%m}"
        tiles = map_tiles(pixels, site.parts, site.workers, site.progress, what)
        work = [(k, piece) for k in range(len(new)) for piece in split([tile[k] for tile in tiles])]
        results = by_place(work, lambda w: self._examine(passes[w[0]], totals[w[0]], w[1]), site)
        return found_by_look(len(new), work, results, lambda p: (p.rows, p.cols))

    def _examine(self, p: Pass, totals: Totals, pixels: Pixels) -> Sighting | Rejection:
        if not may_be_object(pixels, self.options):
            return Rejection("smaller than the smallest object", False, int(pixels.rows.size))
        box = Window(
            int(pixels.rows.min()),
            int(pixels.rows.max()) + 1,
            int(pixels.cols.min()),
            int(pixels.cols.max()) + 1,
        )
        window = box.pad(WINDOW_MARGIN_PX).intersect(self.site.store.grid.window)
        assert window is not None
        view = self.levels.view(p, window, self.cache.around(window))
        stamp = (p.id, p.acquired)
        return examine(
            pixels, view, totals, stamp, self.options, lambda: self.states.features(p.id, window)
        )


def _rank(day: object) -> float:
    level: Level = day.level  # type: ignore[attr-defined]
    return float("nan") if day.unusable else level.rank  # type: ignore[attr-defined]
