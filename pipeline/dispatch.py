"""Runs a workflow of any kind: a patrol, an inspection by drone flights, or a recheck."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from pipeline.errors import ConfigurationError, ExitCode
from pipeline.io.cluster_options import ClusterOptions, check_cluster
from pipeline.io.heap import while_importing
from pipeline.io.settings import kind_of, load_model
from pipeline.running.request import RunRequest

_OTHERS = ("inspect", "recheck")  # than a patrol


class _Spread(BaseModel):
    """Of a workflow, only what says where its work is done."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    cluster: ClusterOptions = ClusterOptions(address="threads")
    patrol: Path | None = None


def run_any(request: RunRequest) -> ExitCode:
    """Run a workflow by its kind; raises as :func:`pipeline.run.run_workflow`.

    Raises
    ------
    ConfigurationError
        Its cluster cannot be started here: said before hours of searching, and by a dry run too.
    """
    kind = str(kind_of(request.workflow))
    _check_cluster(request.workflow)
    # Each kind imports what it needs, and none the others' workbooks and databases.
    if kind == "inspect":
        with while_importing():
            from pipeline.inspect_flights import run_inspection  # noqa: PLC0415

        return run_inspection(request)
    if kind == "recheck":
        with while_importing():
            from pipeline.recheck import run_recheck  # noqa: PLC0415

        return run_recheck(request)
    with while_importing():
        from pipeline.run import run_workflow  # noqa: PLC0415

    return run_workflow(request)


def run_beside(request: RunRequest, into: Path | None, *, asked: bool = True) -> ExitCode:
    """Run a patrol in the shadow; raises as :func:`pipeline.shadow.run_shadow`.

    ``asked``: a shadow was asked for, and not only a place for one.
    """
    if not asked:
        raise ConfigurationError("--into goes with --shadow", "Add it, or use --out")
    if request.dry_run:
        raise ConfigurationError(
            "--dry-run says what is read and made, --shadow what comes of it", "Ask for one of them"
        )
    kind = str(kind_of(request.workflow))
    if kind in _OTHERS:
        raise ConfigurationError(
            f"{request.workflow} is of kind {kind}, and only a patrol has a shadow",
            "Name the patrol's workflow",
        )
    from pipeline.shadow import run_shadow  # noqa: PLC0415 - see above

    return run_shadow(request, into)


def _check_cluster(path: Path) -> None:
    try:
        read = load_model(path, _Spread)
        if read.patrol is not None:
            read = load_model(path.resolve().parent / read.patrol, _Spread)
    except ConfigurationError:
        return  # the run names it, with all else that is wrong there
    check_cluster(read.cluster)
