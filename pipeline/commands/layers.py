"""``siluan layers``: import, list, show, remove."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from pipeline.commands.ending import guard
from pipeline.commands.helping import Commands
from pipeline.errors import ConfigurationError, ExitCode

E = TypeVar("E", bound=StrEnum)

layers_app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    help="The office's own layers: boundaries, zones, permits, counties and others.",
)

_KINDS = (
    "boundary, zones, no-mining, permits, works, existing, history, counties, townships, vessels"
)
Config = Annotated[Path, typer.Option(help="The office's folder: corridors, layers, water.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]


@layers_app.command(
    "import",
    epilog="Examples: siluan layers import 管理范围线.shp --as boundary --datum cgcs2000 "
    "--encoding gbk --field name=HDMC · siluan layers import 界桩.csv --as boundary "
    "--datum cgcs2000 --crs EPSG:4547 · siluan layers import xzq.gdb --layer XZQ --as counties "
    "--datum cgcs2000",
)
def import_(  # noqa: PLR0913, PLR0917 - each is an option of the command
    file: Annotated[
        Path, typer.Argument(help="SHP, GPKG, GeoJSON, KML, FileGDB or CSV.", show_default=False)
    ],
    kind: Annotated[
        str,
        typer.Option(
            "--as", help=f"One of {_KINDS}; or stages, readings of gauges.", show_default=False
        ),
    ],
    datum: Annotated[
        str | None,
        typer.Option(help="cgcs2000, wgs84, gcj02 or bd09; declared at the first import."),
    ] = None,
    crs: Annotated[str | None, typer.Option(help="EPSG:n, where the file does not say it.")] = None,
    encoding: Annotated[
        str | None, typer.Option(help="gbk or utf-8, where the file does not say it.")
    ] = None,
    field: Annotated[
        list[str] | None, typer.Option(help="FIELD=COLUMN, such as name=XZQMC; may be repeated.")
    ] = None,
    layer: Annotated[str | None, typer.Option(help="Layer of a file that has several.")] = None,
    swap_xy: Annotated[
        bool, typer.Option("--swap-xy", help="The file has north before east.")
    ] = False,
    source: Annotated[
        str | None, typer.Option(help="Name of this part of the layer; default: the file's.")
    ] = None,
    water: Annotated[
        list[Path] | None, typer.Option(help="Water occurrence raster to check the position by.")
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(help="Lines in degrees that the layer's outlines should follow.")
    ] = None,
    accept_offset: Annotated[
        str | None,
        typer.Option(
            help="Name of whoever answers for a position that is suspicious or cannot be checked."
        ),
    ] = None,
    config: Config = Path("config"),
    debug: Debug = False,
) -> None:
    """Import a layer; what it is told once is remembered beside the layer."""

    def work() -> ExitCode:
        from pipeline.io.datum import Datum  # noqa: PLC0415 - keeps --help fast
        from pipeline.office.importing import ImportRequest, import_layer  # noqa: PLC0415
        from pipeline.office.kinds import LayerKind  # noqa: PLC0415
        from pipeline.office.stages import KIND, import_stages  # noqa: PLC0415

        named = dict(pair(f) for f in field or ())
        if kind in (KIND, "水位"):
            report = import_stages(file, config, encoding, named)
            given = {
                "--datum": datum, "--crs": crs, "--layer": layer, "--swap-xy": swap_xy,
                "--source": source, "--water": water, "--reference": reference,
                "--accept-offset": accept_offset,
            }  # fmt: skip
            unused = [option for option, value in given.items() if value]
            if unused:
                typer.echo(f"not used with {KIND}: {', '.join(unused)}")
            for line in report.lines:
                typer.echo(line)
            return report.code
        report = import_layer(
            ImportRequest(
                file=file,
                kind=one_of(LayerKind, kind, "--as"),
                config=config,
                datum=one_of(Datum, datum, "--datum") if datum else None,
                crs=crs,
                encoding=encoding,
                fields=named,
                layer=layer,
                swap_xy=swap_xy,
                source=source,
                water=tuple(water or ()),
                reference=reference,
                accept_offset=accept_offset,
            )
        )
        for line in report.lines:
            typer.echo(line)
        return report.code

    guard(work, debug)


@layers_app.command("list", epilog="Example: siluan layers list")
def list_(config: Config = Path("config"), debug: Debug = False) -> None:
    """List the imported layers."""

    def work() -> ExitCode:
        from pipeline.office.showing import list_lines  # noqa: PLC0415
        from pipeline.office.stages import stage_lines  # noqa: PLC0415

        for line in (*list_lines(config / "layers"), *stage_lines(config)):
            typer.echo(line)
        return ExitCode.DONE

    guard(work, debug)


@layers_app.command("show", epilog="Example: siluan layers show boundary")
def show(
    kind: Annotated[str, typer.Argument(help=f"One of {_KINDS}.", show_default=False)],
    config: Config = Path("config"),
    debug: Debug = False,
) -> None:
    """Show where a layer came from, how it was read, and what it holds."""

    def work() -> ExitCode:
        from pipeline.office.kinds import LayerKind  # noqa: PLC0415
        from pipeline.office.showing import show_lines  # noqa: PLC0415

        for line in show_lines(config / "layers", one_of(LayerKind, kind, "KIND")):
            typer.echo(line)
        return ExitCode.DONE

    guard(work, debug)


@layers_app.command("check", epilog="Example: siluan layers check --out out/layers")
def check(
    water: Annotated[
        list[Path] | None,
        typer.Option(help="Water occurrence raster; default: all of config/water."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for boundary_defects.geojson.")] = Path(
        "out/layers"
    ),
    config: Config = Path("config"),
    debug: Debug = False,
) -> None:
    """Name what imagery shows to be wrong in the boundary; the layer stays as it is."""

    def work() -> ExitCode:
        from pipeline.office.checking import CheckRequest, check_boundary  # noqa: PLC0415

        for line in check_boundary(CheckRequest(config, out, tuple(water or ()))):
            typer.echo(line)
        return ExitCode.DONE

    guard(work, debug)


@layers_app.command("remove", epilog="Example: siluan layers remove permits --source permits2024")
def remove(
    kind: Annotated[str, typer.Argument(help=f"One of {_KINDS}.", show_default=False)],
    source: Annotated[str, typer.Option(help="Name of the part.", show_default=False)],
    config: Config = Path("config"),
    debug: Debug = False,
) -> None:
    """Take a part out of a layer; its answers stay remembered."""

    def work() -> ExitCode:
        from pipeline.office.keeping import remove_source  # noqa: PLC0415
        from pipeline.office.kinds import LayerKind  # noqa: PLC0415

        typer.echo(remove_source(config / "layers", one_of(LayerKind, kind, "KIND"), source))
        return ExitCode.DONE

    guard(work, debug)


def pair(text: str) -> tuple[str, str]:
    """Split FIELD=COLUMN."""
    name, found, column = text.partition("=")
    if not found or not name or not column:
        raise ConfigurationError(
            f"--field {text} is not FIELD=COLUMN", "Write it like --field name=XZQMC"
        )
    return name, column


def one_of(choices: type[E], value: str, option: str) -> E:
    """Give the choice that a code or its Chinese word names."""
    from pipeline.publish.words import STATUS_ZH  # noqa: PLC0415 - keeps --help fast

    statuses = {s.value: zh for s, zh in STATUS_ZH.items()}
    for choice in choices:
        zh = getattr(choice, "zh", None)  # a status has none of its own
        if choices.__name__ == "Status":
            zh = statuses[choice.value]
        if value in (choice.value, zh):
            return choice
    known = ", ".join(str(c) for c in choices)
    raise ConfigurationError(f"{option} {value} is not known", f"Known: {known}")
