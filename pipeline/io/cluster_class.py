"""A cluster of a class that a workflow names: started for a run, and closed however that ends."""

from __future__ import annotations

import importlib
import inspect
import logging
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import Any

from pipeline.errors import ClusterUnreachableError, ConfigurationError
from pipeline.io.cluster_options import ClusterOptions, cluster_class
from pipeline.io.secrets import clean

log = logging.getLogger("siluan")

SEE_JOBS = (
    "See what became of its jobs (their logs, the queue), or raise wait_s, and run again; what was "
    "finished is kept"
)
_LONGEST = 400
# What glibc's malloc grows to by itself where nobody sets it: images are kept for the next one.
_HEAP_BYTES, _HELD_BYTES = 32 << 20, 64 << 20


class Heard(logging.Filter):
    """Keeps what goes wrong where workers are started, which the loop of Dask only logs."""

    def __init__(self) -> None:
        super().__init__()
        self.said = ""

    def filter(self, record: logging.LogRecord) -> bool:
        """Remember the newest error, and print no traceback of it."""
        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            return True
        self.said = _reason(error)
        return False


@contextmanager
def heard_of_a_start() -> Generator[Heard]:
    """Listen for as long as the block runs."""
    heard, loop = Heard(), logging.getLogger("tornado.application")
    loop.addFilter(heard)
    try:
        yield heard
    finally:
        loop.removeFilter(heard)


@contextmanager
def spared() -> Generator[None]:
    """Let workers that are started in the block work as threads of a run do.

    By Dask's own settings they look at their stacks every 10 ms (the dashboard's page of profiles
    stays empty without it), wake up every 20 ms, and give back each image's memory at once, only to
    ask for it again: together as much work as the sweeps themselves.
    """
    config = importlib.import_module("dask.config")
    memory = {"MALLOC_TRIM_THRESHOLD_": _HELD_BYTES, "MALLOC_MMAP_THRESHOLD_": _HEAP_BYTES}
    environ = "distributed.nanny.pre-spawn-environ"
    with config.set(
        {
            "distributed.worker.profile.enabled": False,
            "distributed.admin.tick.interval": "200ms",
            **{f"{environ}.{name}": value for name, value in memory.items()},
        }
    ):
        yield


@contextmanager
def started(options: ClusterOptions) -> Generator[Any]:
    """Start a cluster with as many workers as were asked for, and close it.

    Raises
    ------
    ConfigurationError
        No such class, or not these arguments.
    ClusterUnreachableError
        It could not be started.
    """
    inner = ExitStack()
    cluster = _called(options)
    inner.callback(_close, cluster)
    try:
        try:
            if options.adapt is not None:
                cluster.adapt(minimum=options.adapt.minimum, maximum=options.adapt.maximum)
            else:
                cluster.scale(options.scale)
            inner.enter_context(cluster)
        except Exception as error:
            raise _not_started(options, error) from error
        yield cluster
    finally:
        try:
            inner.close()
        except Exception as error:  # noqa: BLE001 - a run that is finished stays finished
            log.warning("%s was not closed (%s): look for its workers.", options.name, error)


def _close(cluster: Any) -> None:
    """Close it where entering it failed, so that leaving it did not."""
    if cluster.status.name != "closed":
        cluster.close()


def _called(options: ClusterOptions) -> Any:
    try:
        made = cluster_class(str(options.class_))
        # Workers of this machine print a traceback each where they cannot begin; the reason comes
        # back here, and is said.
        known = inspect.signature(made).parameters
        quiet = {"silence_logs": logging.CRITICAL} if "silence_logs" in known else {}
        return made(**{**quiet, **options.args})
    except ConfigurationError:
        raise
    except Exception as error:
        # Classes hand on what they do not know, so that a wrong name is found by their workers.
        if isinstance(error, ValueError) or isinstance(_root(error), TypeError):
            raise ConfigurationError(
                f"'cluster: {options.name}' does not take these args ({_reason(error)})",
                "Look up the arguments of that class",
            ) from error
        raise _not_started(options, error) from error


def _not_started(options: ClusterOptions, error: Exception) -> ClusterUnreachableError:
    what = f"the cluster {options.name} could not be started ({_reason(error)})"
    return ClusterUnreachableError(what, SEE_JOBS)


def _reason(error: BaseException) -> str:
    """Give the words of a library on one line; they may hold an address with a secret."""
    root = _root(error)
    return " ".join(clean(f"{type(root).__name__}: {root}").split())[:_LONGEST]


def _root(error: BaseException) -> BaseException:
    """Give what an error came from in the end: what is raised is often "failed to start"."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error
