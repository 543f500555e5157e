"""What every look says of one object of changed ground: it is there, it is not, or nobody can say.

Between the ground that was expected and the object as it was seen lies a line in feature space,
measured in spreads. A look is a hit where it lies nearer to the object, a miss where it lies at the
expected ground. Where the two differ too little to tell (a bare field in winter looks like a heap
of soil), where too little is clear, or where the level hides the place, it is no observation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipeline.detect.around import residuals
from pipeline.detect.look_surface import BRIGHT, NDVI, WATER, Surface, around_is_dry
from pipeline.detect.objects import ring
from pipeline.detect.observe import Observed
from pipeline.model import Ground, Seen

Float = NDArray[np.float32]


class ResembleOptions(BaseModel):
    """When a look counts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    clear_min: float = Field(
        default=0.6, gt=0, le=1, description="clear share of the footprint that a verdict needs"
    )
    apart: float = Field(
        default=3.0, ge=1, le=20, description="spreads between object and ground to tell them"
    )
    hit: float = Field(default=0.5, gt=0, lt=1, description="place on the line from which: a hit")
    miss: float = Field(default=0.3, ge=0, lt=1, description="place up to which: a miss")
    stratum: float = Field(
        default=0.15, gt=0, le=1, description="expected NDVI that may differ in the surroundings"
    )
    around_pixels: int = Field(
        default=30, ge=5, description="pixels around that make a local offset"
    )
    like_bins: int = Field(
        default=4,
        ge=0,
        le=16,
        description="bins of water frequency (of 32) by which a bar's ground may lie higher or "
        "lower and still dries alike",
    )
    like_wet: float = Field(
        default=0.05, ge=0, le=1, description="share of such ground that may be under water"
    )
    like_hits: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="share of such ground that may look like the object, or it is nothing special",
    )


@dataclass(frozen=True)
class Signature:
    """The object as it was seen: features of ``MODELLED``, float32 (3,)."""

    values: Float

    @property
    def watery(self) -> bool:
        """Whether it is water, or mostly: no dry ground has less near infrared than red."""
        return bool(self.values[WATER] > 0 or self.values[NDVI] < 0)


def local_offset(
    footprint: NDArray[np.bool_],
    surface: Surface,
    options: ResembleOptions | None = None,
    *,
    watery: bool = False,
) -> Float:
    """Give what the like ground around an object did on that date, float32 (3,); 0 if unknown.

    ``watery`` objects are asked below all known levels too, where bars have lightened together.
    """
    o = options or ResembleOptions()
    bed = surface.shoal if watery else surface.bar
    on_bar = np.count_nonzero(bed & footprint) >= np.count_nonzero(footprint) / 2
    own = surface.expected[NDVI][footprint]
    middle = float(np.nanmedian(own)) if np.isfinite(own).any() else float("nan")
    residual = residuals(
        (surface.seen, surface.expected),
        (surface.state, surface.looks, surface.land, bed, surface.dry),
        (bed if on_bar else surface.land, ~footprint & ~ring(footprint, 2)),
        (NDVI, middle, o.stratum),
    )
    if residual.shape[1] < o.around_pixels:
        return np.zeros(surface.seen.shape[0], np.float32)
    return np.median(residual, axis=1).astype(np.float32)


def place(surface: Surface, offset: Float, signature: Signature) -> tuple[Float, Float]:
    """Place every pixel on the line from its expected ground (0) to the object (1).

    Returns
    -------
    place, apart : float32 (H, W)
        The place, and the length of the line in spreads; NaN without a model.
    """
    features = (surface.seen, surface.expected, surface.spread)
    seen, expected, spread = (a.reshape(len(a), -1) for a in features)
    at, apart = _placed((seen, expected, spread), offset, signature)
    return at.reshape(surface.state.shape), apart.reshape(surface.state.shape)


def _placed(
    pixels: tuple[Float, Float, Float], offset: Float, signature: Signature
) -> tuple[Float, Float]:
    """Place pixels as :func:`place` does: seen, expected and spread, (F, N) each."""
    seen, expected, spread = pixels
    goal = signature.values[:, None] - expected
    done = seen - offset[:, None] - expected
    length = (goal**2 / spread**2).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = (goal * done / spread**2).sum(axis=0) / length
    return at.astype(np.float32), np.sqrt(length).astype(np.float32)


def resemble(
    footprint: NDArray[np.bool_],
    surface: Surface,
    signature: Signature,
    options: ResembleOptions | None = None,
    *,
    below_known: bool = True,
) -> Observed:
    """Judge one look at one object; ``footprint`` bool (H, W) over the surface's window.

    ``below_known``: where no known level tells what a bar should look like, its like is asked.
    """
    o = options or ResembleOptions()
    total = max(int(np.count_nonzero(footprint)), 1)
    clear = footprint & (surface.state != Ground.UNKNOWN)
    watery = signature.watery
    judged = clear & (_drained(footprint, surface) if watery else surface.ground)
    share = np.count_nonzero(clear) / total
    unknown = Observed(float(share), Seen.UNKNOWN, True)
    if share < o.clear_min:
        return unknown
    if np.count_nonzero(judged) < 0.5 * np.count_nonzero(clear):
        ask = below_known and not watery
        lower = _below_known(footprint, surface, signature, o) if ask else None
        judged = clear & surface.known
        if lower is None or np.count_nonzero(judged) < 0.5 * np.count_nonzero(clear):
            return unknown
        surface, offset = lower, np.zeros(surface.seen.shape[0], np.float32)
    else:
        offset = local_offset(footprint, surface, o, watery=watery)
    if not watery:
        judged &= surface.state != Ground.WET  # water over it says nothing of it
    some = (surface.seen[:, judged], surface.expected[:, judged], surface.spread[:, judged])
    at, apart = _placed(some, offset, signature)
    told = np.isfinite(at)
    if not told.any() or float(np.median(apart[told])) < o.apart:
        return unknown
    where = float(np.median(at[told]))
    if where >= o.hit:
        known = judged.copy()
        known[judged] = told
        alike = _alike(surface, offset, signature, known, o)
        return Observed(float(share), Seen.HIT, True) if alike else unknown
    return Observed(float(share), Seen.MISS, True) if where <= o.miss else unknown


def alike_share(
    footprint: NDArray[np.bool_],
    surface: Surface,
    signature: Signature,
    options: ResembleOptions | None = None,
) -> float:
    """Give the share of a bar's ground that looks like an object on it and lies as high.

    Ground that history saw under water as often (:class:`ResembleOptions`, ``like_bins``) lies as
    high and has dried for as long, on any look and at any level; what it differs from its own
    normal by in the median is what the water did to all of it. NaN where too little of it is seen
    dry, or the object lies on no bar.
    """
    o = options or ResembleOptions()
    found = _as_low(footprint, surface, o)
    if found is None:
        return float("nan")
    moved, like, _ = found
    return _alike_share(moved, like, signature, o)


def _alike_share(
    moved: Surface, like: NDArray[np.bool_], signature: Signature, o: ResembleOptions
) -> float:
    at, _ = place(moved, np.zeros(moved.seen.shape[0], np.float32), signature)
    return float(np.mean(at[like] >= o.hit))


def _below_known(
    footprint: NDArray[np.bool_], surface: Surface, signature: Signature, o: ResembleOptions
) -> Surface | None:
    """Give a bar below all known levels with what its like does there as its expected ground.

    A bar that lies dry for longer than ever is unlike itself, and no history says what it looks
    like: its like is asked (:func:`_as_low`). It lies dry itself, whether or not a level is known;
    None where more than a twentieth is under water, where there is too little of it, or where more
    than a fifth of it looks like the object: then it is nothing special that the place does.
    """
    found = _as_low(footprint, surface, o)
    if found is None:
        return None
    moved, like, wet = found
    if wet > o.like_wet or _alike_share(moved, like, signature, o) > o.like_hits:
        return None
    return moved


def _as_low(
    footprint: NDArray[np.bool_], surface: Surface, o: ResembleOptions
) -> tuple[Surface, NDArray[np.bool_], float] | None:
    """Find the ground around an object on a bar that lies as high as it.

    Ground that history saw under water as often has dried for as long, and by as much.

    Returns
    -------
    Surface, bool (H, W), float
        The surface with what such ground does as expected of all; that ground where it is dry; the
        share of it under water. None off bars, and where too little of it is dry.
    """
    bins = surface.bins.astype(np.int16)
    inside = footprint & surface.shoal
    if np.count_nonzero(inside) < np.count_nonzero(footprint) / 2:
        return None
    middle = float(np.median(bins[inside]))
    like = surface.known & surface.shoal & (np.abs(bins - middle) <= o.like_bins)
    like &= ~footprint & ~ring(footprint, 2)
    wet = np.count_nonzero(like & (surface.state == Ground.WET)) / max(np.count_nonzero(like), 1)
    residual = surface.seen - surface.expected
    dry = like & (surface.state != Ground.WET) & np.isfinite(residual).all(axis=0)
    if np.count_nonzero(dry) < o.around_pixels:
        return None
    offset = np.median(residual[:, dry], axis=1).astype(np.float32)
    return replace(surface, expected=surface.expected + offset[:, None, None]), dry, wet


def _drained(footprint: NDArray[np.bool_], surface: Surface) -> NDArray[np.bool_]:
    """Give where water belongs to no river: by the level, or by the dry shore around it."""
    levelled = np.count_nonzero(surface.levelled[footprint]) >= np.count_nonzero(footprint) / 2
    if not levelled and around_is_dry(surface, footprint):
        return surface.known
    return surface.drained


def _alike(
    surface: Surface,
    offset: Float,
    signature: Signature,
    known: NDArray[np.bool_],
    o: ResembleOptions,
) -> bool:
    """Tell the object from other ground that is as far from what was expected.

    What lies further beside the line than the line is long is something else (a flood, snow); and
    where the object's brightness alone differs from the ground's, the look must have half of that:
    a ploughed field has lost its green like a heap, and is as dark as before.
    """
    spread = surface.spread[:, known]
    goal = (signature.values[:, None] - surface.expected[:, known]) / spread
    done = (surface.seen[:, known] - offset[:, None] - surface.expected[:, known]) / spread
    length = np.sqrt((goal**2).sum(axis=0))
    along = (goal * done).sum(axis=0) / length
    beside = np.sqrt(np.maximum((done**2).sum(axis=0) - along**2, 0))
    if np.median(beside - length) > 0:
        return False
    light, got = float(np.median(goal[BRIGHT])), float(np.median(done[BRIGHT]))
    return abs(light) < o.apart or got / light >= o.hit
