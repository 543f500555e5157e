"""A changed option makes again what depends on it, and nothing else; the documentation says so."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import recompute
from recompute import COLUMNS, FOLLOWS, KEPT, MADE, Asked

DIRECT = {
    "store.tile_px": COLUMNS,
    "store.context_m": COLUMNS,
    "prepare.radiometry.bands": ("dark target",),
    "prepare.mask": ("mask",),
    "prepare.register": ("shift",),
    **{
        f"prepare.quarantine.{name}": ("steadiness",)
        for name in ("sigmas", "floor", "relative", "most_spread", "most_spread_share", "most_wet")
    },
    "detect.water": ("state",),
    "detect.ground.normal": ("normal",),
}
"""Option, or the name above it → the columns that it makes again by itself; all others none."""

AFTER = {
    "mask": ("clear share", "shift", "steadiness", "state", "normal"),
    "shift": ("steadiness", "state", "normal"),
    "state": ("normal",),
}
"""What follows where a column comes out different."""


@pytest.mark.thorough
def test_an_option_makes_again_what_depends_on_it_and_nothing_else(tmp_path: Path) -> None:
    rows = Asked(tmp_path).rows()
    assert len(rows) > 150
    for path, row in rows.items():
        name = ".".join(path)
        direct = next((v for k, v in DIRECT.items() if f"{name}.".startswith(f"{k}.")), ())
        follow = {c for d in direct for c in AFTER.get(d, ())} - {*direct}
        expected = [MADE if c in direct else FOLLOWS if c in follow else KEPT for c in COLUMNS]
        assert list(row) == expected, name
    assert recompute.told() == recompute.table(rows)
