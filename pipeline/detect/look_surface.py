"""One look at a window beside what its normal and its level say: what is asked of ground.

The normal is that of :mod:`pipeline.detect.normal`, the level that of the reach on the date. What a
pixel's history cannot say stays unsaid: no model, nothing expected.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.detect.change_options import ChangeOptions
from pipeline.detect.deviations import dry_counts
from pipeline.detect.expect import Baseline
from pipeline.detect.features import MODELLED
from pipeline.detect.ground_kinds import lies, modelled, states_with, strata_of
from pipeline.detect.normal import Normal
from pipeline.model import Ground, Window

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]
T = TypeVar("T", bound=np.generic)

BRIGHT, NDVI, WATER = range(len(MODELLED))

UNDECIDED = 0.05
"""Water scores nearer to zero are those of neither class."""
_LOWER_PX, _LOWER_WET = 50, 0.05  # pixels of a shore that tell, and share that is under water


@dataclass(frozen=True)
class Places:
    """Some pixels of a window: its shape, and the places ``at`` intp (N,) of its raveled image."""

    shape: tuple[int, int]
    at: NDArray[np.intp]

    def take(self, image: NDArray[T]) -> NDArray[T]:
        """Give these pixels of images (..., H, W) as one row, (..., 1, N)."""
        flat = image.reshape(*image.shape[:-2], -1)
        return flat[..., self.at][..., None, :]

    def draw(self, row: NDArray[T], blank: float = 0) -> NDArray[T]:
        """Give the image (H, W) of a row (1, N); ``blank`` elsewhere."""
        out = np.full(self.shape, blank, row.dtype)
        out.ravel()[self.at] = row[0]
        return out


@dataclass(frozen=True)
class Surface:
    """One look at one window against its normal; arrays end in (H, W).

    ``seen`` (3, H, W) and ``expected`` (3, H, W), features of ``MODELLED``; ``spread`` (3, H, W);
    ``state`` Ground codes; ``land`` never wet in history, ``shoal`` wet in part of it, ``bar`` what
    of that was seen dry at levels as low as today's; ``dry``: the level says that it should be dry;
    ``levelled``: there is a level; ``looks`` of the model, 0 without one; ``reach`` 1-based;
    ``bins``: how often history saw water (:func:`pipeline.detect.water_frequency.frequency_bins`).
    """

    window: Window
    seen: Float
    expected: Float
    spread: Float
    state: NDArray[np.uint8]
    land: Bool
    shoal: Bool
    bar: Bool
    dry: Bool
    levelled: Bool
    looks: NDArray[np.uint16]
    reach: NDArray[np.uint16]
    bins: NDArray[np.uint8]
    residual_px: float
    res_m: float = 10.0

    @property
    def ground(self) -> Bool:
        """Clear pixels with a model that should be dry ground, and look as it says."""
        return self.known & (self.land | (self.bar & self.dry))

    @property
    def drained(self) -> Bool:
        """Clear pixels with a model that should not be water.

        A bar lightens for longer than it ever did where today's level is below all of history, but
        water on it is no less unexpected for that.
        """
        return self.known & (self.land | (self.shoal & self.dry))

    @property
    def known(self) -> Bool:
        """Clear pixels with a model."""
        return (self.state != Ground.UNKNOWN) & (self.looks > 0)

    def take(self, places: Places) -> Surface:
        """Give some pixels as one row, all (1, N): what needs no neighbours is asked of those."""
        every = (f.name for f in fields(self))
        arrays = ((name, getattr(self, name)) for name in every)
        return replace(self, **{n: places.take(a) for n, a in arrays if isinstance(a, np.ndarray)})


def surface_of(
    look: tuple[Float, NDArray[np.uint8], float],
    normal: Normal,
    day: float,
    base: Baseline,
    where: tuple[Window, NDArray[np.uint16], float],
    ranks: tuple[Float, Float],
    options: ChangeOptions | None = None,
) -> Surface:
    """Put a look beside its normal.

    Parameters
    ----------
    look : (float32 (3, H, W), uint8 (H, W), float)
        Features, ground codes, and the registration residual [px, 1 sigma].
    normal, base : over the same window
    day : float
        Of the look, in the days of the fit.
    where : (Window, uint16 (H, W), float)
        The window, its reach indices, and the pixel size [m].
    ranks : (float32 (n_reach + 1,), float32 (n_reach + 1,))
        Level rank of the date per reach (NaN unknown), and the highest rank of the history.
    """
    o = options or ChangeOptions()
    seen, state, residual = look
    state = decided(seen, state, o)
    window, reach, res_m = where
    # A bar lightens while it dries: one that lies bare longer than it ever did is unlike itself.
    counts = dry_counts(base.history, reach, ranks[0], o.rank_margin)
    # Without a level only ground that was never wet is expected to be dry, and not for certain.
    land, shoal, bar, dry, levelled = lies(base.bins, reach, ranks, counts, o.dry_looks)
    return Surface(
        window, seen, normal.at(day), normal.spread, state, land, shoal, bar, dry, levelled,
        modelled(normal.looks, base.n_clear, o.least_looks), reach, base.bins, residual, res_m,
    )  # fmt: skip


def decided(seen: Float, state: NDArray[np.uint8], options: ChangeOptions) -> NDArray[np.uint8]:
    """Let the 10 m bands decide where the water score cannot: less near infrared than red is water.

    Parameters
    ----------
    seen : float32 (3, H, W)
        Features of the look.
    state : uint8 (H, W)
        Ground codes; of what is not clear the score is that of a cloud, and far from zero.
    """
    return states_with(seen[WATER], seen[NDVI], state, UNDECIDED, options.water_ndvi)


def around_is_dry(surface: Surface, mask: Bool) -> bool:
    """Tell that no level explains water in ``mask`` (H, W), though none may be known.

    What history saw under water as often as ``mask`` (its median), or more often, and not always,
    lies around it: there is enough of it, and no more than a twentieth is wet. A flood that reaches
    ``mask`` covers such lower ground first. Higher ground around says nothing: a hollow of a bar is
    full at levels that leave the bar's top dry.
    """
    own = np.asarray(ndimage.binary_dilation(mask, np.ones((5, 5))), bool)
    as_low = surface.shoal & (surface.bins >= np.median(surface.bins[mask]))
    lower = as_low & (surface.state != Ground.UNKNOWN) & ~own
    wet = int(np.count_nonzero(lower & (surface.state == Ground.WET)))
    n = int(np.count_nonzero(lower))
    return n >= _LOWER_PX and wet <= _LOWER_WET * n


def strata(surface: Surface) -> NDArray[np.uint8]:
    """Class ground by the vegetation expected on the date: 0 bare, 1 mixed, 2 green; 3 bars."""
    return strata_of(surface.expected[NDVI], surface.shoal)  # bare where nothing is expected
