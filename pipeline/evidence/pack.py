"""All files of one case's evidence, as bytes."""

from __future__ import annotations

import numpy as np

from pipeline.evidence.document import (
    CASE,
    MANIFEST,
    OVERVIEW,
    as_json,
    case_document,
    manifest,
)
from pipeline.evidence.sheet import chips_of, sheet
from pipeline.evidence.types import Picture, Subject, Views
from pipeline.io.chips import ChipBands, geotiff
from pipeline.io.png import png

_ORDER = ("red", "green", "blue", "nir", "swir16", "swir22")
SCALE, _NODATA = 10_000.0, -32768


def pack(subject: Subject, views: Views | None) -> dict[str, bytes]:
    """Make the files of a case by name; without pictures only ``case.json``, which says why.

    Returns
    -------
    dict
        ``manifest.json`` lists all the others. The same input gives the same bytes.
    """
    contents: dict[str, bytes] = {}
    chips = chips_of(views) if views else None
    if views and chips and chips.images:
        contents |= {f"{name}.png": png(image) for name, image in chips.images.items()}
        contents[OVERVIEW] = png(np.asarray(sheet(views, subject, chips)))
        for name, picture in (("before", views.before), ("after", views.after)):
            if picture is not None:
                contents[f"{name}.tif"] = geotiff(views.grid, _bands(picture), _tags(picture))
        if views.rise is not None:
            rise = ChipBands(("height_difference_m",), views.rise[None], float("nan"))
            contents["rise.tif"] = geotiff(views.grid, rise, {})
    contents[CASE] = as_json(case_document(subject, views, chips))
    contents[MANIFEST] = manifest(contents)
    return contents


def _bands(picture: Picture) -> ChipBands:
    """Give reflectance times 10 000, or a drone's colours as they are, in the order of the eye."""
    names = [b for b in _ORDER if b in picture.bands]
    names += [b for b in picture.bands if b not in names]
    values = np.stack([picture.bands[b] for b in names])
    scaled = np.rint(np.clip(values, -3, 3) * SCALE)
    return ChipBands(
        tuple(names), np.where(np.isfinite(scaled), scaled, _NODATA).astype(np.int16), _NODATA
    )


def _tags(picture: Picture) -> dict[str, str]:
    return {
        "TIFFTAG_DATETIME": picture.on.strftime("%Y:%m:%d %H:%M:%S"),  # UTC
        "ACQUIRED_UTC": picture.on.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "PASS_ID": picture.pass_id,
        "SENSOR": picture.sensor,
        "SCALE": f"reflectance = DN / {SCALE:g}",
    }
