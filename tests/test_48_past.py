"""The packed history says what its looks say, and what is kept of a look comes back as it was."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.detect.expect import Baseline
from pipeline.detect.level import PACKED_LOOKS, pack_states
from pipeline.detect.objects import Rejection
from pipeline.model import Kind, Sighting
from pipeline.passes.book import Found, _packed, _unpacked  # pyright: ignore[reportPrivateUsage]

histories = st.integers(0, 2 * PACKED_LOOKS + 1).flatmap(
    lambda t: st.tuples(
        arrays(np.uint8, (t, 5, 4), elements=st.integers(0, 3)),
        arrays(np.float32, (t, 3), elements=st.sampled_from([np.nan, 0.0, 0.3, 0.31, 0.9, 1.0])),
        arrays(np.uint16, (5, 4), elements=st.integers(0, 2)),
        arrays(np.bool_, (5, 4)),
    )
)


@settings(deadline=None, max_examples=60)
@given(histories)
def test_a_packed_history_is_the_history(given: tuple[np.ndarray, ...]) -> None:
    states, ranks, reach, stored = given
    states = np.where(stored, states, 0).astype(np.uint8)
    packed = pack_states(iter(states), len(states), (5, 4))
    assert (packed >= 0).all()
    packed[:, ~stored] = -32768  # as a store gives what it does not hold
    whole, folded = Baseline.build(states, ranks, reach), Baseline.fold(packed, ranks, reach)
    for name in ("bins", "n_clear", "band"):
        assert np.array_equal(getattr(whole, name), getattr(folded, name)), name
    for name in ("ranks", "wet", "dry"):
        one, other = getattr(whole.history, name), getattr(folded.history, name)
        assert one.dtype == other.dtype, name
        assert np.array_equal(one, other), name


def sighting(pixels: list[tuple[int, int]]) -> Sighting:
    rows, cols = (np.array([p[k] for p in pixels], np.int32) for k in (0, 1))
    measures = {"wait_days": 1 / 3, "soil": float("nan")}
    on = datetime(2025, 2, 3, 3, 1, 2, 345, tzinfo=UTC)
    return Sighting(Kind.CAI, "p1", on, rows, cols, 0.1 + 0.2, measures, certain=False)


sparse = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=4)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(sparse, sparse), max_size=3), st.lists(st.booleans(), max_size=4))
def test_what_was_found_comes_back_as_it_was(
    objects: list[tuple[list[tuple[int, int]], list[tuple[int, int]]]], harmful: list[bool]
) -> None:
    kept = [(sighting(a), (sighting(b).rows, sighting(b).cols)) for a, b in objects]
    found = Found.of(kept, [Rejection("乱", h, 7) for h in harmful])
    assert sum(n for _, _, n, _ in found.rejected) == len(harmful)
    assert sum(n for *_, n in found.rejected) == 7 * len(harmful)
    back = _unpacked(_packed(found))
    assert back.rejected == found.rejected
    for one, other in zip(back.sightings, found.sightings, strict=True):
        assert repr(one) == repr(other)
    for one, other in zip(back.flagged, found.flagged, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_number_that_would_come_back_as_another_type_is_no_measure() -> None:
    odd = sighting([(1, 2)])
    odd = Sighting(**{**vars(odd), "measures": {"soil": np.float32(0.1)}})
    with pytest.raises(TypeError, match="cannot be kept"):
        _packed(Found.of([(odd, (odd.rows, odd.cols))], []))
