"""``siluan report``: the periodic report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.cases import Counties, StateFolder, WorkflowFile
from pipeline.commands.ending import guard
from pipeline.commands.layers import Debug
from pipeline.errors import ConfigurationError, ExitCode


def report(  # noqa: PLR0913, PLR0917 - each is an option of the command
    period: Annotated[
        str | None, typer.Option(help="2026Q3, 2026 or 2026-03.", show_default=False)
    ] = None,
    workflow: WorkflowFile = None,
    state: StateFolder = None,
    county: Counties = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder; default: reports/ in the workflow's out.")
    ] = None,
    public: Annotated[
        bool,
        typer.Option(
            "--public",
            help="Counts of verified problems only: no case, no place, no picture.",
        ),
    ] = False,
    forms: Annotated[str, typer.Option("--as", help="Of docx, pdf, xlsx, with commas.")] = (
        "docx,pdf,xlsx"
    ),
    template: Annotated[
        Path | None, typer.Option(help="A Word template of the office's own.")
    ] = None,
    template_out: Annotated[
        Path | None, typer.Option(help="Write the template that ships, to be edited, and leave.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Settings; default: config/report.yaml beside workflows/.")
    ] = None,
    debug: Debug = False,
) -> None:
    """Make the report of a month, a quarter or a year, in Chinese, for Word, PDF and spreadsheets.

    The first report of a period that is over freezes it; what changes later is listed as 更正.
    """

    def work() -> ExitCode:
        if template_out is not None:
            return _copy_template(template_out)
        if period is None:
            raise ConfigurationError("which period is meant is not said", "Give --period 2026Q3")
        from pipeline.cases.where import ledger_of  # noqa: PLC0415 - keeps --help fast
        from pipeline.closing import after_report  # noqa: PLC0415
        from pipeline.report.making import ReportRequest, make_report  # noqa: PLC0415

        made = make_report(
            ReportRequest(
                ledger=ledger_of(workflow, state),
                period=period,
                workflow=workflow,
                counties=tuple(county or ()),
                out=out,
                public=public,
                forms=tuple(f.strip() for f in forms.split(",") if f.strip()),
                template=template,
                settings=config,
            )
        )
        for line in (*made.lines, after_report(made.files, made.code)):
            typer.echo(line)
        return made.code

    guard(work, debug)


def _copy_template(path: Path) -> ExitCode:
    from pipeline.io.atomic import write_bytes  # noqa: PLC0415
    from pipeline.report.docx import shipped_template  # noqa: PLC0415

    if path.exists():
        raise ConfigurationError(f"{path} is there already", "Name another file")
    write_bytes(path, shipped_template())
    typer.echo(str(path))
    return ExitCode.DONE
