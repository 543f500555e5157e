"""What the drawing is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from pipeline.model import Grid, Look

Language = Literal["zh", "en"]
Rgb = NDArray[np.uint8]
"""(H, W, 3)"""


@dataclass(frozen=True)
class Picture:
    """The ground around a case as one look shows it."""

    pass_id: str
    on: datetime  # UTC
    sensor: str
    bands: Mapping[str, NDArray[np.float32]]  # (H, W) reflectance or share of full scale, NaN: none
    clear: NDArray[np.bool_]  # (H, W) the ground was seen
    gsd_m: float
    height: NDArray[np.float32] | None = None  # (H, W) surface [m], of a drone
    level_rank: float | None = None

    @property
    def shown(self) -> NDArray[np.bool_]:
        """(H, W) has pixels at all."""
        first = next(iter(self.bands.values()))
        return np.isfinite(first)

    @property
    def hidden_share(self) -> float:
        """0..1 of the pixels that are there, under cloud or shadow."""
        there = self.shown
        return float((there & ~self.clear).sum() / max(there.sum(), 1))


@dataclass(frozen=True)
class Missing:
    """Why something is not drawn: a code of ``words`` and what it is about."""

    code: str
    about: str = ""


@dataclass(frozen=True)
class Views:
    """All that is drawn of one case: both pictures lie on ``grid``."""

    grid: Grid
    outline: BaseGeometry  # CRS of the grid
    before: Picture | None
    after: Picture | None
    missing: tuple[Missing, ...] = ()
    rise: NDArray[np.float32] | None = None  # (H, W) after less before [m], of a drone
    whole: bool = True  # the case fits into the ground shown
    of_revision: int | None = None  # pictures were made for this earlier revision


@dataclass(frozen=True)
class Subject:
    """A case as it is published, and how it is told."""

    properties: Mapping[str, Any]  # of its feature (case_schema.json)
    looks: Sequence[Look]
    zone: ZoneInfo
    language: Language = "zh"
    credit: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])  # for case.json alone
