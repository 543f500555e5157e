"""What stands there already (存量): ground that is bare or built on all through the year.

Change detection never sees what was there before anybody watched. These objects are no changes and
no cases; they are a list for people to go through once (status ``stock``).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipeline.detect.disturb import rectangularity
from pipeline.detect.look_surface import BRIGHT, NDVI, WATER
from pipeline.detect.normal import Normal
from pipeline.detect.objects import Pixels, measure
from pipeline.grid import pixels_to_mask
from pipeline.model import Window

Float = NDArray[np.float32]


class StockOptions(BaseModel):
    """What ground has to be like all year."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    least_looks: int = Field(
        default=8, ge=3, description="clear looks without which nothing is said of a pixel"
    )
    ndvi_max: float = Field(
        default=0.3, ge=0.05, le=0.6, description="greenest expected day of the year"
    )
    bright_min: float = Field(
        default=0.09, ge=0.02, le=0.4, description="mean brightness; darker ground is rock or shade"
    )
    water_max: float = Field(
        default=-0.05, ge=-1, le=0.2, description="wettest expected day, as a water score"
    )
    min_pixels: int = Field(default=4, ge=1, description="smallest object [px]")
    linear_elongation: float = Field(
        default=5.0, ge=2, description="longer than this over its width: a road or a levee"
    )


def standing(
    normal: Normal, never_wet: NDArray[np.bool_], options: StockOptions | None = None
) -> NDArray[np.bool_]:
    """Mark ground that is bare or built on all year, bool (H, W); radius 0."""
    o = options or StockOptions()
    days = [normal.at(float(day)) for day in range(0, 365, 30)]
    with np.errstate(invalid="ignore"):
        found = (np.max([e[NDVI] for e in days], axis=0) <= o.ndvi_max) & never_wet
        found &= np.mean([e[BRIGHT] for e in days], axis=0) >= o.bright_min
        found &= np.max([e[WATER] for e in days], axis=0) <= o.water_max
    return found & (normal.looks >= o.least_looks)


def describe(
    pixels: Pixels, window: Window, normal: Normal, bare: Float, options: StockOptions | None = None
) -> dict[str, float]:
    """Measure one object, by the names that :func:`pipeline.detect.kinds.kind_scores` reads.

    ``bare`` float32 (H, W) over ``window``: median of the bare soil index; NaN where unknown.
    """
    o = options or StockOptions()
    mask = pixels_to_mask(pixels.rows, pixels.cols, window)
    shape = measure(mask)
    mean = normal.coef[:, 0][:, mask]
    index = bare[mask]
    known = {"bare": float(np.nanmedian(index))} if np.isfinite(index).any() else {}
    return known | {
        "pixels": float(shape.pixels),
        "area_m2": 100.0 * shape.pixels,
        "elongation": shape.elongation,
        "compactness": shape.compactness,
        "rectangularity": rectangularity(mask),
        "linear": float(shape.elongation >= o.linear_elongation),
        "bright": float(np.median(mean[BRIGHT])),
        "ndvi": float(np.median(mean[NDVI])),
        "wet_share": 0.0,
        "bar_share": 0.0,
        "looks": float(np.median(normal.looks[mask])),
    }
