"""A corridor or a pair of flights that fails in the middle stops no other; it is named.

Cases stay in the ledger as the last run left them, and are published so.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pipeline.errors import (
    ClusterUnreachableError,
    ContractError,
    DiskFullError,
    ExitCode,
    LedgerHeldError,
    SiluanError,
)
from pipeline.io.secrets import clean

log = logging.getLogger("siluan")

_OF_ALL = (DiskFullError, ClusterUnreachableError, LedgerHeldError, ContractError)
"""What concerns every corridor, and ends the run."""
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass
class Failures:
    """Corridors, or pairs of flights, of a run that failed, by name, and why."""

    errors: dict[str, Exception] = field(default_factory=dict[str, Exception])
    alone: bool = False  # there is but one: its error ends the run, and is said then

    @contextmanager
    def of(self, name: str) -> Generator[None]:
        """Keep what goes wrong with one of them, and say it; not what goes wrong with all."""
        try:
            yield
        except _OF_ALL:
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno in _FULL:
                raise
            self.errors[name] = error
            if not self.alone:
                log.error("%s failed, the others go on: %s", name, _sentence(error))
            log.debug("%s", name, exc_info=error)

    def raise_if_all(self, number: int) -> None:
        """End the run with the first failure where none of them is left."""
        if self.errors and len(self.errors) == number:
            raise next(iter(self.errors.values()))

    @property
    def counts(self) -> dict[str, dict[str, str]]:
        """What run.json says of them."""
        said = {k: _sentence(e) for k, e in sorted(self.errors.items())}
        return {"failed": said} if said else {}

    def worse_than(self, code: ExitCode) -> ExitCode:
        """Give the code of the run: 3 where all that failed was not reached, else 70."""
        if not self.errors:
            return code
        codes = {
            e.code if isinstance(e, SiluanError) else ExitCode.BUG for e in self.errors.values()
        }
        return ExitCode.UNREACHABLE if codes == {ExitCode.UNREACHABLE} else ExitCode.BUG


def _sentence(error: Exception) -> str:
    if isinstance(error, SiluanError):
        said = str(error)
    else:  # of the system's errors only their words say which file
        what = f"{type(error).__name__} ({error})" if isinstance(error, OSError) else repr(error)
        said = f"a bug, or a broken disk: {what}"
    return clean(said)  # an error of a library may hold the address that it was given
