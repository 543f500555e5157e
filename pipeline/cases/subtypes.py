"""Sub-types that people correct: one of the table of a workflow, and what that makes of a case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from pipeline.adjudicate.candidates import AdjudicateOptions
from pipeline.adjudicate.grading import corrected
from pipeline.cases.words import plain
from pipeline.errors import ConfigurationError
from pipeline.ledger import Edit
from pipeline.model import Case


def carried(word: str | None, case: Case) -> bool:
    """Tell whether a sub-type is what a list or export said of a case already.

    That is what people corrected, or what is suggested, by code or text: carried along it
    corrects nothing, and needs no table.
    """
    if word is None:
        return False
    grade, said = case.grade, case.people.subtype if case.people else None
    text = plain(grade.subtype_zh) if grade else None
    known = {said, grade.subtype if grade else None, text, f"疑似{text}" if text else None}
    return plain(word) in known - {None}


def brought_back(
    edit: Edit,
    word: str,
    cases: tuple[Case, ...],
    graded: Callable[[], AdjudicateOptions | None],
) -> Edit:
    """Give an edit with the sub-type that a list says; as it was where it is merely carried along.

    Lists of before a table had ``suggested_as`` say the official text of what was suggested: only
    the table tells that it is the same.

    Parameters
    ----------
    cases : tuple of Case
        The case as it stood when the list was written and as it stands; empty if it is unknown.

    Raises
    ------
    ConfigurationError
        See ``with_subtype``.
    """
    if any(carried(word, case) for case in cases):
        return edit
    said = with_subtype(edit, word, graded(), "the sub-type")
    return edit if any(carried(said.subtype, case) for case in cases) else said


def with_subtype(edit: Edit, word: str, graded: AdjudicateOptions | None, what: str) -> Edit:
    """Give an edit with the sub-type that it says, and what the table makes of it.

    Parameters
    ----------
    word : str
        Code or text of the table, or the text under which it suggests it; 疑似 may stand before.
    graded : AdjudicateOptions or None
        Of the workflow whose table is meant; None where none was given.
    what : str
        Where the word stands, for the sentence.

    Raises
    ------
    ConfigurationError
        There is no table, or it has no such sub-type.
    """
    tables = graded.grading if graded else None
    if graded is None or tables is None:
        raise ConfigurationError(
            "a sub-type is one of a workflow's table", "Give --workflow FILE that has such a table"
        )
    asked = plain(word) or ""
    words = {asked, asked.removeprefix("疑似")}
    codes = [
        s.code
        for s in tables.subtypes
        if words & {plain(s.code), plain(s.text), plain(s.suggested_as)}
    ]
    if not codes:
        known = ", ".join(f"{s.code} {s.text}" for s in tables.subtypes)
        raise ConfigurationError(f"{what} {word} is not known", f"Known: {known}")
    grade = partial(corrected, tables=tables, options=graded.grade)
    return replace(edit, subtype=codes[0], grade=grade)
