"""Which look shows the ground before a case, and which shows the case."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from pipeline.model import Case, Pass, Seen

_TRIED = 24  # looks that are asked for how clear they are; the mask of each is read for that
_SEASON_DAYS = 45  # from one day of the year to another of the same season
_LEAST = 0.5  # of the case's own pixels: what shows less of it is no picture of it


@dataclass(frozen=True, order=True)
class Clear:
    """How much of a picture can be seen, 0..1."""

    case: float  # of the pixels of the case
    ground: float  # of all that is shown

    def enough(self, share: float) -> bool:
        """Whether nothing that matters is hidden."""
        return self.case >= 0.99 and self.ground >= share


HowClear = Callable[[Pass], Clear]


def season_apart(one: datetime, other: datetime) -> int:
    """Count the days between two days of the year, 0..182: 20 December and 5 January are 16."""
    days = abs(one.timetuple().tm_yday - other.timetuple().tm_yday)
    return min(days, 365 - min(days, 365))


def same_season(one: datetime, other: datetime) -> bool:
    """Tell whether fields and woods look alike on two days, whatever the year."""
    return season_apart(one, other) <= _SEASON_DAYS


def choose_before(
    case: Case,
    passes: Sequence[Pass],
    how_clear: HowClear,
    enough: float,
    after: Pass | None = None,
) -> Pass | None:
    """Choose the picture of the ground without the case.

    Of the looks up to ``appeared_after`` (the last clear one without it; where there is none, of
    those before the first sighting) the newest that is clear enough and of the same season as
    ``after``, so that a crop or a leafless wood is not taken for the change; without such a one the
    newest that is clear enough; if none is, the clearest of those that were tried, 24 each.
    Looks that saw it earlier, before it went and came back, are no such picture.
    """
    e = case.evidence
    hits = {k.pass_id for k in case.looks if k.seen is Seen.HIT}
    if e.appeared_after is not None:
        able = [p for p in passes if p.acquired <= e.appeared_after]
    else:
        able = [p for p in passes if e.first_seen is not None and p.acquired < e.first_seen]
    able = [p for p in able if p.id not in hits]
    alike = [p for p in able if after is not None and same_season(p.acquired, after.acquired)]
    return _best([alike, able], how_clear, enough)


def choose_after(
    case: Case, passes: Sequence[Pass], how_clear: HowClear, enough: float
) -> Pass | None:
    """Choose the picture of the case, likewise: of the looks that saw it since it appeared."""
    first = case.evidence.first_seen
    hits = {
        k.pass_id for k in case.looks if k.seen is Seen.HIT and (first is None or k.on >= first)
    }
    return _best([[p for p in passes if p.id in hits]], how_clear, enough)


def _best(lists: Sequence[Sequence[Pass]], how_clear: HowClear, enough: float) -> Pass | None:
    """Give the newest that is clear enough of the first list that has one, else the clearest."""
    asked: dict[str, Clear] = {}
    found: list[tuple[Clear, Pass]] = []
    for able in lists:
        for p in sorted(able, key=lambda p: (p.acquired, p.id), reverse=True)[:_TRIED]:
            if p.id in asked:
                continue
            clear = asked[p.id] = how_clear(p)
            if clear.enough(enough):
                return p
            if clear.case >= _LEAST:
                found.append((clear, p))
    # Of equals the one of the season, then the newest: that comes first.
    return max(found, key=lambda f: f[0])[1] if found else None
