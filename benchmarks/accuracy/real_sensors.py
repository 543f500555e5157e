"""The same injected series seen by other sensors, and with few dates.

Usage: python -m benchmarks.accuracy.real_sensors --data ../shared/data [--out out/accuracy]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from benchmarks.accuracy.pool import Pool
from benchmarks.accuracy.real_cli import said_alone
from benchmarks.accuracy.real_injected import LENGTH_KM, Case, one
from benchmarks.accuracy.real_run import Outcome, Refused
from benchmarks.accuracy.real_series import SENSORS, Plan
from benchmarks.accuracy.report import Cell, Section, Table
from benchmarks.accuracy.stats import counted, poisson

TITLE = "The same series by sensor"
SEED = 0
FEW = 7
PLAN = Plan(history_days=550, patrol_days=180, history_every=20.0)  # some 40 looks


def measure(data: Path, out: Path) -> Section:
    """Run the series as each sensor sees it."""
    with Pool(2, "sensors") as pool:
        return begin(pool, data, out)()


def begin(pool: Pool, data: Path, out: Path) -> Callable[[], Section]:
    """Begin the series as each sensor sees it; the answer waits for them and gives the section."""
    if not (data / "s2_l2a_boadella_reservoir").is_dir():
        section = Section("real_sensors", TITLE, (), note=f"Not measured: no imagery in {data}.")
        return lambda: section
    jobs = [Case(SEED, name, PLAN) for name in SENSORS]
    jobs += [Case(SEED, "s2-scl", only=FEW), Case(SEED + 1, "s2-scl", only=FEW)]
    waiting = pool.begin(partial(_one, data, out / "sensors"), jobs)
    return lambda: _section(jobs, waiting())


def _section(jobs: Sequence[Case], outcomes: Sequence[Outcome | str]) -> Section:
    rows: list[tuple[Cell, ...]] = []
    numbers: dict[str, float] = {}
    for job, outcome in zip(jobs[:-2], outcomes[:-2], strict=True):
        name = SENSORS[job.sensor].name
        if isinstance(outcome, str):
            rows.append((name, f"refused: {outcome}", None, None, None, None, None))
            continue
        row = _row(outcome, job.plan.patrol_days)
        rows.append((name, *row))
        large = [v for v in outcome.verdicts if v.truth.area_m2 >= 1000]
        numbers[f"recall_1000_{job.sensor}"] = sum(v.state == "found" for v in large) / len(large)
    columns = (
        "sensor", "suspected ≥ 1,000 m²", "suspected, all", "on watch besides", "false",
        "false per 100 km and month", "other entries on watch",
    )  # fmt: skip
    note = (
        "One series, one seed: intervals are wide, differences of one or two objects mean nothing. "
        "Landsat sees blocks of 30 m, so 1,000 m² is one pixel. Colour alone has no near infrared: "
        "water, vegetation and clouds cannot be told, so the program sets every such look aside; "
        "such pictures are only compared with each other (see the pictures above) and nothing they "
        "show is certain."
    )
    few = outcomes[-2:]
    tables = (Table("By sensor", columns, tuple(rows), note), _sparse(few), _visits(few))
    return Section("real_sensors", TITLE, tables, numbers)


def _one(data: Path, keep: Path, case: Case) -> Outcome | str:
    try:
        outcome = one(data, keep, case)
    except Refused as refused:
        return str(refused)
    if not outcome.record["inputs"]:  # every look was set aside: say why
        return str(outcome.record["set_aside"][0]["reason"])
    return outcome


def _row(outcome: Outcome, patrol_days: int) -> tuple[Cell, ...]:
    large = [v for v in outcome.verdicts if v.truth.area_m2 >= 1000]
    found = [v for v in outcome.verdicts if v.state == "found"]
    exposure = LENGTH_KM / 100 * patrol_days / 30.44
    low, high = poisson(len(outcome.false), exposure)
    density = len(outcome.false) / exposure
    return (
        counted(sum(v.state == "found" for v in large), len(large)),
        f"{len(found)}/{len(outcome.verdicts)}",
        sum(v.state == "on watch" for v in outcome.verdicts),
        len(outcome.false),
        f"{density:.1f} ({low:.1f}–{high:.1f})",
        outcome.watch_other,
    )


def _sparse(outcomes: Sequence[Outcome | str]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for kind in ("zhan", "cai", "dui", "jian"):
        verdicts = [
            v
            for o in outcomes
            if not isinstance(o, str)
            for v in o.verdicts
            if v.truth.kind == kind
        ]
        told = sum(v.state == "found" for v in verdicts)
        watch = sum(v.state == "on watch" for v in verdicts)
        rows.append((kind, len(verdicts), told, watch))
    false = sum(len(o.false) for o in outcomes if not isinstance(o, str))
    other = sum(o.watch_other for o in outcomes if not isinstance(o, str))
    rows.append(("false suspected, other entries on watch", None, false, other))
    note = (
        f"Two series of {FEW} looks in 33 months, as GF-2 gives them. With fewer than eight clear "
        "looks of history nothing is certain: all of it is 待核, for a flight or a visit."
    )
    return Table("Sparse mode", ("kind", "objects", "suspected", "on watch"), tuple(rows), note)


def _visits(outcomes: Sequence[Outcome | str]) -> Table:
    """Say how many of the first places of the order of visits hold an object."""
    rows: list[tuple[Cell, ...]] = []
    for i, outcome in enumerate(o for o in outcomes if not isinstance(o, str)):
        for n in (5, 10, len(outcome.visits)):
            first = outcome.visits[:n]
            rows.append(
                (f"series {i + 1}", len(first), sum(first), counted(sum(first), len(first)))
            )
    note = (
        "A place counts if it overlaps an object. What a team gains by the order is the share of "
        "the first places over that of all."
    )
    return Table(
        "Sparse mode, order of visits",
        ("series", "first places", "objects", "share"),
        tuple(rows),
        note,
    )


if __name__ == "__main__":
    said_alone(measure, __doc__)
