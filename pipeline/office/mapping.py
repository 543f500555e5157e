"""From an office's columns to the fields of a layer; every offender is named."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from pipeline.errors import ConfigurationError
from pipeline.office.kinds import FieldSpec, KindSpec
from pipeline.office.values import PARSERS, WANTED

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
            read = None if value is None else PARSERS[field.parse](value)
            if value is not None and read is None:
                wrong.append(f"feature {i + 1} has {column} = '{value}', {WANTED[field.parse]}")
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
