"""One change of a kilometre in one piece: what it costs is bounded."""

from __future__ import annotations

import multiprocessing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from pipeline.detect.surface_types import Measure, ObjectKind
from pipeline.model import FlightPixels, Grid, Window
from pipeline.passes.flight_windows import FlightOptions
from pipeline.passes.flights import compare_surfaces

N, CELL = 5000, 0.2
GRID = Grid("EPSG:32650", Affine(CELL, 0, 0, 0, -CELL, 0), (N, N))
WIDE_M, HIGH_M = 10.0, 1.5


@dataclass(frozen=True)
class Bank:
    """A reader of made-up ground; ``dam``: with a dyke from one corner to the other."""

    seed: int
    dam: bool

    def __call__(self, window: Window, step: int) -> FlightPixels:
        rows, cols = (np.arange(a, b, step) for a, b in
                      ((window.row0, window.row1), (window.col0, window.col1)))  # fmt: skip
        r, c = rows[:, None], cols[None, :]
        # A number of each place, whatever window it is asked in.
        mixed = (r * 73856093 ^ c * 19349663 ^ self.seed * 83492791) & 0xFFFF
        noise = ((mixed * 2654435761 >> 7) & 1023).astype(np.float32) / 1023 - 0.5
        inside = (r >= 0) & (r < N) & (c >= 0) & (c < N)
        height = 0.002 * r + np.sin(r / 90) * np.cos(c / 70) + 0.06 * noise
        if self.dam:
            across = np.abs(r - c) / np.sqrt(2) * CELL
            height = height + np.clip((WIDE_M / 2 - across) / 1.5, 0, 1) * HIGH_M
        grey = (130 + 60 * noise).astype(np.uint8)
        colour = np.stack([grey, grey, (grey * 0.9).astype(np.uint8)])
        return FlightPixels(colour, inside, np.where(inside, height, np.nan).astype(np.float32))


def compared(
    queue: multiprocessing.Queue[tuple[float, list[tuple[str, Measure, Measure, Measure, float]]]],
) -> None:
    got = compare_surfaces(Bank(1, False), Bank(2, True), GRID, FlightOptions())
    # Not getrusage: across exec it goes on from what the parent held.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = int(status.split("VmHWM:")[1].split()[0]) / 1024
    found = [
        (o.kind.value, o.net_m3, o.footprint_m2, o.height_m, float(o.rows.size * CELL**2))
        for o in got.objects
        if o.net_m3 is not None and o.height_m is not None
    ]
    queue.put((peak, found))


@pytest.mark.thorough
def test_a_dyke_of_a_kilometre_is_measured_within_bounded_memory() -> None:
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=compared, args=(queue,))
    process.start()
    peak_mb, found = queue.get(timeout=600)
    process.join()
    ((kind, volume, foot, high, area),) = found
    off = np.arange(-N + 1, N)
    length = (N - np.abs(off)) * CELL**2  # of each diagonal, times its width
    height = np.clip((WIDE_M / 2 - np.abs(off) / np.sqrt(2) * CELL) / 1.5, 0, 1) * HIGH_M
    assert kind == ObjectKind.PILE
    assert volume.value == pytest.approx(float((length * height).sum()), rel=2e-3)
    true_m2 = float(length[height > 0].sum())
    assert area == pytest.approx(true_m2, rel=0.1)
    assert foot.low < min(area, true_m2) < foot.high
    assert high.low < HIGH_M < high.high
    assert peak_mb < 1200
