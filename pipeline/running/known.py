"""What the ledger knows of the corridors of a run, and of corridors that are no more."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.config import Workflow
from pipeline.errors import ConfigurationError
from pipeline.io.corridors import load_corridors
from pipeline.io.judged_by import JudgedBy, note_judged_by, read_judged_by
from pipeline.ledger import LedgerContext, heirs_of, inherit
from pipeline.ledger.interface import LedgerReader
from pipeline.model import Case, Corridor, Status

log = logging.getLogger("siluan")

_YEAR = 365  # days: less of history before a patrol does not know all seasons of its ground
_QUARTER = 92  # days: references are made by quarters, so that less of them changes little


@dataclass(frozen=True)
class KnownCases:
    """The cases of the corridors of a run, with those that go on in them."""

    cases: tuple[Case, ...]  # each in the corridor in which it goes on
    siblings: tuple[str, ...]  # ids of all corridors of the file, in its order
    heirs: Mapping[str, str]  # case id to that corridor, of those whose own is no more
    before: Mapping[str, JudgedBy]  # by corridor: what earlier patrols knew of it, or of its heirs

    def told_to(self, context: LedgerContext) -> LedgerContext:
        """Give the context of the run with what it must know of other corridors."""
        return replace(context, siblings=self.siblings, heirs=self.heirs)


def known_cases(
    ledger: LedgerReader, workflow: Workflow, corridors: Sequence[Corridor]
) -> KnownCases:
    """Read the cases of a run's corridors, and find homes for those whose corridor is no more.

    A corridor that got another id, or was drawn anew with its neighbours, is not in the file any
    longer; who said something of its cases said it of the ground. What another file of corridors
    looked at last stays there, and so does what lies in no corridor of this run.
    """
    file = workflow.corridors.file
    siblings = tuple(c.id for c in load_corridors(file))
    own = ledger.cases(corridors={c.id for c in corridors})
    told = read_judged_by(workflow.state)
    before = {c.id: told[c.id] for c in corridors if c.id in told}
    gone = {name for name, _ in ledger.systems()} - set(siblings)
    gone = {name for name in gone if name in told and told[name].corridors == str(file)}
    if not gone:
        return KnownCases(own, siblings, {}, before)
    left = ledger.cases(corridors=gone)
    heirs = heirs_of(left, {c.id: c.polygon_wgs84 for c in corridors}, siblings)
    moved = Counter((c.corridor_id, heirs[c.case_id]) for c in left if c.case_id in heirs)
    for (old, new), n in sorted(moved.items()):
        log.warning("the file has no corridor '%s': %d case(s) of it go on in '%s'", old, n, new)
        before.setdefault(new, told[old])
    taken = [c for c in left if c.case_id in heirs]
    every = sorted((*own, *inherit(taken, heirs)), key=lambda c: c.case_id)
    return KnownCases(tuple(every), siblings, heirs, before)


def keep_history(workflow: Workflow, corridors: Sequence[Corridor], known: KnownCases) -> None:
    """Say that a history is short; refuse to judge cases by much less than they were found with.

    What stands when history begins is ordinary ground. A workflow whose ``from`` was moved past
    its own cases would find none of them, and tell the ledger and its receivers so.

    Raises
    ------
    ConfigurationError
        Every such corridor is named.
    """
    now = period_of(workflow)
    days = (now.patrol_from - now.start).days
    if days >= _YEAR:
        return
    held = Counter(c.corridor_id for c in known.cases if _may_be_lost(c))
    short: list[str] = []
    for corridor in corridors:
        then = known.before.get(corridor.id)
        if then is None or not held[corridor.id]:
            continue
        # Of the first day that both judge: how much of the ground's past each of them knows.
        day = max(now.patrol_from, then.patrol_from)
        ours, theirs = (day - now.start).days, (day - then.start).days
        if ours < min(_YEAR, theirs - _QUARTER):
            short.append(f"{corridor.id} ({held[corridor.id]} cases, {theirs} days)")
    if short:
        raise ConfigurationError(
            f"the history begins on {now.start}, {days} days before the patrol, and the last run "
            f"judged with more: {', '.join(short)}. Those cases would be taken for ordinary ground",
            "Set 'from' of the period back, or patrol_from a year after it; "
            "a trial needs a state folder of its own",
        )
    log.warning(
        "the history begins %d days before the patrol: what stands there by then is not seen as "
        "new, and seasons that it does not hold are not known. Set 'from' of the period a year "
        "before patrol_from.",
        days,
    )


def known_with_history(
    ledger: LedgerReader, workflow: Workflow, corridors: Sequence[Corridor]
) -> KnownCases:
    """Read the cases of a run's corridors, as :func:`known_cases` and :func:`keep_history` say."""
    known = known_cases(ledger, workflow, corridors)
    keep_history(workflow, corridors, known)
    return known


def after_judging(
    workflow: Workflow, context: LedgerContext, counts: Mapping[str, int], *, whole: bool
) -> None:
    """Note by what corridors were judged, if ``whole`` as their workflow says; tell of doubles."""
    if whole:
        note_history(workflow, list(context.judged))
    if counts.get("doubles"):
        log.info("%d object(s) that several corridors have are told once", counts["doubles"])


def note_history(workflow: Workflow, corridors: Sequence[str]) -> None:
    """Note by what the corridors of a run were judged, for the runs that follow."""
    note_judged_by(workflow.state, dict.fromkeys(corridors, period_of(workflow)))


def period_of(workflow: Workflow) -> JudgedBy:
    """Give by what a workflow judges."""
    period = workflow.period
    return JudgedBy(
        start=period.start,
        patrol_from=period.patrol_from or period.start,
        corridors=str(workflow.corridors.file),
    )


def _may_be_lost(case: Case) -> bool:
    """Whether a patrol that no longer finds a case takes something from a list or a receiver."""
    satellites = not (case.of_lead or case.of_drone or case.of_pictures)
    listed = case.produced and case.merged_into is None and not case.decided
    return satellites and listed and case.status is not Status.CLOSED
