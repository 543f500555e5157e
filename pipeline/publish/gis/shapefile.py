"""Cases as a shapefile, within the limits of its table (dBASE): named, and nothing cut in silence.

ESRI Shapefile Technical Description (1998); field names of at most 10 bytes, text of at most 254.
Text is UTF-8, said so by the .cpg file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from pipeline.io import ogr
from pipeline.publish.gis.table import GisLayer, cells
from pipeline.publish.words import NOTICE

LONGEST = 254  # bytes of a text
_CUT = "…"
SHORT = {
    "external_id": "ext_id",
    "evidence_zh": "evid_zh",
    "confidence_score": "score",
    "corridor_id": "corridor",
    "county_zh": "county",
    "township_zh": "township",
}
"""Names that a shapefile cannot hold, or only just; all others stay."""

_TYPES = {"text": "文本", "real": "小数", "whole": "整数", "day": "日期"}


def shapefile(layer: GisLayer, stem: str, crs: str = "EPSG:4490") -> dict[str, bytes]:
    """Give the files of a shapefile and the table of its fields, by name.

    Parameters
    ----------
    stem : str
        Of all names, as ``cases`` in ``cases.shp``.
    crs : str
        Written to the .prj; coordinates of the layer are lon/lat.
    """
    names = [SHORT.get(c.name, c.name) for c in layer.columns]
    columns = {n: cells(layer, c) for n, c in zip(names, layer.columns, strict=True)}
    long: list[tuple[str, str, str]] = []
    for name, column in zip(names, layer.columns, strict=True):
        if column.type == "text":
            columns[name], full = _fitted(columns[name])
            long += [(str(layer.rows[i]["case_id"]), column.zh, text) for i, text in full]
    with TemporaryDirectory() as scratch:
        ogr.raw.write(
            Path(scratch) / f"{stem}.shp",
            geometry=np.array([shapely.to_wkb(g) for g in layer.shapes], dtype=object),
            field_data=[*columns.values()],
            fields=np.array(names, dtype=object),
            geometry_type="Polygon",
            crs=crs,
            driver="ESRI Shapefile",
            encoding="UTF-8",
        )
        files = {p.name: p.read_bytes() for p in sorted(Path(scratch).iterdir())}
    files[f"{stem}_fields.txt"] = _table(layer, names, long, crs)
    return files


def _fitted(values: NDArray[Any]) -> tuple[NDArray[Any], list[tuple[int, str]]]:
    """Shorten what is too long, at a whole character; give also what was shortened, in full."""
    out, full = values.copy(), list[tuple[int, str]]()
    for i, text in enumerate(values):
        if text is not None and len(text.encode()) > LONGEST:
            head = text.encode()[: LONGEST - len(_CUT.encode())].decode(errors="ignore")
            out[i] = head + _CUT
            full.append((i, text))
    return out, full


def _table(
    layer: GisLayer, names: Sequence[str], long: Sequence[tuple[str, str, str]], crs: str
) -> bytes:
    """Say what each field is, and give in full what did not fit."""
    lines = [
        f"{layer.zh}　字段表",
        NOTICE,
        f"坐标系：{crs}（CGCS2000 经纬度）；文字编码：UTF-8（见 .cpg）；日期字段只有日期。",
        "",
        "字段\t中文\t类型\t代码",
    ]
    for name, column in zip(names, layer.columns, strict=True):
        codes = "；".join(
            f"{code}={zh}" for code, zh in column.choices if code != zh and code[:1] != "{"
        )
        lines.append(f"{name}\t{column.zh}\t{_TYPES[column.type]}\t{codes}")
    if long:
        lines += ["", f"以下文字超过 {LONGEST} 字节，在 .dbf 中以“{_CUT}”结尾；全文："]
        lines += [f"{case}\t{zh}\t{text}" for case, zh, text in long]
    return ("\r\n".join(lines) + "\r\n").encode("utf-8-sig")
