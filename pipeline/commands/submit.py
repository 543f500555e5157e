"""``siluan submit``: a flight comes in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.ending import guard
from pipeline.commands.layers import Config, Debug
from pipeline.errors import ConfigurationError, ExitCode


def submit(  # noqa: PLR0913, PLR0917 - each is an option of the command
    drop: Annotated[
        Path | None,
        typer.Argument(help="Folder of a flight, its zip, or the mosaic.", show_default=False),
    ] = None,
    dsm: Annotated[Path | None, typer.Option(help="Surface model of the mosaic.")] = None,
    flight: Annotated[
        Path | None, typer.Option(help="The form; default: flight.yaml beside the mosaic.")
    ] = None,
    inbox: Annotated[
        Path | None,
        typer.Option(help="Look at all drops of this folder once; for schedules."),
    ] = None,
    form: Annotated[
        Path | None,
        typer.Option(
            help="Only write the form beside this folder, filled in from its files; open it in a "
            "browser, complete it, and put the flight.yaml that it gives into the folder."
        ),
    ] = None,
    accept_supersedes: Annotated[
        str,
        typer.Option(
            help="Name of whoever answers for a flight that supersedes one of another team or "
            "place, or one that holds more.",
            show_default=False,
        ),
    ] = "",
    state: Annotated[
        Path, typer.Option(help="State folder; flights are kept in its flights/.")
    ] = Path("state"),
    config: Config = Path("config"),
    debug: Debug = False,
) -> None:
    """Take a drone flight in, whole or not at all; a receipt in Chinese lies beside it."""

    def work() -> ExitCode:
        from datetime import UTC, datetime  # noqa: PLC0415 - keeps --help fast

        from pipeline.closing import after_submit  # noqa: PLC0415
        from pipeline.office.flight_forms import write_form  # noqa: PLC0415
        from pipeline.office.flights import SubmitRequest, desk  # noqa: PLC0415
        from pipeline.office.flights import submit as take  # noqa: PLC0415
        from pipeline.office.inbox import look  # noqa: PLC0415

        given = [w for w in (drop, dsm, flight, accept_supersedes.strip() or None) if w]
        if form is not None and inbox is None and not given:
            for line in write_form(form):
                typer.echo(line)
            return ExitCode.DONE
        if form is not None or (inbox is None) == (drop is None) or (inbox is not None and given):
            raise ConfigurationError(
                "one thing has to be given",
                "Give the folder of a flight, or --inbox or --form and a folder",
            )
        with desk(config, state, datetime.now(UTC)) as at:
            if inbox is not None:
                report = look(inbox, at)
                for line in (*report.lines, after_submit(report.code, bool(report.lines))):
                    typer.echo(line)
                return report.code
            assert drop is not None
            answer = take(SubmitRequest(drop, dsm, flight, accept_supersedes.strip()), at)
        for line in answer.lines:
            typer.echo(line, err=not answer.taken)
        typer.echo(after_submit(answer.code, answer.taken), err=not answer.taken)
        return answer.code

    guard(work, debug)
