"""What is true of every choice: it is some of what it was given, the order does not matter, and a second time changes nothing."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skyhaul import select
from skyhaul.model import Product

AREA = "POLYGON ((2 1, 9 1, 9 6, 2 6, 2 1))"
PATTERN = r"S2A_MSIL2A_.*_T(?P<tileid>.{5})_"
CHOICES = {
    "unique": select.unique,
    "by_date": partial(select.by_date, start="2024-07-02", end="2024-07-20"),
    "by_date_overlap": partial(select.by_date, start="2024-07-02", end="2024-07-20", mode="overlap"),
    "by_property": partial(select.by_property, name="cloudCover", comparison="le", wanted=20),
    "online": select.online,
    "latest_versions": select.latest_versions,
    "latest_by_name": partial(select.latest_by_name, pattern=PATTERN),
    "nearest": partial(select.nearest, when="2024-07-10", count=2, group_by="tile"),
    "one_per_week": partial(select.one_per_period, period="week", prefer="cloudCover"),
    "one_per_9_days": partial(select.one_per_period, period=9, group_by="tile"),
    "limit": partial(select.limit, count=2, prefer="-cloudCover"),
    "overlapping": partial(select.overlapping, area=AREA, minimum=40),
    "intersecting": partial(select.overlapping, area=AREA, relation="intersects"),
    "latest_cover": partial(select.latest_cover, area=AREA),
    "smallest_cover": partial(select.smallest_cover, area=AREA, prefer="cloudCover"),
}
PREFERRED_FIRST = {"latest_cover", "smallest_cover"}


@st.composite
def products(draw):
    day = draw(st.one_of(st.none(), st.integers(0, 40)))
    start = None if day is None else datetime(2024, 6, 28, tzinfo=UTC) + timedelta(days=day)
    west, south = draw(st.integers(0, 9)), draw(st.integers(0, 6))
    east, north = west + draw(st.integers(1, 4)), south + draw(st.integers(1, 4))
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    tile, baseline = draw(st.sampled_from(["31TCL", "31TDL"])), draw(st.sampled_from(["0510", "0511", "9999"]))
    when = f"{start or datetime(2024, 1, 1, tzinfo=UTC):%Y%m%dT%H%M%S}"
    return Product(
        id=f"{draw(st.integers(0, 30))}",
        name=draw(st.sampled_from([f"S2A_MSIL2A_{when}_N{baseline}_R022_T{tile}_20240901T000000.SAFE", "unheard-of"])),
        provider="cdse",
        start=start,
        end=start and start + timedelta(hours=draw(st.integers(0, 30))),
        online=draw(st.booleans()),
        footprint=draw(st.one_of(st.none(), st.just({"type": "Polygon", "coordinates": [ring]}))),
        attributes=draw(st.dictionaries(st.just("cloudCover"), st.sampled_from([0, 20, "20", 90.5]))),
    )


def told_apart(some):
    """One of each id: which of two different products with one id is kept is a question of its own."""
    return list({each.id: each for each in some}.values())


few = settings(max_examples=25)
"""Of each choice: there are many choices."""

many = st.lists(products(), max_size=9).map(told_apart)


def kept(choice, some):
    found = CHOICES[choice](some)
    return list(getattr(found, "products", found))


@pytest.mark.parametrize("choice", CHOICES)
@few
@given(many, st.randoms())
def test_the_order_does_not_matter(choice, some, draw):
    mixed = draw.sample(some, len(some))
    found, other = kept(choice, some), kept(choice, mixed)
    if choice in PREFERRED_FIRST:
        assert found == other
    elif choice == "latest_versions":  # each stands where the first version of its acquisition stood
        assert sorted(found, key=repr) == sorted(other, key=repr)
    else:
        assert found == [each for each in some if each in other]
        assert other == [each for each in mixed if each in found]


@pytest.mark.parametrize("choice", CHOICES)
@few
@given(many)
def test_it_is_some_of_what_was_given_and_that_is_not_touched(choice, some):
    before = deepcopy(some)
    found = kept(choice, iter(some))
    assert some == before
    assert len({each.id for each in found}) == len(found)
    assert all(any(each is one for one in some) for each in found)


@pytest.mark.parametrize("choice", CHOICES)
@few
@given(many)
def test_a_second_time_changes_nothing(choice, some):
    once = kept(choice, some)
    assert kept(choice, once) == once


@pytest.mark.parametrize("choice", sorted(set(CHOICES) - {"latest_versions"}))
@few
@given(st.lists(products(), max_size=6), st.randoms())
def test_what_comes_twice_counts_once(choice, some, draw):
    told = select.unique(some)
    mixed = draw.sample(some * 2, len(some) * 2)
    assert sorted(kept(choice, told), key=repr) == sorted(kept(choice, mixed), key=repr)


@given(many)
def test_the_smallest_cover_is_no_larger_than_the_latest_and_shows_no_less(some):
    latest = select.latest_cover(some, AREA, minimum_gain=0)
    smallest = select.smallest_cover(some, AREA, minimum_gain=0)
    assert len(smallest.products) == smallest.at_least <= len(latest.products)
    assert smallest.percent == pytest.approx(latest.percent, abs=0.02)
    assert smallest.percent == pytest.approx(select.covered(some, AREA), abs=0.02)
