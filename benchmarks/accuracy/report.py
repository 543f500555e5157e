"""What each part of the accuracy report hands over, and how it is printed."""

from __future__ import annotations

from dataclasses import dataclass, field

Cell = str | int | float | None


@dataclass(frozen=True)
class Table:
    """One table of the report."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""  # what the reader must know to trust it or not


@dataclass(frozen=True)
class Section:
    """One part of the report; ``numbers`` are what goals are held against."""

    key: str
    title: str
    tables: tuple[Table, ...]
    numbers: dict[str, float] = field(default_factory=dict[str, float])
    note: str = ""


def markdown(section: Section) -> str:
    """Print a section in Markdown."""
    lines = [f"## {section.title}", ""]
    if section.note:
        lines += [section.note, ""]
    for table in section.tables:
        lines += [f"### {table.title}", ""] if table.title else []
        lines += [_row(table.columns)]
        lines += ["|" + " --- |" * len(table.columns)]
        lines += [_row(row) for row in table.rows]
        lines += ["", table.note, ""] if table.note else [""]
    return "\n".join(lines)


def _row(cells: tuple[Cell, ...]) -> str:
    return "| " + " | ".join(_cell(c) for c in cells) + " |"


def _cell(value: Cell) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
