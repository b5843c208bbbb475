"""Queries of any size against the embedded archive's own filter grammar; what is right is compared product by product."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skyhaul.catalogue import here, odata
from skyhaul.catalogue.finding import countable, looked_up, shared_out
from skyhaul.catalogue.versions import latest_versions
from skyhaul.events import NotFound, ProductFound, SliceFinished, SlicePlanned
from skyhaul.model import Condition, Query, Season, TimeInterval
from support.embedded import embedded, everything, found_by

SPRING = Season(first=(3, 15), last=(6, 10))
WINTER = Season(first=(11, 1), last=(2, 29))


def condition(attribute, operator, value):
    return Condition(attribute=attribute, operator=operator, value=value)


def expected(query):
    """The ids of what matches, each product compared with every field of the query by itself."""
    checks = [here.CHECKS[name](query) for name in here.restricting(query)]
    return {product.id for product in everything() if all(check(product) for check in checks)}


def days(first, last):
    return TimeInterval(start=datetime.fromisoformat(first + "T00Z"), end=datetime.fromisoformat(last + "T00Z"))


instants = st.datetimes(datetime(2023, 11, 1), datetime(2025, 2, 1)).map(lambda at: at.replace(tzinfo=UTC))  # noqa: DTZ001 made aware at once


@st.composite
def intervals(draw):
    """Half of them are open at one end, the others are long."""
    start, end = draw(st.sampled_from([(0, None), (None, 0), (-150, 150), (-40, 300)]))
    middle = draw(instants)
    return TimeInterval(
        start=None if start is None else middle + timedelta(days=start),
        end=None if end is None else middle + timedelta(days=end),
    )


conditions = st.one_of(
    st.builds(condition, st.just("cloudCover"), st.sampled_from(["lt", "le", "gt", "ge"]), st.floats(0, 100)),
    st.builds(condition, st.just("relativeOrbitNumber"), st.sampled_from(["eq", "ne", "lt", "ge"]), st.integers(1, 175)),
    st.builds(
        condition,
        st.just("productType"),
        st.just("in"),
        st.lists(st.sampled_from(["S2MSI2A", "S2MSI1C", "IW_GRDH_1S", "IW_SLC__1S"]), min_size=1, unique=True).map(tuple),
    ),
    st.builds(condition, st.just("platformSerialIdentifier"), st.sampled_from(["eq", "ne"]), st.sampled_from("ABC")),
    st.builds(
        condition,
        st.just("processingBaseline"),
        st.sampled_from(["eq", "ne", "lt", "le", "gt", "ge"]),
        st.sampled_from(["05.10", "05.11", "05.00", "5.1", "003"]),
    ),
    st.builds(condition, st.just("ModificationDate"), st.sampled_from(["lt", "ge"]), instants.map(datetime.isoformat)),
)  # fmt: skip
FIELDS = {
    "collection": st.sampled_from(["SENTINEL-1", "SENTINEL-2", "SENTINEL-3"]),
    "product_types": st.sampled_from([("S2MSI2A",), ("S2MSI1C", "IW_GRDH_1S")]),
    "sensing": intervals(),
    "published": intervals(),
    "cloud_max": st.floats(20, 100),
    "orbit_direction": st.sampled_from(["ASCENDING", "DESCENDING"]),
    "platform": st.sampled_from(["SENTINEL-2", "S2A", "S1C", "S5P"]),
    "polarisation": st.just("VV&VH"),
    "names": st.sampled_from([("S2A_*",), ("*_T32*2024*", "S1*"), ("*R022*",)]),
    "where": st.lists(conditions, min_size=1, max_size=2).map(tuple),
    "season": st.sampled_from([SPRING, WINTER]),
}


def fragments(most):
    """Queries with so many restrictions at most."""
    chosen = st.lists(st.sampled_from(sorted(FIELDS)), max_size=most, unique=True)
    return chosen.flatmap(lambda names: st.fixed_dictionaries({name: FIELDS[name] for name in names})).map(
        lambda said: Query(**said)
    )


queries = st.builds(
    lambda query, rules: replace(query, rules=rules), fragments(2), st.lists(fragments(3), max_size=3).map(tuple)
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(query=queries)
async def test_what_is_found_is_what_matches_and_nothing_twice(query):
    provider, _ = embedded()
    found = await found_by(provider, query)
    assert sorted(found.ids) == sorted(expected(query))
    assert found.completeness.incomplete == ()
    assert found.completeness.products == len(found.of(ProductFound)) == len(found.ids)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(query=queries, limit=st.none() | st.integers(1, 40), order_by=st.sampled_from(["start", "-start", "-published"]))
async def test_in_order_the_same_is_found(query, limit, order_by):
    provider, _ = embedded()
    found = await found_by(provider, replace(query, limit=limit, order_by=order_by), ordered=True)
    right = expected(query)
    field = order_by.removeprefix("-")
    ranked = sorted(
        (product for product in everything() if product.id in right),
        key=lambda product: (getattr(product, field), product.id),
        reverse=order_by.startswith("-"),
    )
    assert [getattr(each, field) for each in found.products] == [getattr(each, field) for each in ranked][:limit]
    assert len(set(found.ids)) == len(found.ids)
    assert set(found.ids) <= right


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(query=queries)
async def test_the_latest_version_is_the_latest_of_what_all_rules_find(query):
    provider, _ = embedded()
    found = await found_by(provider, replace(query, latest_version=True))
    right = expected(query)
    latest = latest_versions(product for product in everything() if product.id in right)
    assert sorted(found.ids) == sorted(product.id for product in latest)


@settings(max_examples=40, deadline=None)
@given(query=queries)
async def test_a_count_of_the_catalogue_is_believed_only_where_it_is_right(query):
    provider, web = embedded()
    if not countable(provider, query) or provider.here(query) is not None:
        return
    (part,) = shared_out(provider, query)
    text = odata.filter_text(part, part.sensing)
    options = [("$count", "True"), ("$top", "1"), *([("$filter", text)] if text else [])]
    assert json.loads(web.catalogue.products(options, "").body)["@odata.count"] == len(expected(query))


async def test_rules_that_can_be_asked_are_asked_together():
    provider, web = embedded()
    rules = (Query(platform="SENTINEL-1", mode="IW"), Query(product_types=("S2MSI2A",), cloud_max=20.0))
    found = await found_by(provider, Query(rules=rules))
    assert len(web.asked) == 1
    assert set(found.ids) == expected(Query(rules=rules))


async def test_a_rule_that_is_compared_here_is_read_by_itself_and_its_slices_have_a_name():
    provider, web = embedded()
    rules = (Query(platform="SENTINEL-1"), Query(where=(condition("processingBaseline", "ge", "05.11"),)))
    found = await found_by(provider, Query(rules=rules))
    assert len(web.asked) == 2
    assert {event.slice for event in found.of(SliceFinished)} == {"part 1 of 2: … to …", "part 2 of 2: … to …"}
    assert {event.slice for event in found.of(SlicePlanned)} == {event.slice for event in found.of(SliceFinished)}


async def test_one_rule_is_a_query():
    provider, web = embedded()
    rule = Query(collection="SENTINEL-2", sensing=days("2024-01-01", "2024-07-01"), cloud_max=30.0)
    base = Query(sensing=days("2024-03-01", "2025-01-01"), cloud_max=50.0, rules=(rule,))
    assert sorted((await found_by(provider, base)).ids) == sorted(expected(base))
    assert "ContentDate/Start%20ge%202024-03-01" in web.asked[0]
    assert "Collection/Name%20eq%20%27SENTINEL-2%27" in web.asked[0]


async def test_the_sensing_times_of_the_rules_bound_the_whole():
    provider, _ = embedded()
    rules = (Query(sensing=days("2024-03-01", "2024-04-01")), Query(sensing=days("2024-06-01", "2024-07-01")))
    (part,) = shared_out(provider, Query(rules=rules))
    assert part.sensing == days("2024-03-01", "2024-07-01")
    (part,) = shared_out(provider, Query(rules=(*rules, Query(platform="S1A"))))
    assert part.sensing == TimeInterval()


async def test_what_is_too_long_for_one_address_is_asked_for_in_parts():
    provider, web = embedded()
    tiles = tuple(sorted({str(each.attributes["tileId"]) for each in everything() if "tileId" in each.attributes}))
    many = tiles + tuple(f"{zone:02d}{band}AA" for zone in range(1, 61) for band in "CDEFG")
    query = Query(tiles=many, collection="SENTINEL-2", cloud_max=40.0)
    found = await found_by(provider, query)
    assert sorted(found.ids) == sorted(expected(query))
    assert web.longest < 8000
    assert len(web.asked) > 5


async def test_a_list_in_a_condition_is_cut_as_well():
    provider, web = embedded()
    orbits = tuple(range(1, 176))
    query = Query(rules=(Query(where=(condition("relativeOrbitNumber", "in", orbits),), collection="SENTINEL-2"),))
    found = await found_by(provider, query)
    assert sorted(found.ids) == sorted(expected(query))
    assert web.longest < 8000


async def test_a_receiver_that_has_enough_ends_all_parts():
    provider, web = embedded()
    rules = tuple(Query(where=(condition("processingBaseline", "ge", f"0{n}.00"),)) for n in range(5))
    found = await found_by(provider, Query(rules=rules), at_most=1)
    assert len(found.ids) == 1
    assert len(web.asked) <= 5


async def test_ten_thousand_names_are_looked_up_in_batches():
    provider, web = embedded()
    names = [product.name for product in everything()]
    absent = [f"S2A_MSIL2A_20200101T0000{n % 60:02d}_N0500_R001_T32T{n:05d}_20200101T000000.SAFE" for n in range(9_400)]
    found = await found_by(provider, Query(names=(*names, *absent)))
    assert sorted(found.ids) == sorted(product.id for product in everything())
    assert found.completeness.missing == tuple(absent)
    assert [event.names for event in found.of(NotFound)] == [tuple(absent)]
    assert web.asked == []
    assert len(web.posted) < 2.2 * len((*names, *absent)) / 50


async def test_ids_are_looked_up_in_batches():
    provider, web = embedded()
    ids = (*(product.id for product in everything()), "00000000-0000-4000-8000-000000000000")
    found = await found_by(provider, Query(ids=ids))
    assert sorted(found.ids) == sorted(ids[:-1])
    assert found.completeness.missing == ids[-1:]
    assert web.longest < 8000


async def test_names_with_other_restrictions_are_asked_with_them():
    provider, web = embedded()
    names = tuple(product.name for product in everything())
    query = Query(names=names, cloud_max=20.0)
    found = await found_by(provider, query)
    assert sorted(found.ids) == sorted(expected(query))
    assert web.posted == []
    assert web.longest < 8000


@pytest.mark.parametrize(
    ("query", "so"),
    [
        (Query(names=("A", "B")), True),
        (Query(names=("A*",)), False),
        (Query(ids=("a",)), True),
        (Query(ids=("a",), names=("A",)), False),
        (Query(names=("A",), limit=1), False),
        (Query(names=("A",), latest_version=True), False),
        (Query(names=("A",), online=True), False),
        (Query(provider="noa", names=("A",)), True),
        (Query(), False),
    ],
)
def test_a_look_up_is_a_list_and_nothing_else(query, so):
    assert looked_up(query) is so
