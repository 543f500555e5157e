"""The fold over looks, by example and by law."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from shapely.geometry import box

from pipeline.adjudicate.evidence import (
    FoldOptions,
    Memory,
    came_with,
    carried,
    conclude,
    describe_transitions,
    doubtful,
    fold,
    lasting,
    one_per_pass,
    step,
    stood_since,
    unbroken,
)
from pipeline.adjudicate.score import confidence
from pipeline.adjudicate.weighing import (
    DryOptions,
    above_floods,
    below_floods,
    swiftly,
    weighed,
)
from pipeline.ledger.joining import merge_looks
from pipeline.model import Candidate, EvidenceState, Kind, Look, Seen

START = datetime(2025, 1, 1, 3, tzinfo=UTC)
CODES = {
    "h": (Seen.HIT, True),
    "u": (Seen.HIT, False),
    "m": (Seen.MISS, True),
    "?": (Seen.UNKNOWN, True),
}


def looks(text: str, days: int = 5) -> list[Look]:
    """h hit, u uncertain hit, m miss, ? unknown."""
    out: list[Look] = []
    for i, c in enumerate(text):
        seen, certain = CODES[c]
        on = START + timedelta(days=days * i)
        out.append(Look(on, f"{on:%Y%m%d}_s2", "s2", 0.0 if c == "?" else 1.0, seen, certain))
    return out


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("h", "first"),
        ("mmh", "first"),
        ("hm", "first"),
        ("hmmm", "first"),
        ("hh", "provisional"),
        ("hmmh", "provisional"),
        ("hhh", "suspected"),
        ("hmhh", "suspected"),
        ("hhmmh", "provisional"),
        ("h?h?h", "suspected"),
        ("uuuuuuu", "provisional"),
        ("huhu", "provisional"),
        ("huuhuuh", "suspected"),
        ("hhu?h", "suspected"),
        ("hmmmm", "expired"),
        ("hm?mmm", "expired"),
        ("hhhmmm", "suspected"),
        ("hhhmmmm", "expired"),
        ("hhhmmmmhh", "expired"),
        ("hhhmmmmhhh", "relapsed"),
        ("hhhmmmmhhhmmmm", "expired"),
        ("hmmmmh", "first"),
        ("hmmmmhhh", "suspected"),
        ("hhhuuuu", "suspected"),
        ("", "expired"),
        ("???", "expired"),
    ],
)
def test_states(text: str, state: str) -> None:
    assert fold(looks(text)).state == EvidenceState(state)


def test_dates_and_counts() -> None:
    e = fold(looks("m?mhh?mh"))
    assert (e.hits, e.misses, e.clear_looks) == (3, 1, 4)
    assert e.appeared_after == START + timedelta(days=10)
    assert e.first_seen == START + timedelta(days=15)
    assert e.last_seen == START + timedelta(days=35)
    again = fold(looks("hmmmm?h"))  # a glitch that went away is not when the real one appeared
    assert again.first_seen == START + timedelta(days=30)
    assert again.appeared_after == START + timedelta(days=20)
    assert fold(looks("hh")).appeared_after is None


def test_the_earlier_flight_of_a_pair_dates_what_was_not_seen_before_it() -> None:
    def flown(day: int, seen: Seen, certain: bool = True) -> Look:
        return Look(START + timedelta(days=day), f"drone_{day}", "drone", 1.0, seen, certain)

    pair = [flown(2, Seen.MISS, certain=False), flown(7, Seen.HIT)]
    e = fold(pair)
    assert (e.appeared_after, e.first_seen) == (pair[0].on, pair[1].on)
    assert (e.state, e.hits, e.misses) == (EvidenceState.SUSPECTED, 1, 0)
    # What was seen before both and grew between them was there all along.
    grown = fold([*looks("hh", days=1), *pair])
    assert (grown.appeared_after, grown.hits, grown.misses) == (None, 3, 0)
    # A flight that saw it says nothing else when a later one is held against it.
    third = [flown(7, Seen.MISS, certain=False), flown(9, Seen.HIT)]
    assert fold([*pair, *third]).appeared_after == pair[0].on
    assert merge_looks([pair, third])[1] == merge_looks([third, pair])[1] == pair[1]
    # What was gone and came back appeared after the flight that did not see it.
    again = fold([*looks("hmmmm", days=1), flown(6, Seen.MISS, certain=False), flown(9, Seen.HIT)])
    assert again.appeared_after == START + timedelta(days=6)


@pytest.mark.parametrize(
    ("text", "ranks", "flood"),
    [
        ("mmh", (0.4, 0.95, 0.5), True),  # the flood is the last look without it
        ("mmh", (0.95, 0.4, 0.5), False),  # it had gone by without leaving anything
        ("mmh", (0.4, 0.4, 0.95), True),
        ("m?h", (0.4, 0.95, 0.5), True),
        ("mmh", (0.4, None, 0.5), False),
        ("?h" + "h", (0.95, 0.5, 0.5), True),  # never seen without it
        ("?" * 8 + "h", (0.95, *[0.5] * 8), False),  # but that was 40 days ago
    ],
)
def test_what_came_with_high_water(text: str, ranks: tuple[float | None, ...], flood: bool) -> None:
    seen = [replace(k, level_rank=r) for k, r in zip(looks(text), ranks, strict=True)]
    first = next(k.on for k in seen if k.seen is Seen.HIT)
    assert came_with(reversed(seen), first, 0.9, timedelta(days=30)) is flood


def test_frozen_while_nobody_could_look() -> None:
    assert not fold(looks("hhh")).frozen
    assert fold(looks("hhh" + "?" * 13)).frozen
    assert fold(looks("hhh"), until=START + timedelta(days=10 + 61)).frozen
    assert not fold(looks("hhh"), until=START + timedelta(days=10 + 60)).frozen
    assert not fold(looks("hhh" + "?" * 13 + "h")).frozen
    assert not fold(looks("mmm" + "?" * 13)).frozen


def test_what_must_last_waits_again_after_it_was_gone() -> None:
    wait = timedelta(days=20)
    stood = lasting(looks("hhhhhh"), START, wait)
    assert [k.certain for k in stood] == [False] * 4 + [True] * 2
    back = lasting(looks("h" + "m" * 4 + "hhhhhh"), START, wait)
    assert [k.certain for k in back[5:]] == [False] * 4 + [True] * 2
    seldom = lasting(looks("hmmmhh"), START, wait)
    assert [k.certain for k in seldom if k.seen is Seen.HIT] == [False, True, True]
    assert lasting(looks("uh"), START, timedelta()) == looks("uh")


def test_a_satellite_that_is_back_some_seconds_early_has_waited_to_the_day() -> None:
    early = [replace(k, on=k.on - timedelta(seconds=20 * i)) for i, k in enumerate(looks("hhhhhh"))]
    waited = lasting(early, START, timedelta(days=20))
    assert [k.certain for k in waited] == [False] * 4 + [True] * 2
    at_once = lasting(early, START + timedelta(days=1), timedelta())
    assert [k.certain for k in at_once] == [False] + [True] * 5


def test_a_thing_stands_since_the_first_of_the_unbroken_hits_before_it_was_sighted() -> None:
    def since(text: str, sighted: int) -> int:
        return (stood_since(looks(text), START + timedelta(days=5 * sighted)) - START).days // 5

    assert since("mm?uhhh", 5) == 3
    assert since("hhmhhh", 4) == 3  # a clear miss between: what was there before is another thing
    assert since("hhmhhh", 3) == 3
    assert since("????h", 4) == 4
    # Waiting that was over before the detector saw it whole is over.
    found = looks("mhhhhhh")
    assert not lasting(found, START + timedelta(days=30), timedelta(days=20))[-1].certain
    began = stood_since(found, START + timedelta(days=30))
    assert lasting(found, began, timedelta(days=20))[-1].certain


def test_what_waiting_saw_counts_with_the_first_certain_hit_where_it_may() -> None:
    wait = timedelta(days=20)
    plain = lasting(looks("hhhhhh"), START, wait)
    assert fold(plain[:5]).state == "provisional"
    counted = lasting(looks("hhhhhh"), START, wait, counted=True)
    assert [k.pending for k in counted] == [True] * 4 + [False] * 2
    assert fold(counted[:4]).state == "provisional"  # however many: none is certain
    assert fold(counted[:5]).state == "suspected"
    assert lasting(counted, START, timedelta()) == counted  # a merge's second call keeps them
    assert not any(k.pending or k.certain for k in doubtful(counted))
    doubted = lasting(looks("uuuuhh"), START, wait, counted=True)
    assert fold(doubted).state == "provisional"


def test_a_fill_that_was_proved_twice_is_confirmed_by_a_look_at_any_level() -> None:
    assert fold(looks("hhu")).state == "provisional"
    assert fold(carried(looks("hhu"))).state == "suspected"
    assert fold(carried(looks("hu?uuuuu"))).state == "provisional"  # proved once only
    assert fold(carried(looks("uuuhh"))).state == "provisional"  # nothing after the proof yet
    gone = carried(looks("hhmu"))
    assert [k.certain for k in gone] == [True, True, True, False]
    strict = FoldOptions(proved_hits=3)
    assert carried(looks("hhu"), strict) == looks("hhu")


def test_an_uncertain_hit_confirms_nothing() -> None:
    assert fold(looks("hhhmmmmu"), FoldOptions(confirm_window=8)).state == "expired"


texts = st.text(alphabet="hum?", max_size=24)


@settings(deadline=None)
@given(texts, st.randoms(use_true_random=False))
def test_order_never_matters(text: str, random: object) -> None:
    mixed = looks(text)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert fold(mixed) == fold(looks(text))


@settings(deadline=None)
@given(texts, st.data())
def test_a_pass_counts_once(text: str, data: st.DataObject) -> None:
    some = looks(text)
    twice = data.draw(st.lists(st.sampled_from(some), max_size=8)) if some else []
    assert fold([*some, *twice]) == fold(some)


@settings(deadline=None)
@given(texts, st.integers(0, 24))
def test_splitting_a_period_into_runs_changes_nothing(text: str, cut: int) -> None:
    options = FoldOptions()
    memory = Memory()
    some = one_per_pass(looks(text))
    for part in (some[:cut], some[cut:]):
        for look in part:
            memory = step(memory, look, options)
    until = some[-1].on if some else None
    assert conclude(memory, options, until) == fold(some)
    # Late looks: folding what was kept with what is new is the same as folding all.
    assert fold([*some[cut:], *one_per_pass(some[:cut])]) == fold(some)


@settings(deadline=None)
@given(texts)
def test_looks_that_could_not_see_change_nothing(text: str) -> None:
    until = START + timedelta(days=300)
    clear = [k for k in looks(text) if k.seen is not Seen.UNKNOWN]
    assert fold(looks(text), until=until) == fold(clear, until=until)


@settings(deadline=None)
@given(texts, st.data())
def test_a_hit_for_a_miss_never_costs_confirmation(text: str, data: st.DataObject) -> None:
    misses = [i for i, c in enumerate(text) if c == "m"]
    if not misses:
        return
    i = data.draw(st.sampled_from(misses))
    better = text[:i] + "h" + text[i + 1 :]
    confirmed = (EvidenceState.SUSPECTED, EvidenceState.RELAPSED)
    if fold(looks(text)).state in confirmed:
        assert fold(looks(better)).state in confirmed


@settings(deadline=None)
@given(texts)
def test_a_proof_changes_certainty_alone_and_is_found_once(text: str) -> None:
    once = carried(looks(text))
    assert carried(once) == once
    assert [k.seen for k in once] == [k.seen for k in looks(text)]
    assert all(new.certain >= old.certain for new, old in zip(once, looks(text), strict=True))


@settings(deadline=None)
@given(st.text(alphabet="um?", max_size=24))
def test_uncertain_looks_never_confirm(text: str) -> None:
    assert fold(looks(text)).state not in (EvidenceState.SUSPECTED, EvidenceState.RELAPSED)


BARE = {
    "area_m2": 1500.0, "wait_days": 0.0, "wet_share": 0.0, "bar_share": 0.0, "certain_share": 1.0,
}  # fmt: skip
_MADE = Candidate(
    Kind.JIAN, "c", box(0, 0, 40, 40), "EPSG:32649", 0.0, (), fold(()), 0.5, {}, (), "ground/1"
)
FILL = {"area_m2": 1500.0, "wait_days": 0.0, "known_looks": 4.0}


@pytest.mark.parametrize("own", [BARE, FILL])
@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("h", "first"), ("hh", "suspected"), ("h?u?h", "suspected"), ("hmh", "provisional"),
        ("hu", "provisional"), ("uu", "provisional"), ("hhmmmmh", "expired"),
        ("hhmmmmhh", "relapsed"),
    ],
)  # fmt: skip
def test_two_certain_looks_confirm_what_is_large_and_waits_for_nothing(
    own: dict[str, float], text: str, state: str
) -> None:
    assert fold(swiftly(looks(text), own)).state.value == state


@pytest.mark.parametrize(
    "own",
    [
        BARE | {"area_m2": 900.0}, BARE | {"wet_share": 0.3}, BARE | {"bar_share": 0.6},
        BARE | {"wait_days": 60.0}, FILL | {"area_m2": 900.0}, FILL | {"wait_days": 90.0},
        FILL | {"known_looks": 2.0}, FILL | {"bar_share": 0.6}, BARE | {"certain_share": 0.4}, {},
    ],
)  # fmt: skip
def test_what_the_water_or_a_season_may_explain_needs_three(own: dict[str, float]) -> None:
    assert fold(swiftly(looks("hh"), own)).state.value == "provisional"
    assert fold(swiftly(looks("hhh"), own)).state.value == "suspected"


def test_the_outline_says_how_large_it_is_and_not_its_strongest_sighting() -> None:
    def state(area_m2: float, measures: dict[str, float]) -> str:
        seen = looks("hh")
        found = replace(_MADE, area_m2=area_m2, measures=measures, looks=seen, evidence=fold(seen))
        return weighed(found, FoldOptions(), START + timedelta(days=30)).evidence.state.value

    assert [state(1500.0, BARE), state(900.0, BARE)] == ["suspected", "provisional"]
    assert state(1500.0, BARE | {"area_m2": 900.0}) == "provisional"


def test_soil_that_waited_was_seen_often_enough_by_then() -> None:
    soil = BARE | {"wait_days": 90.0}
    assert fold(swiftly(looks("uuuuu"), soil)).state.value == "provisional"
    assert fold(swiftly(looks("uuuuh"), soil)).state.value == "suspected"
    assert fold(swiftly(looks("uuummmh"), soil)).state.value == "provisional"
    for doubt in ({"certain_share": 0.5}, {"strip": 1.0}, {"precedents": 1.0}, {"wet_share": 0.3}):
        assert fold(swiftly(looks("uuuuh"), soil | doubt)).state.value == "provisional"


def test_water_on_land_counts_once_the_river_has_fallen() -> None:
    pond = BARE | {"wet_share": 1.0}
    high = [replace(k, level_rank=0.95) for k in looks("hhhhh")]
    low = [replace(k, level_rank=0.6) for k in looks("hhh")]
    assert fold(above_floods(high, pond)).state.value == "provisional"
    assert fold(above_floods(low, pond)).state.value == "suspected"
    assert fold(above_floods([*high[:2], *looks("??hhh")[2:]], pond)).state.value == "suspected"
    for other in (BARE, pond | {"bar_share": 1.0}, FILL):
        assert above_floods(high, other) == high
    mixed = BARE | {"mixed_water": 1.0}  # a pond without a pixel of its own
    assert above_floods(high, mixed) == above_floods(high, pond)
    assert above_floods(high, pond, FoldOptions(flood_rank=1.0)) == high


def test_a_pool_that_was_gone_between_did_not_wait() -> None:
    seen = lasting(looks("hhhmh"), START, timedelta(days=18), counted=True)
    assert fold(seen).state.value == "suspected"
    assert fold(unbroken(seen)).state.value == "provisional"
    there = lasting(looks("hhhhh"), START, timedelta(days=18), counted=True)
    assert unbroken(there) == there
    # The hits may be an earlier patrol's, and the miss a later one's.
    assert fold([*seen[:3], *unbroken(seen[3:])]).state.value == "provisional"
    assert fold([*unbroken(seen[:4]), *looks("hhhhhhh")[4:]]).state.value == "suspected"


def test_a_pond_that_no_flood_and_no_farmer_explains_needs_no_more_than_a_heap() -> None:
    pond = BARE | {"wet_share": 1.0}
    assert fold(swiftly(looks("hh"), pond)).state.value == "provisional"
    assert fold(swiftly(looks("hh"), pond | {"dug": 1.0})).state.value == "suspected"
    unlevelled = pond | {"certain_share": 0.4}
    assert fold(swiftly(looks("huuh"), unlevelled)).state.value == "provisional"
    assert fold(swiftly(looks("huuh"), unlevelled | {"dug": 1.0})).state.value == "suspected"
    assert (
        fold(swiftly(looks("hh"), pond | {"dug": 1.0, "bar_share": 1.0})).state.value != "suspected"
    )


def test_the_river_was_low_where_every_look_says_so() -> None:
    since = START + timedelta(days=100)

    def at(days: float, rank: float | None, seen: Seen = Seen.MISS) -> Look:
        return replace(looks("m")[0], on=START + timedelta(days=days), seen=seen, level_rank=rank)

    low = [at(d, 0.3) for d in range(40, 100, 10)] + [at(100, 0.2, Seen.HIT)]
    assert below_floods(low, since)
    assert below_floods([at(30, 0.9), *low], since)  # before the last 60 days, and it went
    for rank in (0.8, None):
        assert not below_floods([*low[:5], at(90, rank), low[6]], since)
        assert not below_floods([*low[:6], replace(low[6], level_rank=rank)], since)
    assert below_floods([*low[:5], at(90, 0.8), low[6]], since, DryOptions(high=0.9))
    for k in range(1, 6):  # a flood may have come between two looks, or before the first
        assert not below_floods([*low[:k], *low[k + 1 :]], since)
    assert not below_floods(low[2:], since)
    assert not below_floods([low[6]], since)
    # Days of low water alone do not make up for looks.
    few = DryOptions(days=20.0)
    assert not below_floods(low[4:], since, few)
    assert below_floods(low[2:], since, DryOptions(days=40.0))
    assert below_floods(low[4:], since, few.model_copy(update={"low_looks": 3}))


def test_it_was_not_low_where_few_looks_say_so() -> None:
    since = START + timedelta(days=100)
    miss = looks("m")[0]
    days_ranks = ((0, 0.3), (40, 0.3), (84, 0.3), (100, 0.1))
    sparse = [replace(miss, on=START + timedelta(days=d), level_rank=r) for d, r in days_ranks]
    assert not below_floods([*sparse[:3], replace(sparse[3], seen=Seen.HIT)], since)
    with pytest.raises(ValidationError, match="150"):  # looks are asked for from 200 days before
        DryOptions(days=200.0)


def test_what_explains_or_waits_takes_strength_away() -> None:
    strong = swiftly(looks("hh"), BARE)
    assert not any(k.strong for k in doubtful(strong))
    waited = lasting(strong, START, timedelta(days=60))
    assert not any(k.strong or k.certain for k in waited)


def test_transitions_can_be_printed() -> None:
    table = describe_transitions()
    assert "3 of the last 4 looks that count are hits, or 2 strong hits" in table
    assert all(s.value in table for s in EvidenceState)


def _moves(table: str) -> set[tuple[str, str]]:
    """Read a table of transitions into pairs of states; "" is never seen."""
    every = {s.value for s in EvidenceState}
    found: set[tuple[str, str]] = set()
    for line in table.splitlines():
        left, _, right = (part.strip() for part in line.split("|"))
        words = {w.strip() for w in left.split(",")}
        before = every & words
        before |= {""} if left == "(never seen)" else set()
        if left.startswith("any"):
            before = (every | {""}) - ({"expired"} if "but" in left else set())
        found |= {(a, b) for a in before for b in every if b in right.replace(",", "").split()}
    return found


@given(st.text(alphabet="hum?DX", max_size=24))
@settings(max_examples=60)
def test_law_no_state_moves_but_as_the_documentation_prints(text: str) -> None:
    table = describe_transitions()
    stands = (Path(__file__).parents[1] / "docs/contracts.md").read_text(encoding="utf-8")
    assert "\n".join(line.rstrip() for line in table.splitlines()) in stands
    plain = looks(text.replace("D", "h").replace("X", "m"))
    all_of = [
        replace(k, sensor="drone") if c in "DX" else k for k, c in zip(plain, text, strict=True)
    ]
    states = [fold(all_of[:i]).state.value if any(k.seen is Seen.HIT for k in all_of[:i]) else ""
              for i in range(len(all_of) + 1)]  # fmt: skip
    moved = {(a, b) for a, b in pairwise(states) if a != b}
    assert moved <= _moves(table)


def test_confidence_is_modest_and_ordered() -> None:
    values = [confidence(looks(t)) for t in ("h", "hh", "hhh", "hhhhhhhh")]
    assert values == sorted(values)
    assert 0 < values[0] < 0.5 < values[-1] < 1
    assert confidence(looks("hhm")) < confidence(looks("hh"))
    assert confidence(looks("uu")) < confidence(looks("hh"))
    assert confidence(looks("h?")) == confidence(looks("h"))
    strong = {k.pass_id: 1.0 for k in looks("hh")}
    weak = dict.fromkeys(strong, 0.2)
    assert confidence(looks("hh"), weak) < confidence(looks("hh"), strong)


def test_what_all_dates_explain_has_no_certain_hit_and_keeps_its_misses() -> None:
    seen = [Seen.HIT, Seen.MISS, Seen.UNKNOWN]
    looks = [Look(datetime(2025, 1, 1 + i, tzinfo=UTC), f"p{i}", "s", 1.0, s, True)
             for i, s in enumerate(seen)]  # fmt: skip
    assert [k.certain for k in doubtful(looks)] == [False, True, True]
    assert [k.seen for k in doubtful(looks)] == seen
