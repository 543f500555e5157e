"""Where trees stood, soil that is bare by its colour alone must stay so for half a year."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.config import GroundOptions
from pipeline.passes import ground_measures
from pipeline.passes.ground_measures import felled


@pytest.mark.parametrize(
    ("ndvi", "red", "days"),
    [
        (0.15, 0.28, 90.0),  # soil by any measure
        (0.25, 0.28, 180.0),  # red soil, or red soil with shoots and brash on it
        (0.25, 0.10, 90.0),  # no soil is as green; its looks are never certain (soil_ndvi)
    ],
)
def test_red_soil_with_as_much_ndvi_as_brash_waits_longer(
    monkeypatch: pytest.MonkeyPatch, ndvi: float, red: float, days: float
) -> None:
    monkeypatch.setattr(ground_measures, "wooded_share", lambda *_: 1.0)
    monkeypatch.setattr(ground_measures, "only_felled", lambda *_: True)
    monkeypatch.setattr(ground_measures, "by_pass", lambda _: [])
    monkeypatch.setattr(ground_measures, "pixels_to_mask", lambda *_: np.ones((1, 1), bool))
    monkeypatch.setattr(ground_measures, "window_of", lambda *_: None)

    class Anything:
        rows = cols = np.zeros(1, np.int32)

        def given(self, _: object) -> tuple[None, None]:
            return None, None

    any_: Any = Anything()
    measures = {"barest_ndvi": ndvi, "redness": red, "wait_days": 90.0}
    out = felled(any_, any_, any_, measures, GroundOptions())
    assert out["felled"] == 1.0
    assert out["wait_days"] == days
