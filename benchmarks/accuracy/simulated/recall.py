"""Tables of recall: of all objects, and of those that enough looks could show.

Both are told side by side: that an object was hard to see is an excuse, and no detection.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from benchmarks.accuracy.report import Table
from benchmarks.accuracy.simulated.scoring import Fate
from benchmarks.accuracy.simulated.series import LEAST_LOOKS
from benchmarks.accuracy.stats import share, wilson

EDGES_M2 = (400, 630, 1000, 1600, 2500, 4000, 6300, 10_000, 20_000, 65_000)
STOOD_DAYS = (75, 120, 180, 270, 366)  # objects come until the middle of October
KINDS = ("zhan", "cai", "dui", "jian")
_COUNTED = (
    "objects", "suspected", "on watch", "missed", "recall [95 %]", "suspected or on watch",
    "not asked for", "recall of those asked for [95 %]",
)  # fmt: skip


def recall_table(every: Sequence[Fate]) -> Table:
    """Count suspected, on watch and missed of all objects, by size class and kind."""
    rows: list[tuple[str | int, ...]] = []
    for name, low, high in (("≥ 1000 m²", 1000, 1e9), ("400-1000 m²", 0, 1000)):
        for kind in (None, *KINDS):
            own = [f for f in every if low <= f.area_m2 < high and kind in (None, f.kind)]
            rows.append((name, kind or "all", *_counts(own)))
    return Table(
        "Recall of suspected cases", ("size", "kind", *_COUNTED), tuple(rows),
        "Recall is of all objects; not asked for are those that fewer than"
        f" {LEAST_LOOKS} looks could show (a fill shows where water belongs, a pit in a bar where"
        " the bar is dry). A case of any kind counts; which kind it was given is a table of its"
        " own.",
    )  # fmt: skip


def _counts(own: Sequence[Fate]) -> tuple[str | int, ...]:
    told = sum(f.shelf == "suspected" for f in own)
    noted = sum(f.shelf == "watch" for f in own)
    wanted = [f for f in own if f.asked]
    return (
        len(own), told, noted, len(own) - told - noted, share(told, len(own)),
        share(told + noted, len(own)), len(own) - len(wanted),
        share(sum(f.shelf == "suspected" for f in wanted), len(wanted)),
    )  # fmt: skip


def curve_table(every: Sequence[Fate]) -> Table:
    """Draw the recall of all objects over size and kind."""
    rows: list[tuple[str, ...]] = []
    for low, high in pairwise(EDGES_M2):
        own = [f for f in every if low <= f.area_m2 < high or (low == EDGES_M2[0] > f.area_m2)]
        cells = [_cell(own), _cell([f for f in own if f.asked])]
        cells += [_cell([f for f in own if f.kind == k]) for k in KINDS]
        rows.append((f"{low}-{high}", *cells))
    return Table(
        "Recall by size and kind", ("area m²", "all", "of those asked for", *KINDS), tuple(rows)
    )


def _cell(own: Sequence[Fate]) -> str:
    told = sum(f.shelf == "suspected" for f in own)
    return f"{told}/{len(own)} = {share(told, len(own))}" if own else "-"


def stood_table(every: Sequence[Fate]) -> Table:
    """Count the large objects by how long they had stood when the patrol ended."""
    large = [f for f in every if f.area_m2 >= 1000]
    rows: list[tuple[str | int, ...]] = []
    for low, high in pairwise(STOOD_DAYS):
        own = [f for f in large if low <= f.stood_days < high]
        rows.append(
            (
                f"{low}-{high}",
                *_counts(own),
                *(_cell([f for f in own if f.kind == k]) for k in KINDS),
            )
        )
    return Table(
        "Recall by how long an object had stood at the end, ≥ 1000 m²",
        ("days", *_COUNTED, *KINDS), tuple(rows),
        "From its appearance to the end of the patrol, while many grow. What looks like something"
        " that passes is told once it has outlasted that: 60 days of water on land, 90 of soil.",
    )  # fmt: skip


def setting_table(every: Sequence[Fate]) -> Table:
    """Count by what the object is made of and where it stands."""
    groups = sorted({(f.kind, f.setting, f.material) for f in every})
    rows = [
        (*g, *_counts([f for f in every if (f.kind, f.setting, f.material) == g])) for g in groups
    ]
    return Table(
        "By setting and material, all sizes", ("kind", "setting", "material", *_COUNTED),
        tuple(rows),
    )  # fmt: skip


def recall_numbers(every: Sequence[Fate]) -> dict[str, float]:
    """Give ``recall_large`` and ``recall_small`` of all objects, ``…_asked`` of those asked for."""
    out: dict[str, float] = {}
    for size, low, high in (("large", 1000, 1e9), ("small", 0, 1000)):
        own = [f for f in every if low <= f.area_m2 < high]
        for name, some in (("", own), ("_asked", [f for f in own if f.asked])):
            told = sum(f.shelf == "suspected" for f in some)
            key = f"recall_{size}{name}"
            out[key] = told / max(len(some), 1)
            out[f"{key}_low"], out[f"{key}_high"] = wilson(told, len(some))
    return out
