"""Bare ground that is the ground which history saw bare at the same place: a field, and no heap.

Fields are cut every year, in another week and after another crop, and lie bare then as they did
before. What the water content of a soil changes is how light it is, and hardly its colour (the soil
line: Richardson & Wiegand 1977; the darkening by water: Lobell & Asner 2002,
doi:10.2136/sssaj2002.7220), so that the same ground seen drier on an earlier look explains it seen
as light or darker now, whatever the season, and however light other fields are. Sand, rubble,
spoil and concrete are of another colour, or lighter than the place ever was when it lay bare.

What history never saw bare has no ground of its own here, and nothing is said of it. The numbers
have no source.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipeline.detect.features import FEATURES
from pipeline.model import Ground

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]

_BRIGHT, _NDVI, _BARE = (FEATURES.index(name) for name in ("bright", "ndvi", "bare"))


class OwnGroundOptions(BaseModel):
    """When bare ground is what lay there bare before."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bare_ndvi: float = Field(
        default=0.35,
        ge=0.1,
        le=0.5,
        description="NDVI up to which a look shows the ground and not what grows on it; stubble "
        "and straw have as much",
    )
    ndvi: float = Field(
        default=0.08, gt=0, le=0.3, description="NDVI by which the same ground may differ"
    )
    index: float = Field(
        default=0.06, gt=0, le=0.3, description="BSI by which the same ground may differ"
    )
    lighter: float = Field(
        default=1.1,
        ge=1,
        le=2,
        description="ratio by which it may be lighter than on a look that explains it: what looks "
        "differ by in gain and haze",
    )
    looks: int = Field(
        default=2, ge=1, le=10, description="earlier looks that must show it: one may be haze"
    )
    share: float = Field(
        default=0.75, gt=0, le=1, description="share of an object's pixels that must be so"
    )
    wait_days: float = Field(
        default=180.0,
        ge=0,
        le=400,
        description="it must have stayed bare so long: a field that is not sown in autumn lies "
        "bare until late spring [d]",
    )


def shows_ground(seen: Float, state: NDArray[np.uint8], o: OwnGroundOptions) -> Bool:
    """Tell where looks show bare ground: ``seen`` (..., 4, N), ``state`` (..., N)."""
    with np.errstate(invalid="ignore"):
        bare = (state == Ground.DRY) & (seen[..., _NDVI, :] <= o.bare_ndvi)
    return bare & np.isfinite(seen).all(axis=-2)


def own_share(
    now: tuple[Float, NDArray[np.uint8]],
    before: tuple[Float, NDArray[np.uint8]],
    options: OwnGroundOptions | None = None,
) -> float:
    """Give the share of an object's pixels that look as they did on earlier looks at bare ground.

    Parameters
    ----------
    now : (float32 (4, N), uint8 (N,))
        Features of ``FEATURES`` and ground codes of the object's pixels on one look.
    before : (float32 (T, 4, N), uint8 (T, N))
        The same of earlier looks.

    Returns
    -------
    float
        Of the pixels that are seen bare now; those that too few earlier looks saw bare are not
        their own ground. NaN where less than half of them are seen bare now.
    """
    o = options or OwnGroundOptions()
    seen, state = now
    bare = shows_ground(seen, state, o)
    if np.count_nonzero(bare) < max(1, bare.size / 2):
        return float("nan")
    then = before[0][:, :, bare]
    known = shows_ground(then, before[1][:, bare], o)
    new = seen[:, bare]
    with np.errstate(invalid="ignore"):
        same = known & (np.abs(then[:, _NDVI] - new[_NDVI]) <= o.ndvi)
        same &= np.abs(then[:, _BARE] - new[_BARE]) <= o.index
        same &= new[_BRIGHT] <= o.lighter * then[:, _BRIGHT]
    return float(np.mean(np.count_nonzero(same, axis=0) >= o.looks))
