"""What like ground around an object did on one date, gathered in one compiled pass.

It is asked of every look of every object, over windows of which it is a small part.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.model import Ground

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]


def residuals(
    features: tuple[Float, Float],
    ground: tuple[NDArray[np.uint8], NDArray[np.uint16], Bool, Bool, Bool],
    asked: tuple[Bool, Bool],
    ndvi: tuple[int, float, float],
) -> Float:
    """Give what was seen less what was expected, of like ground that is dry and finite.

    Parameters
    ----------
    features : float32 (F, H, W) twice
        Seen, expected.
    ground : uint8, uint16, bool, bool, bool (H, W)
        Ground codes, looks of the model, land, the bed (what history saw as water for a part of
        it), and what the level leaves dry.
    asked : bool (H, W) twice
        Like ground, and what lies away from the object.
    ndvi : (int, float, float)
        Which feature is NDVI, the expected one of the object, and how far it may lie from that; a
        NaN takes nothing.

    Returns
    -------
    float32 (F, N)
        Row-major.
    """
    seen, expected = (np.ascontiguousarray(f).reshape(f.shape[0], -1) for f in features)
    flat = tuple(np.ascontiguousarray(a).ravel() for a in (*ground, *asked))
    which, middle, most = ndvi
    out = np.empty(seen.shape, np.float32)
    n = _residuals(seen, expected, flat, (which, np.float32(middle), np.float32(most)), out)
    return out[:, :n]


_UNKNOWN, _WET = np.uint8(Ground.UNKNOWN), np.uint8(Ground.WET)


@njit(cache=True, nogil=True)
def _residuals(seen, expected, ground, ndvi, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    state, looks, land, bed, dry, like, away = ground
    which, middle, most = ndvi
    n = 0
    for i in range(state.size):
        if not (like[i] and away[i] and (land[i] or (bed[i] and dry[i]))):
            continue
        if state[i] == _UNKNOWN or state[i] == _WET or looks[i] == 0:
            continue
        if not np.abs(expected[which, i] - middle) <= most:
            continue
        finite = True
        for f in range(seen.shape[0]):
            own = seen[f, i] - expected[f, i]
            finite &= np.isfinite(own)
            out[f, n] = own
        n += finite
    return n
