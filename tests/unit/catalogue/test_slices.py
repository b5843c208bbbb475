from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyhaul.catalogue.slices import PARTS_MAX, bounded, cuts, split, steady_cuts, windows
from skyhaul.errors import CatalogueError
from skyhaul.model import Query, Season, TimeInterval
from skyhaul.protocols import Slice

APRIL = datetime(2024, 4, 1, tzinfo=UTC)
MAY = datetime(2024, 5, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

moments = st.timedeltas(timedelta(0), timedelta(days=6000)).map(lambda after: datetime(2014, 1, 1, tzinfo=UTC) + after)
widths = st.one_of(
    st.timedeltas(MICROSECOND * 2, timedelta(milliseconds=20)), st.timedeltas(MICROSECOND * 2, timedelta(days=5000))
)


def part(start: datetime | None, end: datetime | None) -> Slice:
    return Slice(query=Query(), interval=TimeInterval(start=start, end=end))


@given(moments, widths, st.integers(1, 10**9), st.integers(1, 10_000), st.booleans())
def test_parts_are_disjoint_and_cover_the_whole(start, width, total, limit, steady):
    end = start + width
    parts = split(part(start, end), total, limit, TimeInterval(start=start, end=end), steady=steady)
    edges = [each.interval.start for each in parts] + [parts[-1].interval.end]
    assert edges[0] == start
    assert edges[-1] == end
    assert edges == sorted(set(edges))
    assert [each.interval.end for each in parts] == edges[1:]
    assert 2 <= len(parts) <= PARTS_MAX


@given(moments, widths, moments)
def test_a_moment_lies_in_exactly_one_part(start, width, moment):
    parts = split(part(None, None), 50_000, 5000, TimeInterval(start=start, end=start + width))
    holding = [
        each
        for each in parts
        if (each.interval.start is None or each.interval.start <= moment)
        and (each.interval.end is None or moment < each.interval.end)
    ]
    assert len(holding) == 1


@given(moments, widths, st.integers(2, 64))
def test_parts_are_of_about_one_length(start, width, parts):
    end = start + width
    edges = [start, *cuts(start, end, parts), end]
    # Cuts are moved back to a whole unit: a part is off by less than two of them.
    assert max(b - a for a, b in pairwise(edges)) <= width / (len(edges) - 1) + timedelta(seconds=2)


def test_outer_ends_stay_open():
    parts = split(part(None, None), 10_000, 5000, TimeInterval(start=APRIL, end=MAY))
    assert [str(each.interval) for each in parts] == ["… to 2024-04-16T00:00:00Z", "2024-04-16T00:00:00Z to …"]


def test_products_are_spread_over_as_many_parts_as_leave_the_limit_to_each():
    assert len(split(part(APRIL, MAY), 50_001, 5000, TimeInterval(start=APRIL, end=MAY))) == 11


def test_cuts_are_on_whole_seconds_where_there_is_room():
    found = list(cuts(APRIL + timedelta(seconds=0.3), MAY, 7))
    assert [moment.microsecond for moment in found] == [0] * 6


@pytest.mark.parametrize(
    ("width", "parts", "expected"),
    [
        (timedelta(milliseconds=4), 4, [1000, 2000, 3000]),
        (MICROSECOND * 3, 256, [1, 2]),
        (MICROSECOND * 2, 2, [1]),
        (MICROSECOND, 2, []),
    ],
)
def test_short_intervals_are_cut_as_finely_as_time_goes(width, parts, expected):
    assert [(moment - APRIL) // MICROSECOND for moment in cuts(APRIL, APRIL + width, parts)] == expected


@given(moments, widths, st.integers(2, 64))
def test_steady_parts_are_hardly_shorter_than_even_ones(start, width, parts):
    end = start + width
    found = list(steady_cuts(start, end, parts))
    lengths = {b - a for a, b in pairwise(found)}
    assert len(lengths) <= 1
    assert 2 <= len(found) + 1 <= parts * 9 / 8 + 2
    assert found[0] - start <= max(2 * width / parts, MICROSECOND)  # whole units
    assert end - found[-1] <= max(2 * width / parts, MICROSECOND)  # whole units


@given(moments, st.timedeltas(timedelta(days=30), timedelta(days=4000)), st.integers(2, 64), st.integers(1, 50))
def test_steady_cuts_stay_where_they_were_when_a_little_is_published(start, width, parts, later_s):
    before = list(steady_cuts(start, start + width, parts))
    after = list(steady_cuts(start, start + width + timedelta(seconds=later_s), parts))
    # Lengths are round: a little more time makes another one rarely, and then of all.
    assert after[: len(before)] == before or after[1] - after[0] > before[1] - before[0]


def test_steady_cuts_do_not_move_with_the_end():
    ends = [MAY + timedelta(minutes=number) for number in range(0, 1000, 10)]
    found = [list(steady_cuts(APRIL, end, 32)) for end in ends]
    assert sum(one[:30] != other[:30] for one, other in pairwise(found)) <= 1


@pytest.mark.parametrize("steady", [False, True])
def test_one_instant_cannot_be_split(steady):
    instant = part(APRIL, APRIL + MICROSECOND)
    with pytest.raises(CatalogueError, match="20000 products begin in the same instant"):
        split(instant, 20_000, 5000, instant.interval, steady=steady)


seasons = st.builds(
    lambda first, last: Season(first=(first.month, first.day), last=(last.month, last.day)),
    st.dates(date(2024, 1, 1), date(2024, 12, 31)),
    st.dates(date(2024, 1, 1), date(2024, 12, 31)),
)
NOW = datetime(2026, 6, 15, tzinfo=UTC)


@given(
    season=seasons,
    start=st.datetimes(datetime(2010, 1, 1), datetime(2026, 1, 1)),  # noqa: DTZ001 made aware below
    length_h=st.integers(1, 24 * 365 * 5),
    moment_h=st.integers(-24 * 30, 24 * 365 * 6),
)
def test_windows_hold_what_is_in_the_season_and_in_the_interval(season, start, length_h, moment_h):
    start = start.replace(tzinfo=UTC)
    interval = TimeInterval(start=start, end=start + timedelta(hours=length_h))
    moment = start + timedelta(hours=moment_h)
    found = list(windows(season, interval, now=NOW))
    assert bounded(interval, now=NOW)
    inside = interval.start <= moment < interval.end and moment in season
    assert any(each.start <= moment < each.end for each in found) is inside
    assert all(one.end <= other.start for one, other in pairwise(found))


@given(season=seasons, moment=st.datetimes(datetime(1980, 1, 1), datetime(2029, 12, 31)), old=st.booleans())  # noqa: DTZ001 made aware below
def test_windows_without_a_start_leave_what_is_older_whole(season, moment, old):
    moment = moment.replace(tzinfo=UTC)
    start = datetime(1990, 1, 1, tzinfo=UTC) if old else None
    interval = TimeInterval(start=start, end=datetime(2030, 1, 1, tzinfo=UTC))
    found = list(windows(season, interval, now=NOW))
    assert not bounded(interval, now=NOW)
    inside = any((not each.start or each.start <= moment) and moment < each.end for each in found)
    assert inside is ((moment in season or moment.year < 2007) and (start is None or moment >= start))


def test_windows_without_an_end_go_a_year_ahead():
    interval = TimeInterval(start=datetime(2024, 6, 1, tzinfo=UTC))
    assert bounded(interval, now=NOW)
    found = list(windows(Season(first=(6, 1), last=(6, 30)), interval, now=NOW))
    assert [each.start.year for each in found] == [2024, 2025, 2026, 2027]


def test_a_season_that_does_not_touch_the_interval_has_no_windows():
    march = TimeInterval(start=datetime(2024, 3, 1, tzinfo=UTC), end=datetime(2024, 4, 1, tzinfo=UTC))
    assert list(windows(Season(first=(7, 1), last=(8, 31)), march, now=NOW)) == []
