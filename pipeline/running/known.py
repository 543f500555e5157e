"""What the ledger knows of the corridors of a run, and of corridors that are no more."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.config import Workflow
from pipeline.errors import ConfigurationError
from pipeline.io.corridors import load_corridors
from pipeline.io.observed import read_looks
from pipeline.ledger import LedgerContext, heirs_of, inherit
from pipeline.ledger.interface import LedgerReader
from pipeline.model import DRONE, Case, Corridor

log = logging.getLogger("siluan")

_YEAR = 365  # days: less of history before a patrol does not know all seasons of its ground


@dataclass(frozen=True)
class KnownCases:
    """The cases of the corridors of a run, with those that go on in them."""

    cases: tuple[Case, ...]  # each in the corridor in which it goes on
    siblings: tuple[str, ...]  # ids of all corridors of the file, in its order
    heirs: Mapping[str, str]  # case id to that corridor, of those whose own is no more

    def told_to(self, context: LedgerContext) -> LedgerContext:
        """Give the context of the run with what it must know of other corridors."""
        return replace(context, siblings=self.siblings, heirs=self.heirs)


def known_cases(
    ledger: LedgerReader, workflow: Workflow, corridors: Sequence[Corridor]
) -> KnownCases:
    """Read the cases of a run's corridors, and find homes for those whose corridor is no more.

    A corridor that got another id, or was drawn anew with its neighbours, is not in the file any
    longer; who said something of its cases said it of the ground. What lies in no corridor of
    this run stays as it is.
    """
    siblings = tuple(c.id for c in load_corridors(workflow.corridors.file))
    own = ledger.cases(corridors={c.id for c in corridors})
    gone = {name for name, _ in ledger.systems()} - set(siblings)
    if not gone:
        return KnownCases(own, siblings, {})
    left = ledger.cases(corridors=gone)
    heirs = heirs_of(left, {c.id: c.polygon_wgs84 for c in corridors}, siblings)
    moved = Counter((c.corridor_id, heirs[c.case_id]) for c in left if c.case_id in heirs)
    for (old, new), n in sorted(moved.items()):
        log.warning("the file has no corridor '%s': %d case(s) of it go on in '%s'", old, n, new)
    taken = [c for c in left if c.case_id in heirs]
    every = sorted((*own, *inherit(taken, heirs)), key=lambda c: c.case_id)
    return KnownCases(tuple(every), siblings, heirs)


def keep_history(workflow: Workflow, corridors: Sequence[Corridor], known: KnownCases) -> None:
    """Say that a history is short; refuse to judge cases by less than a year where runs had more.

    What stands when history begins is ordinary ground. A workflow whose ``from`` was moved past
    its own cases would find none of them, and tell the ledger and its receivers so.

    Raises
    ------
    ConfigurationError
        Every such corridor is named.
    """
    period = workflow.period
    patrol = period.patrol_from or period.start
    days = (patrol - period.start).days
    if days >= _YEAR:
        return
    held = Counter(c.corridor_id for c in known.cases if c.merged_into is None)
    short: list[str] = []
    for corridor in corridors:
        looked = read_looks(workflow.state, corridor) if held[corridor.id] else None
        seen = looked.looks if looked else {}
        seen_on = sorted(k.on for name, k in seen.items() if not name.startswith(DRONE))
        if seen_on and seen_on[0] < period.start:
            short.append(f"{corridor.id} ({held[corridor.id]} cases, looks since {seen_on[0]})")
    if not short:
        log.warning(
            "the history begins %d days before the patrol: what stands there by then is not seen "
            "as new, and seasons that it does not hold are not known. Set 'from' of the period "
            "a year before patrol_from.",
            days,
        )
        return
    raise ConfigurationError(
        f"the history begins on {period.start}, {days} days before "
        f"the patrol, and earlier runs had more: {', '.join(short)}. "
        "By less than a year their cases would be lost",
        "Set 'from' of the period back, or patrol_from a year after it; "
        "a trial needs a state folder of its own",
    )
