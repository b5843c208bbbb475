from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyhaul.model import Product
from skyhaul.select import revisits

FIRST = datetime(2024, 1, 30, 5, tzinfo=UTC)


def product(key, start, length_s=25.0, unit="S1A", **more):
    name = f"{unit}_{key}"
    end = None if start is None else start + timedelta(seconds=length_s)
    return Product(**{"id": key, "name": name, "provider": "cdse", "start": start, "end": end} | more)


def slices(day, count=4, unit="S1A"):
    """What one pass leaves: slices, one begun when the other has ended."""
    begun = FIRST + timedelta(days=day)
    return [product(f"{unit}-{day}-{each}", begun + timedelta(seconds=25 * each), unit=unit) for each in range(count)]


def test_slices_of_one_pass_are_one_acquisition():
    found = revisits([*slices(0), *slices(12), *slices(36)])
    assert found.per_pass.as_dict() == {
        "total_acquisitions": 3,
        "date_range": {"start": "2024-01-30T05:00:00Z", "end": "2024-03-06T05:00:00Z", "span_days": 36},
        "temporal_gaps": {
            "min": 12.0,
            "max": 24.0,
            "mean": 18.0,
            "median": 18.0,
            "std": pytest.approx(8.4853, abs=1e-4),
        },
        "acquisitions_by_month": {"2024-01": 1, "2024-02": 1, "2024-03": 1},
        "acquisitions_by_year": {2024: 3},
    }
    assert found.per_product.as_dict()["total_acquisitions"] == 12
    assert found.per_product.gaps.median == pytest.approx(25 / 86400)


def test_two_satellites_at_once_are_two_passes():
    assert len(revisits([*slices(0), *slices(0, unit="S1C")]).per_pass.starts) == 2


def test_tiles_of_one_datatake_start_together():
    tiles = [product(f"{tile}", FIRST, 0, unit="S2A") for tile in range(20)]
    found = revisits([*tiles, product("next", FIRST + timedelta(days=5), 0, unit="S2A")])
    assert [len(each.starts) for each in (found.per_pass, found.per_product)] == [2, 21]
    assert (found.per_pass.gaps.mean, found.per_pass.gaps.std) == (5.0, 0.0)


def test_a_long_pass_lasts_as_long_as_its_longest_product():
    long, short = product("long", FIRST, 3000), product("short", FIRST + timedelta(seconds=10), 20)
    after = product("after", FIRST + timedelta(seconds=3100))
    assert len(revisits([long, short, after]).per_pass.starts) == 1
    assert len(revisits([short, after]).per_pass.starts) == 2
    assert len(revisits([long, short, after], pass_break=timedelta(seconds=50)).per_pass.starts) == 2


def test_one_acquisition_has_no_gaps_and_makes_no_month():
    assert revisits(slices(0, 1)).per_product.as_dict() == {
        "total_acquisitions": 1,
        "date_range": {"start": "2024-01-30T05:00:00Z", "end": "2024-01-30T05:00:00Z", "span_days": 0},
        "temporal_gaps": None,
        "acquisitions_by_month": {},
        "acquisitions_by_year": {},
    }


def test_nothing_dated_says_nothing():
    found = revisits([product("aux", None)])
    assert (found.per_pass.as_dict(), found.per_product.as_dict(), found.undated) == ({}, {}, 1)
    assert revisits([]).undated == 0


@given(st.lists(st.integers(0, 400), max_size=12, unique=True), st.randoms())
def test_passes_are_no_more_than_products_and_the_order_does_not_matter(days, draw):
    some = [each for day in days for each in slices(day, 2)]
    found = revisits(some)
    assert found == revisits(draw.sample(some, len(some)))
    assert len(found.per_pass.starts) == len(days)
    assert len(found.per_product.starts) == 2 * len(days)
    if found.per_pass.gaps:
        span = (found.per_pass.starts[-1] - found.per_pass.starts[0]).days
        assert found.per_pass.gaps.mean * (len(days) - 1) == pytest.approx(span)
