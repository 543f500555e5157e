"""The folder of a flight that is taken in: COGs, item, the form as it came."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

from shapely.geometry.base import BaseGeometry

from pipeline.acquire.inbox.checks import Sheet, Sheets
from pipeline.acquire.inbox.examine import Examined, extent
from pipeline.acquire.inbox.photos import Photo
from pipeline.acquire.inbox.pixels import Tally, write_mosaic
from pipeline.acquire.inbox.place import Covered, covered, footprint_wgs84
from pipeline.acquire.inbox.reasons import printable
from pipeline.acquire.inbox.receipt import Row
from pipeline.acquire.inbox.shelf import ITEM, Taken, item_of
from pipeline.acquire.inbox.surfaces import NO_HEIGHT, Heights, write_surface
from pipeline.grid import geodesic_area_m2
from pipeline.io.atomic import disk_full_named, write_json
from pipeline.model import Corridor

PHOTOS = "photos.geojson"
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
    shutil.copyfile(examined.drop.path(examined.form_file), folder / "flight.yaml")
    made = _photos(folder, examined) if examined.sheets is None else _rasters(folder, examined)
    found = covered(made.footprint_wgs84, corridors)
    sheets = examined.sheets
    taken = Taken(
        id=examined.id,
        form=examined.form,
        footprint_wgs84=made.footprint_wgs84,
        assets=made.assets,
        sources=examined.sources,
        covered=found,
        tool=examined.parts.tool,
        crs=sheets.mosaic.grid.crs if sheets else "EPSG:4326",
        gsd_m=round(sheets.mosaic.gsd_m, 5) if sheets else None,
        valid_share=made.valid_share,
        answered_by=examined.answered_by,
    )
    write_json(folder / ITEM, item_of(taken))
    rows = (*_form_rows(examined), *made.rows)
    return Built(made.footprint_wgs84, found, rows, _notes(examined))


@dataclass(frozen=True)
class _Made:
    footprint_wgs84: BaseGeometry
    assets: dict[str, dict[str, Any]]
    rows: tuple[Row, ...]
    valid_share: float | None


def _rasters(folder: Path, examined: Examined) -> _Made:
    sheets, plan = examined.sheets, examined.plan
    assert sheets is not None
    assert plan is not None
    tally = write_mosaic(sheets.mosaic, plan, folder / "ortho.tif")
    assets = {"ortho": _asset("ortho.tif", sheets.mosaic, bands=list(plan.names))}
    seen: tuple[Row, ...] = ()
    if sheets.dsm is not None:
        seen = _height_rows(sheets.dsm, write_surface(sheets.dsm, folder / "dsm.tif"))
        assets["dsm"] = _asset("dsm.tif", sheets.dsm, nodata=NO_HEIGHT, unit="m")
    footprint = footprint_wgs84(folder / "ortho.tif")
    rows = (*_raster_rows(examined, sheets, footprint, tally), *seen)
    return _Made(footprint, assets, rows, round(tally.share, 4))


def _photos(folder: Path, examined: Examined) -> _Made:
    """Copy photos under names made of their content, and write where and when each was taken."""
    sums = {s.name: s.sha256 for s in examined.sources}
    features: list[dict[str, Any]] = []
    (folder / "photos").mkdir()
    with disk_full_named(folder):
        for photo in examined.photos:
            href = f"photos/{sums[photo.name][:16]}.jpg"
            shutil.copyfile(examined.drop.path(photo.name), folder / href)
            features.append(_feature(photo, href, sums[photo.name]))
    features.sort(key=lambda f: (f["properties"]["taken"], f["id"]))
    write_json(folder / PHOTOS, {"type": "FeatureCollection", "features": features})
    assets: dict[str, dict[str, Any]] = {
        "photos": {"href": f"./{PHOTOS}", "type": "application/geo+json", "roles": ["data"]}
    }
    first, last = (features[i]["properties"]["taken"] for i in (0, -1))
    rows = (Row("照片", f"{len(features)} 张"), Row("拍摄时间（UTC）", f"{first} 至 {last}"))
    return _Made(extent(examined), assets, rows, None)


def _feature(photo: Photo, href: str, checksum: str) -> dict[str, Any]:
    return {
        "type": "Feature",
        "id": checksum[:16],
        "geometry": {"type": "Point", "coordinates": [round(photo.lon, 7), round(photo.lat, 7)]},
        "properties": {
            "taken": f"{photo.taken.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "taken_local": photo.taken.isoformat(),
            "name": printable(photo.name),
            "href": href,
            "sha256": checksum,
            "camera": printable(photo.camera),
            "altitude_m": photo.altitude_m,
            "direction_deg": photo.direction_deg,
            "notice": "仅为线索，不作为处罚依据",
        },
    }


def _asset(name: str, sheet: Sheet, **more: Any) -> dict[str, Any]:
    return {
        "href": f"./{name}",
        "type": _COG,
        "roles": ["data"],
        "gsd": round(sheet.gsd_m, 5),
        **{f"siluan:{k}": v for k, v in more.items()},
    }


def _form_rows(examined: Examined) -> tuple[Row, ...]:
    form = examined.form
    return (
        Row("编号", examined.id),
        Row("飞行队伍", form.team),
        Row("飞行时间", form.flown.isoformat()),
        Row("无人机 / 相机", f"{form.drone} / {form.camera}"),
    )


def _raster_rows(
    examined: Examined, sheets: Sheets, footprint: BaseGeometry, tally: Tally
) -> tuple[Row, ...]:
    area = geodesic_area_m2(footprint, "EPSG:4326")
    size = f"{area / 1e4:.2f} 公顷" if area >= 1e4 else f"{area:.0f} 平方米"
    surface = "无" if sheets.dsm is None else f"{sheets.dsm.name}，{sheets.dsm.gsd_m:.3f} 米"
    return (
        Row("正射影像", f"{sheets.mosaic.name}，{sheets.mosaic.gsd_m:.3f} 米"),
        Row("地表模型（DSM）", surface),
        Row("坐标系", sheets.mosaic.grid.crs[:60]),
        Row("高程基准", _VERTICAL[examined.form.vertical]),
        Row("有效面积", f"{size}（占影像的 {tally.share:.0%}）"),
        *_margin_rows(tally),
    )


def _height_rows(dsm: Sheet, seen: Heights) -> tuple[Row, ...]:
    """Say what was done to heights on the way in."""
    rows: list[Row] = []
    said = dict.fromkeys((h.scale, h.offset) for h in dsm.headers if h.scaled)
    for scale, offset in said:
        rows.append(Row("高程换算", f"按文件声明的比例 {scale:g}、偏移 {offset:g} 换算为米"))
    if seen.zeros:
        share = seen.zeros / seen.pixels
        text = f"高程为 0 而与周围不连续的像元（{share:.2%}）文件没有说明，按没有高程处理"
        rows.append(Row("高程空洞", text))
    return tuple(rows)


def _margin_rows(tally: Tally) -> tuple[Row, ...]:
    if not tally.margin:
        return ()
    share = tally.margin / tally.pixels
    colour = "白" if tally.margin_fill else "黑"
    text = f"影像四周的纯{colour}（{share:.0%}）文件没有说明，按没有影像处理"
    return (Row(f"{colour}边", text),)


def _notes(examined: Examined) -> tuple[str, ...]:
    form, sheets = examined.form, examined.sheets
    notes: list[str] = []
    if sheets is None:
        notes.append("只有照片，作为带时间的点位证据，不能比较，也不能计算方量。")
    elif sheets.dsm is None:
        notes.append("没有地表模型，只能比较影像，不能计算方量。")
    elif form.vertical == "unknown":
        notes.append("高程基准不清楚，地表模型只用于前后两次飞行的比较。")
    if sheets is not None and not form.rtk and form.gcp == 0:
        notes.append("没有 RTK 也没有像控点，位置可能有数米误差，须与上一次飞行配准后使用。")
    if form.supersedes is not None:
        by = f"，由 {examined.answered_by} 确认" if examined.answered_by else ""
        notes.append(f"本次替代 {form.supersedes}{by}。")
    if examined.withdraws_surface:
        notes.append(f"{form.supersedes} 有地表模型，本次没有：那一次的地表模型随之停用。")
    if form.history:
        notes.append("按历史资料接收。")
    if examined.parts.left:
        names = "、".join(examined.parts.left[:5])
        notes.append(f"没有用到的文件：{names}。")
    return tuple(notes)
