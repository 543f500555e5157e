"""Ranges of remote files, many at a time: one set of threads and of connections for all of them.

GDAL asks for a file's size, then its header, then its blocks in turns; over a slow line a scene
waits a dozen round trips. Here what is wanted of a file is asked for at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Condition, Lock
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from pipeline.access import Access
from pipeline.errors import SceneUnusableError, SourceUnreachableError
from pipeline.io import remote

if TYPE_CHECKING:
    from collections.abc import Generator

    from requests import Session

_RETRIED = (429, 500, 502, 503, 504)
_CONNECT_S, _READ_S = 10, 60
_LONGEST_S = 30  # that an answer may ask to wait before the next try
_HELD_BYTES = 128 << 20  # of fetched files that are being decoded
_GAP_BYTES = 1024  # between blocks that one request takes along: less than a request's own head
_MOST_BYTES = 4 << 20  # of one request, where several blocks are neighbours

T = TypeVar("T")
Span = tuple[int, int]
"""First byte, and the one after the last."""


class Answer(NamedTuple):
    """What a server said: ``total`` is the size of the file, 0 where it is not told."""

    status: int
    body: bytes
    total: int


class Room:
    """Bytes that may be held at once."""

    def __init__(self, limit: int) -> None:
        self._limit, self._used = limit, 0
        self._free = Condition()

    @contextmanager
    def held(self, size: int) -> Generator[None]:
        """Wait until there is room; more than all of it is let in alone."""
        with self._free:
            self._free.wait_for(lambda: not self._used or self._used + size <= self._limit)
            self._used += size
        try:
            yield
        finally:
            with self._free:
                self._used -= size
                self._free.notify_all()


class Fetcher:
    """Fetches ranges side by side; a context manager.

    Parameters
    ----------
    connections
        Requests under way at once.
    """

    def __init__(self, connections: int) -> None:
        self._connections = connections
        self._pool = ThreadPoolExecutor(connections, thread_name_prefix="range")
        self._sessions: dict[tuple[str | None, int], Session] = {}
        self._lock = Lock()
        self.room = Room(_HELD_BYTES)

    def __enter__(self) -> Fetcher:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        for session in self._sessions.values():
            session.close()

    def start(self, what: remote.Opening, access: Access | None, size: int) -> Answer:
        """Give the first bytes of a file.

        Raises
        ------
        SourceUnreachableError
            No answer, after all tries.
        """
        return self._ask(what, access, (0, size))

    def together(self, jobs: Sequence[Callable[[], T]]) -> list[T]:
        """Do jobs side by side that each ask for one thing; the first failure is raised."""
        return [f.result() for f in [self._pool.submit(job) for job in jobs]]

    def spans(
        self, what: remote.Opening, access: Access | None, wanted: Sequence[Span]
    ) -> Callable[[], list[bytes]]:
        """Ask for parts of a file, neighbours by one request; give what waits for them.

        Raises
        ------
        SceneUnusableError
            While waiting: the file is not what its header says, or may not be read.
        SourceUnreachableError
            No answer, or errors of the server's own, after all tries.
        """
        joined = merged(wanted)
        asked = [self._pool.submit(self._must, what, access, span) for span in joined]

        def wait() -> list[bytes]:
            bodies = dict(zip(joined, [a.result() for a in asked], strict=True))
            out: list[bytes] = []
            for first, end in wanted:
                whole = next(s for s in joined if s[0] <= first and end <= s[1])
                out.append(bodies[whole][first - whole[0] : end - whole[0]])
            return out

        return wait

    def _must(self, what: remote.Opening, access: Access | None, span: Span) -> bytes:
        answer = self._ask(what, access, span)
        if answer.status in (401, 403):
            # Of many requests that are refused together one renews the token for all.
            with self._lock:
                fresh = remote.opening(what.href, access)
                if fresh.probe == what.probe and remote.renewed(what, access, answer.status):
                    fresh = remote.opening(what.href, access)
            if fresh.probe != what.probe:
                what = fresh
                answer = self._ask(what, access, span)
        if answer.status == 206 and len(answer.body) == span[1] - span[0]:
            return answer.body
        failure = remote.meaning(what, answer.status) if answer.status >= 400 else None
        if answer.status in (401, 403) and access is not None and access.signing:
            reason = f"{what.href} was refused while it was read: its token ended"
            raise SourceUnreachableError(reason, "Run again")
        raise failure or SceneUnusableError(
            f"{what.href} is damaged or truncated (bytes {span[0]} to {span[1]} are not there)",
            "Fetch the file again",
        )

    def _ask(self, what: remote.Opening, access: Access | None, span: Span) -> Answer:
        from requests import RequestException  # noqa: PLC0415 - slow to import, for remote files
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        retries = (access or Access()).read_retries
        session = self._session(what.proxy, retries)
        headers = {**what.headers, "Range": f"bytes={span[0]}-{span[1] - 1}"}
        for left in range(retries, -1, -1):
            try:
                with session.get(
                    what.probe, headers=headers, stream=True, timeout=(_CONNECT_S, _READ_S)
                ) as answer:
                    status = answer.status_code
                    # The body of a server that ignores ranges is the whole file: not read.
                    body = bytes(answer.raw.read()) if status == 206 else b""
                    total = re.search(r"/(\d+)$", answer.headers.get("Content-Range", ""))
                    return Answer(status, body, int(total[1]) if total else 0)
            except (RequestException, HTTPError) as failure:
                if left and isinstance(failure, HTTPError):
                    continue  # it broke off in the middle of its answer
                reason = f"{what.href} cannot be fetched ({type(failure).__name__})"
                raise SourceUnreachableError(reason, "Run again later") from None
        raise AssertionError("not reached")

    def _session(self, proxy: str | None, retries: int) -> Session:
        with self._lock:
            found = self._sessions.get((proxy, retries))
            if found is None:
                found = self._sessions[proxy, retries] = _session(proxy, retries, self._connections)
            return found


def _session(proxy: str | None, retries: int, connections: int) -> Session:
    from requests import Session  # noqa: PLC0415 - slow to import, for remote files
    from requests.adapters import HTTPAdapter  # noqa: PLC0415
    from urllib3 import BaseHTTPResponse  # noqa: PLC0415
    from urllib3.util import Retry  # noqa: PLC0415

    class _Patient(Retry):
        def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
            asked = super().get_retry_after(response)
            return None if asked is None else min(asked, _LONGEST_S)

    session = Session()
    if proxy:
        session.proxies = {"http": proxy, "https": proxy}
    session.headers["Accept-Encoding"] = "identity"  # offsets are those of the file as it is
    again = _Patient(
        total=retries,
        backoff_factor=0.2,
        status_forcelist=_RETRIED,
        raise_on_status=False,
    )
    adapter = HTTPAdapter(pool_maxsize=connections, max_retries=again)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def merged(wanted: Sequence[Span]) -> list[Span]:
    """Join spans that touch, or nearly, up to a number of bytes; sorted."""
    out: list[Span] = []
    for first, end in sorted(wanted):
        if out and first - out[-1][1] <= _GAP_BYTES and end - out[-1][0] <= _MOST_BYTES:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        else:
            out.append((first, end))
    return out
