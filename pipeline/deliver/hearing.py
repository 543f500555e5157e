"""Where answers come from: files in an inbox, GET, and what came back with a delivery."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from pipeline import __version__
from pipeline.cases.tables import decoded, read_table
from pipeline.cases.where import today
from pipeline.deliver.answers import Answer, Desk, home_of, renamed
from pipeline.deliver.line import Line, Outcome
from pipeline.deliver.options import ReceiverOptions
from pipeline.deliver.outbox import Outbox
from pipeline.errors import ConfigurationError
from pipeline.io.atomic import write_text
from pipeline.io.failpoints import failpoint
from pipeline.ledger import Changes, Command, LedgerStore, change
from pipeline.model import Case

_PAGES_MOST = 1000


@dataclass
class Heard:
    """What was heard of one receiver."""

    applied: int = 0
    known: int = 0
    refused: list[str] = field(default_factory=list[str])
    trouble: str = ""  # why answers could not be asked for


@dataclass(frozen=True)
class Listener:
    """One receiver, and where its answers go."""

    outbox: Outbox
    store: LedgerStore  # opened for writing
    receiver: ReceiverOptions
    office: str
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def at_once(self, heard: Heard) -> None:
        """Apply what came back with deliveries."""
        waiting = self.outbox.heard(self.receiver.name)
        if not waiting:
            return
        answers = [
            Answer("in reply to its delivery", _texts(a), f"delivery {i}") for i, a in waiting
        ]
        # One case may have been answered more than once; each is told apart, in order.
        for answer in answers:
            self._count(self._apply([answer]), heard)
        failpoint("deliver.answered")
        self.outbox.answered(self.receiver.name, [i for i, _ in waiting], None)

    def inbox(self, heard: Heard) -> None:
        """Read the files of the inbox; each is moved away with a report beside it."""
        folder = self.receiver.answers.inbox
        if folder is None or not folder.is_dir():
            return
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() not in (".csv", ".json") or path.name.startswith("."):
                continue
            if time.time() - path.stat().st_mtime < self.receiver.answers.settle_s:
                continue  # it may still be written
            self._file(path, heard)

    def fetched(self, line: Line, heard: Heard) -> None:
        """Ask for answers, page by page; a page counts once the ledger has it."""
        if not self.receiver.answers.fetch:
            return
        name = self.receiver.name
        for _ in range(_PAGES_MOST):
            after = self.outbox.answers_after(name)
            reply = line.get_answers(after)
            if reply.outcome is not Outcome.TAKEN:
                heard.trouble = reply.said
                return
            try:
                found, following = _page(reply.json())
            except ConfigurationError as error:
                heard.trouble = str(error)
                return
            self._each([replace(a, came=f"after {after}") for a in found], heard)
            failpoint("deliver.answered")
            if following is None or following == after:
                return
            self.outbox.answered(name, (), following)

    def _file(self, path: Path, heard: Heard) -> None:
        mine = Heard()
        try:
            # As read again after a kill; the same file that somebody put there anew is another.
            came = f"{path.name} {path.stat().st_mtime_ns}"
            found = read_file(path, self.receiver)
            self._each([replace(a, came=came) for a in found], mine)
        except ConfigurationError as error:
            mine.refused.append(str(error))
        heard.applied += mine.applied
        heard.known += mine.known
        heard.refused += [f"{path.name}: {r}" for r in mine.refused]
        failpoint("deliver.answered")
        done = path.parent / "read"
        done.mkdir(exist_ok=True)
        lines = [f"applied {mine.applied}, known already {mine.known}", *mine.refused]
        write_text(done / f"{path.name}.report.txt", "\n".join(lines) + "\n")
        path.replace(done / path.name)

    def _each(self, answers: Sequence[Answer], heard: Heard) -> None:
        """Apply answers; several of one case one after another, in their order."""
        left = list(answers)
        known = self._known(answers)
        while left:
            now: dict[str, Answer] = {}
            later: list[Answer] = []
            for answer in left:
                case = answer.values.get("case_id") or ""
                if case in known:
                    case = home_of(known[case], known).case_id
                if case in now:
                    later.append(answer)
                else:
                    now[case] = answer
            self._count(self._apply(list(now.values())), heard)
            left = later

    def _apply(self, answers: Sequence[Answer]) -> Changes:
        ids = {i for a in answers if (i := a.values.get("case_id"))}
        name = self.receiver.name
        desk = Desk(
            receiver=self.receiver,
            office=self.office,
            given=frozenset(self.outbox.given(name, ids)),
            known=self._known(answers),
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


def read_file(path: Path, receiver: ReceiverOptions) -> list[Answer]:
    """Read a CSV, or a JSON as GET gives it.

    Raises
    ------
    ConfigurationError
        It cannot be read, or names no cases.
    """
    columns = receiver.answers.columns
    if path.suffix.lower() == ".json":
        try:
            document = json.loads(decoded(path))
        except ValueError as error:
            raise ConfigurationError(f"{path.name} is no JSON that can be read") from error
        raw = document if isinstance(document, dict) else {"answers": document}
        return [Answer(a.where, renamed(a.values, columns)) for a in _page(raw)[0]]
    table = read_table(path)
    ours = {k.lower().replace(" ", "_"): v for k, v in columns.items()}
    rows = [Answer(row.where, renamed(row.values, ours)) for row in table.rows]
    present = {ours.get(c, c) for c in table.columns}
    missing = [n for n in ("case_id", "revision") if n not in present]
    if missing:
        raise ConfigurationError(
            f"{path.name} has no column {', '.join(missing)} (it has {', '.join(table.columns)})",
            f"Name it in receivers.{receiver.name}.answers.columns",
        )
    return rows


def _page(document: Any) -> tuple[list[Answer], str | None]:
    """Read a page of answers: ({answers, next}) into (answers, next)."""
    page = cast("dict[str, Any]", document) if isinstance(document, dict) else {}
    found, following = page.get("answers"), page.get("next")
    answers = cast("list[Any]", found) if isinstance(found, list) else None
    wrong = answers is None or not all(isinstance(a, dict) for a in answers)
    if answers is None or wrong or not (following is None or isinstance(following, str)):
        raise ConfigurationError(
            "the answers are not what the description asks for", "See docs/handover.md"
        )
    return [Answer(f"answer {i}", _texts(a)) for i, a in enumerate(answers, 1)], following


def _texts(answer: dict[str, Any]) -> dict[str, str | None]:
    return {str(k): None if v is None else str(v) for k, v in answer.items()}
