"""What hangs together with no channel is found once for a history, and asked for by window."""

from __future__ import annotations

import pickle
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent))
import valley

from pipeline.detect.expect import Baseline, ExpectOptions
from pipeline.model import DateQuality, Ground, Pass, Window
from pipeline.passes.apart import Apart
from pipeline.passes.book import Book
from pipeline.passes.ground import Looks, Site, States
from pipeline.passes.levels import Levels
from pipeline.passes.past import Past

SIDE = 192
RIVER, POND = (slice(80, 100), slice(None)), (slice(130, 145), slice(100, 120))
PADDY = (slice(30, 50), slice(120, 140))
LOOKS = 6


@pytest.fixture
def past(tmp_path: Path) -> Past:
    return history(valley.site(tmp_path, SIDE, 64))


def history(site: Site) -> Past:
    """Give a river and a pond that are always water, and a paddy that is on two looks."""
    passes = tuple(
        Pass(f"p{i}", "tiny", datetime(2024, 1 + i, 5, tzinfo=UTC), ()) for i in range(LOOKS)
    )
    quality = {p.id: DateQuality(p.id, (0.0, 0.0), 0.3, 1.0, 0.0, 0.0) for p in passes}
    for i, p in enumerate(passes):
        state = np.full((SIDE, SIDE), Ground.GREEN, np.int16)
        for part in (RIVER, POND, *([PADDY] if i < 2 else [])):
            state[part] = Ground.WET
        for layer in ("state", "feature"):
            for tile in site.store.tiles:
                packed = {"state": site.store.pack(state[tile.core.slices], tile, 1)}
                site.store.write(f"{layer}/k/{p.id}", tile, packed, durable=False)
    keys = {p.id: "k" for p in passes}
    return Past.of(States(site, Looks(passes, quality, keys, keys), {}), passes)


def levels(past: Past, **options: float) -> Levels:
    rules = ExpectOptions()
    return Levels(past, Book.of(past, options), replace_level(rules, **options))


def replace_level(rules: ExpectOptions, **options: float) -> ExpectOptions:
    return rules.model_copy(update={"level": rules.level.model_copy(update=options)})


WHOLE = Window(0, SIDE, 0, SIDE)


def over(found: Apart, window: Window = WHOLE) -> NDArray[np.bool_]:
    flags = found.over(window)
    assert flags is not None
    return flags


def test_the_pond_and_the_paddy_are_apart_and_the_river_is_not(past: Past) -> None:
    found = Apart(past, 0.1)
    found.find()
    flags = over(found)
    stored = past.states.site.stored(WHOLE)
    inside = past.states.site.inside(WHOLE)
    for part in (POND, PADDY):
        assert flags[part][inside[part] & stored[part]].all()
        assert (inside & stored)[part].any()
    assert not flags[RIVER].any()
    assert not flags[~inside].any()
    part = Window(20, 150, 60, 170)
    assert np.array_equal(over(found, part), flags[part.slices])
    for tile in past.states.site.store.tiles:
        own = found.stored(tile)
        assert own is not None
        assert np.array_equal(own, flags[tile.core.slices][past.states.site.store.kept(tile.core)])


def test_it_is_found_once_and_again_where_the_reaches_are_others(past: Past) -> None:
    found = Apart(past, 0.1)
    found.find()
    root = past.states.site.store.root
    blocks = sorted(root.glob("past/*/apart-*/*.blk"))
    times = [b.stat().st_mtime_ns for b in blocks]
    Apart(past, 0.1).find()
    assert [b.stat().st_mtime_ns for b in blocks] == times
    blocks[0].unlink()  # damaged, and dropped
    Apart(past, 0.1).find()
    assert blocks[0].exists()
    site = past.states.site
    other = replace(site, reaches=site.reaches[:-1])
    states = States(other, past.states.looks, {})
    moved = Apart(Past(states, past.ids, past.key), 0.1)
    moved.find()
    assert len(list(root.glob("past/*/apart-*"))) == 2
    assert len(list(root.glob("past/*"))) == 1  # it goes with its history


def test_the_share_of_each_reach_is_told(past: Past) -> None:
    found = Apart(past, 0.1)
    assert found.shares() is None
    found.find()
    (share,) = found.shares() or []
    stored = past.states.site.stored(WHOLE) & past.states.site.inside(WHOLE)
    other = sum(np.count_nonzero(stored[part]) for part in (POND, PADDY))
    assert share == pytest.approx(other / (other + np.count_nonzero(stored[RIVER])), abs=1e-3)


def test_a_share_of_nothing_finds_nothing(past: Past) -> None:
    none = Apart(past, 0.0)
    none.find()
    assert none.over(WHOLE) is None
    assert none.stored(past.states.site.store.tiles[0]) is None
    assert not list(past.states.site.store.root.glob("past/*/apart-*"))


def test_it_comes_to_workers_elsewhere(past: Past) -> None:
    found = Apart(past, 0.1)
    found.find()
    window = Window(0, 64, 0, 64)
    flags = over(found, window)  # which it remembers here
    assert np.array_equal(over(pickle.loads(pickle.dumps(found)), window), flags)


def test_levels_leave_out_what_is_apart_and_a_reservoir_has_no_such_thing(past: Past) -> None:
    looks = past.states.looks.passes

    def counted(past: Past, share: float) -> int:
        sums, _ = levels(past, channel_share=share).levels(looks[:1], "levels")
        return int(sums[0][1:].sum())

    site = past.states.site
    inside = site.inside(WHOLE) & site.stored(WHOLE)
    assert counted(past, 0.0) == np.count_nonzero(inside)
    found = Apart(past, 0.1)
    found.find()
    flags = over(found)
    assert counted(past, 0.1) == np.count_nonzero(inside & ~flags) < np.count_nonzero(inside)
    still = replace(site, corridor=replace(site.corridor, water="reservoir"))
    lake = Past(States(still, past.states.looks, {}), past.ids, past.key)
    assert counted(lake, 0.1) == np.count_nonzero(inside)


def test_a_view_carries_it(past: Past) -> None:
    own = levels(past, channel_share=0.1)
    own.levels(past.states.looks.passes[:1], "levels")
    base = past.baseline(WHOLE)
    assert isinstance(base, Baseline)
    view = own.view(past.states.looks.passes[0], WHOLE, base)
    assert view.apart is not None
    assert np.array_equal(view.apart, over(own.apart))
