"""Objects of the four kinds pasted into long series of a real reservoir.

Usage: python -m benchmarks.accuracy.real_injected --data ../shared/data [--seeds 6] [--explain]
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache, partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import shapely
from affine import Affine
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from benchmarks.accuracy.pool import Pool
from benchmarks.accuracy.real_objects import survey
from benchmarks.accuracy.real_place import EDGES, KINDS, place_all
from benchmarks.accuracy.real_run import (
    FalseCase,
    Outcome,
    Verdict,
    run,
    score,
    truths,
    write_workflow,
)
from benchmarks.accuracy.real_scene import CRS, Scene, load_scene
from benchmarks.accuracy.real_series import (
    FIRST,
    SENSORS,
    Plan,
    make_look,
    schedule,
    write_look,
    write_notes,
)
from benchmarks.accuracy.report import Section, Table, markdown
from benchmarks.accuracy.stats import counted, median, median_interval, poisson, wilson
from benchmarks.boadella_fills import load_grid
from pipeline.grid import reproject

TITLE = "Objects injected into a real reservoir"
SERIES = 6
LENGTH_KM = 7.0
"""Axis of the reservoir inside the images, along its longest arm and the one to the west."""


@dataclass(frozen=True)
class Case:
    """One series to make and run."""

    seed: int
    sensor: str = "s2-scl"
    plan: Plan = field(default_factory=Plan)
    per_kind: int = 4
    only: int = 0  # keep so many looks, evenly spread; 0 keeps all

    @property
    def name(self) -> str:
        """Name what is kept of it."""
        return f"{self.sensor}-{self.seed}{f'-of-{self.only}' if self.only else ''}"


@lru_cache(maxsize=1)
def scene_of(data: Path) -> tuple[Scene, Affine]:
    """Read the real dates once a process."""
    return load_scene(data), load_grid(data / "s2_l2a_boadella_reservoir")


def corridor_of(data: Path) -> BaseGeometry:
    """Give the outline at full pool and 200 m around it, in :data:`CRS`."""
    text = (data / "s2_l2a_boadella_reservoir" / "boadella.geojson").read_text(encoding="utf-8")
    whole = shapely.make_valid(shape(json.loads(text)["features"][0]["geometry"]))
    return reproject(whole, "EPSG:4326", CRS).buffer(200).simplify(10)


def one(data: Path, keep: Path, case: Case) -> Outcome:
    """Make one series, run the program over it, and score it."""
    scene, corner = scene_of(data)
    plan = case.plan
    rng = np.random.default_rng([case.seed, 4])
    end = float(plan.history_days + plan.patrol_days)
    ground = survey(scene, rng)
    place_all(ground, (float(plan.history_days), end), case.per_kind)
    notes = schedule(plan, rng)
    if case.only:
        notes = [notes[round(k)] for k in np.linspace(0, len(notes) - 1, case.only)]
    noise = np.random.default_rng([case.seed, 5])
    sensor = SENSORS[case.sensor]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images = folder / "images"
        images.mkdir()
        for note in notes:
            write_look(images, make_look(scene, note, ground.things, noise), scene, sensor, corner)
        keep.mkdir(parents=True, exist_ok=True)
        write_notes(keep / f"looks-{case.name}.json", notes)
        days = (FIRST, FIRST + timedelta(plan.history_days), FIRST + timedelta(int(end)))
        path = write_workflow(
            folder, images, (sensor.table, sensor.pattern), corridor_of(data), days
        )
        cases, record = run(path)
    there = truths(ground.things, end, corner)
    return score(cases, there, [n.date for n in notes], record)


def explain(outcomes: Sequence[Outcome]) -> str:
    """List each object that was missed, and each false case."""
    lines: list[str] = []
    for number, outcome in enumerate(outcomes):
        for v in outcome.verdicts:
            t = v.truth
            if v.state == "found":
                lines.append(
                    f"  {number} found   {t.id:8s} {t.what:16s} {t.area_m2:7.0f} m2 as "
                    f"{v.case_kind:4s} after {v.looks} looks IoU {v.iou:.2f}"
                )
            else:
                lines.append(
                    f"  {number} MISSED  {t.id:8s} {t.what:16s} {t.area_m2:7.0f} m2 "
                    f"{v.state}: {v.why}"
                )
        for f in outcome.false:
            lines.append(
                f"  {number} FALSE   {f.id} {f.kind} {f.area_m2:.0f} m2 at {f.at} on {f.lies_on} "
                f"({f.state})"
            )
        aside = outcome.record["set_aside"]
        lines.append(f"  {number} more on watch: {outcome.watch_other}; set aside: {len(aside)}")
        lines += [f"      {a['what']}: {a['reason']}" for a in aside]
    return "\n".join(lines)


def recall_table(verdicts: Sequence[Verdict]) -> Table:
    """Recall by kind and size."""
    rows: list[tuple[str, ...]] = []
    for kind in (*KINDS, "all"):
        row = [kind]
        mine = [v for v in verdicts if kind in (v.truth.kind, "all")]
        limits = [*pairwise(EDGES), (1000.0, 1e9)]
        for low, high in limits:
            part = [v for v in mine if low <= v.truth.area_m2 < high]
            found = sum(v.state == "found" for v in part)
            row.append(
                counted(found, len(part)) if high > 9e8 or kind == "all" else f"{found}/{len(part)}"
            )
        rows.append(tuple(row))
    columns = ("kind", "400–1,000 m²", "1,000–2,500", "2,500–10,000", "1–5 ha", "≥ 1,000 m²")
    return Table("Recall of suspected cases", columns, tuple(rows))


def measure(data: Path, out: Path) -> Section:
    """Run the series and give the section."""
    with Pool(2, "series") as pool:
        return begin(pool, data, out)()


def begin(pool: Pool, data: Path, out: Path, seeds: int = SERIES) -> Callable[[], Section]:
    """Begin the series; the answer waits for them and gives the section."""
    if not _there(data):
        section = Section("real_injected", TITLE, (), note=f"Not measured: no imagery in {data}.")
        return lambda: section
    jobs = series_of(seeds)
    waiting = pool.begin(partial(one, data, out / "injected"), jobs)
    return lambda: section_of(jobs, waiting())


def series_of(seeds: int) -> list[Case]:
    """Give the report's series; the odd ones fall below all levels of their history."""
    return [Case(s, plan=Plan(drought=bool(s % 2))) for s in range(seeds)]


def _there(data: Path) -> bool:
    return (data / "s2_l2a_boadella_reservoir").is_dir()


def section_of(jobs: Sequence[Case], outcomes: Sequence[Outcome]) -> Section:
    """Count what came out of the series."""
    verdicts = [v for o in outcomes for v in o.verdicts]
    false = sum(len(o.false) for o in outcomes)
    months = sum(j.plan.patrol_days for j in jobs) / 30.44
    exposure = LENGTH_KM / 100 * months
    low, high = poisson(false, exposure)
    density = false / exposure
    large = [v for v in verdicts if v.truth.area_m2 >= 1000]
    recall = sum(v.state == "found" for v in large) / max(len(large), 1)
    found = [v for v in verdicts if v.state == "found"]
    waited = [float(v.looks) if v.state == "found" else math.inf for v in verdicts]
    delays = median_interval(waited)
    rows = (
        ("false cases", false),
        ("exposure [100 km · month]", exposure),
        ("false per 100 km and month", f"{density:.2f} ({low:.2f}–{high:.2f})"),
        ("clear looks to suspected, median of the found", median([v.looks for v in found])),
        ("… of all, missed as not reached", median(waited)),
        (
            "right kind (占 / 采 / 堆 or 建) among found",
            f"{_right_kind(found):.2f} macro of {len(found)}",
        ),
        ("other entries on watch", sum(o.watch_other for o in outcomes)),
    )
    tables = (
        recall_table(verdicts),
        Table("Beside recall", ("measure", "value"), rows),
        _causes(outcomes),
    )
    sure = wilson(sum(v.state == "found" for v in large), len(large))
    numbers = {"recall_large": recall, "recall_large_low": sure[0], "recall_large_high": sure[1]}
    numbers |= {"false": density, "false_low": low, "false_high": high}
    numbers |= dict(zip(("delay_all", "delay_all_low", "delay_all_high"), delays, strict=True))
    numbers["kind_macro"] = _right_kind(found)
    return Section("real_injected", TITLE, tables, numbers)


def _causes(outcomes: Sequence[Outcome]) -> Table:
    """Count false cases by what they lie on, and missed objects by why."""
    false = Counter(_cause(f) for o in outcomes for f in o.false)
    missed = Counter(
        f"{v.state}{', uncertain' if v.why.startswith('uncertain') else ''}"
        for o in outcomes
        for v in o.verdicts
        if v.state != "found"
    )
    rows = [("false", k, v) for k, v in false.most_common()]
    rows += [("missed", k, v) for k, v in missed.most_common()]
    note = (
        "A second case on an object, or a fragment of it, is false too. A felled wood is a trap "
        "that imagery of 10 m cannot tell from a clearing for building."
    )
    return Table("Why", ("", "on or because", "number"), tuple(rows), note)


def _cause(case: FalseCase) -> str:
    what, _, name = case.lies_on.partition(":")
    return f"again on {what}" if name.split("-")[0] in KINDS else what


def _right_kind(found: Sequence[Verdict]) -> float:
    """Average the share of right kinds over 占, 采, 堆 or 建; NaN of nothing."""

    def group(kind: str) -> str:
        return "dui/jian" if kind in ("dui", "jian") else kind

    shares: list[float] = []
    for name in ("zhan", "cai", "dui/jian"):
        mine = [v for v in found if group(v.truth.kind) == name]
        if mine:
            shares.append(sum(group(v.case_kind) == name for v in mine) / len(mine))
    return float(np.mean(shares)) if shares else math.nan


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("out/accuracy"))
    parser.add_argument("--seeds", type=int, default=SERIES)
    parser.add_argument("--jobs", type=int, default=2, help="processes; default 2")
    parser.add_argument("--explain", action="store_true", help="list what was missed and why")
    given = parser.parse_args()
    if not _there(given.data):
        parser.error(f"no imagery in {given.data}")
    jobs = series_of(given.seeds)
    with Pool(given.jobs, "series") as pool:
        outcomes = pool.begin(partial(one, given.data, given.out / "injected"), jobs)()
    if given.explain:
        print(explain(outcomes))
    print(markdown(section_of(jobs, outcomes)))


if __name__ == "__main__":
    main()
