"""Cases of earlier patrols: kept out of history, and looked at again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from shapely.geometry.base import BaseGeometry

from pipeline.grid import reproject
from pipeline.io.burn import burnt_pixels
from pipeline.model import Case, Kind, Seen
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
        and case.as_found(start).pieces
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
    for piece in (p for case in cases for p in case.as_found(start).pieces):
        pixels = _pixels(site, piece.outline, piece.crs)
        # On changed ground a look that tells nothing shows what the ground looks like anyway.
        only_hits = piece.detector == GROUND
        flagged = grown(*pixels) if only_hits and pixels[0].size else pixels
        for p in looks.passes:
            stood = piece.first_seen <= p.acquired < start and p.id not in piece.missed
            if stood and (not only_hits or p.id in piece.shown):
                out.setdefault(p.id, []).append(flagged)
    return out


def proved_fills(site: Site, cases: Sequence[Case], start: datetime, least: int) -> list[Sparse]:
    """Give the pixels of the fills that ``least`` certain looks before ``start`` (UTC) proved.

    They tell no level any more (:mod:`pipeline.passes.silent`). Of each case the pieces in the
    water, as this patrol first found them, and by the looks that it found: what scenes that came
    late added since says nothing here. What the newest of these looks missed was dug away again.
    """
    out: list[Sparse] = []
    for case in cases:
        looks = {k.pass_id: k for k in case.looks if k.on < start and not k.of_drone}
        for piece in case.as_found(start).pieces:
            if piece.detector.split("/")[0] != Kind.ZHAN.value:
                continue
            shown = [looks[i] for i in piece.shown if i in looks]
            gone = [looks[i].on for i in piece.missed if i in looks]
            certain = [k for k in shown if k.seen is Seen.HIT and k.certain]
            if not least or len(certain) < least:
                continue
            if max(gone, default=shown[0].on) <= max(k.on for k in shown):
                out.append(_pixels(site, piece.outline, piece.crs))
    return out
