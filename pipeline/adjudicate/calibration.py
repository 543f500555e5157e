"""From an order to a share: how often entries with such evidence were true.

Beta calibration (Kull, Silva Filho & Flach 2017, doi:10.1214/17-EJS1338SI) of the evidence score,
per kind, with a step of its own for entries that imagery confirmed. It is monotone in the score.
What it says holds for the mix of true and false that it was fitted on, which its ``basis`` names:
before verdicts have come back that is the benchmark, where true cases are far more frequent than
along a river.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pipeline.model import NO_SWIR, Case, EvidenceState, Kind

_EDGE = 1e-3  # a score is held this far from 0 and 1, where its logarithm ends
Side = Literal["confirmed", "unconfirmed"]
SIDES: tuple[Side, ...] = ("confirmed", "unconfirmed")
_CONFIRMED = (EvidenceState.SUSPECTED, EvidenceState.RELAPSED)


class BetaMap(BaseModel):
    """``logit p = offset + low ln s - high ln(1 - s) + confirmed [imagery confirmed it]``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    offset: float = Field(ge=-20, le=20, description="logit at the middle, less the rest")
    low: float = Field(ge=0, le=20, description="weight of ln s")
    high: float = Field(ge=0, le=20, description="weight of -ln(1 - s)")
    confirmed: float = Field(ge=-20, le=20, description="step of what imagery confirmed")
    sides: tuple[Side, ...] = Field(
        default=SIDES,
        min_length=1,
        description="what it was fitted on; of the other side only a prior would speak",
    )

    def at(self, score: float, *, confirmed: bool) -> float:
        """Give the calibrated share 0..1 of a score 0..1."""
        s = min(max(score, _EDGE), 1 - _EDGE)
        logit = self.offset + self.low * math.log(s) - self.high * math.log(1 - s)
        logit += self.confirmed if confirmed else 0.0
        return 1 / (1 + math.exp(-logit))


class Counts(BaseModel):
    """Outcomes that a map was fitted on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    true: int = Field(ge=0)
    false: int = Field(ge=0)


class Bin(BaseModel):
    """Entries of like confidence, told by maps that had not seen them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    entries: int = Field(ge=1)
    confidence: float = Field(ge=0, le=1, description="mean that was told")
    share: float = Field(ge=0, le=1, description="that was true")
    low: float = Field(ge=0, le=1, description="end of its interval at 95 %")
    high: float = Field(ge=0, le=1)


class Provenance(BaseModel):
    """Where a proposed calibration comes from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str = Field(description="day and the ledger's number of events")
    made_on: date = Field(description="in the office's zone")
    ledger_events: int = Field(ge=0, description="how far the ledger had come")
    fitted_on: Mapping[str, Counts] = Field(description="by kind and detector, 'dui ground/1'")
    sides: Mapping[str, Counts] = Field(
        default={}, description="by kind and whether imagery had confirmed it, 'dui unconfirmed'"
    )
    left_out: Mapping[str, int] = Field(description="decided cases by why they were not used")
    reliability: tuple[Bin, ...] = Field(description="cross-validated")


class Calibration(BaseModel):
    """Maps by kind, and what they were fitted on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    basis: str = Field(min_length=1, description="what it was fitted on, in words, with the date")
    detectors: tuple[str, ...] = Field(
        min_length=1, description="detectors whose cases it speaks of; others stay uncalibrated"
    )
    kinds: Mapping[Kind, BetaMap] = Field(description="map of each kind")
    provenance: Provenance | None = Field(
        default=None, description="of one that was proposed from verdicts"
    )

    def at(self, kind: Kind, detector: str, score: float, *, confirmed: bool) -> float | None:
        """Give the calibrated share 0..1 of a score; None of what it does not speak of."""
        known = self.kinds.get(kind)
        if known is None or detector not in self.detectors or side_of(confirmed) not in known.sides:
            return None
        return known.at(score, confirmed=confirmed)

    @property
    def basis_word(self) -> Literal["simulated", "verdicts"]:
        """Say in one word what it was fitted on, for every feature that carries a share."""
        return "verdicts" if self.of_verdicts else "simulated"

    @property
    def of_verdicts(self) -> bool:
        """Whether an office's verdicts are behind it, and no simulation."""
        return self.provenance is not None


def side_of(confirmed: bool) -> Side:
    """Name the side of an entry."""
    return "confirmed" if confirmed else "unconfirmed"


def on_one_scale(
    cases: Iterable[Case], confidence: Mapping[str, float] | None
) -> Mapping[str, float]:
    """Give calibrated confidences by case id where every case has one; else none of them.

    A share of true ones and an uncalibrated score are two scales: an order must not mix them.
    """
    known = confidence or {}
    return known if all(c.case_id in known for c in cases) else {}


def calibrated(case: Case, calibration: Calibration | None) -> float | None:
    """Give the calibrated confidence of a case, rounded to 4 digits; None where there is none.

    The simulation's looks have short-wave infrared: of what none with it has shown it says nothing.
    """
    if calibration is None or (case.measures.get(NO_SWIR) and not calibration.of_verdicts):
        return None
    confirmed = case.evidence.state in _CONFIRMED
    share = calibration.at(case.kind, case.detector, case.score, confirmed=confirmed)
    return None if share is None else round(share, 4)
