"""Which looks of flights count no more, because others superseded them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.io.flights import FlightFolder, superseded
from pipeline.ledger import Withdrawn
from pipeline.model import Case
from pipeline.passes.flight_looks import look_names


def withdrawn_looks(
    folders: Sequence[Path],
    flights: Iterable[FlightFolder],
    known: Iterable[Case],
    revisions: Callable[[str], Sequence[Case]],
) -> Withdrawn:
    """Give the looks of flights that were superseded, and the cases that have such looks.

    Parameters
    ----------
    folders
        The workflow's flights and catalogues.
    flights
        Those that are read: one that the workflow names by itself counts, whatever supersedes it.
    revisions
        Gives all revisions of a case, oldest first.
    """
    gone = superseded(folders) - {f.id for f in flights}
    said = Withdrawn(frozenset(name for flight in gone for name in look_names(flight)), gone)
    touched = [c.case_id for c in known if said.touches(c)] if gone else []
    return replace(said, cases={i: said.newest_before(revisions(i)) for i in touched})
