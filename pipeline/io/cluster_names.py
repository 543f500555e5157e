"""What a scheduler's dashboard calls the work: its stage, and the tiles."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from pipeline.model import Tile, Window


def keys_of(work: Callable[..., Any], what: str, batches: Sequence[Sequence[Any]]) -> list[str]:
    """Name every batch of items: ``levels_2026_07-r0c512..r0c2048-3f9a1c07_0``.

    The dashboard groups by what stands before the first hyphen. A name is given once: a task of an
    earlier map would otherwise be taken for it.

    Parameters
    ----------
    what
        The stage; where it has no name, that of the function.
    """
    stage, once = _plain(what) or _called(work), uuid4().hex[:8]
    return [f"{stage}-{_range(batch, i)}-{once}_{i}" for i, batch in enumerate(batches)]


def _range(batch: Sequence[Any], index: int) -> str:
    first, last = _name(batch[0]), _name(batch[-1])
    name = first if first == last else f"{first}..{last}"
    # Without a digit the dashboard would take it for a part of the stage.
    return name if any(c.isdigit() for c in name) else f"{index}{name}"


def _name(item: object) -> str:
    """Name one item; empty where nothing tells it from others."""
    if isinstance(item, Tile):
        return _name(item.core)
    if isinstance(item, Window):
        return f"r{item.row0}c{item.col0}"
    if isinstance(item, str | int):
        return _plain(str(item))
    if isinstance(item, Path):
        return _plain(item.name)
    if isinstance(item, tuple):
        return "_".join(filter(None, map(_name, item[:2])))
    inner = getattr(item, "id", None) or getattr(item, "case_id", None)
    return _plain(inner) if isinstance(inner, str) else ""


def _plain(text: str) -> str:
    return re.sub(r"[^\w.]+", "_", text).strip("_")


def _called(work: Callable[..., Any]) -> str:
    """Give the name of a function; of one within another, that of the outer one."""
    inner = getattr(work, "func", work)
    name: str = getattr(inner, "__qualname__", type(inner).__name__)
    return _plain(name.split(".<locals>", maxsplit=1)[0].rsplit(".", maxsplit=1)[-1]) or "work"
