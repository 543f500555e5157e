"""Giving a receiver what waits for it: in order per case, and nobody waits for another's case."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline.deliver.evidence import chip_path
from pipeline.deliver.line import Line, Outcome, Reply
from pipeline.deliver.options import ReceiverOptions
from pipeline.deliver.outbox import Outbox
from pipeline.deliver.outbox_tables import Parcel
from pipeline.deliver.reading import texts_of
from pipeline.errors import ConfigurationError
from pipeline.io.failpoints import failpoint

_WAIT_MOST_S = 60.0
"""For which a receiver is waited for within a command [s]: what it asks for under load is some
seconds; for longer, a later command is better than one that stands."""
_WAITS_MOST_S = 300.0
"""All such waits of one command together [s]; as long as one asks for answers."""


@dataclass
class Sent:
    """What one command did for one receiver."""

    delivered: int = 0
    dead: list[str] = field(default_factory=list[str])
    later: dict[str, str] = field(default_factory=dict[str, str])  # by case, why
    doubtful: list[tuple[Parcel, str]] = field(default_factory=list[tuple[Parcel, str]])
    unread: list[str] = field(default_factory=list[str])  # replies that could not be read
    gave_up: str = ""  # why nothing more was tried


@dataclass
class Sender:
    """One receiver, and what is needed to reach it."""

    outbox: Outbox
    line: Line
    options: ReceiverOptions
    feed: Path
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep
    _chips: set[str] = field(default_factory=set[str])  # that it is known to have
    _silent: int = 0
    _asked_s: float = 0  # for which it asked, in its last reply, not to be asked again
    _waits_s: float = _WAITS_MOST_S  # that are left

    def send(self) -> Sent:
        """Try everything that is due, each case's deliveries in their order.

        What a receiver asks for (``Retry-After``) is waited for where it is short, and outlasts
        the command in the outbox.
        """
        sent = self._send()
        if self._asked_s:
            until = self.now() + timedelta(seconds=self._asked_s)
            self.outbox.rest(self.options.name, until)
        return sent

    def _send(self) -> Sent:
        sent = Sent()
        while parcels := self._due(sent):
            for number in parcels:
                self._one(self.outbox.parcel(number), sent)
                if self._silent >= self.options.give_up and not sent.gave_up:
                    sent.gave_up = f"{self._silent} deliveries one after another without success"
                if sent.gave_up:
                    self._judge_doubtful(sent)
                    return sent
        self._judge_doubtful(sent)
        return sent

    def _due(self, sent: Sent) -> list[int]:
        tried = {*sent.later, *(p.case_id for p, _ in sent.doubtful)}
        due = self.outbox.due(self.options.name, self.now())
        return [number for number, case in due if case not in tried]

    def _one(self, parcel: Parcel, sent: Sent) -> None:
        reply = self._with_patience(parcel)
        if reply.outcome is Outcome.TAKEN:
            failpoint("deliver.posted")
            answer, why = _answer_in(reply, parcel)
            self.outbox.delivered(parcel, answer)
            failpoint("deliver.marked")
            self._silent = 0
            sent.delivered += 1
            sent.unread += [f"{parcel.case_id}: {why}"] if why else []
        elif reply.outcome is Outcome.REFUSED:
            self.outbox.bury(parcel, reply.said)
            self._silent = 0
            sent.dead.append(f"{parcel.case_id} revision {parcel.revision}: {reply.said}")
        elif reply.outcome is Outcome.DOUBTFUL:
            self._silent += 1
            sent.doubtful.append((parcel, reply.said))
        else:
            self._silent += 1
            self.outbox.postpone(parcel, self._until(parcel), reply.said)
            sent.later[parcel.case_id] = reply.said
            if self._asks_for_rest(reply):
                sent.gave_up = f"it asked to be left alone for {reply.after_s:.0f} s"

    def _judge_doubtful(self, sent: Sent) -> None:
        """Where others were taken it is the case that is refused; else it may be our secret."""
        for parcel, said in sent.doubtful:
            if sent.delivered:
                self.outbox.bury(parcel, said)
                sent.dead.append(f"{parcel.case_id} revision {parcel.revision}: {said}")
            else:
                self.outbox.postpone(parcel, self._until(parcel), said)
                sent.later[parcel.case_id] = said
        sent.doubtful.clear()

    def _with_patience(self, parcel: Parcel) -> Reply:
        # A receiver that is down altogether gets one try per case and not all of them.
        tries = 1 if self._silent else self.options.tries
        reply = self._after(0, parcel)
        for again in range(tries - 1):
            if reply.outcome is not Outcome.LATER or self._asks_for_rest(reply):
                break
            reply = self._after(self.options.pause_s * 2**again, parcel)
        return reply

    def _after(self, pause_s: float, parcel: Parcel) -> Reply:
        """Deliver after a pause, or after what the last reply asked for where that is longer."""
        if (wait := max(pause_s, self._asked_s)) > 0:
            self.sleep(wait)
        self._waits_s -= self._asked_s
        reply = self._deliver(parcel)
        self._asked_s = reply.after_s
        return reply

    def _asks_for_rest(self, reply: Reply) -> bool:
        return reply.after_s > min(_WAIT_MOST_S, self._waits_s)

    def _deliver(self, parcel: Parcel) -> Reply:
        for file in parcel.body["delivery"]["evidence"]["files"]:
            reply = self._chip(file["sha256"], file["media_type"])
            if reply.outcome is not Outcome.TAKEN:
                return reply
        body = json.dumps(parcel.body, ensure_ascii=False, separators=(",", ":")).encode()
        return self.line.post_case(body, parcel.body["delivery"]["key"])

    def _chip(self, sha256: str, media_type: str) -> Reply:
        if sha256 in self._chips:
            return Reply(Outcome.TAKEN)
        reply = self.line.has_chip(sha256)
        if reply.status == 404:
            try:
                data = chip_path(self.feed, sha256).read_bytes()
            except OSError:
                return Reply(Outcome.REFUSED, f"its picture {sha256} is no longer beside the feed")
            reply = self.line.put_chip(sha256, data, media_type)
            failpoint("deliver.chip_sent")
        if reply.outcome is Outcome.TAKEN:
            self._chips.add(sha256)
        return reply

    def _until(self, parcel: Parcel) -> datetime:
        wait = min(self.options.wait_s * 2 ** min(parcel.tries, 20), self.options.wait_most_s)
        return self.now() + timedelta(seconds=wait)


def _answer_in(reply: Reply, parcel: Parcel) -> tuple[str | None, str]:
    """Give what a receiver answered at once, of this case, as JSON; or why it cannot be read.

    The case was taken whatever the reply holds: nothing in it may keep the mark from being made.
    """
    found = reply.json()
    if not isinstance(found, dict) or not any(found.get(k) for k in _WORDS):
        return None, ""
    try:
        said = texts_of({k: found[k] for k in _WORDS if k in found})
    except ConfigurationError as error:
        return None, str(error).rstrip(".")
    about = {"case_id": parcel.case_id, "revision": parcel.revision}
    return json.dumps({**said, **about}, ensure_ascii=False), ""


_WORDS = ("external_id", "status", "unit", "due", "on")
