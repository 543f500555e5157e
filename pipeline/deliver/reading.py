"""What receivers sent, made into answers: what is no text is refused with its answer alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pipeline.cases.tables import decoded, read_table
from pipeline.cases.words import plain, require_text
from pipeline.deliver.answers import Answer, renamed
from pipeline.deliver.options import COLUMNS, ReceiverOptions
from pipeline.errors import ConfigurationError
from pipeline.ledger import Refusal

_LONGEST = 500  # characters of a value; names of units have some 20, columns of ids their own limit
_MOST = 100_000  # answers of one file or page; how many of them may be new, applying.py says
_LONGEST_NEXT = 1000  # characters; it travels in an address
_WHOLE = 2**53  # from here on a number in JSON may have lost its last digits


@dataclass(frozen=True)
class Found:
    """What a file or a page holds."""

    answers: tuple[Answer, ...] = ()
    bad: tuple[Refusal, ...] = ()  # of which something is no text
    following: str | None = None  # where the next page begins


def parsed(data: bytes | str) -> Any:
    """Read JSON.

    Raises
    ------
    ValueError
        It is none, or is nested too deep to be read.
    """
    try:
        return json.loads(data)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def texts_of(values: Mapping[str, Any]) -> dict[str, str | None]:
    """Give what is said under our names as text; whole numbers are text as well.

    Raises
    ------
    ConfigurationError
        A value is of another type, too long, or holds what no text holds.
    """
    found = {name: _text(values[name], name) for name in COLUMNS if name in values}
    if "case_id" in found:
        found["case_id"] = plain(found["case_id"])
    return found


def read_file(path: Path, receiver: ReceiverOptions) -> Found:
    """Read a CSV, or a JSON as GET gives it.

    Raises
    ------
    ConfigurationError
        It cannot be read, or names no cases.
    """
    columns = receiver.answers.columns
    if path.is_dir():
        raise ConfigurationError(f"{path.name} is a folder and no file", "Put files there")
    if path.suffix.lower() == ".json":
        try:
            document = parsed(decoded(path))
        except ValueError as error:
            raise ConfigurationError(f"{path.name} is no JSON that can be read") from error
        return read_page(document if isinstance(document, dict) else {"answers": document}, columns)
    table = read_table(path)
    ours = {k.lower().replace(" ", "_"): v for k, v in columns.items()}
    present = {ours.get(c, c) for c in table.columns}
    missing = [n for n in ("case_id", "revision") if n not in present]
    if missing:
        raise ConfigurationError(
            f"{path.name} has no column {', '.join(missing)} (it has {', '.join(table.columns)})",
            f"Name it in receivers.{receiver.name}.answers.columns",
        )
    _require_few(len(table.rows))
    return _found((row.where, renamed(row.values, ours)) for row in table.rows)


def read_page(document: Any, columns: Mapping[str, str] | None = None) -> Found:
    """Read a page of answers, ``{"answers": [...], "next": ...}``.

    Raises
    ------
    ConfigurationError
        It is none.
    """
    page = cast("dict[str, Any]", document) if isinstance(document, dict) else {}
    found, following = page.get("answers"), page.get("next")
    answers = cast("list[Any]", found) if isinstance(found, list) else None
    wrong = answers is None or not all(isinstance(a, dict) for a in answers)
    if answers is None or wrong or not (following is None or isinstance(following, str)):
        raise ConfigurationError(
            "the answers are not what the description asks for", "See docs/handover.md"
        )
    if following is not None and len(require_text(following, "next")) > _LONGEST_NEXT:
        raise ConfigurationError(
            f"next has {len(following)} characters", f"It may have {_LONGEST_NEXT}"
        )
    _require_few(len(answers))
    named = (renamed(a, columns or {}) for a in answers)
    return _found(((f"answer {i}", a) for i, a in enumerate(named, 1)), following)


def _require_few(count: int) -> None:
    if count > _MOST:
        raise ConfigurationError(f"{count} answers at once", f"Send at most {_MOST} of them")


def _found(said: Iterable[tuple[str, Mapping[str, Any]]], following: str | None = None) -> Found:
    answers: list[Answer] = []
    bad: list[Refusal] = []
    for where, values in said:
        try:
            answers.append(Answer(where, texts_of(values)))
        except ConfigurationError as error:
            name = values.get("case_id")
            case = name[:40] if isinstance(name, str) else ""
            bad.append(Refusal(where, case, str(error).rstrip(".")))
    return Found(tuple(answers), tuple(bad), following)


def _text(value: Any, name: str) -> str | None:
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer() and abs(value) < _WHOLE:
        value = int(value)  # 2.0 is how some systems write 2
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ConfigurationError(f"its {name} is neither text nor a whole number", "Send text")
    text = str(value)
    if len(text) > _LONGEST:
        raise ConfigurationError(
            f"its {name} has {len(text)} characters", f"Send at most {_LONGEST}"
        )
    require_text(" ".join(text.split()), f"its {name}")
    return text
