"""Morphology with types: masks in, masks out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]
Image = NDArray[np.float32]


def grown(mask: Mask, times: int = 1) -> Mask:
    """Dilate."""
    return np.asarray(ndimage.binary_dilation(mask, iterations=times), np.bool_)


def shrunk(mask: Mask, times: int = 1) -> Mask:
    """Erode."""
    return np.asarray(ndimage.binary_erosion(mask, iterations=times), np.bool_)


def opened(mask: Mask) -> Mask:
    """Erode, then dilate."""
    return np.asarray(ndimage.binary_opening(mask), np.bool_)


def distance(mask: Mask) -> NDArray[np.float64]:
    """Distance of each pixel of the mask to the nearest one outside of it [px]."""
    return np.asarray(ndimage.distance_transform_edt(mask), np.float64)


def nearest(mask: Mask) -> tuple[NDArray[np.intp], ...]:
    """Index, for each pixel, of the nearest pixel of the mask."""
    index = ndimage.distance_transform_edt(~mask, return_distances=False, return_indices=True)
    return tuple(np.asarray(index, np.intp))


def labelled(mask: Mask, around: int = 4) -> list[Mask]:
    """Give the connected parts (by edges, or by corners too where ``around`` is 8)."""
    structure = np.ones((3, 3)) if around == 8 else None
    labels = np.asarray(ndimage.label(mask, structure)[0], np.int64)  # pyright: ignore[reportIndexIssue, reportGeneralTypeIssues]
    return [labels == k for k in range(1, int(labels.max(initial=0)) + 1)]


def floats(values: object) -> Image:
    """Take whatever a filter gives for float32."""
    return np.asarray(values, np.float32)
