"""What looks say of a strip over the water: now, and before the object that it leads from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.adjudicate.tracks import Track
from pipeline.detect.medians import middle_of
from pipeline.detect.objects import label
from pipeline.grid import pixels_to_mask
from pipeline.model import Ground, Window
from pipeline.passes.quarter import Quarter

Bool = NDArray[np.bool_]
Float = NDArray[np.float32]

_UNCLEAR = 0.06  # water scores nearer to zero than this are neither water nor land
_AROUND_PX = 9  # of them a strip is narrower than half of this, and clouds are wider
_LOOKS = 48  # of the history, spread over it, tell what a strip was
_LEAST = 3  # of them that must know a pixel


def known_scores(water: Float, state: NDArray[np.uint8]) -> Float:
    """Give the water scores (H, W) of a look that are no cloud's, NaN elsewhere.

    Where a look was not clear its score is that of a cloud; a deck's is near zero.
    """
    known = (state != Ground.UNKNOWN) | (np.abs(water) <= _UNCLEAR)
    return np.where(known, water, np.nan).astype(np.float32)


def water_before(quarter: Quarter, window: Window) -> Float:
    """Give the median water score, float32 (H, W), of the history of a quarter.

    A deck narrower than two pixels is of neither class on a clear look, as clouds are: it counts
    where most of what lies around it is known. NaN where fewer than three looks know a pixel, and
    sightings of then do not count.
    """
    every = quarter.history
    some = [p.id for p in every[:: max(1, -(-len(every) // _LOOKS))]]
    scores: list[Float] = []
    for name, state in zip(some, quarter.states.each(some, window), strict=True):
        (water,) = quarter.states.features(name, window, ("water",))
        clear = (state != Ground.UNKNOWN).astype(np.float32)
        around = np.asarray(ndimage.uniform_filter(clear, _AROUND_PX), np.float32) > 0.5
        scores.append(np.where(around, known_scores(water, state), np.nan).astype(np.float32))
    if len(scores) < _LEAST:
        return np.full(window.shape, np.nan, np.float32)
    often = np.sum([np.isfinite(s) for s in scores], axis=0)
    return np.where(often >= _LEAST, middle_of(scores), np.nan).astype(np.float32)


def parts_of(track: Track, window: Window, least: int) -> list[Bool]:
    """Give a track's pixels, bool (H, W), and of what half of its sightings show the largest part.

    The latter only if it is another, and not smaller than ``least`` pixels.
    """
    footprint = pixels_to_mask(track.rows, track.cols, window)
    often = sum(pixels_to_mask(s.rows, s.cols, window).astype(int) for s in track.sightings)
    labels = label(footprint & np.asarray(often >= len(track.pass_ids) / 2))
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    steady = labels == int(sizes.argmax())
    if sizes.max() < least or (steady == footprint).all():
        return [footprint]
    return [footprint, steady]
