"""Which of the kinds an object of changed ground is, once all its dates are known.

Starting weights from first principles (science, section 4), untuned: at 10 m a heap and a building
often cannot be told apart, so every kind keeps its score; where two lie near each other
(:attr:`pipeline.model.Case.kinds_alike`) neither is decided, and a drone or a visit decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipeline.detect.medians import weighted_median
from pipeline.model import Kind

_RISEN = (2.5, 3.5)  # deviations of the water score: none of a mixture, all of it
_WATER = 0.3  # water score of small still water
_DRY = -0.3  # water score before, above which ground was half wet already
_MIXED_M2 = 3500.0  # a pond that has no pixel of its own is small, with its spoil
_MOST = 0.5  # score of 乱采 by a mixture; dry and dark covers mix alike, and stay told beside it
_MIXTURE = ("water", "expected_water", "z_water", "bare", "area_m2")


class KindOptions(BaseModel):
    """Where the signs tip."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    roof_index: float = Field(
        default=0.07, ge=-0.2, le=0.4, description="BSI: roofs and concrete below, soil above"
    )
    roof_step: float = Field(default=0.03, gt=0, le=0.2, description="BSI over which that tips")
    bar_weight: float = Field(
        default=0.75, ge=0, le=1, description="share of 乱采 in a bare object on a bar"
    )
    pond_share: float = Field(
        default=0.3, gt=0, le=0.5, description="share of lasting water that makes it a pit"
    )
    growth: float = Field(
        default=1.6, ge=1, le=10, description="last over first area of what grows by loads"
    )
    earth_redness: float = Field(
        default=0.2,
        ge=0.1,
        le=0.5,
        description="(red - green) / (red + green) from which bare ground is earth",
    )
    earth_dug: float = Field(
        default=0.45,
        ge=0,
        lt=0.5,
        description="share of 乱采 in bare earth on land: dug (取土) and heaped earth look alike",
    )


def kind_scores(
    measures: Sequence[Mapping[str, float]], options: KindOptions | None = None
) -> dict[Kind, float]:
    """Score 乱采, 乱堆 and 乱建 for one object.

    Parameters
    ----------
    measures : sequence of mapping
        Of its sightings, in time order (:func:`pipeline.detect.disturb.examine`); at least one.

    Returns
    -------
    dict
        Scores that sum to 1, rounded to 3 digits, best first; equal ones in the order cai, dui,
        jian.
    """
    o = options or KindOptions()

    def middle(*names: str, some: Sequence[Mapping[str, float]] = measures) -> float:
        each = np.array([[m.get(n, np.nan) for n in names] for m in some])
        areas = np.array([m["area_m2"] for m in some])
        return weighted_median(np.fmax.reduce(each, axis=1), areas)

    # A pond in which SWIR sees the banks is water on some dates, and only dark on the others. It
    # fills once it is dug: that a pit was dry before says nothing.
    water = ("wet_share", "hollow_share")
    later = measures[len(measures) // 2 :]
    wet = max(middle(*water), middle(*water, some=later))
    bar = middle("bar_share")
    pond = min(1.0, wet / (2 * o.pond_share))  # no roof and no heap holds water
    dark = any(m.get("dark") for m in measures)  # as far on the way to water by that alone
    for some in () if dark else (measures, later):
        told = _mixed(*(middle(n, some=some) for n in _MIXTURE))
        pond = max(pond, min(_MOST, told / (2 * o.pond_share)))
    dig = pond + (1 - pond) * bar * o.bar_weight
    dry = 1 - dig
    roof = _roof(middle("bare"), middle("rectangularity"), _growth(measures), o)
    heap = dry * (1 - roof)
    # What the pit takes from the heap makes neither it nor the roof the better one.
    earth = min(_earth(middle, o) * max(0.0, heap - dig), max(0.0, heap - dry * roof))
    return _ranked({Kind.CAI: dig + earth, Kind.DUI: heap - earth, Kind.JIAN: dry * roof})


def of_mixture(scores: Mapping[Kind, float]) -> dict[Kind, float]:
    """Give the scores of what is half way to water by its measures: half of it 乱采, and not less.

    ``scores`` are of :func:`kind_scores`, and so are those given.
    """
    before = scores[Kind.CAI]
    dig = max(_MOST, before)
    rest = (1 - dig) / (1 - before) if before < 1 else 0.0
    return _ranked({k: dig if k is Kind.CAI else scores[k] * rest for k in sorted(scores)})


def _ranked(scores: Mapping[Kind, float]) -> dict[Kind, float]:
    rounded = {k: round(v, 3) for k, v in scores.items()}
    return dict(sorted(rounded.items(), key=lambda item: -item[1]))


def water_scores(
    measures: Sequence[Mapping[str, float]], options: KindOptions | None = None
) -> dict[Kind, float]:
    """Score 乱占 and 乱采 for ground that stands where water belongs.

    Land that hangs together with the shore is an occupation; an island on a bar is most often a
    heap that a dredger or a digger left. ``measures`` are of the sightings
    (:func:`pipeline.detect.zhan.examine`); empty where only 乱占 was weighed.
    """
    o = options or KindOptions()
    island = float(np.mean([m.get("island", 0.0) for m in measures]) > 0.5)
    bar = float(np.median([m.get("bar_share", 0.0) for m in measures]))
    if bar < 0.5:
        return {}
    dig = o.bar_weight * (0.5 + island / 2)
    scores = {Kind.CAI: round(dig, 3), Kind.ZHAN: round(1 - dig, 3)}
    return dict(sorted(scores.items(), key=lambda item: -item[1]))


def _mixed(score: float, before: float, deviations: float, index: float, area_m2: float) -> float:
    """Give the share of water in what has no pure pixel of it, from the mean water score.

    Of a pond of 20 to 30 m neither SWIR nor near infrared has a pixel without banks and spoil. It
    is lighter than the plants that it took the place of, and yet its water score rises half way
    to that of water; soil and sand lower it, heaps, yards and roofs hardly raise it. So small dry
    ground that rose far is taken for a mixture of what it was and water. Tarmac, felt and panels
    rise as far: a mixture is no water yet. Without SWIR (no ``index``) all that is dry is
    wetter than plants, and nothing is told.
    """
    known = np.isfinite([score, before, deviations, index]).all()
    if not known or before > _DRY or area_m2 > _MIXED_M2:
        return 0.0
    sure = np.clip((deviations - _RISEN[0]) / (_RISEN[1] - _RISEN[0]), 0, 1)
    return float(sure * np.clip((score - before) / (_WATER - before), 0, 1))


def _earth(middle: Callable[[str], float], o: KindOptions) -> float:
    """Give the share of a heap that may as well be a pit, of red earth; of anything else none.

    Earth that was dug shows the same subsoil as earth that was heaped. Roofs and rubble are no
    earth; sand is neither red nor dug on land.
    """
    index, red = middle("bare"), middle("redness")
    return o.earth_dug if index >= o.roof_index + o.roof_step and red >= o.earth_redness else 0.0


def _growth(measures: Sequence[Mapping[str, float]]) -> float:
    areas = [m["area_m2"] for m in measures]
    k = max(1, len(areas) // 3)
    return float(np.median(areas[-k:]) / max(np.median(areas[:k]), 1.0))


def _roof(index: float, rectangularity: float, growth: float, o: KindOptions) -> float:
    """Probability-like score that bare ground is built upon and not heaped upon."""
    sign = 0.0 if np.isnan(index) else (o.roof_index - index) / o.roof_step
    sign += (rectangularity - 0.7) * 2 if np.isfinite(rectangularity) else 0.0
    sign -= 0.7 if growth >= o.growth else 0.0
    return float(1 / (1 + np.exp(-np.clip(sign, -4, 4))))
