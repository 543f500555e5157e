"""All looks against the history of any quarter: what tracks and known cases are looked at with."""

from __future__ import annotations

from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from pipeline.adjudicate.tracks import Track
from pipeline.detect.expect import Totals
from pipeline.detect.zhan_options import ZhanOptions
from pipeline.model import Grid
from pipeline.passes.bench import Bench, least_of
from pipeline.passes.book import Book
from pipeline.passes.change import box_of
from pipeline.passes.ground import Looks, Site
from pipeline.passes.levels import Levels
from pipeline.passes.past import Past
from pipeline.passes.quarter import ranks_of
from pipeline.passes.watch import Epoch, Watched


class Benches:
    """Levels of all dates, history and patrol, against the history of one quarter."""

    def __init__(self, site: Site, looks: Looks, watched: Watched, zhan: ZhanOptions) -> None:
        self._site, self._looks, self._zhan = site, looks, zhan
        self._epochs = watched.epochs
        self._normals = watched.normals
        self._against = watched.against
        self._totals: dict[datetime, tuple[Totals, ...]] = {}
        # Benches are made before the tracks are spread over threads.
        for epoch, _ in self._epochs:
            self._totals[epoch.start] = self._measure(epoch)

    def ground(self, when: datetime) -> Bench:
        """Give the normal ground of the quarter in which a track began, with all levels."""
        epoch, _, totals = self.of(when)
        ranks = [ranks_of(total.days) for total in totals]
        least = [least_of(total.days) for total in totals]
        return Bench(self._looks, self._normals[epoch.start], ranks, least)

    def of(self, when: datetime) -> tuple[Epoch, NDArray[np.float32], tuple[Totals, ...]]:
        """Give the quarter in which a track began, its ranks, and all dates against it."""
        epoch, ranks = next(e for e in reversed(self._epochs) if e[0].start <= when)
        return epoch, ranks, self._totals[epoch.start]

    def book(self, epoch: Epoch) -> Book:
        """Give what is kept of looks against the history of a quarter."""
        return self._against[epoch.start].book

    @property
    def grid(self) -> Grid:
        """Grid of the corridor."""
        return self._site.store.grid

    def levels(self, epoch: Epoch) -> Levels:
        """Give what looks are held against in a quarter."""
        return self._against[epoch.start]

    def past(self, epoch: Epoch) -> Past:
        """Give the packed history of a quarter."""
        return self.levels(epoch).past

    def history(self, when: datetime) -> Past:
        """Give the packed history of the quarter in which a track began."""
        return self.past(self.of(when)[0])

    def high_water(self, site: Site, track: Track) -> float:
        """Give the level rank from which the water is high where a track began; inf: never."""
        share = self._zhan.high_water
        box = box_of((track.rows, track.cols))
        reach = site.reach(box)[track.rows - box.row0, track.cols - box.col0]
        index = int(np.bincount(reach).argmax())
        own = self.of(track.first_on)[1][:, index]
        own = own[np.isfinite(own)]
        return float(np.quantile(own, 1 - share)) if share > 0 and own.size else float("inf")

    def _measure(self, epoch: Epoch) -> tuple[Totals, ...]:
        passes, levels = self._looks.passes, self._against[epoch.start]
        sums, days = levels.levels(passes, "levels")
        shores = levels.shores(passes, days, levels.past.baseline)
        return tuple(Totals(*each) for each in zip(sums, shores, days, strict=True))
