"""Random fields: smooth, periodic, reproducible; and the change from sub-pixels to pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2, rfft2
from scipy.ndimage import zoom

F32 = NDArray[np.float32]
Real = NDArray[np.floating[Any]]
C64 = NDArray[np.complex64]


def to_spectrum(image: F32) -> C64:
    """Transform to the half spectrum, single precision."""
    return np.asarray(rfft2(image), dtype=np.complex64)


def to_image(spectrum: NDArray[np.complexfloating[Any, Any]], n: int) -> F32:
    """Transform a half spectrum back to ``(n, n)``, single precision."""
    return np.asarray(irfft2(spectrum, s=(n, n)), dtype=np.float32)


def generator(seed: int, *keys: int) -> np.random.Generator:
    """Open a stream of its own per purpose, so that adding a draw here moves nothing there."""
    return np.random.default_rng(np.random.SeedSequence(entropy=seed, spawn_key=keys))


def smooth_noise(rng: np.random.Generator, n: int, scale_px: float) -> F32:
    """Draw a periodic Gaussian field.

    Parameters
    ----------
    n : int
        Side [px].
    scale_px : float
        Correlation length [px], sigma of the Gaussian filter.

    Returns
    -------
    F32
        ``(n, n)``, mean 0, standard deviation 1.
    """
    spectrum = to_spectrum(rng.standard_normal((n, n), dtype=np.float32))
    spectrum *= gaussian_transfer(n, scale_px)
    field = to_image(spectrum, n)
    field -= field.mean()
    return (field / field.std()).astype(np.float32)


def gaussian_transfer(n: int, sigma_px: float) -> F32:
    """Transfer function of a Gaussian blur on the half spectrum, ``(n, n // 2 + 1)``."""
    fy = np.fft.fftfreq(n)[:, None]
    fx = np.fft.rfftfreq(n)[None, :]
    return np.exp(-2 * (np.pi * sigma_px) ** 2 * (fy**2 + fx**2)).astype(np.float32)


def power_noise(rng: np.random.Generator, n: int, exponent: float, cut_px: float) -> F32:
    """Draw a periodic fractal field, spectrum ``f**-exponent``, flat beyond ``cut_px`` [px]."""
    spectrum = to_spectrum(rng.standard_normal((n, n), dtype=np.float32))
    fy = np.fft.fftfreq(n)[:, None]
    fx = np.fft.rfftfreq(n)[None, :]
    spectrum *= np.maximum(np.hypot(fy, fx), 1 / cut_px) ** -exponent
    spectrum[0, 0] = 0
    field = to_image(spectrum, n)
    return (field / field.std()).astype(np.float32)


def enlarge(field: Real, factor: float) -> F32:
    """Resample bilinearly, pixel edges aligned."""
    large = zoom(field, factor, order=1, mode="nearest", grid_mode=True)
    return np.asarray(large, dtype=np.float32)


def to_fine(field: Real, factor: int) -> F32:
    """Resample bilinearly to ``factor`` times the resolution, pixel edges aligned."""
    return enlarge(field, factor)


def to_coarse(field: NDArray[np.generic], factor: int) -> F32:
    """Average blocks of ``factor`` by ``factor``; the last two axes are rows and columns."""
    *lead, rows, cols = field.shape
    blocks = field.reshape(*lead, rows // factor, factor, cols // factor, factor)
    return blocks.mean(axis=(-3, -1), dtype=np.float32)


def smoothstep(x: Real, low: float, high: float) -> F32:
    """Rise from 0 at ``low`` to 1 at ``high`` with flat ends."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)
