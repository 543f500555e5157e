"""What a run says of the level of each look: the rank, and whether it is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pipeline.detect.expect import Days, ReachDay
from pipeline.model import stand_alone

_ALONE = (
    "half of the ranks and more from the looks before and after it: a short flood, or misread, and "
    "which is not known"
)


def tell_levels(
    levels: Mapping[str, Days], times: Mapping[str, datetime]
) -> dict[str, list[dict[str, Any] | None]]:
    """Give what each look says of the level of every reach, by pass id.

    Parameters
    ----------
    levels : mapping of pass id to Days
        One entry a reach, and the first of what lies outside them, which is left out.
    times : mapping of pass id to datetime
        UTC.

    Returns
    -------
    dict of list
        None where nothing tells a level; else ``rank`` 0..1, ``below_history`` and ``known``, and
        where that is false ``why``.
    """
    order = sorted(levels, key=lambda i: (times[i], i))
    by_reach = zip(*(levels[i][1:] for i in order), strict=True)
    told = [_of_reach(days, [times[i] for i in order]) for days in by_reach]
    rows = zip(*told, strict=True) if told else ([] for _ in order)
    found = {i: list(row) for i, row in zip(order, rows, strict=True)}
    return {i: found[i] for i in sorted(found)}


def _of_reach(days: Sequence[ReachDay], times: Sequence[datetime]) -> list[dict[str, Any] | None]:
    ranks = [None if day.unusable else day.level.rank for day in days]
    return [
        _entry(day, day.unusable or (_ALONE if alone else ""))
        for day, alone in zip(days, stand_alone(times, ranks), strict=True)
    ]


def _entry(day: ReachDay, why: str) -> dict[str, Any] | None:
    level = day.level
    if level.rank != level.rank:  # NaN
        return None
    out = {"rank": round(level.rank, 4), "below_history": level.saturated, "known": not why}
    return out | ({"why": why} if why else {})
