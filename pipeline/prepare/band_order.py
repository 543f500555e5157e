"""Is near infrared where the band table says? Asked of plants.

Leaves are bright in near infrared and dark in all visible bands. Where near infrared is exchanged
with one of these they are bright in that one alone, and in "near infrared" as dark as in the
others. Little on the ground is so (blue sheets, strong red floods): soil, sediment, rust and red
roofs are as bright in near infrared as in red or brighter; water, shade, snow, cloud, haze and
glint differ far less from one visible band to the next, or are darker. Blue exchanged with red is
not told: plants and turbid water have either of them brighter, and so does haze.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BANDS = ("blue", "green", "red", "nir")
ORDER = "order"
"""Key of these counts beside the histograms of a date."""

_TIMES, _DIM, _LEAST = 3.0, 0.4, 0.15
RULE = (BANDS, _TIMES, _DIM, _LEAST)
"""All that the counts depend on but the pixels."""


def tally_order(reflectance: NDArray[np.float32]) -> NDArray[np.int64]:
    """Count pixels that are plants if near infrared stands in another band's place.

    Parameters
    ----------
    reflectance : float32 (4, N)
        Of :data:`BANDS`; NaN without data.

    Returns
    -------
    int64 (4,)
        Exchanged with blue, green, red; and all pixels seen. Add them over tiles.
    """
    seen = reflectance[:, np.all(np.isfinite(reflectance), axis=0)]
    out = np.zeros(4, np.int64)
    out[3] = seen.shape[1]
    for i in range(3):
        one, others = seen[i], np.maximum(seen[i - 1 if i else 2], seen[(i + 1) % 3])
        bright = (one > _LEAST) & (one > _TIMES * others)
        out[i] = np.count_nonzero(bright & (seen[3] < _DIM * one))
    return out


def exchanged(counts: NDArray[np.int64], least: float, least_pixels: int) -> str:
    """Say which band near infrared is exchanged with, and how much shows it; "" where nothing does.

    ``least`` is the share of the pixels from which that is said, where there are ``least_pixels``.
    """
    seen = int(counts[3])
    at = int(np.argmax(counts[:3]))
    share = int(counts[at]) / max(seen, 1)
    if seen < least_pixels or share < least:
        return ""
    band = BANDS[at]
    return (
        f"{share:.0%} of the ground is {_TIMES:g} times brighter in {band} than in the other "
        "visible bands and less than half as bright in near infrared, as plants are where "
        f"{band} and nir are exchanged"
    )
