"""What a whole region did on a date: taken out before a pixel is compared with its normal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.detect.change_options import ChangeOptions
from pipeline.detect.deviations import count_residuals
from pipeline.detect.features import MODELLED
from pipeline.detect.ground_kinds import BAR
from pipeline.detect.look_surface import Float, Surface, strata
from pipeline.model import Ground, Window

N_STRATA = 4  # of expected NDVI: bare, mixed, green; and bars, which lighten while they dry
_RESIDUAL_BINS = 161
_RESIDUAL_STEP = 0.005  # residuals of -0.4..0.4 in steps of this; the ends collect the rest


def tally_residuals(surface: Surface, core: Window, n_reach: int) -> NDArray[np.int64]:
    """Count residuals of one tile's core, int64 (n_reach + 1, N_STRATA, 3, bins); tiles add up."""
    use = surface.ground & (surface.reach > 0) & (surface.state != Ground.WET)
    where = (use, strata(surface), surface.reach)
    out = np.zeros((len(MODELLED), n_reach + 1, N_STRATA, _RESIDUAL_BINS), np.int64)
    part = core.within(surface.window)
    count_residuals(surface.seen, surface.expected, where, part, _RESIDUAL_STEP, out)
    return np.moveaxis(out, 0, 2)


def regional_offsets(
    total: NDArray[np.signedinteger], options: ChangeOptions | None = None
) -> Float:
    """Give what the region did on a date: float32 (n_reach + 1, N_STRATA, 3), to be subtracted.

    The median of a stratum of the reach; of the whole corridor where the reach has too few pixels,
    and for bars, of which a mine may take most of a reach; zero where even that has too few.
    """
    o = options or ChangeOptions()
    everywhere = total.sum(axis=0)
    out = np.zeros(total.shape[:3], np.float32)
    for index in np.ndindex(*total.shape[:3]):
        own = total[index] if index[1] != BAR else everywhere[index[1:]]
        for hist in (own, everywhere[index[1:]]):
            if hist.sum() >= o.region_pixels:
                middle = int(np.searchsorted(np.cumsum(hist), (hist.sum() + 1) / 2))
                out[index] = (middle - _RESIDUAL_BINS // 2) * _RESIDUAL_STEP
                break
    return out
