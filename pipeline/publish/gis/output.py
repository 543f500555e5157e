"""What a run leaves for a GIS: ``cases.gpkg`` and the project over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

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
from pipeline.publish.gis.mosaic import mosaics_of
from pipeline.publish.gis.pictures import pictures_of
from pipeline.publish.gis.project import project
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
) -> tuple[dict[str, bytes], int]:
    """Give the project of a folder and the mosaics it shows, and of how many cases these are."""
    names = (p.relative_to(folder).as_posix() for p in folder.glob("evidence/*/*/*.tif*"))
    pictures = pictures_of(names)
    outlines = {
        str(row["case_id"]): shape
        for layer in layers
        if any(c.name == "case_id" for c in layer.columns)
        for row, shape in zip(layer.rows, layer.shapes, strict=True)
    }
    mosaics = mosaics_of(folder, pictures, outlines)
    files = {m.path: m.content for m in mosaics}
    files[PROJECT] = project(layers, mosaics, title, GEOPACKAGE, CRS)
    return files, len({p.case_id for p in pictures})
