"""Folders that are made once and laid out in every output that needs them.

A shelf keeps folders by name; each holds ``manifest.json`` with the SHA-256 of its other files.
What is on the shelf is never written again, but for a folder that no longer fits its manifest,
which is made anew. An output gets the files as hard links, or as copies where there are no links.
Both are read-only: who edits a picture saves a file of their own, and changes no other output.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.io.atomic import replace_dir, write_bytes

MANIFEST = "manifest.json"
READ_ONLY = 0o444


def is_whole(folder: Path) -> bool:
    """Tell whether every file of a folder is as its manifest says, and no other is there."""
    try:
        listed: list[dict[str, Any]] = json.loads((folder / MANIFEST).read_bytes())["files"]
        sums = {str(f["name"]): str(f["sha256"]) for f in listed}
        there = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
        return there == {*sums, MANIFEST} and all(
            hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
            for name, digest in sums.items()
        )
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return False


def keep(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Put a folder on the shelf, whole or not at all; ``contents`` holds its manifest too.

    Raises
    ------
    DiskFullError
        If the disk is full; nothing half-written remains.
    """

    def build(partial: Path) -> None:
        for name, data in contents.items():
            # Not waited for: the manifest tells what a loss of power has emptied.
            write_bytes(partial / name, data, durable=False)
            # Outputs share this very file: whoever edits one in place would change them all.
            (partial / name).chmod(READ_ONLY)

    replace_dir(folder, build)


def lay_out(folder: Path, target: Path) -> None:
    """Give ``target`` the files of a folder of the shelf."""
    for source in sorted(p for p in folder.rglob("*") if p.is_file()):
        place = target / source.relative_to(folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        if stat.S_IMODE(source.stat().st_mode) != READ_ONLY:
            # An earlier version kept it so, or a removal on Windows, where links share the mark.
            with contextlib.suppress(PermissionError):
                source.chmod(READ_ONLY)
        try:
            os.link(source, place)
        except OSError:
            # Another disk, or one without links; that it is full shows in the copy.
            place.unlink(missing_ok=True)
            shutil.copy2(source, place)
