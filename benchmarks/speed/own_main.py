"""Runs a task of :mod:`benchmarks.speed.own` as the command runs its own tasks.

Usage: python -m benchmarks.speed.own_main TASK WORKFLOW LAYOUT NAME [NAME ...]

No garbage is looked for while modules are imported, nor when the process ends: see
:func:`pipeline.cli.main`, without which both would be timed here.
"""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

from pipeline.io.heap import while_importing


def main() -> None:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with while_importing():
        from benchmarks.speed.own import TASKS  # noqa: PLC0415

    task, workflow, layout, *names = sys.argv[1:]
    print(TASKS[task](Path(workflow), Path(layout), names))
    gc.freeze()


if __name__ == "__main__":
    main()
