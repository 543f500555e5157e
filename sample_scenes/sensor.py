"""The instrument: blur, displacement, sampling, noise, gain and the integers of the product."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sample_scenes.fields import (
    F32,
    gaussian_transfer,
    generator,
    smooth_noise,
    to_coarse,
    to_image,
    to_spectrum,
)
from sample_scenes.options import AT_10M, BANDS, PAD, SampleOptions
from sample_scenes.schedule import Day

QUANTIFICATION = 10_000
BLUR_20M = 1.9  # times the 10 m sigma


def observe(options: SampleOptions, day: Day, radiance: F32) -> dict[str, F32]:
    """Sample ``radiance`` ``(band, row, col)`` on the padded grid into bands of the scene.

    Returns
    -------
    dict
        Band name to reflectance ``(row, col)`` at 10 or 20 m, margin removed, noise included.
    """
    n = options.padded
    rng = generator(options.seed, 8, day.index)
    ripple = smooth_noise(rng, n, 2.0)
    drift = 1 + rng.normal(0, 0.006, len(BANDS))
    fy, fx = np.fft.fftfreq(n)[:, None], np.fft.rfftfreq(n)[None, :]
    dy, dx = day.shift_px
    move = np.exp(-2j * np.pi * (fy * dy + fx * dx)).astype(np.complex64)
    fine = gaussian_transfer(n, options.psf_px) * move
    broad = gaussian_transfer(n, options.psf_px * BLUR_20M) * move
    inner = slice(PAD, PAD + options.size)
    out: dict[str, F32] = {}
    for i, name in enumerate(BANDS):
        transfer = fine if name in AT_10M else broad
        image = to_image(to_spectrum(radiance[i]) * transfer, n)[inner, inner]
        image = image + 0.6 * options.noise * ripple[inner, inner]
        if name not in AT_10M:
            image = to_coarse(image, 2)
        noise = rng.standard_normal(image.shape, dtype=np.float32)
        # Shot noise grows with the light; 0.1 is where the given sigma holds.
        sigma = options.noise * np.sqrt(0.5 + 5 * np.clip(image, 0, 1))
        image = (image + sigma * noise) * (day.gain * drift[i]) + day.bias
        out[name] = image.astype(np.float32)
    return out


def quantise(reflectance: F32, offset: int) -> NDArray[np.uint16]:
    """Turn reflectance into digital numbers: ``DN = 10000 rho + offset``, at least 1 where valid.

    ``offset`` is 1000 from processing baseline 04.00 on (Sentinel-2 Products Specification
    Document, BOA_ADD_OFFSET), else 0.
    """
    scaled = np.rint(reflectance * QUANTIFICATION + offset)
    return np.clip(scaled, 1, 65535).astype(np.uint16)
