"""Fitting a calibration to what turned out true and false, on simulated seeds or from verdicts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from pipeline.adjudicate.calibration import BetaMap, Calibration
from pipeline.adjudicate.intervals import wilson
from pipeline.model import Kind

LEAST = 50  # outcomes without which nothing can be said
_PULL = 1.0  # how strongly a kind is drawn to what all kinds together say [1 / variance]
Reals = NDArray[np.float64]


class Outcome(Protocol):
    """An entry of a list, and whether it was true."""

    @property
    def kind(self) -> str:
        """Code of the kind."""
        ...

    @property
    def detector(self) -> str:
        """Such as zhan/1."""
        ...

    @property
    def confirmed(self) -> bool:
        """Whether imagery confirmed it."""
        ...

    @property
    def score(self) -> float:
        """Uncalibrated, 0..1."""
        ...

    @property
    def true(self) -> bool:
        """Whether it was a problem."""
        ...


O = TypeVar("O", bound=Outcome)  # noqa: E741 - as in *outcome*


def fit(
    outcomes: Sequence[Outcome],
    basis: str,
    detectors: Collection[str],
    kinds: Collection[Kind] = tuple(Kind),
) -> Calibration:
    """Fit one map to all outcomes, then one per kind that is drawn to it.

    Raises
    ------
    ValueError
        With fewer than 50 outcomes: nothing can be said.
    """
    if len(outcomes) < LEAST:
        raise ValueError(f"{len(outcomes)} entries are too few to calibrate; {LEAST} are needed")
    maps = fit_maps(outcomes, kinds)
    return Calibration(basis=basis, detectors=tuple(sorted(detectors)), kinds=maps)


def fit_maps(
    outcomes: Sequence[Outcome], kinds: Collection[Kind] = tuple(Kind)
) -> dict[Kind, BetaMap]:
    """Give the map of each kind, whatever the number of outcomes."""
    common = _fit(outcomes, np.array([0.0, 1.0, 1.0, 1.0]), 0.05)
    maps: dict[Kind, BetaMap] = {}
    for kind in kinds:
        own = [e for e in outcomes if e.kind == kind.value]
        offset, low, high, step = (round(float(v), 4) for v in _fit(own, common, _PULL))
        maps[kind] = BetaMap(offset=offset, low=low, high=high, confirmed=step)
    return maps


def reliability(
    outcomes: Sequence[O], told: Callable[[O], float], least: int
) -> list[tuple[int, float, float, tuple[float, float]]]:
    """Sort by confidence into bins of ``least`` or more; (n, confidence, share true, interval)."""
    ordered = sorted(outcomes, key=told)
    n_bins = max(1, len(ordered) // least)
    out: list[tuple[int, float, float, tuple[float, float]]] = []
    for part in np.array_split(np.arange(len(ordered)), n_bins):
        own = [ordered[int(i)] for i in part]
        if own:
            mean = float(np.mean([told(e) for e in own]))
            hits = sum(e.true for e in own)
            out.append((len(own), mean, hits / len(own), wilson(hits, len(own))))
    return out


def _fit(outcomes: Sequence[Outcome], centre: Reals, pull: float) -> Reals:
    """Maximise the likelihood with a normal prior around ``centre``."""
    if not outcomes:
        return centre
    s = np.clip(np.array([e.score for e in outcomes]), 1e-3, 1 - 1e-3)
    step = np.array([float(e.confirmed) for e in outcomes])
    x = np.column_stack([np.ones(len(s)), np.log(s), -np.log(1 - s), step])
    sign = np.where([e.true for e in outcomes], 1.0, -1.0)

    def loss(w: Reals) -> tuple[float, Reals]:
        margin = sign * (x * w).sum(
            axis=1
        )  # four columns: threads of a product only get in the way
        value = np.logaddexp(0, -margin).sum() + pull / 2 * ((w - centre) ** 2).sum()
        slope = -(x * (sign * expit(-margin))[:, None]).sum(axis=0) + pull * (w - centre)
        return float(value), slope

    bounds = [(-20, 20), (0, 20), (0, 20), (-20, 20)]
    return np.asarray(minimize(loss, centre, jac=True, method="L-BFGS-B", bounds=bounds).x)
