"""What a run leaves for a GIS: ``cases.gpkg`` and the project over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio

from pipeline.io.layers import OfficeLayer
from pipeline.model import Case, Corridor, NotObserved
from pipeline.publish.gis.layers import (
    CASES,
    SUPPRESSED,
    WATCH,
    Said,
    corridor_layer,
    office_layers,
    run_cases,
    unseen_layer,
)
from pipeline.publish.gis.project import Picture, pictures_of, project
from pipeline.publish.gis.table import GisLayer

GEOPACKAGE = "cases.gpkg"
PROJECT = "siluan.qgs"
CRS = "EPSG:4490"  # CGCS2000; WGS 84 within what a map can show


def gis_layers(
    lists: tuple[Sequence[Case], Sequence[Case], Sequence[Case]],
    unseen: Sequence[NotObserved],
    said: Said,
    ground: tuple[Sequence[Corridor], Mapping[str, OfficeLayer]],
) -> tuple[list[GisLayer], dict[str, Any]]:
    """Give the layers of a run from top to bottom, and what run.json counts of them.

    Parameters
    ----------
    lists : three sequences of Case
        Open, on watch, suppressed.
    ground : (corridors, office layers by kind)
    """
    named = zip((CASES, WATCH, SUPPRESSED), lists, strict=True)
    layers = [run_cases(name, cases, said) for name, cases in named]
    layers.append(unseen_layer(unseen, said.rivers_zh))
    office, left_out = office_layers(ground[1])
    layers += [*office, corridor_layer(ground[0])]
    counts: dict[str, Any] = {"layers": {k.name: len(k.rows) for k in layers}}
    if left_out:
        counts["points_and_lines_left_out"] = left_out
    return layers, counts


def project_over(
    layers: Sequence[GisLayer], folder: Path, title: str
) -> tuple[bytes, list[Picture]]:
    """Give the project of a folder, with the GeoTIFFs of the evidence that lie there."""
    names = (p.relative_to(folder).as_posix() for p in folder.glob("evidence/*/*/*.tif*"))
    pictures = [replace(p, crs=_crs_of(folder / p.path)) for p in pictures_of(names)]
    stretches = {c: _stretch(folder, pictures, c) for c in {p.case_id for p in pictures}}
    pictures = [replace(p, stretch=stretches[p.case_id]) for p in pictures]
    return project(layers, pictures, title, GEOPACKAGE, CRS), pictures


def _stretch(
    folder: Path, pictures: Sequence[Picture], case_id: str
) -> tuple[tuple[float, float], ...]:
    """Give the 2nd and 98th percentile of bands 1-3 over before and after: one stretch for both."""
    parts: list[Any] = []
    for picture in pictures:
        if picture.case_id == case_id:
            with rasterio.open(folder / picture.path) as source:
                if source.count < 3:
                    return ()
                bands = source.read([1, 2, 3], masked=True).astype(np.float64)
                parts.append(bands.filled(np.nan).reshape(3, -1))
    values = np.concatenate(parts, axis=1)
    if not np.isfinite(values).any(axis=1).all():
        return ()
    low, high = np.nanpercentile(values, (2, 98), axis=1)
    return tuple((float(a), float(max(b, a + 1))) for a, b in zip(low, high, strict=True))


def _crs_of(path: Path) -> str:
    with rasterio.open(path) as source:
        code = source.crs.to_epsg()
        return source.crs.to_wkt() if code is None else f"EPSG:{code}"
