"""Steps of registration upon single images, as SciPy and NumPy do them, compiled."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

_FEW = 200  # of the greatest numbers, which are found without ordering the others

Image = NDArray[np.float32]


def moved(image: Image, dy: float, dx: float) -> Image:
    """Give :func:`scipy.ndimage.shift` of an image by minus a shift [px], linear, edges repeated.

    ``image`` is float32 (H, W), without NaN.
    """
    out = np.empty_like(image)
    _moved(image, dy, dx, out)
    return out


def quantile(values: NDArray[np.float32], share: float) -> np.float32:
    """Give :func:`numpy.quantile` of numbers without NaN, float32 (N,), in a third of its time."""
    if not values.size:
        raise ValueError("there is no quantile of nothing")
    place = (values.size - 1) * share
    below = int(place)
    if values.size - below <= _FEW:
        heap = np.empty(values.size - below, np.float32)
        low, high = (np.float32(v) for v in _least_of_greatest(values, heap))
    else:
        ordered = np.partition(values, (below, min(below + 1, values.size - 1)))
        low, high = ordered[below], ordered[min(below + 1, values.size - 1)]
    weight, step = place - below, high - low
    if weight >= 0.5:  # from the nearer one, as NumPy does
        return high - step * np.float32(1 - weight)
    return low + step * np.float32(weight)


def sobel(image: Image) -> tuple[Image, Image]:
    """Give :func:`scipy.ndimage.sobel` down the rows and along them, both in one pass."""
    down, along = np.empty_like(image), np.empty_like(image)
    _sobel(image, down, along)
    return down, along


def inner_of(ok: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Give what is true with all its neighbours, bool (H, W); beyond the window none is asked."""
    inner = np.empty_like(ok)
    _inner(ok, inner)
    return inner


@njit(cache=True, nogil=True)
def _least_of_greatest(values, heap):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Give the two least of the greatest numbers, as many as the heap holds; its root is least.

    Of most numbers one comparison is asked.
    """
    n = heap.size
    for i in range(n):  # the first ones, each moved up to its place
        k = i
        while k and heap[(k - 1) // 2] > values[i]:
            heap[k] = heap[(k - 1) // 2]
            k = (k - 1) // 2
        heap[k] = values[i]
    for i in range(n, values.size):
        if values[i] <= heap[0]:
            continue
        k, child = 0, 1
        while child < n:  # the root goes, and the number moves down
            if child + 1 < n and heap[child + 1] < heap[child]:
                child += 1
            if heap[child] >= values[i]:
                break
            heap[k] = heap[child]
            k, child = child, 2 * child + 1
        heap[k] = values[i]
    second = heap[0]
    if n > 1:
        second = heap[1] if n == 2 or heap[1] <= heap[2] else heap[2]
    return heap[0], second


@njit(cache=True, nogil=True)
def _sobel(image, down, along):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Differences as float32, then their sum weighted 1, 2, 1 across; the edge is repeated."""
    h, w = image.shape
    one, other = np.empty(w, np.float32), np.empty((h, w), np.float32)
    for r in range(h):
        for c in range(w):
            other[r, c] = np.float64(image[r, min(c + 1, w - 1)]) - np.float64(
                image[r, max(c - 1, 0)]
            )
    for r in range(h):
        up, low = max(r - 1, 0), min(r + 1, h - 1)
        for c in range(w):
            one[c] = np.float64(image[low, c]) - np.float64(image[up, c])
        for c in range(w):
            sides = np.float64(one[max(c - 1, 0)]) + np.float64(one[min(c + 1, w - 1)])
            down[r, c] = 2.0 * one[c] + sides
            sides = np.float64(other[up, c]) + np.float64(other[low, c])
            along[r, c] = 2.0 * other[r, c] + sides


@njit(cache=True, nogil=True)
def _moved(image, dy, dx, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """In the order in which SciPy multiplies and adds, as float64."""
    h, w = image.shape
    for r in range(h):
        y = min(max(r + dy, 0.0), h - 1.0)
        i = int(y)
        below, down = min(i + 1, h - 1), y - i
        up = 1.0 - down
        for c in range(w):
            x = min(max(c + dx, 0.0), w - 1.0)
            j = int(x)
            beside, right = min(j + 1, w - 1), x - j
            left = 1.0 - right
            value = np.float64(image[i, j]) * up * left
            value += np.float64(image[i, beside]) * up * right
            value += np.float64(image[below, j]) * down * left
            out[r, c] = value + np.float64(image[below, beside]) * down * right


@njit(cache=True, nogil=True)
def _inner(ok, inner):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    h, w = ok.shape
    for r in range(h):
        for c in range(w):
            all_ = True
            for k in range(max(r - 1, 0), min(r + 2, h)):
                for j in range(max(c - 1, 0), min(c + 2, w)):
                    all_ = all_ and ok[k, j]
            inner[r, c] = all_
