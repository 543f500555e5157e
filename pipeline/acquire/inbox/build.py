"""The folder of a flight that is taken in: COGs, item, the form as it came."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shapely.geometry.base import BaseGeometry

from pipeline.acquire.inbox.checks import Sheet
from pipeline.acquire.inbox.examine import Examined
from pipeline.acquire.inbox.pixels import NO_HEIGHT, Tally, write_mosaic, write_surface
from pipeline.acquire.inbox.place import Covered, covered, footprint_wgs84
from pipeline.acquire.inbox.receipt import Row
from pipeline.acquire.inbox.shelf import ITEM, Taken, item_of
from pipeline.grid import geodesic_area_m2
from pipeline.io.atomic import write_json
from pipeline.model import Corridor

_COG = "image/tiff; application=geotiff; profile=cloud-optimized"
_VERTICAL = {
    "1985": "1985 国家高程基准",
    "ellipsoid": "椭球高",
    "unknown": "不清楚（只用于前后两次比较）",
}


@dataclass(frozen=True)
class Built:
    """What is said of a flight once it is built."""

    footprint_wgs84: BaseGeometry
    covered: tuple[Covered, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]


def build_flight(folder: Path, examined: Examined, corridors: Sequence[Corridor]) -> Built:
    """Fill a folder that nobody sees yet; every block of every file is read on the way.

    Raises
    ------
    SubmissionRefusedError
        A block cannot be read; no picture; no heights, or none that ground can have.
    DiskFullError
        The disk is full.
    """
    sheets, form = examined.sheets, examined.form
    tally = write_mosaic(sheets.mosaic, examined.plan, folder / "ortho.tif")
    assets = {"ortho": _asset("ortho.tif", sheets.mosaic, bands=list(examined.plan.names))}
    if sheets.dsm is not None:
        write_surface(sheets.dsm, folder / "dsm.tif")
        assets["dsm"] = _asset("dsm.tif", sheets.dsm, nodata=NO_HEIGHT, unit="m")
    shutil.copyfile(examined.drop.path(examined.form_file), folder / "flight.yaml")
    footprint = footprint_wgs84(folder / "ortho.tif")
    found = covered(footprint, corridors)
    taken = Taken(
        id=examined.id,
        form=form,
        footprint_wgs84=footprint,
        assets=assets,
        sources=examined.sources,
        covered=found,
        tool=examined.parts.tool,
        crs=sheets.mosaic.grid.crs,
        gsd_m=round(sheets.mosaic.gsd_m, 5),
        valid_share=round(tally.share, 4),
    )
    write_json(folder / ITEM, item_of(taken))
    return Built(footprint, found, _rows(examined, footprint, tally), _notes(examined))


def _asset(name: str, sheet: Sheet, **more: Any) -> dict[str, Any]:
    return {
        "href": f"./{name}",
        "type": _COG,
        "roles": ["data"],
        "gsd": round(sheet.gsd_m, 5),
        **{f"siluan:{k}": v for k, v in more.items()},
    }


def _rows(examined: Examined, footprint: BaseGeometry, tally: Tally) -> tuple[Row, ...]:
    form, sheets = examined.form, examined.sheets
    area = geodesic_area_m2(footprint, "EPSG:4326")
    size = f"{area / 1e4:.2f} 公顷" if area >= 1e4 else f"{area:.0f} 平方米"
    surface = "无" if sheets.dsm is None else f"{sheets.dsm.name}，{sheets.dsm.gsd_m:.3f} 米"
    return (
        Row("编号", examined.id),
        Row("飞行队伍", form.team),
        Row("飞行时间", form.flown.isoformat()),
        Row("无人机 / 相机", f"{form.drone} / {form.camera}"),
        Row("正射影像", f"{sheets.mosaic.name}，{sheets.mosaic.gsd_m:.3f} 米"),
        Row("地表模型（DSM）", surface),
        Row("坐标系", sheets.mosaic.grid.crs[:60]),
        Row("高程基准", _VERTICAL[form.vertical]),
        Row("有效面积", f"{size}（占影像的 {tally.share:.0%}）"),
    )


def _notes(examined: Examined) -> tuple[str, ...]:
    form, sheets = examined.form, examined.sheets
    notes: list[str] = []
    if sheets.dsm is None:
        notes.append("没有地表模型，只能比较影像，不能计算方量。")
    elif form.vertical == "unknown":
        notes.append("高程基准不清楚，地表模型只用于前后两次飞行的比较。")
    if not form.rtk and form.gcp == 0:
        notes.append("没有 RTK 也没有像控点，位置可能有数米误差，须与上一次飞行配准后使用。")
    if form.supersedes is not None:
        notes.append(f"本次替代 {form.supersedes}。")
    if form.history:
        notes.append("按历史资料接收。")
    if examined.parts.left:
        names = "、".join(examined.parts.left[:5])
        notes.append(f"没有用到的文件：{names}。")
    return tuple(notes)
