"""Whether a process that somebody noted is still there, and is still the same one."""

from __future__ import annotations

import os
from pathlib import Path

_PROC = Path("/proc")


def mark_of(pid: int, proc: Path = _PROC) -> str | None:
    """Tell a process from a later one of its number: the boot, and when it began within that.

    None where the system does not say (no ``/proc``), or there is no such process.
    """
    try:
        boot = (proc / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        # The name of the program comes in brackets, and may hold anything.
        words = (proc / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    # proc(5): field 22 is the start, in ticks since the boot; the state, 3, is the first here.
    if len(words) < 20:
        return None
    # Z: it has ended, and nobody has asked how (in a container perhaps nobody ever does). While
    # other threads of it (field 20) are on their way out, they still hold its files and locks.
    ended = words[0] in "ZX" and int(words[17]) <= 1
    return None if ended else f"{boot}/{words[19]}"


def is_alive(pid: int, mark: str | None = None, proc: Path = _PROC) -> bool:
    """Tell whether a process is there.

    Parameters
    ----------
    mark : str, optional
        What :func:`mark_of` said when it was; without it any process of that number counts.
    """
    if mark is not None and (proc / "self").exists():
        return mark_of(pid, proc) == mark
    if os.name == "nt":  # os.kill would end it there
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
