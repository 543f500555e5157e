"""Bringing the answers of one receiver into a ledger that was opened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from pipeline import __version__
from pipeline.cases.where import today
from pipeline.deliver.answers import Answer, Desk, home_of, key_of
from pipeline.deliver.options import ReceiverOptions
from pipeline.deliver.outbox import Outbox
from pipeline.deliver.reading import Found
from pipeline.errors import ConfigurationError
from pipeline.ledger import Changes, Command, Event, LedgerStore, Refusal, change
from pipeline.model import Case

_OF_ONE_CASE = 100
"""New answers of one case that are taken of one file or page: each is a transaction of its own, for
which others wait, and a case has a handful."""
_MOST = 5000
"""New answers of one file or page: the ledger is held for as long as they are written."""


@dataclass
class Heard:
    """What was heard of one receiver."""

    applied: int = 0
    known: int = 0
    refused: list[str] = field(default_factory=list[str])
    unread: list[str] = field(default_factory=list[str])  # files of an inbox that are no answers
    externals: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])  # (id, case)
    trouble: list[str] = field(default_factory=list[str])  # why some could not be taken
    more: bool = False  # there are further pages, and enough were asked for


@dataclass(frozen=True)
class Clerk:
    """Writes what one receiver answered."""

    outbox: Outbox
    store: LedgerStore  # opened for writing
    receiver: ReceiverOptions
    office: str
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def each(self, found: Found, came: str, heard: Heard) -> None:
        """Apply answers; several of one case one after another, in their order.

        What the ledger has already counts for no limit: some systems give all that they ever said.

        Raises
        ------
        ConfigurationError
            There are more new ones than are taken at once; none of them was.
        """
        said = [replace(a, came=came) for a in found.answers]
        known = self._known(said)
        told = {e.detail.get("key") for e in self.store.events(known.keys())} if known else set()
        left = [a for a in said if key_of(self.receiver.name, a) not in told]
        if len(left) > _MOST:
            raise ConfigurationError(
                f"{len(left)} new answers at once", f"Send at most {_MOST} of them"
            )
        heard.known += len(said) - len(left)
        heard.refused += [str(r) for r in found.bad]
        rounds: list[list[Answer]] = []
        so_far: Counter[str] = Counter()
        for answer in left:
            case = answer.values.get("case_id") or ""
            if case in known:
                case = home_of(known[case], known).case_id
                so_far[case] += 1
            turn = max(so_far[case], 1)  # what names no case of ours needs no turn of its own
            if turn > _OF_ONE_CASE:
                why = f"more than {_OF_ONE_CASE} answers of one case at once"
                heard.refused.append(str(Refusal(answer.where, case, why)))
                continue
            rounds += [[] for _ in range(turn - len(rounds))]
            rounds[turn - 1].append(answer)
        for answers in rounds:
            self.apply(answers, heard)

    def apply(self, answers: Sequence[Answer], heard: Heard) -> None:
        """Apply answers of which no two are of one case, in one transaction."""
        self._count(self._applied(answers), heard)

    def _applied(self, answers: Sequence[Answer]) -> Changes:
        ids = {i for a in answers if (i := a.values.get("case_id"))}
        name, known = self.receiver.name, self._known(answers)
        history: dict[str, list[Event]] = {}
        for event in self.store.events(known.keys()):
            history.setdefault(event.case_id, []).append(event)
        desk = Desk(
            receiver=self.receiver,
            office=self.office,
            given=frozenset(self.outbox.given(name, ids)),
            known=known,
            history=history,
            store=self.store,
            today=today(self.now()),
        )
        read = desk.read(answers)
        if not read.edits:
            return Changes(refused=read.bad)
        mark = "".join(e.key or "" for e in read.edits)[:8]
        command = Command("siluan deliver", f"answer-{mark}", self.now(), __version__)
        return change(self.store, read.edits, command, partial=True, bad=read.bad)

    def _known(self, answers: Sequence[Answer]) -> dict[str, Case]:
        """Give the cases that answers name, and those that they were merged into."""
        asked = {i for a in answers if (i := a.values.get("case_id"))}
        known: dict[str, Case] = {}
        while asked:
            known |= {c.case_id: c for c in self.store.cases(asked)}
            asked = {c.merged_into for c in known.values() if c.merged_into} - known.keys()
        return known

    @staticmethod
    def _count(done: Changes, heard: Heard) -> None:
        heard.applied += len(done.applied)
        heard.known += len(done.unchanged)
        heard.refused += [str(r) for r in done.refused]
        heard.externals |= {
            (e.new, e.case_id) for e in done.events if e.what == "external" and e.new
        }
