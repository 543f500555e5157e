"""Which status may become which, who may move it, and what they must say.

One table, which ``docs/cases.md`` prints. Imagery has two lines of it; from *issued* on only people
move a case. Pure.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from pipeline.errors import ConfigurationError
from pipeline.model import Status


class Mover(StrEnum):
    """Who may move a status."""

    IMAGERY = "imagery"
    PERSON = "a named person"


class Reason(StrEnum):
    """Why a case is none, or goes back; a closed list."""

    SEASONAL_WATER = "seasonal_water"
    CLOUD = "cloud"
    SHADOW = "shadow"
    BRIDGE_OR_WEIR = "bridge_or_weir"
    PERMITTED = "permitted"
    AUTHORISED_WORKS = "authorised_works"
    CROP = "crop"
    ALREADY_THERE = "already_there"
    DUPLICATE = "duplicate"
    TOO_SMALL = "too_small"
    MISPLACED = "misplaced"
    OTHER = "other"

    @property
    def zh(self) -> str:
        """The Chinese word, which is read as well as the code."""
        return REASON_ZH[self]


REASON_ZH = {
    Reason.SEASONAL_WATER: "季节性水面",
    Reason.CLOUD: "云",
    Reason.SHADOW: "阴影",
    Reason.BRIDGE_OR_WEIR: "桥梁堰坝",
    Reason.PERMITTED: "已许可",
    Reason.AUTHORISED_WORKS: "批准工程",
    Reason.CROP: "农作物",
    Reason.ALREADY_THERE: "原有",
    Reason.DUPLICATE: "重复",
    Reason.TOO_SMALL: "面积过小",
    Reason.MISPLACED: "位置不符",
    Reason.OTHER: "其他",
}


class Verdict(StrEnum):
    """What an inspection comes to, in the words of the forms of 2025."""

    NONE = "不是问题"
    OLD_HARMLESS = "不是问题·历史不碍洪"
    OLD_HARMFUL = "问题·历史碍洪"
    PROBLEM = "问题"


def verdict_of(text: str) -> Verdict | None:
    """Read a verdict; the dot in it may be any dot or dash. None where it is not on the list."""
    plain = unicodedata.normalize("NFKC", text).strip()
    word = re.sub(r"[\s·・•∙‧⋅.\-—–_/]+", "·", plain)
    return next((v for v in Verdict if v.value == word), None)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a verdict makes of a case."""

    status: Status
    reason: Reason | None
    on_account: bool  # 挂账


@dataclass(frozen=True, slots=True)
class Transition:
    """One line of the table."""

    before: Status
    after: Status
    who: Mover
    zh: str  # what an office calls it
    reason: bool = False  # a reason code must be given


_S, _P = Status, Mover.PERSON
TRANSITIONS: tuple[Transition, ...] = (
    Transition(_S.WATCH, _S.SUSPECTED, Mover.IMAGERY, "影像确认"),
    Transition(_S.SUSPECTED, _S.WATCH, Mover.IMAGERY, "影像回退"),
    Transition(_S.WATCH, _S.ISSUED, _P, "提前交办", reason=True),
    Transition(_S.WATCH, _S.REJECTED, _P, "内业排除", reason=True),
    Transition(_S.WATCH, _S.PERMITTED, _P, "核为许可", reason=True),
    Transition(_S.SUSPECTED, _S.ISSUED, _P, "交办"),
    Transition(_S.SUSPECTED, _S.REJECTED, _P, "内业排除", reason=True),
    Transition(_S.SUSPECTED, _S.PERMITTED, _P, "核为许可", reason=True),
    Transition(_S.ISSUED, _S.VERIFIED, _P, "核实"),
    Transition(_S.ISSUED, _S.REJECTED, _P, "核查排除", reason=True),
    Transition(_S.ISSUED, _S.PERMITTED, _P, "核为许可", reason=True),
    Transition(_S.ISSUED, _S.WITHDRAWN, _P, "撤回", reason=True),
    Transition(_S.VERIFIED, _S.RECTIFYING, _P, "整改"),
    Transition(_S.VERIFIED, _S.REJECTED, _P, "更正排除", reason=True),
    Transition(_S.VERIFIED, _S.PERMITTED, _P, "更正为许可", reason=True),
    Transition(_S.VERIFIED, _S.WITHDRAWN, _P, "撤回", reason=True),
    Transition(_S.RECTIFYING, _S.CLOSED, _P, "销号"),
    Transition(_S.RECTIFYING, _S.REJECTED, _P, "更正排除", reason=True),
    Transition(_S.RECTIFYING, _S.PERMITTED, _P, "更正为许可", reason=True),
    Transition(_S.CLOSED, _S.RELAPSED, _P, "认定反弹"),
    Transition(_S.CLOSED, _S.RECTIFYING, _P, "撤销销号", reason=True),
    Transition(_S.RELAPSED, _S.ISSUED, _P, "再次交办"),
    Transition(_S.RELAPSED, _S.VERIFIED, _P, "核实"),
    Transition(_S.RELAPSED, _S.RECTIFYING, _P, "再次整改"),
    Transition(_S.RELAPSED, _S.CLOSED, _P, "更正为未反弹", reason=True),
    Transition(_S.REJECTED, _S.SUSPECTED, _P, "重新纳入", reason=True),
    Transition(_S.REJECTED, _S.VERIFIED, _P, "更正为属实", reason=True),
    Transition(_S.PERMITTED, _S.SUSPECTED, _P, "重新纳入", reason=True),
    Transition(_S.PERMITTED, _S.VERIFIED, _P, "更正为属实", reason=True),
    Transition(_S.WITHDRAWN, _S.SUSPECTED, _P, "重新纳入", reason=True),
    Transition(_S.WITHDRAWN, _S.ISSUED, _P, "再次交办"),
)
_TABLE = {(t.before, t.after): t for t in TRANSITIONS}

IN_HAND = frozenset({Status.VERIFIED, Status.RECTIFYING})
"""Where *overdue*, 挂账 and a due date mean anything."""


def allowed(before: Status, who: Mover) -> tuple[Status, ...]:
    """Give the statuses that ``who`` may move a case to."""
    return tuple(t.after for t in TRANSITIONS if t.before is before and t.who is who)


def move(before: Status, after: Status, who: Mover, reason: Reason | None = None) -> Status:
    """Move a status along the table; the same again is no move and always allowed.

    Raises
    ------
    ConfigurationError
        The table has no such move, it is another's to make, or its reason is missing.
    """
    if before is after:
        return after
    line = _TABLE.get((before, after))
    if line is None or line.who is not who:
        ways = ", ".join(allowed(before, who)) or "nothing"
        raise ConfigurationError(
            f"{before} cannot become {after} by {who.value}", f"It may become {ways}"
        )
    if line.reason and reason is None:
        raise ConfigurationError(
            f"{before} becomes {after} only with a reason", f"Give one of {codes(Reason)}"
        )
    return after


def outcome(verdict: Verdict, reason: Reason | None) -> Outcome:
    """Say what a verdict makes of a case.

    What is no problem because it is permitted becomes *permitted*, not *rejected*: imagery was
    right about the ground. What is historic and harmless was *already there*; what is historic and
    harmful is verified and kept on account (挂账).

    Raises
    ------
    ConfigurationError
        The reason contradicts the verdict, or is missing.
    """
    if verdict in (Verdict.PROBLEM, Verdict.OLD_HARMFUL):
        if reason is not None and (verdict, reason) != (Verdict.OLD_HARMFUL, Reason.ALREADY_THERE):
            raise ConfigurationError(
                f"{verdict} with the reason {reason}", "Reasons say why something is no problem"
            )
        return Outcome(Status.VERIFIED, None, verdict is Verdict.OLD_HARMFUL)
    if verdict is Verdict.OLD_HARMLESS:
        reason = reason or Reason.ALREADY_THERE
    if reason is None:
        raise ConfigurationError(
            f"{verdict} comes without a reason", f"Give one of {codes(Reason)}"
        )
    allowed_there = reason in (Reason.PERMITTED, Reason.AUTHORISED_WORKS)
    return Outcome(Status.PERMITTED if allowed_there else Status.REJECTED, reason, False)


def codes(words: Iterable[StrEnum]) -> str:
    """List the codes of a closed list."""
    return ", ".join(w.value for w in words)


def transition_table() -> str:
    """Give the table in Markdown, as the documentation prints it."""
    lines = ["| from | to | who | reason | 说明 |", "|---|---|---|---|---|"]
    lines += [
        f"| {t.before} | {t.after} | {t.who.value} | {'needed' if t.reason else ''} | {t.zh} |"
        for t in TRANSITIONS
    ]
    return "\n".join(lines)


def reason_table() -> str:
    """Give the reason codes in Markdown, as the documentation prints them."""
    return "\n".join(["| code | 说明 |", "|---|---|", *(f"| {r} | {r.zh} |" for r in Reason)])
