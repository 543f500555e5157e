"""The command ``siluan``."""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from datetime import date, datetime
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from pipeline import __version__
from pipeline.errors import ExitCode, SiluanError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Suspected cases of the four chaos (四乱) from imagery. 仅为线索，不作为处罚依据。",
)


class _TerminatedError(BaseException):
    """SIGTERM, so that open files are closed on the way out."""


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(f"siluan {__version__}")
        raise typer.Exit


@app.command(
    epilog="Examples: siluan run workflows/sample.yaml · "
    "siluan run workflows/patrol.yaml --corridor xiangjiang --from 2025-01-01 --dry-run"
)
def run(
    workflow: Annotated[Path, typer.Argument(help="A file of workflows/.", show_default=False)],
    corridor: Annotated[
        list[str] | None, typer.Option(help="Only this corridor; may be repeated.")
    ] = None,
    from_: Annotated[
        datetime | None,
        typer.Option("--from", formats=["%Y-%m-%d"], help="First day of the history that is read."),
    ] = None,
    to: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day, included.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Output folder instead of the workflow's.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say scene by scene what would be read, and why.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Run one workflow, start to end."""
    from pipeline.run import RunRequest, run_workflow  # noqa: PLC0415 - keeps --help fast

    request = RunRequest(
        workflow=workflow,
        corridors=tuple(corridor or ()),
        start=_day(from_),
        end=_day(to),
        out=out,
        dry_run=dry_run,
    )
    _guard(lambda: run_workflow(request), debug)


baseline_app = typer.Typer(no_args_is_help=True, help="History of corridors, fetched once.")
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


def _day(value: datetime | None) -> date | None:
    return value.date() if value else None


def _guard(action: object, debug: bool) -> None:
    """Turn every ending into one sentence and the exit code of the contract."""
    if not callable(action):  # pragma: no cover - a programming error
        raise TypeError("action must be callable")
    signal.signal(signal.SIGTERM, _on_sigterm)
    try:
        code = ExitCode(action())
    except SiluanError as error:
        code = _say(error.code, str(error), debug)
    except KeyboardInterrupt:
        code = _say(
            ExitCode.INTERRUPTED, "Interrupted. What was finished is kept; run again.", False
        )
    except _TerminatedError:
        code = _say(ExitCode.TERMINATED, "Terminated. What was finished is kept; run again.", False)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            where = error.filename or "the state or output folder"
            sentence = f"No space left on the disk of {where}. Free some space and run again."
            code = _say(ExitCode.DISK_FULL, sentence, debug)
        else:
            code = _say(ExitCode.BUG, f"A bug, or a broken disk: {error!r}.", debug)
    except Exception as error:  # noqa: BLE001 - the outermost edge: say it and leave with 70
        hint = "" if debug else " Run again with --debug and report it."
        code = _say(ExitCode.BUG, f"A bug: {error!r}.{hint}", debug)
    sys.exit(int(code))


def _say(code: ExitCode, sentence: str, debug: bool) -> ExitCode:
    if debug:
        traceback.print_exc()
    typer.echo(f"siluan: {sentence}", err=True)
    return code


def _on_sigterm(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise _TerminatedError


def main() -> None:
    """Entry point of the console script."""
    # Work is spread over tiles: threads of the linear algebra inside them only get in the way.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    app()
