"""What one look says of one pixel: wet, dry, green, or nothing.

The score is a *smallest margin*: a pixel is water only if every rule agrees, and it is as much
water as the rule that agrees least. A minimum of continuous rules is continuous, so the same field
serves the classes and the sub-pixel waterline. It is defined per pixel, so tiles need no halo.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipeline.model import Ground

Float = NDArray[np.float32]

LEAST_SUM = np.float32(1e-3)
"""Sums of reflectance below this count as this where they divide."""


class WaterOptions(BaseModel):
    """Thresholds of the water rules; reflectance is a ratio."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    threshold: float = Field(
        default=0.0, ge=-0.5, le=0.5, description="MNDWI (or NDWI) above which a pixel may be water"
    )
    unknown_band: float = Field(
        default=0.05, ge=0.0, le=0.3, description="scores closer to zero than this are UNKNOWN"
    )
    floor: float = Field(
        default=0.01,
        ge=0.0,
        le=0.1,
        description="reflectance added to denominators: ratios of very dark pixels are noise",
    )
    ndvi_max: float = Field(
        default=0.22, ge=0.0, le=0.6, description="no open water above this NDVI"
    )
    nir_max: float = Field(
        default=0.22,
        ge=0.05,
        le=0.5,
        description="no water above this NIR; the most turbid stays below",
    )
    swir_max: float = Field(
        default=0.12,
        ge=0.03,
        le=0.4,
        description="no water above this SWIR (1.6 µm): wet soil, bright roofs",
    )
    shade_ratio: float = Field(
        default=1.2,
        ge=0.8,
        le=3.0,
        description="dark pixels with more NIR than this times green and red are shaded land",
    )
    dark_nir: float = Field(
        default=0.025,
        ge=0.0,
        le=0.05,
        description="darker than this in NIR and SWIR, and darker in NIR than in green or red, a "
        "pixel has no plants, whatever its ratios",
    )
    green_ndvi: float = Field(
        default=0.4,
        ge=0.2,
        le=0.8,
        description="vegetation that may be afloat or hide what is below; less of it where green "
        "and SWIR are still those of water",
    )


def water_score(bands: Mapping[str, Float], options: WaterOptions | None = None) -> Float:
    """Score open water continuously: positive is water, in units of a normalised index.

    The smallest of these margins (all reflectances float32 ratios):

    * MNDWI = (green - swir16) / (green + swir16 + floor) - threshold (Xu 2006,
      doi:10.1080/01431160600589179), with the brighter of green and red; NDWI with green and NIR
      where ``swir16`` is missing (McFeeters 1996, doi:10.1080/01431169608948714);
    * NDVI below ``ndvi_max`` (crops, shaded slopes under trees);
    * NIR and SWIR below their ceilings (roofs, sand, cloud), scaled to index units;
    * a shade test in the spirit of AWEI_sh (Feyisa 2014, doi:10.1016/j.rse.2013.08.029): shaded or
      burnt land keeps NIR above green and red by ``shade_ratio``; water does not.

    Where NIR and SWIR are both below ``dark_nir``, and NIR below the brighter of green and red, the
    NDVI and the shade test give way to how dark the pixel is: atmospheric correction is good to
    some 0.005 to 0.01 over dark water (Pahlevan 2021, doi:10.1016/j.rse.2021.112366), as much as
    its red and NIR themselves, so that ratios of clear lakes say anything. Leaves in the deepest
    shade keep an NIR above green.

    The brighter of green and red is asked in both, because sediment raises red above green (Doxaran
    2002, doi:10.1016/S0034-4257(01)00341-8); bare soil, even wet, has more SWIR than either.

    Parameters
    ----------
    bands : mapping of float32 (..., H, W)
        ``green``, ``red``, ``nir`` and, if there is one, ``swir16``.

    Returns
    -------
    float32 (..., H, W)
        In -1..1; NaN where a needed band is NaN.

    Raises
    ------
    KeyError
        If green, red or nir is missing (a sensor table that cannot serve this detector).
    """
    o = options or WaterOptions()
    green, red, nir = bands["green"], bands["red"], bands["nir"]
    swir = bands.get("swir16")
    floor = np.float32(o.floor)
    with np.errstate(divide="ignore", invalid="ignore"):
        visible = np.maximum(green, red)
        light, dark = (green, nir) if swir is None else (visible, swir)
        score = (light - dark) / _positive(light + dark + floor) - np.float32(o.threshold)
        ndvi = (nir - red) / _positive(nir + red + floor)
        shade = np.float32(o.shade_ratio) * (visible + floor) - nir
        plants = np.minimum(np.float32(o.ndvi_max) - ndvi, shade / _positive(visible + nir + floor))
        if o.dark_nir > 0:
            infrared = nir if swir is None else np.maximum(nir, swir)
            depth = np.float32(1) - infrared * np.float32(1 / o.dark_nir)
            depth = np.minimum(depth, (visible - nir) / np.maximum(floor, LEAST_SUM))
            plants = np.maximum(plants, depth * np.float32(o.ndvi_max))
        score = np.minimum(score, plants)
        score = np.minimum(score, (np.float32(o.nir_max) - nir) * np.float32(1 / o.nir_max))
        if swir is not None:
            ceiling = (np.float32(o.swir_max) - swir) * np.float32(1 / o.swir_max)
            score = np.minimum(score, ceiling)
    return np.clip(score, -1, 1).astype(np.float32)


def ground_state(
    bands: Mapping[str, Float],
    clear: NDArray[np.bool_],
    options: WaterOptions | None = None,
    score: Float | None = None,
) -> NDArray[np.uint8]:
    """Class every pixel-look as a :class:`pipeline.model.Ground` code.

    Parameters
    ----------
    bands : mapping of float32 (..., H, W)
        Reflectance, see :func:`water_score`.
    clear : bool (..., H, W)
        True where the ground was seen.
    score : float32 (..., H, W), optional
        Result of :func:`water_score` for the same bands, if it is at hand.

    Returns
    -------
    uint8 (..., H, W)
        WET, DRY, GREEN; UNKNOWN where not clear, NaN, or the score is within the band. What
        :func:`bright_over_water` marks is never DRY.
    """
    o = options or WaterOptions()
    s = water_score(bands, o) if score is None else score
    red, nir = bands["red"], bands["nir"]
    with np.errstate(divide="ignore", invalid="ignore"):
        ndvi = (nir - red) / _positive(nir + red + np.float32(o.floor))
        state = np.full(s.shape, Ground.UNKNOWN, np.uint8)
        state[s >= o.unknown_band] = Ground.WET
        land = s <= -o.unknown_band
        over_water = land & bright_over_water(bands, o)
        state[land & (ndvi < o.green_ndvi)] = Ground.DRY
        state[land & (ndvi >= o.green_ndvi)] = Ground.GREEN
        state[over_water] = np.where(ndvi[over_water] > o.ndvi_max, Ground.GREEN, Ground.UNKNOWN)
    state[~clear | ~np.isfinite(s)] = Ground.UNKNOWN
    return state


def bright_over_water(bands: Mapping[str, Float], options: WaterOptions) -> NDArray[np.bool_]:
    """Mark what is too bright in the near infrared for water and lets its SWIR be seen.

    Bare ground, dry or wet, reflects more at 1.6 µm than in green, or more than ``swir_max``. Where
    neither holds, a thin mat of plants floats on water (a third of hyacinth over silt has an NDVI
    of 0.35), or there is ice, snow or glint: MNDWI was made to stay positive over such water (Xu
    2006, doi:10.1080/01431160600589179). Nothing is marked without ``swir16``.

    Parameters
    ----------
    bands : mapping of float32 (..., H, W)
        Reflectance, see :func:`water_score`.

    Returns
    -------
    bool (..., H, W)
        Of use where the score says that it is no open water.
    """
    green, swir = bands["green"], bands.get("swir16")
    if swir is None:
        return np.zeros(green.shape, np.bool_)
    floor = np.float32(options.floor)
    index = (green - swir) / _positive(green + swir + floor) - np.float32(options.threshold)
    return np.asarray((index >= options.unknown_band) & (swir <= options.swir_max))


def _positive(denominator: Float) -> Float:
    # Harmonised reflectance may be slightly negative; a ratio must not blow up or change its sign.
    return np.maximum(denominator, LEAST_SUM)
