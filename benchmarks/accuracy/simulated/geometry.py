"""Kind, outline, area and delay of what was found, and the delay of what was not."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.accuracy.report import Table
from benchmarks.accuracy.simulated.recall import KINDS
from benchmarks.accuracy.simulated.scoring import Fate, Whole
from benchmarks.accuracy.stats import median, median_interval, share

GROUPS = {"zhan": "占", "cai": "采", "dui": "堆/建", "jian": "堆/建"}


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


def waited(fate: Fate) -> float:
    """Count the looks that could show an object until it was suspected; inf if it never was."""
    if fate.shelf != "suspected":
        return math.inf
    return math.nan if fate.delay is None else float(fate.delay)


def geometry_table(fates: Sequence[Fate]) -> Table:
    """Give position, area and delay; ``fates`` of the objects that were asked for."""
    rows: list[tuple[str | int, ...]] = []
    for kind in (None, *KINDS):
        own = [f for f in fates if kind in (None, f.kind)]
        found = [f for f in own if f.shelf == "suspected"]
        rows.append(
            (
                kind or "all", len(found), median([f.offset_m for f in found]),
                median([100 * f.area_bias for f in found]),
                median([100 * abs(f.area_bias) for f in found]),
                median([waited(f) for f in found]), len(own), median([waited(f) for f in own]),
            )
        )  # fmt: skip
    whole = wholes(fates)
    if whole:
        rows.append(
            (
                "zhan, all that was heaped up", len(whole), median([w.offset_m for w in whole]),
                median([100 * w.area_bias for w in whole]),
                median([100 * abs(w.area_bias) for w in whole]), "-", "-", "-",
            )
        )  # fmt: skip
    return Table(
        "Outline and delay, medians [95 %]",
        (
            "kind", "found", "outline off by m", "area bias %", "area off %, without sign",
            "clear looks to suspected, of the found", "asked for",
            "the same of all asked for, missed ones as not reached",
        ),
        tuple(rows),
        "Clear looks are those that could show the object, from its appearance to the one that"
        " made it suspected, both included. Not reached: more than half, or as many as the end of"
        " the interval asks for, were never suspected. The truth of a fill is what lies below the"
        " level that the water exceeds on a quarter of the dates; what was heaped up above it, on"
        f" the bank, is {median([100 * w.share for w in whole])} % of that more, and belongs to the"
        " outline of a case: the last row compares with all of it.",
    )  # fmt: skip


def wholes(fates: Sequence[Fate]) -> list[Whole]:
    """Give what was found of fills against all that was heaped up."""
    return [f.whole for f in fates if f.shelf == "suspected" and f.whole is not None]


def geometry_numbers(fates: Sequence[Fate]) -> dict[str, float]:
    """Give medians with their intervals; ``area_bias_worst`` is of the kind farthest from zero.

    ``whole_*`` are of fills against all that was heaped up, and how much more that is.
    """
    found = [f for f in fates if f.shelf == "suspected"]
    values: dict[str, tuple[Callable[[Fate], float], Sequence[Fate]]] = {
        "offset_m": (lambda f: f.offset_m, found),
        "area_bias": (lambda f: f.area_bias, found),
        "area_off": (lambda f: abs(f.area_bias), found),
        "delay": (waited, found),
        "delay_asked": (waited, fates),
    }
    out: dict[str, float] = {}
    for name, (of, own) in values.items():
        middle, low, high = median_interval([of(f) for f in own])
        out.update({name: middle, f"{name}_low": low, f"{name}_high": high})
    for name, values_of in (
        ("whole_offset_m", [w.offset_m for w in wholes(fates)]),
        ("whole_bias", [w.area_bias for w in wholes(fates)]),
        ("whole_off", [abs(w.area_bias) for w in wholes(fates)]),
        ("whole_share", [w.share for w in wholes(fates)]),
    ):
        middle, low, high = median_interval(values_of)
        out.update({name: middle, f"{name}_low": low, f"{name}_high": high})
    kinds = [median_interval([f.area_bias for f in found if f.kind == k]) for k in KINDS]
    known = [k for k in kinds if not math.isnan(k[0])]
    if known:
        middle, low, high = max(known, key=lambda k: abs(k[0]))
        out |= {"area_bias_worst": middle, "area_bias_worst_low": low, "area_bias_worst_high": high}
    return out
