"""Ponds among plants so small that no pixel of them is water: half of each is the ground around.

Of a pond of 400 to 900 m² a look at 10 m has two to five pixels most of which is water, SWIR (20 m)
has none, and no index calls any of them water. But each of them lost green, got wetter than it ever
was and not lighter, and most of its near infrared is gone. Soil, rubble and roofs that take the
place of plants are lighter than they are and keep the near infrared; a field or a felling is larger
than such a pond. Plants on the bank are half in the water when it rises: nothing is asked near what
history saw under water.

Each pixel is as surely out of the ordinary as a pure one; only what it is made of is less sure, so
that the object waits as every pond does (:mod:`pipeline.detect.disturb`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.detect.features import MODELLED, near_infrared
from pipeline.detect.ground_kinds import EDGES
from pipeline.detect.neighbours import around, count

if TYPE_CHECKING:
    from pipeline.detect.change import ChangeOptions, Places, Surface

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]

BRIGHT, NDVI, WATER = range(len(MODELLED))
_SHORE_SIDE = 5  # of the square around a pixel in which history saw no water [px]


def among_plants(
    surface: Surface, z: Float, options: ChangeOptions, small: Callable[[], Bool]
) -> Bool:
    """Mark pixels of a row, bool (1, N), half of which is water where plants should stand.

    ``z`` float32 (3, 1, N); ``small`` gives where so few pixels lost their plants that none of them
    need be a pure one, off the shore (:func:`inland`), and is asked where anything hangs on that.
    """
    o, expected = options, surface.expected
    with np.errstate(invalid="ignore"):
        lost = (expected[NDVI] >= EDGES[1]) & (expected[NDVI] - surface.seen[NDVI] >= o.green_lost)
        lost &= (z[NDVI] <= -o.grow_z) & (z[WATER] >= o.grow_z) & (z[BRIGHT] < o.grow_z)
    lost &= surface.ground & surface.land
    if not lost.any():
        return lost
    at = np.nonzero(lost)
    now = near_infrared(surface.seen[BRIGHT][at], surface.seen[NDVI][at])
    before = near_infrared(expected[BRIGHT][at], expected[NDVI][at])
    lost[at] = now <= o.half_nir * before
    return lost & small() if lost.any() else lost


def inland(surface: Surface) -> Bool:
    """Mark pixels (H, W) no mixed pixel of a shore: no water within two pixels in history.

    A pixel of SWIR is as wide, and plants on the bank are half in the water when it rises.
    """
    return count(~surface.land, _SHORE_SIDE) == 0


def beside_plants(
    surface: Surface, z: Float, pond: tuple[Bool, Places], options: ChangeOptions
) -> Bool:
    """Mark ground beside such a pond that lost green, and got wetter, too: its mixed rim."""
    o, (wet, places) = options, pond
    if not wet.any():
        return wet
    near = places.take(around(places.draw(wet))) > 0
    with np.errstate(invalid="ignore"):
        less = (z[NDVI] <= -o.grow_z) & (z[WATER] >= o.grow_z) & (z[BRIGHT] < o.grow_z)
    return near & surface.ground & surface.land & less
