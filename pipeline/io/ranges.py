"""Ranges of remote files, many at a time: one set of threads and of connections for all of them.

GDAL asks for a file's size, then its header, then its blocks in turns; over a slow line a scene
waits a dozen round trips. Here what is wanted of a file is asked for at once.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from threading import Condition, Lock
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pipeline.access import Access
from pipeline.errors import SourceUnreachableError
from pipeline.io import remote
from pipeline.io.heap import few_arenas
from pipeline.io.line import Answer, LeftToGdalError, Line, Span

if TYPE_CHECKING:
    from collections.abc import Generator

_HELD_BYTES = 64 << 20  # of fetched files that are being decoded
_GAP_BYTES = 1024  # between blocks that one request takes along: less than a request's own head
_MOST_BYTES = 4 << 20  # of one request, where several blocks are neighbours

T = TypeVar("T")
R = TypeVar("R")


class Coming(Generic[T]):
    """What was asked for and is under way: call it to wait for it, or ``drop`` it."""

    def __init__(self, asked: Sequence[Future[Any]], wait: Callable[[], T]) -> None:
        self._asked, self._wait = asked, wait

    def __call__(self) -> T:
        """Wait; where one part fails the others are no longer asked for."""
        try:
            return self._wait()
        except BaseException:
            self.drop()
            raise

    def then(self, wait: Callable[[], R]) -> Coming[R]:
        """Wait by another function, which asks for the same."""
        return Coming(self._asked, wait)

    def drop(self) -> None:
        """Ask for nothing more of it."""
        for each in self._asked:
            each.cancel()


class Room:
    """Bytes that may be held at once; who asks with an earlier turn is let in first."""

    def __init__(self, limit: int) -> None:
        self._limit, self._used = limit, 0
        self._free = Condition()
        self._line: list[tuple[int, int]] = []  # turn and number of those who wait, sorted
        self._numbers = count()

    @contextmanager
    def held(self, size: int, turn: int = 0) -> Generator[None]:
        """Wait until there is room; more than all of it is let in alone."""
        with self._free:
            mine = (turn, next(self._numbers))
            insort(self._line, mine)
            try:
                self._free.wait_for(lambda: self._line[0] == mine and self._fits(size))
            finally:
                self._line.remove(mine)
                self._free.notify_all()
            self._used += size
        try:
            yield
        finally:
            with self._free:
                self._used -= size
                self._free.notify_all()

    def _fits(self, size: int) -> bool:
        return not self._used or self._used + size <= self._limit


class Fetcher:
    """Fetches ranges side by side; a context manager.

    Parameters
    ----------
    connections
        Requests under way at once.
    """

    def __init__(self, connections: int) -> None:
        self._pool = ThreadPoolExecutor(connections, thread_name_prefix="range")
        self._line = Line(connections)
        self._renewing, self._making = Lock(), Lock()
        self._made: dict[str, Any] = {}
        self.room = Room(_HELD_BYTES)
        self._turns = count()
        few_arenas()

    def __enter__(self) -> Fetcher:
        return self

    def __exit__(self, *_: object) -> None:
        self._line.stop()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._line.close()

    def turn(self) -> int:
        """Give a turn for :attr:`room`, later than all before it."""
        return next(self._turns)

    def once(self, name: str, make: Callable[[], T]) -> T:
        """Give what is the same for all that is fetched here, made when it is first asked for."""
        with self._making:
            if name not in self._made:
                self._made[name] = make()
            return self._made[name]

    def start(self, what: remote.Opening, access: Access | None, size: int) -> Answer:
        """Give the first bytes of a file.

        Raises
        ------
        SourceUnreachableError
            No answer, after all tries.
        LeftToGdalError
            An answer that does not fit the question, or a line that is not trusted.
        """
        return self._line.ask(what, access, (0, size))

    def together(self, jobs: Sequence[Callable[[], T]]) -> list[T]:
        """Do jobs side by side that each ask for one thing; the first failure is raised."""
        asked = [self._pool.submit(job) for job in jobs]
        return Coming(asked, lambda: [f.result() for f in asked])()

    def spans(
        self,
        what: remote.Opening,
        access: Access | None,
        wanted: Sequence[Span],
        start: Answer,
    ) -> Coming[list[memoryview]]:
        """Ask for parts of a file, neighbours by one request; give what waits for them.

        ``start`` is the answer that brought the header: the parts must be of the same file.

        Raises
        ------
        SourceUnreachableError
            While waiting: no answer, or errors of the server's own, after all tries.
        LeftToGdalError
            While waiting: an answer that does not fit the question, or another file than before.
        """
        joined = merged(wanted)
        asked = [self._pool.submit(self._must, what, access, span, start) for span in joined]

        def wait() -> list[memoryview]:
            bodies = {s: memoryview(a.result()) for s, a in zip(joined, asked, strict=True)}
            asked.clear()  # what was brought is held once
            out: list[memoryview] = []
            for first, end in wanted:
                whole = next(s for s in joined if s[0] <= first and end <= s[1])
                out.append(bodies[whole][first - whole[0] : end - whole[0]])
            return out

        return Coming(asked, wait)

    def _must(
        self, what: remote.Opening, access: Access | None, span: Span, start: Answer
    ) -> bytes:
        answer = self._line.ask(what, access, span)
        if answer.status in (401, 403):
            # Of many requests that are refused together one renews the token for all.
            with self._renewing:
                fresh = remote.opening(what.cited, access)
                if fresh.probe == what.probe and remote.renewed(what, access, answer.status):
                    fresh = remote.opening(what.cited, access)
            if fresh.probe != what.probe:
                what = fresh
                answer = self._line.ask(what, access, span)
        if answer.status == 206:
            whole = len(answer.body) == span[1] - span[0] and answer.total == start.total
            if whole and start.same(answer):
                return answer.body
            raise LeftToGdalError
        if answer.status in (401, 403) and access is not None and access.signing:
            reason = f"{what.href} was refused while it was read: its token ended"
            raise SourceUnreachableError(reason, "Run again")
        failure = remote.meaning(what, answer.status)
        if isinstance(failure, SourceUnreachableError):
            raise failure
        raise LeftToGdalError


def merged(wanted: Sequence[Span]) -> list[Span]:
    """Join spans that touch, or nearly, up to a number of bytes; sorted."""
    out: list[Span] = []
    for first, end in sorted(wanted):
        if out and first - out[-1][1] <= _GAP_BYTES and end - out[-1][0] <= _MOST_BYTES:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        else:
            out.append((first, end))
    return out
