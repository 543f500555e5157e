"""A fill as narrow as a deck is asked whether one leads from it; a wide one is not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from unittest import mock

import numpy as np
import pytest

from pipeline.adjudicate.tracks import Track
from pipeline.config import EpochOptions, GroundOptions
from pipeline.detect.zhan import ZhanOptions
from pipeline.model import Kind, Sighting
from pipeline.passes import piers
from pipeline.passes.watch import WatchOptions

FIRST = datetime(2025, 3, 1, tzinfo=UTC)
OPTIONS = WatchOptions(ZhanOptions(), GroundOptions(), EpochOptions())


def track(high: int, wide: int) -> Track:
    rows, cols = (a.ravel().astype(np.int32) for a in np.mgrid[10 : 10 + high, 20 : 20 + wide])
    seen = Sighting(Kind.ZHAN, "one", FIRST, rows, cols, 0.5, {}, True)
    return Track(Kind.ZHAN, (seen,), rows, cols, rows, cols)


@pytest.mark.parametrize(("high", "wide", "asked"), [(5, 16, True), (6, 6, True), (12, 30, False)])
def test_only_what_is_as_narrow_as_a_deck_may_be_its_pier(
    high: int, wide: int, asked: bool
) -> None:
    nothing: Any = None
    with mock.patch.object(piers, "is_bridge", return_value=True) as question:
        found = piers.goes_on_as_deck(nothing, nothing, track(high, wide), OPTIONS)
    assert (found, question.called) == (asked, asked)
