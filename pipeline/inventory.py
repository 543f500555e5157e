"""``siluan inventory``: list what stands in a corridor already, once, for triage (存量).

It never touches the ledger: stock is no case, and a new case never comes from it. A second time the
same objects keep their ids.
"""

from __future__ import annotations

import json
import logging
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.adjudicate.areas import AreaIndex
from pipeline.adjudicate.attribute import Attributor
from pipeline.config import Workflow, choose_corridors, load_workflow
from pipeline.errors import ConfigurationError, ExitCode
from pipeline.io.atomic import write_bytes
from pipeline.io.layers import areas_of, load_layers
from pipeline.io.progress import reporter
from pipeline.io.stages import load_stages
from pipeline.ledger import open_ledger
from pipeline.model import Corridor, Status
from pipeline.passes.mending import mended
from pipeline.passes.old_stores import note_use
from pipeline.passes.search import search
from pipeline.passes.site import open_site, why_unopened
from pipeline.passes.stock import Stocked, take_stock
from pipeline.publish.geojson import feature_collection, to_bytes
from pipeline.publish.stock import keep_ids, stock_feature
from pipeline.running.console import log_lines, make_writable

log = logging.getLogger("siluan")

FILE = "stock.geojson"


@dataclass(frozen=True)
class StockRequest:
    """What the command asked for."""

    workflow: Path
    corridors: tuple[str, ...] = ()
    out: Path | None = None


def list_stock(request: StockRequest) -> ExitCode:
    """List what stands in the workflow's corridors; give the exit code.

    Raises
    ------
    SiluanError
        Nothing was started, or the list could not be finished; an earlier one is kept.
    """
    workflow = load_workflow(request.workflow)
    corridors = choose_corridors(workflow, request.corridors)
    where = request.out.resolve() if request.out else workflow.out / "inventory"
    layers = load_layers(workflow.layers)
    with ExitStack() as stack:
        stack.enter_context(log_lines())
        progress = stack.enter_context(reporter())
        for folder in (workflow.state, where):
            make_writable(folder)
        ledger = stack.enter_context(open_ledger(workflow.ledger_place))
        # Under the lock: a search writes catalogues and makes products ready.
        searched = search(workflow, corridors, stack, None, progress)
        known = ledger.cases(corridors={c.id for c in corridors})
        cases = [c for c in known if c.merged_into is None and c.produced]
        cases = [c for c in cases if c.status not in (Status.REJECTED, Status.PERMITTED)]
        old = _read(where / FILE)
        names = {c.id for c in corridors}
        features = [f for f in old if f["properties"]["corridor_id"] not in names]
        stocked: list[Stocked] = []
        attribute = Attributor(
            {c.id: c for c in corridors},
            AreaIndex(areas_of(layers), load_stages(workflow.layers).readings),
            workflow.options.adjudicate.place,
        )
        for corridor in corridors:
            passes = searched.passes[corridor.id]
            before = [f for f in old if f["properties"]["corridor_id"] == corridor.id]
            site = open_site(workflow, corridor, passes, progress) if passes else None
            if site is None:
                aside, unreachable = why_unopened(passes)
                stocked.append(Stocked(set_aside=aside, unreachable=unreachable))
                features += _kept(corridor, before)
                continue
            note_use(site.store.root, workflow)
            found = mended(site, partial(take_stock, workflow, site, passes, cases))
            stocked.append(found)
            if before and (found.unreachable or not found.looks):
                features += _kept(corridor, before)
                continue
            features += _features(corridor, found, attribute, before, workflow)
            count = len(found.objects)
            print(f"{corridor.id}: {count} objects stand there, by {found.looks} looks")
        write_bytes(where / FILE, to_bytes(feature_collection(features)))
    print(f"存量 stock: {len(features)} objects for triage in {where / FILE}")
    return _close(stocked, searched.unreachable)


def _kept(corridor: Corridor, before: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Keep the list of a corridor that could not be read: it, and its ids, are made only once."""
    if before:
        print(f"{corridor.id}: not everything could be read, its list of before stays")
    return before


def _features(
    corridor: Corridor,
    found: Stocked,
    attribute: Attributor,
    before: list[dict[str, Any]],
    workflow: Workflow,
) -> list[dict[str, Any]]:
    day = workflow.period.end
    features = [
        stock_feature(
            (corridor.id, one.polygon, one.crs),
            one.scores,
            one.measures,
            attribute(corridor.id, one.polygon, one.crs, day),
            corridor.name_zh,
        )
        for one in found.objects
    ]
    keep_ids(features, before)
    return features


def _read(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    try:
        return list(json.loads(path.read_text(encoding="utf-8"))["features"])
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"{path} is not an inventory that this command wrote ({type(error).__name__})",
            "Move it away and run again; its objects then get new ids",
        ) from error


def _close(stocked: list[Stocked], unreachable: tuple[str, ...]) -> ExitCode:
    silent = sorted({*unreachable, *(u for s in stocked for u in s.unreachable)})
    aside = sorted({a for s in stocked for a in s.set_aside if a.remedy})
    for a in aside:
        log.warning("set aside %s: %s. %s.", a.what, a.reason, a.remedy)
    for what in silent:
        log.error("not reached: %s. Run again later.", what)
    if silent:
        return ExitCode.UNREACHABLE
    return ExitCode.SET_ASIDE if aside else ExitCode.DONE
