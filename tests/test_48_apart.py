"""What hangs together with no channel is found once for a history, and asked for by window."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent))
import valley

from pipeline.detect.channel import slack_bins
from pipeline.detect.expect import Baseline, ExpectOptions, ReachDay
from pipeline.detect.observe import Observed, ObserveOptions
from pipeline.model import DateQuality, Ground, Level, Pass, Seen, Window
from pipeline.passes import apart as apart_module
from pipeline.passes import follow, follow_ground
from pipeline.passes.apart import Apart
from pipeline.passes.bench import least_of
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
    assert share is not None
    stored = past.states.site.stored(WHOLE) & past.states.site.inside(WHOLE)
    other = sum(np.count_nonzero(stored[part]) for part in (POND, PADDY))
    assert share == pytest.approx(other / (other + np.count_nonzero(stored[RIVER])), abs=1e-3)


def test_a_kill_before_the_shares_were_written_is_made_good(past: Past) -> None:
    Apart(past, 0.1).find()
    (kept,) = past.states.site.store.root.glob("past/*/apart-*/shares.json")
    for damage in (b"", b"[", b"[{}]", None):
        if damage is None:
            kept.unlink()
        else:
            kept.write_bytes(damage)
        again = Apart(past, 0.1)
        assert again.shares() is None
        again.find()
        assert again.shares() == Apart(past, 0.1).shares() is not None


def test_other_shares_and_other_tiles_have_folders_of_their_own(past: Past) -> None:
    store = past.states.site.store
    some = tuple(t for t in store.all_tiles if t.core.row0 == 64)  # what a recheck holds
    site = replace(past.states.site, store=replace(store, chosen=some))
    recheck = Past(States(site, past.states.looks, {}), past.ids, past.key)
    Apart(recheck, 0.1).find()
    assert len(list(store.root.glob("past/*/apart-*"))) == 1
    alone = Apart(recheck, 0.1)
    flags = over(alone)  # what no tile of its own says is not apart
    assert not flags[:64].any()
    assert flags[115:125, 60:100].all()
    for share in (0.1, 0.5):
        Apart(past, share).find()
    assert len(list(store.root.glob("past/*/apart-*"))) == 3
    # What the whole river told is better than what some tiles do.
    shares = next(
        p for p in store.root.glob("past/*/apart-*/shares.json") if len(blocks(p)) == len(some)
    )
    shares.write_text("[0.123]")
    assert Apart(recheck, 0.1).shares() == Apart(past, 0.1).shares()


def blocks(shares: Path) -> list[Path]:
    return list(shares.parent.glob("*.blk"))


def test_few_looks_have_more_slack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def slack(looks: int) -> int:
        asked.append(looks)
        return slack_bins(looks)

    monkeypatch.setattr(apart_module, "slack_bins", slack)
    Apart(history(valley.site(tmp_path, SIDE, 64)), 0.1).find()
    assert asked == [LOOKS]


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


def day(rank: float, least: float | None, unusable: str = "") -> ReachDay:
    return ReachDay(Level(rank, False, 0.01, 900, least), 3, unusable)


def test_looks_at_fills_and_at_ground_say_what_the_level_surely_reached(
    past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = past.states.looks
    days = [day(0.9, 0.4), day(0.9, None), day(0.9, 0.4, "contradicts"), *[day(0.5, 0.45)] * 3]
    stack = np.full((LOOKS, 9), Ground.DRY, np.uint8)
    seen = follow._observe(looks, stack, days, ObserveOptions())  # pyright: ignore[reportPrivateUsage]
    assert [k.level_least for k in seen] == [0.4, None, None, 0.45, 0.45, 0.45]
    assert seen[2].level_rank is None
    least = least_of((day(0.0, None), days[0], days[1]))
    assert np.isnan(least[[0, 2]]).all()
    assert least[1] == pytest.approx(0.4)

    def verdicts(*_: object) -> Iterator[tuple[Pass, Observed, tuple[float, float]]]:
        for p, level in zip(looks.passes, [(0.9, 0.4), (0.9, np.nan), (np.nan, 0.4)], strict=False):
            yield p, Observed(1.0, Seen.HIT, True), level

    monkeypatch.setattr(follow_ground, "_verdicts", verdicts)
    bench: Any = SimpleNamespace(looks=looks)
    how: Any = (looks.passes[0].acquired, None)
    trait: Any = SimpleNamespace(certain=True)
    at = follow_ground.looks_at_ground(past.states.site, bench, ([], []), trait, how)  # type: ignore[arg-type]
    assert [k.level_least for k in at] == [0.4, None, None]
