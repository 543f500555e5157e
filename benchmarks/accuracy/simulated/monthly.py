"""A seed patrolled month by month over one ledger, as an office runs it.

What the ledger says at the end of the year is weighed by all looks of the year; the office acts on
what stood in ``cases.geojson`` at the end of each month. Every case that ever stood there was told,
whatever became of it.
"""

from __future__ import annotations

import contextlib
import io
import json
from calendar import monthrange
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import shapely

from benchmarks.accuracy.matching import pairs_of
from benchmarks.accuracy.report import Table
from benchmarks.accuracy.simulated.scoring import Result, Scored, asked_for, looks_like
from benchmarks.accuracy.stats import poisson, rate, share
from pipeline.ledger import open_ledger
from pipeline.run import run_workflow
from pipeline.running.request import RunRequest


def patrols(workflow: Path, ledger: Path, out: Path, year: int) -> list[dict[str, Any]]:
    """Run a workflow up to the end of each month; give what stood in ``cases.geojson`` then.

    Returns
    -------
    list
        For each month its last day ``to`` and the cases ``told`` (id, kind, corridor, outline as
        WKT in the corridor's CRS). What the office's layers explain is not among them.
    """
    seen: list[dict[str, Any]] = []
    for month in range(1, 13):
        end = date(year, month, monthrange(year, month)[1])
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            run_workflow(RunRequest(workflow, end=end))
        listed = json.loads((out / "latest" / "cases.geojson").read_text(encoding="utf-8"))
        ids = {str(f["id"]) for f in listed["features"]}
        with open_ledger(ledger, writing=False) as book:
            cases = [c for c in book.cases() if c.case_id in ids]
        told = [
            {
                "id": c.case_id,
                "kind": c.kind.value,
                "corridor": c.corridor_id,
                "wkt": c.polygon.wkt,
            }
            for c in cases
        ]
        seen.append({"to": end.isoformat(), "told": told})
    return seen


@dataclass(frozen=True)
class Told:
    """What became of one true object in the months' lists."""

    seed: int
    id: str
    area_m2: float
    asked: bool
    first: str | None  # last day of the month at which a case that finds it first stood there
    looks: int | None  # looks that could show it up to then
    last: bool  # it is found in the last list too


@dataclass(frozen=True)
class Strange:
    """A case that stood in a list and found no object in any."""

    seed: int
    id: str
    kind: str
    corridor: str
    months: tuple[str, ...]  # last days of the months at which it stood there
    like: str
    empty: bool  # its corridor held no object in this seed


@dataclass(frozen=True)
class Year:
    """One seed, month by month."""

    seed: int
    objects: tuple[Told, ...]
    strange: tuple[Strange, ...]
    told: int  # cases that ever stood in a list
    withdrawn: int  # of those, not in the last


def score_months(result: Result) -> Year:
    """Match each month's list with the true objects, one to one."""
    seed, objects = int(result["seed"]), result["objects"]
    shapes = [shapely.from_wkt(o["wkt"]) for o in objects]
    first: dict[int, str] = {}
    true: set[str] = set()
    stood: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
    held: set[int] = set()
    months: Sequence[Mapping[str, Any]] = result["monthly"]
    for month in months:
        told = month["told"]
        found = pairs_of(shapes, [shapely.make_valid(shapely.from_wkt(c["wkt"])) for c in told])
        held = set(found)
        for thing, candidate in found.items():
            first.setdefault(thing, month["to"])
            true.add(told[candidate]["id"])
        for case in told:
            stood.setdefault(case["id"], []).append((month["to"], case))
    traps = [(t["trap"], shapely.from_wkt(t["wkt"])) for t in result["traps"]]
    known = [(o["id"], s) for o, s in zip(objects, shapes, strict=True)]
    strange = tuple(
        Strange(
            seed, name, entries[-1][1]["kind"], entries[-1][1]["corridor"],
            tuple(to for to, _ in entries),
            looks_like(shapely.make_valid(shapely.from_wkt(entries[-1][1]["wkt"])), known, traps),
            entries[-1][1]["corridor"] != result["home"],
        )
        for name, entries in stood.items()
        if name not in true
    )  # fmt: skip
    fates = tuple(
        Told(
            seed, o["id"], o["area_m2"], asked_for(o), first.get(i),
            sum(t[:10] <= first[i] for t in o["chances"]) if i in first else None, i in held,
        )
        for i, o in enumerate(objects)
    )  # fmt: skip
    final = {c["id"] for c in months[-1]["told"]} if months else set[str]()
    return Year(seed, fates, strange, len(stood), len(set(stood) - final))


def months_tables(
    results: Sequence[Result], scored: Sequence[Scored]
) -> tuple[tuple[Table, ...], dict[str, float]]:
    """Set what was told month by month beside what the year's last ledger says of the same seeds.

    Nothing where no seed ran month by month.
    """
    own = [r for r in results if "monthly" in r]
    if not own:
        return (), {}
    years = [score_months(r) for r in own]
    seeds = {y.seed for y in years}
    ended = [s for s in scored if s.seed in seeds]
    rows = [_row("the year's last ledger, its looks folded again", *_by_year(ended), ended)]
    things = [t for y in years for t in y.objects if t.area_m2 >= 1000]
    false = [s for y in years for s in y.strange]
    hits = sum(t.first is not None for t in things)
    rows.append(
        _row("stood in cases.geojson at the end of a month", hits, len(things),
             len(false), sum(s.empty for s in false), ended)
    )  # fmt: skip
    lost = sum(t.first is not None and not t.last for y in years for t in y.objects)
    table = Table(
        "Told month by month",
        (
            "counted", "recall ≥ 1000 m² [95 %], all objects", "false in all corridors",
            "false in corridors without a case", "per 100 km and month [95 %]",
        ),
        tuple(rows),
        f"{len(own)} of the seeds ({', '.join(str(y.seed) for y in years)}), run twelve times over"
        " one ledger, up to the end of each month, with the office's works layer; both rows are of"
        f" these seeds. {sum(y.told for y in years)} cases ever stood in a list, of which"
        f" {sum(y.withdrawn for y in years)} are not in the last;"
        f" {lost} objects that were told are not found in it.",
    )  # fmt: skip
    whole = sum(s.empty_exposure for s in ended)
    empty = sum(s.empty for s in false)
    low, high = poisson(empty, max(whole, 1e-9))
    return (table, _when(years, ended), _strange(false)), {
        "monthly_false": empty / max(whole, 1e-9),
        "monthly_false_low": low,
        "monthly_false_high": high,
        "monthly_recall_large": hits / max(len(things), 1),
    }


def _by_year(ended: Sequence[Scored]) -> tuple[int, int, int, int]:
    large = [f for s in ended for f in s.fates if f.area_m2 >= 1000]
    strays = [t for s in ended for t in s.strays if t.shelf == "suspected"]
    told = sum(f.shelf == "suspected" for f in large)
    return told, len(large), len(strays), sum(t.empty for t in strays)


def _row(
    name: str, hits: int, of: int, every: int, empty: int, ended: Sequence[Scored]
) -> tuple[str | int | float, ...]:
    exposure = sum(s.empty_exposure for s in ended)
    return name, share(hits, of), every, empty, rate(empty, exposure)


def _when(years: Sequence[Year], ended: Sequence[Scored]) -> Table:
    """Count objects by how the month at which they were told compares with what looks say."""
    refolded = {(s.seed, f.id): f for s in ended for f in s.fates}
    counts = {"same": 0, "later": 0, "earlier": 0, "only month by month": 0, "only at the end": 0}
    looks: list[int] = []
    for thing in (t for y in years for t in y.objects):
        fate = refolded[thing.seed, thing.id]
        if thing.first is None:
            counts["only at the end"] += fate.shelf == "suspected"
            continue
        looks.append(thing.looks or 0)
        if fate.suspected_on is None:
            counts["only month by month"] += 1
            continue
        month, said = thing.first[:7], fate.suspected_on[:7]
        counts["same" if month == said else "later" if month > said else "earlier"] += 1
    middle = f"{sorted(looks)[len(looks) // 2]}" if looks else "-"
    return Table(
        "When objects were told, all sizes",
        ("month of the list against the month that the year's looks name", "objects"),
        tuple(counts.items()),
        "The looks of the whole year weigh the past with what came later. Median number of looks"
        f" that could show an object up to the end of the month at which it was told: {middle}.",
    )


def _strange(false: Sequence[Strange]) -> Table:
    """List false cases without their places: a kind, months, and what lies under them."""
    rows = [(s.kind, s.like, len(s.months), "yes" if s.empty else "no") for s in false]
    return Table(
        "False cases that stood in a list",
        ("kind", "what lies under it", "lists", "in a corridor without a case"),
        tuple(sorted(rows)),
    )
