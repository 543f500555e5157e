"""Where water is expected on a date, given the level of the reach.

Two grounds for expecting water, never mixed: *known* (history saw the pixel wet at a lower level)
and *deep* (the pixel lies further inside the water of the next known level than the reach's shore
receded from it). The first can be certain, the second never is.

Order of work for a date: :func:`tally_levels` over tiles, added up → :func:`judge_levels` →
:func:`tally_shore` over tiles, added up → :class:`Totals` → :func:`expect` per tile.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipeline.detect.distances import CLIP_PX
from pipeline.detect.level import (
    Cut,
    LevelOptions,
    fit_cut,
    fit_level,
    leave_out,
    reaches_in,
    tally_level,
)
from pipeline.detect.level_band import Band
from pipeline.detect.look_history import History, fold_history, known_wet
from pipeline.detect.lookbits import packed
from pipeline.detect.recession import RecessionOptions, expected_recession, tally_recession
from pipeline.detect.shore import Shore
from pipeline.detect.shore_area import find_shore
from pipeline.detect.water_frequency import N_BINS, UNSEEN, frequency_bins
from pipeline.model import Ground, Level, Window

_SHORES = 2  # that a baseline holds; take dates in the order of :func:`by_shore`


class ExpectOptions(BaseModel):
    """When water is expected."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: LevelOptions = LevelOptions()
    recession: RecessionOptions = RecessionOptions()
    rank_margin: float = Field(
        default=0.05, ge=0, le=0.3, description="uncertainty of a level rank; one bin is 1/32"
    )
    known_looks: int = Field(
        default=1, ge=1, description="looks at a lower level in which an expected-wet pixel was wet"
    )
    deep_factor: float = Field(
        default=1.5,
        ge=1,
        le=4,
        description="depth over expected recession from which a pixel is deep",
    )
    deep_margin_px: float = Field(
        default=1.5,
        ge=0,
        le=5,
        description="pixels added to that for the mixed pixels of both edges",
    )
    dry_out: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="share of the always-wet area that must still be wet to judge at all",
    )


@dataclass(frozen=True)
class Baseline:
    """What a window normally looks like, over the history of an epoch (arrays (H, W))."""

    bins: NDArray[np.uint8]  # of water frequency
    n_clear: NDArray[np.uint16]
    history: History
    # The window that this is a part of, and which part: its banks are those of the whole.
    _of: tuple[Baseline, tuple[slice, slice]] | None = field(
        default=None, repr=False, compare=False
    )
    _shores: dict[tuple[bytes, int], Shore] = field(default_factory=dict, repr=False, compare=False)
    # The reaches of the window that were asked for last, and which occur in it.
    _here: list[tuple[NDArray[np.uint16], NDArray[np.uint16]]] = field(
        default_factory=list, repr=False, compare=False
    )

    @classmethod
    def build(
        cls,
        states: Iterable[NDArray[np.uint8]],
        ranks: NDArray[np.float32],
        reach: NDArray[np.uint16],
    ) -> Baseline:
        """Fold the history of a window (with its halo).

        Parameters
        ----------
        states : uint8 (H, W) each
            Ground codes, one look at a time; pixels flagged as a sighting set to UNKNOWN.
        ranks : float32 (T, n_reach + 1)
            Level rank of every reach on every date (:func:`judge_levels` of the history's own
            dates); NaN where a date has none.
        reach : uint16 (H, W)
            1-based reach index, 0 outside.
        """
        return cls.fold(packed(states), ranks, reach)

    @classmethod
    def fold(
        cls,
        words: Iterable[NDArray[np.int16]],
        ranks: NDArray[np.float32],
        reach: NDArray[np.uint16],
    ) -> Baseline:
        """Fold as :meth:`build` words of :func:`pipeline.detect.lookbits.packed`, (H, W) each."""
        n_wet, n_clear, history = fold_history(words, ranks.astype(np.float32), reach)
        bins = frequency_bins(n_wet, n_clear)
        return cls(bins, n_clear, history)

    @cached_property
    def band(self) -> Band:
        """Give how gentle its banks are, for those who ask for a shore."""
        return Band(self.bins) if self._of is None else self._of[0].band.part(self._of[1])

    def part(self, where: tuple[slice, slice]) -> Baseline:
        """Give a part of the window."""
        held = (self.bins[where], self.n_clear[where], self.history.part(where))
        return Baseline(*held, (self, where))

    def shore(
        self, partial: NDArray[np.uint8], reach: NDArray[np.uint16], options: RecessionOptions
    ) -> Shore:
        """Give the shore for the partial bins of a date, uint8 (n_reach + 1,); dates share them."""
        held = next((there for asked, there in self._here[-1:] if asked is reach), None)
        if held is None:
            held = reaches_in(reach)
            self._here[:] = [(reach, held)]  # looks at a window share them
        here = (partial[held].tobytes(), options.min_looks)
        found = self._shores.get(here)
        if found is None:
            level = (partial, reach)
            found = find_shore(self.bins, self.n_clear, level, self.band, options.min_looks)
            if len(self._shores) >= _SHORES:
                self._shores.clear()
            self._shores[here] = found
        return found


@dataclass(frozen=True)
class View:
    """One date over one window, halo included (arrays (H, W))."""

    window: Window
    state: NDArray[np.uint8]  # Ground codes
    reach: NDArray[np.uint16]  # 1-based, 0 outside
    base: Baseline
    residual_px: float = 0.3  # registration residual rho, 1 sigma
    res_m: float = 10.0
    silent: NDArray[np.bool_] | None = None  # known to be filled: it tells no level; None: nothing
    apart: NDArray[np.bool_] | None = None  # hangs together with no channel: has no level

    @property
    def radius_px(self) -> int:
        """Shift [px] that a change must survive: two sigma, at least one pixel, at most three."""
        return int(min(3, max(1, np.ceil(2 * self.residual_px))))


@dataclass(frozen=True)
class ReachDay:
    """What one reach did on one date."""

    level: Level
    partial: int  # bin of water frequency in which the water ends
    unusable: str  # reason why this reach is not judged on this date; "" if it is


Days = tuple[ReachDay, ...]
"""One entry per reach, by reach index; entry 0 (outside) is never usable."""


@dataclass(frozen=True)
class Totals:
    """Everything of one date that belongs to the reaches and not to the tile.

    ``level`` int64 (n_reach + 1, N_BINS, 2) and ``recession`` int64 (n_reach + 1, N_WIDTHS,
    CLIP_PX + 1), each added up over tiles; ``days`` are judged from ``level``.
    """

    level: NDArray[np.int64]
    recession: NDArray[np.int64]
    days: Days


@dataclass(frozen=True)
class Expected:
    """Where water is expected (arrays (H, W))."""

    known: NDArray[np.uint16]  # looks at a lower level in which it was wet; 0: no claim
    allowance_px: NDArray[np.float32]  # recession that needs no fill; CLIP_PX: cannot tell
    deep: NDArray[np.bool_]  # surely beyond that recession
    beyond: NDArray[np.bool_]  # beyond the recession itself, without factor and margin
    ordinary: NDArray[np.bool_]  # known often enough
    shore: Shore

    @property
    def wet(self) -> NDArray[np.bool_]:
        """Water is expected, on either ground."""
        return self.ordinary | self.deep


def tally_levels(view: View, n_reach: int, core: Window | None = None) -> NDArray[np.int64]:
    """Count what one tile says of the level of its reaches on one date.

    Parameters
    ----------
    core : Window, optional
        The part this tile owns, in grid indices; all of the view by default.
    """
    owned = np.where(_part(view, core), view.reach, np.uint16(0))
    return tally_level(view.state, view.base.bins, owned, n_reach)


def judge_levels(level: NDArray[np.int64], options: ExpectOptions | None = None) -> Days:
    """Turn the merged counts of :func:`tally_levels` into levels, one per reach."""
    o = options or ExpectOptions()
    days: list[ReachDay] = []
    for index, hist in enumerate(level):
        cut, fitted = fit_cut(hist), fit_level(hist, o.level)
        days.append(ReachDay(fitted, cut.partial, _unusable(index, fitted, cut, o)))
    return tuple(days)


def _unusable(index: int, level: Level, cut: Cut, o: ExpectOptions) -> str:
    if index == 0:
        return "outside all reaches"
    if np.isnan(level.rank):
        return "too few clear pixels to tell the level"
    if cut.spread > o.level.max_spread:
        return "the level may be lower than any that was seen, or far higher"
    if level.misfit > o.level.max_misfit:
        return "the water seen contradicts every level"
    if cut.partial == N_BINS - 1 and cut.share < o.dry_out:
        return "most of the always-wet area is not water"
    return ""


def tally_shore(
    view: View, days: Days, core: Window | None = None, options: ExpectOptions | None = None
) -> NDArray[np.int64]:
    """Count how far the shore of the reaches receded, as one tile sees it (with its halo)."""
    shore = view.base.shore(_partials(days), view.reach, (options or ExpectOptions()).recession)
    return tally_recession(view.state, shore, view.reach, len(days) - 1, _part(view, core))


def _part(view: View, core: Window | None) -> NDArray[np.bool_]:
    part = np.zeros(view.state.shape, bool)
    part[(core or view.window).within(view.window)] = True
    for mute in (view.silent, view.apart):
        if mute is not None:
            part &= ~mute
    return part


def _partials(days: Days) -> NDArray[np.uint8]:
    return np.array([d.partial for d in days], np.uint8)


def by_shore(days: Sequence[Days], reach: NDArray[np.uint16]) -> list[int]:
    """Order dates so that those with one shore in a window follow each other; gives indices."""
    here = reaches_in(reach)
    keys = [_partials(d)[here].tobytes() for d in days]
    return sorted(range(len(days)), key=lambda i: (keys[i], i))


def leave_box_out(totals: Totals, view: View, box: Window, options: ExpectOptions) -> Totals:
    """Totals without what lies in ``box``, so that a fill does not lower its own level.

    A reach that would be left with too few voters keeps them all. The partial bin stays that of the
    whole reach, because the recession was measured from its shore.
    """
    inside = box.intersect(view.window) or view.window
    level = leave_out(totals.level, tally_levels(view, len(totals.days) - 1, inside))
    recession = leave_out(totals.recession, tally_shore(view, totals.days, inside, options))
    poor = level[:, 1:].sum(axis=(1, 2)) < options.level.min_pixels
    level[poor], recession[poor] = totals.level[poor], totals.recession[poor]
    refit = judge_levels(level, options)
    days = tuple(replace(n, partial=d.partial) for n, d in zip(refit, totals.days, strict=True))
    return Totals(level, recession, days)


def expect(
    view: View,
    totals: Totals,
    options: ExpectOptions | None = None,
    part: Window | None = None,
    asked: NDArray[np.bool_] | None = None,
) -> Expected:
    """Map where water is expected in a window on a date, or in a part of it (grid indices).

    ``asked`` bool (h, w) of that part: where ``deep`` and ``beyond`` are wanted. Elsewhere they are
    false, and the allowance is that of what cannot be told.
    """
    o = options or ExpectOptions()
    days = totals.days
    where = (part or view.window).within(view.window)
    shore = view.base.shore(_partials(days), view.reach, o.recession).part(where)
    reach = view.reach[where]
    nan = np.float32(np.nan)
    ranks = np.array([nan if d.unusable else d.level.rank for d in days], np.float32)
    known = known_wet(view.base.history, ranks[reach], o.rank_margin, where=where)
    table = np.stack([expected_recession(r, o.recession) for r in totals.recession])
    table[[bool(d.unusable) for d in days]] = CLIP_PX
    if asked is None:
        allowance, depth = table[reach, shore.width], shore.depth
        can_tell = shore.inside & (allowance < CLIP_PX) & (reach > 0)
        deep = can_tell & (depth > o.deep_factor * allowance + o.deep_margin_px)
        beyond = can_tell & (depth > allowance + 1)
    else:
        at = np.flatnonzero(shore.inside & asked)
        here = reach.ravel()[at]
        recession, depth = table[here, shore.width_at(at)], shore.depth_at(at)
        can_tell = (recession < CLIP_PX) & (here > 0)
        allowance = np.full(reach.shape, CLIP_PX, np.float32)
        allowance.ravel()[at] = recession
        deep, beyond = np.zeros(reach.shape, np.bool_), np.zeros(reach.shape, np.bool_)
        limit = o.deep_factor * recession + o.deep_margin_px
        deep.ravel()[at] = can_tell & (depth > limit)
        beyond.ravel()[at] = can_tell & (depth > recession + 1)
    return Expected(known, allowance, deep, beyond, known >= o.known_looks, shore)


def is_land(state: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Ground that is surely not open water."""
    return (state == Ground.DRY) | (state == Ground.GREEN)


def never_wet(bins: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Ground that history did not see under water."""
    return (bins == 0) | (bins == UNSEEN)
