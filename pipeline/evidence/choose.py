"""Which look shows the ground before a case, and which shows the case."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.model import Case, Pass, Seen

_TRIED = 24  # looks that are asked for how clear they are; the mask of each is read for that
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


def choose_before(
    case: Case, passes: Sequence[Pass], how_clear: HowClear, enough: float
) -> Pass | None:
    """Choose the picture of the ground without the case.

    Of the looks up to ``appeared_after`` (the last clear one without it; where there is none, of
    those before the first sighting) the newest that is clear enough; if none is, the clearest of
    the newest 24. Looks that saw it earlier, before it went and came back, are no such picture.
    """
    e = case.evidence
    hits = {k.pass_id for k in case.looks if k.seen is Seen.HIT}
    if e.appeared_after is not None:
        able = [p for p in passes if p.acquired <= e.appeared_after]
    else:
        able = [p for p in passes if e.first_seen is not None and p.acquired < e.first_seen]
    return _best([p for p in able if p.id not in hits], how_clear, enough)


def choose_after(
    case: Case, passes: Sequence[Pass], how_clear: HowClear, enough: float
) -> Pass | None:
    """Choose the picture of the case, likewise: of the looks that saw it since it appeared."""
    first = case.evidence.first_seen
    hits = {
        k.pass_id for k in case.looks if k.seen is Seen.HIT and (first is None or k.on >= first)
    }
    return _best([p for p in passes if p.id in hits], how_clear, enough)


def _best(able: Sequence[Pass], how_clear: HowClear, enough: float) -> Pass | None:
    newest = sorted(able, key=lambda p: (p.acquired, p.id), reverse=True)[:_TRIED]
    found: list[tuple[Clear, Pass]] = []
    for p in newest:
        clear = how_clear(p)
        if clear.enough(enough):
            return p
        if clear.case >= _LEAST:
            found.append((clear, p))
    # Of equals the newest, which comes first.
    return max(found, key=lambda f: f[0])[1] if found else None
