"""One writer at a time, held by the operating system so that a killed run lets go."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pipeline.errors import ConfigurationError, LedgerHeldError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_TRIES, _BLINK_S = 3, 0.05
# File systems on which neither locks nor SQLite's journal can be trusted.
_SHARES = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "ceph", "glusterfs", "lustre"}
    | {"fuse.sshfs", "fuse.glusterfs", "fuse.s3fs", "fuse.rclone", "davfs", "fuse.davfs"}
)


@contextmanager
def hold(path: Path) -> Generator[None]:
    """Hold the lock file beside ``path`` for as long as the block runs.

    Raises
    ------
    LedgerHeldError
        If another process, or another ledger of this one, holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    name = path.with_name(f"{path.name}.lock")
    with name.open("a+") as file:
        if not _try_for_a_moment(file):
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise LedgerHeldError(
                f"the ledger {path} is held by another run (process {holder})",
                "Wait until it ends, or end it, then run again",
            )
        file.seek(0)
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        try:
            yield
        finally:
            file.seek(0)
            file.truncate()


def held_by(path: Path, locks: Path = Path("/proc/locks")) -> int | None:
    """Give the process that holds the ledger ``path``.

    A number that a killed run left in the file is no holder: where the system lists its locks that
    is looked up; elsewhere (Windows, macOS) the lock is tried, and given back at once.
    """
    file = path.with_name(f"{path.name}.lock")
    try:
        number, inode = int(file.read_text(encoding="utf-8").split("\0")[0]), file.stat().st_ino
    except (OSError, ValueError):
        return None
    try:
        listed = [line.split() for line in locks.read_text(encoding="utf-8").splitlines()]
    except OSError:
        listed = None
    if listed is not None:
        # The last words are process, device:inode, begin and end. An inode alone may be another's:
        # file systems number alike. A line with an arrow is of one that waits, and has nothing.
        held = [tuple(w[-4:-2]) for w in listed if len(w) > 5 and "->" not in w]
        own = (process == str(number) and file.endswith(f":{inode}") for process, file in held)
        return number if any(own) else None
    try:
        with file.open("a+") as opened:
            return None if _try_lock(opened) else number
    except OSError:
        return number


def refuse_network_share(path: Path, mounts: str | None = None) -> None:
    """Refuse to keep a ledger on a network share, where that can be found out.

    Parameters
    ----------
    mounts : str, optional
        Content of ``/proc/self/mounts``; read from there if not given.

    Raises
    ------
    ConfigurationError
        If the path lies on a share: SQLite's locks are not reliable there.
    """
    kind = "UNC path" if str(path).startswith("\\\\") else _file_system(path, mounts)
    if kind in _SHARES or kind == "UNC path":
        raise ConfigurationError(
            f"the ledger {path} would lie on a network share ({kind})",
            "Keep state/ on a local disk: a share can lose what was committed",
        )


def _file_system(path: Path, mounts: str | None) -> str:
    """Name the file system of the longest mount point above a path; "" where unknown."""
    source = Path("/proc/self/mounts")
    if mounts is None:
        mounts = source.read_text(encoding="utf-8") if source.exists() else ""
    best = ("", "")
    place = path if mounts and path.is_absolute() else path.resolve()
    for line in mounts.splitlines():
        _, point, kind, *_ = line.split()
        point = point.replace("\\040", " ")
        if place.is_relative_to(point) and len(point) >= len(best[0]):
            best = (point, kind)
    return best[1]


def _try_for_a_moment(file: IO[str]) -> bool:
    """Take the lock; somebody who only looks whether it is held has it for a blink."""
    for _ in range(_TRIES):
        if _try_lock(file):
            return True
        time.sleep(_BLINK_S)
    return _try_lock(file)


def _try_lock(file: IO[str]) -> bool:
    """Take the lock without waiting."""
    try:
        if sys.platform == "win32":
            # A byte far behind the text, because Windows forbids others to read a locked one.
            file.seek(4096)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
