"""From an office's columns to the fields of a layer; every offender is named."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date
from pathlib import Path

from pipeline.errors import ConfigurationError
from pipeline.ledger.status import Verdict, verdict_of
from pipeline.office.kinds import FieldSpec, KindSpec, Parse

_SHOWN = 20
Rows = list[dict[str, str | None]]


def choose_columns(
    spec: KindSpec, columns: Sequence[str], given: Mapping[str, str], path: Path
) -> dict[str, str]:
    """Give the column of each field that has one.

    Raises
    ------
    ConfigurationError
        A field that the kind does not have, a column that the file does not have, or a required
        field without a column.
    """
    known = {f.name for f in spec.fields}
    strange = sorted(set(given) - known - {"x", "y", "ring", "order"})
    if strange:
        raise ConfigurationError(
            f"--field names {', '.join(strange)}, which a layer of {spec.kind.value} does not have",
            f"It has: {', '.join(f.name for f in spec.fields)}",
        )
    absent = sorted(f"{f}={c}" for f, c in given.items() if f in known and c not in columns)
    if absent:
        raise ConfigurationError(
            f"{path} has no such column: {', '.join(absent)}", f"It has: {', '.join(columns)}"
        )
    lower = {c.strip().lower(): c for c in columns}
    chosen = {f.name: c for f in spec.fields if (c := given.get(f.name) or _alias(f, lower))}
    missing = [f.name for f in spec.fields if f.required and f.name not in chosen]
    if missing:
        raise ConfigurationError(
            f"{path} has no column that is known for {', '.join(missing)} "
            f"(columns: {', '.join(columns) or 'none'})",
            f"Name it once: {' '.join(f'--field {m}=COLUMN' for m in missing)}; it is remembered",
        )
    return chosen


def _alias(spec: FieldSpec, lower: Mapping[str, str]) -> str | None:
    return next((lower[a] for a in (spec.name, *spec.aliases) if a in lower), None)


def fill_fields(
    spec: KindSpec,
    columns: Mapping[str, Sequence[str | None]],
    chosen: Mapping[str, str],
    wanted: tuple[int, Collection[int]],
    path: Path,
) -> Rows:
    """Give the normalised fields of every feature, as text.

    Parameters
    ----------
    wanted : (int, collection of int)
        Number of features in the file, and those that are used: others may be incomplete.

    Raises
    ------
    ConfigurationError
        Values that are missing or cannot be read: every feature named.
    """
    count, used = wanted
    rows: Rows = [{f.name: None for f in spec.fields} for _ in range(count)]
    wrong: list[str] = []
    for field in spec.fields:
        column = chosen.get(field.name)
        for i in range(count if column else 0):
            value = columns[str(column)][i]
            read = None if value is None else _PARSERS[field.parse](value)
            if value is not None and read is None:
                wrong.append(f"feature {i + 1} has {column} = '{value}', {_WANTED[field.parse]}")
            if value is None and field.required and i in used:
                wrong.append(f"feature {i + 1}{_called(rows[i])} has no {field.name}")
            rows[i][field.name] = read
    wrong += [w for i, row in enumerate(rows, 1) if (w := _contradiction(row, i))]
    if wrong:
        more = f"; and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise ConfigurationError(
            f"{path}: {'; '.join(wrong[:_SHOWN])}{more}",
            "Complete the file and import again: nothing was imported",
        )
    return rows


def _called(row: Mapping[str, str | None]) -> str:
    name = row.get("id") or row.get("name") or row.get("code")
    return f" ({name})" if name else ""


def _contradiction(row: Mapping[str, str | None], number: int) -> str | None:
    start, end = row.get("from"), row.get("to")
    called = f"feature {number}{_called(row)}"
    if start and end and len(start) == 10 and end < start:
        return f"{called} ends ({end}) before it begins ({start})"
    if "stage_m" in row and bool(start) != bool(end):
        return f"{called} has only one end of its no-mining period"
    if "stage_m" in row and row["stage_m"] and not row["station"]:
        return f"{called} has a stage but no station that measures it"
    return None


def read_date(text: str) -> str | None:
    """Give a day in ISO form (2025-06-01, 2025/6/1, 20250601, 2025年6月1日); None if it is none."""
    found = re.fullmatch(r"(\d{4})\D{0,2}?(\d{1,2})\D(\d{1,2})日?(?:[ T].*)?", text.strip())
    found = found or re.fullmatch(r"(\d{4})(\d{2})(\d{2})", text.strip())
    if found is None:
        return None
    try:
        return date(*(int(g) for g in found.groups())).isoformat()
    except ValueError:
        return None


def read_month_day(text: str) -> str | None:
    """Give a day of every year as MM-DD (04-01, 4月1日), or a whole date; None if it is neither."""
    found = re.fullmatch(r"(\d{1,2})\D(\d{1,2})日?", text.strip())
    if found is None:
        return read_date(text)
    try:
        return date(2000, int(found[1]), int(found[2])).isoformat()[5:]
    except ValueError:
        return None


def _after(text: str) -> str | None:
    """Say what becomes of a work's product once it ended: stays or cleared."""
    word = text.strip().lower()
    for answer, words in (
        ("cleared", r"clear|清退|恢复|拆除|临时|不保留"),
        ("stays", r"stay|保留|永久"),
    ):
        if re.search(words, word):
            return answer
    return None


def _verdict(text: str) -> str | None:
    """Read a verdict as those of inspections are read: the rules ask for the very word."""
    found = verdict_of(text)
    return found.value if found else None


def _number(text: str) -> str | None:
    try:
        return f"{float(text):g}"
    except ValueError:
        return None


def _code(*lengths: int) -> Callable[[str], str | None]:
    def read(text: str) -> str | None:
        digits = text.strip().removesuffix(".0")
        if not digits.isdigit():
            return None
        for length in lengths:
            # Statistical codes are padded with zeros: 430211000000 is county 430211.
            if len(digits) >= length and not digits[length:].strip("0"):
                return digits[:length]
        return None

    return read


_PARSERS: dict[Parse, Callable[[str], str | None]] = {
    "text": lambda text: text,
    "date": read_date,
    "month-day": read_month_day,
    "number": _number,
    "county": _code(6),
    "township": _code(9),
    "after": _after,
    "verdict": _verdict,
}
_WANTED: dict[Parse, str] = {
    "text": "which is no text",
    "date": "which is no date such as 2025-06-01",
    "month-day": "which is no day such as 04-01",
    "number": "which is no number",
    "county": "which is no code of six digits",
    "township": "which is no code of nine digits",
    "verdict": f"which is none of {' / '.join(v.value for v in Verdict)}",
    "after": "which is neither 保留 (stays) nor 清退 (cleared)",
}
