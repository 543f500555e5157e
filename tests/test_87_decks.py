"""A deck is narrow along the water, whichever side of an object is the longer one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast
from unittest import mock

import numpy as np
import pytest

from pipeline.detect.ramps import RampOptions
from pipeline.model import Window
from pipeline.passes import water_outline

WINDOW = Window(0, 30, 0, 30)


@pytest.mark.parametrize(
    ("footprint", "built", "span_px", "deck"),
    [
        # A fill along one bank, 70 m of it, that leaves a pixel of the arm open.
        ((slice(8, 16), slice(10, 14)), (slice(8, 15), slice(10, 13)), 4.0, False),
        # The same from bank to bank: 30 m wide, a dam.
        ((slice(8, 16), slice(10, 14)), (slice(8, 16), slice(10, 13)), 8.0, False),
        # A deck of two pixels over an arm of four, that SWIR blurs to six.
        ((slice(10, 14), slice(8, 14)), (slice(10, 14), slice(10, 12)), 4.0, True),
        ((slice(5, 25), slice(8, 14)), (slice(5, 25), slice(10, 12)), 20.0, True),
        # Most of its dates show water on.
        ((slice(5, 25), slice(8, 14)), (slice(5, 25), slice(10, 12)), 0.0, False),
    ],
)
def test_the_width_of_a_deck_is_measured_across_the_line_from_bank_to_bank(
    footprint: tuple[slice, slice], built: tuple[slice, slice], span_px: float, deck: bool
) -> None:
    rows, cols = np.indices((30, 30))
    inside = np.zeros((30, 30), bool)
    inside[footprint] = True
    track = SimpleNamespace(
        rows=rows[inside], cols=cols[inside],
        sightings=[SimpleNamespace(measures={"span_px": span_px})] * 3,
    )  # fmt: skip
    before = np.full((1, 30, 30), 0.03, np.float32)
    after = before.copy()
    after[0][built] = 0.25
    with mock.patch.multiple(
        water_outline,
        around=mock.Mock(return_value=WINDOW),
        _about_one_level=mock.Mock(return_value=((), ())),
        _middle=mock.Mock(side_effect=[before, after]),
    ):
        states = cast(Any, SimpleNamespace(site=None))
        told = water_outline.is_deck(states, cast(Any, track), ())
    assert told is deck


@pytest.mark.parametrize(
    ("built", "dates", "res_m", "along"),
    [
        ((slice(9, 16), slice(10, 12)), 3, 10.0, True),  # 70 m along the bank
        ((slice(9, 16), slice(10, 12)), 2, 10.0, False),  # too few dates to tell for good
        ((slice(9, 16), slice(10, 12)), 3, 3.0, False),  # a deck is four of these pixels wide
        ((slice(9, 16), slice(10, 12)), 3, 20.0, False),
        ((slice(10, 12), slice(10, 12)), 3, 10.0, False),  # a deck of 20 m, blurred to 70
        (None, 3, 10.0, False),  # what it is made of shows no change in the near infrared
    ],
)
def test_a_strip_along_the_bank_is_wider_than_a_deck_across_the_channel(
    built: tuple[slice, slice] | None, dates: int, res_m: float, along: bool
) -> None:
    """The window of a channel of three pixels is asked of its history, as large as it is."""
    rows, cols = np.indices((30, 30))
    inside = np.zeros((30, 30), bool)
    inside[9:16, 10:12] = True
    track: Any = SimpleNamespace(
        rows=rows[inside], cols=cols[inside], pass_ids=tuple("abc"[:dates])
    )
    before = np.full((1, 30, 30), 0.03, np.float32)
    after = before.copy()
    if built:
        after[0][built] = 0.25
    bins = np.zeros((30, 30), np.uint8)
    bins[:, 10:13] = 31

    def history(window: Window) -> Any:
        assert window == WINDOW
        return SimpleNamespace(bins=bins)

    with mock.patch.multiple(
        water_outline,
        around=mock.Mock(return_value=WINDOW),
        _about_one_level=mock.Mock(return_value=((), ())),
        _middle=mock.Mock(side_effect=[before, after]),
    ):
        grid = SimpleNamespace(res_m=res_m)
        states: Any = SimpleNamespace(site=SimpleNamespace(store=SimpleNamespace(grid=grid)))
        options = RampOptions()
        assert water_outline.lies_along(states, track, (), (history, options)) is along
        none = options.model_copy(update={"pointing": 9.0})
        assert not water_outline.lies_along(states, track, (), (history, none))
