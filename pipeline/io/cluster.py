"""Workers elsewhere: dask.distributed behind :func:`pipeline.io.tasks.map_tiles`, and only there.

The state directory must be shared: workers read looks from it and write layers to it, so that what
travels are names and small results. Imagery is read where the run is, with its network and its
credentials. A task may run twice (a worker died): work is safe to repeat, and gives the same bytes.
What a run starts (processes, a class of Dask's), it closes, however it ends.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

from pipeline import __version__
from pipeline.errors import ClusterUnreachableError, ConfigurationError
from pipeline.io.atomic import write_text
from pipeline.io.cluster_class import SEE_JOBS, Heard, heard_of_a_start, spared, started
from pipeline.io.cluster_names import keys_of
from pipeline.io.cluster_options import ClusterOptions, distributed_module
from pipeline.io.cluster_sent import Sent
from pipeline.io.failpoints import failpoint
from pipeline.io.tasks import Progress, Workers

log = logging.getLogger("siluan")

T = TypeVar("T")
R = TypeVar("R")

_BATCHES = 6  # for each thread of the cluster: few enough to last, enough to even out
_PATIENCE_S = 60.0  # without any worker
_FIRST_S = 15.0  # for the first worker of a scheduler that is there already
_CONNECT_S, _FETCH_S, _CLOSE_S = 15.0, 30.0, 3.0
_LOOPS = 4  # tries to start Dask's loop, of 10 s each
_POLL_S, _LOOK_S, _HEAR_S = 0.02, 1.0, 3.0
_AGAIN = "Start the cluster, or set 'cluster: threads', and run again; what was finished is kept"

_ANOTHER = (
    "Give the address of the scheduler itself (is it the dashboard's or another port, or Dask in "
    "another version?), or say 'otherwise: threads' to go on without it, and run again; what was "
    "finished is kept"
)


@dataclass(frozen=True)
class _Batch:
    """Work on several items, after a look at whether the state directory is there."""

    work: Sent
    mark: Path
    version: str = __version__

    def __call__(self, items: Sequence[Any]) -> list[Any]:
        # Said by each worker, because some come only after the run has begun.
        if not self.mark.is_file():
            raise _blind([socket.gethostname()], self.mark.parent)
        if self.version != __version__:
            raise _another_version([f"{socket.gethostname()} has {__version__}"], self.version)
        failpoint("cluster.batch")
        work = self.work.here()
        return [work(item) for item in items]


def _look(mark: Path) -> tuple[str, bool, str]:
    """Say, on a worker, who it is, whether it sees the state directory, and its version."""
    return socket.gethostname(), mark.is_file(), __version__


def _blind(names: Sequence[str], state: Path) -> ClusterUnreachableError:
    return ClusterUnreachableError(
        f"the worker(s) {', '.join(sorted(set(names)))} cannot see the state directory {state}",
        "Mount it on every worker under the same path, and run again",
    )


def _another_version(who: Sequence[str], ours: str) -> ConfigurationError:
    return ConfigurationError(
        f"workers of another version than {ours}: {', '.join(sorted(who))}",
        "Install the same version everywhere",
    )


class Cluster:
    """A dask scheduler with workers that share the state directory.

    Parameters
    ----------
    client
        A connected ``distributed.Client``.
    options
        What the workflow asked for.
    state
        The state directory.
    heard
        What goes wrong with workers that are being started.
    """

    def __init__(
        self, client: Any, options: ClusterOptions, state: Path, heard: Heard | None = None
    ) -> None:
        self._heard = heard or Heard()
        self._client, self._name, self._state = client, options.name, state
        self._most = options.most
        self._again = SEE_JOBS if options.class_ is not None else _AGAIN
        # A queue takes its time, at the start and after a job that was put back into it.
        ours = options.class_ is not None
        self._first_s = float(options.wait_s) if ours else _FIRST_S
        self._patience_s = max(_PATIENCE_S, float(options.wait_s)) if ours else _PATIENCE_S
        self._mark = state / f".cluster-{uuid4().hex[:8]}"
        self._empty_since: float | None = None

    def __enter__(self) -> Cluster:
        self._state.mkdir(parents=True, exist_ok=True)
        write_text(self._mark, "seen by all workers of a run\n")
        try:
            self._check()
        except BaseException:
            self._mark.unlink(missing_ok=True)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._mark.unlink(missing_ok=True)

    def _check(self) -> None:
        try:
            self._first_worker()
            said: dict[str, tuple[str, bool, str]] = self._client.run(_look, self._mark)
        except ImportError as error:
            raise ConfigurationError(
                f"the workers of {self._name} cannot import siluan ({error})",
                f"Install siluan {__version__} where the workers run",
            ) from error
        except (OSError, TimeoutError) as error:
            why = f" ({self._heard.said})" if self._heard.said else ""
            what = f"the cluster {self._name} has no worker that answers{why}"
            raise ClusterUnreachableError(what, self._again) from error
        blind = [f"{host} ({address})" for address, (host, sees, _) in said.items() if not sees]
        if blind:
            raise _blind(blind, self._state)
        other = [f"{a} has {v}" for a, (_, _, v) in said.items() if v != __version__]
        if other:
            raise _another_version(other, __version__)

    def _first_worker(self) -> None:
        until = time.monotonic() + self._first_s
        while True:
            left = until - time.monotonic()
            try:
                self._client.wait_for_workers(1, timeout=min(max(left, 0.1), _HEAR_S))
            except (OSError, TimeoutError):
                if left <= _HEAR_S or self._heard.said:
                    raise
            else:
                return

    def map(
        self, work: Callable[[T], R], items: Iterable[T], progress: Progress | None, what: str
    ) -> list[R]:
        """Apply ``work`` to every item; see :func:`pipeline.io.tasks.map_tiles`.

        Raises
        ------
        ClusterUnreachableError
            The scheduler went away, no worker was left, a task killed one worker after the other,
            or a worker does not see the state directory.
        """
        todo = list(items)
        if not todo:
            return []
        # Workers that are still to come count, or they would find the work cut for a few.
        size = ceil(len(todo) / (_BATCHES * max(self._threads(), self._most, 1)))
        batches = [todo[i : i + size] for i in range(0, len(todo), size)]
        keys = keys_of(work, what, batches)
        batch = _Batch(Sent.of(work), self._mark)
        futures = self._client.map(batch, batches, key=keys, pure=False)
        try:
            found = self._collect(futures, (progress, what, len(todo)))
        except BaseException:
            with suppress(Exception):
                self._client.cancel(futures, force=True)
            raise
        return [result for batch in found for result in batch]

    def _threads(self) -> int:
        try:
            return sum(self._client.nthreads().values())
        except (OSError, TimeoutError) as error:
            raise self._gone() from error

    def _gone(self) -> ClusterUnreachableError:
        why = f" (last heard: {self._heard.said})" if self._heard.said else ""
        what = f"the cluster {self._name} went away in the middle{why}"
        return ClusterUnreachableError(what, self._again)

    def _collect(
        self, futures: Sequence[Any], telling: tuple[Progress | None, str, int]
    ) -> list[list[Any]]:
        """Wait for all; the first failure in the order of the items is raised."""
        progress, what, total = telling
        results: dict[Any, list[Any]] = {}
        pending, looked = list(futures), time.monotonic()
        while pending:
            done = [f for f in pending if f.done()]
            for future in done:
                if (found := self._result(future)) is not None:
                    results[future.key] = found
            pending = [f for f in pending if f.key not in results]
            if done:
                looked, self._empty_since = time.monotonic(), None
                if progress:
                    progress(what, sum(len(r) for r in results.values()), total)
                continue
            time.sleep(_POLL_S)
            if time.monotonic() - looked > _LOOK_S:
                looked = time.monotonic()
                self._still_there()
        return [results[f.key] for f in futures]

    def _result(self, future: Any) -> list[Any] | None:
        """Fetch a result; None if its worker died meanwhile, so that it is computed again."""
        distributed = distributed_module(self._name)
        try:
            return future.result(timeout=_FETCH_S)
        except distributed.KilledWorker as error:
            raise ClusterUnreachableError(
                f"a task on {self._name} lost one worker after the other",
                "Give the workers more memory, or run fewer threads on each, and run again",
            ) from error
        except TimeoutError:
            self._still_there()
            return None
        except CancelledError as error:
            raise self._gone() from error

    def _still_there(self) -> None:
        if self._client.status not in ("running", "connecting"):
            raise self._gone()
        alive = self._client.status == "running" and self._threads() > 0
        if alive:
            self._empty_since = None
            return
        now = time.monotonic()
        self._empty_since = self._empty_since or now
        if now - self._empty_since > self._patience_s:
            raise self._gone()


@contextmanager
def open_workers(options: ClusterOptions, threads: int, state: Path) -> Generator[Workers]:
    """Give what ``map_tiles`` runs on.

    Parameters
    ----------
    options
        What the workflow says.
    threads
        Number of threads, or of processes, of this machine.
    state
        The state directory, which all workers must see.

    Raises
    ------
    ConfigurationError
        A package is not installed; no such class, or not these arguments; workers of another
        version.
    ClusterUnreachableError
        No scheduler or no worker answers, or a worker does not see the state directory, and the
        workflow does not say what to go on with.
    """
    with ExitStack() as stack:
        try:
            workers = _enter(options, threads, state, stack)
        except ClusterUnreachableError as error:
            if options.otherwise is None:
                raise
            stack.close()
            log.warning("%s; goes on with %s of this machine.", error.what, options.otherwise)
            here = ClusterOptions(address=options.otherwise)
            workers = _enter(here, threads, state, stack)
        yield workers


def _enter(options: ClusterOptions, threads: int, state: Path, stack: ExitStack) -> Workers:
    if options.address == "threads":
        return threads
    distributed = distributed_module(options.name)
    for name in ("distributed", "distributed.client", "distributed.core", "distributed.nanny"):
        # Everything that a person can act on is said by us, once.
        logging.getLogger(name).setLevel(logging.CRITICAL)
    address: Any = options.address
    heard = Heard()
    stack.enter_context(spared())
    if options.class_ is not None:
        heard = stack.enter_context(heard_of_a_start())
        address = stack.enter_context(started(options))
    elif options.address == "processes":
        address = stack.enter_context(_processes(distributed, threads))
    client = stack.enter_context(_client(distributed, address, options.name))
    if options.class_ is not None and client.dashboard_link:
        log.info("the dashboard of %s: %s", options.name, client.dashboard_link)
    return stack.enter_context(Cluster(client, options, state, heard))


def _processes(distributed: Any, number: int) -> Any:
    return _looped(
        lambda: distributed.LocalCluster(
            n_workers=number,
            threads_per_worker=1,
            # None is the usual port, which another run on this machine may hold.
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            silence_logs=logging.CRITICAL,
        ),
        "processes",
    )


def _looped(make: Callable[[], Any], name: str) -> Any:
    """Make what needs Dask's loop; on a busy machine its thread may take longer than the 10 s."""
    for _ in range(_LOOPS):
        # Dask asserts that it began, and leaves it to begin in the background.
        with suppress(AssertionError):
            return make()
    raise ClusterUnreachableError(
        f"the cluster {name} cannot be reached (this machine is too busy to start Dask's loop)",
        _AGAIN,
    )


def _client(distributed: Any, address: Any, name: str) -> Any:
    listens = isinstance(address, str) and _listens(address, name)
    try:
        return _looped(lambda: _connected(distributed, address), name)
    except ClusterUnreachableError:
        raise
    except Exception as error:  # what is no scheduler fails in ways that nobody can list
        reason = type(error).__name__
        # What Dask says where it has no certificates to speak TLS with.
        if isinstance(error, TypeError) and str(address).startswith("tls://"):
            raise ConfigurationError(
                f"'cluster: {name}' speaks TLS, and Dask has no certificates for it here",
                "Give them to Dask (distributed.comm.tls in its configuration), or use tcp://",
            ) from error
        if listens:
            what = f"the cluster {name} answers, but not as a Dask scheduler does ({reason})"
            raise ClusterUnreachableError(what, _ANOTHER) from error
        what = f"the cluster {name} cannot be reached ({reason})"
        raise ClusterUnreachableError(what, _AGAIN) from error


def _connected(distributed: Any, address: Any) -> Any:
    client = distributed.Client.__new__(distributed.Client)
    try:
        client.__init__(address, timeout=_CONNECT_S, set_as_default=False)
    except BaseException:
        # Dask closes it after some failures only. What is left open waits for half a minute when it
        # is collected, and prints a traceback.
        with suppress(Exception):
            client.close(timeout=_CLOSE_S)
        raise
    return client


def _listens(address: str, name: str) -> bool:
    """Tell whether anything takes a connection there.

    Raises
    ------
    ClusterUnreachableError
        It does, and says nothing. A scheduler speaks first, and Dask waits for that without an end:
        a dashboard, which waits as well, would keep a run for ever.
    """
    place = urlsplit(address)
    try:
        link = socket.create_connection((place.hostname, place.port), timeout=_CONNECT_S)
    except OSError:
        return False
    said = b""
    with link, suppress(OSError):  # with TLS it is we who speak first
        said = link.recv(1) if place.scheme == "tcp" else b"?"
    if not said:
        what = f"the cluster {name} answers, but not as a Dask scheduler does (it is silent)"
        raise ClusterUnreachableError(what, _ANOTHER)
    return True
