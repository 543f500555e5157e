"""Reaches that nobody could look at, and for how long."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pipeline.config import Workflow
from pipeline.errors import ConfigurationError
from pipeline.grid import reproject
from pipeline.io.corridors import reaches_of, utm_crs
from pipeline.io.observed import read_looks
from pipeline.model import DRONE, Corridor, NotObserved, Pass
from pipeline.passes.ground import Site
from pipeline.passes.reduce import Reduced


def never_seen(workflow: Workflow, corridor: Corridor) -> list[NotObserved]:
    """Give a corridor without any readable scene as unobserved over the whole period."""
    start, end = workflow.period.span
    polygon = corridor.polygon_wgs84
    return [NotObserved(corridor.id, corridor.id, polygon, None, (end.date() - start.date()).days)]


def unseen_of_failed(workflow: Workflow, corridor: Corridor, until: datetime) -> list[NotObserved]:
    """Give the reaches of a corridor that failed, by what is noted of earlier looks.

    A pass counts that a run has noted, and none that only this one would have judged. ``until`` is
    the newest pass of the period. Where nothing is noted, nothing was seen.
    """
    options, start, newest = workflow.options.report, workflow.period.span[0], until.date()
    try:
        known = read_looks(workflow.state, corridor)
    except ConfigurationError:
        known = None  # what cannot be read is told by who needs it
    looks = known.looks if known is not None else {}
    # As in every patrol a flight is no look of it.
    clear = [x for i, x in looks.items() if not i.startswith(f"{DRONE}_")]
    clear = [x for x in clear if start.date() <= x.on <= newest]
    crs = utm_crs(corridor.polygon_wgs84)
    out: list[NotObserved] = []
    for reach in reaches_of(corridor, crs):
        last = max((x.on for x in clear if reach.id in x.clear), default=None)
        days = (newest - (last or start.date())).days
        if last is None or days >= options.unseen_days:
            polygon = reproject(reach.polygon, crs, "EPSG:4326")
            out.append(NotObserved(corridor.id, reach.id, polygon, last, days))
    return out


def newest_clear(workflow: Workflow, reduced: Reduced) -> str | None:
    """Give when (UTC, ISO) any reach of a corridor was last seen clearly; None: never."""
    least = workflow.options.report.clear_share
    clear = [p.acquired for p in reduced.passes if _seen(reduced, p.id, least)]
    return f"{max(clear):%Y-%m-%dT%H:%M:%SZ}" if clear else None


def _seen(reduced: Reduced, pass_id: str, least: float) -> bool:
    shares = reduced.reach_clear.get(pass_id)
    return shares is not None and any(float(s) >= least for s in shares)


def unseen(
    workflow: Workflow, site: Site, passes: Sequence[Pass], reduced: Reduced
) -> list[NotObserved]:
    """Give reaches without a clear look for too long, up to the newest pass of the period."""
    options = workflow.options.report
    newest = max(p.acquired for p in passes)
    used = {p.id: p for p in reduced.passes}
    out: list[NotObserved] = []
    for reach in site.reaches:
        clear: list[datetime] = [
            used[i].acquired
            for i, shares in reduced.reach_clear.items()
            if i in used and shares[reach.index] >= options.clear_share
        ]
        last = max(clear, default=None)
        since = last if last is not None else workflow.period.span[0]
        days = (newest.date() - since.date()).days
        if last is None or days >= options.unseen_days:
            polygon = reproject(reach.polygon, site.store.grid.crs, "EPSG:4326")
            on = last.date() if last else None
            out.append(NotObserved(site.corridor.id, reach.id, polygon, on, days))
    return out
