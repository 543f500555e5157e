"""Small tables of configuration as rows of text, each with its line."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.errors import ConfigurationError


def read_rows(path: Path, needed: Sequence[str]) -> list[tuple[int, Mapping[str, str]]]:
    """Read a CSV (UTF-8 with or without a byte order mark) with these columns; others may be there.

    Returns
    -------
    list of (int, mapping)
        Line of the file, and its trimmed cells by column; empty lines are left out.

    Raises
    ------
    ConfigurationError
        It cannot be read, or columns are missing: all of them named.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True, restval="")
            missing = [c for c in needed if c not in (reader.fieldnames or ())]
            if missing:
                raise ConfigurationError(
                    f"{path} has no column {', '.join(missing)}", "Restore the supplied table"
                )
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error}", "Save it as CSV UTF-8"
        ) from error
    long = [line for line, row in rows if None in row]
    if long:
        raise ConfigurationError(
            f"{path}: more cells than columns in line {', '.join(map(str, long))}",
            "Put quotes around text that holds a comma",
        )
    cells = [(line, {k: v.strip() for k, v in row.items()}) for line, row in rows]
    return [(line, row) for line, row in cells if any(row.values())]


def rows_of(path: Path, text: str) -> tuple[list[str], list[tuple[int, Mapping[str, str]]]]:
    """Give the columns of a CSV that an office brought, and its rows, each with its line.

    Cells are as they stand, and empty where a row ends early.

    Raises
    ------
    ConfigurationError
        It is no CSV, or rows hold more cells than there are columns: every line named.
    """
    rows: list[tuple[int, Mapping[str, str]]] = []
    long: list[int] = []
    try:
        reader = csv.DictReader(io.StringIO(text.lstrip("\ufeff"), newline=""), restval="")
        for row in reader:
            beyond = row.pop(None, [])  # pyright: ignore[reportArgumentType,reportCallIssue]
            if any(str(cell).strip() for cell in beyond):
                long.append(reader.line_num)
            rows.append((reader.line_num, row))
    except csv.Error as error:
        raise ConfigurationError(
            f"{path} is no CSV that can be read: {error}", "Save it again as CSV UTF-8"
        ) from error
    if long:
        raise ConfigurationError(
            f"{path}: more cells than columns in line {', '.join(map(str, long))}",
            "Put quotes around text that holds a comma",
        )
    return list(reader.fieldnames or ()), rows
