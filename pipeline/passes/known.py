"""Cases of earlier patrols: kept out of history, and looked at again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from shapely.geometry.base import BaseGeometry

from pipeline.grid import reproject
from pipeline.io.burn import burnt_pixels
from pipeline.model import Case, Seen
from pipeline.passes.change import DETECTOR as GROUND
from pipeline.passes.change import grown
from pipeline.passes.ground import Looks, Site, Sparse


def earlier_cases(corridor_id: str, known: Sequence[Case], start: datetime) -> list[Case]:
    """Give the cases of a corridor that were first seen before ``start``, and not by this patrol.

    What a patrol from ``start`` on opened itself is no history to it, however early its first look:
    it was found against a history that held it, and a rerun must say the same.

    Those that people rejected or permitted too: a decision lapses, and its place would be ordinary
    ground by then, on which nothing is found any more.
    """
    return [
        case
        for case in known
        if case.corridor_id == corridor_id
        and case.merged_into is None
        and case.as_found(start).outline is not None
    ]


def case_pixels(site: Site, case: Case) -> Sparse:
    """Give the grid pixels whose centre lies in imagery's outline of a case, by row then column.

    What a person drew may be of more or other ground than what was ever seen.
    """
    return _pixels(site, case.seen_polygon, case.crs)


def _pixels(site: Site, outline: BaseGeometry, crs: str) -> Sparse:
    return burnt_pixels(reproject(outline, crs, site.store.grid.crs), site.store.grid)


def known_pixels(
    site: Site, looks: Looks, cases: Sequence[Case], start: datetime
) -> dict[str, list[Sparse]]:
    """Give the pixels of cases for every pass before ``start`` on which they may have stood.

    Of each case as this patrol first found it (:class:`pipeline.model.Inherited`).
    Without this a fill that an earlier patrol found would become normal ground in the next one.
    Passes that saw clear water at its place are history like any other.
    """
    out: dict[str, list[Sparse]] = {}
    for case in cases:
        first, found = case.evidence.first_seen, case.as_found(start)
        assert found.outline is not None  # or it is none of the earlier cases
        pixels = _pixels(site, found.outline, found.crs)
        missed = {look.pass_id for look in case.looks if look.seen is Seen.MISS}
        hit = {look.pass_id for look in case.looks if look.seen is Seen.HIT}
        # On changed ground a look that tells nothing shows what the ground looks like anyway.
        only_hits = found.detector == GROUND
        for p in looks.passes:
            if first is None or not first <= p.acquired < start or p.id in missed:
                continue
            if not only_hits or p.id in hit:
                out.setdefault(p.id, []).append(grown(*pixels) if only_hits else pixels)
    return out
