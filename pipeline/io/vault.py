"""Small results kept on disk, each under a name made of all that it depends on.

An entry that is damaged counts as absent and is dropped. Entries that nothing has asked for in a
while go when there are too many; dropping any of them costs time and never changes a result.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import struct
import time
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.io.atomic import write_bytes
from pipeline.io.progress import DETAIL

log = logging.getLogger("siluan")

_MAGIC = b"SLV1"
_told: set[Path] = set()  # folders of which this process has said that something is damaged


def content_key(*content: Any) -> str:
    """Name content (anything that JSON can say); 16 hexadecimal digits of its SHA-256."""
    text = json.dumps(alike(content), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def alike(content: Any) -> Any:
    """Give content with whole numbers written one way: an option of 200 is one of 200.0."""
    if isinstance(content, float) and content.is_integer():
        return int(content)
    if isinstance(content, Mapping):
        return {k: alike(v) for k, v in content.items()}
    if isinstance(content, list | tuple):
        return [alike(v) for v in content]
    return content


Memory = dict[tuple[str, str], dict[str, NDArray[np.generic]]]
"""Results by kind and key."""


@dataclass(frozen=True)
class Vault:
    """Arrays by kind and key, below one folder; ``touch=False`` only looks, and changes nothing.

    Who only looks before others work leaves what was found in ``memory``, where they take it.
    """

    root: Path
    touch: bool = True
    memory: Memory | None = None

    def get(self, kind: str, key: str) -> dict[str, NDArray[np.generic]] | None:
        """Give what was put under a key, or None; marks it as used."""
        path = self._path(kind, key)
        if self.memory is not None and self.touch:
            arrays = self.memory.pop((kind, key), None)
            if arrays is not None:
                self._mark_used(path)
                return arrays
        try:
            blob = path.read_bytes()
        except FileNotFoundError:
            return None
        body = blob[8:]
        if blob[:4] != _MAGIC or blob[4:8] != struct.pack("<I", zlib.crc32(body)):
            return self._drop(path)
        try:
            with np.load(io.BytesIO(body), allow_pickle=False) as found:
                arrays = {name: found[name] for name in found.files}
        except (ValueError, OSError, zipfile.BadZipFile):
            return self._drop(path)
        if self.touch:
            self._mark_used(path)
        elif self.memory is not None:
            self.memory[kind, key] = arrays
        return arrays

    @staticmethod
    def _mark_used(path: Path) -> None:
        with suppress(OSError):
            now = time.time_ns()  # files are stamped by ticks of some ms, in which many are written
            os.utime(path, ns=(now, now))

    def put(self, kind: str, key: str, **arrays: NDArray[np.generic]) -> None:
        """Keep arrays under a key."""
        sink = io.BytesIO()
        np.savez_compressed(sink, allow_pickle=False, **arrays)
        body = sink.getvalue()
        blob = _MAGIC + struct.pack("<I", zlib.crc32(body)) + body
        write_bytes(self._path(kind, key), blob, durable=False)

    def trim(self, most_bytes: int) -> None:
        """Drop the entries unused for longest until the rest fits."""
        found: list[tuple[os.stat_result, Path]] = []
        for path in self.root.glob("*/*.npz"):
            with suppress(FileNotFoundError):  # another run drops as well
                found.append((path.stat(), path))
        total = sum(stat.st_size for stat, _ in found)
        for stat, path in sorted(found, key=lambda f: (f[0].st_mtime_ns, f[1].name)):
            if total <= most_bytes:
                return
            path.unlink(missing_ok=True)
            total -= stat.st_size

    def _path(self, kind: str, key: str) -> Path:
        return self.root / kind / f"{key}.npz"

    def _drop(self, path: Path) -> None:
        if not self.touch:
            return
        further = self.root in _told
        _told.add(self.root)
        # A loss of power leaves many of them: the first is said, the run's log has the others.
        log.warning("%s is damaged and is made again", path, extra={DETAIL: further})
        path.unlink(missing_ok=True)
