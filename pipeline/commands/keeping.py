"""``siluan backup`` and ``siluan restore``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.ending import guard
from pipeline.commands.layers import Debug
from pipeline.errors import ExitCode

State = Annotated[Path, typer.Option("--state", help="The state folder.", show_default=False)]


def backup(
    state: State,
    to: Annotated[Path, typer.Option(help="The archive that is written.", show_default=False)],
    with_flights: Annotated[
        bool, typer.Option("--with-flights", help="Mosaics and photos of flights too; large.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Keep all of a state folder that cannot be made again in one file; a run may be at work."""

    def work() -> ExitCode:
        from pipeline.office.backup import backup as keep  # noqa: PLC0415 - keeps --help fast

        for line in keep(state, to, flights=with_flights):
            typer.echo(line)
        return ExitCode.DONE

    guard(work, debug)


def restore(
    archive: Annotated[Path, typer.Argument(help="What siluan backup wrote.", show_default=False)],
    state: State,
    ledger: Annotated[
        str | None,
        typer.Option(help="Put the ledger into this database: postgresql://user@host/database."),
    ] = None,
    over: Annotated[
        bool,
        typer.Option("--over", help="Even over a ledger that holds what the archive does not."),
    ] = False,
    debug: Debug = False,
) -> None:
    """Bring a state folder back as it was kept, whole or not at all; what it replaces is kept."""

    def work() -> ExitCode:
        from pipeline.office.restore import RestoreRequest  # noqa: PLC0415 - keeps --help fast
        from pipeline.office.restore import restore as bring_back  # noqa: PLC0415

        for line in bring_back(RestoreRequest(archive, state, ledger, over)):
            typer.echo(line)
        return ExitCode.DONE

    guard(work, debug)
