"""Looks in a row at which pixels were under water, kept from patrol to patrol (:class:`Run`)."""

from __future__ import annotations

import numpy as np

from pipeline.detect.change import Run
from pipeline.model import Window
from pipeline.passes.book import Arrays


def run_over(window: Window, core: Window, before: Arrays) -> Run:
    """Spread kept looks in a row over a window; around the core none are known, nor asked for."""
    run = Run.begin(window.shape)
    if before:
        rows, cols = before["rows"], before["cols"]
        own = (rows >= core.row0) & (rows < core.row1) & (cols >= core.col0) & (cols < core.col1)
        at = (rows[own] - window.row0, cols[own] - window.col0)
        run.total[at], run.looks[at] = before["total"][own], before["looks"][own]
    return run


def run_in(run: Run, window: Window, core: Window) -> Arrays:
    """Give the looks in a row of a tile's core, where there are any."""
    part = core.within(window)
    total, looks = run.total[part], run.looks[part]
    rows, cols = np.nonzero(looks)
    return {
        "rows": (rows + core.row0).astype(np.int32),
        "cols": (cols + core.col0).astype(np.int32),
        "total": total[rows, cols],
        "looks": looks[rows, cols],
    }
