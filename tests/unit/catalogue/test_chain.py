"""Following links: everything once, whatever goes wrong, or a slice that is named."""

from __future__ import annotations

from datetime import timedelta

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from skyhaul.catalogue.chain import Chain, estimated
from skyhaul.catalogue.paging import enumerate_products
from skyhaul.errors import ConnectionLost, HostBusy, SettingsError
from skyhaul.events import SliceFailed, SliceFinished
from skyhaul.model import Product, Query, TimeInterval
from skyhaul.protocols import Page
from support.catalogues import AT_ONCE, EPOCH, enumerated, product, timeline
from support.chains import LinkedCatalogue, unreadable

YEAR = 365 * 86_400
SPREAD = timeline(*(number * YEAR / 1000 for number in range(1000)))
FEW = timeline(*range(0, 250, 10))


def longer(products: list[Product], seconds: float) -> list[Product]:
    """The same, each sensed for so long."""
    return [replace(each, end=each.start + timedelta(seconds=seconds)) for each in products]


@pytest.mark.parametrize("counts", [False, True], ids=["uncounted", "counted"])
@pytest.mark.parametrize("products", [[], FEW[:1], FEW[:10], FEW[:11], FEW, SPREAD], ids=len)
async def test_everything_is_found_once(products, counts):
    catalogue = LinkedCatalogue(products, counts=counts)
    found = await enumerated(catalogue)
    assert sorted(found.ids) == [each.id for each in products]
    assert found.completeness.exit_code == 0
    assert found.completeness.products == len(products)
    assert found.completeness.slices == len(found.of(SliceFinished))


async def test_chains_are_followed_side_by_side_and_no_more_than_may_be():
    catalogue = LinkedCatalogue(SPREAD)
    await enumerated(catalogue)
    assert catalogue.most_in_flight == 4
    assert len(catalogue.requests) < 1.35 * len(SPREAD) / 10, "splitting costs little"


async def test_the_first_product_comes_after_one_request():
    catalogue = LinkedCatalogue(SPREAD)
    send, receive = anyio.create_memory_object_stream[Product](0)
    async with anyio.create_task_group() as tasks, receive:
        tasks.start_soon(lambda: enumerate_products(catalogue, Query(), retry=AT_ONCE, emit=lambda _: None, out=send))
        await receive.receive()
        assert len(catalogue.requests) == 1
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("fault", ["empty", "unlinked"])
async def test_a_first_page_that_looks_like_the_end_is_asked_for_again(fault):
    catalogue = LinkedCatalogue(FEW, faults={0: fault}, extends=False)
    found = await enumerated(catalogue)
    assert sorted(found.ids) == [each.id for each in FEW]
    assert len(catalogue.requests) == 4


async def test_where_products_are_counted_an_end_is_believed():
    for products, requests in (([], 1), (FEW[:10], 1), (FEW[:20], 2)):
        catalogue = LinkedCatalogue(products, counts=True)
        assert len((await enumerated(catalogue)).ids) == len(products)
        assert len(catalogue.requests) == requests


async def test_hundreds_in_one_instant_do_not_make_hundreds_of_slices():
    tied = [product(5000 + number, YEAR - 1.0) for number in range(300)]
    catalogue = LinkedCatalogue([*SPREAD, *tied])
    found = await enumerated(catalogue)
    assert len(found.ids) == len(set(found.ids)) == len(SPREAD) + len(tied)
    assert len(catalogue.requests) < 1.5 * len(found.ids) / catalogue.page_size


async def test_without_an_extent_there_is_one_chain():
    catalogue = LinkedCatalogue(SPREAD, extends=False)
    found = await enumerated(catalogue)
    assert sorted(found.ids) == [each.id for each in SPREAD]
    assert found.completeness.slices == 1


async def test_products_that_reach_over_a_cut_come_once():
    products = longer(SPREAD, YEAR / 50)
    found = await enumerated(LinkedCatalogue(products))
    assert sorted(found.ids) == [each.id for each in products]
    assert found.completeness.slices > 5


async def test_products_on_a_cut_come_once():
    # All cuts are on whole seconds, and so is every product; the archive counts both ends of a slice in.
    products = timeline(*range(0, 4000, 2))
    found = await enumerated(LinkedCatalogue(products))
    assert sorted(found.ids) == [each.id for each in products]
    assert found.completeness.slices > 5


async def test_what_only_reaches_into_the_time_that_is_asked_is_left_out():
    products = longer(FEW, 15)
    sensing = TimeInterval(start=products[5].start, end=products[10].start)
    found = await enumerated(LinkedCatalogue(products), Query(sensing=sensing))
    assert sorted(found.ids) == [each.id for each in products[5:10]]


FAULTS = [
    {0: ConnectionLost("gone")},
    {1: HostBusy("busy", status=503)},
    {2: unreadable()},
    {1: "empty"},
    {2: "empty"},
    {1: "unlinked"},
    {1: "circle"},
    {2: "again"},
]


@pytest.mark.parametrize("counts", [False, True], ids=["uncounted", "counted"])
@pytest.mark.parametrize("faults", FAULTS, ids=str)
async def test_one_fault_is_survived(faults, counts):
    catalogue = LinkedCatalogue(FEW, faults=faults, counts=counts, extends=False)
    found = await enumerated(catalogue)
    assert sorted(found.ids) == [each.id for each in FEW]
    assert found.completeness.exit_code == 0


async def test_an_empty_page_that_leads_elsewhere_is_noticed_where_products_are_counted():
    found = await enumerated(LinkedCatalogue(FEW, faults={1: "empty, going on"}, counts=True, extends=False))
    assert sorted(found.ids) == [each.id for each in FEW]


async def test_a_first_page_that_comes_back_empty_is_noticed_where_products_are_counted():
    found = await enumerated(LinkedCatalogue(FEW, faults={0: "empty"}, counts=True))
    assert sorted(found.ids) == [each.id for each in FEW]


@pytest.mark.parametrize("fault", ["circle", "again", "count+1", unreadable(), ConnectionLost("gone")], ids=str)
async def test_what_cannot_be_proven_complete_is_named(fault):
    catalogue = LinkedCatalogue(FEW, always=lambda number: fault if number else None, counts=True)
    if fault == "count+1":
        catalogue = LinkedCatalogue(FEW, always=lambda _: fault, counts=True)
    found = await enumerated(catalogue)
    assert found.completeness.exit_code == 4
    assert [each.slice for each in found.completeness.incomplete] == ["… to …"]
    assert len(found.of(SliceFailed)) == 1
    assert len(found.ids) == len(set(found.ids)), "what came is sent once all the same"


async def test_a_slice_that_fails_leaves_the_others_alone():
    catalogue = LinkedCatalogue(SPREAD)
    inner = catalogue._at

    async def at(part, skip):
        if part.interval.end is not None and part.interval.end < EPOCH + timedelta(days=60):
            raise unreadable()
        return await inner(part, skip)

    catalogue._at = at
    found = await enumerated(catalogue)
    assert found.completeness.exit_code == 4
    assert found.completeness.incomplete
    assert len(found.ids) > 800


@pytest.mark.parametrize("sorts", [True, False], ids=["sorted", "unsorted"])
@pytest.mark.parametrize("order_by", ["start", "-start"])
async def test_a_limit_takes_the_first_of_all(sorts, order_by):
    catalogue = LinkedCatalogue(SPREAD, sorts=sorts)
    found = await enumerated(catalogue, Query(limit=25, order_by=order_by))
    expected = sorted(SPREAD, key=lambda each: each.start, reverse=order_by == "-start")[:25]
    assert found.ids == [each.id for each in expected]
    if sorts:
        assert len(catalogue.requests) == 3


async def test_a_limit_below_a_page_takes_one_request():
    catalogue = LinkedCatalogue(SPREAD)
    found = await enumerated(catalogue, Query(limit=4))
    assert found.ids == [each.id for each in SPREAD[:4]]
    assert len(catalogue.requests) == 1


async def test_what_is_filtered_here_counts_towards_a_limit():
    products = [replace(each, attributes={"cloudCover": float(number % 10)}) for number, each in enumerate(FEW)]
    found = await enumerated(LinkedCatalogue(products), Query(cloud_max=0.0, limit=2))
    assert found.ids == [FEW[0].id, FEW[10].id]


async def test_a_filter_that_no_product_answers_is_an_error_and_not_nothing():
    with pytest.raises(SettingsError, match="can neither be asked for cloud_max, nor do its products tell it"):
        await enumerated(LinkedCatalogue(FEW), Query(cloud_max=10.0))


async def test_a_filter_on_nothing_is_nothing():
    assert (await enumerated(LinkedCatalogue([]), Query(cloud_max=10.0))).ids == []


async def test_too_many_to_be_ordered_are_refused(monkeypatch):
    monkeypatch.setattr("skyhaul.catalogue.chain.ORDERED_MAX", 100)
    with pytest.raises(SettingsError, match="more than 100 products match, too many to order them by end"):
        await enumerated(LinkedCatalogue(SPREAD), Query(order_by="end"), ordered=True)


async def test_a_receiver_that_takes_nothing_is_the_brake():
    catalogue = LinkedCatalogue(SPREAD)
    send, receive = anyio.create_memory_object_stream[Product](0)
    async with anyio.create_task_group() as tasks, receive:

        async def read() -> None:
            await enumerate_products(catalogue, Query(), retry=AT_ONCE, emit=lambda _: None, out=send)

        tasks.start_soon(read)
        await receive.receive()
        await anyio.wait_all_tasks_blocked()
        assert len(catalogue.requests) <= 2 * 4 + 1
        tasks.cancel_scope.cancel()


async def test_who_has_had_enough_is_asked_nothing_more():
    catalogue = LinkedCatalogue(SPREAD)
    send, receive = anyio.create_memory_object_stream[Product](0)
    async with anyio.create_task_group() as tasks:
        completeness = []

        async def read() -> None:
            completeness.append(
                await enumerate_products(catalogue, Query(), retry=AT_ONCE, emit=lambda _: None, out=send)
            )

        tasks.start_soon(read)
        async with receive:
            await receive.receive()
    assert len(catalogue.requests) < 30
    assert completeness[0].incomplete == ()


def page(*numbers: int, link: str | None = None, total: int | None = None) -> Page:
    return Page(products=tuple(product(number) for number in numbers), next_link=link, total=total)


def test_empty_pages_that_lead_on_and_on_are_the_end():
    chain = Chain(10)
    assert chain.take(page(1, link="a"), "slice") == "a"
    assert [chain.take(page(link=link), "slice") for link in "bcd"] == ["b", "c", None]


def test_a_count_that_is_reached_is_the_end():
    chain = Chain(10)
    assert chain.take(page(1, 2, link="a", total=2), "slice") == "a"
    assert chain.take(page(link="b"), "slice") is None


@given(st.integers(2, 200), st.integers(1, 10**6), st.booleans())
def test_evenly_spread_products_are_estimated_well(on_page, step_s, newest_first):
    products = timeline(*(number * step_s for number in range(on_page)))
    span = TimeInterval(start=EPOCH, end=EPOCH + timedelta(seconds=step_s * 1000))
    found = estimated(products[::-1] if newest_first else products, span)
    assert found == pytest.approx(1000 * on_page / (on_page - 1), abs=1)


def test_products_in_no_order_are_not_estimated():
    span = TimeInterval(start=EPOCH, end=EPOCH + timedelta(days=1))
    assert estimated(timeline(3, 1, 2), span) is None
    assert estimated(timeline(3), span) is None


def test_products_of_one_instant_are_not_estimated():
    span = TimeInterval(start=EPOCH, end=EPOCH + timedelta(days=1))
    assert estimated(timeline(3, 3, 3), span) is None
