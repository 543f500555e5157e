"""Processes that all parts of the report share, so that no core waits for the last of a part."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from types import TracebackType
from typing import Any, Self, TypeVar

Item = TypeVar("Item")
Done = TypeVar("Done")

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


class Pool:
    """Processes of one thread each; what was begun first runs first. Progress goes to stderr."""

    def __init__(self, jobs: int, what: str) -> None:
        for name in _THREADS:
            os.environ.setdefault(name, "1")
        self._pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"))
        self._what, self._began = what, time.monotonic()
        self._asked, self._done = 0, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # After an error the others would only delay its words.
        self._pool.shutdown(cancel_futures=error is not None)

    def begin(
        self, work: Callable[[Item], Done], items: Iterable[Item]
    ) -> Callable[[], list[Done]]:
        """Begin ``work`` on all items; the answer waits for the results, in the items' order."""
        futures = [self._pool.submit(work, item) for item in items]
        self._asked += len(futures)
        for future in futures:
            future.add_done_callback(self._tell)
        return lambda: [f.result() for f in futures]

    def _tell(self, future: Future[Any]) -> None:
        if future.cancelled():
            return
        self._done += 1
        spent = time.monotonic() - self._began
        print(f"{self._what}: {self._done} of {self._asked}, {spent:.0f} s", file=sys.stderr)
