"""Why a submission is refused: in English for the office and in Chinese for pilots.

Nothing here says how something is found out; what is said is in ``reason_texts``.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.acquire.inbox.reason_texts import REASONS
from pipeline.errors import ExitCode, SiluanError


@dataclass(frozen=True, slots=True)
class Fault:
    """One reason with its values."""

    code: str
    values: tuple[tuple[str, object], ...]

    @classmethod
    def of(cls, code: str, **values: object) -> Fault:
        """Make one; raises ``KeyError`` for an unknown reason: a slip of the programmer."""
        shown = {k: printable(v) if isinstance(v, str) else v for k, v in values.items()}
        fault = cls(code, tuple(shown.items()))
        fault.zh()
        return fault

    def en(self) -> tuple[str, str]:
        """Say what and the remedy, in English."""
        reason, values = REASONS[self.code], dict(self.values)
        return reason.en.format(**values), reason.en_do.format(**values)

    def zh(self) -> tuple[str, str]:
        """Say what and the remedy, in Chinese."""
        reason, values = REASONS[self.code], dict(self.values)
        return reason.zh.format(**values), reason.zh_do.format(**values)


def printable(text: str) -> str:
    """Replace what a terminal or a file could not show: names of files are from outside."""
    return "".join(c if c.isprintable() else "?" for c in text)


class SubmissionRefusedError(SiluanError):
    """A submission cannot be taken in; all of its faults are named."""

    code = ExitCode.QUARANTINED

    def __init__(self, *faults: Fault) -> None:
        said = [f.en() for f in faults]
        remedies = dict.fromkeys(do for _, do in said)
        super().__init__("; ".join(what for what, _ in said), "; ".join(remedies))
        self.faults = faults


def refuse(code: str, **values: object) -> SubmissionRefusedError:
    """Make the error of one reason."""
    return SubmissionRefusedError(Fault.of(code, **values))


def refuse_all(faults: list[Fault]) -> None:
    """Raise if there are any."""
    if faults:
        raise SubmissionRefusedError(*faults)
