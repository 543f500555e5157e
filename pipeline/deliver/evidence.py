"""Pictures beside a case: what the runs left, copied beside the feed by their digest."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.io.atomic import write_bytes

CHIPS = "chips"
"""Folder of the feed that holds pictures, each under its SHA-256."""

_SHA = re.compile(r"[0-9a-f]{64}")
_REVISION = re.compile(r"[1-9]\d{0,8}")
_FIELDS = ("name", "sha256", "bytes", "media_type", "role")


@dataclass(frozen=True)
class Evidence:
    """What lies beside a case at a revision."""

    note: str  # a sentence for the reader
    revision: int | None = None  # of the case, that the pictures were made of
    files: tuple[dict[str, Any], ...] = ()


def gather(out: Path | None, feed: Path, case_id: str, revision: int) -> Evidence:
    """Find the pictures of the newest revision up to this one, and copy them beside the feed.

    What cannot be found, or is not what its manifest says, is said to be absent.
    """
    if out is None:
        return Evidence("no folder of evidence is configured")
    found = _manifest(out, case_id, revision)
    if found is None:
        return Evidence("no pictures were made of this case yet")
    folder, of_revision = found
    try:
        files = [_checked(f) for f in json.loads((folder / "manifest.json").read_bytes())["files"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return Evidence(f"the manifest of its pictures cannot be read ({type(error).__name__})")
    for file in files:
        if not _copied(folder / file["name"], feed, file):
            return Evidence(f"its picture {file['name']} is missing or not what its manifest says")
    return Evidence("pictures are of the revision named", of_revision, tuple(files))


def chip_path(feed: Path, sha256: str) -> Path:
    """Give where a picture lies beside the feed."""
    return feed / CHIPS / sha256[:2] / sha256


def _manifest(out: Path, case_id: str, revision: int) -> tuple[Path, int] | None:
    """Give the folder with the highest revision up to this one; of two runs the newer."""
    if "/" in case_id or "\\" in case_id or case_id.startswith("."):
        return None
    best: tuple[int, str, Path] | None = None
    for folder in out.glob(f"*/evidence/{case_id}"):
        run = folder.parent.parent
        if run.is_symlink() or run.name.startswith("."):
            continue  # latest is one of the others
        for at in folder.iterdir():
            if not _REVISION.fullmatch(at.name) or not (at / "manifest.json").is_file():
                continue
            rank = (int(at.name), run.name, at)
            if rank[0] <= revision and (best is None or rank[:2] > best[:2]):
                best = rank
    return None if best is None else (best[2], best[0])


def _checked(file: dict[str, Any]) -> dict[str, Any]:
    kept = {name: file[name] for name in _FIELDS}
    name, sha256 = kept["name"], kept["sha256"]
    plain = isinstance(name, str) and name == Path(name).name and not name.startswith(".")
    if not plain or not isinstance(sha256, str) or not _SHA.fullmatch(sha256):
        raise ValueError(name)
    if not isinstance(kept["bytes"], int) or not all(
        isinstance(kept[k], str) for k in ("media_type", "role")
    ):
        raise TypeError(name)
    return kept


def _copied(source: Path, feed: Path, file: dict[str, Any]) -> bool:
    """Copy a picture if it is what its manifest says; true if it lies beside the feed then."""
    target = chip_path(feed, file["sha256"])
    if target.is_file() and target.stat().st_size == file["bytes"]:
        return True
    try:
        data = source.read_bytes()
    except OSError:
        return False
    if len(data) != file["bytes"] or hashlib.sha256(data).hexdigest() != file["sha256"]:
        return False
    write_bytes(target, data)
    return True
