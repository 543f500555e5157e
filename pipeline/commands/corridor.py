"""``siluan corridor``: add, derive, accept, release."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.ending import guard
from pipeline.commands.helping import Commands
from pipeline.commands.layers import Config, Debug, one_of
from pipeline.errors import ConfigurationError, ExitCode

corridor_app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    help="Corridors: where rivers and reservoirs are watched. Working geometry, never legal.",
)


@corridor_app.command(
    "add",
    epilog="Examples: siluan corridor add 渌水.shp --id lushui --name 渌水 --water river "
    "--width 600 --accuracy 20 --datum cgcs2000 --replace · siluan corridor add 酒埠江.geojson "
    "--id jiubujiang --accuracy 30 --datum cgcs2000 --replace",
)
def add(  # noqa: PLR0913, PLR0917 - each is an option of the command
    file: Annotated[
        Path, typer.Argument(help="A line that runs downstream, or a polygon.", show_default=False)
    ],
    id_: Annotated[
        str,
        typer.Option("--id", help="Short name: letters a-z, digits, - and _.", show_default=False),
    ],
    datum: Annotated[str, typer.Option(help="cgcs2000, wgs84, gcj02 or bd09.", show_default=False)],
    name: Annotated[str | None, typer.Option(help="Chinese name.")] = None,
    water: Annotated[str | None, typer.Option(help="river or reservoir.")] = None,
    width: Annotated[
        float | None,
        typer.Option(help="Of the corridor along a line, both sides together, in metres."),
    ] = None,
    accuracy: Annotated[float | None, typer.Option(help="Of the geometry, in metres.")] = None,
    crs: Annotated[str | None, typer.Option(help="EPSG:n, where the file has none.")] = None,
    layer: Annotated[str | None, typer.Option(help="Layer of a file that has several.")] = None,
    chainage_from: Annotated[
        float | None, typer.Option(help="桩号 of the line's first point, in metres.")
    ] = None,
    reverse: Annotated[
        bool, typer.Option("--reverse", help="The line of the file runs upstream.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Take the place of the corridor of this id.")
    ] = False,
    accept_offset: Annotated[
        str | None, typer.Option(help="Name of whoever answers for a suspicious position.")
    ] = None,
    config: Config = Path("config"),
    debug: Debug = False,
) -> None:
    """Add a corridor to the office's file; the others stay as they are.

    A line without --width becomes the centreline of the polygon of that id.
    """

    def work() -> ExitCode:
        from pipeline.io.datum import Datum  # noqa: PLC0415 - keeps --help fast
        from pipeline.office.corridors import AddRequest, add_corridor  # noqa: PLC0415

        request = AddRequest(
            file=file,
            id=id_,
            datum=one_of(Datum, datum, "--datum"),
            config=config,
            name=name,
            water=water,
            width_m=width,
            accuracy_m=accuracy,
            crs=crs,
            layer=layer,
            chainage_from_m=chainage_from,
            reverse=reverse,
            replace=replace,
            accept_offset=accept_offset,
        )
        for line in add_corridor(request):
            typer.echo(line)
        return ExitCode.DONE

    guard(work, debug)


@corridor_app.command(
    "derive",
    epilog="Examples: siluan corridor derive lushui --workflow workflows/patrol.yaml · siluan "
    "corridor derive jiubujiang --water occurrence.tif",
)
def derive(
    id_: Annotated[str, typer.Argument(metavar="ID", help="Of the corridor.", show_default=False)],
    workflow: Annotated[
        Path | None, typer.Option(help="Take the water that its runs have seen.")
    ] = None,
    water: Annotated[
        Path | None, typer.Option(help="Or a GeoTIFF of water occurrence, in metres.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Chinese name, of a new corridor.")] = None,
    water_kind: Annotated[
        str | None, typer.Option(help="river or reservoir, of a new corridor.")
    ] = None,
    upstream: Annotated[
        str | None, typer.Option(help="LON,LAT near the upper end of a river.")
    ] = None,
    config: Config = Path("config"),
    debug: Debug = False,
) -> None:
    """Propose a working corridor from observed water; an analyst accepts it or not."""

    def work() -> ExitCode:
        from pipeline.io.progress import reporter  # noqa: PLC0415 - keeps --help fast
        from pipeline.office.history import keep_occurrence  # noqa: PLC0415
        from pipeline.office.proposals import (  # noqa: PLC0415
            DeriveRequest,
            check_named,
            propose,
        )

        if (workflow is None) == (water is None):
            raise ConfigurationError(
                "derive needs water from one place", "Give --workflow or --water, not both"
            )
        raster, top = water, _lonlat(upstream)
        # What is refused leaves nothing behind, not even the water.
        check_named(config, id_, name, water_kind)
        if workflow is not None:
            with reporter() as progress:
                raster = keep_occurrence(workflow, id_, config, progress)
            typer.echo(f"water history kept in {raster}")
        if raster is None:  # pragma: no cover - excluded above
            raise AssertionError
        request = DeriveRequest(id_, raster, config, name, water_kind, top)
        for line in propose(request):
            typer.echo(line)
        return ExitCode.DONE

    guard(work, debug)


@corridor_app.command("accept", epilog="Example: siluan corridor accept lushui --by 王工")
def accept(
    id_: Annotated[str, typer.Argument(metavar="ID", help="Of the proposal.", show_default=False)],
    by: Annotated[str, typer.Option(help="Who looked at it.", show_default=False)],
    config: Config = Path("config"),
    debug: Debug = False,
) -> None:
    """Take a proposal into the corridors file, in the place of the corridor of that id."""

    def work() -> ExitCode:
        from pipeline.office.proposals import accept as take  # noqa: PLC0415 - keeps --help fast

        for line in take(config, id_, by):
            typer.echo(line)
        return ExitCode.DONE

    guard(work, debug)


@corridor_app.command(
    "release",
    epilog="Examples: siluan corridor release lushui --workflow workflows/patrol.yaml · siluan "
    "corridor release lushui --workflow workflows/patrol.yaml --gone trial-2023 --yes",
)
def release(
    id_: Annotated[str, typer.Argument(metavar="ID", help="Of the corridor.", show_default=False)],
    workflow: Annotated[Path, typer.Option(help="Whose state holds them.", show_default=False)],
    gone: Annotated[
        list[str] | None,
        typer.Option(help="Name of a workflow that no longer exists; may be repeated."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    debug: Debug = False,
) -> None:
    """Remove imagery kept for earlier outlines that no run removes; says what and how much, asks.

    Cases, today's outline and what other workflows use are not touched.
    """

    def work() -> ExitCode:
        from pipeline.office.releasing import plan_release  # noqa: PLC0415 - keeps --help fast
        from pipeline.office.releasing import release as remove  # noqa: PLC0415

        plan = plan_release(workflow, id_, tuple(gone or ()))
        for line in plan.lines:
            typer.echo(line)
        if plan.stores:
            _ask(yes)
            for line in remove(plan):
                typer.echo(line)
        return ExitCode.DONE

    guard(work, debug)


def _ask(yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigurationError(
            "nobody is here to say yes, and nothing was removed", "Add --yes to the command"
        )
    if input("Remove it? [y/N] ").strip().lower() not in ("y", "yes", "是"):
        raise ConfigurationError("nothing was removed, as you said")


def _lonlat(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        lon, lat = (float(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigurationError(
            f"--upstream {text} is no LON,LAT", "Write it like --upstream 113.69,27.62"
        ) from error
    return lon, lat
