"""8-bit colour-balanced mosaics: nothing but a picture and, from the office, when it was taken."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from pyproj.exceptions import CRSError
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from pipeline.acquire.disk.product import BandOf, File, How, Product
from pipeline.acquire.disk.source import DateLayer, MosaicOptions
from pipeline.errors import ConfigurationError, SceneUnusableError
from pipeline.grid import reproject
from pipeline.io.archives import FolderPackage
from pipeline.io.raster import Profile, raster_profile

SENSOR = "mosaic-rgb8"


def mosaic_product(
    path: Path, options: Sequence[MosaicOptions], area_wgs84: BaseGeometry
) -> Product | None:
    """Recognise an 8-bit mosaic; None if the file is no 8-bit picture of three bands or more.

    Parameters
    ----------
    area_wgs84
        Where it is wanted: of a date layer only the polygons there count.

    Raises
    ------
    SceneUnusableError
        No CRS; nothing says when it was taken; the date layer leaves a part of it open.
    ConfigurationError
        The date layer cannot be read.
    """
    profile = raster_profile(str(path))
    if profile.dtype != "uint8" or profile.count < 3:
        return None
    chosen = next((o for o in options if fnmatch(path.name, o.pattern)), None)
    if chosen is None:
        raise SceneUnusableError(
            f"{path} is an 8-bit picture, and nothing says when it was taken",
            "State its dates under 'mosaics' of the source: from and to, or a date layer",
        )
    footprint = _footprint(profile)
    if chosen.start is not None and chosen.end is not None:
        first, last = chosen.start, chosen.end
    else:
        first, last = _dates(chosen.dates, footprint.intersection(area_wgs84), path)
    begin, end = chosen.instants(first, last)
    return Product(
        id=re.sub(r"[^\w.-]", "_", path.stem),
        sensor=SENSOR,
        acquired=end,
        footprint_wgs84=footprint,
        package=FolderPackage(path.parent, {path.name: path.stat().st_size}),
        how=How.READ,
        files={"image": File(path.name)},
        bands={band: BandOf("image", 1 / 255, 0.0) for band in ("red", "green", "blue")},
        gsd_m=abs(profile.transform.a),
        properties={
            "platform": SENSOR,
            "start_datetime": f"{begin:%Y-%m-%dT%H:%M:%SZ}",
            "end_datetime": f"{end:%Y-%m-%dT%H:%M:%SZ}",
            "siluan:uncalibrated": True,
            "siluan:date_range": [f"{begin:%Y-%m-%dT%H:%M:%SZ}", f"{end:%Y-%m-%dT%H:%M:%SZ}"],
        },
    )


def _footprint(profile: Profile) -> BaseGeometry:
    t = profile.transform
    right, bottom = t.c + profile.shape[1] * t.a, t.f + profile.shape[0] * t.e
    frame = box(min(t.c, right), min(t.f, bottom), max(t.c, right), max(t.f, bottom))
    return reproject(frame.segmentize(frame.length / 40), profile.crs, "EPSG:4326")


def _dates(layer: DateLayer | None, area: BaseGeometry, mosaic: Path) -> tuple[date, date]:
    """First and last date of the polygons over the wanted part of a mosaic."""
    assert layer is not None  # the options need either dates or a range
    shapes, values, crs = _layer(layer)
    if area.is_empty:
        return _span([_day(v, layer) for v in values])
    here = [(reproject(g, crs, "EPSG:4326"), v) for g, v in zip(shapes, values, strict=True)]
    touching = [(g, v) for g, v in here if g.intersects(area)]
    open_part = area.difference(shapely.union_all([g for g, _ in touching]))
    if not touching or open_part.area > 1e-6 * area.area:
        share = open_part.area / area.area
        raise SceneUnusableError(
            f"the date layer {layer.file} leaves {share:.0%} of what is wanted of {mosaic.name} "
            "without a date",
            "Complete the date layer, or state from and to for the whole mosaic",
        )
    return _span([_day(v, layer) for _, v in touching])


def dates_of_layer(layer: DateLayer) -> tuple[date, date]:
    """First and last date of all polygons; raises ``ConfigurationError`` as for a mosaic."""
    _, values, _ = _layer(layer)
    return _span([_day(v, layer) for v in values])


def _span(days: Sequence[date]) -> tuple[date, date]:
    return min(days), max(days)


def _layer(layer: DateLayer) -> tuple[list[BaseGeometry], list[Any], str]:
    from pipeline.io import ogr  # noqa: PLC0415 - a second GDAL, for who opens a vector file

    remedy = "Check 'dates' of the mosaic: a vector file with a CRS and a date field"
    try:
        meta, _, shapes, columns = ogr.raw.read(layer.file, columns=[layer.field])
    except (ogr.DataSourceError, OSError) as error:
        raise ConfigurationError(f"the date layer {layer.file} cannot be read", remedy) from error
    if layer.field not in list(meta["fields"]):
        raise ConfigurationError(
            f"the date layer {layer.file} has no field '{layer.field}'", remedy
        )
    if not meta["crs"]:
        raise ConfigurationError(f"the date layer {layer.file} carries no CRS", remedy)
    found = [shapely.make_valid(g) for g in shapely.from_wkb(np.asarray(shapes))]
    try:
        reproject(found[0], str(meta["crs"]), "EPSG:4326")
    except (CRSError, IndexError) as error:
        raise ConfigurationError(
            f"the date layer {layer.file} is empty or unusable", remedy
        ) from error
    return found, list(columns[0]), str(meta["crs"])


def _day(value: Any, layer: DateLayer) -> date:
    text = str(value).strip()
    try:
        return datetime.fromisoformat(text[:10] if "-" in text[:8] else text).date()
    except ValueError as error:
        raise ConfigurationError(
            f"the date layer {layer.file} says '{text}' in {layer.field}, which is no date",
            "Write dates as 2023-11-05",
        ) from error
