"""When an object appeared where ground beside it was bare before; nothing told is unsaid."""

import json
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from test_60_ledger_rules import apply, candidate, looks

from pipeline.adjudicate.beginning import BeginOptions, begins
from pipeline.adjudicate.candidates import with_sightings
from pipeline.adjudicate.evidence import FoldOptions, fold
from pipeline.adjudicate.rules import subject_of
from pipeline.adjudicate.tracks import link
from pipeline.ledger.codec import dump_case, load_case
from pipeline.model import Case, Kind, Look, Seen, Sighting

START = datetime(2025, 1, 1, 3, tzinfo=UTC)


def ground(day: int, *at: int, kind: Kind = Kind.DUI, bar: float = 0.0) -> Sighting:
    rows, cols = (a.ravel().astype(np.int32) for a in np.mgrid[slice(*at[:2]), slice(*at[2:])])
    on = START + timedelta(days=day)
    measures = {"area_px": float(rows.size), "bar_share": bar}
    return Sighting(kind, f"{on:%Y%m%d}_s2", on, rows, cols, 0.8, measures, True)


FIELD = (0, 12, 0, 8)
ROOF = [ground(d, 10, 16, 2, 7) for d in range(20, 70, 5)]


def began(sightings: list[Sighting]) -> int:
    (track,) = link(sightings)
    assert len(track.pass_ids) == len({s.pass_id for s in sightings})  # no date is dropped
    return ((track.began or track.first_on) - START).days


@pytest.mark.parametrize("dates", [[0], [0, 5]])
def test_a_field_of_which_a_corner_is_built_upon_later_is_no_sighting_of_it(
    dates: list[int],
) -> None:
    assert began([*(ground(d, *FIELD) for d in dates), *ROOF]) == 20


def test_what_was_sighted_on_three_dates_is_a_finding_of_its_own() -> None:
    """A heap beside which a field is ploughed later keeps its day, whatever the newest hits are."""
    heap = [ground(d, 10, 16, 2, 7) for d in range(0, 90, 5)]
    field = [ground(d, *FIELD) for d in range(90, 125, 5)]
    assert began([*heap, *field]) == 0
    assert began([*heap[:3], *field]) == 0


def test_of_the_newest_dates_nobody_knows_yet() -> None:
    assert began([ground(0, *FIELD), *ROOF[:2]]) == 0
    assert began([ground(0, *FIELD), *ROOF[:3]]) == 20


def test_what_grows_moves_on_or_took_a_part_of_it_was_it_from_the_first() -> None:
    grows = [ground(d, 0, 2 + d, 0, 6) for d in range(12)]
    moves = [ground(d, d, d + 6, 0, 6) for d in range(24)]
    plot = [ground(0, 0, 12, 0, 10), *(ground(d, 2, 6, 2, 7) for d in range(5, 50, 5))]
    for sightings in (grows, moves, plot):
        assert began(sightings) == 0
    assert began([ROOF[0], ground(22, *FIELD), *ROOF[1:]]) == 20  # nor is one odd date a break


def test_water_and_bars_are_told_by_the_level_of_each_date() -> None:
    fill = [replace(s, kind=Kind.ZHAN) for s in [ground(0, *FIELD), *ROOF]]
    assert began(fill) == 0
    assert began([ground(0, *FIELD, bar=0.8), *ROOF]) == 0


def seen_as(text: str, day: int | None) -> list[Look]:
    """Give looks of which the hits before a day are of ground beside."""
    on = START + timedelta(days=0 if day is None else day)
    return [replace(k, beside=k.seen is Seen.HIT and k.on < on) for k in looks(text)]


def test_the_evidence_begins_with_the_object_and_its_state_is_what_it_was() -> None:
    told = fold(seen_as("mhm?hhmh", 20))
    assert told.first_seen == START + timedelta(days=20)
    assert told.appeared_after == START + timedelta(days=10)
    assert (told.hits, told.misses, told.clear_looks) == (3, 1, 4)
    assert told.since == told.sighted == START + timedelta(days=5)
    plain = fold(seen_as("mhm?hhmh", None))
    assert (plain.first_seen, plain.state) == (told.since, told.state)
    # While nothing else was seen it is what it is; and what came back later is told as ever.
    only = fold(seen_as("mhh", 20))
    assert (only.first_seen, only.hits, only.sighted) == (START + timedelta(days=5), 2, None)
    assert not only.of_beside(only.since or START)
    again = fold(seen_as("hmmmm" + "hhh", 20))
    assert (again.first_seen, again.sighted) == (START + timedelta(days=25), None)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="hm?", max_size=16), st.integers(0, 16))
def test_law_no_shelf_is_another_one(text: str, day: int) -> None:
    """Whatever is found to be of ground beside, state and waits stay, and the day never earlier."""
    plain, told = fold(seen_as(text, None)), fold(seen_as(text, 5 * day))
    assert (plain.state, plain.last_seen, plain.frozen) == (told.state, told.last_seen, told.frozen)
    assert told.since == plain.first_seen
    if told.first_seen is not None and plain.first_seen is not None:
        assert told.first_seen >= plain.first_seen
        assert 1 <= told.hits <= plain.hits
        assert told.misses <= plain.misses
        assert told.appeared_after is None or told.appeared_after < told.first_seen
        hits = [k.on for k in looks(text) if k.seen is Seen.HIT and k.on >= told.first_seen]
        assert told.first_seen in hits


def test_hits_of_a_place_before_the_object_are_of_what_lay_beside() -> None:
    (track,) = link([ground(0, *FIELD), *ROOF])
    found = with_sightings(looks("hhm?" + "h" * 10), track)
    assert [k.beside for k in found] == [True, True] + [False] * 12
    assert fold(found).first_seen == track.began


def told(text: str, day: int) -> Case:
    one = candidate(0, 0, 60, text, kind=Kind.DUI)
    seen = tuple(seen_as(text, day))
    (case,) = apply([], [replace(one, looks=seen, evidence=fold(seen))]).cases
    return case


def test_a_permit_is_asked_about_the_day_of_the_object() -> None:
    case = told("hmhhh", 10)
    assert subject_of(case, FoldOptions()).first == (START + timedelta(days=10)).date()
    # What only ground beside was seen of is asked about by that.
    assert subject_of(told("hh", 60), FoldOptions()).first == START.date()


def test_it_is_kept_and_read_again_also_from_rows_of_earlier_days() -> None:
    case = told("hmhhh", 10)
    text = dump_case(case)
    back = load_case(text, case.polygon)
    assert back.evidence == case.evidence
    assert back.evidence.sighted == START
    assert [k.beside for k in back.looks] == [True] + [False] * 4
    body = json.loads(text)
    del body["evidence"]["sighted"]
    for look in body["looks"]:
        del look["beside"]
    old = load_case(json.dumps(body), case.polygon)
    assert old.evidence.since == case.evidence.first_seen
    assert case.as_found(START + timedelta(days=12)).pieces[0].first_seen == START


def test_a_later_run_that_knows_better_moves_the_day_and_keeps_case_and_shelf() -> None:
    text = "hhh"
    first = apply([], [candidate(0, 0, 60, text, kind=Kind.DUI)])
    seen = tuple(seen_as("hhhhhh", 10))
    later = replace(candidate(0, 0, 60, "h"), kind=Kind.DUI, looks=seen, evidence=fold(seen))
    (case,) = apply(first.cases, [later], "run2").cases
    assert case.case_id == first.cases[0].case_id
    assert case.status == first.cases[0].status
    assert case.evidence.first_seen == START + timedelta(days=10)
    # A patrol that begins later does not know the dates before, and says nothing else of them.
    again = apply([case], [later], "run3").cases
    assert [c.evidence for c in again] == [case.evidence]


arrays = st.lists(
    st.sets(st.integers(0, 30), min_size=1).map(lambda s: np.array(sorted(s), np.int64)),
    max_size=10,
)


@settings(max_examples=100, deadline=None)
@given(arrays)
def test_law_a_day_once_set_stays_when_dates_are_added(dates: list[np.ndarray]) -> None:
    """A run that knows more dates only ever moves it on, and by no more than two dates."""
    every = [begins(dates[:n], BeginOptions()) for n in range(len(dates) + 1)]
    assert every == sorted(every)
    assert max(every, default=0) <= 2
    assert begins(dates, BeginOptions(most=0)) == 0
