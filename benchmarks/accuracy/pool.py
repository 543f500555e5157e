"""Processes that all parts of the report share, so that no core waits for the last of a part."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor
from multiprocessing import get_context
from types import TracebackType
from typing import Any, Self, TypeVar

Item = TypeVar("Item")
Done = TypeVar("Done")

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


class Pool:
    """Processes of one thread each: what was begun first runs first, a failure ends all of it.

    Progress goes to stderr.
    """

    def __init__(self, jobs: int, what: str) -> None:
        for name in _THREADS:
            os.environ.setdefault(name, "1")
        self._pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"))
        self._what, self._began = what, time.monotonic()
        self._futures: list[Future[Any]] = []
        self._failed: BaseException | None = None
        self._done = 0

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
        self._futures += futures
        for future in futures:
            future.add_done_callback(self._tell)
        return lambda: self._results(futures)

    def _results(self, futures: list[Future[Done]]) -> list[Done]:
        try:
            return [f.result() for f in futures]
        except CancelledError:
            # What failed may have been begun later than what is waited for.
            raise self._failed or RuntimeError("the processes were stopped") from None

    def _tell(self, future: Future[Any]) -> None:
        if future.cancelled():
            return
        self._done += 1
        if (error := future.exception()) is not None and self._failed is None:
            self._failed = error
            for other in self._futures:
                other.cancel()
        asked, spent = len(self._futures), time.monotonic() - self._began
        said = f" ({error!r})" if error else ""
        print(f"{self._what}: {self._done} of {asked}, {spent:.0f} s{said}", file=sys.stderr)
