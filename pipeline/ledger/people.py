"""What named people do to cases, worked out before anything is written. Pure.

An edit is checked against the case as it stands: the revision that its author saw, the table of
transitions, and what was said before. What says nothing new makes no revision.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry

from pipeline.errors import ConfigurationError, on_one_line
from pipeline.grid import geodesic_area_m2, reproject
from pipeline.ledger.context import Event
from pipeline.ledger.decided import with_decision
from pipeline.ledger.proposing import ProposeOptions, propose
from pipeline.ledger.revision import content, status_for
from pipeline.ledger.status import IN_HAND, Mover, Reason, move
from pipeline.model import Case, Grade, Kind, PeopleRecord, ReceiverAnswer, Status, office_day

FLAGS = ("due", "overdue", "on_account")
"""Fields of the record that only mean something while a case is in hand."""


@dataclass(frozen=True)
class Edit:
    """What one person says of one case; None means: nothing is said of it."""

    case_id: str
    by: str
    on: date  # in the office's zone (Asia/Shanghai)
    where: str = ""  # line of a file, for sentences
    revision: int | None = None  # that the person saw; None: whatever stands
    status: Status | None = None
    reason: Reason | None = None
    verdict: str | None = None
    kind: Kind | None = None
    outline_wgs84: BaseGeometry | None = None  # corrected
    external_id: str | None = None  # "": it has none, what stands there is wrong
    record: Mapping[str, Any] = field(default_factory=dict[str, Any])  # note and FLAGS
    photos: tuple[str, ...] = ()  # names or addresses
    key: str | None = None  # of what was said, so that it is not said twice
    answer: ReceiverAnswer | None = None  # of a receiving system, which is then ``by``
    subtype: str | None = None  # corrected: a code of the office's table
    # Adjudicate's, with that table bound; it may refuse the case.
    grade: Callable[[Case], Grade] | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Command:
    """The command by which people reach the ledger."""

    name: str  # "siluan cases verdict"
    run_id: str  # made of content, "verdict-3f9a1c07"
    said: datetime  # UTC, when it was given
    code_version: str

    def __post_init__(self) -> None:
        if self.said.tzinfo is None:
            raise ValueError("the time of a command must be aware")


@dataclass(frozen=True, slots=True)
class Refusal:
    """An edit that was not applied, in a sentence."""

    where: str
    case_id: str
    why: str

    def __str__(self) -> str:
        parts = (self.where, self.case_id, self.why)
        return on_one_line(": ".join(p for p in parts if p))


@dataclass(frozen=True)
class Changes:
    """What edits come to."""

    cases: tuple[Case, ...] = ()  # changed, by id
    events: tuple[Event, ...] = ()
    applied: tuple[str, ...] = ()  # ids
    unchanged: tuple[str, ...] = ()  # ids of which nothing new was said
    refused: tuple[Refusal, ...] = ()


def apply_edits(
    known: Mapping[str, Case],
    edits: Sequence[Edit],
    command: Command,
    history: Iterable[Event] = (),
    proposing: ProposeOptions | None = None,
) -> Changes:
    """Work out what edits change; each is judged alone.

    Parameters
    ----------
    known : mapping of id to Case
        At least those that the edits name.
    history : iterable of Event
        Of these cases: what it holds already is not said again, and it tells what a stale edit
        did not know of.
    proposing : ProposeOptions, optional
        By which numbers imagery proposes what becomes of a case, as the next patrol will.
    """
    events = list(history)
    told = {e.detail["key"] for e in events if "key" in e.detail}
    named = Counter(e.case_id for e in edits)
    changed: dict[str, Case] = {}
    new: list[Event] = []
    applied: list[str] = []
    unchanged: list[str] = []
    refused: list[Refusal] = []
    for edit in edits:
        if edit.key is not None and edit.key in told:
            unchanged.append(edit.case_id)
            continue
        try:
            case = _target(known, edit, named, events)
            after, said = apply_edit(case, edit, command, proposing)
        except ConfigurationError as error:
            refused.append(Refusal(edit.where, edit.case_id, str(error).rstrip(".")))
            continue
        new += said
        (applied if said else unchanged).append(edit.case_id)
        if after != case:
            changed[case.case_id] = after
    ordered = tuple(c for _, c in sorted(changed.items()))
    return Changes(ordered, tuple(new), tuple(applied), tuple(unchanged), tuple(refused))


def apply_edit(
    case: Case, edit: Edit, command: Command, proposing: ProposeOptions | None = None
) -> tuple[Case, list[Event]]:
    """Give a case after an edit, and what happened; the same case and nothing if it says no news.

    Raises
    ------
    ConfigurationError
        The table of transitions does not allow it, or something it needs is missing.
    """
    if not edit.by.strip():
        raise ConfigurationError("nobody is named", "Say who, by --by or in the column by")
    status = _aim(case, edit)
    move(case.status, status, Mover.PERSON, edit.reason)
    if edit.reason is Reason.OTHER and not edit.record.get("note"):
        raise ConfigurationError("the reason 'other' says nothing", "Add a note")
    due, first = edit.record.get("due"), case.evidence.first_seen
    if due is not None and first is not None and due < office_day(first):
        raise ConfigurationError(
            f"due {due} lies before the first sighting ({office_day(first)})",
            "Check the year",
        )
    given = [name for name in FLAGS if edit.record.get(name)]
    if given and status not in IN_HAND:
        raise ConfigurationError(
            f"{', '.join(given)} of a case that is {status}",
            f"They can be given where it is {' or '.join(sorted(IN_HAND))}",
        )
    if _only_answers(edit):
        # Another system wrote what is its own: no person spoke of the case.
        after = replace(case, external_id=_external(case, edit), answer=edit.answer)
    else:
        after = _with_what_was_said(case, edit, status, proposing)
    if content(after) != content(case):
        after = replace(
            after,
            revision=case.revision + 1,
            run_id=command.run_id,
            code_version=command.code_version,
        )
    elif edit.verdict is None:
        return case, []
    else:
        after = case  # said again by somebody else, or of a later day: kept as an event
    return after, _events(case, after, edit, command)


def _aim(case: Case, edit: Edit) -> Status:
    """Give the status that an edit wants; a problem that is in hand already stays in hand."""
    if edit.verdict and edit.status is Status.VERIFIED and case.status in IN_HAND:
        return case.status
    return edit.status or case.status


def _target(
    known: Mapping[str, Case], edit: Edit, named: Mapping[str, int], history: Collection[Event]
) -> Case:
    """Give the case that an edit means, if it may be edited from where its author stood."""
    case = known.get(edit.case_id)
    if case is None:
        raise ConfigurationError("the ledger has no such case", "See siluan cases list")
    if named[edit.case_id] > 1:
        raise ConfigurationError("it is named more than once", "Keep one line of it")
    if case.merged_into is not None:
        raise ConfigurationError(f"it was merged into {case.merged_into}", "Edit that one")
    if edit.revision is not None and edit.revision != case.revision:
        raise ConfigurationError(
            f"revision {edit.revision} was judged and the ledger has {case.revision}"
            f"{_since(case, edit.revision, history)}",
            "Look at it as it is now, and say the present revision",
        )
    return case


def _since(case: Case, revision: int, history: Iterable[Event]) -> str:
    """Say what happened to a case after a revision."""
    news = [
        f"{e.what} {e.old or '-'} -> {e.new}" if e.new is not None else e.what
        for e in history
        if e.case_id == case.case_id and e.revision > revision
    ]
    return f" (since then: {'; '.join(news)})" if news else ""


def _with_what_was_said(
    case: Case, edit: Edit, status: Status, proposing: ProposeOptions | None
) -> Case:
    """Give the case with everything that the edit says, its revision as it was."""
    before = case.people or PeopleRecord(edit.by, edit.on)
    moved = status is not case.status
    record = replace(
        before,
        reason=edit.reason.value if edit.reason else (None if moved else before.reason),
        verdict=edit.verdict or before.verdict,
        **edit.record,
    )
    record = _within_status(record, case, edit, status)
    after = replace(
        case,
        status=status,
        external_id=_external(case, edit),
        answer=edit.answer or case.answer,
    )
    if edit.kind is not None and edit.kind is not case.kind:
        record = replace(
            record, kind_fixed=True, subtype=None, subtype_by=None
        )  # of the other kind
        # The grade is the other kind's; the next patrol gives one of this.
        after = replace(after, kind=edit.kind, grade=None)
    if edit.subtype is not None:
        # Whoever says the sub-type says the kind: imagery would unsay both by another.
        again = record.subtype == edit.subtype and record.subtype_by is not None
        who = record.subtype_by if again else edit.by
        record = replace(record, subtype=edit.subtype, subtype_by=who, kind_fixed=True)
    if edit.outline_wgs84 is not None:
        after, record = (
            _with_outline(after, edit.outline_wgs84),
            replace(record, outline_fixed=True),
        )
    if status in (Status.WATCH, Status.SUSPECTED):
        after = replace(after, status=status_for(status, case.evidence.state), proposal=None)
    if case.decided and not after.decided:
        # Taken in again by a person: on a list, until a run over its own dates says otherwise.
        after = replace(with_decision(after, explained=False), produced=True)
    # The same verdict of a later day: somebody saw it again, and it is not restored before that.
    seen = edit.verdict is not None and status is Status.RECTIFYING
    again = seen and edit.on > (before.rectified_on or edit.on)
    if record == before and content(after) == content(case) and not again:
        return case
    after = replace(after, people=_dated(record, case, edit, status))
    if edit.grade is not None:
        after = replace(after, grade=edit.grade(after))
    if after.issued:
        # What the next run would propose, so that it changes nothing.
        after = replace(after, proposal=propose(after, proposing))
    if not after.decided or not (edit.status or edit.verdict):
        return after
    # As the next run would find it, so that it changes nothing.
    return with_decision(after, explained=after.produced)


def _external(case: Case, edit: Edit) -> str | None:
    return case.external_id if edit.external_id is None else edit.external_id or None


def _only_answers(edit: Edit) -> bool:
    said = (edit.status, edit.reason, edit.verdict, edit.kind, edit.outline_wgs84, edit.subtype)
    return edit.answer is not None and all(s is None for s in said) and not edit.record


def _within_status(record: PeopleRecord, case: Case, edit: Edit, status: Status) -> PeopleRecord:
    """Give the record with what only means something in some statuses."""
    if not replace(case, status=status).decided:
        record = replace(record, known_until=None)
    elif edit.status or edit.verdict:
        last = case.evidence.last_seen
        record = replace(record, known_until=last.date() if last else None)
    if status not in IN_HAND:
        record = replace(record, due=None, overdue=False, on_account=False)
    return record


def _dated(record: PeopleRecord, case: Case, edit: Edit, status: Status) -> PeopleRecord:
    """Give the record with its days: a status or a verdict has one, a note renews none."""
    decided_on, rectified_on = record.decided_on, record.rectified_on
    after = replace(case, status=status)
    if edit.status or edit.verdict:
        # What arrives late of an earlier day takes back no day that was said already: imagery of
        # before a rectification would tell what became of it. What a new decision knows is as old
        # as the visit behind it.
        anew = after.decided and status is not case.status
        decided_on = edit.on if anew else _later(decided_on, edit.on)
        if status is Status.RECTIFYING:
            rectified_on = _later(rectified_on, edit.on)
    elif decided_on is None and case.issued and case.people is not None:
        decided_on = case.people.on  # of ledgers from before there was that day
    if status not in (Status.RECTIFYING, Status.CLOSED):
        rectified_on = None
    return replace(record, by=edit.by, on=edit.on, decided_on=decided_on, rectified_on=rectified_on)


def _later(before: date | None, day: date) -> date:
    return day if before is None else max(before, day)


def _with_outline(case: Case, outline_wgs84: BaseGeometry) -> Case:
    moved = shapely.normalize(reproject(outline_wgs84, "EPSG:4326", case.crs))
    area = geodesic_area_m2(outline_wgs84, "EPSG:4326")
    return replace(case, polygon=moved, area_m2=round(area, 2), traced=case.seen_polygon)


def _events(before: Case, after: Case, edit: Edit, command: Command) -> list[Event]:
    """Name what an edit did, each with who, when and why."""
    old, new = before.people, after.people
    named = [
        ("status", before.status.value, after.status.value),
        ("kind", before.kind.value, after.kind.value),
        ("subtype", _shown(old, "subtype"), _shown(new, "subtype")),
        ("outline", f"{before.area_m2:.0f} m²", f"{after.area_m2:.0f} m²"),
        ("external", before.external_id, after.external_id),
        ("answered", _answered(before), _answered(after)),
    ]
    named += [(name, _shown(old, name), _shown(new, name)) for name in FLAGS]
    moved = not before.polygon.equals(after.polygon)
    happened = [k for k in named if k[1] != k[2] or (k[0] == "outline" and moved)]
    happened = happened or [("said", None, edit.verdict)]
    detail = {
        "by": edit.by,
        "on": edit.on.isoformat(),
        "command": command.name,
        "reason": edit.reason.value if edit.reason else "",
        "verdict": edit.verdict or "",
        "note": str(edit.record.get("note") or ""),
        "photos": "; ".join(edit.photos),
        "key": edit.key or "",
    }
    kept = {k: v for k, v in detail.items() if v}
    said = command.said.astimezone(UTC)
    return [
        Event(after.case_id, after.revision, command.run_id, said, what, was, now, kept)
        for what, was, now in happened
    ]


def _shown(record: PeopleRecord | None, name: str) -> str | None:
    value = getattr(record, name) if record else None
    return str(value) if isinstance(value, str) else str(value).lower() if value else None


def _answered(case: Case) -> str | None:
    """Say what a receiver said: its word, the unit, the day."""
    said = case.answer
    if said is None:
        return None
    parts = (said.source, said.status, said.unit, said.due.isoformat() if said.due else None)
    return " · ".join(p for p in parts if p)
