"""Cases of earlier patrols: kept out of history, and looked at again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from pipeline.grid import reproject
from pipeline.io.burn import burn
from pipeline.model import Case, Seen
from pipeline.passes.change import DETECTOR as GROUND
from pipeline.passes.change import grown
from pipeline.passes.ground import Looks, Site, Sparse


def earlier_cases(corridor_id: str, known: Sequence[Case], start: datetime) -> list[Case]:
    """Give the cases of a corridor that were first seen before ``start``.

    Those that people rejected or permitted too: a decision lapses, and its place would be ordinary
    ground by then, on which nothing is found any more.
    """
    return [
        case
        for case in known
        if case.corridor_id == corridor_id
        and case.merged_into is None
        and case.evidence.first_seen is not None
        and case.evidence.first_seen < start
    ]


def case_pixels(site: Site, case: Case) -> Sparse:
    """Give the grid pixels whose centre lies in imagery's outline of a case, by row then column.

    What a person drew may be of more or other ground than what was ever seen.
    """
    outline = reproject(case.seen_polygon, case.crs, site.store.grid.crs)
    rows, cols = np.nonzero(burn(outline, site.store.grid))
    return rows.astype(np.int32), cols.astype(np.int32)


def known_pixels(
    site: Site, looks: Looks, cases: Sequence[Case], start: datetime
) -> dict[str, list[Sparse]]:
    """Give the pixels of cases for every pass before ``start`` on which they may have stood.

    Without this a fill that an earlier patrol found would become normal ground in the next one.
    Passes that saw clear water at its place are history like any other.
    """
    out: dict[str, list[Sparse]] = {}
    for case in cases:
        first, pixels = case.evidence.first_seen, case_pixels(site, case)
        missed = {look.pass_id for look in case.looks if look.seen is Seen.MISS}
        hit = {look.pass_id for look in case.looks if look.seen is Seen.HIT}
        # On changed ground a look that tells nothing shows what the ground looks like anyway.
        only_hits = case.detector == GROUND
        for p in looks.passes:
            if first is None or not first <= p.acquired < start or p.id in missed:
                continue
            if not only_hits or p.id in hit:
                out.setdefault(p.id, []).append(grown(*pixels) if only_hits else pixels)
    return out
