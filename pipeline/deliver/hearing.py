"""Where answers come from: files in an inbox, GET, and what came back with a delivery."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from pipeline import __version__
from pipeline.cases.where import today
from pipeline.deliver.answers import Answer, Desk, home_of
from pipeline.deliver.line import Line, Outcome
from pipeline.deliver.options import ReceiverOptions
from pipeline.deliver.outbox import Outbox
from pipeline.deliver.reading import Found, read_file, read_page, texts_of
from pipeline.errors import ConfigurationError, on_one_line
from pipeline.io.atomic import write_text
from pipeline.io.failpoints import failpoint
from pipeline.ledger import Changes, Command, Event, LedgerStore, change
from pipeline.model import Case

IN_REPLY = "in reply to its delivery"
_PAGES_MOST = 1000
_NO_ANSWERS = frozenset({"Thumbs.db", "desktop.ini"})  # Windows puts them into shared folders


@dataclass
class Heard:
    """What was heard of one receiver."""

    applied: int = 0
    known: int = 0
    refused: list[str] = field(default_factory=list[str])
    externals: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])  # (id, case)
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
        # One case may have been answered more than once; each is told apart, in order.
        for number, said in waiting:
            try:
                answer = Answer(IN_REPLY, texts_of(said), f"delivery {number}")
            except ConfigurationError as error:  # of an outbox of before such replies were refused
                heard.refused.append(f"{IN_REPLY}: {str(error).rstrip('.')}")
                continue
            self._count(self._apply([answer]), heard)
        failpoint("deliver.answered")
        self.outbox.answered(self.receiver.name, [i for i, _ in waiting], None)

    def inbox(self, heard: Heard) -> None:
        """Read the files of the inbox; each is moved away with a report beside it."""
        folder = self.receiver.answers.inbox
        if folder is None or not folder.is_dir():
            return
        for path in sorted(folder.iterdir()):
            if path.name.startswith(".") or path.name in _NO_ANSWERS:
                continue
            if time.time() - path.stat().st_mtime < self.receiver.answers.settle_s:
                continue  # it may still be written
            if path.suffix.lower() in (".csv", ".json"):
                self._file(path, heard)
            elif path.is_file():
                heard.refused.append(
                    f"{path.name}: only .csv and .json are read, and it is neither"
                )

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
                found = read_page(reply.json())
            except ConfigurationError as error:
                heard.trouble = str(error)
                return
            self._each(found, f"after {after}", heard)
            failpoint("deliver.answered")
            if found.following is None or found.following == after:
                return
            self.outbox.answered(name, (), found.following)

    def _file(self, path: Path, heard: Heard) -> None:
        mine = Heard()
        try:
            # As read again after a kill; the same file that somebody put there anew is another.
            came = f"{path.name} {path.stat().st_mtime_ns}"
            found = read_file(path, self.receiver)
        except ConfigurationError as error:
            came, found = "", Found()
            mine.refused.append(str(error))
        except OSError as error:  # it stays where it is
            heard.trouble = f"{path.name} cannot be opened ({error.strerror})"
            return
        self._each(found, came, mine)
        heard.applied += mine.applied
        heard.known += mine.known
        heard.externals |= mine.externals
        heard.refused += [f"{path.name}: {r}" for r in mine.refused]
        failpoint("deliver.answered")
        done = _free(path.parent / "read" / path.name)
        done.parent.mkdir(exist_ok=True)
        lines = [f"applied {mine.applied}, known already {mine.known}", *mine.refused]
        text = "\n".join(on_one_line(line) for line in lines)
        write_text(done.with_name(f"{done.name}.report.txt"), f"{text}\n")
        path.replace(done)

    def _each(self, found: Found, came: str, heard: Heard) -> None:
        """Apply answers; several of one case one after another, in their order."""
        left = [replace(a, came=came) for a in found.answers]
        heard.refused += [str(r) for r in found.bad]
        known = self._known(left)
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


def _free(path: Path) -> Path:
    """Give a name that no earlier file has: next month's answers may be called like these."""
    n, free = 1, path
    while free.exists():
        n += 1
        free = path.with_name(f"{path.stem}-{n}{path.suffix}")
    return free
