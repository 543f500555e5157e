"""``siluan deliver``: answers in, what is new out, each step whole or not at all.

The order of steps is what makes a kill harmless. A number of the feed appears before the outbox
knows it, and is found there by the next command; a case is marked as delivered after the receiver
took it, and sent again under the same key if the mark was lost; an answer is forgotten after the
ledger has it, and known there if it comes again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from pipeline.cases.where import Report
from pipeline.deliver.answering import hear, hear_replies
from pipeline.deliver.automatic import choose, issue
from pipeline.deliver.brake import held_back
from pipeline.deliver.changes import Change, Item
from pipeline.deliver.features import has_ended, restated
from pipeline.deliver.feed import Page, page_path, write_index, write_page
from pipeline.deliver.hearing import IN_REPLY
from pipeline.deliver.line import Line, open_line, secret_of
from pipeline.deliver.options import ReceiverOptions
from pipeline.deliver.outbox import Outbox
from pipeline.deliver.outbox_tables import FEED
from pipeline.deliver.place import Place, open_outbox
from pipeline.deliver.planning import Plan, catch_up, known_place, plan, require_same
from pipeline.deliver.sending import Sender, Sent
from pipeline.deliver.told import Told
from pipeline.errors import ExitCode, LedgerHeldError
from pipeline.io.failpoints import failpoint
from pipeline.ledger import LedgerStore, open_ledger

HAND_OVER = "handed over"
ISSUE = "issued by rule"


@dataclass(frozen=True)
class DeliverRequest:
    """What the command was given."""

    place: Place
    full: bool = False
    released_by: str | None = None
    at_once: bool = False  # what waits for its next try is tried now
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


def deliver(request: DeliverRequest) -> Report:
    """Hear answers, issue by rule, write what is new into the feed, and send what waits.

    Raises
    ------
    ConfigurationError
        A secret is not set, or the ledger is not the feed's: nothing was started.
    LedgerHeldError
        Another hand-over is at work.
    DiskFullError
        Nothing half-written was left; run again.
    """
    place, told = request.place, Told()
    for receiver in place.options.receivers:
        if receiver.url:
            secret_of(receiver)
    with ExitStack() as stack:
        outbox = stack.enter_context(open_outbox(place))
        lost = catch_up(place.feed, outbox)
        if not request.full:
            with open_ledger(place.ledger, writing=False) as store:
                require_same(store, outbox)
        lines = {
            r.name: stack.enter_context(open_line(r)) for r in place.options.receivers if r.url
        }
        hear(place, outbox, lines, told, request.now)
        _issue(request, outbox, told)
        with open_ledger(place.ledger, writing=False) as store:
            _hand_over(request, store, outbox, told)
        for receiver in place.options.receivers:
            _give(request, outbox, receiver, lines.get(receiver.name), told, with_ended=lost)
        _unnamed(place, outbox, told)
        hear_replies(place, outbox, told, request.now)
    return told.report()


def due_plan(store: LedgerStore, outbox: Outbox, request: DeliverRequest) -> Plan:
    """Give what is to be handed over; all of it again where a ledger was put back."""
    again = request.full and not known_place(store, outbox.cursor(FEED))
    epoch = outbox.newest() + 1 if again else outbox.epoch()
    size = request.place.maker.size
    return replace(plan(store, outbox, size, epoch=epoch, again=again), epoch=epoch)


def counted(items: Iterable[Item]) -> str:
    """Say how many of what: '3 new, 1 ended'."""
    kinds = Counter(i.change for i in items)
    return ", ".join(f"{kinds[c]} {c}" for c in Change if kinds[c]) or "nothing new"


def _issue(request: DeliverRequest, outbox: Outbox, told: Told) -> None:
    """Issue what the office's rules say, unless it is far more than usual."""
    rules, brake = request.place.rules, request.place.options.brake
    if rules is None:
        return
    if rules.waits is not None:
        said = f"automatic issue of {rules.workflow} waits: {rules.waits}"
        told.say(said, ExitCode.SET_ASIDE)
        return
    try:
        with open_ledger(request.place.ledger) as store:
            chosen = choose(store, outbox, rules)
            count = len(chosen.cases)
            stop = held_back(ISSUE, count, outbox.recent(ISSUE, brake.recent), brake)
            released = request.released_by is not None or outbox.was_released(ISSUE, count)
            if stop and not released:
                told.say(stop, ExitCode.SET_ASIDE)
                return
            if count:
                done = issue(store, chosen, rules, request.now, request.released_by)
                outbox.note_round(
                    ISSUE, count, request.now(), request.released_by if stop else None
                )
                told.say(f"issued by rule of {rules.workflow}: {', '.join(done.applied)}")
                for refusal in done.refused:
                    told.say(f"not issued: {refusal}", ExitCode.SET_ASIDE)
            outbox.end_round(ISSUE)
            failpoint("deliver.issued")
            outbox.move(rules.cursor, chosen.cursor)
    except LedgerHeldError:
        told.say("automatic issue waits: a run holds the ledger", ExitCode.LEDGER_HELD)


def _hand_over(request: DeliverRequest, store: LedgerStore, outbox: Outbox, told: Told) -> None:
    """Write what is new into the feed, and a full set where it was asked for."""
    place, brake = request.place, request.place.options.brake
    due = due_plan(store, outbox, request)
    if due.epoch > outbox.epoch():
        _say_orphans(store, outbox, told)
    count = len(due.items)
    stop = held_back(HAND_OVER, count, outbox.recent(HAND_OVER, brake.recent), brake)
    released = request.released_by is not None or outbox.was_released(HAND_OVER, count)
    if stop and not released:
        told.say(stop, ExitCode.SET_ASIDE)
        return
    if count:
        outbox.note_round(HAND_OVER, count, request.now(), request.released_by if stop else None)
    first = outbox.newest() + 1
    maker = replace(place.maker, epoch=due.epoch)
    for sheet in due.sheets:
        _appear(place, outbox, maker.page(store, sheet, outbox.newest() + 1))
    outbox.move(FEED, due.cursor)
    outbox.end_round(HAND_OVER)
    told.say(f"feed: {counted(due.items)}{_numbers(place, first, outbox.newest())}")
    if request.full:
        first = outbox.newest() + 1
        for page in place.maker.full(outbox, first, due.cursor):
            _appear(place, outbox, page)
        told.say(f"feed: all open cases{_numbers(place, first, outbox.newest())}")
    if outbox.newest():
        write_index(place.feed, outbox.newest(), outbox.newest_full())


def _say_orphans(store: LedgerStore, outbox: Outbox, told: Told) -> None:
    """Name what receivers have open that a ledger which was put back does not know.

    Nothing can be handed over of a case that is not there: people must tell whoever has it.
    """
    names = outbox.ids()
    orphans = sorted(set(names) - store.names(names))
    if orphans:
        told.say(
            f"the ledger that was put back does not know {len(orphans)} cases that were handed "
            f"over: {', '.join(orphans)}. Tell whoever received them, or put back a newer backup",
            ExitCode.SET_ASIDE,
        )


def _appear(place: Place, outbox: Outbox, page: Page) -> None:
    failpoint("deliver.before_page")
    write_page(place.feed, page)
    failpoint("deliver.page_written")
    outbox.take_in(page)
    failpoint("deliver.taken_in")


def _numbers(place: Place, first: int, last: int) -> str:
    if last < first:
        return ""
    name = f"{page_path(place.feed, first)}"
    return f" in {name}" if first == last else f" in {name} to {last:06d}"


def _give(
    request: DeliverRequest,
    outbox: Outbox,
    receiver: ReceiverOptions,
    line: Line | None,
    told: Told,
    *,
    with_ended: bool,
) -> None:
    """Send a receiver what waits for it; one that is new gets all open cases first."""
    name, place = receiver.name, request.place
    if name not in outbox.names() and not _welcomed(request, outbox, name, told, with_ended):
        return
    if line is None:
        outbox.read_by_feed(name)
        return
    if request.at_once:
        outbox.hurry(name)
    sent = Sender(outbox, line, receiver, place.feed, request.now).send()
    _say_sent(name, sent, outbox, told)


def _welcomed(
    request: DeliverRequest, outbox: Outbox, name: str, told: Told, with_ended: bool
) -> bool:
    """Let all open cases wait for a new receiver; a person releases more than usual."""
    ids = outbox.ids(ended=with_ended)
    stop = held_back(
        f"sent to {name} for the first time", len(ids), (), request.place.options.brake
    )
    if stop and request.released_by is None:
        told.say(stop, ExitCode.SET_ASIDE)
        return False
    if stop:
        outbox.note_round(f"first to {name}", len(ids), request.now(), request.released_by)
        outbox.end_round(f"first to {name}")
    size, number = request.place.maker.size, outbox.newest()
    for start in range(0, len(ids), size):
        found = outbox.features(ids[start : start + size])
        words = [Change.ENDED if has_ended(f) else Change.NEW for f in found]
        outbox.enqueue(name, [restated(f, w, number) for f, w in zip(found, words, strict=True)])
    outbox.welcome(name)
    return True


def _say_sent(name: str, sent: Sent, outbox: Outbox, told: Told) -> None:
    counts = outbox.counts(name)
    waiting, dead = counts.get("waiting", 0), counts.get("dead", 0)
    code = ExitCode.UNREACHABLE if sent.later else ExitCode.DONE
    told.say(f"{name}: {sent.delivered} delivered, {waiting} waiting, {dead} dead letters", code)
    if waiting and not (sent.later or sent.gave_up):
        told.say(f"{name}: the next try is due {outbox.next_due(name)}; --now tries at once")
    if sent.gave_up:
        told.say(f"{name}: nothing more was tried after {sent.gave_up}", ExitCode.UNREACHABLE)
    for case, why in sent.later.items():
        told.say(f"{name}: {case} waits: {why}", ExitCode.UNREACHABLE)
    for why in sent.unread:
        told.say(f"{name}: not applied: {IN_REPLY}: {why}", ExitCode.SET_ASIDE)
    for why in sent.dead:
        told.say(f"{name}: dead letter: {why}", ExitCode.SET_ASIDE)


def _unnamed(place: Place, outbox: Outbox, told: Told) -> None:
    """Say what waits for receivers that the office file no longer names."""
    named = {r.name for r in place.options.receivers}
    for name in outbox.names():
        counts = outbox.counts(name)
        waiting = counts.get("waiting", 0)
        if name not in named and waiting:
            told.say(
                f"{name} is no longer in the office file, and {waiting} deliveries wait for it: "
                f"name it again, or run siluan deliver --forget {name}"
            )
