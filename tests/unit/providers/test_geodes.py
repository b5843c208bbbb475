"""GEODES: counted pages, times as properties, one zip an item, which may be on tape."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from skyhaul.errors import CatalogueError, ObjectMissing, ObjectOffline, SettingsError
from skyhaul.model import Checksum, Product, Query, TimeInterval
from skyhaul.protocols import Slice, Wish
from skyhaul.providers.geodes import Geodes, search_body
from support.catalogues import EPOCH, enumerated
from support.webs import FakeWeb, features

ROOT, PORTAL = "https://geodes.example/api/stac", "https://geodes.example"
MD5 = "86f828c4c7e921615d1cd0476604f780"
NAME = "S2A_MSIL1C_20250402T175741_N0511_R141_T14ULD_20250403T022035"
URN = "URN:FEATURE:DATA:gdh:25416e3f:V1"


def item(number=0, *, online=True, seconds=0, **properties):
    start = (EPOCH + timedelta(seconds=seconds)).isoformat()
    zipped = {
        "href": f"{PORTAL}/api/download/{URN}/files/{MD5}",
        "type": "application/zip",
        "roles": ["data"],
        "description": f"File size: 764210185 bytes\n\nIs online: {str(online).lower()}\n\nChecksum MD5: {MD5.upper()}",
    }
    return {
        "type": "Feature",
        "id": f"{URN}{number:05d}",
        "collection": "PEPS_S2_L1C",
        "properties": {
            "identifier": NAME,
            "start_datetime": start,
            "end_datetime": start,
            "datetime": "2025-04-03T09:00:26Z",
            "grid:code": "T14ULD",
            "sat:orbit_state": "Descending",
            "endpoint_url": "https://s3.example/a.zip",
            **properties,
        },
        "assets": {
            "metadata": {"href": f"{PORTAL}/m.xml", "type": "application/xml", "roles": ["data"]},
            "quicklook": {"href": f"{PORTAL}/q.jpg", "roles": ["overview"]},
            "zip": zipped,
        },
    }


def geodes(answer):
    web = FakeWeb(answer)
    return Geodes(web=web, catalogue_url=ROOT, portal_url=PORTAL), web


moment = datetime.fromisoformat
FIRST, LAST = "2000-01-01T00:00:00Z", "2100-01-01T00:00:00Z"


def paged(total):
    """Answers searches of ``total`` items, a second apart, as the archive does."""
    items = [item(number, seconds=number) for number in range(total)]

    def answer(url, body):
        if url == f"{ROOT}/collections":
            return {"collections": [{"id": "PEPS_S2_L1C"}]}
        assert url == f"{ROOT}/search"
        assert body["limit"] <= 80
        bounds = body.get("query", {}).get("start_datetime", {})
        found = [
            each
            for each in items
            if moment(bounds.get("gte", FIRST))
            <= moment(each["properties"]["start_datetime"])
            <= moment(bounds.get("lte", LAST))
        ]
        if body["sortBy"][0]["direction"] == "dsc":
            found.reverse()
        first = (body["page"] - 1) * body["limit"]
        links = [{"rel": "next", "href": "https://geodes.example/nowhere?limit=2&page=2"}]
        return features(*found[first : first + body["limit"]], context={"matched": len(found)}, links=links)

    return answer


@pytest.mark.parametrize("total", [0, 1, 80, 81, 160, 1500])
async def test_pages_are_counted_until_all_are_there(total):
    provider, _ = geodes(paged(total))
    found = await enumerated(provider, Query(provider="geodes", collection="PEPS_S2_L1C"))
    assert len(found.products) == total == len(set(found.ids))
    assert found.completeness.exit_code == 0


async def test_a_collection_that_is_not_there_is_an_error_and_not_nothing():
    provider, _ = geodes(paged(0))
    with pytest.raises(SettingsError, match="geodes has no collection 'PEPS_S2'; did you mean PEPS_S2_L1C"):
        await enumerated(provider, Query(provider="geodes", collection="PEPS_S2"))


async def test_the_first_few_in_order():
    provider, web = geodes(paged(1500))
    found = await enumerated(provider, Query(provider="geodes", limit=3, order_by="-start"))
    assert [each.id[-5:] for each in found.products] == ["01499", "01498", "01497"]
    assert len(web.asked) == 1
    assert web.asked[0][1]["limit"] == 3


async def test_what_an_item_says():
    provider, _ = geodes(lambda *_: features(item(online=False), context={"matched": 1}))
    [product] = (await provider.page(Slice(query=Query(), interval=TimeInterval()), 0, count=True)).products
    assert (product.name, product.size, product.online) == (NAME, 764_210_185, False)
    assert product.checksums == (Checksum(algorithm="MD5", value=MD5),)
    assert product.published == datetime(2025, 4, 3, 9, 0, 26, tzinfo=UTC)
    assert product.start == EPOCH
    assert product.attributes["tileId"] == "14ULD"
    assert product.attributes["orbitDirection"] == "DESCENDING"
    assert product.quicklook_url == f"{PORTAL}/q.jpg"


def asked(**query):
    wanted = Query(**query)
    return search_body(Slice(query=wanted, interval=wanted.sensing), limit=80, page=1).get("query")


APRIL = TimeInterval(start=datetime(2024, 4, 1, tzinfo=UTC), end=datetime(2024, 5, 1, tzinfo=UTC))
SPAN = {"gte": "2024-04-01T00:00:00.000000Z", "lte": "2024-04-30T23:59:59.999999Z"}


@pytest.mark.parametrize(
    ("query", "properties"),
    [
        ({}, None),
        ({"sensing": APRIL}, {"start_datetime": SPAN}),
        ({"cloud_max": 20.0}, {"eo:cloud_cover": {"lte": 20.0}}),
        ({"orbit_direction": "ASCENDING"}, {"sat:orbit_state": {"eq": "Ascending"}}),
        ({"relative_orbit": 22}, {"sat:relative_orbit": {"eq": 22}}),
        ({"tiles": ("1CCV",)}, {"grid:code": {"contains": "T01CCV"}}),
        ({"tiles": ("01CCV", "31TCL")}, None),
        ({"names": (f"{NAME}.SAFE",)}, {"identifier": {"eq": NAME}}),
        ({"names": ("S2A*",)}, None),
        ({"product_types": ("S2MSI1C",)}, {"product:type": {"eq": "S2MSI1C"}}),
    ],
)
def test_what_is_asked(query, properties):
    assert asked(**query) == properties


@pytest.mark.parametrize(
    "query",
    [{"tiles": ("01CCV", "31TCL")}, {"names": ("S2A*",)}, {"mode": "IW"}, {"online": True}, {"published": APRIL}],
)
def test_what_is_not_asked_is_filtered_here(query):
    provider, _ = geodes(None)
    assert provider.here(Query(**query)).fields == tuple(query)


def test_an_order_that_it_does_not_know():
    with pytest.raises(SettingsError, match="geodes cannot sort by 'modified'"):
        asked(order_by="-modified")


PRODUCT = Product(id=f"{URN}00000", name=NAME, provider="geodes", collection="PEPS_S2_L1C")


async def test_a_product_on_disk_is_one_zip():
    provider, web = geodes(lambda *_: features(item(), item(1)))
    [obj] = await provider.objects(PRODUCT, Wish())
    assert (obj.path, obj.size, obj.archive, obj.route) == (f"{NAME}.zip", 764_210_185, True, "http")
    assert obj.location == f"{PORTAL}/api/download/{URN}/files/{MD5}"
    assert obj.checksums == (Checksum(algorithm="MD5", value=MD5),)
    [(url, body)] = web.asked
    assert url == f"{ROOT}/search"
    assert body["query"] == {"identifier": {"eq": NAME}}


@pytest.mark.parametrize("available", [True, False])
async def test_a_product_on_tape_is_asked_after(available):
    def answer(url, body):
        if url != f"{PORTAL}/fastavailability":
            return features(item(online=False))
        [asked] = body["availability"]
        assert asked == {"href": f"{PORTAL}/api/download/{URN}/files/{MD5}", "endpointURL": "https://s3.example/a.zip"}
        return {"products": [{"files": [{"available": available, "checksum": MD5}]}]}

    provider, _ = geodes(answer)
    if available:
        assert len(await provider.objects(PRODUCT, Wish())) == 1
    else:
        with pytest.raises(ObjectOffline, match="is on tape at geodes"):
            await provider.objects(PRODUCT, Wish())


async def test_what_cannot_be_had_is_said():
    provider, _ = geodes(lambda *_: features({**item(), "assets": {}}))
    with pytest.raises(ObjectMissing, match="names no file of it"):
        await provider.objects(PRODUCT, Wish())
    with pytest.raises(SettingsError, match="gives whole products alone"):
        await provider.objects(PRODUCT, Wish(only=("*B04*",)))
    provider, _ = geodes(lambda url, _: b"<html>" if "fast" in url else features(item(online=False)))
    with pytest.raises(CatalogueError, match="does not say whether"):
        await provider.objects(PRODUCT, Wish())


async def test_ids_alone_cannot_be_asked_for():
    provider, _ = geodes(None)
    query = Query(ids=(URN,))
    with pytest.raises(SettingsError, match="geodes cannot be asked for ids: give --name"):
        await provider.page(Slice(query=query, interval=query.sensing), 0, count=False)


async def test_a_product_that_is_gone():
    provider, _ = geodes(lambda *_: features(item(1)))
    with pytest.raises(ObjectMissing, match="has it no more"):
        await provider.objects(PRODUCT, Wish())


async def test_names_are_looked_up_one_by_one():
    provider, web = geodes(lambda *_: features(item(), context={"matched": 1}))
    page = await provider.named([NAME, f"{NAME}.SAFE", "S2A_OTHER"])
    assert len(page.products) == 2
    assert sorted(body["query"]["identifier"]["eq"] for _, body in web.asked) == [NAME, "S2A_OTHER"]
