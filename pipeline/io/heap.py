"""Memory that was freed and that the C library keeps.

Arrays of all sizes that come and go leave glibc's arenas full of holes: comparing two large flights
it held 1.1 GB for 335 MB that were in use. What is free within can be handed back to the system.
"""

from __future__ import annotations

import ctypes
import gc
import mmap
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

_STATM = Path("/proc/self/statm")


@lru_cache(maxsize=1)
def _trim() -> Any:
    """Give ``malloc_trim`` (malloc_trim(3)); None where the C library is not glibc."""
    if not sys.platform.startswith("linux"):
        return None
    return getattr(ctypes.CDLL(None), "malloc_trim", None)


_ARENA_MAX = -8  # of mallopt(3)


@lru_cache(maxsize=1)
def few_arenas() -> bool:
    """Let new threads share two of the C library's arenas instead of eight a core.

    Dozens of threads that each bring megabytes leave as many arenas half empty. Once is enough;
    arenas that are there already stay. Where ``MALLOC_ARENA_MAX`` is set that holds, and on other
    C libraries nothing happens.

    Returns
    -------
    bool
        Whether the library was told.
    """
    if not sys.platform.startswith("linux") or "MALLOC_ARENA_MAX" in os.environ:
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return bool(mallopt and mallopt(_ARENA_MAX, 2))


def resident_bytes() -> int:
    """Give the memory that this process takes now; 0 where the system does not say."""
    try:
        pages = int(_STATM.read_text(encoding="ascii").split()[1])
    except OSError:
        return 0
    return pages * mmap.PAGESIZE


def hand_back(above_bytes: int) -> bool:
    """Give free memory back to the system if the process takes more than ``above_bytes``.

    Returns
    -------
    bool
        Whether it was done. Any thread may ask; what is in use stays where it is.
    """
    trim = _trim()
    if trim is None or resident_bytes() <= above_bytes:
        return False
    return bool(trim(0))


@contextmanager
def while_importing() -> Generator[None]:
    """Look for no garbage while modules are imported: they make none, and much to look through.

    What they made is left out of later looks as well: it stays until the process ends.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if was:
            gc.enable()
