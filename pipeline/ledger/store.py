"""Opening the ledger, wherever it lies."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pipeline.errors import ConfigurationError, ExitCode
from pipeline.ledger.address import AnyPlace, LedgerPlace, settle_place, write_mark
from pipeline.ledger.lock import hold, refuse_network_share

if TYPE_CHECKING:
    # SQLAlchemy is a fifth of a second: a run that only looks and reads scenes does without.
    from pipeline.ledger.postgis import PostgisLedger
    from pipeline.ledger.sql import SqlLedger
    from pipeline.ledger.sqlite import SqliteLedger


@contextmanager
def open_ledger(place: AnyPlace, *, writing: bool = True) -> Generator[SqlLedger]:
    """Open the ledger, making it where there is none.

    Parameters
    ----------
    place : Path or LedgerPlace
        ``ledger.sqlite`` of a state folder. Where the folder says that its ledger is in a database,
        that one is opened.
    writing : bool
        Hold it against other runs for as long as the block runs. A reader needs no lock.

    Raises
    ------
    LedgerHeldError
        If another run holds it.
    LedgerUnreachableError
        If the database does not answer.
    ConfigurationError
        If it would lie on a network share, is no ledger, was emptied, or is one of a newer program.
    """
    from pipeline.ledger.restoring import finish_restore  # noqa: PLC0415 - see above

    finish_restore((place.file if isinstance(place, LedgerPlace) else place).resolve())
    found = settle_place(place)
    with ExitStack() as stack:
        if found.url is None:
            refuse_network_share(found.file)
        if writing:
            # Of a ledger in a database too: runs of one state folder take turns.
            stack.enter_context(hold(found.file))
        elif found.url is None and not found.file.exists():
            raise ConfigurationError(f"there is no ledger at {found.file}", "Run a workflow first")
        if found.url is None:
            ledger: SqlLedger = _file(found.file, writing=writing)
        else:
            ledger = stack.enter_context(_database(found.url, writing=writing))
            if writing:
                write_mark(found)
        yield ledger


_TRACES = ("evidence", "observed", "feed")
"""What runs and hand-over leave beside a ledger that has begun."""

_DONE = (ExitCode.DONE, ExitCode.SET_ASIDE)


def _lists_of_runs(state: Path) -> list[Path]:
    folder = state / "schedule"
    return sorted([*folder.glob("*.runs.jsonl"), *folder.glob("*.runs.jsonl.1")])


def _has_done_one(runs: Path) -> bool:
    """Tell whether a list of runs has one that was done: that had a ledger at its end."""
    for line in runs.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue  # half a line of a disk that was full
        if isinstance(entry, dict) and cast("dict[str, object]", entry).get("code") in _DONE:
            return True
    return False


def _refuse_emptied(path: Path) -> None:
    """Take no file that a lost power or a full disk has emptied for the place of a new ledger."""
    if not path.is_file() or path.stat().st_size:
        return
    left = [n for n in _TRACES if any((path.parent / n).glob("*"))]
    left += [f"schedule/{p.name}" for p in _lists_of_runs(path.parent) if _has_done_one(p)]
    if left:
        raise ConfigurationError(
            f"the ledger {path} is empty (0 bytes), and runs over it have left {', '.join(left)}: "
            "what it held is lost",
            "Restore it from a backup (siluan restore); or delete the file, to begin without all "
            "that people decided",
        )


def _file(path: Path, *, writing: bool) -> SqliteLedger:
    from pipeline.ledger.sqlite import SqliteLedger  # noqa: PLC0415 - see above

    _refuse_emptied(path)
    ledger = SqliteLedger(path, writing=writing)
    ledger.set_up(writing=writing)
    return ledger


@contextmanager
def _database(url: str, *, writing: bool) -> Generator[PostgisLedger]:
    from pipeline.ledger.postgis import PostgisLedger  # noqa: PLC0415 - see above

    ledger = PostgisLedger(url, pooled=not writing)
    with ExitStack() as stack:
        stack.callback(ledger.close)
        if writing:
            stack.enter_context(ledger.hold())
        ledger.set_up(writing=writing)
        yield ledger
