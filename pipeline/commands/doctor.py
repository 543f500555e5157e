"""``siluan doctor``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.ending import guard
from pipeline.errors import ExitCode


def doctor(
    config: Annotated[
        Path, typer.Option(help="The office's folder: corridors, layers, water.")
    ] = Path("config"),
    workflow: Annotated[
        list[Path] | None,
        typer.Option(help="A workflow to look at as well; may be repeated."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Leave with 10 where anything at all is missing.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Say what is missing, what that costs, and how to mend it; only reads.

    Leaves with 0, or with 2 where a run would be refused.
    """

    def work() -> ExitCode:
        from pipeline.office.doctor import (  # noqa: PLC0415 - keeps --help fast
            Checkup,
            examine,
            exit_code,
            report,
        )

        findings = examine(Checkup(config, tuple(workflow or ())))
        for line in report(findings):
            typer.echo(line)
        return exit_code(findings, strict=strict)

    guard(work, debug)
