"""The one place where work is spread: a loop, threads, or a cluster.

Work is a function of one item, and with a cluster both must be picklable: give it small frozen
specs, and open stores and files where it runs. Results come back in the order of the items, so the
way of running cannot change the outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import Protocol, TypeVar

from pipeline.io.heap import hand_back

Progress = Callable[[str, int, int], None]
"""Called with (what, done, total)."""

T = TypeVar("T")
R = TypeVar("R")

_AMPLE_BYTES = 384 << 20  # beyond which a process gives back between sweeps what it has freed


class Elsewhere(Protocol):
    """Workers that are not threads of this process."""

    def map(
        self, work: Callable[[T], R], items: Iterable[T], progress: Progress | None, what: str
    ) -> list[R]:
        """Apply ``work`` to every item, in order."""
        ...


Workers = int | Elsewhere
"""A number of threads, or a cluster."""


def map_tiles(
    work: Callable[[T], R],
    items: Iterable[T],
    workers: Workers = 1,
    progress: Progress | None = None,
    what: str = "",
) -> list[R]:
    """Apply ``work`` to every item.

    Parameters
    ----------
    work
        Reads what it needs, writes whole files or returns little; safe to repeat.
    items
        One per tile (or per tile and pass).
    workers
        1 runs in a loop in this thread; more runs on threads; or a cluster.
    progress
        Called with (``what``, done, total) after each item, from the calling thread.

    Returns
    -------
    list
        In the order of ``items``.

    Raises
    ------
    BaseException
        The first failure in the order of the items; what has not started is cancelled.
    """
    todo = list(items)
    if not isinstance(workers, int):
        return workers.map(work, todo, progress, what)
    found = _here(work, todo, workers, progress, what)
    if what:  # a sweep over tiles; questions about single objects are too small to stop for
        hand_back(_AMPLE_BYTES)
    return found


def _here(
    work: Callable[[T], R], todo: list[T], threads: int, progress: Progress | None, what: str
) -> list[R]:
    if threads <= 1 or len(todo) <= 1:
        results: list[R] = []
        for done, item in enumerate(todo, 1):
            results.append(work(item))
            if progress:
                progress(what, done, len(todo))
        return results
    with ThreadPoolExecutor(max_workers=threads, thread_name_prefix="tile") as pool:
        futures = [pool.submit(work, item) for item in todo]
        try:
            _watch(futures, progress, what)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
        return [future.result() for future in futures]


def _watch(futures: list[Future[R]], progress: Progress | None, what: str) -> None:
    pending = set(futures)
    while pending:
        # The time-out lets Ctrl-C through on platforms where a lock wait blocks signals.
        _done, pending = wait(pending, timeout=0.5, return_when=FIRST_EXCEPTION)
        if any(f.done() and not f.cancelled() and f.exception() for f in futures):
            for future in pending:
                future.cancel()
            wait([f for f in futures if not f.cancelled()])
            next(f for f in futures if not f.cancelled() and f.exception()).result()
        if progress:
            progress(what, len(futures) - len(pending), len(futures))
