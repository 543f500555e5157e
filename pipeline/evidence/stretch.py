"""Reflectance to colours: one stretch for both dates, so that a difference is one of the ground."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.evidence.types import Picture, Rgb

TRUE = ("red", "green", "blue")
FALSE_SWIR = ("swir16", "nir", "red")
FALSE_NIR = ("nir", "red", "green")
_TAILS = (1.0, 99.0)  # percentiles of the clear pixels that become black and white
_LEAST_RANGE = 0.06  # of reflectance: noise of plain water is not stretched into a picture
_GAMMA = 1.15
_HATCH, _HATCH_DARK = 225, 205


def colours_of(pictures: Sequence[Picture], wanted: Sequence[str]) -> list[Rgb] | None:
    """Make colours of bands under one stretch; None where a picture lacks a band.

    Returns
    -------
    list of uint8 (H, W, 3)
        In the order of ``pictures``; pixels without data are hatched grey.
    """
    if not pictures or any(b not in p.bands for p in pictures for b in wanted):
        return None
    out = [np.empty((*p.shown.shape, 3), np.float32) for p in pictures]
    for k, band in enumerate(wanted):
        low, high = _limits([_seen(p, band) for p in pictures])
        for picture, image in zip(pictures, out, strict=True):
            image[..., k] = (picture.bands[band] - low) / (high - low)
    return [_finished(image, p.shown) for image, p in zip(out, pictures, strict=True)]


def _seen(picture: Picture, band: str) -> NDArray[np.float32]:
    """Clear pixels where there are enough, else all that are there."""
    values = picture.bands[band]
    clear = values[picture.clear & np.isfinite(values)]
    return clear if clear.size >= 50 else values[np.isfinite(values)]


def _limits(parts: Sequence[NDArray[np.float32]]) -> tuple[float, float]:
    """Black and white for all parts together, each date with equal weight."""
    ends = [np.percentile(p, _TAILS) for p in parts if p.size]
    if not ends:
        return 0.0, 1.0
    low, high = float(min(e[0] for e in ends)), float(max(e[1] for e in ends))
    missing = _LEAST_RANGE - (high - low)
    return (low - missing / 2, high + missing / 2) if missing > 0 else (low, high)


def _finished(share: NDArray[np.float32], shown: NDArray[np.bool_]) -> Rgb:
    clipped = np.clip(np.nan_to_num(share), 0, 1) ** (1 / _GAMMA)
    image = np.rint(clipped * 255).astype(np.uint8)
    image[~shown] = hatched(shown.shape)[~shown]
    return image


def hatched(shape: tuple[int, ...]) -> Rgb:
    """Give the grey hatching that stands for no data."""
    rows, cols = np.indices(shape[:2])
    grey = np.where((rows + cols) % 8 < 2, _HATCH_DARK, _HATCH).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def false_bands(pictures: Sequence[Picture]) -> tuple[str, ...] | None:
    """Choose the bands of the false colour: short-wave infrared where both dates have it."""
    for wanted in (FALSE_SWIR, FALSE_NIR):
        if pictures and all(b in p.bands for p in pictures for b in wanted):
            return wanted
    return None


def rise_colours(rise: NDArray[np.float32], limit: float) -> Rgb:
    """Colour a change of height: brown where it fell, white where it stayed, blue where it rose.

    The ramp is told apart without red and green (after ColorBrewer's BrBG).
    """
    share = np.clip(np.nan_to_num(rise) / max(limit, 1e-6), -1, 1)[..., None]
    ends = ((245, 245, 245), (1, 70, 150), (140, 81, 10))
    white, up, down = (np.array(c, np.float32) for c in ends)
    image = np.where(share > 0, white + share * (up - white), white - share * (down - white))
    out = np.rint(image).astype(np.uint8)
    gone = ~np.isfinite(rise)
    out[gone] = hatched(rise.shape)[gone]
    return out
