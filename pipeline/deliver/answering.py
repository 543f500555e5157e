"""Hearing all receivers, and saying what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial

from pipeline.deliver.applying import Heard
from pipeline.deliver.hearing import Listener
from pipeline.deliver.line import Line
from pipeline.deliver.outbox import Outbox
from pipeline.deliver.place import Place
from pipeline.deliver.told import Told
from pipeline.errors import ExitCode, LedgerHeldError
from pipeline.ledger import open_ledger

_REFUSED_SAID = 20
"""Answers that were refused and are printed each: more are one mistake of a system, made often."""


def hear(
    place: Place,
    outbox: Outbox,
    lines: Mapping[str, Line],
    told: Told,
    now: Callable[[], datetime],
) -> None:
    """Bring answers into the ledger; where a run holds it they wait."""

    def listen(listener: Listener, heard: Heard) -> None:
        listener.at_once(heard)
        listener.inbox(heard)
        line = lines.get(listener.receiver.name)
        if line is not None:
            listener.fetched(line, heard)

    _hear(place, outbox, listen, told, now)


def hear_replies(place: Place, outbox: Outbox, told: Told, now: Callable[[], datetime]) -> None:
    """Bring into the ledger what came back with the deliveries of this command."""
    _hear(place, outbox, Listener.at_once, told, now)


def _hear(
    place: Place,
    outbox: Outbox,
    listen: Callable[[Listener, Heard], None],
    told: Told,
    now: Callable[[], datetime],
) -> None:
    opened = partial(open_ledger, place.ledger)
    names = outbox.names()
    for receiver in place.options.receivers:
        if receiver.name not in names:
            continue
        heard, held = Heard(), False
        try:
            listen(Listener(outbox, opened, receiver, place.options.office, now), heard)
        except LedgerHeldError:
            held = True
        _say_heard(receiver.name, heard, told)
        _say_shared(receiver.name, heard, outbox, place, told)
        if held:
            told.say("answers wait: a run holds the ledger", ExitCode.LEDGER_HELD)
            return


def _say_heard(name: str, heard: Heard, told: Told) -> None:
    for why in heard.trouble:
        told.say(f"{name}: its answers could not be taken: {why}", ExitCode.UNREACHABLE)
    if heard.more:
        told.say(f"{name}: there are more answers; run again", ExitCode.UNREACHABLE)
    if heard.applied or heard.known or heard.refused:
        told.say(
            f"{name}: answers applied {heard.applied}, known already {heard.known}, "
            f"not applied {len(heard.refused)}"
        )
    if heard.unread:
        # No code: a README that lies there is nothing to be mended.
        told.say(
            f"{name}: only .csv and .json are read of its inbox; left there: "
            f"{', '.join(heard.unread)}"
        )
    for why in heard.refused[:_REFUSED_SAID]:
        told.say(f"{name}: not applied: {why}", ExitCode.SET_ASIDE)
    if (more := len(heard.refused) - _REFUSED_SAID) > 0:
        told.say(f"{name}: not applied: and {more} more; of files each stands in its report")


def _say_shared(name: str, heard: Heard, outbox: Outbox, place: Place, told: Told) -> None:
    """Name external ids that now stand at several cases: one of its cases may be several of ours.

    Or its program says the same of all, which nobody could tell apart later. Ids of another
    receiver are of another system, and may be the same by chance.
    """
    cases: dict[str, set[str]] = {}
    known = outbox.with_external({external for external, _ in heard.externals})
    for external, case in (*heard.externals, *known):
        cases.setdefault(external, set()).add(case)
    shared = {external: ids for external, ids in cases.items() if len(ids) > 1}
    if not shared:
        return
    foreign = _of_others(name, set().union(*shared.values()), outbox, place)
    for external, found in sorted(shared.items()):
        ids = found - foreign
        if len(ids) > 1:
            told.say(
                f"{name}: the external id {external} stands at {len(ids)} cases, see whether that "
                f"is meant: {', '.join(sorted(ids))}"
            )


def _of_others(name: str, ids: set[str], outbox: Outbox, place: Place) -> set[str]:
    """Give the cases whose external id another receiver said, as the ledger tells."""
    others = {*outbox.names(), *(r.name for r in place.options.receivers)} - {name}
    with open_ledger(place.ledger, writing=False) as ledger:
        events = ledger.events(ids)
    last = {e.case_id: e.detail.get("by") for e in events if e.what == "external"}
    return {case for case, by in last.items() if by in others}
