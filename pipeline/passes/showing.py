"""Evidence of cases from the corridor store: no scene is opened, and no network is needed."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from pipeline.evidence.choose import Clear, choose_after, choose_before
from pipeline.evidence.document import CASE
from pipeline.evidence.options import EvidenceOptions
from pipeline.evidence.pack import pack
from pipeline.evidence.types import Missing, Picture, Subject, Views
from pipeline.evidence.words import credit_of
from pipeline.grid import reproject
from pipeline.io.atomic import disk_full_named
from pipeline.io.blocks import DamagedBlockError
from pipeline.io.burn import burn
from pipeline.io.failpoints import failpoint
from pipeline.io.shelf import is_whole, keep
from pipeline.io.store import CorridorStore
from pipeline.io.tasks import Progress, map_tiles
from pipeline.model import Case, Grid, Pass, Window
from pipeline.passes.ground import Looks
from pipeline.passes.showing_kept import from_shelf
from pipeline.prepare.sky import is_clear

log = logging.getLogger("siluan")

_BANDS = ("red", "green", "blue", "nir", "swir16", "swir22")
_MOST_PX = 640  # side of a picture: of finer imagery less ground is shown
_AROUND = 1.7  # times the case's own extent


@dataclass(frozen=True)
class Shown:
    """What a run knows of one corridor's imagery."""

    store: CorridorStore
    looks: Looks
    gsd_m: Mapping[str, float]  # by sensor [m]


Source = Callable[[Case], Views]
"""Gives what can be drawn of a case."""


@dataclass(frozen=True)
class Desk:
    """Where evidence is kept, and how it is drawn."""

    shelf: Path  # folders LANGUAGE/CASE_ID/REVISION
    options: EvidenceOptions
    zone: ZoneInfo
    threads: int = 1
    progress: Progress | None = None

    def folder(self, case: Case) -> Path:
        """Give where the evidence of a revision is kept."""
        return self.shelf / self.options.language / case.case_id / str(case.revision)


@dataclass(frozen=True)
class Drawn:
    """The evidence of a run's cases."""

    kept: Mapping[str, Path] = field(default_factory=dict[str, Path])  # by case id, on the shelf
    # By case id: files of those of which nothing can be drawn; another run may draw them.
    plain: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict[str, Mapping[str, bytes]])
    made: int = 0  # how many were drawn now


def draw_cases(
    cases: Sequence[Case],
    properties: Callable[[Case], Mapping[str, Any]],
    source: Source,
    desk: Desk,
) -> Drawn:
    """Draw the evidence of every case whose revision has none yet.

    Raises
    ------
    DiskFullError
        What was drawn stays for the next run.
    """
    todo = [c for c in cases if not _is_kept(desk.folder(c), properties(c))]
    work = partial(_draw, properties, source, desk)
    results = map_tiles(work, todo, desk.threads, desk.progress, "evidence")
    plain = {c.case_id: files for c, files in zip(todo, results, strict=True) if files is not None}
    kept = {c.case_id: desk.folder(c) for c in cases if c.case_id not in plain}
    made = len(todo) - len(plain)
    if todo:
        log.info("evidence: %d drawn, %d without pictures", made, len(plain))
    return Drawn(kept, plain, made)


_NAMES = ("run_id", "status", "kind", "area_m2", "last_seen")  # what tells two revisions apart


def _is_kept(folder: Path, properties: Mapping[str, Any]) -> bool:
    """Tell whether a folder of the shelf is whole, and of this very revision.

    A ledger that was restored from a backup counts revisions anew.
    """
    if not is_whole(folder):
        return False
    kept = json.loads((folder / CASE).read_bytes())["case"]
    return all(kept.get(n) == properties.get(n) for n in _NAMES)


def _draw(
    properties: Callable[[Case], Mapping[str, Any]], source: Source, desk: Desk, case: Case
) -> Mapping[str, bytes] | None:
    """Draw one case onto the shelf; give its files instead where there is no picture in them."""
    views = source(case)
    if case.of_drone and views.before is None and views.after is None:
        # People moved it on: the flights' own pictures still show it.
        views = from_shelf(desk.folder(case), case) or views
    pictures = [p for p in (views.before, views.after) if p is not None]
    credit = credit_of([p.sensor for p in pictures], [p.on.year for p in pictures])
    said = Subject(properties(case), case.looks, desk.zone, desk.options.language, credit)
    files = pack(said, views)
    if not pictures:
        return files
    keep(desk.folder(case), files)
    with disk_full_named(desk.folder(case)):
        failpoint("evidence.drawn")
    return None


def from_store(shown: Mapping[str, Shown], options: EvidenceOptions, case: Case) -> Views:
    """Give both pictures of a case from the corridor's store, and why one is missing.

    A damaged block is dropped, so that the next run makes it again and draws the case.
    """
    if case.of_drone or case.of_pictures:
        return nothing(case, "of_drone" if case.of_drone else "of_pictures")
    own = shown.get(case.corridor_id)
    if own is None or not own.looks.passes:
        return nothing(case, "not_here")
    try:
        return _from_store(own, options, case)
    except DamagedBlockError as error:
        if error.path is None:
            raise
        log.warning("%s: no pictures this time: %s", case.case_id, error)
        own.store.forget(error.path)
        return nothing(case, "damaged")


def _from_store(own: Shown, options: EvidenceOptions, case: Case) -> Views:
    outline = reproject(case.polygon, case.crs, own.store.grid.crs)
    window, whole = ground_of(outline, own.store.grid, options)
    spot = _Spot(own, outline, window)
    if not spot.stored.any():
        return nothing(case, "outside")
    passes, enough = own.looks.passes, options.clear_share
    after = choose_after(case, passes, spot.how_clear, enough)
    before = choose_before(case, passes, spot.how_clear, enough, after)
    missing = [Missing(c) for c, p in (("no_before", before), ("no_after", after)) if p is None]
    ranks = {k.pass_id: k.level_rank for k in case.looks}
    return Views(
        own.store.grid.sub(window),
        outline,
        spot.picture(before, ranks) if before else None,
        spot.picture(after, ranks) if after else None,
        tuple(missing),
        whole=whole,
    )


def nothing(case: Case, why: str) -> Views:
    """Give views without any picture."""
    grid = Grid(case.crs, Affine.identity(), (0, 0))
    return Views(grid, case.polygon, None, None, (Missing(why),))


def ground_of(outline: BaseGeometry, grid: Grid, options: EvidenceOptions) -> tuple[Window, bool]:
    """Choose the square of ground that is shown, in pixels of ``grid``; and if the case fits."""
    left, bottom, right, top = outline.bounds
    extent = max(right - left, top - bottom)
    least, most = options.least_side_m, min(options.most_side_m, _MOST_PX * grid.res_m)
    side = min(max(extent * _AROUND, least), most)
    whole = extent <= side
    x, y = (left + right) / 2, (bottom + top) / 2
    if not whole:
        middle = outline.representative_point()
        x, y = middle.x, middle.y
    half = max(4, math.ceil(side / grid.res_m / 2))
    inverse: Any = ~grid.transform
    col, row = inverse * (x, y)
    row0, col0 = round(row) - half, round(col) - half
    return Window(row0, row0 + 2 * half, col0, col0 + 2 * half), whole


class _Spot:
    """The ground around one case, look by look."""

    def __init__(self, shown: Shown, outline: BaseGeometry, window: Window) -> None:
        self._shown, self._window = shown, window
        self._reader = shown.looks.reader(shown.store)
        grid = shown.store.grid.sub(window)
        self.stored = burn(shown.store.stored, grid)
        self._own = burn(outline, grid) & self.stored

    def _clear(self, p: Pass) -> NDArray[np.bool_]:
        return is_clear(self._reader.mask(p.id, self._window)) & self.stored

    def how_clear(self, p: Pass) -> Clear:
        """Measure how much of the case, and of the ground around, a look can see."""
        clear = self._clear(p)
        own = clear[self._own].mean() if self._own.any() else clear[self.stored].mean()
        return Clear(float(own), float(clear[self.stored].mean()))

    def picture(self, p: Pass, ranks: Mapping[str, float | None]) -> Picture:
        """Read a look."""
        held: Sequence[str] = self._shown.store.note(p.id)["bands"]
        known = [b for b in _BANDS if b in held] or [b for b in held if b != "scl"][:1]
        bands = {b: self._reader.band(p.id, b, self._window) for b in known}
        return Picture(
            pass_id=p.id,
            on=p.acquired,
            sensor=p.sensor,
            bands=bands,
            clear=self._clear(p),
            gsd_m=self._shown.gsd_m.get(p.sensor, self._shown.store.grid.res_m),
            level_rank=ranks.get(p.id),
        )
