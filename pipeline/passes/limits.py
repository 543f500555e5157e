"""A limit to what the stores of a state folder hold: what was used longest ago goes first.

What goes is a pass with all that was made of it. When it was used last is written in the records of
runs (:mod:`pipeline.passes.layers`); a pass that no record names was used when it was read. Nothing
goes that the run at hand used, and no case, no evidence and no picture lies in a store.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline.config import Workflow
from pipeline.io.sizes import folder_bytes, in_words
from pipeline.model import Corridor
from pipeline.passes.layers import forget_passes, last_used
from pipeline.passes.site import store_root

_OF_A_LOOK = ("mask", "state", "feature", "sky")
"""Folders of a store that hold layers by key and pass."""


@dataclass(frozen=True)
class _Held:
    root: Path
    pass_id: str
    used_ns: int

    @property
    def folders(self) -> list[Path]:
        """Give the folders of the pass, that of its pixels last."""
        layers = [p for top in _OF_A_LOOK for p in self.root.glob(f"{top}/*/{self.pass_id}")]
        return [*layers, self.root / self.pass_id]


def keep_within(
    workflow: Workflow, used: Mapping[str, Collection[str]], corridors: Sequence[Corridor]
) -> list[str]:
    """Drop what was used longest ago until the stores fit the workflow's limit; say so, in words.

    Parameters
    ----------
    used
        Ids of the passes of this run by corridor id; none of them goes.
    corridors
        Of this run.
    """
    limit = workflow.options.store.limit_gb
    if limit is None:
        return []
    folder, most = workflow.state / "store", limit * 1e9
    total = folder_bytes(folder)
    if total <= most:
        return []
    own = {store_root(workflow, c): frozenset(used.get(c.id, ())) for c in corridors}
    gone: list[_Held] = []
    freed = 0
    for held in sorted(_held(folder, own), key=lambda h: (h.used_ns, h.root.name, h.pass_id)):
        if total - freed <= most:
            break
        freed += _drop(held)
        gone.append(held)
    for root in {h.root for h in gone}:
        forget_passes(root, {h.pass_id for h in gone if h.root == root})
    return [_said(folder, total - freed, most, gone, freed)]


def _held(folder: Path, own: Mapping[Path, Collection[str]]) -> list[_Held]:
    found: list[_Held] = []
    for root in sorted(p for p in folder.glob("*") if (p / "store.json").exists()):
        times = last_used(root)
        # Those with pixels, finished or not: a run that was killed may have left half of one. One
        # that is all cloud has a note and no pixels: it costs nothing, and saves a look.
        for place in sorted({block.parent for block in root.glob("*/*.blk")}):
            name, note = place.name, place / "pass.json"
            if name in own.get(root, ()):
                continue
            read = (note if note.exists() else place).stat().st_mtime_ns
            found.append(_Held(root, name, times.get(name, read)))
    return found


def _drop(held: _Held) -> int:
    folders = held.folders
    size = sum(folder_bytes(f) for f in folders)
    # First what says that it is whole: whatever happens next, half of it is never read.
    (held.root / held.pass_id / "pass.json").unlink(missing_ok=True)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    return size


def _said(folder: Path, left: int, most: float, gone: Sequence[_Held], freed: int) -> str:
    limit = f"the limit of {in_words(most)} (options.store.limit_gb)"
    parts: list[str] = []
    if gone:
        last = datetime.fromtimestamp(max(h.used_ns for h in gone) / 1e9, UTC)
        parts.append(
            f"{len(gone)} passes, not used since {last:%Y-%m-%d} or longer, were dropped "
            f"({in_words(freed)}) to keep {limit}; a run that asks for them reads them again"
        )
    if left > most:
        parts.append(
            f"what this run used, with its references, is {in_words(left)}, above {limit}, and "
            "stays: allow more, or shorten the period"
        )
    return f"{folder}: {'; '.join(parts)}"
