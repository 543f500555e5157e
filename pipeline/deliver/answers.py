"""What receivers answer, checked before it is believed.

An answer names a case and the revision it speaks of. It is applied where that case was handed to
that receiver, and where nothing that an answer speaks of has changed since. It does to a case what
the table of words says, by the same door as people's edits, with the receiver as its source.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import TypeVar

import shapely

from pipeline.cases.words import free_text, plain, read_day, read_id
from pipeline.deliver.options import COLUMNS, Meaning, ReceiverOptions
from pipeline.errors import ConfigurationError
from pipeline.ledger import Edit, Event, LedgerStore, Refusal
from pipeline.ledger.status import IN_HAND
from pipeline.model import Case, ReceiverAnswer, Status, office_day

T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """One answer as it came."""

    where: str  # "line 3", for sentences
    values: Mapping[str, str | None]  # by our names; case_id made plain
    came: str = ""  # by which delivery, file or page


@dataclass(frozen=True)
class Read:
    """What answers come to."""

    edits: tuple[Edit, ...]
    bad: tuple[Refusal, ...]


@dataclass(frozen=True)
class Desk:
    """Where answers of one receiver are checked."""

    receiver: ReceiverOptions
    office: str  # first part of our case ids
    given: frozenset[tuple[str, int]]  # (case, revision) that it was given
    known: Mapping[str, Case]  # those that are named, and what they were merged into
    history: Mapping[str, Sequence[Event]]  # of those, oldest first
    store: LedgerStore
    today: date

    @cached_property
    def _handed(self) -> frozenset[str]:
        return frozenset(case for case, _ in self.given)

    def read(self, answers: Sequence[Answer]) -> Read:
        """Turn answers into edits; what cannot be used gets a sentence."""
        edits: list[Edit] = []
        bad: list[Refusal] = []
        for answer in answers:
            try:
                edits.append(self._edit(answer))
            except ConfigurationError as error:
                case = answer.values.get("case_id") or ""
                bad.append(Refusal(answer.where, case, str(error).rstrip(".")))
        return Read(tuple(edits), tuple(bad))

    def _edit(self, answer: Answer) -> Edit:
        value = answer.values.get
        case = self._case(value("case_id"))
        revision = _revision(value("revision"))
        if (case.case_id, revision) not in self.given:
            raise ConfigurationError(
                f"revision {revision} was never handed to {self.receiver.name}",
                "Answer the revision that was received",
            )
        said, meaning = self._word(value("status"))
        on = read_day(value("on")) or self.today
        if on > self.today:
            raise ConfigurationError(f"its day {on} has not come yet", "Check on")
        due = read_day(value("due"))
        answered = ReceiverAnswer(
            self.receiver.name, on, said, free_text(value("unit"), "unit"), due
        )
        home = home_of(case, self.known)
        if home is not case:
            return self._passed_on(answer, case, home, answered)
        after, key = meaning.status or case.status, key_of(self.receiver.name, answer)
        if meaning.status is not None and not self._told(case, key):
            self._require_in_time(case, meaning.status, on)
        record: dict[str, object] = {}
        if due is not None and after in IN_HAND:
            record["due"] = due
        for name in ("overdue", "on_account"):
            flag = getattr(meaning, name)
            if flag is not None:
                record[name] = flag
        edit = Edit(
            case_id=case.case_id,
            by=self.receiver.name,
            on=on,
            where=answer.where,
            status=meaning.status,
            reason=meaning.reason,
            external_id=read_id(value("external_id")),
            record=record,
            key=key,
            answer=_news(case, answered),
        )
        return replace(edit, revision=self._as_of(case, revision, key))

    def _passed_on(self, answer: Answer, named: Case, home: Case, said: ReceiverAnswer) -> Edit:
        """Give what an answer to a case that was merged says of the one that took it over.

        It is noted there, with its word; it moves no status and gives no day, because nobody
        answered of the whole.
        """
        key, before = key_of(self.receiver.name, answer), home.answer
        external = None if home.external_id else read_id(answer.values.get("external_id"))
        news = _news(home, said)
        if self._told(named, key) or (before is not None and said.on < before.on):
            # It was applied before the two were one, or something newer was said of the whole.
            news = external = None
        return Edit(
            case_id=home.case_id,
            by=self.receiver.name,
            on=said.on,
            where=answer.where,
            external_id=external,
            revision=home.revision,
            key=key,
            answer=news,
        )

    def _case(self, case_id: str | None) -> Case:
        if case_id is None:
            raise ConfigurationError("it names no case", "Fill case_id")
        if case_id.split("-")[0] != self.office:
            raise ConfigurationError(
                f"it is another office's case (ours begin with {self.office}-)",
                f"Tell {self.receiver.name}",
            )
        case = self.known.get(case_id)
        if case is None:
            raise ConfigurationError("the ledger has no such case", f"Tell {self.receiver.name}")
        if case_id not in self._handed:
            raise ConfigurationError(
                f"it was never handed to {self.receiver.name}", f"Tell {self.receiver.name}"
            )
        return case

    def _word(self, text: str | None) -> tuple[str | None, Meaning]:
        said = free_text(text, "status")
        if said is None:
            return None, Meaning()
        words = self.receiver.answers.words
        if said not in words:
            raise ConfigurationError(
                f"its status '{said}' is not in the table of words",
                f"Known: {', '.join(words)}; add it to answers.words of {self.receiver.name}",
            )
        return said, words[said]

    def _as_of(self, case: Case, revision: int, key: str) -> int:
        """Give the revision of today where nothing that an answer speaks of came between.

        What was said already is left to the ledger, which knows it; a stale revision is refused
        there, with what happened since.
        """
        if revision == case.revision or self._told(case, key):
            return case.revision
        then = self.store.kept({case.case_id: revision})
        same = bool(then) and _spoken_of(then[0]) == _spoken_of(case)
        return case.revision if same else revision

    def _told(self, case: Case, key: str) -> bool:
        return any(e.detail.get("key") == key for e in self.history.get(case.case_id, ()))

    def _require_in_time(self, case: Case, status: Status, on: date) -> None:
        """Refuse a status that would begin before the one before it, or before the case was issued.

        News of an earlier day may come late; a wrong year would end the watch after 销号 at once.
        """
        told = (
            _day_of(e)
            for e in self.history.get(case.case_id, ())
            if e.what == "status" and e.new not in (Status.WATCH, Status.SUSPECTED)
        )
        issued = next(told, None)
        if issued is not None and on < issued:
            raise ConfigurationError(
                f"its day {on} lies before the case was issued ({issued})", "Check on"
            )
        begun = (case.people.decided_on or case.people.on) if case.people else None
        if begun is not None and status is not case.status and on < begun:
            raise ConfigurationError(
                f"its day {on} lies before that of the status it would follow "
                f"({case.status}, {begun})",
                "Check on",
            )


def home_of(case: Case, known: Mapping[str, Case]) -> Case:
    """Give the case that a merged one is now, itself where it was not merged."""
    seen = {case.case_id}  # of a ledger that was edited by hand
    while (name := case.merged_into) is not None and name in known and name not in seen:
        seen.add(name)
        case = known[name]
    return case


def renamed(values: Mapping[str, T], columns: Mapping[str, str]) -> dict[str, T]:
    """Give an answer under our names; what we do not know is left out."""
    ours = {columns.get(k, k): v for k, v in values.items()}
    return {k: ours[k] for k in COLUMNS if k in ours}


def _day_of(event: Event) -> date:
    """Give the day of a status: that of its paper, which may have been typed in later."""
    said, on = office_day(event.as_of), event.detail.get("on")
    return min(said, date.fromisoformat(on)) if on else said


def _revision(text: str | None) -> int:
    word = plain(text) or ""
    if not word.isascii() or not word.isdigit() or not 0 < int(word) < 10**9:
        raise ConfigurationError(f"revision '{word}' is none", "Give the one that was received")
    return int(word)


def _spoken_of(case: Case) -> tuple[object, ...]:
    outline = shapely.to_wkb(shapely.normalize(case.polygon))
    return case.kind, outline, case.status, case.merged_into


def _news(case: Case, said: ReceiverAnswer) -> ReceiverAnswer | None:
    """Give what was said, unless it was the last thing this receiver said: another day is no news.

    What an answer leaves out still holds.
    """
    before = case.answer
    if before is None or before.source != said.source:
        return said if (said.status or said.unit or said.due) else None
    whole = replace(
        said,
        status=said.status or before.status,
        unit=said.unit or before.unit,
        due=said.due or before.due,
    )
    return None if replace(whole, on=before.on) == before else whole


def key_of(name: str, answer: Answer) -> str:
    """Name an answer by what it says; one without a day may say the same again, later."""
    said = [name, *(answer.values.get(k) for k in COLUMNS)]
    if not answer.values.get("on"):
        said += [answer.came, answer.where]
    return hashlib.sha256(repr(said).encode()).hexdigest()[:16]
