"""What binds cases to the office: place, screen, grade, and the context of the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from pipeline import __version__
from pipeline.adjudicate.areas import AreaIndex
from pipeline.adjudicate.attribute import Attributor
from pipeline.adjudicate.candidates import AdjudicateOptions
from pipeline.adjudicate.evidence import FoldOptions, fold
from pipeline.adjudicate.grading import grade
from pipeline.adjudicate.rules import subject_of
from pipeline.adjudicate.screen import Screener
from pipeline.config import Workflow
from pipeline.ledger import Judgement, LedgerContext
from pipeline.model import OFFICE_ZONE, Attribution, Case, Corridor, Grade, Look, Ruling, office_day
from pipeline.passes.corridor import Judged
from pipeline.passes.search import Searched
from pipeline.running.request import span_of


def as_the_office_sees_it(
    context: LedgerContext,
    corridors: Sequence[Corridor],
    areas: AreaIndex,
    options: AdjudicateOptions,
) -> LedgerContext:
    """Bind what places, screens and grades a case to the office's layers and tables."""
    where = Attributor({c.id: c for c in corridors}, areas, options.place)
    screener = Screener(areas, options.screen)
    return replace(
        context,
        attribute=partial(place_case, where),
        screen=partial(screen_case, screener, options.fold, context.until),
        grade=partial(grade_case, options),
        areas={c.id: c.polygon_wgs84 for c in corridors},
        decision_days=options.screen.standing.history_days,
    )


def place_case(where: Attributor, case: Case) -> Attribution:
    """Say where a case lies, by the day of its first sighting, or else of its first lead."""
    first = case.evidence.first_seen
    day = office_day(first) if first else case.leads[0].on if case.leads else None
    return where(case.corridor_id, case.polygon, case.crs, day)


def screen_case(
    rules: Screener, memory: FoldOptions, newest: Mapping[str, datetime], case: Case
) -> Ruling:
    """Say what the office's layers say of a case; ``newest`` pass by corridor (UTC)."""
    return rules(subject_of(case, memory, newest.get(case.corridor_id)))


def grade_case(options: AdjudicateOptions, case: Case) -> Grade:
    """Say what the office's tables say of a case."""
    return grade(case, options.grading, options.grade)


def month_of(until: Mapping[str, datetime]) -> str:
    """Give the budget's month (office's zone) of the newest pass of a run: never the clock's."""
    return f"{max(until.values()).astimezone(OFFICE_ZONE):%Y-%m}"


def context_of(
    workflow: Workflow, judged: Sequence[Judged], searched: Searched, run_id: str
) -> LedgerContext:
    """Say to the ledger what a run was about, and of which corridors it saw everything."""
    # An item that could not be used may have been any pass: then nothing is known to be complete.
    broken = bool(searched.unreachable) or any(a.remedy for a in searched.set_aside)
    period = workflow.period
    return LedgerContext(
        run_id=run_id,
        code_version=__version__,
        config_hash=workflow.config_hash(),
        corridors=tuple(j.corridor_id for j in judged),
        # Looks of the history belong to the runs whose patrol they were.
        period=(period.patrol_start, period.span[1]),
        fold=partial(fold, options=workflow.options.adjudicate.fold),
        proposing=workflow.options.propose,
        judged={
            j.corridor_id: Judgement(frozenset(j.counted), frozenset(j.unread))
            for j in judged
            if j.judged and not broken
        },
        until={
            j.corridor_id: span_of(workflow, searched.passes[j.corridor_id]).until for j in judged
        },
    )


def relooks_of(judged: Sequence[Judged]) -> dict[str, list[Look]]:
    """Give what looking again at known cases said, by case id."""
    return {case: looks for j in judged for case, looks in j.relooks.items()}
