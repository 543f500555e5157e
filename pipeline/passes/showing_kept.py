"""Pictures of a case from the evidence of an earlier revision, where no imagery is at hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import rasterio

from pipeline.evidence.document import CASE
from pipeline.evidence.pack import SCALE
from pipeline.evidence.types import Missing, Picture, Views
from pipeline.grid import reproject
from pipeline.io.shelf import is_whole
from pipeline.model import Case, Grid

_NOT_AGAIN = frozenset({"no_true", "no_false", "no_swir"})  # found anew when it is drawn


def from_shelf(folder: Path, case: Case) -> Views | None:
    """Give what the newest earlier revision with pictures shows, under the case's outline of now.

    Parameters
    ----------
    folder : Path
        Of the revision that is to be drawn; older ones lie beside it.

    Returns
    -------
    Views or None
        None where no earlier revision has a picture. Reflectance is that of the GeoTIFFs, to
        1 / 10 000.
    """
    if not folder.parent.is_dir():
        return None
    numbers = [int(p.name) for p in folder.parent.iterdir() if p.name.isdigit()]
    for number in sorted((n for n in numbers if n < case.revision), reverse=True):
        kept = folder.parent / str(number)
        pictures = [n for n in ("before", "after") if (kept / f"{n}.tif").is_file()]
        if pictures and is_whole(kept):
            return _views(kept, number, case)
    return None


def _views(kept: Path, number: int, case: Case) -> Views:
    said: Mapping[str, Any] = json.loads((kept / CASE).read_bytes())
    shown = {n: _picture(kept / f"{n}.tif", said.get(n)) for n in ("before", "after")}
    there = next(n for n in ("after", "before") if shown[n] is not None)
    with rasterio.open(kept / f"{there}.tif") as file:
        grid = Grid(said["ground"]["crs"], file.transform, file.shape)
    rise = None
    if (kept / "rise.tif").is_file():
        with rasterio.open(kept / "rise.tif") as file:
            rise = file.read(1).astype(np.float32)
    missing = [Missing(m["code"], m["about"]) for m in said["missing"]]
    return Views(
        grid,
        reproject(case.polygon, case.crs, grid.crs),
        shown["before"],
        shown["after"],
        tuple(m for m in missing if m.code not in _NOT_AGAIN),
        rise,
        bool(said["ground"]["whole_case"]),
        said.get("pictures_of_revision") or number,
    )


def _picture(path: Path, said: Mapping[str, Any] | None) -> Picture | None:
    if said is None or not path.is_file():
        return None
    with rasterio.open(path) as file:
        values = file.read(masked=True).astype(np.float32).filled(np.nan) / np.float32(SCALE)
        bands = dict(zip(map(str, file.descriptions), values, strict=True))
    clear = np.isfinite(values[0])
    return Picture(
        pass_id=str(said["pass_id"]),
        on=datetime.fromisoformat(said["on"]).astimezone(UTC),
        sensor=str(said["sensor"]),
        bands=bands,
        clear=clear,
        gsd_m=float(said["gsd_m"]),
        level_rank=said["level_rank"],
    )
