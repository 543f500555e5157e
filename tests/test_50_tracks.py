"""Sightings become tracks: order never matters, growth and merging are followed."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.adjudicate.tracks import LinkOptions, Track, _order, link
from pipeline.model import Kind, Sighting

START = datetime(2025, 1, 1, 3, tzinfo=UTC)


def sighting(day: int, row0: int, row1: int, col0: int, col1: int, score: float = 0.8) -> Sighting:
    rows, cols = np.mgrid[row0:row1, col0:col1]
    on = START + timedelta(days=day)
    return Sighting(
        kind=Kind.ZHAN,
        pass_id=f"{on:%Y%m%dT%H%M%S}_s2",
        on=on,
        rows=rows.ravel().astype(np.int32),
        cols=cols.ravel().astype(np.int32),
        score=score,
        measures={"area_px": float(rows.size)},
        certain=True,
    )


def shape(track: Track) -> tuple[object, ...]:
    return (
        tuple((s.on, s.rows.tolist(), s.cols.tolist()) for s in track.sightings),
        track.rows.tolist(),
        track.cols.tolist(),
        track.first_rows.tolist(),
    )


def test_jitter_is_one_track_and_its_footprint_the_majority() -> None:
    (track,) = link([sighting(d, 10 + d % 2, 14 + d % 2, 10, 14) for d in range(6)])
    assert len(track.pass_ids) == 6
    # Rows 10..14 are seen in at least half of the hits.
    assert sorted(set(track.rows.tolist())) == [10, 11, 12, 13, 14]
    (rare,) = link([*(sighting(d, 10, 14, 10, 14) for d in range(5)), sighting(5, 10, 20, 10, 14)])
    assert rare.rows.max() == 13


def test_growing_fill_is_one_track() -> None:
    (track,) = link([sighting(d, 0, 4 + 4 * d, 0, 6) for d in range(8)])
    assert len(track.pass_ids) == 8
    assert set(track.first_rows.tolist()) == {0, 1, 2, 3}


def test_two_that_merge_become_one_and_the_oldest_survives() -> None:
    parts = [sighting(0, 0, 4, 10, 14), sighting(5, 0, 4, 0, 4), sighting(5, 0, 4, 10, 14)]
    assert len(link(parts)) == 2
    (track,) = link([*parts, sighting(10, 0, 4, 0, 14)])
    assert track.first_on == START
    assert len(track.pass_ids) == 3


def test_a_giant_sighting_does_not_fuse_small_objects() -> None:
    small = [sighting(d, 0, 2, c, c + 2) for d in (0, 5, 15) for c in (0, 20, 40)]
    giant = sighting(10, 0, 50, 0, 60)
    assert len(link([*small, giant])) == 4
    assert len(link([*small, giant], LinkOptions(max_ratio=1e6))) == 1


def test_neighbours_stay_apart() -> None:
    assert len(link([sighting(0, 0, 4, 0, 4), sighting(1, 0, 4, 4, 8)])) == 2
    assert link([]) == []


boxes = st.lists(
    st.tuples(
        st.integers(0, 6),
        st.integers(0, 12),
        st.integers(1, 6),
        st.integers(0, 12),
        st.integers(1, 6),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(boxes, st.randoms(use_true_random=False))
def test_order_of_the_input_never_matters(specs: list[tuple[int, ...]], random: object) -> None:
    some = [sighting(d, r, r + h, c, c + w) for d, r, h, c, w in specs]
    mixed = list(some)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    want = [shape(t) for t in link(some)]
    assert [shape(t) for t in link(mixed)] == want
    assert sum(len(w[0]) for w in want) == len(some)  # type: ignore[arg-type]


def test_thousands_of_sightings_are_quick() -> None:
    some = [sighting(d, 10 * k, 10 * k + 5, 0, 6) for d in range(40) for k in range(100)]
    tracks = link(some)
    assert len(tracks) == 100
    assert all(len(t.pass_ids) == 40 for t in tracks)


def test_options_refuse_unknown_keys() -> None:
    with pytest.raises(ValueError, match="extra"):
        LinkOptions.model_validate({"min_overlapp": 0.3})


@settings(max_examples=60, deadline=None)
@given(boxes)
def test_sightings_of_a_track_are_in_order(specs: list[tuple[int, ...]]) -> None:
    for track in link([sighting(d, r, r + h, c, c + w) for d, r, h, c, w in specs]):
        assert list(track.sightings) == sorted(track.sightings, key=_order)
