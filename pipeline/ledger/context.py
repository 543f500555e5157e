"""What a run brings to the ledger, and the events it leaves there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from shapely.geometry.base import BaseGeometry

from pipeline.ledger.proposing import ProposeOptions
from pipeline.model import (
    Attribution,
    Case,
    Evidence,
    EvidenceState,
    Grade,
    Look,
    Ruling,
)


class Fold(Protocol):
    """Adjudicate's fold, with its options bound."""

    def __call__(self, looks: tuple[Look, ...], /, *, until: datetime | None = None) -> Evidence:
        """Fold the looks of one object, in any order."""
        ...


CONFIRMED = (EvidenceState.SUSPECTED, EvidenceState.RELAPSED)


@dataclass(frozen=True)
class Judgement:
    """Which passes of a corridor a run could judge."""

    counted: Collection[str] = ()  # pass ids that count; others do not count any more
    unread: Collection[str] = ()  # pass ids that could not be read this time: nothing is known


@dataclass(frozen=True)
class Withdrawn:
    """Looks that do not count any more."""

    passes: frozenset[str] = frozenset()  # their pass ids
    scenes: frozenset[str] = frozenset()  # ids of the flights
    # Cases that have such looks, by id, each with its newest revision from before all of them;
    # None where there is none.
    cases: Mapping[str, Case | None] = field(default_factory=dict[str, "Case | None"])

    def touches(self, case: Case) -> bool:
        """Whether a case has looks that do not count any more."""
        return any(k.pass_id in self.passes for k in case.looks)

    def newest_before(self, revisions: Iterable[Case]) -> Case | None:
        """Give the newest revision (oldest first) from before the looks that do not count."""
        whole = [c for c in revisions if not self.touches(c) and c.evidence.hits > 0]
        return whole[-1] if whole else None


@dataclass(frozen=True)
class LedgerContext:
    """What a run brings to the ledger."""

    run_id: str
    code_version: str
    config_hash: str
    corridors: tuple[str, ...]  # that this run looked at
    period: tuple[datetime, datetime]  # UTC, of the passes that this run looked at
    fold: Fold  # adjudicate's, with its options and the end of the period bound
    office: str = "ZZ"  # first part of every case id
    # By corridor judged completely: what the ledger says of the period is replaced. A corridor of
    # which a source gave no answer, or that has no history yet, is not in it.
    judged: Mapping[str, Judgement] = field(default_factory=dict[str, "Judgement"])
    until: Mapping[str, datetime] = field(default_factory=dict[str, datetime])  # UTC newest pass
    areas: Mapping[str, BaseGeometry] = field(default_factory=dict[str, BaseGeometry])  # WGS 84
    attribute: Callable[[Case], Attribution] | None = None  # adjudicate's, with its layers bound
    screen: Callable[[Case], Ruling] | None = None  # likewise; sees the case where it was placed
    grade: Callable[[Case], Grade] | None = None  # likewise; sees the case where it was screened
    spots: bool = False  # it looked under its flights only, and says nothing of other places
    proposing: ProposeOptions = field(default_factory=ProposeOptions)
    # All corridors of the file, those of other runs too: one problem is one case among them.
    siblings: tuple[str, ...] = ()
    # Case id to the corridor in which it goes on, since the file has its own no longer.
    heirs: Mapping[str, str] = field(default_factory=dict[str, str])
    withdrawn: Withdrawn = field(default_factory=Withdrawn)  # looks that count no more
    decision_days: int = 365  # for which a decision of the desk explains its place

    def evidence(self, corridor_id: str, looks: tuple[Look, ...]) -> Evidence:
        """Fold looks; nobody's silence is counted beyond the corridor's newest pass."""
        until = self.until.get(corridor_id)
        return self.fold(looks) if until is None else self.fold(looks, until=until)


@dataclass(frozen=True)
class Event:
    """One line of a case's history; never altered."""

    case_id: str
    revision: int  # of the case after it
    run_id: str
    # UTC: of a run the end of its period, never the wall clock; of people when they said it
    as_of: datetime
    # opened kind corridor evidence status merged absorbed lost found proposed screened revised; of
    # people also outline subtype answered said lead, and external (of a run: with what it absorbed)
    what: str
    old: str | None = None
    new: str | None = None
    detail: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Either:
    """What is in one of two collections."""

    one: Container[str]
    other: Container[str]

    def __contains__(self, name: object, /) -> bool:
        return isinstance(name, str) and (name in self.one or name in self.other)
