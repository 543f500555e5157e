"""The packed history says what its looks say, and what is kept of a look comes back as it was."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

sys.path.insert(0, str(Path(__file__).parent))
import valley

from pipeline.detect.expect import Baseline, ExpectOptions
from pipeline.detect.look_history import LookHistory
from pipeline.detect.lookbits import PER_WORD, packed
from pipeline.detect.objects import Rejection
from pipeline.io.vault import content_key
from pipeline.model import DateQuality, Kind, Pass, Sighting, Window
from pipeline.passes.book import (
    Book,
    Found,
    _packed,  # pyright: ignore[reportPrivateUsage]
    _unpacked,  # pyright: ignore[reportPrivateUsage]
)
from pipeline.passes.change import ChangeSweep
from pipeline.passes.ground import Looks, States, meet
from pipeline.passes.levels import Levels
from pipeline.passes.past import Past
from pipeline.passes.silent import Silent
from pipeline.passes.verdicts import Question, rows_of

histories = st.integers(0, 2 * PER_WORD + 1).flatmap(
    lambda t: st.tuples(
        arrays(np.uint8, (t, 5, 4), elements=st.integers(0, 3)),
        arrays(np.float32, (t, 3), elements=st.sampled_from([np.nan, 0.0, 0.3, 0.31, 0.9, 1.0])),
        arrays(np.uint16, (5, 4), elements=st.integers(0, 2)),
        arrays(np.bool_, (5, 4)),
    )
)


@settings(deadline=None, max_examples=60)
@given(histories)
def test_what_is_not_stored_is_not_seen(given: tuple[np.ndarray, ...]) -> None:
    states, ranks, reach, stored = given
    states = np.where(stored, states, 0).astype(np.uint8)
    words = list(packed(iter(states)))
    assert len(words) == -(-len(states) // PER_WORD)
    for word in words:
        assert (word >= 0).all()
        word[~stored] = -32768  # as a store gives what it does not hold
    whole, folded = Baseline.build(states, ranks, reach), Baseline.fold(words, ranks, reach)
    for name in ("bins", "n_clear"):
        assert np.array_equal(getattr(whole, name), getattr(folded, name)), name
    every = np.arange(stored.size)
    assert np.array_equal(whole.band.kind_at(every), folded.band.kind_at(every))
    for name in ("ranks", "wet", "dry"):
        one, other = getattr(whole.history, name), getattr(folded.history, name)
        assert one.dtype == other.dtype, name
        assert np.array_equal(one, other), name
    part = (slice(1, 4), slice(0, 3))
    for t, state in enumerate(states):
        assert isinstance(folded.history, LookHistory)
        assert np.array_equal(folded.history.look(t), state)
        assert np.array_equal(folded.history.part(part).look(t), state[part])


def test_a_look_of_the_history_is_read_from_what_is_folded(tmp_path: Path) -> None:
    flagged = {"p1": [(np.array([3]), np.array([4]))]}
    _, passes, states = quarter(tmp_path, flagged=flagged)
    rng, site = np.random.default_rng(5), states.site
    for p in passes:
        for tile in site.store.tiles:
            values = rng.integers(0, 4, tile.core.shape).astype(np.int16)
            packed = {"state": site.store.pack(values, tile, 1)}
            site.store.write(f"state/k/{p.id}", tile, packed, durable=False)
    past, window = Past.of(states, passes[:2]), Window(5, 50, 7, 60)
    base = past.baseline(window)
    held = past.look("p0", base)
    assert held is not None
    assert np.array_equal(held, states.of("p0", window))
    assert len(np.unique(held)) == 4
    part = past.look("p0", base.part((slice(3, 9), slice(20, 30))))
    assert np.array_equal(part, held[3:9, 20:30])
    # Of p1 a pixel is no history, and p2 is none at all.
    assert past.look("p1", base) is None
    assert past.look("p2", base) is None


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
    for value in (np.float32(0.1), np.float64(1.115), np.int64(3)):
        plain = sighting([(1, 2)])
        odd = Sighting(**{**vars(plain), "measures": {"soil": value}})
        with pytest.raises(TypeError, match="cannot be kept"):
            _packed(Found.of([(odd, (odd.rows, odd.cols))], []))


def quarter(place: Path, **more: Any) -> tuple[Book, tuple[Pass, ...], States]:
    """Open the book of a history of two looks; ``more`` changes one thing that it rests on."""
    site = valley.site(place, 64, 64)
    passes = tuple(
        Pass(f"p{i}", "tiny", datetime(2024, 1 + 3 * i, 5, tzinfo=UTC), ()) for i in range(4)
    )
    quality = {p.id: DateQuality(p.id, (0.0, 0.0), 0.3, 1.0, 0.0, 0.0) for p in passes}
    if "residual" in more:
        quality["p2"] = replace(quality["p2"], residual_m=9.0)
    keys = {p.id: "k" for p in passes}
    for p in passes:
        for layer in ("state", "feature"):
            for tile in site.store.tiles:
                value = len(more) if p.id in more else 9000 if "wet" in more else 7
                values = np.full(tile.core.shape, value, np.int16)
                packed = {"state": site.store.pack(values, tile, 1)}
                site.store.write(f"{layer}/k/{p.id}", tile, packed, durable=False)
    if "later" in more:
        passes = (*passes[:2], replace(passes[2], acquired=more["later"]), passes[3])
    looks = Looks(passes, quality, keys, keys)
    states = States(site, looks, more.get("flagged", {}))
    silent = Silent(1)
    if "filled" in more:
        fill = replace(sighting([more.get("at", (2, 2))]), kind=Kind.ZHAN, certain=True)
        silent.tell(passes[more["filled"]], [fill])
    book = Book.of(Past.of(states, passes[:2]), more.get("options", {"zhan": 1}), silent)
    return book, passes, states


CHANGES: dict[str, dict[str, Any]] = {
    "a pixel of the history": {"p0": True},
    "what was flagged in the history": {"flagged": {"p1": [(np.array([3]), np.array([4]))]}},
    "an option": {"options": {"zhan": 2}},
    "what is known to be filled in its history": {"filled": 0},
    "what is known to be filled before it": {"filled": 1},
    "a pixel of the look": {"p2": True},
    "its residual": {"residual": True},
    "its time": {"later": datetime(2024, 7, 5, 0, 0, 15, tzinfo=UTC)},
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_name_of_what_is_kept_holds_all_that_it_rests_on(tmp_path: Path, change: str) -> None:
    book, passes, _ = quarter(tmp_path / "a")
    same, _, _ = quarter(tmp_path / "b")
    other, moved, _ = quarter(tmp_path / "c", **CHANGES[change])
    assert book.key(passes[2]) == same.key(passes[2])
    assert book.key(passes[2]) != other.key(moved[2])
    of_history = change.rsplit(maxsplit=1)[-1] in ("history", "option")
    assert (book.base != other.base) == of_history
    # What is flagged in a look of the patrol is no part of the history.
    flagged = {"p3": [(np.array([3]), np.array([4]))]}
    assert quarter(tmp_path / "d", flagged=flagged)[0].base == book.base


def test_looks_before_one_have_a_say_in_changed_ground(tmp_path: Path) -> None:
    book, passes, states = quarter(tmp_path)

    def keys(*judged: Pass) -> list[str]:
        of = SimpleNamespace(judged=judged, book=book, states=states)
        sweep = SimpleNamespace(quarter=of, normals=SimpleNamespace(folder="normal/x/normal"))
        return ChangeSweep._keys(sweep)  # type: ignore[arg-type]  # pyright: ignore[reportPrivateUsage]

    both, alone = keys(passes[2], passes[3]), keys(passes[3])
    assert both[0] == keys(passes[2])[0]
    assert both[1] != alone[0]


def test_of_one_place_only_looks_that_nobody_asked_yet_are_judged(tmp_path: Path) -> None:
    book, passes, _ = quarter(tmp_path / "a")
    asked: list[str] = []
    names = np.array([book.key(p) for p in passes[:3]])

    def judge(missing: Sequence[Pass]) -> list[np.ndarray]:
        asked.extend(p.id for p in missing)
        return [np.array([float(p.id[1]), np.nan]) for p in missing]

    def said(of: Book, looks: Sequence[Pass], *content: object) -> list[float]:
        question = Question("place", content, 2, np.float64)
        return [row[0] for row in rows_of(of, question, looks, judge)]

    assert said(book, passes[:3], "here") == [0, 1, 2]
    assert said(book, passes[1:], "here") == [1, 2, 3]
    assert said(book, passes[1:], "here") == [1, 2, 3]
    assert asked == ["p0", "p1", "p2", "p3"]
    asked.clear()
    assert said(book, passes[:1], "there") == [0]
    assert said(book, (), "here") == []
    # A look that changed is asked anew, and no other.
    other, moved, _ = quarter(tmp_path / "a", p2=True)
    assert said(other, moved[1:], "here") == [1, 2, 3]
    assert asked == ["p0", "p2"]
    # What a file holds of another shape is no answer.
    for odd in ({"rows": np.zeros((3, 5))}, {"rows": np.zeros((3, 2), np.uint8)}, {"other": names}):
        asked.clear()
        key = content_key(book.base, "there")
        book.vault.put("place", key, **({"names": names} | odd))
        assert said(book, passes[:1], "there") == [0]
        assert asked == ["p0"]


@given(sparse, sparse)
def test_pixels_meet_where_they_share_one(
    one: list[tuple[int, int]], other: list[tuple[int, int]]
) -> None:
    a, b = sighting(one), sighting(other)
    assert meet((a.rows, a.cols), (b.rows, b.cols)) == bool(set(one) & set(other))


def test_ground_that_is_known_to_be_filled_has_no_vote_in_the_level(tmp_path: Path) -> None:
    def votes(place: Path, **more: Any) -> int:
        book, passes, states = quarter(place, wet=True, **more)
        levels = Levels(Past.of(states, passes[:2]), book, ExpectOptions())
        ((total,), _) = levels.levels(passes[2:3], "levels")
        return int(total.sum())

    every = votes(tmp_path / "a")
    # One pixel of a fill, and its edge.
    assert votes(tmp_path / "b", filled=1, at=(32, 32)) == every - 9
    assert votes(tmp_path / "c", filled=3, at=(32, 32)) == every  # seen after the look
