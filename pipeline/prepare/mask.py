"""Which pixels of which dates show the ground: the clear-sky mask.

Order matters. Flags come first (the producer's classes or the spectrum), then bright surfaces and
turbid water are given back, then lone pixels are set apart, and only what is left is dilated and
casts shadows.

Thin haze through which surfaces can still be read stays clear: a level or an object is judged
against the rest of the same date, and a haze-free-only rule would cost humid basins most of their
looks. Haze whose rise in HOT exceeds ``haze_hot_rise`` is masked.

Two shapes of the same arithmetic: ``clear_sky`` takes a window that fits in memory with all dates;
a sweep over a long series takes the steps of ``masksteps`` one by one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.prepare.maskoptions import (
    HALO_PX,
    REQUIRED,
    Bands,
    History,
    MaskOptions,
    Sun,
    halo_px,
)
from pipeline.prepare.masksteps import dark_history, finish, flag, give_back, hint, usable, usual_of
from pipeline.prepare.sky import Sky

__all__ = ["HALO_PX", "MaskOptions", "Sky", "clear_sky", "halo_px"]


def clear_sky(
    bands: Bands,
    scl: NDArray[np.uint8] | None,
    sun: Sequence[Sun | None] | None,
    options: MaskOptions,
    res_m: float,
) -> NDArray[np.uint8]:
    """Code what hides each pixel on each date of one window that fits in memory with all dates.

    Parameters
    ----------
    bands : mapping of float32 (T, H, W)
        Reflectance in time order, NaN without data; ``blue``, ``red`` and ``nir`` are needed,
        ``green`` and ``swir16`` are used if there.
    scl : uint8 (T, H, W) or None
        Scene classification of the Sentinel-2 level-2A product; None: from the spectrum.
    sun : sequence of (azimuth, elevation) in degrees, or None
        Per date; None where unknown, then shadows are sought all around.
    options : MaskOptions
        Thresholds and margins.
    res_m : float
        Pixel size [m].

    Returns
    -------
    uint8 (T, H, W)
        Codes of ``Sky``. A pixel at least ``halo_px(options, res_m)`` from the window's edge has
        the same code in any window.

    Raises
    ------
    ValueError
        If a required band is missing.
    """
    missing = [name for name in REQUIRED if name not in bands]
    if missing:
        raise ValueError(f"the clear-sky mask needs the bands {missing}")
    dates = range(bands["blue"].shape[0])
    suns: Sequence[Sun | None] = sun if sun is not None else [None for _ in dates]
    valid = usable(bands, scl)
    low = dark_history(bands["blue"], bands["red"], valid, options)
    looks = [{name: band[t] for name, band in bands.items()} for t in dates]
    classes = [None if scl is None else scl[t] for t in dates]
    raw = np.stack([flag(looks[t], classes[t], low, options) for t in dates])
    second = bands.get("green", bands["red"])
    usual = [usual_of(band, raw, options) for band in (bands["nir"], second)]
    history = History(*low, *usual)
    hints = np.stack([hint(looks[t], raw[t], suns[t], history, options) for t in dates])
    codes = give_back((bands["blue"], bands["red"], bands["nir"]), raw, hints, options)
    return np.stack(
        [finish(looks[t], codes[t], (classes[t], suns[t]), history, options, res_m) for t in dates]
    )
