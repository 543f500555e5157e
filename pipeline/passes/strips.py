"""Strips of a window: how sweeps that compare all dates keep their memory off the dates' number."""

from __future__ import annotations

from pipeline.model import Window

_STRIP_BYTES = 24 << 20
_LEAST_ROWS = 4


def strips(window: Window, dates: int, layers: int) -> list[Window]:
    """Cut a window into rows of which ``layers`` float32 stacks of all dates fit in 24 MB."""
    row = max(dates * layers * window.shape[1] * 4, 1)
    rows = max(_STRIP_BYTES // row, _LEAST_ROWS)
    return [
        Window(start, min(start + rows, window.row1), window.col0, window.col1)
        for start in range(window.row0, window.row1, rows)
    ]
