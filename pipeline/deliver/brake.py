"""More than usual stops and waits for a person. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from pipeline.deliver.options import BrakeOptions


def limit(recent: Sequence[int], options: BrakeOptions) -> int:
    """Give how many pass without a word: the factor over the median of recent rounds, or the floor.

    Before there is any the floor alone counts.
    """
    usual = options.factor * median(recent) if recent else 0.0
    return max(options.floor, int(usual))


def held_back(what: str, count: int, recent: Sequence[int], options: BrakeOptions) -> str | None:
    """Give the sentence that stops a round, or None where it may go on."""
    most = limit(recent, options)
    if count <= most:
        return None
    usual = f"the median of recent ones is {median(recent):g}" if recent else "there was none yet"
    return (
        f"{count} cases would be {what} at once, more than {most} ({usual}): nothing was {what}. "
        "Look with --dry-run, then let them go with --release --by NAME"
    )
