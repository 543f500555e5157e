"""Ours against two dates, on the same seeds, pixels and smallest area."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.accuracy.baselines import FACTORS, METHODS
from benchmarks.accuracy.report import Section, Table
from benchmarks.accuracy.simulated.scoring import score_seed
from benchmarks.accuracy.simulated.tables import exposure_of, false_ones
from benchmarks.accuracy.stats import rate, share

_COUNTS = (
    "all", "found_all", "all_large", "found_all_large", "asked_large", "found_large", "false",
)  # fmt: skip


def section(results: Sequence[Mapping[str, Any]]) -> Section:
    """Sweep each baseline's threshold and set its best recall beside ours."""
    scored = [score_seed(r, layers=False) for r in results]
    fates = [f for s in scored for f in s.fates]
    exposure = exposure_of(scored, empty=False)
    large = [f for f in fates if f.area_m2 >= 1000]
    wanted = [f for f in large if f.asked]
    mine = len(false_ones(scored, empty=False))
    told = [sum(f.shelf == "suspected" for f in own) for own in (fates, large, wanted)]
    rows: list[tuple[str | int | float | None, ...]] = [
        ("this project", "-", share(told[0], len(fates)), share(told[1], len(large)),
         share(told[2], len(wanted)), mine, rate(mine, exposure), 1.0)
    ]  # fmt: skip
    numbers: dict[str, float] = {}
    best_false: list[float] = []
    for method in METHODS:
        sums = {f: _sums(results, method, f) for f in FACTORS}
        best = max(FACTORS, key=lambda f: (sums[f]["found_all"], -sums[f]["false"]))
        for factor in FACTORS:
            s = sums[factor]
            mark = " (best recall)" if factor == best else ""
            rows.append(
                (method, f"{factor:g}{mark}", share(s["found_all"], s["all"]),
                 share(s["found_all_large"], s["all_large"]),
                 share(s["found_large"], s["asked_large"]), s["false"],
                 rate(s["false"], exposure), s["false"] / max(mine, 1))
            )  # fmt: skip
        best_false.append(sums[best]["false"])
    numbers["times_fewer"] = min(best_false) / max(mine, 1) if best_false else math.nan
    table = Table(
        "Recall and false objects",
        ("method", "threshold, times Otsu's", "recall, all sizes", "recall ≥ 1000 m²",
         "of those asked for", "false",
         "false per 100 km and month", "times ours"),
        tuple(rows),
        "Both in all corridors of all seeds. A baseline compares the clearest date of late 2025"
        " with the clearest of late 2024, once; ours watched every look of the twelve months"
        " between. The same objects, the same matching, four pixels or more.",
    )  # fmt: skip
    return Section("baselines", "Two dates on the same pixels", (table,), numbers)


def _sums(results: Sequence[Mapping[str, Any]], method: str, factor: float) -> dict[str, int]:
    own = [
        b
        for r in results
        for b in r["baselines"]
        if b["method"] == method and b["factor"] == factor
    ]
    return {k: sum(int(b[k]) for b in own) for k in _COUNTS}
