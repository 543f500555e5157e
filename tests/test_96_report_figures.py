"""The numbers of a report: exact over small histories, and their laws over any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import ConfigurationError
from pipeline.ledger import Event
from pipeline.ledger.status import TRANSITIONS, Mover
from pipeline.model import Status
from pipeline.report.figures import PUBLIC, Count, Facts, Figures, count_cases
from pipeline.report.observed import CorridorLooks, Stretch, tally
from pipeline.report.period import ReportPeriod, read_period
from pipeline.report.replay import moves_of, state_on

Q1, Q2 = read_period("2026Q1"), read_period("2026Q2")
FIELDS = Facts("430212", "渌口镇", "lushui", "dui")


def opened(case: str, on: date, state: str = "suspected") -> Event:
    end = datetime.combine(on, time(8), UTC)
    return Event(case, 1, "run", end, "opened", None, state)


def said(case: str, on: date, old: str, new: str, what: str = "status", **more: str) -> Event:
    typed = datetime.combine(on, time(4), UTC)
    return Event(case, 2, "c", typed, what, old, new, {"by": "王工", "on": on.isoformat(), **more})


def figures(events: Sequence[Event], period: ReportPeriod = Q1, **facts: Facts) -> Figures:
    known = facts or {e.case_id: FIELDS for e in events}
    return count_cases(moves_of(events), known, period)


def day(month: int, of: int) -> date:
    return date(2026, month, of)


def test_a_case_from_sighting_to_relapse_is_counted_once_at_each_step() -> None:
    events = [
        opened("a", day(1, 5)),
        said("a", day(1, 10), "suspected", "issued"),
        said("a", day(1, 20), "issued", "verified"),
        said("a", day(2, 1), "verified", "rectifying"),
        said("a", day(3, 3), "rectifying", "closed"),
        said("a", day(5, 1), "closed", "relapsed"),
    ]
    first, second = figures(events), figures(events, Q2)
    assert first.total == Count(new=1, closed=1, to_rectifying=1, suspected_new=1, issued_new=1)
    assert second.total == Count(relapsed=1, closing=1, back=1)
    assert [(w.count, w.median_days, w.most_days) for w in first.waited.values()] == [
        (1, 10.0, 10),
        (1, 12.0, 12),
        (1, 30.0, 30),
        (1, 52.0, 52),
    ]
    assert second.in_hand == ("a",)


def test_what_was_none_is_counted_by_reason_at_the_desk_and_in_the_field() -> None:
    events = [
        opened("a", day(1, 5)),
        said("a", day(1, 6), "suspected", "rejected", reason="shadow"),
        opened("b", day(1, 5)),
        said("b", day(1, 6), "suspected", "issued"),
        said("b", day(1, 9), "issued", "permitted", reason="authorised_works"),
    ]
    found = figures(events)
    assert found.excluded == {("authorised_works", "field"): 1, ("shadow", "desk"): 1}
    assert found.total == Count(suspected_new=2, issued_new=1)


def test_what_is_corrected_away_is_no_closure() -> None:
    start = [opened("a", day(1, 5)), said("a", day(1, 6), "suspected", "issued")]
    verified = [*start, said("a", day(1, 7), "issued", "verified")]
    rejected = [*verified, said("a", day(4, 2), "verified", "rejected", reason="crop")]
    again = [*rejected, said("a", day(5, 2), "rejected", "verified", reason="other")]
    assert figures(rejected, Q2).total == Count(opening=1, removed=1)
    assert figures(again, Q2).total == Count(opening=1, removed=1, again=1, closing=1, waiting=1)


def test_a_relapse_that_was_none_is_a_correction_and_no_second_closure() -> None:
    events = [
        opened("a", day(1, 5)),
        said("a", day(1, 6), "suspected", "issued"),
        said("a", day(1, 7), "issued", "verified"),
        said("a", day(1, 8), "verified", "rectifying"),
        said("a", day(1, 9), "rectifying", "closed"),
        said("a", day(4, 2), "closed", "relapsed"),
        said("a", day(4, 9), "relapsed", "closed", reason="other"),
    ]
    assert figures(events, Q2).total == Count(relapsed=1, removed=1)


def test_flags_are_of_what_is_in_hand_at_the_end() -> None:
    events = [
        opened("a", day(1, 5)),
        said("a", day(1, 6), "suspected", "issued"),
        said("a", day(1, 7), "issued", "verified"),
        said("a", day(1, 7), "", "true", "on_account"),
        said("a", day(2, 7), "", "true", "overdue"),
    ]
    assert figures(events).total.on_account == figures(events).total.overdue == 1
    january = figures(events, read_period("2026-01")).total
    assert (january.on_account, january.overdue) == (1, 0)


def test_a_merged_case_leaves_the_stock_and_a_hidden_one_the_list() -> None:
    events = [
        opened("a", day(1, 5)),
        said("a", day(1, 6), "suspected", "issued"),
        said("a", day(1, 7), "issued", "verified"),
        replace(opened("a", day(2, 1)), what="absorbed", new="b"),
        opened("b", day(1, 5)),
        replace(opened("b", day(2, 1)), what="screened", new="suppressed:works-valid"),
    ]
    found = figures(events)
    assert (found.total.new, found.total.removed, found.total.closing) == (1, 1, 0)
    assert found.total.suspected_open == 0


def test_a_run_whose_period_ends_later_is_before_the_decision_that_followed_it() -> None:
    events = [opened("a", date(2026, 12, 31)), said("a", day(1, 10), "suspected", "issued")]
    assert figures(events).total == Count(suspected_new=1, issued_new=1, issued_open=1)


def test_a_decision_typed_late_counts_on_its_own_day_but_not_before_the_one_it_followed() -> None:
    start = [opened("a", day(1, 5)), said("a", day(2, 6), "suspected", "issued")]
    early = replace(
        said("a", day(1, 20), "issued", "verified"), as_of=datetime(2026, 4, 2, tzinfo=UTC)
    )
    found = figures([*start, early])
    assert found.total.new == 1
    assert found.waited["issued_verified"].median_days == 0


@pytest.mark.parametrize(
    ("text", "first", "last", "zh", "before"),
    [
        ("2026Q3", date(2026, 7, 1), date(2026, 9, 30), "2026年第三季度", "2026Q2"),
        ("2026-q1", date(2026, 1, 1), date(2026, 3, 31), "2026年第一季度", "2025Q4"),
        ("2026", date(2026, 1, 1), date(2026, 12, 31), "2026年度", "2025"),
        ("2026-03", date(2026, 3, 1), date(2026, 3, 31), "2026年3月", "2026-02"),
    ],
)
def test_periods(text: str, first: date, last: date, zh: str, before: str) -> None:
    found = read_period(text)
    assert (found.first, found.last, found.zh, found.before().name) == (first, last, zh, before)
    assert found.before().last + timedelta(days=1) == found.first
    assert read_period(found.name) == found


@pytest.mark.parametrize("text", ["2026Q5", "2026-13", "Q3", "26Q3", "2026Q3x", ""])
def test_what_is_no_period_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is no period"):
        read_period(text)


# --- laws -----------------------------------------------------------------------------------

_NEXT = {s: [t.after for t in TRANSITIONS if t.before is s] for s in Status}
_IMAGERY = {(t.before, t.after) for t in TRANSITIONS if t.who is Mover.IMAGERY}


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Event], dict[str, Facts]]:
    """Draw a ledger: any walks along the table of transitions, on any days, interleaved."""
    facts: dict[str, Facts] = {}
    walks: list[list[Event]] = []
    for at in range(draw(st.integers(1, 5))):
        case = f"c{at}"
        county = draw(st.sampled_from(["430212", "430223", ""]))
        facts[case] = Facts(
            county,
            draw(st.sampled_from(["", "甲"])),
            "lushui",
            draw(st.sampled_from(["cai", "dui"])),
        )
        status = Status.SUSPECTED
        days = st.dates(date(2025, 10, 1), date(2026, 9, 30))
        walk = [opened(case, draw(days))]
        for _ in range(draw(st.integers(0, 9))):
            after = draw(st.sampled_from(_NEXT[status]))
            event = said(case, draw(days), status.value, after.value, reason="other")
            walk.append(replace(event, detail={}) if (status, after) in _IMAGERY else event)
            status = after
        walks.append(walk)
    order = draw(st.permutations([i for i, w in enumerate(walks) for _ in w]))
    return [walks[i].pop(0) for i in order], facts


@settings(max_examples=60, deadline=None)
@given(histories())
def test_nothing_is_lost_between_groups_and_periods(
    drawn: tuple[list[Event], dict[str, Facts]],
) -> None:
    events, facts = drawn
    found = {p.name: figures(events, p, **facts) for p in (Q1, Q2)}
    for one in found.values():
        counts = [one.total, *(c for table in one.groups.values() for c in table.values())]
        for c in counts:
            moved = c.new + c.again + c.relapsed - c.closed - c.removed
            assert c.opening + moved == c.closing
            assert c.waiting + c.rectifying + c.back == c.closing
        for table in one.groups.values():
            assert sum(table.values(), Count()) == one.total
    for name, table in found["2026Q1"].groups.items():
        after = found["2026Q2"].groups[name]
        assert {k: c.closing for k, c in table.items()} == {k: c.opening for k, c in after.items()}
    months = [figures(events, read_period(f"2026-0{m}"), **facts).total for m in (4, 5, 6)]
    flows = ("new", "again", "relapsed", "closed", "removed", "to_rectifying", "issued_new")
    for flow in flows:
        assert sum(getattr(m, flow) for m in months) == getattr(found["2026Q2"].total, flow)


@settings(max_examples=40, deadline=None)
@given(histories())
def test_the_replay_of_everything_is_what_the_ledger_says(
    drawn: tuple[list[Event], dict[str, Facts]],
) -> None:
    events, _ = drawn
    last = {e.case_id: e.new for e in events}
    for case, moves in moves_of(events).items():
        days = [m.on for m in moves]
        assert days == sorted(days)
        end = state_on(moves, date.max)
        assert end is not None
        assert end.status == (last[case] if len(moves) > 1 else "suspected")


def test_public_counts_are_of_verified_problems_only() -> None:
    assert not [n for n in PUBLIC if n.startswith(("suspected", "issued"))]


# --- what was observed ----------------------------------------------------------------------


def looks(first: date, newest: date, **clear: date) -> dict[str, CorridorLooks]:
    """Give looks at Lushui; reaches by number."""
    days = {f"lushui-{k[1:]}": frozenset({on}) for k, on in clear.items()}
    return {"lushui": CorridorLooks(first, newest, days)}


def test_days_before_the_first_look_and_after_the_newest_are_unknown_and_not_seen() -> None:
    reaches = [Stretch("lushui", f"lushui-{i}", "", 5.0) for i in (1, 2)]
    (found,) = tally(reaches, looks(day(1, 11), day(2, 10), r1=day(2, 1)), Q1, 30)
    # Reach 1: seen for 30 days from its look on, not seen on the 21 days of looks before it;
    # reach 2 on none of the 31 days of looks.
    assert (found.size, found.seen, found.unseen) == (10.0, 150.0, 260.0)
    assert found.unknown == 900.0 - 410.0
    (nothing,) = tally(reaches, {}, Q1, 30)
    assert (nothing.seen, nothing.unseen, nothing.unknown) == (0.0, 0.0, 900.0)


def test_a_day_is_seen_by_the_rule_by_which_a_run_lists_reaches() -> None:
    """A run lists a reach whose last clear look is ``window`` days old, or older."""
    reach = [Stretch("lushui", "lushui-1", "", 1.0)]
    for days in range(28, 33):
        newest = day(1, 1) + timedelta(days=days)
        listed = days >= 30
        one = replace(Q1, first=newest, last=newest)
        (found,) = tally(reach, looks(day(1, 1), newest, r1=day(1, 1)), one, 30)
        assert (found.unseen, found.seen) == ((1.0, 0.0) if listed else (0.0, 1.0))


def test_what_a_later_look_saw_changes_no_day_before_it() -> None:
    reach = [Stretch("lushui", "lushui-1", "", 1.0)]
    until = replace(Q1, last=day(2, 10))
    early = tally(reach, looks(day(1, 1), day(2, 10), r1=day(1, 3)), until, 30)
    both = {"lushui": CorridorLooks(
        day(1, 1), day(3, 20), {"lushui-1": frozenset({day(1, 3), day(2, 11)})}
    )}  # fmt: skip
    assert tally(reach, both, until, 30) == early


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_seen_unseen_and_unknown_are_all_there_is(data: st.DataObject) -> None:
    days = st.dates(date(2025, 11, 1), date(2026, 5, 1))
    every = sorted(data.draw(st.lists(days, min_size=1, max_size=6)))
    clear = data.draw(st.frozensets(st.sampled_from(every)))
    known = {"lushui": CorridorLooks(every[0], every[-1], {"lushui-1": clear})}
    reaches = [Stretch("lushui", "lushui-1", "", 1.0), Stretch("lushui", "lushui-2", "", None)]
    for found in tally(reaches, known, Q1, 30):
        assert min(found.seen, found.unseen, found.unknown) >= 0
        assert found.seen + found.unseen + found.unknown == pytest.approx(found.size * 90)
