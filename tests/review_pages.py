"""Whole pages of review over a ledger of made-up cases, for tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from affine import Affine
from shapely.geometry import box

from pipeline.evidence.document import case_document
from pipeline.evidence.options import EvidenceOptions
from pipeline.evidence.types import Picture, Subject, Views
from pipeline.grid import reproject
from pipeline.ledger import open_ledger
from pipeline.model import (
    Attribution,
    Case,
    Corridor,
    Evidence,
    EvidenceState,
    Grid,
    Kind,
    Look,
    RunRecord,
    Seen,
    Status,
)
from pipeline.passes.showing import Desk
from pipeline.publish import PublishContext, Shelves, feature_of, publish_run
from pipeline.shown import Documents, Scope, add_evidence, add_review, verdicts_said

CRS = "EPSG:32649"
X, Y = 700_000.0, 3_080_000.0
HOSTILE = '</script><img src=x onerror="window.hacked=1">&<b>\u2028"\'=1+1'
ZONE = ZoneInfo("Asia/Shanghai")
STATUSES = (Status.SUSPECTED, Status.ISSUED, Status.RECTIFYING)


def case(n: int, looks: int = 12) -> Case:
    """Make the nth case along a river of 250 km; statuses and kinds take turns."""
    x, y = X + 500 * math.sin(n / 9), Y - 50 * n
    first = datetime(2025, 3, 1, 3, tzinfo=UTC) + timedelta(days=n % 90)
    seen = tuple(
        Look(
            first + timedelta(days=5 * (i - looks // 2)),
            f"p{i}",
            "sentinel-2-l2a",
            1.0,
            Seen.UNKNOWN if i % 5 == 4 else Seen.HIT if i >= looks // 2 else Seen.MISS,
            level_rank=(i * 7 % 10) / 10,
        )
        for i in range(looks)
    )
    hits = [k.on for k in seen if k.seen is Seen.HIT]
    outline = box(x, y, x + 90, y + 60)
    return Case(
        case_id=f"ZZ-2025-{list(Kind)[n % 4].value}-{n:08x}",
        kind=list(Kind)[n % 4],
        corridor_id="river",
        polygon=outline,
        crs=CRS,
        area_m2=outline.area,
        status=STATUSES[n % 3],
        evidence=Evidence(
            EvidenceState.SUSPECTED, len(hits), 0, looks, min(hits), max(hits),
            min(hits) - timedelta(days=5), frozen=False,
        ),
        looks=seen,
        score=(n % 100) / 100,
        measures={},
        scene_ids=("s",),
        detector="zhan/1",
        revision=1 + n % 3,
        run_id="abcdefabcdef",
        code_version="0",
        config_hash="0" * 64,
        attribution=Attribution(
            chainage_m=50.0 * n, chainage_accuracy_m=30.0, bank="left",
            county_code="430202", county_zh=HOSTILE, township_zh=HOSTILE,
            notes=(HOSTILE,),
        ),
    )  # fmt: skip


def corridor(cases: int) -> Corridor:
    ground = box(X - 900, Y - 50 * cases - 900, X + 900, Y + 900)
    return Corridor(
        "river", HOSTILE, "river", reproject(ground, CRS, "EPSG:4326"), None, 30.0, "a test"
    )


def views(one: Case) -> Views:
    """Give made-up pictures of a case: bright ground appears."""
    left, bottom, _, top = one.polygon.bounds
    grid = Grid(CRS, Affine(10, 0, left - 270, 0, -10, top + 290), (64, 64))
    rng = np.random.default_rng(round(bottom))
    ground = rng.normal(0.12, 0.02, (64, 64)).astype(np.float32)
    later = ground.copy()
    later[29:35, 27:36] = 0.4
    bands = ("red", "green", "blue", "nir", "swir16")

    def picture(name: str, values: Any, days: int) -> Picture:
        on = one.evidence.first_seen or datetime(2025, 1, 1, tzinfo=UTC)
        clear = np.ones((64, 64), bool)
        held = {b: values * np.float32(1 + 0.1 * i) for i, b in enumerate(bands)}
        return Picture(name, on + timedelta(days=days), "sentinel-2-l2a", held, clear, 10.0)

    return Views(grid, one.polygon, picture("a", ground, -5), picture("b", later, 5))


def publish(
    root: Path, cases: Sequence[Case], *, pictures: bool = True, run_id: str = "abcdefabcdef"
) -> Path:
    """Fill a ledger, once, and publish the page of it; give ``index.html``."""
    if not (root / "state" / "ledger.sqlite").exists():
        (root / "state").mkdir(parents=True, exist_ok=True)
        with (
            open_ledger(root / "state" / "ledger.sqlite") as ledger,
            ledger.transaction(lambda: None) as transaction,
        ):
            transaction.write(list(cases), [])
    place = corridor(len(cases))
    shelves = Shelves(cases=tuple(sorted(cases, key=lambda c: c.case_id)))
    context = PublishContext(rivers_zh={"river": place.name_zh})
    desk = Desk(root / "state" / "evidence", EvidenceOptions(), ZONE)
    period = (datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 12, 31, tzinfo=UTC))
    record = RunRecord(
        run_id, "page", period, (), "0" * 64, "0",
        {"kinds": [k.value for k in Kind], "ledger": {}, "corridors": {}}, {}, (),
    )  # fmt: skip
    if pictures:
        context, documents = add_evidence(context, shelves, views, desk)
    else:
        documents = Documents(
            {
                c.case_id: case_document(
                    Subject(feature_of(c, context)["properties"], c.looks, ZONE), None, None
                )
                for c in cases
            }
        )
    with open_ledger(root / "state" / "ledger.sqlite", writing=False) as ledger:
        scope = Scope(record, [place], {}, said=verdicts_said(ledger, shelves))
    context = add_review(context, shelves, documents, scope, desk)
    return publish_run(root / "out", shelves, (), record, context).folder / "review" / "index.html"
