"""Is a confidence of 0.8 right in eight of ten? Fit on development seeds, told on held-out ones."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks.accuracy.report import Section, Table
from benchmarks.accuracy.simulated.scoring import Entry, Scored
from pipeline.adjudicate import fitting
from pipeline.adjudicate.calibration import Calibration
from pipeline.io.settings import load_model
from pipeline.model import Kind

FILE = Path(__file__).resolve().parents[2] / "config" / "confidence.yaml"
BIN = 200  # entries of a bin that is held against the goal
_KIND_BIN = 60
_DETECTORS = ("ground/1", "zhan/1")


def entries_of(scored: Iterable[Scored]) -> list[Entry]:
    """Collect the published entries of all seeds."""
    return [e for s in scored for e in s.entries]


def fit(entries: Sequence[Entry], basis: str) -> Calibration:
    """Fit the maps of all kinds, for the detectors of the simulation.

    Raises
    ------
    ValueError
        With fewer than 50 entries: nothing can be said.
    """
    return fitting.fit(entries, basis, _DETECTORS)


def confidence_of(entry: Entry, calibration: Calibration | None) -> float:
    """Give the confidence that an entry carries."""
    kind = None if calibration is None else calibration.kinds.get(Kind(entry.kind))
    return entry.score if kind is None else kind.at(entry.score, confirmed=entry.confirmed)


def reliability(
    entries: Sequence[Entry], calibration: Calibration | None, least: int
) -> list[tuple[int, float, float, tuple[float, float]]]:
    """Sort by confidence into bins of ``least`` or more; (n, confidence, share true, interval)."""
    return fitting.reliability(entries, lambda e: confidence_of(e, calibration), least)


def _table(
    title: str, entries: Mapping[str, Sequence[Entry]], calibration: Calibration | None, least: int
) -> Table:
    rows: list[tuple[str | int | float, ...]] = []
    for name, own in entries.items():
        for n, told, true, (low, high) in reliability(own, calibration, least):
            gap = f"{true - told:+.2f} [{low - told:+.2f}, {high - told:+.2f}]"
            rows.append((name, n, f"{told:.2f}", f"{true:.2f} [{low:.2f}, {high:.2f}]", gap))
    return Table(
        title,
        ("kind", "entries", "mean confidence", "share true [95 %]", "share less confidence"),
        tuple(rows),
    )


def section(scored: Sequence[Scored]) -> Section:
    """Tell the reliability of the confidence in config, and of the score without it."""
    entries = [e for e in entries_of(scored) if e.detector in _DETECTORS]
    calibration = load_model(FILE, Calibration) if FILE.is_file() else None
    every = {"all": entries}
    kinds = {k.value: [e for e in entries if e.kind == k.value] for k in Kind}
    tables = [_table("Uncalibrated score, all kinds", every, None, BIN)]
    numbers: dict[str, float] = {}
    if calibration is not None:
        tables.append(_table("Calibrated confidence, all kinds", every, calibration, BIN))
        tables.append(_table("The same in narrower bins", every, calibration, _KIND_BIN))
        tables.append(_table("Calibrated confidence, by kind", kinds, calibration, _KIND_BIN))
        bins = reliability(entries, calibration, BIN)
        near = [max(0.0, low - told, told - high) for n, told, _, (low, high) in bins if n >= BIN]
        # One or two bins are little more than the share of true ones in all.
        numbers["reach"] = max(near) if len(near) >= 3 else math.nan
        numbers["bins"] = float(len(near))
        numbers["brier"] = float(
            np.mean([(confidence_of(e, calibration) - e.true) ** 2 for e in entries])
        )
    note = (
        "Entries are suspected cases and what is on watch; true is what was matched with an object."
        f" Bins of {BIN} or more (by kind {_KIND_BIN} or more), as many as there are entries for."
        + (f" Calibration: {calibration.basis}." if calibration else " No calibration in config.")
        + " It holds for the mix of this simulation, where true cases are far more frequent than"
        " along a river; verdicts of an office must replace it."
    )
    return Section("confidence", "Confidence", tuple(tables), numbers, note)


def basis_of(
    seeds: Sequence[int], empty: Sequence[int], entries: Sequence[Entry], version: str
) -> str:
    """Say what a calibration was fitted on, and how rich in cases it was."""
    named, bare = (", ".join(str(s) for s in sorted(own)) for own in (seeds, empty))
    without = f" and {bare} without objects" if empty else ""
    true = sum(e.true for e in entries)
    return (
        f"simulation, development seeds {named}{without}, {true} of {len(entries)} entries true, "
        f"version {version}, {datetime.now(UTC):%Y-%m-%d}"
    )
