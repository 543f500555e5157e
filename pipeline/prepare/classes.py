"""Classes of other producers as codes of Sentinel-2's scene classification (SCL).

The clear-sky mask reads SCL codes only; what another producer says is translated when it is read.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NO_DATA, SHADOW, LAND, WATER, CLOUD, CIRRUS, SNOW = 0, 3, 5, 6, 9, 10, 11

# Bit of QA_PIXEL → code, later ones win. Source: USGS Landsat 8-9 Collection 2 Level 2 Science
# Product Guide, table of QA_PIXEL. A dilated cloud is a margin, not a cloud: as cirrus it is masked
# with the small margin and is not dilated once more by the large one.
_QA_PIXEL = (
    (7, WATER),
    (5, SNOW),
    (4, SHADOW),
    (1, CIRRUS),
    (2, CIRRUS),
    (3, CLOUD),
    (0, NO_DATA),
)


def scl_codes(values: NDArray[np.generic], decode: str) -> NDArray[np.generic]:
    """Translate classes.

    Parameters
    ----------
    values : integer (H, W)
        As the producer wrote them.
    decode : str
        "" for SCL itself, which comes back as it is; "qa_pixel" for Landsat Collection 2.

    Raises
    ------
    ValueError
        Another scheme.
    """
    if decode == "":
        return values
    if decode != "qa_pixel":
        raise ValueError(f"no classes are known as '{decode}'")
    bits = values.astype(np.uint16)
    out = np.full(bits.shape, LAND, dtype=np.uint8)
    for bit, code in _QA_PIXEL:
        out[(bits >> bit) & 1 == 1] = code
    return out
