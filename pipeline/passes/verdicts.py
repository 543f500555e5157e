"""What looks said of one place, kept by look: a case of years is asked of new looks only.

A row is what one look says of the place against the history of one quarter. It is named as what is
found of a look is (:class:`pipeline.passes.book.Book`), so that it holds until the look, the
history, an option or the code changes. Dropping an entry costs time and changes no result.

What a look says of single pixels is kept by squares of a lattice (:func:`values_at`): an object
that grows with a new sighting is asked of that look, and of older ones only where it has grown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.io.vault import content_key
from pipeline.model import Pass, Window
from pipeline.passes.book import Book
from pipeline.passes.ground import Sparse

Rows = list[NDArray[Any]]
Values = NDArray[np.uint8]

SQUARE_PX = 32
"""Side of a square whose pixels are kept together; the first begins at the grid's corner."""


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


def values_at(
    book: Book,
    kind: str,
    pixels: Sparse,
    passes: Sequence[Pass],
    judge: Callable[[Sequence[Pass], Window], Values],
) -> Values:
    """Give what each look says of each of some pixels, whatever objects they belong to.

    Parameters
    ----------
    kind
        What is asked; it rests on the book's history and options alone, and not on the pixels.
    judge
        Gives uint8 (looks, H, W) of some looks over a window, the same for a pixel whatever window
        holds it.

    Returns
    -------
    uint8 (looks, pixels)
    """
    rows, cols = pixels
    names = [book.key(p) for p in passes]
    squares = np.stack([rows // SQUARE_PX, cols // SQUARE_PX], axis=1)
    held = {(r, c): _Square.read(book, kind, r, c) for r, c in np.unique(squares, axis=0).tolist()}
    gaps: dict[tuple[int, ...], list[_Square]] = {}
    for square in held.values():
        gap = tuple(i for i, name in enumerate(names) if name not in square.by_look)
        gaps.setdefault(gap, []).append(square)
    for gap, own in gaps.items():
        if gap:
            window = Window.around([s.window for s in own])
            made = judge([passes[i] for i in gap], window)
            for square in own:
                part = made[:, *square.window.within(window)]
                square.by_look |= {names[i]: v for i, v in zip(gap, part, strict=True)}
                square.keep(book, kind, names)
    out = np.empty((len(passes), rows.size), np.uint8)
    for (r, c), square in held.items():
        mine = (squares == (r, c)).all(axis=1)
        at = (rows[mine] - square.window.row0, cols[mine] - square.window.col0)
        for i, name in enumerate(names):
            out[i, mine] = square.by_look[name][at]
    return out


@dataclass
class _Square:
    """What is kept of the pixels of a square of the lattice."""

    key: str
    window: Window  # in pixels of the grid
    by_look: dict[str, Values]  # uint8 (H, W)

    @classmethod
    def read(cls, book: Book, kind: str, row: int, col: int) -> _Square:
        n = SQUARE_PX
        whole = Window(row * n, (row + 1) * n, col * n, (col + 1) * n)
        window = whole.intersect(book.states.site.store.grid.window)
        assert window is not None  # it holds a pixel of the grid
        key = content_key(book.base, row, col)
        found = book.vault.get(kind, key) or {}
        names, values = found.get("names"), found.get("values")
        if names is None or values is None or values.shape != (names.size, *window.shape):
            return cls(key, window, {})
        kept = np.asarray(values, np.uint8)
        return cls(key, window, dict(zip(names.tolist(), kept, strict=True)))

    def keep(self, book: Book, kind: str, names: Sequence[str]) -> None:
        """Keep what was asked; of looks that nobody asks for any more nothing is kept."""
        values = np.stack([self.by_look[name] for name in names])
        book.vault.put(kind, self.key, names=np.array(names), values=values)


def _held(book: Book, question: Question, key: str) -> dict[str, NDArray[Any]]:
    found = book.vault.get(question.kind, key)
    if found is None or set(found) != {"names", "rows"}:
        return {}
    names, rows = found["names"], found["rows"]
    if rows.dtype != question.dtype or rows.shape != (names.size, question.size):
        return {}
    return dict(zip(names.tolist(), rows, strict=True))
