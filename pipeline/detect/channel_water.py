"""What of the water of one look is the channel's, whose edge is the waterline of a river.

A paddy that stands under water in May, a fish pond and a flooded pit have shores as well, and where
they lie beside the bank theirs pass for the river's; rows of them are as long and narrow as an arm.
The years tell: a piece of water is the channel's if it covers what was water half of the time and
belongs to a channel (:func:`pipeline.detect.channel.cores`). A flood that joins paddies and river
is one piece, and the river's, however wide it is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.detect.channel import cores
from pipeline.detect.channel_pieces import pieces_of
from pipeline.detect.objects import label
from pipeline.detect.water_frequency import UNSEEN

Float = NDArray[np.float32]
_HERE = (0, 0)  # the whole field is one tile
_CORE = 0.1  # of a piece of water, or of the channel, from which one lies over the other


def of_channel(field: Float, bins: NDArray[np.uint8], res_m: float, share: float = 0.25) -> Float:
    """Leave the water that is a channel's.

    Parameters
    ----------
    field : float32 (H, W)
        Positive in water, as :func:`pipeline.detect.waterline.waterline` traces it; NaN unknown.
    bins : uint8 (H, W)
        How often it was water (:mod:`pipeline.detect.water_frequency`).
    res_m : float
        Size of a pixel [m].
    share : float
        Of the largest piece, from which another one is a channel too.

    Returns
    -------
    float32 (H, W)
        A copy, NaN in all other water, so that no line is traced around it; that is all of the
        water where no channel is known. A reservoir, which falls into pieces, is no channel.
    """
    often = np.where(bins == UNSEEN, 0, bins).astype(np.uint8)
    found = pieces_of({_HERE: often}, {_HERE: np.ones(bins.shape, np.uint16)}, res_m)
    core = found.among(_HERE, cores(found.pieces, share))
    with np.errstate(invalid="ignore"):
        water = label(field > 0)
    every = np.bincount(water.ravel())
    over = np.bincount(water[core], minlength=every.size)
    own = (over > 0) & (over >= _CORE * np.minimum(every, np.count_nonzero(core)))
    own[0] = True  # no water
    return np.where(own[water], field, np.nan).astype(np.float32)
