"""Issuing by rule: only where an office asked for it, by workflow and kind, and named as automatic.

A rule reads the calibrated confidence. A case without one is never issued by it: the number that
imagery gives before any verdict came back orders a list and is no share of true cases. Nor is the
share of a simulation one of a river, where true cases are far rarer: verdicts must be behind it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from pipeline import __version__
from pipeline.adjudicate.calibration import Calibration, calibrated
from pipeline.cases.where import today
from pipeline.deliver.changes import AUTOMATIC
from pipeline.deliver.feed import event_mark
from pipeline.deliver.outbox import Outbox
from pipeline.deliver.outbox_tables import Cursor
from pipeline.deliver.planning import BATCH, known_place
from pipeline.ledger import Changes, Command, Edit, LedgerStore, change
from pipeline.model import Case, EvidenceState, Kind, Status

_CONFIRMED = (EvidenceState.SUSPECTED, EvidenceState.RELAPSED)


@dataclass(frozen=True)
class Rules:
    """What a workflow issues by itself."""

    workflow: str
    corridors: Collection[str]
    least: Mapping[Kind, float]  # calibrated confidence, by kind
    calibration: Calibration | None

    @property
    def waits(self) -> str | None:
        """Say why these rules issue nothing; None where they do."""
        if self.calibration is None:
            return "its confidence is not calibrated (siluan cases recalibrate)"
        if not self.calibration.of_verdicts:
            return (
                "its confidence is calibrated on no verdicts, and true cases are rarer along a "
                "river than there (siluan cases recalibrate)"
            )
        return None

    @property
    def cursor(self) -> str:
        """Name of the place up to which these rules have read; other rules begin anew."""
        known = self.calibration.model_dump_json() if self.calibration else ""
        said = [sorted(self.corridors), sorted(self.least.items()), known]
        mark = hashlib.sha256(json.dumps(said).encode()).hexdigest()[:12]
        return f"automatic:{self.workflow}:{mark}"

    def takes(self, case: Case) -> float | None:
        """Give the confidence by which a case is issued; None where it is not."""
        least = self.least.get(case.kind)
        ready = (
            self.waits is None
            and case.status is Status.SUSPECTED
            and case.evidence.state in _CONFIRMED
            and case.corridor_id in self.corridors
            and case.produced
            and not case.suppressed
            and case.merged_into is None
            and case.people is None  # what a person took in again is that person's to issue
        )
        share = calibrated(case, self.calibration) if ready and least is not None else None
        return share if share is not None and least is not None and share >= least else None


@dataclass(frozen=True)
class Chosen:
    """What the rules would issue."""

    cases: tuple[tuple[Case, float], ...]
    cursor: Cursor


def choose(store: LedgerStore, outbox: Outbox, rules: Rules) -> Chosen:
    """Find what the rules would issue, of the cases of which something is new."""
    at = outbox.cursor(rules.cursor)
    if not known_place(store, at):
        at = Cursor()
    found: dict[str, tuple[Case, float]] = {}
    while events := store.events_since(at.seq, BATCH):
        ids = {event.case_id for _, event in events} - found.keys()
        for case in store.cases(ids):
            share = rules.takes(case)
            if share is not None:
                found[case.case_id] = (case, share)
        at = Cursor(events[-1][0], event_mark(*events[-1]))
    return Chosen(tuple(v for _, v in sorted(found.items())), at)


def issue(
    store: LedgerStore,
    chosen: Chosen,
    rules: Rules,
    now: Callable[[], datetime],
    released_by: str | None,
) -> Changes:
    """Issue what the rules chose; the events name the rule, and who released more than usual."""
    edits = [
        Edit(
            case_id=case.case_id,
            by=f"自动交办 {rules.workflow}",
            on=today(now()),
            revision=case.revision,
            status=Status.ISSUED,
            record={"note": _note(case, share, rules, released_by)},
        )
        for case, share in chosen.cases
    ]
    mark = hashlib.sha256(repr([(e.case_id, e.revision) for e in edits]).encode()).hexdigest()[:8]
    command = Command(AUTOMATIC, f"automatic-{mark}", now(), __version__)
    return change(store, edits, command, partial=True)


def _note(case: Case, share: float, rules: Rules, released_by: str | None) -> str:
    said = f"confidence {share:.4f} >= {rules.least[case.kind]:g} ({case.kind})"
    return f"{said}, released by {released_by}" if released_by else said
