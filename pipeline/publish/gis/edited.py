"""What people changed in the folder of a run is kept before the folder is written again."""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.io.atomic import write_bytes
from pipeline.publish.gis.geopackage import was_edited

log = logging.getLogger(__name__)

SHELF = "edited"
"""Folder beside those of the runs."""


def keep_edits(folder: Path, geopackage: str, project: str) -> list[Path]:
    """Keep an edited GeoPackage or project of a run's folder in ``edited/`` beside the folder.

    A file is kept once, under a name that its content gives. A GIS that has the file open holds
    new rows in a file beside it (``-wal``); SQLite's own backup brings them along.
    """
    written = _written(folder)
    kept: list[Path] = []
    path = folder / geopackage
    if path.exists() and _changed(path, written) and was_edited(path):
        kept.append(_keep(path, _whole(path)))
        log.warning(
            "%s was edited: kept as %s. To bring that back: siluan cases import %s --by NAME.",
            path,
            kept[-1],
            kept[-1],
        )
    path = folder / project
    if path.exists() and _changed(path, written):
        kept.append(_keep(path, path.read_bytes()))
        log.warning("%s was changed: kept as %s.", path, kept[-1])
    return kept


def _written(folder: Path) -> dict[str, str]:
    """Give the SHA-256 of the files as the run wrote them."""
    try:
        return dict(json.loads((folder / "run.json").read_text(encoding="utf-8"))["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _changed(path: Path, written: dict[str, str]) -> bool:
    if path.with_name(f"{path.name}-wal").exists():
        return True
    return hashlib.sha256(path.read_bytes()).hexdigest() != written.get(path.name)


def _whole(path: Path) -> bytes:
    with TemporaryDirectory() as scratch:
        copy = Path(scratch) / path.name
        try:
            with closing(sqlite3.connect(path)) as old, closing(sqlite3.connect(copy)) as new:
                old.backup(new)
            return copy.read_bytes()
        except sqlite3.DatabaseError:
            return path.read_bytes()


def _keep(path: Path, data: bytes) -> Path:
    name = f"{path.parent.name}_{hashlib.sha256(data).hexdigest()[:8]}{path.suffix}"
    kept = path.parent.parent / SHELF / name
    if not kept.exists():
        write_bytes(kept, data)
    return kept
