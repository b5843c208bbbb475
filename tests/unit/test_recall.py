"""A run that finds nothing new asks the catalogue once for each slice."""

from __future__ import annotations

from datetime import timedelta

import anyio
import pytest

from skyhaul import journal as journals
from skyhaul.catalogue.asking import Asking
from skyhaul.catalogue.finding import find_products
from skyhaul.errors import ObjectMissing
from skyhaul.model import Product, ProductResult, Query
from skyhaul.pipeline import Job
from skyhaul.protocols import Here, LinkPaging
from skyhaul.recall import RECALLED, Recalling, Refreshing, recallable, recalled
from support.catalogues import AT_ONCE, EPOCH, FakeCatalogue, product

COUNT = 300
ASKING = Asking(host="cdse", retry=AT_ONCE, emit=lambda _: None)


def archive(count=COUNT, **more):
    return FakeCatalogue(
        [
            product(number, 60.0 * number, modified=EPOCH + timedelta(hours=number), size=1000 + number, **more)
            for number in range(count)
        ]
    )


@pytest.fixture
async def journal(tmp_path):
    async with journals.opened(tmp_path) as opened:
        yield opened


@pytest.fixture
def run(journal):
    """A run: what is found is verified, but for ``fails``. Gives the products and how many requests they took."""

    async def run(catalogue, *, fails=lambda _: False, query=None, at_most=None):
        recalling = Recalling(catalogue, journal, "whole", ASKING)
        before = len(catalogue.requests)
        found: list[Product] = []
        send, receive = anyio.create_memory_object_stream[Product](5)

        async def read():
            await find_products(
                recalling, query or Query(), retry=AT_ONCE, emit=recalling.heard, out=send, ordered=bool(at_most)
            )

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            async with receive:
                async for each in receive:
                    found.append(each)
                    state = "failed" if fails(each) else "verified"
                    journal.product(ProductResult(id=each.id, name=each.name, state=state, path=each.name), "whole")
                    if len(found) == at_most:
                        break
        return found, len(catalogue.requests) - before

    return run


def ids(products):
    return sorted(each.id for each in products)


async def test_a_second_run_asks_once_for_each_slice(run):
    catalogue = archive()
    first, reading = await run(catalogue)
    second, asking = await run(catalogue)
    assert ids(first) == ids(second) == ids(catalogue.products)
    slices = {name for name, _ in catalogue.requests}
    assert reading > COUNT / catalogue.paging.page_size
    assert asking <= len(slices)
    assert sum(map(recalled, second)) > COUNT / 2
    assert not any(map(recalled, first))


@pytest.mark.parametrize("count", [1, 10, 11, 40])
async def test_of_what_one_slice_held_nobody_asks_where_it_lies(run, count):
    catalogue = archive(count)
    first, _ = await run(catalogue)
    assert catalogue.extents == 1
    again, asked = await run(catalogue)
    assert ids(first) == ids(again) == ids(catalogue.products)
    assert (asked, catalogue.extents) == (1, 1)
    catalogue.products += archive().products[count:]
    grown, _ = await run(catalogue)
    assert ids(grown) == ids(catalogue.products)
    assert catalogue.extents == 2


async def test_what_is_recalled_tells_its_name_time_and_size(run):
    catalogue = archive()
    await run(catalogue)
    for each in (await run(catalogue))[0]:
        (real,) = (product for product in catalogue.products if product.id == each.id)
        assert (each.name, each.start, each.modified, each.size) == (real.name, real.start, real.modified, real.size)


@pytest.mark.parametrize("change", ["published", "deleted", "modified", "exchanged"])
async def test_what_changed_is_read_again(run, change):
    catalogue = archive()
    await run(catalogue)
    late = EPOCH + timedelta(days=1000)
    new = product(9000, 60.0 * 150 + 1, modified=late)
    match change:
        case "published":
            catalogue.products.append(new)
        case "deleted":
            del catalogue.products[150]
        case "modified":
            old = catalogue.products[150]
            catalogue.products[150] = product(150, 60.0 * 150, name=old.name + "_2", modified=late)
        case "exchanged":
            catalogue.products[150] = new
    found, _ = await run(catalogue)
    assert ids(found) == ids(catalogue.products)
    assert {each.name for each in found} == {each.name for each in catalogue.products}
    again, asking = await run(catalogue)
    assert ids(again) == ids(catalogue.products)
    assert asking < COUNT / catalogue.paging.page_size


async def test_a_few_products_that_are_not_there_are_looked_up_in_full(run):
    catalogue = archive()
    await run(catalogue, fails=lambda each: each.id == "00000100")
    found, asking = await run(catalogue)
    (left,) = (each for each in found if each.id == "00000100")
    assert not recalled(left)
    assert left == catalogue.products[100]
    assert ids(found) == ids(catalogue.products)
    assert asking < COUNT / catalogue.paging.page_size


async def test_many_products_that_are_not_there_are_read(run):
    catalogue = archive()
    await run(catalogue, fails=lambda each: each.id > "00000140")
    by_id = []
    catalogue.always = lambda part, _: by_id.extend(part.query.ids)
    found, _ = await run(catalogue)
    assert by_id == []
    assert ids(found) == ids(catalogue.products)
    assert not any(recalled(each) for each in found if each.id > "00000140")


async def test_a_run_that_was_killed_leaves_the_slices_that_it_proved(run):
    catalogue = archive()
    await run(catalogue, at_most=200)
    found, _ = await run(catalogue)
    assert ids(found) == ids(catalogue.products)
    assert sum(map(recalled, found)) > 50


async def test_what_is_published_at_the_end_leaves_all_slices_but_the_last(run):
    catalogue = archive()
    await run(catalogue)
    for number in range(5):
        catalogue.products.append(product(9000 + number, 60.0 * (COUNT + number), modified=EPOCH))
    found, asking = await run(catalogue)
    assert ids(found) == ids(catalogue.products)
    slices = {name for name, _ in catalogue.requests}
    assert asking <= len(slices) + 45 / catalogue.paging.page_size
    assert sum(map(recalled, found)) > COUNT / 2


async def test_another_wish_is_another_run(run, journal):
    catalogue = archive()
    await run(catalogue)
    journal.put("UPDATE products SET wish = 'bands'")
    found, _ = await run(catalogue)
    assert not any(map(recalled, found))


async def test_what_was_compared_here_is_not_compared_again(run):
    catalogue = archive(attributes={"cloudCover": 5.0})
    even = Here(
        fields=("where",),
        keeps=lambda each: "cloudCover" in each.attributes and int(each.id) % 2 == 0,
        tells={"where": lambda each: "cloudCover" in each.attributes},
    )
    catalogue.here = lambda query: None if query.ids else even
    first, _ = await run(catalogue)
    second, _ = await run(catalogue)
    assert ids(first) == ids(second) == [each.id for each in catalogue.products[::2]]
    assert any(map(recalled, second))


async def test_products_without_a_time_of_modification_are_read_every_time(run):
    catalogue = FakeCatalogue([product(number, 60.0 * number) for number in range(COUNT)])
    await run(catalogue)
    found, _ = await run(catalogue)
    assert ids(found) == ids(catalogue.products)
    assert not any(map(recalled, found))


def test_what_can_be_recalled():
    catalogue = archive(1)
    assert recallable(catalogue, Query())
    assert not recallable(catalogue, Query(limit=5))
    assert not recallable(catalogue, Query(order_by="-start"))
    catalogue.paging = LinkPaging(page_size=10, concurrency=1)
    assert not recallable(catalogue, Query())


class Craft:
    async def present(self, product):
        return None

    async def expand(self, product):
        return Job(product=product, path=product.name, objects=())

    async def carry_out(self, job, obj):
        return job, obj

    async def finish(self, job):
        return job


async def test_a_recalled_product_that_is_to_be_fetched_is_asked_for():
    catalogue = archive(5)
    craft = Refreshing(Craft(), catalogue, ASKING)
    bare = Product(id="00000003", name="P", provider="cdse", attributes={RECALLED: True})
    assert (await craft.expand(bare)).product == catalogue.products[3]
    assert (await craft.expand(catalogue.products[2])).product is catalogue.products[2]
    assert len(catalogue.requests) == 1
    with pytest.raises(ObjectMissing, match="does not have it any more"):
        await craft.expand(Product(id="7", name="P", provider="cdse", attributes={RECALLED: True}))
    assert await craft.present(bare) is None
    assert await craft.carry_out("job", "object") == ("job", "object")
    assert await craft.finish("job") == "job"
