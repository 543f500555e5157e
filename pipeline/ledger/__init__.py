"""Memory between runs: which case is which, and what became of it."""

from pipeline.ledger.interface import LedgerStore
from pipeline.ledger.lifecycle import Event, Judgement, LedgerContext
from pipeline.ledger.match import MatchOptions
from pipeline.ledger.plan import unmatched
from pipeline.ledger.service import LedgerResult, apply
from pipeline.ledger.sqlite import open_ledger

__all__ = [
    "Event",
    "Judgement",
    "LedgerContext",
    "LedgerResult",
    "LedgerStore",
    "MatchOptions",
    "apply",
    "open_ledger",
    "unmatched",
]
