"""The simulated part of the report, from scored seeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.accuracy.report import Section, Table
from benchmarks.accuracy.simulated.geometry import (
    geometry_numbers,
    geometry_table,
    kind_table,
)
from benchmarks.accuracy.simulated.monthly import months_tables
from benchmarks.accuracy.simulated.recall import (
    KINDS,
    curve_table,
    recall_numbers,
    recall_table,
    setting_table,
    stood_table,
)
from benchmarks.accuracy.simulated.scoring import Fate, Scored, Stray, score_seed
from benchmarks.accuracy.simulated.shore_table import shore_table
from benchmarks.accuracy.stats import poisson, rate, share

YIELDS = (0.1, 0.5, 1.0)  # true cases per 100 km and month


def asked(scored: Iterable[Scored]) -> list[Fate]:
    """Give the objects that enough looks could show."""
    return [f for s in scored for f in s.fates if f.asked]


def false_ones(scored: Iterable[Scored], *, empty: bool) -> list[Stray]:
    """Give the false suspected cases; ``empty``: in corridors without an object only."""
    strays = (t for s in scored for t in s.strays if t.shelf == "suspected")
    return [t for t in strays if t.empty or not empty]


def false_table(scored: Sequence[Scored]) -> Table:
    """Give the density of false suspected cases."""
    rows: list[tuple[str | int | float | None, ...]] = []
    for name, empty in (("corridors without a case", True), ("all corridors", False)):
        exposure = exposure_of(scored, empty=empty)
        own = false_ones(scored, empty=empty)
        for kind in (None, *KINDS):
            n = sum(kind in (None, t.kind) for t in own)
            rows.append((name, kind or "all", n, exposure, rate(n, exposure)))
    told = [
        sum(t.shelf == "suspected" and t.corridor == c for t in s.strays)
        for s in scored
        for c in s.exposure
        if c != s.home
    ]
    return Table(
        "False suspected cases per 100 km and month",
        ("where", "kind", "false", "exposure [100 km x month]", "density [95 %, exact Poisson]"),
        tuple(rows),
        "Exposure is the length of the river's centreline, or of the axes of the reservoir's arms,"
        " inside the corridor, times the twelve months of the patrol."
        " Every seed is a site of its own, and all kinds of traps are on each."
        f" Of {len(told)} corridors without a case {sum(n == 0 for n in told)} have no false one,"
        f" and the worst has {max(told, default=0)}: where they cluster the interval is too short.",
    )


def exposure_of(scored: Iterable[Scored], *, empty: bool) -> float:
    """Sum the exposure [100 km x month]."""
    return sum(s.empty_exposure if empty else sum(s.exposure.values()) for s in scored)


def cause_table(scored: Sequence[Scored]) -> Table:
    """Count what lies under false cases, and under other entries on watch."""
    told: Counter[str] = Counter()
    noted: Counter[str] = Counter()
    for s in scored:
        for t in s.strays:
            (told if t.shelf == "suspected" else noted)[t.like] += 1
    rows = [(k, told[k], noted[k]) for k in sorted(told | noted, key=lambda k: (-told[k], k))]
    return Table("What lies under them", ("what", "false suspected", "on watch"), tuple(rows))


def layers_table(with_layers: Sequence[Scored], without: Sequence[Scored]) -> Table:
    """Set the result with the office's works layer beside the one without any layer."""
    rows: list[tuple[str | int | float, ...]] = []
    for name, scored in (("with the office's works layer", with_layers), ("without it", without)):
        large = [f for s in scored for f in s.fates if f.area_m2 >= 1000]
        recalls = [_recall(own) for own in (large, [f for f in large if f.asked])]
        empty, every = (len(false_ones(scored, empty=e)) for e in (True, False))
        exposure = exposure_of(scored, empty=True)
        rows.append((name, *recalls, every, empty, rate(empty, exposure)))
    return Table(
        "What the office's works layer explains",
        (
            "counted", "recall ≥ 1000 m² [95 %]", "of those asked for", "false in all corridors",
            "false in corridors without a case", "per 100 km and month [95 %]",
        ),
        tuple(rows),
        "The layer holds the two works of the world (a dam's slope, a levee), as rectangles with"
        " 20 m of ground around them, approved for the months of the works and one more.",
    )  # fmt: skip


def _recall(own: Sequence[Fate]) -> str:
    return share(sum(f.shelf == "suspected" for f in own), len(own))


def precision_table(scored: Sequence[Scored]) -> Table:
    """Derive precision at assumed yields from the recall of all objects and the density."""
    large = [f for s in scored for f in s.fates if f.area_m2 >= 1000]
    told = sum(f.shelf == "suspected" for f in large)
    recall = told / max(len(large), 1)
    exposure = exposure_of(scored, empty=True)
    n = len(false_ones(scored, empty=True))
    low, high = poisson(n, max(exposure, 1e-9))
    densities = (n / max(exposure, 1e-9), high, low)
    rows = [
        tuple(f"{y * recall / max(y * recall + d, 1e-9):.2f}" for d in densities) for y in YIELDS
    ]
    return Table(
        "Precision that follows",
        (
            "true cases per 100 km and month",
            "precision",
            "at the upper bound",
            "at the lower bound",
        ),
        tuple((y, *r) for y, r in zip(YIELDS, rows, strict=True)),
    )


def section(results: Sequence[Mapping[str, Any]]) -> Section:
    """Put the simulated part together."""
    scored = [score_seed(r) for r in results]
    without = [score_seed(r, layers=False) for r in results]
    shore, numbers = shore_table(results)
    every = [f for s in scored for f in s.fates]
    fates = asked(scored)
    kinds, macro = kind_table(every)
    months, said = months_tables(results, scored)
    tables = (
        recall_table(every), curve_table(every), stood_table(every), setting_table(every),
        false_table(scored), layers_table(scored, without), cause_table(scored),
        precision_table(scored), kinds, geometry_table(fates), *months, shore,
    )  # fmt: skip
    seeds = [s.seed for s in scored if s.home]
    lost = Counter(f.kind for f in every if not f.asked)
    note = (
        f"{len(seeds)} seeds with objects, {len(scored) - len(seeds)} without; two years, every"
        f" fifth day, one clear look in three; patrol of the second year. {len(every)} objects;"
        f" {len(every) - len(fates)} of them"
        f" ({', '.join(f'{k} {lost[k]}' for k in KINDS)}) could be shown by fewer than four looks."
        " They count in the recall of all objects, and not in that of those asked for."
        " In a seed with objects one corridor holds them and the other stays empty."
        " The code that ran is that of `siluan run`, from catalogue to ledger, with the layer of"
        " approved works that an office has."
    )
    numbers |= recall_numbers(every) | geometry_numbers(fates) | said | {"kind_macro": macro}
    return Section("simulated", "Simulated", tables, numbers | _false_numbers(scored), note)


def _false_numbers(scored: Sequence[Scored]) -> dict[str, float]:
    exposure = exposure_of(scored, empty=True)
    n = len(false_ones(scored, empty=True))
    low, high = poisson(n, max(exposure, 1e-9))
    density = n / max(exposure, 1e-9)
    return {"exposure": exposure, "false": density, "false_low": low, "false_high": high}


def miss_table(scored: Sequence[Scored]) -> Table:
    """List what was not suspected, one by one; for development seeds only."""
    rows = [
        (
            f.seed,
            f.id,
            f.setting,
            f.material,
            round(f.area_m2),
            f.shelf if f.asked else f"{f.shelf}, not asked for",
            f.why,
        )
        for s in scored
        for f in s.fates
        if f.shelf != "suspected"
    ]
    rows += [
        (t.seed, t.id, t.kind, t.corridor, round(t.area_m2), "FALSE", f"{t.like}, score {t.score}")
        for s in scored
        for t in s.strays
        if t.shelf == "suspected"
    ]
    return Table(
        "Missed, on watch and false, one by one",
        ("seed", "id", "setting", "material", "m²", "shelf", "why"),
        tuple(rows),
    )
