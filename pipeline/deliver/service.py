"""``siluan deliver``: answers in, what is new out, each step whole or not at all.

The order of steps is what makes a kill harmless. A number of the feed appears before the outbox
knows it, and is found there by the next command; a case is marked as delivered after the receiver
took it, and sent again under the same key if the mark was lost; an answer is forgotten after the
ledger has it, and known there if it comes again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from pipeline.cases.where import Report
from pipeline.deliver.automatic import choose, issue
from pipeline.deliver.brake import held_back
from pipeline.deliver.changes import Change, Item
from pipeline.deliver.features import has_ended, restated
from pipeline.deliver.feed import Page, page_path, write_index, write_page
from pipeline.deliver.hearing import IN_REPLY, Heard, Listener
from pipeline.deliver.line import Line, open_line, secret_of
from pipeline.deliver.options import ReceiverOptions
from pipeline.deliver.outbox import Outbox
from pipeline.deliver.outbox_tables import FEED
from pipeline.deliver.place import Place, open_outbox
from pipeline.deliver.planning import Plan, catch_up, known_place, plan, require_same
from pipeline.deliver.sending import Sender, Sent
from pipeline.errors import ExitCode, LedgerHeldError, on_one_line
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


@dataclass
class _Told:
    """What the command will print, and how it ends."""

    lines: list[str] = field(default_factory=list[str])
    codes: set[ExitCode] = field(default_factory=set[ExitCode])

    def say(self, line: str, code: ExitCode = ExitCode.DONE) -> None:
        """Add a line, and how bad it is; what others wrote stays on it."""
        self.lines.append(on_one_line(line))
        self.codes.add(code)

    def report(self) -> Report:
        """Give all lines; unreachable is worse than held, held worse than set aside."""
        order = (ExitCode.UNREACHABLE, ExitCode.LEDGER_HELD, ExitCode.SET_ASIDE)
        return Report(tuple(self.lines), next((c for c in order if c in self.codes), ExitCode.DONE))


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
    place, told = request.place, _Told()
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
        _hear(request, outbox, lines, told)
        _issue(request, outbox, told)
        with open_ledger(place.ledger, writing=False) as store:
            _hand_over(request, store, outbox, told)
        for receiver in place.options.receivers:
            _give(request, outbox, receiver, lines.get(receiver.name), told, with_ended=lost)
        _unnamed(place, outbox, told)
        if any(outbox.heard(r.name) for r in place.options.receivers):
            _hear(request, outbox, {}, told)
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


def _hear(request: DeliverRequest, outbox: Outbox, lines: Mapping[str, Line], told: _Told) -> None:
    """Bring answers into the ledger; where a run holds it they wait."""
    place = request.place
    receivers = [r for r in place.options.receivers if r.name in outbox.names()]
    if not any(_may_answer(r, outbox, lines) for r in receivers):
        return
    try:
        with open_ledger(place.ledger) as store:
            for receiver in receivers:
                heard = Heard()
                listener = Listener(outbox, store, receiver, place.options.office, request.now)
                listener.at_once(heard)
                listener.inbox(heard)
                if receiver.name in lines:
                    listener.fetched(lines[receiver.name], heard)
                _say_heard(receiver.name, heard, told)
                _say_shared(receiver.name, heard, outbox, told)
    except LedgerHeldError:
        told.say("answers wait: a run holds the ledger", ExitCode.LEDGER_HELD)


def _may_answer(receiver: ReceiverOptions, outbox: Outbox, lines: Mapping[str, Line]) -> bool:
    answers = receiver.answers
    asked = answers.fetch and receiver.name in lines
    return bool(answers.inbox) or asked or bool(outbox.heard(receiver.name))


def _say_heard(name: str, heard: Heard, told: _Told) -> None:
    if heard.trouble:
        told.say(f"{name}: its answers could not be read: {heard.trouble}", ExitCode.UNREACHABLE)
    if heard.applied or heard.known or heard.refused:
        told.say(
            f"{name}: answers applied {heard.applied}, known already {heard.known}, "
            f"not applied {len(heard.refused)}"
        )
    for why in heard.refused:
        told.say(f"{name}: not applied: {why}", ExitCode.SET_ASIDE)


def _say_shared(name: str, heard: Heard, outbox: Outbox, told: _Told) -> None:
    """Name external ids that now stand at several cases: one of its cases may be several of ours.

    Or its program says the same of all, which nobody could tell apart later.
    """
    cases: dict[str, set[str]] = {}
    known = outbox.with_external({external for external, _ in heard.externals})
    for external, case in (*heard.externals, *known):
        cases.setdefault(external, set()).add(case)
    for external, ids in sorted(cases.items()):
        if len(ids) > 1:
            told.say(
                f"{name}: the external id {external} stands at {len(ids)} cases, see whether that "
                f"is meant: {', '.join(sorted(ids))}"
            )


def _issue(request: DeliverRequest, outbox: Outbox, told: _Told) -> None:
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


def _hand_over(request: DeliverRequest, store: LedgerStore, outbox: Outbox, told: _Told) -> None:
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


def _say_orphans(store: LedgerStore, outbox: Outbox, told: _Told) -> None:
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
    told: _Told,
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
    request: DeliverRequest, outbox: Outbox, name: str, told: _Told, with_ended: bool
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


def _say_sent(name: str, sent: Sent, outbox: Outbox, told: _Told) -> None:
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


def _unnamed(place: Place, outbox: Outbox, told: _Told) -> None:
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
