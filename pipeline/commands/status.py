"""``siluan status``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.ending import guard
from pipeline.errors import ExitCode


def status(
    workflow: Annotated[
        list[Path],
        typer.Option(help="A workflow, or their folder; may be repeated.", show_default=False),
    ],
    json_: Annotated[bool, typer.Option("--json", help="Everything, for programs.")] = False,
    prometheus: Annotated[
        Path | None, typer.Option(help="Write a text file for node_exporter as well.")
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Say how workflows stand: last and next run, what waits, what was set aside; only reads.

    Leaves with 0 where all is fine, 1 with warnings, 2 where something is critical.
    """
    level = 0

    def work() -> ExitCode:
        nonlocal level
        from pipeline.io.atomic import write_bytes  # noqa: PLC0415 - keeps --help fast
        from pipeline.schedule.clock import utc_now  # noqa: PLC0415
        from pipeline.schedule.listed import list_workflows  # noqa: PLC0415
        from pipeline.schedule.standing import standing_of  # noqa: PLC0415
        from pipeline.schedule.telling import (  # noqa: PLC0415
            for_people,
            for_programs,
            for_prometheus,
            summary,
            unread_lines,
        )

        now = utc_now()
        found = list_workflows(workflow, alone=False)
        standings, wrong = [standing_of(one, now) for one in found.good], found.wrong
        if prometheus is not None:
            write_bytes(prometheus, for_prometheus(standings, now, wrong))
        told = for_programs(standings, now, wrong)
        if json_:
            typer.echo(json.dumps(told, ensure_ascii=False, indent=1))
        else:
            if len(standings) + len(wrong) > 1:
                typer.echo(summary(standings, wrong))
            for one in wrong:
                typer.echo("\n".join(unread_lines(one)))
            for one, standing in zip(found.good, standings, strict=True):
                typer.echo("\n".join(for_people(one, standing, now)))
        level = told["level"]
        return ExitCode.DONE

    def ended(code: ExitCode) -> None:
        if code is ExitCode.DONE:
            sys.exit(level)

    guard(work, debug, ended)
