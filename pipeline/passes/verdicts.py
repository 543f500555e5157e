"""What looks said of one place, kept by look: a case of years is asked of new looks only.

A row is what one look says of the place against the history of one quarter. It is named as what is
found of a look is (:class:`pipeline.passes.book.Book`), so that it holds until the look, the
history, an option or the code changes. Dropping an entry costs time and changes no result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.io.vault import content_key
from pipeline.model import Pass
from pipeline.passes.book import Book

Rows = list[NDArray[Any]]


@dataclass(frozen=True)
class Question:
    """What is asked of looks at a place, with all that it rests on beside looks and history.

    A row is an array of ``size`` values of ``dtype``; what a file holds of others is not read.
    """

    kind: str
    content: Sequence[object]
    size: int
    dtype: type[np.generic]


def rows_of(
    book: Book,
    question: Question,
    passes: Sequence[Pass],
    judge: Callable[[Sequence[Pass]], Rows],
) -> Rows:
    """Give a row for each look: those that are kept, and ``judge`` is asked for the others.

    Parameters
    ----------
    judge
        Gives the rows of some looks, in their order.
    """
    key = content_key(book.base, *question.content)
    held = _held(book, question, key)
    names = [book.key(p) for p in passes]
    missing = [p for p, name in zip(passes, names, strict=True) if name not in held]
    if missing:
        wanted = (name for name in names if name not in held)
        held |= dict(zip(wanted, judge(missing), strict=True))
        # Of looks that nobody asks for any more nothing is kept.
        rows = np.stack([held[name] for name in names])
        book.vault.put(question.kind, key, names=np.array(names), rows=rows)
    return [held[name] for name in names]


def _held(book: Book, question: Question, key: str) -> dict[str, NDArray[Any]]:
    found = book.vault.get(question.kind, key)
    if found is None or set(found) != {"names", "rows"}:
        return {}
    names, rows = found["names"], found["rows"]
    if rows.dtype != question.dtype or rows.shape != (names.size, question.size):
        return {}
    return dict(zip(names.tolist(), rows, strict=True))
