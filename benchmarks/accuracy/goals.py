"""The goals of the issue beside what was reached."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.accuracy.report import Table
from benchmarks.accuracy.stats import reached


@dataclass(frozen=True)
class Goal:
    """A goal; ``number`` is ``section.name`` of what is held against it, with _low and _high.

    An infinite ``limit`` asks for the number only.
    """

    what: str
    number: str
    goal: str
    limit: float
    above: bool  # at least the limit; else at most
    use: str = ""  # "_high": the upper bound is held against the limit, and not the value


GOALS = (
    Goal("recall of suspected cases ≥ 1,000 m², simulated, all objects", "simulated.recall_large",
         "≥ 0.95", 0.95, True),
    Goal("… ≥ 1,000 m², of those that four looks could show", "simulated.recall_large_asked",
         "≥ 0.95", 0.95, True),
    Goal("recall 400-1,000 m², simulated, all objects", "simulated.recall_small", "≥ 0.75", 0.75,
         True),
    Goal("… 400-1,000 m², of those that four looks could show", "simulated.recall_small_asked",
         "≥ 0.75", 0.75, True),
    Goal("false suspected per 100 km and month, upper bound, simulated, with the works layer",
         "simulated.false", "≤ 0.5, stretch 0.1", 0.5, False, "_high"),
    Goal("the same of what stood in a month's list, seeds run month by month",
         "simulated.monthly_false", "≤ 0.5, stretch 0.1", 0.5, False, "_high"),
    Goal("right kind among the found, macro-averaged", "simulated.kind_macro", "≥ 0.85", 0.85,
         True),
    Goal("median position error of the outline [m]", "simulated.offset_m", "≤ 5", 5.0, False),
    Goal("area bias, simulated [share], kinds pooled", "simulated.area_bias", "within ± 0.10",
         0.10, False),
    Goal("area bias of the kind farthest from zero", "simulated.area_bias_worst",
         "within ± 0.10", 0.10, False),
    Goal("area off, without sign, median [share]", "simulated.area_off", "≤ 0.10", 0.10, False),
    Goal("clear looks from appearance to suspected, median of all asked for, missed as not"
         " reached", "simulated.delay_asked", "≤ 3", 3.0, False),
    Goal("the same of the found", "simulated.delay", "≤ 3", 3.0, False),
    Goal("waterline RMSE, simulated [m]", "simulated.waterline_m", "≤ 2", 2.0, False),
    Goal("false alarms of the baselines at their best recall, over ours",
         "baselines.times_fewer", "≥ 10", 10.0, True),
    Goal("reliability minus confidence, nearest end of the 95 % interval, worst bin of ≥ 200",
         "confidence.reach", "≤ 0.08", 0.08, False),
    Goal("water F1, labelled chip as it is (level 1C)", "real_water.water_f1",
         "≥ 0.87, stretch 0.90", 0.87, True),
    Goal("water F1 with the path taken off (as surface reflectance)", "real_water.water_f1_surface",
         "≥ 0.87, stretch 0.90", 0.87, True),
    Goal("suspected 乱占 on the real drawdown sequence", "real_sequence.drawdown_suspected_zhan",
         "0", 0.0, False),
    Goal("fills ≥ 1,000 m² pasted into the same dates, on watch or more",
         "real_sequence.drawdown_fill_recall", "≥ 0.7", 0.7, True),
    Goal("largest share of the corridor called unknown there",
         "real_sequence.drawdown_unknown_share", "reported", math.inf, False),
    Goal("recall ≥ 1,000 m², injected", "real_injected.recall_large", "≥ 0.85", 0.85, True),
    Goal("false suspected per 100 km and month, upper bound, injected", "real_injected.false",
         "≤ 1", 1.0, False, "_high"),
    Goal("right kind among the found, injected", "real_injected.kind_macro", "≥ 0.85", 0.85, True),
    Goal("clear looks to suspected, injected, median of all, missed as not reached",
         "real_injected.delay_all", "≤ 3", 3.0, False),
)  # fmt: skip


def goals_table(numbers: Mapping[str, float]) -> Table:
    """Hold the numbers of all sections against the goals; what was not measured says so."""
    rows = [(g.what, g.goal, *_reached(g, numbers)) for g in GOALS]
    return Table("", ("measure", "goal", "reached", "95 %", "met"), tuple(rows))


def _reached(goal: Goal, numbers: Mapping[str, float]) -> tuple[str, str, str]:
    value = numbers.get(goal.number, math.nan)
    if math.isnan(value):
        return "not measured here", "", ""
    low, high = (numbers.get(f"{goal.number}_{end}", math.nan) for end in ("low", "high"))
    span = "" if math.isnan(low) else f"{reached(low)} to {reached(high)}"
    if math.isinf(goal.limit):
        return reached(value), span, "reported"
    held = numbers.get(goal.number + goal.use, value)
    met = held >= goal.limit if goal.above else abs(held) <= goal.limit
    return reached(value), span, "yes" if met else "**no**"
