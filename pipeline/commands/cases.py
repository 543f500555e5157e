"""``siluan cases``: list, show, issue, update."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from pipeline.commands.ending import guard
from pipeline.commands.helping import Commands
from pipeline.commands.layers import Debug, one_of
from pipeline.errors import ConfigurationError, ExitCode

E = TypeVar("E", bound=StrEnum)

cases_app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    help="Cases of the ledger, and what people do to them. Imagery never moves an issued case.",
    epilog="Examples: siluan cases list --workflow workflows/patrol.yaml --status suspected · "
    "siluan cases issue ZZ-2025-zhan-3f9a1c07 --state state/patrol --by 王工 · "
    "siluan cases verdict 核查结果.csv --state state/patrol",
)

WorkflowFile = Annotated[
    Path | None, typer.Option("--workflow", help="The workflow whose ledger is meant.")
]
StateFolder = Annotated[
    Path | None, typer.Option("--state", help="Or the state folder that holds it.")
]
By = Annotated[str, typer.Option(help="Name of whoever answers for it.", show_default=False)]
CaseIds = Annotated[list[str], typer.Argument(metavar="CASE...", show_default=False)]
ReasonCode = Annotated[
    str | None,
    typer.Option(
        "--reason",
        help="seasonal_water, cloud, shadow, bridge_or_weir, permitted, authorised_works, crop, "
        "already_there, duplicate, too_small, misplaced or other (with --note).",
    ),
]
Note = Annotated[str | None, typer.Option(help="A sentence; no name or number of who complained.")]
Partial = Annotated[
    bool, typer.Option("--partial", help="Apply what can be applied where something is bad.")
]
Corridors = Annotated[list[str] | None, typer.Option("--corridor", help="May be repeated.")]
Kinds = Annotated[
    list[str] | None, typer.Option("--kind", help="zhan, cai, dui or jian; may be repeated.")
]
Statuses = Annotated[list[str] | None, typer.Option("--status", help="May be repeated.")]
Counties = Annotated[
    list[str] | None, typer.Option("--county", help="Code or name; may be repeated.")
]

Suppressed = Annotated[
    bool,
    typer.Option("--suppressed", help="Only those that layers or a decision of people explain."),
]


@cases_app.command(
    "list",
    epilog="Examples: siluan cases list --workflow workflows/patrol.yaml --status suspected "
    "--county 渌口区 · siluan cases list --state state/patrol --kind zhan --json",
)
def list_(  # noqa: PLR0913, PLR0917 - each is an option of the command
    workflow: WorkflowFile = None,
    state: StateFolder = None,
    corridor: Corridors = None,
    kind: Kinds = None,
    status: Statuses = None,
    evidence: Annotated[
        list[str] | None,
        typer.Option(help="first, provisional, suspected, expired or relapsed; may be repeated."),
    ] = None,
    county: Counties = None,
    merged: Annotated[
        bool, typer.Option("--merged", help="Those that became part of another too.")
    ] = False,
    suppressed: Suppressed = False,
    proposed: Annotated[
        bool,
        typer.Option("--proposed", help="What the budget proposes for issue, and what waits."),
    ] = False,
    month: Annotated[
        str | None, typer.Option(help="With --proposed: like 2026-03; default: this month.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
    debug: Debug = False,
) -> None:
    """List cases by id; a run may be at work meanwhile."""

    def work() -> ExitCode:
        from pipeline.cases.listing import (  # noqa: PLC0415 - keeps --help fast
            list_json,
            list_lines,
            read_cases,
        )
        from pipeline.cases.where import ledger_of  # noqa: PLC0415

        wanted = filter_of(
            corridor, kind, status, evidence, county, merged=merged, suppressed=suppressed
        )
        if proposed or month:
            if workflow is None or not proposed:
                raise ConfigurationError(
                    "a budget belongs to a workflow", "Give --proposed with --workflow FILE"
                )
            from pipeline.cases.proposed import list_proposed  # noqa: PLC0415

            typer.echo(list_proposed(workflow, wanted, month, as_json=as_json))
            return ExitCode.DONE
        found = read_cases(ledger_of(workflow, state), wanted)
        typer.echo(list_json(found) if as_json else "\n".join(list_lines(found)))
        return ExitCode.DONE

    guard(work, debug)


@cases_app.command(
    "show", epilog="Example: siluan cases show ZZ-2025-zhan-3f9a1c07 --state state/patrol"
)
def show(
    case: Annotated[str, typer.Argument(metavar="CASE", show_default=False)],
    workflow: WorkflowFile = None,
    state: StateFolder = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of text.")] = False,
    debug: Debug = False,
) -> None:
    """Show everything of a case: what it is, its history, its looks."""

    def work() -> ExitCode:
        from pipeline.cases.listing import show_json, show_lines  # noqa: PLC0415
        from pipeline.cases.where import ledger_of  # noqa: PLC0415

        ledger = ledger_of(workflow, state)
        typer.echo(show_json(ledger, case) if as_json else "\n".join(show_lines(ledger, case)))
        return ExitCode.DONE

    guard(work, debug)


@cases_app.command(
    "issue",
    epilog="Examples: siluan cases issue ZZ-2025-zhan-3f9a1c07 ZZ-2025-cai-07aa31b2 "
    "--workflow workflows/patrol.yaml --by 王工 · siluan cases issue ZZ-2025-dui-11c04e5d "
    "--state state/patrol --by 王工 --reason other --note 省厅交办",
)
def issue(
    cases: CaseIds,
    by: By,
    workflow: WorkflowFile = None,
    state: StateFolder = None,
    reason: ReasonCode = None,
    note: Note = None,
    partial: Partial = False,
    debug: Debug = False,
) -> None:
    """Issue cases (交办): from here on their status belongs to people."""
    from pipeline.model import Status  # noqa: PLC0415 - keeps --help fast

    what = {"status": Status.ISSUED, "note": note, "partial": partial}
    _decide("issue", (workflow, state), cases, by, reason, what, debug)


@cases_app.command(
    "update",
    epilog="Examples: siluan cases update ZZ-2025-zhan-3f9a1c07 --state state/patrol --by 王工 "
    "--status rectifying --due 2026-06-30 · siluan cases update ZZ-2025-zhan-3f9a1c07 "
    "--state state/patrol --by 王工 --status rejected --reason bridge_or_weir",
)
def update(  # noqa: PLR0913, PLR0917 - each is an option of the command
    cases: CaseIds,
    by: By,
    workflow: WorkflowFile = None,
    state: StateFolder = None,
    status: Annotated[
        str | None, typer.Option(help="Where the case stands now; docs/cases.md has the table.")
    ] = None,
    reason: ReasonCode = None,
    note: Note = None,
    kind: Annotated[
        str | None, typer.Option(help="Correct the kind: zhan, cai, dui or jian.")
    ] = None,
    sub_type: Annotated[
        str | None,
        typer.Option(
            "--sub-type",
            help="Correct the sub-type: code or text of config/subtypes.csv; with --workflow.",
        ),
    ] = None,
    due: Annotated[
        str | None, typer.Option(help="Day by which it must be rectified, like 2026-06-30.")
    ] = None,
    overdue: Annotated[bool | None, typer.Option("--overdue/--not-overdue", help="逾期.")] = None,
    on_account: Annotated[
        bool | None, typer.Option("--on-account/--not-on-account", help="挂账.")
    ] = None,
    external_id: Annotated[
        str | None, typer.Option(help="Its id in the office's case system.")
    ] = None,
    revision: Annotated[
        int | None, typer.Option(min=1, help="Refuse if the case is not at this revision.")
    ] = None,
    partial: Partial = False,
    debug: Debug = False,
) -> None:
    """Move cases along their life cycle, or correct what is said of them."""
    record: dict[str, Any] = {"overdue": overdue, "on_account": on_account}
    what = {
        "note": note,
        "external_id": external_id,
        "revision": revision,
        "partial": partial,
        "record": {k: v for k, v in record.items() if v is not None},
    }
    words = {"status": status, "kind": kind, "due": due, "subtype": sub_type}
    _decide("update", (workflow, state), cases, by, reason, what, debug, words)


def say(report: Any) -> ExitCode:
    """Print what a command says."""
    for line in report.lines:
        typer.echo(line)
    return report.code


def filter_of(
    corridor: list[str] | None,
    kind: list[str] | None,
    status: list[str] | None,
    evidence: list[str] | None,
    county: list[str] | None,
    *,
    merged: bool = False,
    suppressed: bool = False,
) -> Any:
    """Give the filter that the options mean."""
    from pipeline.cases.listing import Filter  # noqa: PLC0415 - keeps --help fast
    from pipeline.model import EvidenceState, Kind, Status  # noqa: PLC0415

    return Filter(
        tuple(corridor or ()),
        tuple(one_of(Kind, k, "--kind") for k in kind or ()),
        tuple(one_of(Status, s, "--status") for s in status or ()),
        tuple(one_of(EvidenceState, e, "--evidence") for e in evidence or ()),
        tuple(county or ()),
        merged,
        suppressed,
    )


def _graded(subtype: str, workflow: Path | None) -> dict[str, Any]:
    """Give a sub-type with the table that it is one of."""
    # Half the time of a short command.
    from pipeline.passes.any_workflow import load_any  # noqa: PLC0415

    if workflow is None:
        raise ConfigurationError(
            "a sub-type is one of a workflow's table", "Give --workflow FILE instead of --state"
        )
    return {"subtype": subtype, "graded": load_any(workflow).options.adjudicate}


def _decide(
    name: str,
    where: tuple[Path | None, Path | None],
    cases: list[str],
    by: str,
    reason: str | None,
    what: dict[str, Any],
    debug: bool,
    words: dict[str, str | None] | None = None,
) -> None:
    def work() -> ExitCode:
        from pipeline.cases.deciding import DecideRequest, decide  # noqa: PLC0415
        from pipeline.cases.where import ledger_of  # noqa: PLC0415
        from pipeline.cases.words import read_day  # noqa: PLC0415
        from pipeline.ledger.status import Reason  # noqa: PLC0415
        from pipeline.model import Kind, Status  # noqa: PLC0415

        said = dict(what)
        given = {k: v for k, v in (words or {}).items() if v is not None}
        if "status" in given:
            said["status"] = one_of(Status, given["status"], "--status")
        if "kind" in given:
            said["kind"] = one_of(Kind, given["kind"], "--kind")
        if "due" in given:
            said["record"] = {**said["record"], "due": read_day(given["due"])}
        if "subtype" in given:
            said |= _graded(given["subtype"], where[0])
        if name == "update" and not any(
            said.get(k) for k in ("status", "kind", "subtype", "record", "note", "external_id")
        ):
            raise ConfigurationError(
                "update says nothing", "Give --status, --kind, --due or others"
            )
        if reason is not None:
            said["reason"] = one_of(Reason, reason, "--reason")
        return say(decide(DecideRequest(ledger_of(*where), name, cases, by, **said)))

    guard(work, debug)
