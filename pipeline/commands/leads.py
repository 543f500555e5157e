"""``siluan leads``: what others point at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.cases import By, Partial, say
from pipeline.commands.ending import guard
from pipeline.commands.helping import Commands
from pipeline.commands.layers import Debug, one_of, pair
from pipeline.errors import ExitCode

leads_app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    help="Leads (线索): 存量台账, 下发图斑, 举报, 巡查. A lead joins a case or opens one, and "
    "never confirms by itself.",
)


@leads_app.callback()
def _group() -> None:
    """Keep ``import`` a command of its own."""


@leads_app.command(
    "import",
    epilog="Examples: siluan leads import 存量台账.csv --as register --datum cgcs2000 "
    "--workflow workflows/patrol.yaml --by 王工 --source 株洲市河长办2025年台账 · "
    "siluan leads import 部级图斑.shp --as list --datum cgcs2000 --encoding gbk --on 2026-03-01 "
    "--workflow workflows/patrol.yaml --by 王工 --source 水利部2026年第一批 · "
    "siluan leads import 巡查照片/ --as patrol --datum wgs84 --kind dui "
    "--workflow workflows/patrol.yaml --by 王工 --source 巡查APP",
)
def import_(  # noqa: PLR0913, PLR0917 - each is an option of the command
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV, XLSX, SHP, GPKG, GeoJSON, KML, FileGDB, a JPEG, or a folder of JPEGs.",
            show_default=False,
        ),
    ],
    source_kind: Annotated[
        str, typer.Option("--as", help="register, list, report or patrol.", show_default=False)
    ],
    workflow: Annotated[
        Path, typer.Option(help="The workflow whose ledger and corridors are meant.")
    ],
    by: By,
    source: Annotated[
        str, typer.Option(help="Name of the list or office it came from; nobody's name.")
    ],
    datum: Annotated[
        str | None, typer.Option(help="cgcs2000, wgs84, gcj02 or bd09; never guessed.")
    ] = None,
    crs: Annotated[str | None, typer.Option(help="EPSG:n, where the file does not say it.")] = None,
    encoding: Annotated[
        str | None, typer.Option(help="gbk or utf-8, where a shapefile does not say it.")
    ] = None,
    layer: Annotated[
        str | None, typer.Option(help="Layer or sheet of a file that has several.")
    ] = None,
    field: Annotated[
        list[str] | None,
        typer.Option(help="FIELD=COLUMN, of ref, kind, on, lon, lat, x, y; may be repeated."),
    ] = None,
    kind: Annotated[
        str | None, typer.Option(help="Of rows that name none: zhan, cai, dui or jian.")
    ] = None,
    on: Annotated[
        str | None, typer.Option(help="Day of rows without one; a photo has its own.")
    ] = None,
    radius_m: Annotated[
        float, typer.Option(min=1, max=500, help="Ground around a point or a line, in metres.")
    ] = 30.0,
    swap_xy: Annotated[
        bool, typer.Option("--swap-xy", help="The list has north before east.")
    ] = False,
    accept_offset: Annotated[
        str | None, typer.Option(help="Whoever answers for a place that names a web map.")
    ] = None,
    partial: Partial = False,
    debug: Debug = False,
) -> None:
    """Import leads; each keeps its source, and the same list again changes nothing.

    Read are number, kind, day and place, under English or Chinese names; nothing of who complained.
    """

    def work() -> ExitCode:
        from pipeline.cases.words import read_day  # noqa: PLC0415 - keeps --help fast
        from pipeline.io.datum import Datum  # noqa: PLC0415
        from pipeline.leads.importing import LeadRequest, import_leads  # noqa: PLC0415
        from pipeline.model import Kind, LeadSource  # noqa: PLC0415

        request = LeadRequest(
            file=file,
            source=one_of(LeadSource, source_kind, "--as"),
            workflow=workflow,
            by=by,
            origin=source,
            datum=one_of(Datum, datum, "--datum") if datum else None,
            crs=crs,
            encoding=encoding,
            layer=layer,
            fields=dict(pair(f) for f in field or ()),
            kind=one_of(Kind, kind, "--kind") if kind else None,
            on=read_day(on),
            radius_m=radius_m,
            swap_xy=swap_xy,
            accept_offset=accept_offset,
            partial=partial,
        )
        return say(import_leads(request))

    guard(work, debug)
