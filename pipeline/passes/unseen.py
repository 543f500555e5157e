"""Reaches that nobody could look at, and for how long."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pipeline.config import Workflow
from pipeline.grid import reproject
from pipeline.model import Corridor, NotObserved, Pass
from pipeline.passes.ground import Site
from pipeline.passes.reduce import Reduced


def never_seen(workflow: Workflow, corridor: Corridor) -> list[NotObserved]:
    """Give a corridor without any readable scene as unobserved over the whole period."""
    start, end = workflow.period.span
    polygon = corridor.polygon_wgs84
    return [NotObserved(corridor.id, corridor.id, polygon, None, (end.date() - start.date()).days)]


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
