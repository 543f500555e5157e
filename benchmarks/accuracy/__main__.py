"""Measure the accuracy of the detectors and write it down.

Usage: python -m benchmarks.accuracy [--only KEY ...] [--out DIR] [--seeds N ...] [--jobs 2]
       python -m benchmarks.accuracy --into docs/accuracy.md

Prints Markdown, and writes accuracy.md and accuracy.json into DIR (with the date, the code's
version, and the goals beside what was reached). ``--into`` replaces what stands in a document below
the line ``<!-- measured -->``. A part whose data are absent says so. All parts share the processes;
progress goes to stderr.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.accuracy.goals import goals_table
from benchmarks.accuracy.parts import OF_SEEDS, PARTS, Asked, Bench
from benchmarks.accuracy.pool import Pool
from benchmarks.accuracy.report import Section, markdown
from pipeline import __version__
from pipeline.io.atomic import write_bytes

MARK = "<!-- measured -->"


@dataclass(frozen=True)
class _Given:
    only: tuple[str, ...]
    out: Path | None
    into: Path | None
    asked: Asked


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts that were asked for."""
    given = _parse(arguments)
    began, commit = time.monotonic(), _commit()  # of the code that is measured, before it changes
    sections = _measure(given)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF)]
    stamp = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "version": __version__,
        "commit": commit,
        "keep": given.asked.keep is not None,
        "seconds": round(time.monotonic() - began, 1),
        "cpu_seconds": round(sum(u.ru_utime + u.ru_stime for u in used), 1),
    }
    text = _text(sections, stamp)
    print(text)
    if given.into:
        above = given.into.read_text(encoding="utf-8").split(MARK)[0]
        # Its first line is a title of its own; the document has one already.
        write_bytes(given.into, f"{above}{MARK}\n\n{text.split(chr(10), 2)[2]}\n".encode())
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
        write_bytes(given.out / "accuracy.md", text.encode())
        goals = goals_table(numbers_of(sections))
        told = [dict(zip(goals.columns, row, strict=True)) for row in goals.rows]
        content = {**stamp, "goals": told, "sections": [asdict(s) for s in sections]}
        plain = json.dumps(_finite(content), ensure_ascii=False, indent=1, allow_nan=False)
        write_bytes(given.out / "accuracy.json", plain.encode())
    return 0


def _measure(given: _Given) -> list[Section]:
    """Begin all parts that were asked for, then wait for one after the other."""
    keys = [key for key in PARTS if not given.only or key in given.only]
    with tempfile.TemporaryDirectory() as scratch, Pool(given.asked.jobs, "accuracy") as pool:
        bench = Bench(given.asked, pool, Path(scratch))
        # The seeds are many and much alike: begun last, they leave no core idle at the end.
        waiting = {key: PARTS[key](bench) for key in sorted(keys, key=lambda k: k in OF_SEEDS)}
        return [waiting[key]() for key in keys]


def _parse(arguments: Sequence[str] | None) -> _Given:
    parser = argparse.ArgumentParser(
        prog="benchmarks.accuracy", description=__doc__.splitlines()[0] if __doc__ else ""
    )
    parser.add_argument("--only", nargs="+", choices=sorted(PARTS), default=[], metavar="KEY",
                        help=f"parts to run: {', '.join(PARTS)}; default: all")  # fmt: skip
    parser.add_argument("--out", type=Path, help="folder for accuracy.md and accuracy.json")
    parser.add_argument("--into", type=Path, help="document to put the tables into")
    parser.add_argument("--seeds", type=int, nargs="+", help="other seeds than the report's")
    parser.add_argument("--empty", type=int, nargs="*", help="other seeds without objects")
    parser.add_argument("--monthly", type=int, nargs="*", default=[],
                        help="seeds to run month by month over one ledger")  # fmt: skip
    parser.add_argument("--jobs", type=int, default=2, help="processes; default 2")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"),
                        help="folder of the real imagery")  # fmt: skip
    parser.add_argument("--keep", type=Path, help="keep finished seeds here and start from them")
    given = parser.parse_args(arguments)
    asked = Asked(
        data=given.data,
        jobs=given.jobs,
        seeds=None if given.seeds is None else tuple(given.seeds),
        empty=None if given.empty is None else tuple(given.empty),
        keep=given.keep,
        monthly=tuple(given.monthly),
        pictures=given.out or Path("out/accuracy"),
    )
    return _Given(tuple(given.only), given.out, given.into, asked)


def _text(sections: Sequence[Section], stamp: dict[str, Any]) -> str:
    # Seeds that an earlier run of the same code finished took no time in this one.
    kept = "; seeds may have been kept from a run before" if stamp["keep"] else ""
    head = [
        "# Accuracy",
        "",
        f"Measured on {stamp['date']} with version {stamp['version']} ({stamp['commit']}) in"
        f" {stamp['seconds'] / 60:.1f} minutes ({stamp['cpu_seconds'] / 60:.1f} of CPU) by"
        f" `python -m benchmarks.accuracy`{kept}.",
        "",
    ]
    goals = goals_table(numbers_of(sections))
    body = [markdown(Section("goals", "Goals and what was reached", (goals,)))]
    return "\n".join(head + body + [markdown(s) for s in sections])


def numbers_of(sections: Sequence[Section]) -> dict[str, float]:
    """Collect the numbers of all sections by ``section.name``."""
    return {f"{s.key}.{k}": v for s in sections for k, v in s.numbers.items()}


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=Path(__file__).parent
    )
    return done.stdout.strip() or "no repository"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


if __name__ == "__main__":
    sys.exit(main())
