"""Ground that certain looks have shown to be filled tells no level to the looks after them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.model import Kind, Pass, Sighting, Window
from pipeline.passes.book import Found
from pipeline.passes.silent import Silent
from pipeline.passes.watch import (
    Watched,
    _EpochSweep,  # pyright: ignore[reportPrivateUsage]
)

BEGIN = datetime(2025, 1, 5, tzinfo=UTC)
WINDOW = Window(0, 12, 0, 12)


def look(day: int) -> Pass:
    return Pass(f"p{day}", "made", BEGIN + timedelta(days=day), ())


def fill(day: int, *pixels: tuple[int, int], certain: bool = True) -> Sighting:
    rows, cols = np.array(pixels, np.int32).T
    p = look(day)
    return Sighting(Kind.ZHAN, p.id, p.acquired, rows, cols, 0.5, {}, certain)


def silenced(silent: Silent, day: int) -> set[tuple[int, int]]:
    mask = silent.over(BEGIN + timedelta(days=day), WINDOW)
    return set() if mask is None else {(int(r), int(c)) for r, c in np.argwhere(mask)}


def around(row: int, col: int) -> set[tuple[int, int]]:
    return {(r, c) for r in range(row - 1, row + 2) for c in range(col - 1, col + 2)}


def test_two_certain_looks_before_a_look_silence_what_both_saw() -> None:
    silent = Silent(2)
    silent.tell(look(0), [fill(0, (5, 5), (5, 9))])
    silent.tell(look(10), [fill(10, (5, 5))])
    silent.tell(look(20), [fill(20, (5, 9), certain=False)])
    assert silenced(silent, 10) == set()  # the second look has only one before it
    assert silenced(silent, 20) == around(5, 5)
    assert silenced(silent, 30) == around(5, 5)  # an uncertain sighting is none
    assert silent.mark(BEGIN) == ""
    assert silent.mark(BEGIN + timedelta(days=20)) == silent.mark(BEGIN + timedelta(days=30)) != ""
    silent.tell(look(10), [])  # judged again, and not seen
    assert silenced(silent, 30) == set()


def test_what_only_the_bed_told_silences_nothing() -> None:
    def told(deep: float) -> bool:
        silent = Silent(2)
        for day in (1, 2):
            one = replace(fill(day, (5, 5)), measures={"deep": deep})
            silent.tell(look(day), [one])
        return bool(silenced(silent, 9))

    assert told(0.0)
    assert not told(1.0)


def test_what_an_earlier_patrol_proved_is_silent_from_the_patrol_on() -> None:
    standing = (np.array([0], np.int32), np.array([0], np.int32))
    silent = Silent(2, standing, BEGIN)
    assert silenced(silent, -1) == set()
    assert silenced(silent, 0) == {(0, 0), (0, 1), (1, 0), (1, 1)}  # and nothing beyond the grid
    assert silenced(Silent(0), 0) == set()


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=12), st.integers(0, 10))
def test_what_comes_after_a_look_does_not_touch_it(told: list[tuple[int, bool]], day: int) -> None:
    every, before = Silent(2), Silent(2)
    for on, certain in told:
        every.tell(look(on), [fill(on, (4, 4), certain=certain)])
        if on < day:
            before.tell(look(on), [fill(on, (4, 4), certain=certain)])
    assert silenced(every, day) == silenced(before, day)
    assert every.mark(BEGIN + timedelta(days=day)) == before.mark(BEGIN + timedelta(days=day))


class _Bench:
    """Looks at a large fill that hides a small one from the level, until it has no say any more."""

    def __init__(self, silent: Silent, judged: tuple[Pass, ...]) -> None:
        self.silent, self.epoch = silent, SimpleNamespace(judged=judged, start=BEGIN)
        self.book, self.searched = self, list[str]()
        self.levels, self._what = self, ""
        self.vault = dict[str, Found]()

    def key(self, p: Pass) -> str:
        return p.id + self.silent.mark(p.acquired)

    def found(self, _: str, key: str) -> Found | None:
        return self.vault.get(key)

    def keep_found(self, _: str, key: str, found: Found) -> None:
        self.vault[key] = found

    def _search(self, new: list[int]) -> list[Found]:
        out: list[Found] = []
        for i in new:
            p = self.epoch.judged[i]
            self.searched.append(p.id)
            day = (p.acquired - BEGIN).days
            seen = [fill(day, (2, 2))]
            if self.silent.mark(p.acquired):
                seen.append(fill(day, (9, 9)))
            out.append(Found.of([(s, (s.rows, s.cols)) for s in seen], []))
        return out

    _judge = _EpochSweep._judge  # pyright: ignore[reportPrivateUsage]


class _Levels(_Bench):
    _level_sums: list[object]
    days: list[object]

    def __getattribute__(self, name: str) -> Any:
        if name == "levels":
            return SimpleNamespace(book=self, levels=_no_levels)
        return super().__getattribute__(name)


def _no_levels(passes: tuple[Pass, ...], what: str) -> tuple[list[Any], list[Any]]:
    del passes, what
    return [], []


def test_looks_after_two_that_prove_a_fill_are_judged_again_and_no_others() -> None:
    silent = Silent(2)
    judged = tuple(look(day) for day in (0, 10, 20, 30, 40))
    bench = _Levels(silent, judged)
    watched = Watched(silent=silent)
    _EpochSweep.judge(cast(_EpochSweep, bench), watched)
    seen = {(s.pass_id, int(s.rows[0])) for s in watched.sightings}
    assert seen == {*((p.id, 2) for p in judged), *((p.id, 9) for p in judged[2:])}
    # All once; those after the second anew; the last once more, when the small fill is proved too.
    assert bench.searched == ["p0", "p10", "p20", "p30", "p40", "p20", "p30", "p40", "p40"]
    assert silenced(silent, 50) == around(2, 2) | around(9, 9)
    again = Watched(silent=Silent(2))
    bench.searched.clear()
    bench.silent = again.silent
    _EpochSweep.judge(cast(_EpochSweep, bench), again)
    assert bench.searched == []  # what was found is kept
    assert [s.pass_id for s in again.sightings] == [s.pass_id for s in watched.sightings]
