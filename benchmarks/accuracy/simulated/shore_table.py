"""The waterline's table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.accuracy.report import Table

METHODS = (
    "fit of the edge",
    "local endmembers, NIR",
    "water score, as in states",
    "zero of MNDWI",
)


def shore_table(results: Sequence[Mapping[str, Any]]) -> tuple[Table, dict[str, float]]:
    """Give the RMSE of traced waterlines, and that of the first method with its interval."""
    rows: list[tuple[str | int | float, ...]] = []
    every = [s for r in results for s in r.get("shore", ())]
    corridors = sorted({s["corridor"] for s in every})
    for method in METHODS:
        for corridor in corridors:
            own = [s for s in every if s["method"] == method and s["corridor"] == corridor]
            points, far, shore, near = (
                sum(s[k] for s in own) for k in ("points", "far", "shore", "traced")
            )
            rows.append(
                (method, corridor, len(own), points, f"{_rmse(own):.1f}",
                 f"{far / max(points + far, 1):.2%}", f"{near / max(shore, 1):.1%}")
            )  # fmt: skip
    first = [s for s in every if s["method"] == METHODS[0]]
    table = Table(
        "Waterline",
        (
            "method",
            "corridor",
            "dates",
            "vertices",
            "RMSE m",
            "farther than 30 m, not counted",
            "of the true shore",
        ),
        tuple(rows),
        "Against the true shore at the level of the date, on the three clearest dates of each"
        " corridor, after the clear-sky mask and the registration of `prepare`; 60 m around"
        " objects and drawn traps are left out. Along a river only water that is a channel's is"
        " traced, by every method. Of the true shore: what a line comes within 30 m of.",
    )
    if not first:
        return table, {}
    rng = np.random.default_rng(0)
    again = [
        _rmse([first[int(i)] for i in rng.integers(0, len(first), len(first))]) for _ in range(500)
    ]
    low, high = (float(np.quantile(again, q)) for q in (0.025, 0.975))
    return table, {"waterline_m": _rmse(first), "waterline_m_low": low, "waterline_m_high": high}


def _rmse(rows: Sequence[Mapping[str, Any]]) -> float:
    points = sum(s["points"] for s in rows)
    return math.sqrt(sum(s["squares"] for s in rows) / points) if points else math.nan
