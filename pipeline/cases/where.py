"""Which ledger a command means, and what it says when it was changed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from pipeline import __version__
from pipeline.errors import ConfigurationError, ExitCode
from pipeline.io.atomic import disk_full_named, is_there
from pipeline.ledger import Changes, Command, Edit, LedgerPlace, Refusal
from pipeline.model import office_day


@dataclass(frozen=True)
class Report:
    """What a command prints, and how it ends."""

    lines: tuple[str, ...]
    code: ExitCode = ExitCode.DONE


def ledger_of(workflow: Path | None, state: Path | None) -> LedgerPlace:
    """Give where the ledger is; there must be one.

    Raises
    ------
    ConfigurationError
        Neither or both are given, or no run has made the ledger yet.
    """
    if (workflow is None) == (state is None):
        raise ConfigurationError(
            "which ledger is meant is not said", "Give --workflow FILE or --state DIR, one of them"
        )
    return require_ledger(
        _place_of(workflow) if workflow else LedgerPlace(Path(state or ".") / "ledger.sqlite")
    )


def require_ledger(place: LedgerPlace) -> LedgerPlace:
    """Give the place of a ledger back; a restore that was killed is finished first.

    Raises
    ------
    ConfigurationError
        No run has made the ledger yet.
    """
    from pipeline.ledger.restoring import finish_restore  # noqa: PLC0415 - brings SQLAlchemy

    finish_restore(place.file.resolve())
    if place.url is None and not place.file.is_file() and not place.mark.is_file():
        raise ConfigurationError(f"there is no ledger at {place.file}", "Run a workflow first")
    return place


def make_folder(folder: Path) -> None:
    """Make the folder that files go to, before anything is written.

    Raises
    ------
    ConfigurationError
        A file lies in its place or above it, or it may not be made there.
    """
    with disk_full_named(folder):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            file = next((p for p in (folder, *folder.parents) if is_there(p)), folder)
            raise ConfigurationError(
                f"{file} is a file where --out needs a folder", "Give another --out"
            ) from error
        except PermissionError as error:
            raise ConfigurationError(
                f"the folder {folder} may not be made", "Give another --out"
            ) from error


def _place_of(workflow: Path) -> LedgerPlace:
    # Half the time of a short command.
    from pipeline.passes.any_workflow import load_any  # noqa: PLC0415

    return load_any(workflow).ledger_place


def command(name: str, edits: Sequence[Edit], now: datetime | None = None) -> Command:
    """Name a command by what it says: the same again has the same name."""
    digest = hashlib.sha256("\n".join(repr(e) for e in edits).encode()).hexdigest()[:8]
    said = now or datetime.now(UTC)
    return Command(f"siluan cases {name}", f"{name}-{digest}", said, __version__)


def today(now: datetime | None = None) -> date:
    """Give the day it is in the office."""
    return office_day(now or datetime.now(UTC))


def refuse(refused: Sequence[Refusal], of: int, what: str, *, partial: bool) -> None:
    """Refuse edits of which some are bad, unless the good ones were wanted.

    Raises
    ------
    ConfigurationError
        Every offender named.
    """
    if refused and not partial:
        named = "; ".join(str(r) for r in refused)
        raise ConfigurationError(
            f"{len(refused)} of {of} {what} cannot be applied, and nothing was changed: {named}",
            "Mend them, or add --partial where the others shall be applied",
        )


def outcome(done: Changes) -> Report:
    """Say what became of edits."""
    status = {e.case_id: e for e in done.events if e.what == "status"}
    lines = [
        f"{i}: {status[i].old} -> {status[i].new}" if i in status else f"{i}: noted"
        for i in done.applied
    ]
    lines += [f"{i}: known already, nothing changed" for i in done.unchanged]
    lines += [f"not applied: {r}" for r in done.refused]
    lines.append(
        f"applied {len(done.applied)}, known already {len(done.unchanged)}, "
        f"not applied {len(done.refused)}"
    )
    return Report(tuple(lines), ExitCode.SET_ASIDE if done.refused else ExitCode.DONE)
