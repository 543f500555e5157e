"""What a drone flight shows, and how well two of them fit."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.model.grids import Window


class Cover(IntEnum):
    """What one flight says of one cell (uint8 code)."""

    VOID = 0  # no picture
    GROUND = 1  # bare, built or sealed: its surface can be compared
    VEGETATION = 2  # green and rough: its surface moves with wind and season
    WATER = 3  # has no surface
    GRASS = 4  # green and smooth: it hides a little of the ground


@dataclass(frozen=True)
class FlightPixels:
    """A window of one flight as its reader gives it; pixels outside the mosaic are not valid."""

    colour: NDArray[Any]  # uint8 or uint16 (band, H, W): red, green, blue, then maybe near infrared
    valid: NDArray[np.bool_]  # (H, W) has a picture
    height: NDArray[np.float32] | None  # (H, W) surface [m], NaN where there is none


class FlightReader(Protocol):
    """Gives windows of one flight on a grid that both flights of a pair share.

    ``window`` counts full pixels and may reach outside the mosaic; ``step`` asks for one value per
    ``step`` by ``step`` pixels (an overview will do), shape ``ceil(window.shape / step)``.
    """

    def __call__(self, window: Window, step: int) -> FlightPixels:
        """Read."""
        ...


@dataclass(frozen=True)
class FlightCells:
    """A window of one flight in cells of a few pixels."""

    colour: NDArray[np.float32]  # (3, H, W) red, green, blue as shares of full scale, 0..1
    nir: NDArray[np.float32] | None  # (H, W), the same
    valid: NDArray[np.bool_]  # (H, W) more than half of the cell has a picture
    height: NDArray[np.float32] | None  # (H, W) [m], NaN where less than half has a surface
    cell_m: float  # side of a cell [m]


@dataclass(frozen=True)
class SurfaceNoise:
    """How much two co-registered surfaces of unchanged ground differ.

    ``sigma_m`` [m] is of the difference of one cell, by class of slope and of roughness, whose
    upper bounds are ``slopes`` [1] and ``roughs`` [m]. The correlation at a distance h [m] is
    ``sum(shares * exp(-(h / ranges_m) ** powers))``; a share of range 0 is the cell's own.
    """

    slopes: tuple[float, ...]  # ascending, one less than rows of sigma_m
    roughs: tuple[float, ...]  # ascending, one less than columns of sigma_m
    sigma_m: NDArray[np.float64]  # (slope, rough)
    ranges_m: tuple[float, ...]
    powers: tuple[int, ...]  # 1 exponential, 2 Gaussian
    shares: tuple[float, ...]  # sum to 1
    edge_m: float = 0.0  # 1 sigma an axis, of what is left of the registration from place to place
    cells: int = 1  # of these along the side of a cell that is asked about


@dataclass(frozen=True)
class SurfaceFit:
    """What moves the later surface onto the earlier one.

    ``after(row + shift[0], col + shift[1]) - plane`` is comparable with ``before(row, col)``, with
    ``plane = tilt[0] + tilt[1] * (row - middle[0]) + tilt[2] * (col - middle[1])``; all in metres
    from the grid's corner, rows southwards.
    """

    shift_m: tuple[float, float]
    tilt: tuple[float, float, float]  # [m], [1], [1]
    middle_m: tuple[float, float]
    covariance: NDArray[np.float64]  # (5, 5) of tilt and shift, what is left of their errors
    horizontal_by: Literal["surface", "picture"]
    stable_share: float  # 0..1 of the cells that both surfaces show
    nmad_m: float  # of stable ground after the fit
    residual_m: NDArray[np.float32]  # (8, 8) median of stable ground by block, NaN without any

    def plane(self, rows_m: NDArray[Any], cols_m: NDArray[Any]) -> NDArray[np.float32]:
        """Give what to take off the later surface at these places [m]."""
        c0, cr, cc = self.tilt
        value = c0 + cr * (rows_m - self.middle_m[0]) + cc * (cols_m - self.middle_m[1])
        return np.asarray(value, np.float32)
