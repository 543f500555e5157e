"""What does not fit is refused before compiled code, which would read what lies beyond it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pipeline.detect.ground_kinds import lies, modelled, states_with, strata_of
from pipeline.detect.level import tally_level
from pipeline.detect.level_band import Band
from pipeline.detect.look_layers import look_layers
from pipeline.detect.neighbours import count
from pipeline.detect.water import WaterOptions
from pipeline.io.unpack import scaled
from pipeline.prepare.image_steps import quantile
from pipeline.prepare.quarantine import QuarantineOptions, deviation_of
from pipeline.prepare.radiometry import difference_histograms


def f(*shape: int) -> Any:
    return np.zeros(shape, np.float32)


def u(*shape: int, value: int = 0) -> Any:
    return np.full(shape, value, np.uint16)


def b(*shape: int) -> Any:
    return np.zeros(shape, np.uint8)


BANDS = {"green": f(5), "red": f(5), "nir": f(5), "blue": f(5), "swir16": f(5)}
CLEAR = np.ones(5, bool)
RULE = QuarantineOptions()


def layers(**other: Any) -> Callable[[], Any]:
    return lambda: look_layers({**BANDS, **other}, CLEAR, WaterOptions(), (1e4, -32768))


@pytest.mark.parametrize(
    "call",
    [
        *(layers(**{name: f(4)}) for name in BANDS),
        layers(green=f(0)),
        lambda: tally_level(b(2, 3), b(2, 2), u(2, 3), 1),
        lambda: tally_level(b(2, 3), b(2, 3), u(2, 2), 1),
        lambda: tally_level(b(2, 3), b(3, 2), u(2, 3), 1),
        lambda: lies(b(2, 2), u(2, 2, value=2), (f(2), f(2)), (u(2, 2), u(2, 2)), 2),
        lambda: lies(b(2, 2), u(2, 2), (f(2), f(1)), (u(2, 2), u(2, 2)), 2),
        lambda: lies(b(2, 2), u(2, 2), (f(2), f(2)), (u(2, 2), u(2, 1)), 2),
        lambda: modelled(u(2, 2), u(2, 1), 3),
        lambda: states_with(f(2, 2), f(2, 2), b(2, 1), 0.1, 0.1),
        lambda: strata_of(f(2, 2), np.zeros((2, 1), bool)),
        lambda: Band(b(3, 3)).stretches(u(3, 2)),
        lambda: count(np.zeros((4, 4), bool), 4),
        lambda: scaled(np.zeros(3, np.int16), np.array([3]), (-32768, 1e4, 0.0)),
        lambda: scaled(np.zeros(3, np.int16), np.array([-4]), (-32768, 1e4, 0.0)),
        lambda: deviation_of(f(2, 5), f(2, 4), f(2, 5), f(2), RULE),
        lambda: deviation_of(f(2, 5), f(2, 5), f(2, 5), f(1), RULE),
        lambda: deviation_of(f(2, 5), f(2, 5), f(2, 6), f(2), RULE),
        lambda: deviation_of(f(2, 5), f(2, 5), f(2, 1), f(2), RULE, np.array([5])),
        lambda: difference_histograms(f(2, 5), f(2, 6), np.arange(6)),
        lambda: difference_histograms(f(2, 5), f(1, 5), np.arange(5)),
        lambda: quantile(f(0), 0.5),
    ],
)
def test_what_does_not_fit_is_refused(call: Callable[[], Any]) -> None:
    with pytest.raises((ValueError, IndexError)):
        call()


def test_pixels_of_reaches_and_bins_that_are_not_counted_are_left_out() -> None:
    state, bins = np.array([[1, 1, 1, 2]], np.uint8), np.array([[0, 1, 9, 0]], np.uint8)
    reach = np.array([[1, 7, 1, 1]], np.uint16)
    assert tally_level(state, bins, reach, 1, 2).sum() == 2


def test_one_band_is_asked_for_two_reaches() -> None:
    band = Band(b(1, 4))
    one, two = u(1, 4, value=1), np.array([[1, 1, 2, 2]], np.uint16)
    for reach, ends in ((one, [4]), (two, [2, 4]), (one, [4])):
        assert band.stretches(reach)[1].tolist() == ends
