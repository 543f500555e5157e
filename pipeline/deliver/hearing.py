"""Where answers come from: files in an inbox, GET, and what came back with a delivery.

The ledger is held while answers are written, file by file and page by page, and never while a
receiver is asked: others have to wait for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline.deliver.answers import Answer
from pipeline.deliver.applying import Clerk, Heard
from pipeline.deliver.line import Line, Outcome
from pipeline.deliver.options import ReceiverOptions
from pipeline.deliver.outbox import Outbox
from pipeline.deliver.reading import Found, read_file, read_page, texts_of
from pipeline.errors import ConfigurationError, on_one_line
from pipeline.io.atomic import write_text
from pipeline.io.failpoints import failpoint
from pipeline.ledger import LedgerStore

IN_REPLY = "in reply to its delivery"
_PAGES_MOST = 1000
_ASKED_S = 300.0
"""For which one command asks one receiver for pages [s]; a ``next`` may have no end."""
_HIDDEN = (".", "~$")  # marks of who has a file open, among others
_NO_ANSWERS = frozenset({"Thumbs.db", "desktop.ini"})  # Windows puts them into shared folders


@dataclass(frozen=True)
class Listener:
    """One receiver, and where its answers go."""

    outbox: Outbox
    opened: Callable[[], AbstractContextManager[LedgerStore]]  # for writing
    receiver: ReceiverOptions
    office: str
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    clock: Callable[[], float] = time.monotonic

    def at_once(self, heard: Heard) -> None:
        """Apply what came back with deliveries."""
        waiting = self.outbox.heard(self.receiver.name)
        if not waiting:
            return
        with self._clerk() as clerk:
            # One case may have been answered more than once; each is told apart, in order.
            for number, said in waiting:
                try:
                    answer = Answer(IN_REPLY, texts_of(said), f"delivery {number}")
                except ConfigurationError as error:  # of an outbox of before these were refused
                    heard.refused.append(f"{IN_REPLY}: {str(error).rstrip('.')}")
                    continue
                clerk.apply([answer], heard)
        failpoint("deliver.answered")
        self.outbox.answered(self.receiver.name, [i for i, _ in waiting], None)

    def inbox(self, heard: Heard) -> None:
        """Read the files of the inbox; each is moved away with a report beside it."""
        folder = self.receiver.answers.inbox
        if folder is None or not folder.is_dir():
            return
        try:
            found = sorted(folder.iterdir())
        except OSError as error:  # of a share that went away: others do not wait for it
            heard.trouble.append(f"its inbox {folder} cannot be looked into ({error.strerror})")
            return
        for path in found:
            if path.name.startswith(_HIDDEN) or path.name in _NO_ANSWERS:
                continue
            try:
                changed = path.stat().st_mtime
            except OSError as error:  # a link to nowhere, or somebody took it away
                heard.trouble.append(f"{path.name} cannot be looked at ({error.strerror})")
                continue
            if time.time() - changed < self.receiver.answers.settle_s:
                continue  # it may still be written
            if path.suffix.lower() in (".csv", ".json"):
                self._file(path, heard)
            elif path.is_file():
                heard.unread.append(path.name)

    def fetched(self, line: Line, heard: Heard) -> None:
        """Ask for answers, page by page; a page counts once the ledger has it."""
        if not self.receiver.answers.fetch:
            return
        name, until = self.receiver.name, self.clock() + _ASKED_S
        for _ in range(_PAGES_MOST):
            after = self.outbox.answers_after(name)
            reply = line.get_answers(after)
            if reply.outcome is not Outcome.TAKEN:
                heard.trouble.append(reply.said)
                return
            try:
                found = read_page(reply.json())
                self._take(found, f"after {after}", heard)
            except ConfigurationError as error:
                heard.trouble.append(str(error))
                return
            failpoint("deliver.answered")
            if found.following is None or found.following == after:
                return
            self.outbox.answered(name, (), found.following)
            if self.clock() > until:
                break
        heard.more = True

    def _file(self, path: Path, heard: Heard) -> None:
        mine = Heard()
        try:
            # As read again after a kill; the same file that somebody put there anew is another.
            came = f"{path.name} {path.stat().st_mtime_ns}"
            self._take(read_file(path, self.receiver), came, mine)
        except ConfigurationError as error:
            mine.refused.append(str(error))
        except OSError as error:  # it stays where it is
            heard.trouble.append(f"{path.name} cannot be opened ({error.strerror})")
            return
        heard.applied += mine.applied
        heard.known += mine.known
        heard.externals |= mine.externals
        heard.refused += [f"{path.name}: {r}" for r in mine.refused]
        failpoint("deliver.answered")
        try:
            _move_away(path, [f"applied {mine.applied}, known already {mine.known}", *mine.refused])
        except OSError as error:  # it stays, and is known already when it is read again
            heard.trouble.append(f"{path.name} cannot be moved to read/ ({error.strerror})")

    def _take(self, found: Found, came: str, heard: Heard) -> None:
        if found.answers or found.bad:
            with self._clerk() as clerk:
                clerk.each(found, came, heard)

    @contextmanager
    def _clerk(self) -> Generator[Clerk]:
        with self.opened() as store:
            yield Clerk(self.outbox, store, self.receiver, self.office, self.now)


def _move_away(path: Path, lines: Sequence[str]) -> None:
    """Move a file that was read into ``read/``, with a report beside it."""
    done = _free(path.parent / "read" / path.name)
    done.parent.mkdir(exist_ok=True)
    text = "\n".join(on_one_line(line) for line in lines)
    write_text(done.with_name(f"{done.name}.report.txt"), f"{text}\n")
    path.replace(done)


def _free(path: Path) -> Path:
    """Give a name that no earlier file has: next month's answers may be called like these."""
    n, free = 1, path
    while free.exists():
        n += 1
        free = path.with_name(f"{path.stem}-{n}{path.suffix}")
    return free
