"""Edits in a table that was exported: three ways between then, now, and what people wrote.

Each row says of which revision it was written; the ledger keeps that revision, so that a change is
told from a value that was merely carried along, and a conflict from either. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from shapely.geometry.base import BaseGeometry

from pipeline.adjudicate.candidates import AdjudicateOptions
from pipeline.cases.outlines import corrected_outline, same_outline
from pipeline.cases.subtypes import brought_back, carried
from pipeline.cases.tables import Row
from pipeline.cases.words import (
    free_text,
    plain,
    read_day,
    read_flag,
    read_id,
    read_kind,
    read_reason,
    read_status,
)
from pipeline.errors import ConfigurationError
from pipeline.ledger import Edit
from pipeline.model import Case
from pipeline.publish.geometry import to_wgs84
from pipeline.publish.rows import texts_of, values_of

READERS: Mapping[str, Callable[[str | None], Any]] = {
    "status": read_status,
    "reason": read_reason,
    "note": lambda t: free_text(t, "note"),
    "kind": read_kind,
    "subtype": plain,
    "due": read_day,
    "overdue": lambda t: read_flag(t, "overdue"),
    "on_account": lambda t: read_flag(t, "on_account"),
    "external_id": read_id,
}
"""What people may write, by column, and how it is read."""

_RECORD = ("note", "due", "overdue", "on_account")
_OUTLINE = "outline"


@dataclass(frozen=True, slots=True)
class Author:
    """Who brings edits back, and of which day."""

    by: str
    on: date
    # Whose table a sub-type is one of; asked only where one was written, because it takes a while.
    graded: Callable[[], AdjudicateOptions | None] = lambda: None


def pending(row: Row, then: Case, now: Case) -> dict[str, Any]:
    """Give what a row changes and the ledger does not know yet, by column.

    What stands there as it was exported is not read: a ledger may hold what nobody may write any
    more (an id that is too long), and nobody wrote it here.

    Parameters
    ----------
    then, now : Case
        At the row's revision, and as the case stands.

    Raises
    ------
    ConfigurationError
        A value cannot be read.
    """
    was, stands = values_of(then), values_of(now)
    exported = texts_of(then), texts_of(now)
    found: dict[str, Any] = {}
    for name, read in READERS.items():
        if name in row.values and not any(_same(row[name], texts[name]) for texts in exported):
            wrote = read(row[name])
            if not _is(name, wrote, then, was) and not _is(name, wrote, now, stands):
                found[name] = wrote
    drawn = _drawn(row, then)
    if drawn is not None and not same_outline(drawn, to_wgs84(now.polygon, now.crs)):
        found[_OUTLINE] = drawn
    return found


def _same(wrote: str | None, exported: str | None) -> bool:
    return (wrote or "").split() == (exported or "").split()


def _is(name: str, wrote: Any, case: Case, values: Mapping[str, Any]) -> bool:
    """Tell whether a case says that already; a sub-type by code or text, suggested ones too."""
    return wrote == values[name] or (name == "subtype" and carried(wrote, case))


def merge_row(row: Row, then: Case, now: Case, author: Author) -> Edit | None:
    """Give the edit that a row means; None if it says nothing new.

    Raises
    ------
    ConfigurationError
        A value cannot be read, was emptied, or the ledger has changed it too since (a conflict:
        what it was, what stands, and what was written are named).
    """
    wrote = pending(row, then, now)
    if not wrote:
        return None
    was, stands = values_of(then), values_of(now)
    clash = [
        f"{name} was {_word(was[name])}, is now {_word(stands[name])}, and was written "
        f"{_word(value)}"
        for name, value in wrote.items()
        if name != _OUTLINE and was[name] != stands[name]
    ]
    if _OUTLINE in wrote and not then.polygon.equals(now.polygon):
        clash.append("its outline was changed in the ledger too")
    if clash:
        raise ConfigurationError(
            f"conflict since revision {then.revision}: {', '.join(clash)}",
            "Write what shall hold into a fresh export",
        )
    never = ("status", "kind", "subtype", "reason")
    empty = [n for n in never if wrote.get(n, "") is None]
    if empty:
        raise ConfigurationError(f"{', '.join(empty)} was emptied", "Write a value")
    moved = wrote.get("status")
    edit = Edit(
        case_id=now.case_id,
        by=author.by,
        on=author.on,
        where=row.where,
        status=moved,
        reason=wrote.get("reason"),
        kind=wrote.get("kind"),
        outline_wgs84=wrote.get(_OUTLINE),
        external_id=wrote["external_id"] or "" if "external_id" in wrote else None,
        record={name: wrote[name] for name in _RECORD if name in wrote},
    )
    if "subtype" not in wrote:
        return edit
    return brought_back(edit, wrote["subtype"], (then, now), author.graded)


def _drawn(row: Row, then: Case) -> BaseGeometry | None:
    return corrected_outline(then, row.geometry)


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "empty" if value is None else f"'{value}'"
