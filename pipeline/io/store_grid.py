"""Where the pixels of a store lie: ``store.json``, written once and never changed."""

from __future__ import annotations

import json
from pathlib import Path

from affine import Affine

from pipeline.errors import ConfigurationError
from pipeline.io.atomic import write_json
from pipeline.model import Grid

_NAME = "store.json"
_LAYOUT = 1


def known_grid(root: Path) -> tuple[Grid, int] | None:
    """Give grid and tile size [px] of a store; None where there is none of this layout.

    Raises
    ------
    ConfigurationError
        ``store.json`` cannot be understood. The grid is that of the first scene there ever was, so
        that another one might lay old pixels elsewhere: it is not guessed.
    """
    path = root / _NAME
    if not path.exists():
        return None
    content = path.read_bytes()
    try:
        known = json.loads(content)
        if known["layout"] != _LAYOUT:
            return None
        rows, cols = known["shape"]
        grid = Grid(str(known["crs"]), Affine(*known["transform"]), (int(rows), int(cols)))
        return grid, int(known["tile_px"])
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"{path} is damaged, which says where the pixels of that store lie",
            f"Put it back from a backup, or delete the folder {root} and run again: scenes are "
            "read again, and cases stay in the ledger",
        ) from error


def describe_grid(root: Path, grid: Grid, tile_px: int) -> None:
    """Write ``store.json``."""
    write_json(
        root / _NAME,
        {
            "layout": _LAYOUT,
            "crs": grid.crs,
            "transform": list(grid.transform)[:6],
            "shape": list(grid.shape),
            "tile_px": tile_px,
        },
    )
