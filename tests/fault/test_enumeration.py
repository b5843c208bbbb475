"""Every n-th page of a catalogue breaks, for every n: all products come, once, or the slices that could not be read are named."""

from __future__ import annotations

import random
from collections import Counter
from itertools import cycle

import pytest

from skyhaul.errors import ConnectionLost, HostBusy
from skyhaul.model import Product, Query
from skyhaul.protocols import Paging
from support.catalogues import FakeCatalogue, Found, Publish, Raise, Spoil, enumerated, product, unreadable
from support.chains import LinkedCatalogue
from support.embedded import embedded, everything, found_by, of_page

COUNT = 3000
TIED = 300
PAGING = Paging(page_size=100, deepest_skip=1000, concurrency=4)
BUSY = HostBusy("catalogue answered 503", status=503)
LOST = ConnectionLost("the connection broke")
SPOILT = ("empty", "shifted", "doubled", "holed", "repeated", "count+1", "count-1")
BREAKING = (Raise(BUSY), Raise(LOST), Raise(unreadable()), *map(Spoil, SPOILT))
BREAKING_LINKS = (BUSY, LOST, unreadable(), "empty", "unlinked", "circle", "again", "count+1")
REQUESTS = 48
"""What an undisturbed enumeration takes, about."""


def crowded() -> list[Product]:
    """Products of which hundreds begin in one instant, four times, and the others minutes apart."""
    dice = random.Random(1)
    tied = [600.0 * COUNT * (2 * part + 1) / 8 for part in range(4) for _ in range(TIED)]
    apart = [600.0 * number + dice.random() for number in range(COUNT - len(tied))]
    return [product(number, seconds) for number, seconds in enumerate(sorted([*tied, *apart]))]


PRODUCTS = crowded()


def assert_whole(found: Found, there: list[Product]) -> None:
    assert max(Counter(found.ids).values()) == 1
    assert {each.id for each in there} <= set(found.ids)
    assert found.completeness.incomplete == ()


async def test_undisturbed_it_takes_a_request_a_page_and_a_few():
    catalogue = FakeCatalogue(list(PRODUCTS), paging=PAGING)
    assert_whole(await enumerated(catalogue), PRODUCTS)
    assert len(catalogue.requests) + 2 * catalogue.extents <= REQUESTS


@pytest.mark.parametrize("every", range(4, REQUESTS + 2))
async def test_every_nth_page_breaks_each_time_in_another_way(every):
    faults = dict(zip(range(every - 1, 5000, every), cycle(BREAKING), strict=False))
    found = await enumerated(FakeCatalogue(list(PRODUCTS), faults=faults, paging=PAGING))
    assert_whole(found, PRODUCTS)


@pytest.mark.parametrize("every", [1, 2, 3])
@pytest.mark.parametrize("fault", BREAKING, ids=repr)
async def test_where_nearly_every_page_breaks_what_is_missing_is_named(fault, every):
    faults = dict.fromkeys(range(every - 1, 5000, every), fault)
    found = await enumerated(FakeCatalogue(list(PRODUCTS), faults=faults, paging=PAGING))
    assert len(found.ids) == len(set(found.ids))
    assert len(found.ids) == COUNT or found.completeness.exit_code == 4
    assert bool(found.completeness.exit_code) is bool(found.completeness.incomplete)


@pytest.mark.parametrize("every", range(2, 12))
async def test_products_are_published_while_every_nth_page_is_read(every):
    fresh = [product(10_000 + number, 600.0 * (number * 97 % COUNT)) for number in range(200)]
    faults = dict(zip(range(every - 1, 5000, every), map(Publish, fresh), strict=False))
    found = await enumerated(FakeCatalogue(list(PRODUCTS), faults=faults, paging=PAGING))
    assert_whole(found, PRODUCTS)


@pytest.mark.parametrize("counts", [False, True], ids=["uncounted", "counted"])
@pytest.mark.parametrize("every", range(4, REQUESTS + 2, 5))
async def test_every_nth_link_breaks_each_time_in_another_way(every, counts):
    ways = BREAKING_LINKS if counts else BREAKING_LINKS[:5]
    faults = dict(zip(range(every - 1, 5000, every), cycle(ways), strict=False))
    catalogue = LinkedCatalogue(list(PRODUCTS), faults=faults, counts=counts, page_size=100)
    found = await enumerated(catalogue)
    assert max(Counter(found.ids).values()) == 1
    assert len(found.ids) == COUNT or found.completeness.exit_code == 4


@pytest.mark.parametrize("every", [1, 2, 3, 5, 8])
async def test_the_embedded_archive_publishes_while_it_is_read(every):
    provider, web = embedded(2000)
    web.catalogue.withhold(150, every)
    hidden = set(web.catalogue.unpublished)
    there = {each.id for each in everything(2000)} - hidden
    found = await found_by(of_page(provider, 40), Query())
    assert len(hidden) == 150
    assert len(web.catalogue.unpublished) < 150
    assert max(Counter(found.ids).values()) == 1
    assert there <= set(found.ids)
    assert found.completeness.incomplete == ()
