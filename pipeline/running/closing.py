"""The last lines of a run, and its exit code."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.adjudicate.budget import budget_line
from pipeline.cases.proposed import county_names
from pipeline.closing import after_run, by_hand, closing_table
from pipeline.errors import ExitCode
from pipeline.model import Proposed, RunRecord
from pipeline.passes.search import Searched
from pipeline.publish import Shelves
from pipeline.running.recording import count_rules

log = logging.getLogger("siluan")


def close_run(
    folder: Path,
    lists: tuple[Shelves, Mapping[str, Proposed]],
    record: RunRecord,
    unreachable: Sequence[str],
    seconds: float,
) -> ExitCode:
    """Print the closing lines of a run that took so long, and give its exit code."""
    shelves, proposed = lists
    print("\n".join(closing_table(shelves, record, seconds, unreachable)))
    rules = ", ".join(f"{rule} {n}" for rule, n in count_rules(shelves).items())
    by = f" ({rules})" if rules else ""
    suspected, held = by_hand(shelves.cases)
    print(
        f"疑似 suspected: {len(suspected)} · 已交办 with people: {len(held)} · "
        f"on watch: {len(shelves.watch)} · suppressed: {len(shelves.suppressed)}{by} · in {folder}"
    )
    line = budget_line(proposed, county_names(shelves.cases))
    if line:
        print(line)
    print(after_run(folder, shelves, record, unreachable))
    if unreachable:
        return ExitCode.UNREACHABLE
    return ExitCode.SET_ASIDE if any(a.remedy for a in record.set_aside) else ExitCode.DONE


def say_what_is_missing(record: RunRecord, unreachable: Sequence[str]) -> None:
    """Name what somebody can mend; clouds and duplicates stand in run.json only."""
    for a in record.set_aside:
        if a.remedy:
            log.warning("set aside %s: %s. %s.", a.what, a.reason, a.remedy)
    for what in unreachable:
        log.error("not reached: %s. Run again later.", what)


def say_unreached(searched: Searched) -> None:
    """Name the sources that gave no answer: the plan is not the whole of it."""
    for what in searched.unreachable:
        print(f"not reached: {what}. Run again later.")
