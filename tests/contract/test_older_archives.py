"""Recorded replies of older archives, read by the providers that would have asked for them."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from skyhaul.errors import ObjectOffline
from skyhaul.model import Product, Query, TimeInterval
from skyhaul.protocols import Slice, Wish
from skyhaul.providers.dhus import Dhus
from skyhaul.providers.resto import Resto
from skyhaul.sources.replies import error_of

pytestmark = pytest.mark.anyio


@dataclass
class Recorded:
    """A web that answers with recordings, in order."""

    bodies: list[bytes]

    async def get(self, url: str) -> bytes:
        return self.bodies.pop(0)

    async def post(self, url: str, body: bytes, media_type: str) -> bytes:
        return self.bodies.pop(0)


def everything(**query):
    return Slice(query=Query(**query), interval=TimeInterval())


async def test_pages_of_one_search_hold_each_product_once(shared_data):
    """290 products, a hundred a page."""
    folder = shared_data / "dhus/opensearch"
    pages = [(folder / f"chain290_rows100_start{start:03}.json").read_bytes() for start in (0, 100, 200)]
    archive = Dhus(web=Recorded(pages), url="https://hub.example", sources={})
    found = [await archive.page(everything(), skip, count=True) for skip in (0, 100, 200)]
    assert {page.total for page in found} == {len({product.id for page in found for product in page.products})} == {290}


async def test_an_archived_product_is_known_by_its_entity(shared_data):
    entities = list((shared_data / "dhus/odata-v1").glob("short_*.json"))
    seen = set()
    for path in entities:
        archive = Dhus(web=Recorded([path.read_bytes()] * 2), url="https://hub.example", sources={})
        told = json.loads(path.read_bytes())["d"]
        product = _known(told)
        seen.add(told["Online"])
        if told["Online"]:
            (obj,) = await archive.objects(product, Wish())
            assert obj.size == int(told["ContentLength"])
            assert obj.checksums[0].value == told["Checksum"]["Value"].lower()
        else:
            with pytest.raises(ObjectOffline):
                await archive.objects(product, Wish())
        assert await archive.online(product) is told["Online"]
    assert seen == {True, False}


def _known(told):
    return Product(id=told["Id"], name=f"{told['Name']}.SAFE", provider="dhus")


async def test_a_page_of_peps_is_as_full_as_it_counts(shared_data):
    body = (shared_data / "resto/peps/peps_search_result_s1.geojson").read_bytes()
    archive = Resto(web=Recorded([body]), url="https://resto.example/resto", sources={}, size=20)
    page = await archive.page(everything(collection="SENTINEL-1"), 0, count=True)
    assert (len(page.products), page.total, page.next_link) == (20, 58, "S1 2")
    assert all(product.name.endswith(".SAFE") for product in page.products)
    for product in page.products:
        if product.online:
            (obj,) = await archive.objects(product, Wish())
            assert obj.location.removesuffix("/?issuerId=peps").endswith(f"/resto/collections/S1/{product.id}/download")
        else:
            with pytest.raises(ObjectOffline, match="on tape"):
                await archive.objects(product, Wish())


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (
            'An exception occured while creating a stream: Maximum number of 4 concurrent flows achieved by the user "u"',
            "403",
        ),
        (
            "User 'u' offline products retrieval quota exceeded (20 fetches max) trying to fetch product P",
            "AccessDenied",
        ),
    ],
)
def test_the_two_refusals_of_a_dhus_are_told_apart_by_a_header(cause, kind):
    error = error_of(403, "https://hub.example/x", {"cause-message": cause}, b"<html><h1>HTTP Status 403</h1></html>")
    assert error.kind == kind
    assert cause[:40] in str(error)
