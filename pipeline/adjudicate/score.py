"""An honest number for ordering a list, until verdicts allow a calibrated one.

The confidence is the mean of a Beta posterior: each clear look is a trial, a hit a success weighted
with how strong and how certain it was. Two pseudo-failures against one pseudo-success say that most
suspected patches turn out to be nothing (published yields: 0.6 % to 45 %). It is *not* a
probability: everything that carries it says ``confidence_calibrated: false``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import BaseModel, ConfigDict, Field

from pipeline.model import Look, Seen


class ScoreOptions(BaseModel):
    """Weights of the uncalibrated confidence."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prior_hits: float = Field(
        default=1.0, gt=0, le=100, description="pseudo-hits of the Beta prior"
    )
    prior_misses: float = Field(
        default=2.0, gt=0, le=100, description="pseudo-misses of the Beta prior"
    )
    uncertain_weight: float = Field(
        default=0.5, ge=0, le=1, description="worth of a hit that a change of level could explain"
    )
    default_strength: float = Field(
        default=0.7, ge=0, le=1, description="strength of a hit for which the detector gave none"
    )


def confidence(
    looks: Iterable[Look],
    strengths: Mapping[str, float] | None = None,
    options: ScoreOptions | None = None,
) -> float:
    """Give the uncalibrated confidence of an object.

    Parameters
    ----------
    looks : iterable of Look
        Since the object appeared, one per pass; unknown looks do not count.
    strengths : mapping of str to float, optional
        Strength 0..1 of the sighting by pass id.

    Returns
    -------
    float
        0..1, rounded to 4 digits; grows with hits, falls with misses.
    """
    options = options or ScoreOptions()
    strengths = strengths or {}
    good, bad = options.prior_hits, options.prior_misses
    # Sorted, so that the sum of floats does not depend on the order of arrival.
    for look in sorted(looks, key=lambda look: (look.on, look.pass_id)):
        if look.seen is Seen.MISS:
            bad += 1.0
        elif look.seen is Seen.HIT:
            worth = min(max(strengths.get(look.pass_id, options.default_strength), 0.0), 1.0)
            worth *= 1.0 if look.certain else options.uncertain_weight
            good += worth
            bad += (1.0 - worth) / 2  # a weak hit is weak evidence either way
    return round(good / (good + bad), 4)
