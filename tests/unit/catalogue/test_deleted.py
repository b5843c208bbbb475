from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import pytest

from skyhaul.catalogue.asking import Asking
from skyhaul.catalogue.deleted import (
    Deletions,
    Remembering,
    deleted_url,
    explain,
    find_deleted,
    find_deleted_of,
    parse_deleted,
)
from skyhaul.catalogue.versions import acquisition
from skyhaul.errors import CatalogueError, ConnectionLost, ObjectMissing, RequestRefused
from skyhaul.model import Condition, Query, Season, TimeInterval
from support.catalogues import AT_ONCE, FakeCatalogue
from support.embedded import embedded, everything

ASKING = Asking(host="cdse", retry=AT_ONCE, emit=lambda _: None)
GONE = ObjectMissing("Product not found")


async def all_deleted():
    return await find_deleted(embedded()[0], Query(), ASKING)


async def test_what_was_deleted_says_when_and_why():
    found = await all_deleted()
    assert len(found) > 5
    here = {product.id for product in everything()}
    for each in found:
        assert each.product.id not in here
        assert str(each) == f"deleted by the archive on {each.at:%Y-%m-%d} ({each.cause})"
        assert each.cause in {
            "Duplicated product",
            "Missing checksum",
            "Corrupted product",
            "Obsolete product or Other",
        }


async def test_a_query_finds_what_it_would_have_found():
    everyone = await all_deleted()
    spring = Season(first=(4, 1), last=(5, 15))
    tile = everyone[0].product.attributes["tileId"]
    queries = {
        Query(tiles=(tile,)): lambda each: each.attributes["tileId"] == tile,
        Query(season=spring): lambda each: each.start in spring,
        Query(names=("S2A_*_T3*_2*",)): lambda each: each.name.startswith("S2A_") and "_T3" in each.name,
        Query(ids=(everyone[1].product.id,)): lambda each: each.id == everyone[1].product.id,
        Query(rules=(Query(platform="S2A", online=True), Query(mode="IW"))): lambda each: "S2A" in each.name,
        # Neither is kept of what is gone.
        Query(online=True, published=TimeInterval(end=datetime(2000, 1, 1, tzinfo=UTC))): lambda _: True,
        Query(where=(Condition(attribute="processingBaseline", operator="ge", value="05.11"),)): lambda each: (
            "_N0511_" in each.name
        ),
    }
    for query, matches in queries.items():
        found = await find_deleted(embedded()[0], query, ASKING)
        assert {each.product.id for each in found} == {each.product.id for each in everyone if matches(each.product)}


async def test_several_pages_are_read_until_they_add_up():
    everyone = await all_deleted()

    class Slowly(FakeCatalogue):
        async def deleted(self, query, skip):
            return Deletions(products=tuple(everyone[skip : skip + 3]), total=len(everyone))

        def here(self, query):
            return None

    assert await find_deleted(Slowly([]), Query(), ASKING) == tuple(everyone)

    class Short(Slowly):
        async def deleted(self, query, skip):
            return Deletions(products=tuple(everyone[:2]), total=len(everyone))

    with pytest.raises(CatalogueError, match=f"{len(everyone)} deleted products are counted, and 2 listed"):
        await find_deleted(Short([]), Query(), ASKING)


@pytest.mark.parametrize("by", ["ids", "names"])
async def test_of_a_long_list_the_deleted_are_found_with_their_successors(by):
    provider, web = embedded()
    everyone = await all_deleted()
    before = len(web.asked)
    kept = [getattr(product, by[:-1]) for product in everything()]
    found = await find_deleted_of(
        provider, asking=ASKING, **{by: [*kept, *(getattr(each.product, by[:-1]) for each in everyone)]}
    )
    assert {each.product.id for each in found} == {each.product.id for each in everyone}
    assert any(each.successor for each in found)
    for each in found:
        others = [other for other in everything() if acquisition(other.name) == acquisition(each.product.name)]
        assert (each.successor in others) is bool(others)
    lists = len(web.asked) - before - len(found)
    assert len(kept) / 100 < lists < len(kept) / 30
    assert await find_deleted_of(provider, asking=ASKING) == []


async def test_a_missing_product_was_deleted_and_is_replaced_by_another_version():
    provider, web = embedded()
    for gone in await all_deleted():
        said = await explain(GONE, gone.product, catalogue=provider, asking=ASKING)
        others = [each.name for each in everything() if acquisition(each.name) == acquisition(gone.product.name)]
        assert said.startswith(f"Product not found; {gone}")
        assert (said.partition("; replaced by ")[2] in others) is bool(others)
    assert len(web.asked) == 2 * len(await all_deleted())


async def test_what_is_missing_and_was_not_deleted_is_said_to_be_missing():
    provider, _ = embedded()
    assert await explain(GONE, everything()[0], catalogue=provider, asking=ASKING) == "Product not found"


async def test_another_failure_is_not_asked_about():
    provider, web = embedded()
    assert await explain(ConnectionLost("cut"), everything()[0], catalogue=provider, asking=ASKING) == "cut"
    assert web.asked == []


@pytest.mark.parametrize("error", [RequestRefused("no", status=400), ConnectionLost("cut")], ids=repr)
async def test_an_archive_that_does_not_answer_hides_nothing(error):
    provider, web = embedded()

    async def get(_):
        raise error

    web.get = get
    assert await explain(GONE, everything()[0], catalogue=provider, asking=ASKING) == "Product not found"


async def test_an_archive_that_forgets_is_not_asked():
    assert not isinstance(FakeCatalogue([]), Remembering)
    assert await explain(GONE, everything()[0], catalogue=FakeCatalogue([]), asking=ASKING) == "Product not found"


def test_dates_and_causes_may_be_missing():
    (bare,) = parse_deleted(b'{"value":[{"Id":"1","Name":"A"}]}', provider="cdse", collection=None).products
    assert str(bare) == "deleted by the archive"
    assert str(replace(bare, at=datetime(2024, 5, 1, tzinfo=UTC))) == "deleted by the archive on 2024-05-01"


@pytest.mark.parametrize("body", [b"<html>", b"{}", msgspec.json.encode({"detail": "no"})])
def test_an_answer_that_is_no_list(body):
    with pytest.raises(CatalogueError):
        parse_deleted(body, provider="cdse", collection=None)


def test_the_address():
    url = deleted_url("https://x/odata/v1/", Query(collection="SENTINEL-2", online=True), top=1000, skip=5)
    assert url == (
        "https://x/odata/v1/DeletedProducts?$filter=Collection/Name%20eq%20%27SENTINEL-2%27&$expand=Attributes"
        "&$orderby=ContentDate/Start%20asc&$top=1000&$skip=5&$count=True"
    )
