"""The simulated part of the report, from scored seeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.accuracy.report import Section, Table
from benchmarks.accuracy.simulated.scoring import Fate, Scored, Stray, score_seed
from benchmarks.accuracy.simulated.shore_table import shore_table
from benchmarks.accuracy.stats import median, median_interval, poisson, rate, share, wilson

EDGES_M2 = (400, 630, 1000, 1600, 2500, 4000, 6300, 10_000, 20_000, 65_000)
KINDS = ("zhan", "cai", "dui", "jian")
GROUPS = {"zhan": "占", "cai": "采", "dui": "堆/建", "jian": "堆/建"}
YIELDS = (0.1, 0.5, 1.0)  # true cases per 100 km and month


def asked(scored: Iterable[Scored]) -> list[Fate]:
    """Give the objects that enough looks could show."""
    return [f for s in scored for f in s.fates if f.asked]


def false_ones(scored: Iterable[Scored], *, empty: bool) -> list[Stray]:
    """Give the false suspected cases; ``empty``: in corridors without an object only."""
    strays = (t for s in scored for t in s.strays if t.shelf == "suspected")
    return [t for t in strays if t.empty or not empty]


def recall_table(fates: Sequence[Fate]) -> Table:
    """Count suspected, on watch and missed, by size class and kind."""
    rows: list[tuple[str | int | float | None, ...]] = []
    for name, low, high in (("≥ 1000 m²", 1000, 1e9), ("400-1000 m²", 0, 1000)):
        for kind in (None, *KINDS):
            own = [f for f in fates if low <= f.area_m2 < high and kind in (None, f.kind)]
            rows.append((name, kind or "all", *_counts(own)))
    return Table(
        "Recall of suspected cases", ("size", "kind", "objects", "suspected", "on watch", "missed",
        "recall [95 %]", "suspected or on watch"), tuple(rows),
        "A case of any kind counts; which kind it was given is a table of its own.",
    )  # fmt: skip


def _counts(own: Sequence[Fate]) -> tuple[str | int, ...]:
    told = sum(f.shelf == "suspected" for f in own)
    noted = sum(f.shelf == "watch" for f in own)
    return (
        len(own), told, noted, len(own) - told - noted, share(told, len(own)),
        share(told + noted, len(own)),
    )  # fmt: skip


def curve_table(fates: Sequence[Fate]) -> Table:
    """Draw the recall over size and kind."""
    rows: list[tuple[str, ...]] = []
    for low, high in pairwise(EDGES_M2):
        own = [f for f in fates if low <= f.area_m2 < high or (low == EDGES_M2[0] > f.area_m2)]
        cells = [_cell(own)] + [_cell([f for f in own if f.kind == k]) for k in KINDS]
        rows.append((f"{low}-{high}", *cells))
    return Table("Recall by size and kind", ("area m²", "all", *KINDS), tuple(rows))


def _cell(own: Sequence[Fate]) -> str:
    told = sum(f.shelf == "suspected" for f in own)
    return f"{told}/{len(own)} = {share(told, len(own))}" if own else "-"


def setting_table(fates: Sequence[Fate]) -> Table:
    """Count by what the object is made of and where it stands."""
    groups = sorted({(f.kind, f.setting, f.material) for f in fates})
    rows = [
        (*g, *_counts([f for f in fates if (f.kind, f.setting, f.material) == g])) for g in groups
    ]
    return Table(
        "By setting and material, all sizes", ("kind", "setting", "material", "objects",
        "suspected", "on watch", "missed", "recall [95 %]", "suspected or on watch"), tuple(rows),
    )  # fmt: skip


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
        large = [f for f in asked(scored) if f.area_m2 >= 1000]
        told = sum(f.shelf == "suspected" for f in large)
        empty, every = (len(false_ones(scored, empty=e)) for e in (True, False))
        exposure = exposure_of(scored, empty=True)
        rows.append((name, share(told, len(large)), every, empty, rate(empty, exposure)))
    return Table(
        "What the office's works layer explains",
        (
            "counted", "recall ≥ 1000 m² [95 %]", "false in all corridors",
            "false in corridors without a case", "per 100 km and month [95 %]",
        ),
        tuple(rows),
        "The layer holds the two works of the world (a dam's slope, a levee), as rectangles with"
        " 20 m of ground around them, approved for the months of the works and one more.",
    )  # fmt: skip


def precision_table(fates: Sequence[Fate], scored: Sequence[Scored]) -> Table:
    """Derive precision at assumed yields from recall and density."""
    large = [f for f in fates if f.area_m2 >= 1000]
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


def kind_table(fates: Sequence[Fate]) -> tuple[Table, float]:
    """Cross true and given kinds of what was found; the macro average over 占, 采, 堆/建."""
    found = [f for f in fates if f.shelf == "suspected"]
    rows: list[tuple[str | int, ...]] = []
    right: list[float] = []
    for group in ("占", "采", "堆/建"):
        own = [f for f in found if GROUPS[f.kind] == group]
        hit = sum(GROUPS[f.found_kind or ""] == group for f in own if f.found_kind)
        right += [hit / len(own)] if own else []
        given = [sum(f.found_kind == k for f in own) for k in KINDS]
        rows.append((group, *given, share(hit, len(own))))
    macro = float(np.mean(right)) if right else float("nan")
    return Table(
        "Kind given, among the found", ("true", *KINDS, "right [95 %]"), tuple(rows),
        f"Macro average {macro:.2f}.",
    ), macro  # fmt: skip


def geometry_table(fates: Sequence[Fate]) -> Table:
    """Give position, area and delay of the found."""
    found = [f for f in fates if f.shelf == "suspected"]
    rows: list[tuple[str | int, ...]] = []
    for kind in (None, *KINDS):
        own = [f for f in found if kind in (None, f.kind)]
        delays = [float(f.delay) for f in own if f.delay is not None]
        rows.append(
            (
                kind or "all", len(own), median([f.offset_m for f in own]),
                median([100 * f.area_bias for f in own]), median(delays),
            )
        )  # fmt: skip
    return Table(
        "Outline and delay of the found, medians [95 %]",
        ("kind", "objects", "outline off by m", "area bias %", "clear looks to suspected"),
        tuple(rows),
        "Clear looks are those that could show the object, from its appearance to the one that"
        " made it suspected, both included.",
    )


def section(results: Sequence[Mapping[str, Any]]) -> Section:
    """Put the simulated part together."""
    scored = [score_seed(r) for r in results]
    without = [score_seed(r, layers=False) for r in results]
    shore, numbers = shore_table(results)
    fates = asked(scored)
    kinds, macro = kind_table(fates)
    tables = (
        recall_table(fates), curve_table(fates), setting_table(fates), false_table(scored),
        layers_table(scored, without),
        cause_table(scored), precision_table(fates, scored), kinds, geometry_table(fates),
        shore,
    )  # fmt: skip
    every = [f for s in scored for f in s.fates]
    seeds = [s.seed for s in scored if s.home]
    note = (
        f"{len(seeds)} seeds with objects, {len(scored) - len(seeds)} without; two years, every"
        f" fifth day, one clear look in three; patrol of the second year. {len(every)} objects, of"
        f" which {len(every) - len(fates)} were not asked for: fewer than four looks could show"
        " them. In a seed with objects one corridor holds them and the other stays empty."
        " The code that ran is that of `siluan run`, from catalogue to ledger, with the layer of"
        " approved works that an office has."
    )
    return Section("simulated", "Simulated", tables, numbers | _numbers(fates, scored, macro), note)


def _numbers(fates: Sequence[Fate], scored: Sequence[Scored], macro: float) -> dict[str, float]:
    out: dict[str, float] = {"kind_macro": macro}

    def put(name: str, own: Sequence[Fate]) -> None:
        told = sum(f.shelf == "suspected" for f in own)
        low, high = wilson(told, len(own))
        out.update({name: told / max(len(own), 1), f"{name}_low": low, f"{name}_high": high})

    put("recall_large", [f for f in fates if f.area_m2 >= 1000])
    put("recall_small", [f for f in fates if f.area_m2 < 1000])
    exposure = exposure_of(scored, empty=True)
    n = len(false_ones(scored, empty=True))
    out["exposure"] = exposure
    out["false"] = n / max(exposure, 1e-9)
    out["false_low"], out["false_high"] = poisson(n, max(exposure, 1e-9))
    found = [f for f in fates if f.shelf == "suspected"]
    values: dict[str, Callable[[Fate], float]] = {
        "offset_m": lambda f: f.offset_m,
        "area_bias": lambda f: f.area_bias,
        "delay": lambda f: float("nan") if f.delay is None else float(f.delay),
    }
    for name, of in values.items():
        middle, low, high = median_interval([of(f) for f in found])
        out.update({name: middle, f"{name}_low": low, f"{name}_high": high})
    return out


def miss_table(scored: Sequence[Scored]) -> Table:
    """List what was not suspected, one by one; for development seeds only."""
    rows = [
        (f.seed, f.id, f.setting, f.material, round(f.area_m2), f.shelf, f.why)
        for f in asked(scored)
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
