"""What looks said of one place, kept by look: a case of years is asked of new looks only.

A row is what one look says of the place against the history of one quarter. It is named as what is
found of a look is (:class:`pipeline.passes.book.Book`), so that it holds until the look, the
history, an option or the code changes. Dropping an entry costs time and changes no result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.io.vault import content_key
from pipeline.model import Pass
from pipeline.passes.book import Book

Rows = list[NDArray[Any]]


def rows_of(
    book: Book,
    place: tuple[str, Sequence[object]],
    passes: Sequence[Pass],
    judge: Callable[[Sequence[Pass]], Rows],
) -> Rows:
    """Give a row for each look: those that are kept, and ``judge`` is asked for the others.

    Parameters
    ----------
    place : (str, sequence)
        The question that is asked, and all that it is asked with beside looks and history.
    judge
        Gives the rows of some looks, in their order: arrays of one shape and dtype.
    """
    kind, content = place
    key = content_key(book.base, *content)
    held = _held(book, kind, key)
    names = [book.key(p) for p in passes]
    missing = [p for p, name in zip(passes, names, strict=True) if name not in held]
    if missing:
        wanted = (name for name in names if name not in held)
        held |= dict(zip(wanted, judge(missing), strict=True))
        # Of looks that nobody asks for any more nothing is kept.
        rows = np.stack([held[name] for name in names])
        book.vault.put(kind, key, names=np.array(names), rows=rows)
    return [held[name] for name in names]


def _held(book: Book, kind: str, key: str) -> dict[str, NDArray[Any]]:
    found = book.vault.get(kind, key)
    if found is None:
        return {}
    return dict(zip(found["names"].tolist(), found["rows"], strict=True))
