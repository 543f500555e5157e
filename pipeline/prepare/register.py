"""How far each pass lies beside the reference, measured on land and voted over windows.

Every window of a lattice fixed to the corridor's grid gives a sub-pixel shift by cross-correlation
of gradient magnitudes (Guizar-Sicairos, Thurman & Fienup 2008, DOI 10.1364/OL.33.000156) under a
Hann window, which removes the frame's own edges. Water and cloud are left out: both move for
reasons that are not the satellite's. A window counts only if shifting makes the two agree better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy import fft, ndimage

from pipeline.model import Window
from pipeline.prepare.image_steps import Image, inner_of, moved, quantile, sobel
from pipeline.prepare.temporal import NMAD, median_and_spread

Mask = NDArray[np.bool_]


class RegisterOptions(BaseModel):
    """How passes are registered."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size_px: int = Field(default=64, ge=32, le=512, description="Side of a window [px]")
    stride_px: int = Field(default=48, ge=16, le=512, description="Step of the lattice [px]")
    upsample: int = Field(
        default=20, ge=1, le=100, description="Steps per pixel of the sub-pixel search"
    )
    max_shift_px: float = Field(
        default=3.0, gt=0, le=10, description="Larger shifts are not believed"
    )
    least_usable: float = Field(
        default=0.4, gt=0, le=1, description="Clear land share that a window needs"
    )
    least_correlation: float = Field(
        default=0.35,
        gt=0,
        lt=1,
        description="Correlation of gradients after the shift that a window needs",
    )
    least_windows: int = Field(default=3, ge=1, description="Fewest windows for a vote")
    step_px: float = Field(
        default=0.05,
        gt=0,
        le=1,
        description="Uncertainty of the search itself [px], added in quadrature",
    )
    unknown_residual_px: float = Field(
        default=1.0, gt=0, description="Residual [px] of a pass that cannot be registered"
    )


@dataclass(frozen=True, slots=True)
class WindowShift:
    """What one window says.

    ``dy`` and ``dx`` [px] are to be added to the reference's (row, col) to find the same ground in
    the moving image.
    """

    dy: float
    dx: float
    correlation: float  # of gradients after the shift, -1..1


@dataclass(frozen=True, slots=True)
class Vote:
    """The shift of a pass."""

    dy: float  # [px], to add to grid rows
    dx: float  # [px], to add to grid columns
    residual_px: float  # 1 sigma per axis that remains after the shift, local distortion included
    windows: int  # that agreed; 0 if the pass could not be registered

    @property
    def known(self) -> bool:
        """False if too few windows could be matched."""
        return self.windows > 0


def lattice_windows(
    grid_shape: tuple[int, int], size: int, stride: int, parts: Sequence[Window] | None = None
) -> list[Window]:
    """Give windows at fixed positions of a grid, in row-major order.

    The lattice starts at the grid's corner, whatever the tiling; windows that do not fit are left
    out, except that a grid smaller than a window has one, as large as it can be. ``parts``: only
    those that meet one of these windows; all by default.
    """
    starts = [np.arange(0, max(length - size, 0) + 1, stride) for length in grid_shape]
    rows, cols = starts
    wanted = np.full((rows.size, cols.size), parts is None)
    for part in parts or ():
        across = (rows < part.row1) & (rows + size > part.row0)
        wanted |= across[:, None] & (cols < part.col1) & (cols + size > part.col0)
    return [
        Window(row, min(row + size, grid_shape[0]), col, min(col + size, grid_shape[1]))
        for row, col in ((int(rows[i]), int(cols[j])) for i, j in np.argwhere(wanted))
    ]


def reference_median(stack: Image, clear: Mask) -> Image:
    """Give the median of each pixel over its clear dates; (T, H, W) to (H, W), NaN without any."""
    return median_and_spread(stack, clear)[0]


def window_shift(
    reference: Image, moving: Image, ok_mask: Mask, options: RegisterOptions
) -> WindowShift | None:
    """Measure the shift of one window.

    Parameters
    ----------
    reference : float32 (H, W)
        Reference median; any reflectance with texture on land (red or SWIR before near infrared).
    moving : float32 (H, W)
        The same band of one pass on the same grid, not yet shifted.
    ok_mask : bool (H, W)
        Clear in both and never water.
    options : RegisterOptions
        Search and quality gates.

    Returns
    -------
    WindowShift or None
        None if too little land is seen, the shift is too large, or shifting does not make the two
        images agree.
    """
    return Matched(reference).shift(moving, ok_mask, options)


@dataclass(frozen=True)
class Seen:
    """What of the reference is compared where some of a window is seen."""

    ok: Mask
    inner: Mask
    weight: Image
    texture: Image
    spectrum: NDArray[np.complexfloating[Any, Any]]

    @cached_property
    def _level(self) -> tuple[Image, np.float32, np.float32]:
        """Give the texture less its weighted mean, the power of that, and the sum of weights."""
        total = self.weight.sum()
        level = self.texture - (self.texture * self.weight).sum() / total
        return level, (level * level * self.weight).sum(), total

    def correlation(self, other: Image) -> float:
        """Correlate the texture with another one under the weight, -1..1."""
        a, own, total = self._level
        b = other - (other * self.weight).sum() / total
        power = float(np.sqrt(own * (b * b * self.weight).sum()))
        return float((a * b * self.weight).sum()) / power if power > 0 else 0.0


class Matched:
    """A window of the reference, against which several looks are measured.

    Most looks see the same of it, so that its own part is made once for those in a row.
    """

    def __init__(self, reference: Image) -> None:
        self._reference, self._known = reference, np.isfinite(reference)
        self._last: Seen | None = None

    def shift(self, moving: Image, ok_mask: Mask, options: RegisterOptions) -> WindowShift | None:
        """Measure a look as :func:`window_shift`."""
        ok = ok_mask & self._known & np.isfinite(moving)
        if np.count_nonzero(ok) / ok.size < options.least_usable:
            return None  # of which the inner part is no more
        seen = self._seen(ok, options)
        if seen is None:
            return None
        second = _texture(moving, ok, seen.inner, seen.weight)
        if second is None:
            return None
        spectrum = np.asarray(fft.fftn(second * seen.weight))
        found = shift_between(seen.spectrum, spectrum, options.upsample)
        dy, dx = -float(found[0]), -float(found[1])
        if max(abs(dy), abs(dx)) > options.max_shift_px:
            return None
        before = seen.correlation(second)
        after = seen.correlation(moved(second, dy, dx))
        if after < options.least_correlation or after < before - 0.02:
            return None
        return WindowShift(dy, dx, after)

    def _seen(self, ok: Mask, options: RegisterOptions) -> Seen | None:
        if self._last is not None and np.array_equal(self._last.ok, ok):
            return self._last
        inner = inner_of(ok)
        if np.count_nonzero(inner) / inner.size < options.least_usable:
            return None
        if inner.all():
            weight = _whole_weight(ok.shape)
        else:
            weight = _hann(ok.shape) * ndimage.gaussian_filter(inner.astype(np.float32), 2.0)
            weight = np.where(inner, weight, np.float32(0))
        texture = _texture(self._reference, ok, inner, weight)
        if texture is None:
            return None
        spectrum = np.asarray(fft.fftn(texture * weight))
        self._last = Seen(ok, inner, weight, texture, spectrum)
        return self._last


def vote(shifts: Sequence[WindowShift], options: RegisterOptions) -> Vote:
    """Take the robust middle of what the windows say.

    The residual is what one place on the ground must still expect: the scatter of the windows
    (which holds local distortion), the error of their middle, and the step of the search.
    """
    unknown = Vote(0.0, 0.0, options.unknown_residual_px, 0)
    if len(shifts) < options.least_windows:
        return unknown
    points = np.array([(s.dy, s.dx) for s in shifts], dtype=np.float64)
    middle, sigma = _robust(points)
    distance = np.hypot(*(points - middle).T)
    kept = points[distance <= np.maximum(3.0 * np.hypot(*sigma), 3 * options.step_px)]
    if len(kept) < max(options.least_windows, len(points) / 2):
        return unknown
    middle, sigma = _robust(kept)
    # Of few windows the NMAD may be zero by chance; the plain deviation is not.
    sigma = np.maximum(sigma, kept.std(axis=0, ddof=min(1, len(kept) - 1)))
    scatter = float((sigma**2).mean()) * (1.0 + np.pi / 2 / len(kept))
    residual = float(np.sqrt(scatter + options.step_px**2))
    return Vote(float(middle[0]), float(middle[1]), residual, len(kept))


def _robust(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    middle = np.median(points, axis=0)
    return middle, NMAD * np.median(np.abs(points - middle), axis=0)


@lru_cache(maxsize=8)
def _hann(shape: tuple[int, ...]) -> Image:
    return np.outer(np.hanning(shape[0]), np.hanning(shape[1])).astype(np.float32)


@lru_cache(maxsize=8)
def _whole_weight(shape: tuple[int, ...]) -> Image:
    """Give the weight of a window of which all is seen, as most are away from the river."""
    smooth = ndimage.gaussian_filter(np.ones(shape, np.float32), 2.0)
    weight = np.asarray(_hann(shape) * smooth, np.float32)
    weight.setflags(write=False)  # it is shared
    return weight


def _texture(image: Image, ok: Mask, inner: Mask, weight: Image) -> Image | None:
    """Gradient magnitude less its weighted mean, 0 where unusable; None if there is no texture.

    Holes are filled with the mean before the gradient and with zero after it, so that the outline
    of a mask, which both images share, does not pull the shift towards zero.
    """
    filled = image if ok.all() else np.where(ok, image, np.float32(image[ok].mean()))
    gradient = np.hypot(*sobel(filled))
    # A few roofs must not outvote all fields: the strongest percent is cut.
    every = bool(inner.all())
    gradient = np.minimum(gradient, quantile(gradient.ravel() if every else gradient[inner], 0.99))
    total = float(weight.sum())
    gradient = gradient - float((gradient * weight).sum()) / total
    gradient = gradient if every else np.where(inner, gradient, np.float32(0))
    power = float((gradient**2 * weight).sum()) / total
    return np.asarray(gradient, np.float32) if power > 1e-10 else None


def shift_between(
    reference: NDArray[np.complexfloating[Any, Any]],
    moving: NDArray[np.complexfloating[Any, Any]],
    upsample: int,
) -> NDArray[np.float32]:
    """Give the shift of :func:`skimage.registration.phase_cross_correlation`, without its errors.

    Of the Fourier transforms of two images, complex64 (H, W), without NaN. The same steps with the
    same numbers, for a correlation that is not normalized (Guizar-Sicairos, Thurman & Fienup 2008,
    DOI 10.1364/OL.33.000156). What it gives besides, and asks of its arguments, is more than half
    of its time for a window of 64 px.

    Returns
    -------
    float32 (2,)
        [px], to a step of ``upsample``, by rows and columns.
    """
    product = reference * moving.conj()
    shape = product.shape
    rough = np.array(_highest(np.asarray(fft.ifftn(product))), np.float32)
    for axis, length in enumerate(shape):
        if rough[axis] > length // 2:
            rough[axis] -= length
    if upsample == 1:
        return np.where(np.array(shape) == 1, np.float32(0), rough)
    steps = np.float32(upsample)
    shift = np.round(rough * steps) / steps
    region = np.ceil(steps * 1.5)
    middle = np.trunc(region / 2.0)
    offset = middle - shift * steps
    fine = product.conj()
    for axis in (1, 0):
        fine = np.dot(_kernel(shape[axis], upsample, float(offset[axis])), fine.T)
    shift += (np.array(_highest(fine.conj()), np.float32) - middle) / steps
    return np.where(np.array(shape) == 1, np.float32(0), shift)


def _highest(correlation: NDArray[np.complexfloating[Any, Any]]) -> tuple[int, int]:
    place = int(np.argmax(np.abs(correlation)))
    return divmod(place, correlation.shape[1])


@lru_cache(maxsize=512)
def _kernel(length: int, upsample: int, offset: float) -> NDArray[np.complex64]:
    """Give the Fourier terms of one axis for the steps around a shift; few shifts occur."""
    place = np.arange(np.ceil(np.float32(upsample) * 1.5)) - np.float32(offset)
    phase = place[:, None] * np.asarray(fft.fftfreq(length, float(upsample)))
    return np.exp(-1j * 2 * np.pi * phase).astype(np.complex64)
