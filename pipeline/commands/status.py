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
        from pipeline.schedule.clock import utc_now  # noqa: PLC0415 - keeps --help fast
        from pipeline.schedule.listed import list_workflows  # noqa: PLC0415
        from pipeline.schedule.standing import standings_of  # noqa: PLC0415
        from pipeline.schedule.telling import (  # noqa: PLC0415
            for_people,
            for_programs,
            for_prometheus,
            summary,
            unread_lines,
        )

        now = utc_now()
        found = list_workflows(workflow, alone=False)
        told, unseen = standings_of(found.good, now)
        standings, wrong = [s for _, s in told], [*found.wrong, *unseen]
        all_of_it = for_programs(standings, now, wrong)
        level = all_of_it["level"]
        if json_:
            typer.echo(json.dumps(all_of_it, ensure_ascii=False, indent=1))
        else:
            if len(standings) + len(wrong) > 1:
                typer.echo(summary(standings, wrong))
            for one in wrong:
                typer.echo("\n".join(unread_lines(one)))
            for one, standing in told:
                typer.echo("\n".join(for_people(one, standing, now)))
        # Last: a file that cannot be written is told beside the rest, and not instead of it.
        if prometheus is not None and not _written(
            prometheus, for_prometheus(standings, now, wrong)
        ):
            level = 2
        return ExitCode.DONE

    def ended(code: ExitCode) -> None:
        if code is ExitCode.DONE:
            sys.exit(level)

    guard(work, debug, ended)


def _written(path: Path, gauges: bytes) -> bool:
    from pipeline.errors import SiluanError  # noqa: PLC0415 - keeps --help fast
    from pipeline.io.atomic import write_bytes  # noqa: PLC0415

    try:
        if not path.name:
            raise SiluanError("it names no file")
        write_bytes(path, gauges)
    except (OSError, SiluanError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error).rstrip(".")
        typer.echo(
            f"siluan: {path} cannot be written ({why}), so what is there is old. "
            "Name a file in a folder that this user may write.",
            err=True,
        )
        return False
    return True
