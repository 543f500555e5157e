"""The office's tables of sub-types and severity, from rows of text; every bad line is named. Pure.

What a table leaves open grades nothing: a row without a break or without a grade is kept for the
reader, and is not read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import combinations
from typing import Any, cast, get_args

from pipeline.adjudicate.grading import GRADES, Break, Grading, Subtype, Unit, When
from pipeline.errors import ConfigurationError
from pipeline.model import Kind

Rows = Sequence[tuple[int, Mapping[str, str]]]
"""Line of the file, and its cells by column."""

SUBTYPE_COLUMNS = ("code", "class", "subtype", "suggested_when")
"""That a table must have; ``suggested_as`` may be there, and is not in older ones."""
SEVERITY_COLUMNS = (
    *("row", "subtypes", "break", "grade"),
    *("verified", "confirmed_by", "confirmed_on"),
)
_KINDS = {k.zh: k for k in Kind}
_WHENS: tuple[str, ...] = get_args(When)
_BREAK = re.compile(r"(>=|>|<|<=)?\s*(\d+(?:\.\d+)?)(?:\s*-\s*(\d+(?:\.\d+)?))?\s*(m2|m3)")


def grading_of(subtypes: Rows, severity: Rows, names: tuple[str, str]) -> Grading:
    """Make both tables.

    Parameters
    ----------
    names : (str, str)
        Of the two files, for sentences.

    Raises
    ------
    ConfigurationError
        Every bad line of both files named.
    """
    bad: list[str] = []
    kinds = _subtypes(subtypes, names[0], bad)
    breaks = _breaks(severity, {s.code for s in kinds}, names[1], bad)
    if bad:
        raise ConfigurationError("; ".join(bad), "Mend these lines")
    return Grading(subtypes=tuple(kinds), breaks=tuple(breaks))


def _subtypes(rows: Rows, name: str, bad: list[str]) -> list[Subtype]:
    out: list[Subtype] = []
    for line, row in rows:
        code, kind, when = row["code"], _KINDS.get(row["class"]), row["suggested_when"]
        where = f"{name} line {line}"
        wrong: list[str] = []
        if not code or not row["subtype"]:
            wrong.append(f"{where} lacks its code or its text")
        if kind is None:
            wrong.append(f"{where}: class '{row['class']}' is none of {', '.join(_KINDS)}")
        if when not in _WHENS:
            known = ", ".join(w for w in _WHENS if w)
            wrong.append(f"{where}: suggested_when '{when}' is none of {known}, or empty")
        if any(s.code == code for s in out):
            wrong.append(f"{where}: {code} is there twice")
        if when and any((s.kind, s.when) == (kind, when) for s in out):
            wrong.append(f"{where}: another {row['class']} is suggested when '{when}' already")
        bad += wrong
        if kind is not None and not wrong:
            suggested = row.get("suggested_as", "")
            out.append(
                Subtype(
                    code=code,
                    kind=kind,
                    text=row["subtype"],
                    when=cast("When", when),
                    suggested_as=suggested,
                )
            )
    return out


def _breaks(rows: Rows, codes: set[str], name: str, bad: list[str]) -> list[Break]:
    out: list[tuple[int, Break]] = []
    numbers: set[str] = set()
    for line, row in rows:
        where = f"{name} line {line}"
        wrong = _wrong(row, codes)
        if row["row"] in numbers:
            wrong.append(f"row {row['row']} is there twice")
        numbers.add(row["row"])
        bad += [f"{where}: {w}" for w in wrong]
        if not wrong and row["grade"]:
            ends = _ends(row["break"])
            made = Break(
                row=int(row["row"]),
                subtypes=tuple(row["subtypes"].split()),
                grade=cast("Any", row["grade"]),
                confirmed_by=row["confirmed_by"] or None,
                confirmed_on=row["confirmed_on"] or None,
                **(ends or {}),
            )
            out.append((line, made))
    for (line, one), (other_line, other) in combinations(out, 2):
        both = set(one.subtypes) & set(other.subtypes)
        if both and one.measure == other.measure and _overlap(one, other):
            bad.append(f"{name} lines {line} and {other_line} hold the same {one.measure}")
    return [b for _, b in out]


def _wrong(row: Mapping[str, str], codes: set[str]) -> list[str]:
    """Say what is wrong with one line of the table of severity."""
    wrong: list[str] = []
    if not row["row"].isdigit():
        wrong.append(f"row '{row['row']}' is no number")
    strange = [c for c in row["subtypes"].split() if c not in codes]
    if strange:
        wrong.append(f"no sub-type is called {', '.join(strange)}")
    if row["break"] not in ("", "-") and _ends(row["break"]) is None:
        wrong.append(f"break '{row['break']}' is not like '>=5000 m2' or '1000-5000 m2'")
    if row["grade"]:
        if row["grade"] not in GRADES:
            wrong.append(f"grade '{row['grade']}' is none of {', '.join(GRADES)}")
        if row["break"] in ("", "-") or not row["subtypes"].split():
            wrong.append("a grade needs a break and sub-types")
    wrong += _confirmation(row)
    return wrong


def _confirmation(row: Mapping[str, str]) -> list[str]:
    """Check that what is called verified says who confirmed it and when, and nothing else does."""
    said = row["verified"].lower()
    if said not in ("true", "false"):
        return [f"verified '{row['verified']}' is neither true nor false"]
    by, on = row["confirmed_by"], row["confirmed_on"]
    if said == "true" and not (by and on):
        return ["verified needs confirmed_by and confirmed_on"]
    if said == "false" and (by or on):
        return ["it names who confirmed it, and says verified false"]
    if on:
        try:
            date.fromisoformat(on)
        except ValueError:
            return [f"confirmed_on '{on}' is no day like 2026-03-05"]
    return []


def _ends(text: str) -> dict[str, Any] | None:
    """Read a break; None if it is none."""
    found = _BREAK.fullmatch(text)
    if found is None:
        return None
    sign, first, second, unit = found.groups()
    value, measure = float(first), cast("Unit", unit)
    if second is not None:
        if sign or float(second) <= value:
            return None
        return {"measure": measure, "least": value, "most": float(second), "most_in": True}
    if sign in ("<", "<="):
        return {"measure": measure, "least": 0.0, "most": value, "most_in": sign == "<="}
    if sign in (">", ">="):
        return {"measure": measure, "least": value, "least_in": sign == ">="}
    return None


def _overlap(one: Break, other: Break) -> bool:
    """Tell whether two intervals share more than an end."""
    low = max(one.least, other.least)
    ends = [b.most for b in (one, other) if b.most is not None]
    return not ends or low < min(ends)
