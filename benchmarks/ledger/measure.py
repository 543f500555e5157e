"""One measurement each, in a process of its own so that its peak of memory is its own."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.ledger.made import batch, candidate, context, copies, corridor, name
from benchmarks.ledger.server import Server
from pipeline.ledger import LedgerPlace, apply, open_ledger
from pipeline.ledger.match import match
from pipeline.ledger.reach import boxes_of

CANDIDATES = 20_000
PAGE = 500
_TIMES = 25
_FIRST = 10_000


def place_of(folder: Path, url: str | None) -> LedgerPlace:
    return LedgerPlace(folder / "ledger.sqlite", url)


def fill(place: LedgerPlace, count: int) -> dict[str, float]:
    """Make the ledger: the first 10,000 cases in one transaction, the others copied row by row."""
    first = min(count, _FIRST)
    with open_ledger(place) as ledger:
        cases, events = batch(0, first)
        clock = _Clock()
        with ledger.transaction(_nothing) as transaction:
            transaction.write(cases, events)
        written = clock.lap()
        for start in range(first, count, first):
            with ledger.connect() as connection:
                copies(connection, first, start)
    return {"cases": count, "first 10,000 s": written, "GB on disk": round(_gigabytes(place), 2)}


def _gigabytes(place: LedgerPlace) -> float:
    """Give what the ledger takes on its disk, indexes and all."""
    if place.url is None:
        return place.file.stat().st_size / 1e9
    tables = "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND "
    mine = "relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'siluan')"
    with open_ledger(place, writing=False) as ledger, ledger.connect() as connection:
        return float(connection.exec_driver_sql(tables + mine).scalar_one()) / 1e9


def matching(place: LedgerPlace, count: int) -> dict[str, float]:
    """Match candidates, spread over all corridors, with the cases that boxes say are near."""
    found = [candidate(n * max(1, count // CANDIDATES), 5.0) for n in range(CANDIDATES)]
    with open_ledger(place, writing=False) as ledger:
        clock = _Clock()
        boxes = boxes_of(found, ledger)
        asked = clock.lap()
        near = ledger.outlines(boxes)
        read = clock.lap()
        matched = match(found, near)
        done = clock.lap()
    return {
        "candidates": len(found),
        "outlines read": len(near),
        "matched": len(matched.case_of),
        "boxes s": asked,
        "read s": read,
        "match s": done,
        "seconds": round(asked + read + done, 3),
        "wall s": clock.wall(),
    }


def whole_read(place: LedgerPlace, count: int) -> dict[str, float]:
    """Read a tenth of the ledger in one piece, as every run did before, and match in it."""
    part = [corridor(n) for n in range(0, count // 10, 1000)]
    found = [candidate(n * max(1, count // CANDIDATES), 5.0) for n in range(CANDIDATES // 10)]
    with open_ledger(place, writing=False) as ledger:
        clock = _Clock()
        cases = ledger.cases(corridors=part)
        read = clock.lap()
        matched = match(found, cases)
        done = clock.lap()
    return {
        "candidates": len(found),
        "cases read": len(cases),
        "matched": len(matched.case_of),
        "read s": read,
        "match s": done,
        "seconds": round(read + done, 3),
        "wall s": clock.wall(),
    }


def patrol(place: LedgerPlace, count: int) -> dict[str, float]:
    """Apply a patrol of one corridor: 1,000 cases, 20 candidates."""
    found = [candidate(n, 5.0, hits=9) for n in range(20)]
    with open_ledger(place) as ledger:
        clock = _Clock()
        result = apply(ledger, found, context((corridor(0),), "r2"))
        return {
            "cases read": len(result.cases),
            "events": len(result.events),
            "seconds": clock.lap(),
            "wall s": clock.wall(),
        }


def inspection(place: LedgerPlace, count: int) -> dict[str, float]:
    """Apply 20,000 candidates at spots of all corridors, in one transaction."""
    step = max(1, count // CANDIDATES)
    found = [candidate(n * step, 5.0, hits=9) for n in range(CANDIDATES)]
    every = tuple(sorted({c.corridor_id for c in found}))
    with open_ledger(place) as ledger:
        clock = _Clock()
        result = apply(ledger, found, context(every, "r3", spots=True))
        return {
            "cases read": len(result.cases),
            "events": len(result.events),
            "seconds": clock.lap(),
            "wall s": clock.wall(),
        }


def write(place: LedgerPlace, count: int) -> dict[str, float]:
    """Write 20,000 changed cases with their revisions and events, in one transaction."""
    cases, events = batch(0, CANDIDATES)
    cases = [replace(c, revision=2) for c in cases]
    with open_ledger(place) as ledger:
        clock = _Clock()
        with ledger.transaction(_nothing) as transaction:
            transaction.write(cases, events)
        return {"cases": len(cases), "seconds": clock.lap(), "wall s": clock.wall()}


def one_case(place: LedgerPlace, count: int) -> dict[str, float]:
    """Read one case with its history, many times; the ledger is opened once."""
    with open_ledger(place, writing=False) as ledger:
        one = name(count // 2)
        return _times(lambda n: (ledger.cases([one]), ledger.events([one]), ledger.revisions(one)))


def feed(place: LedgerPlace, count: int) -> dict[str, float]:
    """Read pages of 500 events, all over the ledger."""
    with open_ledger(place, writing=False) as ledger:
        return _times(lambda n: ledger.events_since(n * (count - PAGE) // _TIMES, PAGE))


def scan(place: LedgerPlace, count: int) -> dict[str, float]:
    """Read every case once, as ``siluan cases list`` does."""
    with open_ledger(place, writing=False) as ledger:
        clock = _Clock()
        seen = sum(1 for _ in ledger.scan())
        return {"cases read": seen, "seconds": clock.lap(), "wall s": clock.wall()}


def report(place: LedgerPlace, count: int) -> dict[str, float]:
    """Make the report of a year: all events and cases, row by row."""
    # Its libraries are the report's alone: they are not counted into the memory of other parts.
    from pipeline.report.making import ReportRequest, make_report  # noqa: PLC0415

    out = place.file.parent / "reports"
    now = datetime(2025, 12, 31, tzinfo=UTC)  # of a year that is not over nothing is frozen
    clock = _Clock()
    made = make_report(ReportRequest(place, "2025", out=out, forms=("xlsx",), now=now))
    return {"files": len(made.files), "seconds": clock.lap(), "wall s": clock.wall()}


PARTS: dict[str, Callable[[LedgerPlace, int], dict[str, float]]] = {
    "fill": fill,
    "matching": matching,
    "feed": feed,
    "one_case": one_case,
    "patrol": patrol,
    "inspection": inspection,
    "write": write,
    "scan": scan,
    "report": report,
    "whole_read": whole_read,
}


def measure(part: str, folder: Path, url: str | None, count: int) -> dict[str, Any]:
    """Run one part; add CPU seconds and peak memory of this process."""
    place = place_of(folder, url)
    server = Server(place)
    before = time.process_time()
    numbers: dict[str, Any] = dict(PARTS[part](place, count))
    numbers["CPU s"] = round(time.process_time() - before, 2)
    if server.postmaster is not None:
        numbers["server CPU s"] = server.since()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return numbers | {"peak MB": round(peak)}


class _Clock:
    """Laps in CPU seconds of this process: wall time moves with the neighbours."""

    def __init__(self) -> None:
        self._at, self._wall = time.process_time(), time.perf_counter()

    def lap(self) -> float:
        now = time.process_time()
        took, self._at = now - self._at, now
        return round(took, 4)

    def wall(self) -> float:
        return round(time.perf_counter() - self._wall, 3)


def _times(do: Callable[[int], object]) -> dict[str, float]:
    laps: list[float] = []
    walls: list[float] = []
    for n in range(_TIMES):
        clock = _Clock()
        do(n)
        laps.append(1000 * clock.lap())
        walls.append(1000 * clock.wall())
    laps.sort()
    walls.sort()
    return {
        "times": _TIMES,
        "median ms": round(laps[_TIMES // 2], 1),
        "worst ms": round(laps[-1], 1),
        "median wall ms": round(walls[_TIMES // 2], 1),
    }


def _nothing() -> None:
    return None


def machine() -> str:
    """Say on what it was measured."""
    return f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
