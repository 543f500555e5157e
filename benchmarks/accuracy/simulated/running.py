"""Run a seed through ``siluan run`` and keep what its ledger holds, as plain JSON.

The detector code is that of ``siluan run``: :func:`pipeline.run.run_workflow` on a workflow file
over a static STAC catalogue on disk; nothing of it is replaced or left out.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import yaml

from benchmarks.accuracy.matching import suspected_at
from benchmarks.accuracy.simulated.monthly import patrols
from benchmarks.accuracy.simulated.series import Made, home_of, lengths_km, make_series, trap_shapes
from benchmarks.accuracy.simulated.shore import shore_errors
from benchmarks.accuracy.simulated.two_dates import baselines
from pipeline.adjudicate.evidence import FoldOptions
from pipeline.io.datum import Datum
from pipeline.ledger import open_ledger
from pipeline.model import Case, Seen
from pipeline.office.importing import ImportRequest, import_layer
from pipeline.office.kinds import LayerKind
from pipeline.publish import split_cases
from pipeline.run import run_workflow
from pipeline.running.request import RunRequest
from sample_scenes import office
from sample_scenes.geo import to_utm

ROOT = Path(__file__).resolve().parents[3]
PATROL_MONTHS = 12.0
YEAR = 2025  # of the patrol
Options = Mapping[str, Any]


def run_seed(
    folder: Path, seed: int, *, objects: bool = True, monthly: bool = False
) -> dict[str, Any]:
    """Make and run one seed in ``folder`` (emptied before, and after by a thread); give its result.

    ``monthly``: patrols that end month by month over one ledger, before the one of the year, and
    what each of them told beside what the ledger holds at last.
    """
    shutil.rmtree(folder, ignore_errors=True)
    began = time.process_time()
    made = make_series(folder / "data", seed, objects=objects)
    rendered = time.process_time() - began
    result = describe(made, seed, objects=objects) | run_once(folder, {}, monthly=monthly)
    ran = time.process_time() - began - rendered
    result["baselines"] = baselines(folder / "data", made, seed)
    if objects:
        result["shore"] = shore_errors(folder / "run" / "workflow.yaml", made)
    rest = time.process_time() - began - rendered - ran
    result["cpu_s"] = [round(s, 1) for s in (rendered, ran, rest)]
    # The disk takes seconds to forget 2,700 files, and the next seed does not need to wait for it;
    # its CPU, 0.1 s, counts with that one's.
    Thread(target=shutil.rmtree, args=(folder,), kwargs={"ignore_errors": True}).start()
    return result


def describe(made: Made, seed: int, *, objects: bool) -> dict[str, Any]:
    """Put what is true of a seed into plain JSON; outlines are WKT in UTM (EPSG:32649)."""
    return {
        "seed": seed,
        "home": home_of(seed) if objects else None,
        "dates": len(made.days),
        "km": lengths_km(made),
        "months": PATROL_MONTHS,
        "objects": [
            {
                "id": p.thing.id,
                "kind": p.thing.kind,
                "corridor": p.thing.corridor_id,
                "setting": p.setting,
                "material": p.thing.material,
                "appeared": p.thing.steps[0][0].isoformat(),
                "chances": list(made.chances[p.thing.id]),
                "area_m2": round(p.thing.truth.area, 1),
                "wkt": to_utm(p.thing.truth).wkt,
                # All that was heaped up: a fill's truth is what lies below usual high water.
                "whole_wkt": to_utm(p.thing.shape).wkt,
            }
            for p in made.placed
        ],
        "traps": [
            {"trap": words, "corridor": corridor, "wkt": shape.wkt}
            for words, corridor, shape in trap_shapes(made)
        ],
    }


def run_once(
    folder: Path, options: Options, *, fresh: bool = True, monthly: bool = False
) -> dict[str, Any]:
    """Run the workflow over ``folder/data``, with the office's works as a layer; give the cases.

    ``fresh``: with a store of its own; else what an earlier run read is taken from the store, and
    only the ledger begins anew.
    """
    work = folder / "run"
    if fresh:
        shutil.rmtree(work, ignore_errors=True)
    for name in ("state/ledger.sqlite", "state/ledger.sqlite-wal", "state/ledger.sqlite-shm"):
        (work / name).unlink(missing_ok=True)
    # What another run published is no answer of this one.
    shutil.rmtree(work / "out", ignore_errors=True)
    work.mkdir(parents=True, exist_ok=True)
    path = work / "workflow.yaml"
    path.write_text(yaml.safe_dump(workflow_of(folder, options)), encoding="utf-8")
    import_layer(
        ImportRequest(
            folder / "data" / office.WORKS,
            LayerKind.WORKS,
            work,
            datum=Datum.WGS84,
            accept_offset=office.ANSWERS,
        )
    )
    book = work / "state" / "ledger.sqlite"
    told = {"monthly": patrols(path, book, work / "out", YEAR)} if monthly else {}
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        run_workflow(RunRequest(path))
    with open_ledger(book, writing=False) as ledger:
        cases = ledger.cases()
    # What layers explain keeps the shelf that imagery gave it; ``rule`` says that it was not told.
    shelves = split_cases([replace(c, ruling=None) for c in cases])
    shelf = dict.fromkeys((c.case_id for c in shelves.cases), "suspected")
    shelf |= dict.fromkeys((c.case_id for c in shelves.watch), "watch")
    folding = FoldOptions.model_validate(options.get("adjudicate", {}).get("fold", {}))
    return {"cases": [_plain(c, shelf.get(c.case_id, "gone"), folding) for c in cases]} | told


def workflow_of(folder: Path, options: Options) -> dict[str, Any]:
    """Give the workflow; ``options`` are merged into its options."""
    return {
        "name": "accuracy",
        "corridors": {"file": str(folder / "data" / "corridors.geojson")},
        "sources": [
            {
                "type": "stac",
                "url": str(folder / "data" / "catalog.json"),
                "collections": ["sentinel-2-l2a"],
                "sensor": "sentinel-2-l2a",
            }
        ],
        "period": {
            "from": "2024-01-01",
            "patrol_from": f"{YEAR}-01-01",
            "to": f"{YEAR}-12-31",
            "zone": "Asia/Shanghai",
        },
        "state": "state",
        "out": "out",
        "sensors": str(ROOT / "config" / "sensors"),
        "layers": "layers",
        # No result depends on pictures, and here nobody looks at them.
        "options": {
            "store": {"workers": 1, "io_threads": 1},
            "evidence": {"pictures": False, "review": False},
            **options,
        },
    }


def _plain(case: Case, shelf: str, folding: FoldOptions) -> dict[str, Any]:
    e = case.evidence
    hits = [k for k in case.looks if k.seen is Seen.HIT]
    on = suspected_at(case, folding)
    return {
        "id": case.case_id,
        "kind": case.kind.value,
        "corridor": case.corridor_id,
        "shelf": shelf,
        "rule": case.ruling.rule if case.suppressed and case.ruling else None,
        "state": e.state.value,
        "hits": e.hits,
        "misses": e.misses,
        "certain": sum(k.certain for k in hits),
        "first": e.first_seen.isoformat() if e.first_seen else None,
        "suspected_on": None if on is None else on.isoformat(),
        "score": case.score,
        "measures": dict(case.measures),
        "detector": case.detector,
        "area_m2": case.area_m2,
        "wkt": case.polygon.wkt,
    }
