"""Whether intervals hold the truth: many simple objects under noise that hangs together.

Cells of 0.2 m without a picture: heaps, pits and blocks on a slope, noise of random strength and
range (white, exponential and Gaussian), tilt and lift of the later surface. The whole chain runs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.drone.objects import mask_of, matched
from benchmarks.drone.readers import ArrayReader
from pipeline.detect.surface_types import Measure
from pipeline.model import Grid
from pipeline.passes.flight_windows import FlightOptions
from pipeline.passes.flights import compare_surfaces

F32 = NDArray[np.float32]
CELLS, CELL_M = 400, 0.2


@dataclass(frozen=True)
class Volume:
    """One object that was found: what is true and what was measured."""

    kind: str
    net_m3: float
    net: Measure
    height_m: float
    height: Measure


def field(rng: np.random.Generator, reach_m: float, power: int, n: int = CELLS) -> F32:
    """Draw noise with correlation ``exp(-(h / reach)^power)``, deviation 1, by its spectrum."""
    m = 2 * n
    lag = np.minimum(np.arange(m), m - np.arange(m)) * CELL_M
    h = np.hypot(lag[:, None], lag[None, :])
    spectrum = np.sqrt(np.maximum(np.fft.rfft2(np.exp(-((h / reach_m) ** power))).real, 0))
    white = np.fft.rfft2(rng.standard_normal((m, m)))
    return np.fft.irfft2(white * spectrum, (m, m))[:n, :n].astype(np.float32)


def scene(seed: int) -> tuple[F32, F32, list[tuple[str, NDArray[np.bool_]]], F32]:
    """Give both surfaces, the objects, and the true difference."""
    rng = np.random.default_rng((seed, 77))
    r, c = np.mgrid[0:CELLS, 0:CELLS].astype(np.float32) * CELL_M
    tilt = rng.uniform(-0.08, 0.08, 2)
    ground = tilt[0] * r + tilt[1] * c + 0.3 * ndimage.gaussian_filter(
        rng.standard_normal((CELLS, CELLS)), 25, mode="wrap"
    ) * 60  # fmt: skip
    dz = np.zeros((CELLS, CELLS), np.float32)
    objects: list[tuple[str, NDArray[np.bool_]]] = []
    lattice = [(y, x) for y in range(1, 5) for x in range(1, 5)]
    for y, x in lattice:
        if rng.random() < 0.3:
            continue
        v, u = r - y * 16 + rng.uniform(-2, 2), c - x * 16 + rng.uniform(-2, 2)
        kind = str(rng.choice(["pile", "pit", "block"]))
        size = float(rng.uniform(1.8, 4.5))
        turn = float(rng.uniform(0, np.pi))
        a, b = v * np.cos(turn) + u * np.sin(turn), u * np.cos(turn) - v * np.sin(turn)
        if kind == "pile":
            own = np.maximum(size - np.hypot(a / float(rng.uniform(1, 1.4)), b), 0)
            own = own * np.tan(np.radians(rng.uniform(28, 36)))
        elif kind == "pit":
            inside = np.minimum(size - np.abs(a), size * 0.8 - np.abs(b))
            own = -np.minimum(np.maximum(inside, 0), float(rng.uniform(0.6, 2)))
        else:
            own = float(rng.uniform(2.4, 6)) * ((np.abs(a) < size) & (np.abs(b) < size * 0.7))
        objects.append((kind, own != 0))
        dz += own.astype(np.float32)
    noise = [np.zeros((CELLS, CELLS), np.float32) for _ in range(2)]
    terms = [(0.01, 0.05, 1), (float(rng.uniform(0.01, 0.03)), float(rng.uniform(0.4, 1.5)), 1),
             (float(rng.uniform(0.0, 0.02)), float(rng.uniform(3, 10)), 2)]  # fmt: skip
    for own_noise in noise:
        for sigma, reach, power in terms:
            np.add(own_noise, sigma * field(rng, reach, power), out=own_noise)
    plane = rng.uniform(-0.3, 0.3) + rng.uniform(-2e-3, 2e-3) * r + rng.uniform(-2e-3, 2e-3) * c
    before = (ground + noise[0]).astype(np.float32)
    after = (ground + dz + noise[1] + plane).astype(np.float32)
    return before, after, objects, dz


def volumes(seed: int) -> list[Volume]:
    """Measure the objects of one scene."""
    before, after, objects, dz = scene(seed)
    rng = np.random.default_rng((seed, 78))
    grey = np.repeat(rng.integers(90, 170, (1, CELLS, CELLS), dtype=np.uint8), 3, axis=0)
    grid = Grid("EPSG:32650", Affine(CELL_M, 0, 0, 0, -CELL_M, 0), (CELLS, CELLS))
    got = compare_surfaces(
        ArrayReader(grey, before), ArrayReader(grey, after), grid, FlightOptions()
    )
    match, _ = matched([m for _, m in objects], [mask_of(o, grid.shape) for o in got.objects])
    out: list[Volume] = []
    for i, j in match.items():
        kind, mask = objects[i]
        found = got.objects[j]
        if found.net_m3 is None or found.height_m is None:
            continue
        own = dz[mask]
        own = own[np.abs(own) > 0.15]  # the footprint of what has no walls
        top = np.sort(np.abs(own))[-max(1, own.size // 10) :].mean() * np.sign(own.sum())
        height = float(own.mean()) if kind == "block" else float(top)
        net = float(dz[mask].sum(dtype=np.float64)) * CELL_M**2
        out.append(Volume(kind, net, found.net_m3, height, found.height_m))
    return out
