"""A query of linked pages that is as it was is taken from the journal; whatever leaves a doubt is read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import anyio
import pytest
from msgspec.structs import replace

from skyhaul import journal as journals
from skyhaul import recall_whole
from skyhaul.catalogue.asking import Asking
from skyhaul.catalogue.finding import find_products
from skyhaul.errors import RequestRefused
from skyhaul.model import ProductResult, Query, TimeInterval
from skyhaul.recall import recallable, recalled
from skyhaul.recall_whole import RecallingWhole
from support.catalogues import AT_ONCE, EPOCH, product
from support.chains import LinkedCatalogue

COUNT, PAGE = 300, 10
ASKING = Asking(host="fake", retry=AT_ONCE, emit=lambda _: None)
LATE = EPOCH + timedelta(days=60)


def archive(count=COUNT, *, counts=True, **more):
    modified = {"modified": EPOCH} | more
    products = [product(number, 60.0 * number, size=1000 + number, **modified) for number in range(count)]
    return LinkedCatalogue(products, counts=counts, counted=True, page_size=PAGE)


@pytest.fixture
async def journal(tmp_path):
    async with journals.opened(tmp_path) as opened:
        yield opened


@pytest.fixture
def run(journal):
    """A run: what is found is verified, but for ``fails``. Gives the products and how many requests they took."""

    async def run(catalogue, *, fails=lambda _: False, query=None, at_most=None, meanwhile=lambda _: None):
        recalling = RecallingWhole(catalogue, journal, "whole", ASKING)
        before, found = len(catalogue.requests), []
        send, receive = anyio.create_memory_object_stream(5)

        async def read():
            await find_products(recalling, query or Query(), retry=AT_ONCE, emit=recalling.heard, out=send)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            async with receive:
                async for each in receive:
                    found.append(each)
                    meanwhile(found)
                    state = "failed" if fails(each) else "verified"
                    journal.product(ProductResult(id=each.id, name=each.name, state=state, path=each.name), "whole")
                    if len(found) == at_most:
                        break
        return found, len(catalogue.requests) - before

    return run


def ids(products):
    return sorted(each.id for each in products)


@pytest.mark.parametrize("query", [Query(), Query(sensing=TimeInterval(start=EPOCH, end=LATE))])
async def test_a_second_run_asks_once(run, query):
    catalogue = archive()
    first, reading = await run(catalogue, query=query)
    second, asking = await run(catalogue, query=query)
    assert ids(first) == ids(second) == ids(catalogue.products)
    assert reading > COUNT / PAGE
    assert asking == 1
    assert all(map(recalled, second))
    assert not any(map(recalled, first))
    third, asking = await run(catalogue, query=query)
    assert (ids(third), asking) == (ids(first), 1)


async def test_more_than_are_taken_from_the_journal_at_a_time(run, monkeypatch):
    monkeypatch.setattr(recall_whole, "STORED", 100)
    catalogue = archive()
    await run(catalogue)
    found, asking = await run(catalogue)
    assert (ids(found), asking) == (ids(catalogue.products), 1)


@pytest.mark.parametrize("change", ["published", "deleted", "modified", "exchanged"])
async def test_what_changed_is_read_again(run, change):
    catalogue = archive()
    await run(catalogue)
    new = product(9000, 60.0 * 150 + 1, modified=LATE)
    match change:
        case "published":
            catalogue.products.append(new)
        case "deleted":
            del catalogue.products[150]
        case "modified":
            catalogue.products[150] = product(150, 60.0 * 150, name="changed", modified=LATE)
        case "exchanged":
            catalogue.products[150] = new
    found, _ = await run(catalogue)
    assert sorted(each.name for each in found) == sorted(each.name for each in catalogue.products)
    assert not any(map(recalled, found))
    again, asking = await run(catalogue)
    assert (ids(again), asking) == (ids(catalogue.products), 1)


async def test_what_changes_while_pages_are_read_is_read_again(run):
    """Also where the change came too late to be read, and a later one did not."""
    catalogue = archive()

    def change(found):
        if len(found) != COUNT // 3:
            return
        there = {each.id for each in found}
        catalogue.products = [
            replace(each, modified=LATE) if each.id not in there else each for each in catalogue.products
        ]
        row = next(row for row, each in enumerate(catalogue.products) if each.id == found[0].id)
        catalogue.products[row] = replace(found[0], name="changed", modified=LATE - timedelta(hours=1))

    await run(catalogue, meanwhile=change)
    found, _ = await run(catalogue)
    assert "changed" in {each.name for each in found}


@pytest.mark.parametrize("doubt", ["no count", "no modification", "one without", "a moment ago"])
async def test_what_leaves_a_doubt_is_read_in_every_run(run, doubt):
    match doubt:
        case "no count":
            catalogue = archive(counts=False)
        case "no modification":
            catalogue = archive(modified=None)
        case "one without":
            catalogue = archive()
            catalogue.products[7] = product(7, 60.0 * 7)
        case "a moment ago":
            catalogue = archive(modified=datetime.now(UTC))
    await run(catalogue)
    found, asking = await run(catalogue)
    assert ids(found) == ids(catalogue.products)
    assert not any(map(recalled, found))
    assert asking > COUNT / PAGE


async def test_an_archive_that_refuses_to_sort_is_read(run):
    catalogue = archive()
    await run(catalogue)
    catalogue.faults = {len(catalogue.requests): RequestRefused("cannot sort", status=400)}
    found, asking = await run(catalogue)
    assert ids(found) == ids(catalogue.products)
    assert asking > COUNT / PAGE


async def test_a_few_products_that_are_not_there_are_looked_up_in_full(run):
    catalogue = archive()
    await run(catalogue, fails=lambda each: each.id == "00000100")
    found, asking = await run(catalogue)
    [left] = (each for each in found if not recalled(each))
    assert left == catalogue.products[100]
    assert ids(found) == ids(catalogue.products)
    assert asking == 2


async def test_many_products_that_are_not_there_are_read(run):
    catalogue = archive()
    await run(catalogue, fails=lambda each: each.id > "00000140")
    found, asking = await run(catalogue)
    assert ids(found) == ids(catalogue.products)
    assert not any(map(recalled, found))
    assert asking > COUNT / PAGE


async def test_a_run_that_was_ended_proves_nothing(run):
    catalogue = archive()
    await run(catalogue, at_most=200)
    found, _ = await run(catalogue)
    assert ids(found) == ids(catalogue.products)
    assert not any(map(recalled, found))


async def test_what_is_left_out_here_is_left_out_again(run):
    """What reaches into the query's time without beginning in it is counted by the archive, and noted."""
    catalogue = archive()
    query = Query(sensing=TimeInterval(start=EPOCH + timedelta(minutes=10), end=EPOCH + timedelta(minutes=250)))
    first, _ = await run(catalogue, query=query)
    second, asking = await run(catalogue, query=query)
    assert ids(first) == ids(second) == [each.id for each in catalogue.products[10:250]]
    assert asking == 1


def test_what_can_be_recalled():
    assert recallable(archive(1), Query())
    assert not recallable(LinkedCatalogue([]), Query())
    assert not recallable(archive(1), Query(limit=5))
