"""The command ``siluan``."""

from __future__ import annotations

import gc
import os
import sys
from datetime import date, datetime
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer

from pipeline import __version__
from pipeline.commands.cases_files import cases_app
from pipeline.commands.corridor import corridor_app
from pipeline.commands.deliver import deliver
from pipeline.commands.doctor import doctor
from pipeline.commands.ending import guard as _guard
from pipeline.commands.helping import Commands
from pipeline.commands.keeping import backup, restore
from pipeline.commands.layers import layers_app
from pipeline.commands.leads import leads_app
from pipeline.commands.noting import in_turn, note_run
from pipeline.commands.report import report
from pipeline.commands.schedule import schedule
from pipeline.commands.status import status
from pipeline.commands.submit import submit
from pipeline.io.heap import while_importing

app = typer.Typer(
    cls=Commands,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # Boxes drawn by rich take longer to import than all the rest of `siluan --help`.
    rich_markup_mode=None,
    help="Suspected cases of the four chaos (四乱) from imagery. 仅为线索，不作为处罚依据。",
    epilog="Start with: siluan doctor · siluan run workflows/patrol.yaml --dry-run. "
    "The sample: make sample",
)
app.add_typer(layers_app, name="layers")
app.add_typer(corridor_app, name="corridor")
app.add_typer(cases_app, name="cases")
app.add_typer(leads_app, name="leads")
app.command(epilog="Example: siluan doctor --workflow workflows/patrol.yaml")(doctor)
app.command(
    epilog="Examples: siluan deliver --workflow workflows/patrol.yaml --dry-run · siluan deliver "
    "--workflow workflows/patrol.yaml · siluan deliver --state state/patrol --full"
)(deliver)
app.command(
    epilog="Examples: siluan submit 渌水20261120/ · siluan submit result.tif --dsm dsm.tif "
    "--flight flight.yaml · siluan submit --inbox /srv/无人机"
)(submit)
app.command(
    epilog="Examples: siluan report --workflow workflows/patrol.yaml --period 2026Q3 · "
    "siluan report --workflow workflows/patrol.yaml --period 2026 --public --as docx,xlsx · "
    "siluan report --template-out 报告模板.docx"
)(report)
app.command(epilog="Example: siluan backup --state state --to /backup/siluan-20261125.zip")(backup)
app.command(
    epilog="Examples: siluan restore siluan-20261125.zip --state state · siluan restore "
    "siluan-20261125.zip --state state --ledger postgresql://siluan@db/siluan"
)(restore)
app.command(
    epilog="Examples: siluan schedule workflows · siluan schedule workflows --once · "
    "siluan schedule workflows --install --user · "
    "siluan schedule workflows --install --as cron"
)(schedule)
app.command(
    epilog="Examples: siluan status --workflow workflows · siluan status --workflow "
    "workflows/patrol.yaml --json · siluan status --workflow workflows "
    "--prometheus /var/lib/node_exporter/siluan.prom"
)(status)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(f"siluan {__version__}")
        raise typer.Exit


@app.command(
    epilog="Examples: siluan run workflows/sample.yaml · "
    "siluan run workflows/patrol.yaml --corridor xiangjiang --from 2025-01-01 --dry-run · "
    "siluan run workflows/patrol.yaml --shadow"
)
def run(  # noqa: PLR0913, PLR0917 - one for each option of the command
    workflow: Annotated[Path, typer.Argument(help="A file of workflows/.", show_default=False)],
    corridor: Annotated[
        list[str] | None, typer.Option(help="Only this corridor; may be repeated.")
    ] = None,
    from_: Annotated[
        datetime | None,
        typer.Option(
            "--from",
            formats=["%Y-%m-%d"],
            help="An earlier first day of history.",
        ),
    ] = None,
    to: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day, included.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Output folder instead of the workflow's.")
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Say look by look what would be read or made, and why."),
    ] = False,
    shadow: Annotated[
        bool,
        typer.Option("--shadow", help="Say what code and options would change; change nothing."),
    ] = False,
    into: Annotated[
        Path | None, typer.Option(help="With --shadow: where it works; default STATE/shadow.")
    ] = None,
    wait: Annotated[
        float,
        typer.Option(min=0, help="Minutes to wait for the ledger while another run holds it."),
    ] = 0.0,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Run one workflow, start to end: a patrol, an inspection by drone flights, or a recheck."""
    with while_importing():
        from pipeline.dispatch import run_any, run_beside  # noqa: PLC0415 - keeps --help fast
        from pipeline.running.request import RunRequest  # noqa: PLC0415

    request = RunRequest(
        workflow=workflow,
        corridors=tuple(corridor or ()),
        start=_day(from_),
        end=_day(to),
        out=out,
        dry_run=dry_run,
    )
    if shadow or into is not None:
        _guard(lambda: run_beside(request, into, asked=shadow), debug)
    if dry_run:
        _guard(lambda: run_any(request), debug)
    note_run(workflow, lambda: in_turn(lambda: run_any(request), wait), debug, part=request.part)


baseline_app = typer.Typer(
    cls=Commands, no_args_is_help=True, help="History of corridors, fetched once."
)
app.add_typer(baseline_app, name="baseline")


@baseline_app.command(
    epilog="Examples: siluan baseline build workflows/patrol.yaml --dry-run · "
    "siluan baseline build workflows/patrol.yaml --corridor xiangjiang --years 2 --yes"
)
def build(
    workflow: Annotated[Path, typer.Argument(help="A file of workflows/.", show_default=False)],
    corridor: Annotated[
        list[str] | None, typer.Option(help="Only this corridor; may be repeated.")
    ] = None,
    years: Annotated[
        float, typer.Option(min=0.01, max=20, help="Length of the history, up to the period's end.")
    ] = 3.0,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; for schedules.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would fetch, and fetch nothing.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Fetch the history of corridors into the store; says bytes and time first, and goes on."""
    from pipeline.baseline import BuildRequest, build_baseline  # noqa: PLC0415

    request = BuildRequest(
        workflow=workflow,
        corridors=tuple(corridor or ()),
        years=years,
        yes=yes,
        dry_run=dry_run,
    )
    _guard(lambda: build_baseline(request), debug)


@app.command(epilog="Example: siluan inventory workflows/patrol.yaml --corridor xiangjiang")
def inventory(
    workflow: Annotated[Path, typer.Argument(help="A file of workflows/.", show_default=False)],
    corridor: Annotated[
        list[str] | None, typer.Option(help="Only this corridor; may be repeated.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for stock.geojson; default: inventory/ in the out.")
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """List what stands in corridors already (存量), once, for triage; no case comes from it."""
    from pipeline.inventory import StockRequest, list_stock  # noqa: PLC0415

    request = StockRequest(workflow=workflow, corridors=tuple(corridor or ()), out=out)
    _guard(lambda: list_stock(request), debug)


def _day(value: datetime | None) -> date | None:
    return value.date() if value else None


def _say_what_can_be_said() -> None:
    """Let output in an encoding without Chinese end no run: what it lacks is said by number."""
    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors in ("strict", "surrogateescape"):
        sys.stdout.reconfigure(errors="backslashreplace")


def main() -> None:
    """Entry point of the console script, which ends the process: nothing is freed after it."""
    # Work is spread over tiles: threads of the linear algebra inside them only get in the way.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    _say_what_can_be_said()
    try:
        app()
    finally:
        # Python would look through all that a run has made once more; the system takes it as it is.
        gc.freeze()
