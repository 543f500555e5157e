"""A second folder over the same files: what changes in it leaves the first one alone.

Large files that are never written in place become hard links. Files of other kinds are copied: of
them some are marked as used (their time changes), and a link would mark the original too.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from pipeline.io.atomic import disk_full_named

LINKED = frozenset({".blk", ".tif"})
"""Ends of names of files that are only ever replaced whole."""


def clone_tree(source: Path, target: Path) -> None:
    """Lay out a folder a second time below ``target``; half-written files are left out.

    A file that goes while this is at work is left out too.

    Raises
    ------
    DiskFullError
        If the disk is full.
    """
    with disk_full_named(target):
        for folder, names, files in os.walk(source):
            names[:] = sorted(n for n in names if not n.startswith("."))
            place = target / Path(folder).relative_to(source)
            place.mkdir(parents=True, exist_ok=True)
            for name in files:
                if not name.startswith("."):
                    _second(Path(folder) / name, place / name)


def _second(path: Path, place: Path) -> None:
    try:
        if path.suffix in LINKED:
            try:
                os.link(path, place)
            except FileNotFoundError:
                return
            except OSError:
                pass  # another disk, or one without links
            else:
                return
        shutil.copy2(path, place)
    except FileNotFoundError:
        place.unlink(missing_ok=True)
