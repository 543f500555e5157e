"""What a fill showed while it waited, or at levels that nobody knows, counts in the end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import box

from pipeline.adjudicate.evidence import FoldOptions, fold
from pipeline.adjudicate.weighing import outlasted, waited_out, weighed, weighed_again
from pipeline.model import Candidate, Kind, Look, Seen

START = datetime(2025, 1, 1, 3, tzinfo=UTC)
CODES = {"h": (Seen.HIT, True), "u": (Seen.HIT, False), "m": (Seen.MISS, True)}
FILL = {"area_m2": 2000.0, "known_looks": 5.0, "bar_share": 0.2, "elongation": 1.6, "deep": 0.0}
WAITS = FILL | {"wait_days": 90.0, "bar_share": 0.8, "area_m2": 700.0}
TEXTS = st.text(alphabet="hum", max_size=14)


def looks(text: str) -> list[Look]:
    """h certain hit, u uncertain hit, m miss."""
    on = [START + timedelta(days=9 * i) for i in range(len(text))]
    return [Look(d, f"{d:%Y%m%d}_s2", "s2", 1.0, *CODES[c]) for d, c in zip(on, text, strict=True)]


def state(found: list[Look]) -> str:
    return fold(found).state.value


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("uuuh", "suspected"), ("uuuu", "provisional"), ("uh", "provisional"),
        ("uuumh", "provisional"), ("umuuh", "suspected"),
    ],
)  # fmt: skip
def test_what_outlasted_debris_and_boats_was_seen_often_enough_by_then(
    text: str, told: str
) -> None:
    assert state(waited_out(looks(text), WAITS)) == told
    assert state(looks(text)) == "provisional"


@pytest.mark.parametrize(
    "other",
    [
        {"elongation": 3.5}, {"known_looks": 2.0}, {"deep": 1.0}, {"strip": 1.0},
        {"wait_days": 0.0}, {"wet_share": 0.0},
    ],
)  # fmt: skip
def test_what_may_be_a_line_of_drift_or_no_water_of_history_counts_from_its_wait_on(
    other: dict[str, float],
) -> None:
    assert waited_out(looks("uumuh"), WAITS | other) == looks("uumuh")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("huu", "suspected"), ("hu", "provisional"), ("uuuuu", "provisional"),
        ("humuuu", "provisional"), ("humhuu", "suspected"),
    ],
)  # fmt: skip
def test_one_certain_look_and_two_lesser_ones_prove_a_large_fill(text: str, told: str) -> None:
    assert state(outlasted(looks(text), FILL)) == told
    assert state(looks(text)) == "provisional"


@pytest.mark.parametrize(
    "other",
    [
        {"area_m2": 900.0}, {"known_looks": 2.0}, {"deep": 1.0}, {"strip": 1.0},
        {"wait_days": 90.0}, {"bar_share": 0.6}, {"wet_share": 0.0},
    ],
)  # fmt: skip
def test_a_small_one_a_bar_a_bridge_and_what_history_hardly_knew_need_two(
    other: dict[str, float],
) -> None:
    assert outlasted(looks("huuuuu"), FILL | other) == looks("huuuuu")
    assert state(outlasted(looks("huu"), FILL, FoldOptions(outlast_hits=3))) == "provisional"


@given(TEXTS)
def test_law_weighing_twice_says_the_same_and_no_hit_comes_or_goes(text: str) -> None:
    for measures, rule in ((FILL, outlasted), (WAITS, waited_out)):
        once = rule(looks(text), measures)
        assert rule(once, measures) == once
        assert [k.seen for k in once] == [k.seen for k in looks(text)]
        assert all(n.certain >= k.certain for n, k in zip(once, looks(text), strict=True))


def test_both_are_asked_of_candidates_and_of_known_cases() -> None:
    for text, measures in (("huu", FILL), ("uuuh", WAITS)):
        seen = tuple(looks(text))
        made = Candidate(
            Kind.ZHAN, "river", box(0, 0, 50, 40), "EPSG:32649", 2000.0, seen, fold(seen), 0.5,
            measures, (), "zhan/1",
        )  # fmt: skip
        until = START + timedelta(days=40)
        assert weighed(made, FoldOptions(), until).evidence.state.value == "suspected"
        known = SimpleNamespace(case_id="case", area_m2=2000.0, measures=measures)
        again = weighed_again([known], {"case": seen}, FoldOptions())  # type: ignore[list-item]
        assert state(again["case"]) == "suspected"
