"""What a fill showed while it waited, or at levels that nobody knows, counts in the end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import box

from pipeline.adjudicate.evidence import FoldOptions, fold
from pipeline.adjudicate.weighing import outlasted, waited_out, weighed, weighed_again
from pipeline.config import GroundOptions
from pipeline.detect.zhan_options import ZhanOptions
from pipeline.model import Candidate, Kind, Look, Seen
from pipeline.passes import follow as follow_module
from pipeline.passes.company import Company

START = datetime(2025, 1, 1, 3, tzinfo=UTC)
CODES = {
    "h": (Seen.HIT, True), "u": (Seen.HIT, False), "w": (Seen.HIT, False), "m": (Seen.MISS, True),
}  # fmt: skip
FILL = {"area_m2": 2000.0, "known_looks": 5.0, "bar_share": 0.2, "elongation": 1.6, "deep": 0.0}
WAITS = FILL | {"wait_days": 90.0, "bar_share": 0.8, "area_m2": 700.0}
TEXTS = st.text(alphabet="huwm", max_size=14)


def looks(text: str) -> list[Look]:
    """h certain hit, u uncertain for its level, w uncertain for the wait alone, m miss."""
    on = [START + timedelta(days=9 * i) for i in range(len(text))]
    return [
        Look(d, f"{d:%Y%m%d}_s2", "s2", 1.0, *CODES[c], pending=c == "w")
        for d, c in zip(on, text, strict=True)
    ]


def state(found: list[Look]) -> str:
    return fold(found).state.value


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("wwwh", "suspected"), ("wwww", "provisional"), ("wh", "provisional"),
        ("wwwmh", "provisional"), ("wmwwh", "suspected"), ("uuuuh", "provisional"),
        ("wuuuh", "provisional"), ("wuwuh", "suspected"),
    ],
)  # fmt: skip
def test_what_outlasted_debris_and_boats_was_seen_often_enough_by_then(
    text: str, told: str
) -> None:
    assert state(waited_out(looks(text), WAITS)) == told


def followed(
    found: list[Look], measures: dict[str, float], start: datetime = START,
    company: Company = Company(), stood: int = 400, afloat: bool = False,  # noqa: B008
    ties: bool = False, along: bool = False, bareness: float = 0.2, spans: bool = False,
) -> tuple[list[Look], list[Look]]:  # fmt: skip
    """Give what looks are worth of a candidate, and from ``start`` on of a known case there."""
    since = START
    pixels = (np.array([3, 4]), np.array([5, 5]))
    sighting = SimpleNamespace(measures={"wait_days": 0.0, "elongation": 1.6})
    track = SimpleNamespace(
        rows=pixels[0], cols=pixels[1], first_on=since, pass_ids=(), sightings=(sighting,)
    )
    case = SimpleNamespace(
        case_id="case", detector="zhan/1", measures=measures, area_m2=measures["area_m2"],
        evidence=SimpleNamespace(first_seen=since),
    )  # fmt: skip
    site = SimpleNamespace(
        workers=1, store=SimpleNamespace(grid=SimpleNamespace(crs="EPSG:32649")),
        corridor=SimpleNamespace(id="river"),
    )  # fmt: skip
    how = FoldOptions()
    options: Any = SimpleNamespace(
        watch=SimpleNamespace(zhan=ZhanOptions(), ground=GroundOptions()),
        adjudicate=SimpleNamespace(fold=how),
    )
    until = START + timedelta(days=stood)

    def assemble(_: object, looks: list[Look], *__: object, **___: object) -> Candidate:
        return Candidate(
            Kind.ZHAN, "river", box(0, 0, 35, 20), "EPSG:32649", 0.0, tuple(looks), fold(looks),
            0.5, measures, (), "zhan/1",
        )  # fmt: skip

    watched: Any = SimpleNamespace(
        epochs=[(SimpleNamespace(start=START), None)], flagged={}, normals={}, against={}
    )
    with mock.patch.multiple(
        follow_module,
        States=mock.Mock(), Benches=mock.Mock(), case_pixels=mock.Mock(return_value=pixels),
        _stays_afloat=lambda *_: afloat,
        _looks_at=mock.Mock(return_value=found), _may_leave=lambda *_: "wait_days" in measures,
        is_deck=mock.Mock(return_value=ties), may_span=mock.Mock(return_value=spans),
        lies_along=mock.Mock(return_value=along) if ties or company.facing else None,
        _bareness=mock.Mock(return_value=bareness),
        goes_on_as_deck=mock.Mock(return_value=False),
        around=mock.Mock(), with_sightings=lambda f, *_, **__: f, assemble=assemble,
        water_outline=mock.Mock(return_value=box(0, 0, 35, 20)), water_scores=lambda *_: {},
        geodesic_area_m2=lambda *_: measures["area_m2"],
    ):  # fmt: skip
        passes: Any = SimpleNamespace(passes=())
        made = follow_module._candidate(
            cast(Any, site), passes, cast(Any, track), (mock.Mock(), mock.Mock()),
            (options, until, since, company),
        )  # fmt: skip
        again = follow_module.relook(
            cast(Any, site), passes, watched, cast(Any, [case]), (options, start)
        )
    return list(weighed(made, how, until).looks), again["case"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("huuuhuuuuuh", "suspected"), ("uuuuuuuuuuh", "provisional"),
        ("huuuuuuuuuh", "provisional"),
    ],
)  # fmt: skip
def test_only_what_was_certain_but_for_the_wait_counts_after_it(text: str, told: str) -> None:
    """Days 0 to 90, and a certain hit at the end: what its level doubts, no wait makes sure."""
    for found in followed(looks(text), WAITS):
        assert state(found) == told
        assert [k.certain for k in found] == [False] * 10 + [True]


def test_what_another_piece_of_a_bridge_faces_is_doubted_for_the_year_of_its_building() -> None:
    for stood, sure in ((300, False), (400, True)):
        made, _ = followed(looks("hhhhhhhhhhh"), WAITS, company=Company(0, True), stood=stood)
        assert any(k.certain for k in made) == sure


@pytest.mark.parametrize("company", [Company(), Company(0, True)])
@pytest.mark.parametrize(
    ("along", "bareness", "sure"),
    [(False, 0.2, False), (True, 0.2, True), (True, 0.03, True), (True, 0.02, False),
     (True, float("nan"), False)],
)  # fmt: skip
def test_what_lies_along_the_shore_is_no_deck_if_it_is_known_not_to_be_as_flat(
    company: Company, along: bool, bareness: float, sure: bool
) -> None:
    for stood in (300, 800):
        made, _ = followed(
            looks("hhhhhhhhhhh"), WAITS, company=company, stood=stood,
            ties=not company.facing, along=along, bareness=bareness,
        )  # fmt: skip
        # A piece that another one faces is told after the year in which a bridge is built.
        assert any(k.certain for k in made) is (sure or (company.facing and stood > 365))


def test_what_may_become_a_bridge_is_doubted_though_it_lies_along_the_shore() -> None:
    made, _ = followed(looks("hhhhhhhhhhh"), WAITS, ties=True, along=True, spans=True)
    assert not any(k.certain for k in made)


def test_a_pontoon_is_doubted_however_long_it_lies_there() -> None:
    for afloat, sure in ((False, True), (True, False)):
        made, _ = followed(looks("hhhhhhhhhhh"), WAITS, afloat=afloat)
        assert any(k.certain for k in made) == sure
    _, again = followed(looks("hhhhhhhhhhh"), WAITS | {"afloat": 1.0})
    assert not any(k.certain for k in again)


@pytest.mark.parametrize(
    ("islands", "flat", "told"),
    [((1.0, 1.0, 0.0), True, True), ((1.0, 0.0, 0.0), True, False), ((1.0, 1.0), False, False)],
)
def test_a_pontoon_touches_no_shore_and_is_as_flat_as_decks(
    islands: tuple[float, ...], flat: bool, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow_module, "_like_a_deck", lambda *_: flat)
    track: Any = SimpleNamespace(
        sightings=[SimpleNamespace(measures={"island": i}) for i in islands]
    )
    states: Any = None
    assert follow_module._stays_afloat(states, track, ZhanOptions()) is told


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
    if {"wait_days", "wet_share"}.isdisjoint(other):
        assert waited_out(looks("wwmwh"), WAITS | other) == looks("uumuh")


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


@pytest.mark.parametrize("cut", range(4))
def test_where_patrols_are_cut_changes_nothing_of_what_looks_prove_together(cut: int) -> None:
    seen = looks("huuu")
    whole, again = followed(seen, FILL, START + timedelta(days=9 * cut))
    assert again == whole[cut:]
    assert state([*whole[:cut], *again]) == "suspected"


@given(TEXTS)
def test_law_weighing_twice_says_the_same_and_no_hit_comes_or_goes(text: str) -> None:
    for measures, rule in ((FILL, outlasted), (WAITS, waited_out)):
        once = rule(looks(text), measures)
        assert rule(once, measures) == once
        assert [k.seen for k in once] == [k.seen for k in looks(text)]
        assert all(n.certain >= k.certain for n, k in zip(once, looks(text), strict=True))


def test_both_are_asked_of_candidates_and_of_known_cases() -> None:
    for text, measures in (("huu", FILL), ("wwwh", WAITS)):
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
