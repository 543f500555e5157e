"""Which looks a look is compared with: laws over any series."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.prepare.reference import ReferenceOptions, epochs, quarter_of

START = datetime(2020, 1, 1, tzinfo=UTC)
OPTIONS = ReferenceOptions(least_looks=6, least_quarters=4, ahead_quarters=1)
days = st.lists(st.integers(0, 2500), min_size=1, max_size=60, unique=True).map(sorted)


def times(found: list[int]) -> list[datetime]:
    return [START + timedelta(days=d) for d in found]


@settings(deadline=None)
@given(days)
def test_every_look_has_one_quarter_and_a_reference(found: list[int]) -> None:
    series = times(found)
    made = epochs(series, OPTIONS)
    assert [i for e in made for i in e.own] == list(range(len(series)))
    for epoch in made:
        assert {quarter_of(series[i]) for i in epoch.own} == {epoch.quarter}
        before = [i for i in range(len(series)) if quarter_of(series[i]) < epoch.quarter]
        span = epoch.quarter - quarter_of(series[0])
        assert epoch.reference == tuple(range(epoch.reference[0], epoch.reference[-1] + 1))
        if len(before) >= OPTIONS.least_looks and span >= OPTIONS.least_quarters:
            assert set(epoch.reference) <= {*before}  # a new look makes no reference of its quarter
            assert len(epoch.reference) >= OPTIONS.least_looks
        else:
            assert epoch.reference[0] == 0  # the series is too young: its first quarters
            enough = len(epoch.reference) >= OPTIONS.least_looks
            assert enough or len(epoch.reference) == len(series)
        assert set(epoch.around) >= {*epoch.own, *epoch.reference}
        assert max(quarter_of(series[i]) for i in epoch.around) <= max(
            epoch.quarter + 1, quarter_of(series[epoch.reference[-1]])
        )


@settings(deadline=None)
@given(days, st.integers(0, 2500))
def test_another_look_changes_only_quarters_that_rest_on_it(found: list[int], new: int) -> None:
    """A look never reaches back, but into quarters that had no year of looks before them."""
    more = sorted({*found, new})
    at = quarter_of(START + timedelta(days=new))

    def told(series: list[int]) -> dict[int, tuple[list[int], list[int]]]:
        return {
            e.quarter: ([series[i] for i in e.reference], [series[i] for i in e.around])
            for e in epochs(times(series), OPTIONS)
        }

    before, after = told(found), told(more)
    for quarter, (reference, around) in before.items():
        if at < quarter or new in after[quarter][0]:
            continue
        assert after[quarter][0] == reference
        if at > quarter + 1:
            assert after[quarter][1] == around


@settings(deadline=None)
@given(days)
def test_an_old_series_rests_on_the_newest_whole_year(found: list[int]) -> None:
    dense = sorted({*found, *range(0, 1500, 20)})
    made = epochs(times(dense), OPTIONS)
    for epoch in made:
        if epoch.quarter < quarter_of(START) + 4 or epoch.quarter > quarter_of(START) + 16:
            continue
        quarters = {quarter_of(times(dense)[i]) for i in epoch.reference}
        assert quarters == {epoch.quarter - k for k in range(1, 5)}
