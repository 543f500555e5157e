"""``siluan deliver``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.commands.cases import StateFolder, WorkflowFile, say
from pipeline.commands.ending import guard
from pipeline.commands.layers import Debug
from pipeline.errors import ConfigurationError, ExitCode

if TYPE_CHECKING:
    from pipeline.cases.where import Report


def deliver(  # noqa: PLR0913, PLR0917 - each is an option of the command
    workflow: WorkflowFile = None,
    state: StateFolder = None,
    settings: Annotated[
        Path | None,
        typer.Option(help="The office file, instead of the workflow's (config/deliver.yaml)."),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Write all open cases into the feed as well.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would leave, and change nothing.")
    ] = False,
    release: Annotated[
        bool, typer.Option("--release", help="Let more than usual go; needs --by.")
    ] = False,
    by: Annotated[str | None, typer.Option(help="Who releases it.")] = None,
    now: Annotated[
        bool, typer.Option("--now", help="Try at once what waits for its next try.")
    ] = False,
    dead: Annotated[
        bool, typer.Option("--dead", help="List what receivers refused for good.")
    ] = False,
    retry: Annotated[
        str | None, typer.Option(metavar="CASE", help="Put its dead letters back.")
    ] = None,
    forget: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Forget a receiver that the office file dropped."),
    ] = None,
    contract: Annotated[
        Path | None,
        typer.Option(help="Write OpenAPI, schemas and samples for a receiver's developer."),
    ] = None,
    debug: Debug = False,
) -> None:
    """Hand issued cases over: into the numbered feed, and to systems that receive by HTTP.

    Nothing leaves that no named person issued, unless the office file has a rule for it.
    """

    def work() -> ExitCode:
        from pipeline.cases.words import free_text  # noqa: PLC0415 - keeps --help fast

        person = free_text(by, "--by")
        if release != (person is not None):
            raise ConfigurationError("a release needs somebody", "Give --release and --by NAME")
        asked = [
            bool(x) for x in (dead, retry, forget, contract, full or dry_run or release or now)
        ]
        if sum(asked) > 1:
            raise ConfigurationError(
                "--dead, --retry, --forget and --contract stand alone", "Give one of them"
            )
        if contract is not None:
            from pipeline.deliver.contract import write_out  # noqa: PLC0415

            for line in write_out(contract):
                typer.echo(line)
            return ExitCode.DONE
        return _at(workflow, state, settings)

    def _at(workflow: Path | None, state: Path | None, settings: Path | None) -> ExitCode:
        from pipeline.cases.words import free_text  # noqa: PLC0415
        from pipeline.deliver import upkeep  # noqa: PLC0415
        from pipeline.deliver.place import find_place  # noqa: PLC0415
        from pipeline.deliver.service import DeliverRequest  # noqa: PLC0415
        from pipeline.deliver.service import deliver as hand_over  # noqa: PLC0415

        place = find_place(workflow, state, settings)
        if dead:
            return say(upkeep.dead_letters(place))
        if retry is not None:
            return say(upkeep.put_back(place, retry))
        if forget is not None:
            return say(upkeep.forget(place, forget))
        request = DeliverRequest(place, full, free_text(by, "--by"), now)
        return say(upkeep.foretell(request) if dry_run else _ended(hand_over(request), place.feed))

    guard(work, debug)


def _ended(done: Report, feed: Path) -> Report:
    """Add what to do next."""
    from pipeline.closing import after_delivery  # noqa: PLC0415 - keeps --help fast

    return replace(done, lines=(*done.lines, after_delivery(done.code, feed)))
