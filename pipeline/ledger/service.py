"""The one door through which a run reaches the ledger."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.io.failpoints import failpoint
from pipeline.ledger.context import Event, LedgerContext
from pipeline.ledger.elsewhere import homes_of, inherit, place_candidates
from pipeline.ledger.interface import LedgerReader, LedgerStore
from pipeline.ledger.leads import LeadAt, LeadChanges, apply_leads, as_candidate
from pipeline.ledger.match import MatchOptions
from pipeline.ledger.people import Changes, Command, Edit, Refusal, apply_edits
from pipeline.ledger.plan import Plan, Unread, plan
from pipeline.ledger.reach import possible_names, read_homes, read_reach
from pipeline.model import Candidate, Case, Look

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LedgerResult:
    """The projection after a run, and what the run changed."""

    cases: tuple[Case, ...]  # that the run had to know, and new ones, by id; see ``reach``
    events: tuple[Event, ...]  # of this run
    counts: Mapping[str, int]


def apply(
    store: LedgerStore,
    candidates: Iterable[Candidate],
    context: LedgerContext,
    *,
    relooks: Mapping[str, Sequence[Look]] | None = None,
    options: MatchOptions | None = None,
    shadow: bool = False,
) -> LedgerResult:
    """Bring a run's candidates into the ledger, in one transaction.

    Parameters
    ----------
    relooks : mapping of case id to looks, optional
        What this run's passes say at the place of known cases; see ``plan.unmatched``.
    shadow : bool
        Work out and return what would change, and change nothing.

    Raises
    ------
    DiskFullError
        If the disk is full; the ledger is as it was before.
    """
    ready = tuple(candidates)
    if shadow:
        return _result(_planned(store, ready, context, relooks, options))
    with store.transaction(_before_commit) as transaction:
        done = _planned(transaction, ready, context, relooks, options)
        transaction.write(done.changed, done.events)
        if not context.spots:
            transaction.keep_proposing(context.proposing)
    failpoint("ledger.after_commit")
    log.info("ledger: %s", ", ".join(f"{k} {v}" for k, v in done.counts.items()))
    return _result(done)


def change(
    store: LedgerStore,
    edits: Sequence[Edit],
    command: Command,
    *,
    partial: bool = False,
    bad: Sequence[Refusal] = (),
) -> Changes:
    """Bring what people say into the ledger, in one transaction.

    Parameters
    ----------
    partial : bool
        Apply the good edits where some are refused; otherwise any refusal leaves all as it was.
    bad : sequence of Refusal
        What could not be read as an edit; refused like what the ledger does not allow.

    Raises
    ------
    DiskFullError
        If the disk is full; the ledger is as it was before.
    """
    names = {edit.case_id for edit in edits}
    with store.transaction(_before_commit) as transaction:
        known = {case.case_id: case for case in transaction.cases(names)}
        told = transaction.events(names)
        done = apply_edits(known, edits, command, told, transaction.proposing())
        done = replace(done, refused=(*bad, *done.refused))
        if done.refused and not partial:
            return Changes(unchanged=done.unchanged, refused=done.refused)
        transaction.write(done.cases, done.events)
    failpoint("ledger.after_commit")
    return done


def take_leads(
    store: LedgerStore,
    found: Sequence[LeadAt],
    by: str,
    command: Command,
    context: LedgerContext,
    *,
    partial: bool = False,
    bad: Sequence[Refusal] = (),
) -> LeadChanges:
    """Bring leads into the ledger, in one transaction.

    Parameters
    ----------
    partial : bool
        Take the good ones where some are refused; otherwise any refusal leaves all as it was.
    bad : sequence of Refusal
        What could not be read as a lead.

    Raises
    ------
    DiskFullError
        If the disk is full; the ledger is as it was before.
    """
    with store.transaction(_before_commit) as transaction:
        spots = [as_candidate(at) for at in found]
        homes = homes_of(transaction, spots, context.siblings)
        found = [replace(at, corridor_id=h) for at, h in zip(found, homes, strict=True)]
        near, taken = read_homes(transaction, found, context.office)
        done = apply_leads(near, found, by, command, context, taken=taken)
        done = replace(done, refused=(*bad, *done.refused))
        if done.refused and not partial:
            return LeadChanges(known=done.known, refused=done.refused)
        transaction.write(done.cases, done.events)
    failpoint("ledger.after_commit")
    return done


def _planned(
    reader: LedgerReader,
    candidates: Sequence[Candidate],
    context: LedgerContext,
    relooks: Mapping[str, Sequence[Look]] | None,
    options: MatchOptions | None,
) -> Plan:
    if context.spots:
        homes = homes_of(reader, candidates, context.siblings or context.corridors, options)
        candidates = [replace(c, corridor_id=h) for c, h in zip(candidates, homes, strict=True)]
        # It has no numbers of its own, and says nothing of other places of these corridors.
        every = dict.fromkeys((*context.corridors, *homes))
        context = replace(context, corridors=tuple(every), proposing=reader.proposing())
    known, doubles = read_reach(reader, candidates, context, relooks, options), 0
    if not context.spots:
        placed = place_candidates(
            reader, candidates, inherit(known, context.heirs), context, options
        )
        candidates, doubles = placed.candidates, placed.doubles
    fresh = reader.names(possible_names(candidates, context))
    unread = Unread(reader.count() - len(known), fresh - {c.case_id for c in known})
    done = plan(known, candidates, context, relooks, options, unread)
    more = {"doubles": doubles, "inherited": len(context.heirs)}
    return replace(done, counts={**done.counts, **{k: n for k, n in more.items() if n}})


def _before_commit() -> None:
    failpoint("ledger.before_commit")


def _result(done: Plan) -> LedgerResult:
    return LedgerResult(done.cases, done.events, done.counts)
