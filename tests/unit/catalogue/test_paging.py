from __future__ import annotations

import gc
import tracemalloc
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skyhaul.catalogue.paging import enumerate_products
from skyhaul.errors import AccessDenied, ConnectionLost, HostBusy, RequestRefused
from skyhaul.events import AttemptFailed, PageRead, ProductFound, SliceFailed, SliceFinished, SlicePlanned
from skyhaul.model import Product, Query, TimeInterval
from skyhaul.protocols import Page, Paging
from skyhaul.retry import RetryPolicy
from support.catalogues import (
    AT_ONCE,
    EPOCH,
    Delete,
    FakeCatalogue,
    Found,
    Publish,
    Raise,
    Spoil,
    enumerated,
    product,
    timeline,
    unreadable,
)

HOUR = 3600.0
BUSY = HostBusy("catalogue answered 503", status=503)
LOST = ConnectionLost("the connection broke")


def hourly(count: int) -> list[Product]:
    return timeline(*(number * HOUR for number in range(count)))


def ids(products: list[Product]) -> list[str]:
    return [each.id for each in products]


def assert_complete(found: Found, expected: list[Product]) -> None:
    assert sorted(found.ids) == sorted(ids(expected))
    assert found.completeness.incomplete == ()
    assert found.completeness.exit_code == 0
    assert found.completeness.products == len(expected)
    assert found.completeness.slices == len(found.of(SliceFinished))


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 18, 19, 20, 44, 45, 46, 400, 1234])
async def test_every_product_is_found_once(count):
    products = hourly(count)
    assert_complete(await enumerated(FakeCatalogue(products)), products)


async def test_what_fits_on_one_page_is_one_request():
    catalogue = FakeCatalogue(hourly(9))
    await enumerated(catalogue)
    assert catalogue.requests == [("… to …", 0)]


async def test_what_can_be_reached_by_paging_is_not_sliced():
    catalogue = FakeCatalogue(hourly(45))
    found = await enumerated(catalogue, Query(tiles=("32TQR",)))
    assert [event.slice for event in found.of(SlicePlanned)] == ["… to …"]
    assert sorted(skip for _, skip in catalogue.requests) == [0, 9, 18, 27, 36]
    assert catalogue.extents == 0


async def test_pages_are_asked_for_together_but_never_more_than_allowed():
    catalogue = FakeCatalogue(hourly(500), paging=Paging(page_size=10, deepest_skip=40, concurrency=3))
    await enumerated(catalogue)
    assert catalogue.most_in_flight == 3


async def test_the_first_product_comes_after_one_request():
    catalogue = FakeCatalogue(hourly(1000))
    send, receive = anyio.create_memory_object_stream[Product](0)
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: enumerate_products(catalogue, Query(), retry=AT_ONCE, emit=lambda _: None, out=send))
        await receive.receive()
        assert len(catalogue.requests) == 1
        group.cancel_scope.cancel()
    receive.close()


async def test_a_receiver_that_waits_stops_the_requests():
    catalogue = FakeCatalogue(hourly(1000))
    send, receive = anyio.create_memory_object_stream[Product](0)
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: enumerate_products(catalogue, Query(), retry=AT_ONCE, emit=lambda _: None, out=send))
        for _ in range(11):  # the first page, and one product of another
            await receive.receive()
        await anyio.wait_all_tasks_blocked()
        asked = len(catalogue.requests)
        await anyio.wait_all_tasks_blocked()
        # The first page again, now of the first slice, has nothing new to send.
        assert len(catalogue.requests) == asked <= 2 + 2 * catalogue.paging.concurrency
        group.cancel_scope.cancel()
    receive.close()


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("taken", [1, 5, 60])
async def test_a_receiver_that_has_enough_ends_the_reading(taken, ordered):
    catalogue = FakeCatalogue(hourly(1000))
    send, receive = anyio.create_memory_object_stream[Product](0)
    async with anyio.create_task_group() as group:
        group.start_soon(
            lambda: enumerate_products(
                catalogue, Query(), retry=AT_ONCE, emit=lambda _: None, out=send, ordered=ordered
            )
        )
        for _ in range(taken):
            await receive.receive()
        receive.close()
    assert len(catalogue.requests) < 30


async def test_open_ends_are_sliced_by_what_there_is_and_stay_open():
    catalogue = FakeCatalogue(hourly(100))
    found = await enumerated(catalogue)
    assert catalogue.extents == 1
    planned = [event for event in found.of(SlicePlanned) if event.replaces]
    assert planned[0].slice.startswith("… to 2024-04-")
    assert planned[-1].slice.endswith(" to …")
    assert {event.replaces for event in planned} == {"… to …"}


async def test_closed_intervals_need_no_extent():
    catalogue = FakeCatalogue(hourly(100))
    query = Query(sensing=TimeInterval(start=EPOCH, end=EPOCH + timedelta(hours=90)))
    assert_complete(await enumerated(catalogue, query), catalogue.products[:90])
    assert catalogue.extents == 0


async def test_a_crowded_slice_is_split_again():
    crowd = timeline(*(number * 0.01 for number in range(300)), *(number * 1e6 for number in range(1, 60)))
    found = await enumerated(FakeCatalogue(crowd))
    assert_complete(found, crowd)
    assert len({event.replaces for event in found.of(SlicePlanned)}) > 3


async def test_ties_are_paged_like_anything_else():
    tied = timeline(*([HOUR] * 40), *([2 * HOUR] * 40), *([3 * HOUR] * 40))
    assert_complete(await enumerated(FakeCatalogue(tied)), tied)


async def test_more_ties_than_can_be_reached_are_named_and_the_rest_is_found():
    apart = [product(1000 + number, number * HOUR) for number in range(100)]
    tied = [product(number, 50.5 * HOUR) for number in range(200)]
    found = await enumerated(FakeCatalogue([*apart, *tied]))
    assert set(ids(apart)) <= set(found.ids)
    assert len(found.ids) == len(set(found.ids))
    (incomplete,) = found.completeness.incomplete
    assert "begin in the same instant" in incomplete.error
    assert incomplete.slice == "2024-04-03T02:30:00Z to 2024-04-03T02:30:00.000001Z"
    assert found.completeness.exit_code == 4


SURVIVED = [
    Raise(BUSY),
    Raise(LOST),
    Raise(unreadable()),
    *(Spoil(how) for how in ("empty", "shifted", "doubled", "holed", "repeated", "count+1", "count-1", "uncounted")),
]


@pytest.mark.parametrize("fault", SURVIVED, ids=repr)
@pytest.mark.parametrize("at", [0, 1, 2, 4])
async def test_one_fault_is_survived(fault, at):
    products = hourly(40)
    found = await enumerated(FakeCatalogue(products, faults={at: fault}))
    assert_complete(found, products)


@pytest.mark.parametrize("fault", SURVIVED, ids=repr)
@pytest.mark.parametrize("every", [3, 5, 7])
async def test_a_fault_that_keeps_coming_is_survived(fault, every):
    products = hourly(200)
    found = await enumerated(FakeCatalogue(products, faults=dict.fromkeys(range(0, 5000, every), fault)))
    assert_complete(found, products)


async def test_all_faults_at_once_are_survived():
    faults = {}
    for every, fault in (
        (3, Raise(unreadable())),
        (5, Spoil("empty")),
        (7, Spoil("shifted")),
        (11, Raise(BUSY)),
        (13, Spoil("count+1")),
    ):
        faults |= dict.fromkeys(range(every - 1, 5000, every), fault)
    products = hourly(45)
    assert_complete(await enumerated(FakeCatalogue(products, faults=faults)), products)


@pytest.mark.parametrize("how", ["holed", "shifted", "count+1", "count-1", "uncounted"])
async def test_what_is_never_right_fails_by_name(how):
    found = await enumerated(FakeCatalogue(hourly(40), always=lambda part, skip: Spoil(how)))
    (incomplete,) = found.completeness.incomplete
    assert incomplete.slice == "… to …"
    assert len(found.ids) == len(set(found.ids))
    assert [event.slice for event in found.of(SliceFailed)] == ["… to …"]
    assert found.completeness.exit_code == 4


@pytest.mark.parametrize("error", [BUSY, unreadable(), RequestRefused("answered 400", status=400)], ids=repr)
async def test_a_page_that_fails_for_good_fails_its_slice_alone(error):
    products = hourly(200)
    doomed = EPOCH + timedelta(hours=100)

    def always(part, skip):
        inside = part.interval.start is not None and part.interval.start <= doomed < (part.interval.end or EPOCH)
        return Raise(error) if inside and skip == 18 else None

    found = await enumerated(FakeCatalogue(products, always=always))
    (incomplete,) = found.completeness.incomplete
    assert str(error) in str(incomplete)
    assert incomplete.slice in str(incomplete)
    start, _, end = incomplete.slice.partition(" to ")
    outside = [each for each in products if not start <= each.start.strftime("%Y-%m-%dT%H:%M:%SZ") < end]
    assert set(ids(outside)) <= set(found.ids)
    # What the slice did give is not withheld.
    assert len(found.ids) > len(outside)
    assert found.completeness.slices == len(found.of(SliceFinished)) > 3


async def test_a_catalogue_that_lets_no_one_in_is_another_exit_code():
    found = await enumerated(FakeCatalogue(hourly(5), always=lambda part, skip: Raise(AccessDenied("answered 403"))))
    assert found.completeness.exit_code == 5


async def test_patience_with_a_busy_host_is_the_policys_own():
    catalogue = FakeCatalogue(hourly(5), always=lambda part, skip: Raise(BUSY))
    found = await enumerated(catalogue, retry=RetryPolicy(attempts=6, wait_initial_s=0, wait_max_s=0))
    assert len(catalogue.requests) == 6
    attempts = found.of(AttemptFailed)
    assert [(event.kind, event.what, event.host) for event in attempts] == [
        ("503", "products from 0 of … to …", "cdse")
    ] * 5


@pytest.mark.parametrize("at", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("number", [5, 155, 205, 255, 395])
async def test_a_product_published_while_paging_costs_none_of_the_others(at, number):
    products = [product(number * 10, number * HOUR) for number in range(42)]
    new = product(number, number / 10 * HOUR)
    catalogue = FakeCatalogue(list(products), faults={at: Publish(new)})
    found = await enumerated(catalogue)
    assert set(ids(products)) <= set(found.ids)
    assert len(found.ids) == len(set(found.ids))
    assert found.completeness.incomplete == ()


@pytest.mark.parametrize("at", [1, 2, 3, 4, 5])
async def test_a_product_deleted_while_paging_costs_none_of_the_others(at):
    products = hourly(42)
    catalogue = FakeCatalogue(list(products), faults={at: Delete(products[7].id)})
    found = await enumerated(catalogue)
    assert {*ids(products)} - {products[7].id} <= set(found.ids)
    assert len(found.ids) == len(set(found.ids))
    assert found.completeness.incomplete == ()


async def test_one_published_and_one_deleted_between_two_pages_lose_none():
    # The count comes out as before; only the seams show it.
    products = [product(number * 10, number * HOUR) for number in range(42)]
    faults = {2: Delete(products[3].id), 3: Publish(product(405, 40.5 * HOUR))}
    found = await enumerated(FakeCatalogue(list(products), faults=faults))
    assert {*ids(products)} - {products[3].id} <= set(found.ids)
    assert found.completeness.incomplete == ()


starts = st.lists(st.one_of(st.integers(0, 400).map(float), st.floats(0, 4e5, width=32)), max_size=160)
pagings = st.builds(
    lambda size, depth, concurrency: Paging(page_size=size, deepest_skip=depth * size, concurrency=concurrency),
    st.integers(2, 9),
    st.integers(1, 6),
    st.integers(1, 4),
)
strikes = st.dictionaries(st.integers(0, 80), st.sampled_from(SURVIVED), max_size=6)


@settings(max_examples=150, deadline=None)
@given(starts, pagings, strikes)
def test_recall_is_total_or_the_slice_is_named(seconds, paging, faults):
    products = timeline(*seconds)
    found = anyio.run(lambda: enumerated(FakeCatalogue(list(products), faults=faults, paging=paging)))
    assert len(found.ids) == len(set(found.ids))
    missing = [each for each in products if each.id not in set(found.ids)]
    named = [each.slice for each in found.completeness.incomplete]
    assert not missing or named
    # At most six faults and no slice with more ties than can be reached: nothing may be given up.
    crowd = max(Counter(each.start for each in products).values(), default=0)
    if crowd <= paging.deepest_skip // (paging.page_size - 1) * (paging.page_size - 1) and len(faults) <= 3:
        assert not named


changes = st.lists(st.tuples(st.integers(0, 30), st.booleans(), st.integers(0, 400)), max_size=4)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(0, 400), min_size=1, max_size=60), pagings, changes)
def test_what_is_there_all_along_is_found_whatever_comes_and_goes(seconds, paging, moves):
    products = timeline(*map(float, seconds))
    faults, gone = {}, set()
    for index, (at, publishes, number) in enumerate(moves):
        victim = products[number % len(products)].id
        faults[at] = Publish(product(10_000 + index, float(number))) if publishes else Delete(victim)
    gone = {fault.id for fault in faults.values() if isinstance(fault, Delete)}
    found = anyio.run(lambda: enumerated(FakeCatalogue(list(products), faults=faults, paging=paging)))
    assert len(found.ids) == len(set(found.ids))
    assert set(ids(products)) - gone <= set(found.ids) or found.completeness.incomplete


async def test_events_tell_what_happened():
    found = await enumerated(FakeCatalogue(hourly(25)))
    assert [(event.products, event.total) for event in found.of(PageRead)] == [(10, 25), (10, None), (7, None)]
    assert [(event.slice, event.products) for event in found.of(SliceFinished)] == [("… to …", 25)]
    assert len(found.of(ProductFound)) == 25


@dataclass
class Endless:
    """A catalogue that makes its products when they are asked for: one a minute, each with an id of its own."""

    count: int
    paging: Paging = field(default_factory=lambda: Paging(page_size=100, deepest_skip=1000, concurrency=4))

    def here(self, query):
        return None

    async def page(self, part, skip, *, count):
        await anyio.lowlevel.checkpoint()
        low, high = self._rows(part.interval)
        rows = range(low + skip, min(low + skip + self.paging.page_size, high))
        return Page(products=tuple(product(row, 60.0 * row) for row in rows), total=high - low if count else None)

    async def extent(self, query):
        return TimeInterval(start=EPOCH, end=EPOCH + timedelta(minutes=self.count))

    def _rows(self, interval):
        minute = timedelta(minutes=1)
        low = 0 if interval.start is None else -((EPOCH - interval.start) // minute)
        return low, self.count if interval.end is None else -((EPOCH - interval.end) // minute)


async def taken(count: int) -> int:
    """Bytes that an enumeration of so many products holds at once, at most."""
    send, receive = anyio.create_memory_object_stream[Product](400)
    left = count
    gc.collect()
    tracemalloc.start()
    try:
        async with anyio.create_task_group() as group, receive:
            group.start_soon(
                lambda: enumerate_products(Endless(count), Query(), retry=AT_ONCE, emit=lambda _: None, out=send)
            )
            async for _ in receive:
                left -= 1
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        assert left == 0


async def test_memory_does_not_grow_with_the_result():
    await taken(1000)  # what is made once is made
    few, many = await taken(4000), await taken(24_000)
    assert many - few < 20 * 20_000
