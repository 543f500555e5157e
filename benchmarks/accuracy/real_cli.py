"""Run one part of the report alone."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from benchmarks.accuracy.report import Section, markdown


def said_alone(measure: Callable[[Path, Path], Section], about: str | None) -> None:
    """Read ``--data`` and ``--out``, measure, and print the section."""
    first = (about or "").split("\n", maxsplit=1)[0]
    parser = argparse.ArgumentParser(description=first)
    parser.add_argument("--data", type=Path, required=True, help="folder of the real imagery")
    parser.add_argument("--out", type=Path, default=Path("out/accuracy"), help="for pictures")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    print(markdown(measure(given.data, given.out)))
