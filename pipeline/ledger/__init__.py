"""Memory between runs: which case is which, and what became of it."""

from pipeline.ledger.address import AnyPlace, LedgerPlace
from pipeline.ledger.context import Event, Judgement, LedgerContext, Withdrawn
from pipeline.ledger.elsewhere import heirs_of, inherit
from pipeline.ledger.interface import Box, LedgerStore, Narrow, Whereabouts
from pipeline.ledger.leads import LeadAt, LeadChanges
from pipeline.ledger.match import MatchOptions
from pipeline.ledger.people import Changes, Command, Edit, Refusal
from pipeline.ledger.plan import unmatched
from pipeline.ledger.service import LedgerResult, apply, change, take_leads
from pipeline.ledger.store import open_ledger
from pipeline.ledger.withdrawing import without_withdrawn

__all__ = [
    "AnyPlace",
    "Box",
    "Changes",
    "Command",
    "Edit",
    "Event",
    "Judgement",
    "LeadAt",
    "LeadChanges",
    "LedgerContext",
    "LedgerPlace",
    "LedgerResult",
    "LedgerStore",
    "MatchOptions",
    "Narrow",
    "Refusal",
    "Whereabouts",
    "Withdrawn",
    "apply",
    "change",
    "heirs_of",
    "inherit",
    "open_ledger",
    "take_leads",
    "unmatched",
    "without_withdrawn",
]
