"""``siluan cases``, by file: verdict, export, import, audit, recalibrate."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.commands.cases import (
    By,
    Corridors,
    Counties,
    Kinds,
    Partial,
    StateFolder,
    Statuses,
    Suppressed,
    WorkflowFile,
    cases_app,
    filter_of,
    say,
)
from pipeline.commands.ending import guard
from pipeline.commands.layers import Debug
from pipeline.errors import ConfigurationError, ExitCode

if TYPE_CHECKING:
    from pipeline.adjudicate.candidates import AdjudicateOptions

__all__ = ["cases_app"]


def _table_of(workflow: Path | None) -> Callable[[], AdjudicateOptions | None]:
    """Give what reads a workflow's table of sub-types: half the time of a short command."""

    def graded() -> AdjudicateOptions | None:
        from pipeline.passes.any_workflow import load_any  # noqa: PLC0415

        return load_any(workflow).options.adjudicate if workflow else None

    return graded


@cases_app.command(
    "verdict",
    epilog="Examples: siluan cases verdict 核查结果.csv --workflow workflows/patrol.yaml · "
    "siluan cases verdict 核查结果.geojson --state state/patrol --partial",
)
def verdict(
    file: Annotated[Path, typer.Argument(help="CSV, workbook or GeoJSON.", show_default=False)],
    workflow: WorkflowFile = None,
    state: StateFolder = None,
    partial: Partial = False,
    seen_again: Annotated[
        bool,
        typer.Option(
            "--seen-again",
            help="A verdict on an older revision holds where nothing but further looks came since.",
        ),
    ] = False,
    debug: Debug = False,
) -> None:
    """Take the verdicts of inspections from a file: 不是问题, 问题 and the two between.

    Columns: case_id, revision, verdict, reason, by, on; optional photos, note, kind, subtype,
    outline.
    """

    def work() -> ExitCode:
        from pipeline.cases.verdicts import VerdictRequest, give_verdicts  # noqa: PLC0415
        from pipeline.cases.where import ledger_of  # noqa: PLC0415

        place = ledger_of(workflow, state)
        request = VerdictRequest(place, file, partial, seen_again, _table_of(workflow))
        return say(give_verdicts(request))

    guard(work, debug)


@cases_app.command(
    "export",
    epilog="Examples: siluan cases export --workflow workflows/patrol.yaml --out 台账 "
    "--status issued --status rectifying · siluan cases export --state state/patrol --out 台账 "
    "--as xlsx,kml,shp · siluan cases export --workflow workflows/patrol.yaml --out 台账 --flights",
)
def export(  # noqa: PLR0913, PLR0917 - each is an option of the command
    out: Annotated[Path, typer.Option(help="Folder for the files, or for flights/.")],
    forms: Annotated[
        str,
        typer.Option(
            "--as",
            help="Of csv, gpkg, xlsx, geojson (edits come back), kml, shp, gcj02 (for reading).",
        ),
    ] = "csv,gpkg",
    workflow: WorkflowFile = None,
    state: StateFolder = None,
    corridor: Corridors = None,
    kind: Kinds = None,
    status: Statuses = None,
    county: Counties = None,
    suppressed: Suppressed = False,
    flights: Annotated[
        bool,
        typer.Option(
            "--flights",
            help="Instead: places that need a drone, grouped into areas for the planner (KML).",
        ),
    ] = False,
    reach: Annotated[
        float,
        typer.Option(
            min=100, max=5000, help="With --flights: radius in metres that an area fits into."
        ),
    ] = 500.0,
    debug: Debug = False,
) -> None:
    """Write cases for editing; edits that were not imported are never written over."""

    def work() -> ExitCode:
        from pipeline.cases.exporting import (  # noqa: PLC0415
            ExportRequest,
            export_cases,
            forms_of,
        )
        from pipeline.cases.flight_areas import AreaOptions  # noqa: PLC0415
        from pipeline.cases.flight_plan import FlightPlanRequest, export_flights  # noqa: PLC0415
        from pipeline.cases.where import ledger_of  # noqa: PLC0415

        wanted = filter_of(corridor, kind, status, None, county, suppressed=suppressed)
        ledger = ledger_of(workflow, state)
        if flights:
            how = AreaOptions(reach_m=reach)
            return say(export_flights(FlightPlanRequest(ledger, out, wanted, how)))
        return say(export_cases(ExportRequest(ledger, out, wanted, forms_of(forms))))

    guard(work, debug)


@cases_app.command(
    "import",
    epilog="Example: siluan cases import 台账/cases.gpkg --state state/patrol --by 王工",
)
def import_(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV, workbook, GeoPackage or GeoJSON that export wrote.", show_default=False
        ),
    ],
    by: By,
    workflow: WorkflowFile = None,
    state: StateFolder = None,
    partial: Partial = False,
    debug: Debug = False,
) -> None:
    """Bring back edits of an export; what the ledger changed too since is shown as a conflict.

    Read are status, reason, note, kind, subtype (with --workflow), due, overdue, on_account,
    external_id and outlines.
    """

    def work() -> ExitCode:
        from pipeline.cases.exchange import ImportRequest, import_cases  # noqa: PLC0415
        from pipeline.cases.where import ledger_of  # noqa: PLC0415

        place = ledger_of(workflow, state)
        return say(import_cases(ImportRequest(place, file, by, partial, _table_of(workflow))))

    guard(work, debug)


@cases_app.command(
    "audit",
    epilog="Examples: siluan cases audit --workflow workflows/patrol.yaml --sample 120 "
    "--out 抽查 · "
    "siluan cases audit --workflow workflows/patrol.yaml --answers 抽查/audit-3f9a1c07.csv",
)
def audit(
    workflow: Annotated[Path, typer.Option(help="The workflow whose cases are checked.")],
    sample: Annotated[
        int | None, typer.Option(min=1, help="Draw so many places for checking.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Draw the same places again from the same ledger.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the list, with --sample.")] = None,
    answers: Annotated[
        Path | None, typer.Option(help="Or: the list, filled in by whoever went there.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The result as JSON.")] = False,
    debug: Debug = False,
) -> None:
    """Draw a blind sample for checking, or turn its answers into precision and recall.

    Drawn are issued, suspected, watched and suppressed cases and ground without any.
    """

    def work() -> ExitCode:
        from pipeline.cases.answers import (  # noqa: PLC0415 - keeps --help fast
            judge_answers,
            report_json,
            report_lines,
        )
        from pipeline.cases.audit import SampleRequest, draw_sample  # noqa: PLC0415
        from pipeline.passes.any_workflow import load_any  # noqa: PLC0415

        if answers is not None and sample is None:
            key, tallies = judge_answers(load_any(workflow).state, answers)
            told = report_json(key, tallies)
            text = json.dumps(told, ensure_ascii=False, indent=1)
            typer.echo(text if as_json else "\n".join(report_lines(key, tallies)))
            return ExitCode.DONE
        if sample is None or out is None or answers is not None:
            raise ConfigurationError(
                "what the audit shall do is not said",
                "Give --sample N --out DIR, or --answers FILE",
            )
        chosen = secrets.randbits(32) if seed is None else seed
        return say(draw_sample(SampleRequest(workflow, sample, chosen, out)))

    guard(work, debug)


@cases_app.command(
    "recalibrate",
    epilog="Example: siluan cases recalibrate --workflow workflows/patrol.yaml "
    "--out proposals/confidence.yaml",
)
def recalibrate(
    out: Annotated[Path, typer.Option(help="File of the proposal; must not be there.")],
    workflow: WorkflowFile = None,
    state: StateFolder = None,
    debug: Debug = False,
) -> None:
    """Propose a calibration of the confidence from verdicts, with how reliable it would have been.

    Nothing reads it until an analyst puts it at config/confidence.yaml.
    """

    def work() -> ExitCode:
        from pipeline.cases.recalibrate import recalibrate as propose  # noqa: PLC0415
        from pipeline.cases.where import ledger_of  # noqa: PLC0415
        from pipeline.passes.any_workflow import load_any  # noqa: PLC0415

        place = ledger_of(workflow, state)
        in_use = load_any(workflow).options.adjudicate.calibration if workflow else None
        return say(propose(place, out, in_use))

    guard(work, debug)
