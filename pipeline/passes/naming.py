"""Names of what results rest on: the layers of a look, a history of looks, the code that judges."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from pipeline import __version__
from pipeline.io.vault import content_key
from pipeline.model import Pass
from pipeline.passes.ground import Sparse, States

_JUDGING = (
    "apart", "bars", "baselines", "bench", "benches", "book", "change", "company", "deck_looks",
    "farming", "fills", "flooded", "follow", "follow_ground", "ground", "ground_measures",
    "in_a_row", "levels", "normals", "own_ground", "past", "piers", "quarter", "silent", "stored",
    "strips", "traits", "verdicts", "watch", "water_outline",
)  # fmt: skip


def history_content(states: States, history: Sequence[Pass]) -> list[object]:
    """Give all that a history says: its looks' layers, and what was flagged in them."""
    own = {p.id for p in history}
    flagged = {
        pass_id: [sparse_mark(pixels) for pixels in sparse]
        for pass_id, sparse in sorted(states.flagged.items())
        if pass_id in own
    }
    looks = [[p.id, p.acquired.isoformat(), look_mark(states, p)] for p in history]
    return [looks, flagged]


@cache
def code_mark() -> str:
    """Sum up the code that looks are judged by: what older code found is not kept as found by this.

    Releases have their version, and working copies change without one.
    """
    here = Path(__file__).parent
    files = [*sorted((here.parent / "detect").glob("*.py")), *(here / f"{n}.py" for n in _JUDGING)]
    content = b"\0".join(f.read_bytes() for f in files)
    return hashlib.sha256(__version__.encode() + content).hexdigest()[:16]


def look_mark(states: States, p: Pass) -> str:
    """Sum up the checksums of what the store holds of a look: a new scene need not change them."""
    marks, key = states.looks.marks, states.looks.state_keys[p.id]
    if p.id not in marks:
        store = states.site.store
        folders = [f"{layer}/{key}/{p.id}" for layer in ("state", "feature")]
        blocks = [m for f in folders for m in store.marks(f, store.all_tiles)]
        content = [blocks, *states.looks.quality[p.id].shift_px]
        marks[p.id] = content_key(content)
    return marks[p.id]


def sparse_mark(pixels: Sparse) -> str:
    """Name pixels by where they lie."""
    rows, cols = pixels
    return hashlib.sha256(rows.astype("<i4").tobytes() + cols.astype("<i4").tobytes()).hexdigest()
