"""One base class for everything that can go wrong in a way a person can act on.

Every error is one sentence: what, where, the remedy. The command prints it without a traceback and
leaves with the exit code of the class (see ``docs/contracts.md``).
"""

from __future__ import annotations

import unicodedata
from enum import IntEnum


class ExitCode(IntEnum):
    """What the command says to the scheduler that started it."""

    DONE = 0
    WOULD_CHANGE = 1
    CONFIGURATION = 2
    UNREACHABLE = 3
    LEDGER_HELD = 4
    DISK_FULL = 5
    QUARANTINED = 6
    SET_ASIDE = 10
    BUG = 70
    INTERRUPTED = 130
    TERMINATED = 143


def on_one_line(text: str) -> str:
    """Give text from outside as a sentence may hold it: what is no visible character is escaped.

    Else a value with a line break in it could pass for a line of the program's own.
    """
    return "".join(
        c if c.isprintable() or unicodedata.category(c) == "Zs" else ascii(c)[1:-1] for c in text
    )


class SiluanError(Exception):
    """Base of all errors of this package.

    Parameters
    ----------
    what : str
        What went wrong and where, as a clause without a full stop.
    remedy : str
        What the reader can do about it, as a sentence without a full stop; empty if nothing.
    """

    code: ExitCode = ExitCode.BUG

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what, remedy)
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what}. {self.remedy}." if self.remedy else f"{self.what}."


class ConfigurationError(SiluanError):
    """The configuration, a workflow or the arguments are wrong; nothing was started."""

    code = ExitCode.CONFIGURATION


class SourceUnreachableError(SiluanError):
    """A catalogue or an object store did not answer; running again may help."""

    code = ExitCode.UNREACHABLE


class ClusterUnreachableError(SiluanError):
    """A cluster did not answer, or cannot work on the state directory; running again may help."""

    code = ExitCode.UNREACHABLE


class LedgerUnreachableError(SiluanError):
    """The database that holds the ledger did not answer; running again may help."""

    code = ExitCode.UNREACHABLE


class LedgerHeldError(SiluanError):
    """Another run holds the ledger."""

    code = ExitCode.LEDGER_HELD


class DiskFullError(SiluanError):
    """No space is left where the run writes; nothing half-written was left behind."""

    code = ExitCode.DISK_FULL


class SceneUnusableError(SiluanError):
    """One scene or asset cannot be used; it is set aside by name and the run goes on."""

    code = ExitCode.SET_ASIDE


class ContractError(SiluanError):
    """Something that we were about to publish breaks our own promise: a bug, never published."""

    code = ExitCode.BUG
