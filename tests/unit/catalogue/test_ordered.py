from __future__ import annotations

from datetime import timedelta

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skyhaul.errors import RequestRefused, SettingsError
from skyhaul.events import SlicePlanned
from skyhaul.model import Product, Query
from skyhaul.protocols import Paging
from support.catalogues import EPOCH, FakeCatalogue, Publish, Raise, Spoil, enumerated, product, timeline

HOUR = 3600.0


def hourly(count: int) -> list[Product]:
    return timeline(*(number * HOUR for number in range(count)))


def ids(products: list[Product]) -> list[str]:
    return [each.id for each in products]


@pytest.mark.parametrize("limit", [1, 9, 10, 11, 19, 44, 45])
async def test_the_first_by_sensing_start_are_sent_in_order(limit):
    catalogue = FakeCatalogue(hourly(500))
    found = await enumerated(catalogue, Query(limit=limit))
    assert found.ids == ids(catalogue.products[:limit])
    assert found.completeness.products == limit
    # They lie within what paging can reach: nothing is sliced.
    assert {name for name, _ in catalogue.requests} == {"… to …"}


async def test_a_small_limit_is_one_request_without_a_count():
    catalogue = FakeCatalogue(hourly(500))
    found = await enumerated(catalogue, Query(limit=5))
    assert len(catalogue.requests) == 1
    assert found.completeness.incomplete == ()


async def test_a_limit_beyond_reach_reads_slices_in_order_and_stops_early():
    catalogue = FakeCatalogue(hourly(1000))
    found = await enumerated(catalogue, Query(limit=120))
    assert found.ids == ids(catalogue.products[:120])
    assert found.completeness.incomplete == ()
    assert len(catalogue.requests) < 40


async def test_a_limit_above_what_there_is_finds_everything():
    catalogue = FakeCatalogue(hourly(130))
    assert (await enumerated(catalogue, Query(limit=5000))).ids == ids(catalogue.products)


async def test_the_latest_first():
    catalogue = FakeCatalogue(hourly(300))
    newest = ids(catalogue.products)[::-1]
    assert (await enumerated(catalogue, Query(limit=7, order_by="-start"))).ids == newest[:7]
    assert (await enumerated(catalogue, Query(limit=120, order_by="-start"))).ids == newest[:120]


@pytest.mark.parametrize("order_by", ["published", "-published", "end", "modified"])
async def test_other_orders_hold_as_far_as_paging_reaches(order_by):
    products = [
        product(
            number,
            number * HOUR,
            published=EPOCH + timedelta(hours=number * 7 % 31),
            modified=EPOCH + timedelta(hours=number * 3 % 37),
        )
        for number in range(300)
    ]
    field = order_by.removeprefix("-")
    expected = sorted(products, key=lambda each: (getattr(each, field), each.id), reverse=order_by.startswith("-"))
    found = await enumerated(FakeCatalogue(products), Query(limit=30, order_by=order_by))
    assert found.ids == ids(expected[:30])


async def test_an_order_that_cannot_be_had_is_refused():
    with pytest.raises(SettingsError, match="300 products match, of which only the first 45 can be had by published"):
        await enumerated(FakeCatalogue(hourly(300)), Query(limit=100, order_by="published"))


async def test_without_a_limit_order_is_given_on_demand():
    catalogue = FakeCatalogue(hourly(300)[::-1])
    found = await enumerated(catalogue, Query(order_by="-start"), ordered=True)
    assert found.ids == ids(catalogue.products)
    assert sorted((await enumerated(catalogue, Query(order_by="published"))).ids) == sorted(found.ids)


@pytest.mark.parametrize("how", ["empty", "shifted", "doubled", "holed", "count+1"])
@pytest.mark.parametrize("at", [0, 1, 3])
async def test_a_limit_is_exact_in_spite_of_a_fault(how, at):
    catalogue = FakeCatalogue(hourly(500), faults={at: Spoil(how)})
    assert (await enumerated(catalogue, Query(limit=44))).ids == ids(catalogue.products[:44])


async def test_a_failed_slice_does_not_end_an_ordered_reading():
    products = hourly(300)

    def always(part, skip):
        start = part.interval.start
        doomed = start is not None and skip == 9 and start <= products[150].start < part.interval.end
        return Raise(RequestRefused("answered 400", status=400)) if doomed else None

    found = await enumerated(FakeCatalogue(products, always=always), ordered=True)
    assert len(found.completeness.incomplete) == 1
    assert found.ids == sorted(found.ids)
    assert {ids(products)[0], ids(products)[-1]} <= set(found.ids)


async def test_slices_that_are_not_needed_are_not_planned():
    catalogue = FakeCatalogue(hourly(1000))
    few = len((await enumerated(catalogue, Query(limit=60))).of(SlicePlanned))
    assert few < len((await enumerated(catalogue)).of(SlicePlanned)) / 3


def named(*names: str) -> FakeCatalogue:
    return FakeCatalogue([product(number, number * HOUR, name=name) for number, name in enumerate(names)])


async def test_a_star_between_others_is_checked_here():
    # OData can ask for both pieces, in any order.
    catalogue = named("S2A_T31TCL_N0510", "S2A_N0510_T31TCL", "S2B_T31TCL_N0510")
    found = await enumerated(catalogue, Query(names=("S2A_*_T31TCL*",)))
    assert [each.name for each in found.products] == ["S2A_N0510_T31TCL"]
    assert found.completeness.incomplete == ()
    assert found.completeness.products == 1


async def test_a_limit_counts_what_passes_the_check():
    catalogue = named(*(f"{'A_B' if number % 7 == 0 else 'B_A'}_{number}" for number in range(500)))
    found = await enumerated(catalogue, Query(names=("*A*B*",), limit=30))
    assert found.ids == ids([each for each in catalogue.products if each.name.startswith("A_B")][:30])


def scene(number: int, baseline: str, *, second: int, made: int = 0) -> Product:
    start = EPOCH + timedelta(seconds=second)
    name = f"S2A_MSIL2A_{start:%Y%m%dT%H%M%S}_N{baseline}_R051_T31TCL_20240501T{made:06d}.SAFE"
    return product(number, second + 0.024, name=name, published=start + timedelta(days=number + 1))


async def test_of_several_versions_the_latest_is_sent():
    old, new = scene(0, "0509", second=10), scene(1, "0510", second=10)
    other = scene(2, "0509", second=20)
    found = await enumerated(FakeCatalogue([old, new, other]), Query(latest_version=True))
    assert found.ids == [new.id, other.id]


async def test_versions_are_told_apart_across_pages_and_slices():
    products = [
        scene(2 * number + again, ("0510", "0511")[again], second=number) for number in range(200) for again in (0, 1)
    ]
    found = await enumerated(FakeCatalogue(products), Query(latest_version=True))
    assert sorted(found.ids) == sorted(each.id for each in products if "_N0511_" in each.name)
    assert (await enumerated(FakeCatalogue(products), Query(latest_version=True, limit=70))).ids == [
        each.id for each in products if "_N0511_" in each.name
    ][:70]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(0, 50), max_size=120),
    st.integers(1, 130),
    st.integers(2, 9),
    st.integers(0, 4),
    st.dictionaries(
        st.integers(0, 30), st.sampled_from(["empty", "shifted", "holed", "repeated", "count-1"]), max_size=2
    ),
)
def test_the_first_n_are_the_first_n(seconds, limit, page_size, deep, spoilt):
    products = timeline(*map(float, seconds))
    expected = sorted(products, key=lambda each: (each.start, each.id))[:limit]
    paging = Paging(page_size=page_size, deepest_skip=deep * page_size, concurrency=3)
    faults = {number: Spoil(how) for number, how in spoilt.items()}
    found = anyio.run(lambda: enumerated(FakeCatalogue(products, faults=faults, paging=paging), Query(limit=limit)))
    if not found.completeness.incomplete:
        assert found.ids == ids(expected)


async def test_what_is_published_while_a_limit_is_read_does_not_break_it():
    products = [product(number * 10, number * HOUR) for number in range(100)]
    catalogue = FakeCatalogue(list(products), faults={2: Publish(product(155, 15.5 * HOUR))})
    found = await enumerated(catalogue, Query(limit=40))
    assert len(found.ids) == 40
    assert found.ids == sorted(found.ids)
    assert found.completeness.incomplete == ()
