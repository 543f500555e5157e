"""Named points where a run can be made to die, for tests and drills.

``SILUAN_FAILPOINT=name[:nth][=kill|enospc|interrupt]`` triggers at the nth passage (default 1) of
the point: SIGKILL of the own process (default), ``OSError(ENOSPC)`` or ``KeyboardInterrupt``.
Unset, a point costs one look into the environment.
"""

from __future__ import annotations

import errno
import os
import re
import signal
from collections import Counter

from pipeline.errors import ConfigurationError

VARIABLE = "SILUAN_FAILPOINT"

NAMES = frozenset(
    {
        "acquire.searched",
        "gather.block",
        "gather.pass_done",
        "prepare.masked",
        "prepare.reduced",
        "detect.sighted",
        "adjudicate.done",
        "ledger.before_commit",
        "ledger.after_commit",
        "evidence.drawn",
        "publish.before_swap",
        "publish.after_swap",
    }
)

ELSEWHERE = frozenset(
    {"baseline.planned", "baseline.fetched", "cluster.batch", "submit.built", "submit.taken"}
    | {"deliver.issued", "deliver.before_page", "deliver.page_written", "deliver.taken_in"}
    | {"deliver.chip_sent", "deliver.posted", "deliver.marked", "deliver.answered"}
    | {"backup.copied", "backup.packed", "backup.written", "ledger.before_upgrade"}
    | {"restore.committed", "restore.half_moved", "restore.loaded", "restore.unpacked"}
)
"""Points that a plain run does not pass."""

_SPEC = re.compile(r"(?P<name>[a-z_.]+)(:(?P<nth>[1-9]\d*))?(=(?P<action>kill|enospc|interrupt))?")
_passages: Counter[str] = Counter()


def failpoint(name: str) -> None:
    """Pass a named point, unless the environment says that this is where the run dies.

    Raises
    ------
    ValueError
        If the name is not in ``NAMES``: a slip of the programmer.
    ConfigurationError
        If the environment variable cannot be read or names no known point.
    """
    spec = os.environ.get(VARIABLE)
    if name not in NAMES | ELSEWHERE:
        raise ValueError(f"unknown fail-point {name!r}; add it to NAMES")
    if not spec:
        return
    wanted, nth, action = parse(spec)
    if name != wanted:
        return
    _passages[name] += 1
    if _passages[name] == nth:
        _die(name, action)


def parse(spec: str) -> tuple[str, int, str]:
    """Read ``name[:nth][=action]`` into (name, nth, action)."""
    found = _SPEC.fullmatch(spec)
    known = NAMES | ELSEWHERE
    if found is None or found["name"] not in known:
        raise ConfigurationError(
            f"the environment variable {VARIABLE} is {spec!r}",
            f"Use name[:nth][=kill|enospc|interrupt] with a name of {', '.join(sorted(known))}",
        )
    return found["name"], int(found["nth"] or 1), found["action"] or "kill"


def _die(name: str, action: str) -> None:
    if action == "enospc":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)
    if action == "interrupt":
        raise KeyboardInterrupt(name)
    os.kill(os.getpid(), signal.SIGKILL)
