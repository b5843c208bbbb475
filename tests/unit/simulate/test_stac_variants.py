"""STAC as others have it: signed blobs (Planetary Computer), ids of its own (Earth Search), counted pages and tapes (GEODES)."""

from __future__ import annotations

import json
from urllib.parse import quote

import msgspec
import pytest

from support.older_archives import found, served, world

pytestmark = pytest.mark.anyio


async def post(client, url, body, **options):
    async with client.session.post(url, json=body, **options) as response:
        return response.status, await response.json(content_type=None)


# Planetary Computer


async def first_asset(client):
    url = f"{client.service.roots.planetary}/api/stac/v1/search"
    status, found = await post(client, url, {"collections": ["sentinel-2-l2a"], "limit": 1})
    assert status == 200
    item = found["features"][0]
    return item, item["assets"]["B04_10m"]["href"]


async def test_only_some_collections_are_there_and_assets_are_blobs_of_unknown_size():
    async with served() as client:
        _, _, body = await client.get(f"{client.service.roots.planetary}/api/stac/v1/collections")
        assert {each["id"] for each in json.loads(body)["collections"]} == {"sentinel-2-l2a", "sentinel-1-grd"}
        url = f"{client.service.roots.planetary}/api/stac/v1/search"
        assert (await post(client, url, {"collections": ["sentinel-2-l1c"]}))[1]["features"] == []
        everything = (await post(client, url, {"limit": 1000}))[1]["features"]
        assert {item["collection"] for item in everything} == {"sentinel-2-l2a", "sentinel-1-grd"}
        item, href = await first_asset(client)
        assert href.startswith(client.service.roots.blobs)
        assert not {"Product"} & item["assets"].keys()
        assert all("file:size" not in asset for asset in item["assets"].values())


async def test_pages_by_get_have_links_with_tokens():
    async with served() as client:
        url = f"{client.service.roots.planetary}/api/stac/v1/search?collections=sentinel-2-l2a&limit=150"
        ids = []
        while url:
            page = json.loads((await client.get(url))[2])
            ids += [item["id"] for item in page["features"]]
            url = next((link["href"] for link in page["links"] if link["rel"] == "next"), "")
        assert len(ids) == len(set(ids)) == len(found(product_type="S2MSI2A"))


async def test_an_address_opens_only_when_signed_and_only_for_a_while():
    async with served(signature_lifetime_s=3600) as client:
        _, href = await first_asset(client)
        status, _, body = await client.get(href)
        assert (status, b"AuthenticationFailed" in body) == (403, True)
        sign = f"{client.service.roots.planetary}/api/sas/v1/sign?href={quote(href, safe='')}"
        signed = json.loads((await client.get(sign))[2])
        assert signed["msft:expiry"].endswith("Z")
        status, headers, whole = await client.get(signed["href"])
        assert (status, headers["ETag"][:3]) == (200, '"0x')
        status, headers, rest = await client.get(signed["href"], headers={"Range": "bytes=100-"})
        assert (status, rest) == (206, whole[100:])
        assert (await client.get(signed["href"].replace("sig=", "sig=A")))[0] == 403
        client.service.use(msgspec.structs.replace(client.service.scenario, signature_lifetime_s=-1.0))
        expired = json.loads((await client.get(sign))[2])["href"]
        assert (await client.get(expired))[0] == 403


@pytest.mark.parametrize("path", ["sentinel-2-l2a", "account/sentinel-2-l2a"])
async def test_one_token_opens_a_container(path):
    async with served() as client:
        _, href = await first_asset(client)
        token = json.loads((await client.get(f"{client.service.roots.planetary}/api/sas/v1/token/{path}"))[2])
        assert (await client.get(f"{href}?{token['token']}"))[0] == 200
        other = json.loads((await client.get(f"{client.service.roots.planetary}/api/sas/v1/token/sentinel-1-grd"))[2])
        assert (await client.get(f"{href}?{other['token']}"))[0] == 403


# Earth Search


async def test_earth_search_has_ids_of_its_own_and_open_assets():
    async with served() as client:
        url = f"{client.service.roots.earth}/v1/search"
        _, page = await post(client, url, {"collections": ["sentinel-2-l2a"], "limit": 100})
        items = page["features"]
        assert len({item["id"] for item in items}) == 100
        product = world().by_name(items[0]["properties"]["s2:product_uri"])
        assert items[0]["id"].startswith(f"{product.name[:3]}_")
        assert (await client.get(items[0]["assets"]["b04_10m"]["href"]))[0] == 200


async def test_earth_search_knows_its_items_by_those_ids_alone():
    async with served() as client:
        root = f"{client.service.roots.earth}/v1"
        _, page = await post(client, f"{root}/search", {"collections": ["sentinel-2-l2a"], "limit": 3})
        item = page["features"][1]
        status, _, body = await client.get(f"{root}/collections/sentinel-2-l2a/items/{item['id']}")
        assert (status, json.loads(body)["id"]) == (200, item["id"])
        _, found = await post(client, f"{root}/search", {"ids": [item["id"], "S2A_31TCF_20240401_3_2A", "nothing"]})
        assert [each["id"] for each in found["features"]] == [item["id"]]
        elsewhere = item["id"].replace("2A", "2B", 1).replace("2B", "2A")
        assert (await client.get(f"{root}/collections/sentinel-2-l2a/items/{elsewhere}x"))[0] == 404


async def test_earth_search_alone_counts_on_every_page_by_post_and_get():
    """As in recorded replies: those of CDSE and of the Planetary Computer state no total."""
    async with served() as client:
        roots = client.service.roots
        url, total = f"{roots.earth}/v1/search", len(found(product_type="S2MSI2A"))
        body = {"collections": ["sentinel-2-l2a"], "limit": 7}
        _, page = await post(client, url, body)
        for _ in range(2):
            assert page["numberMatched"] == total
            assert page["context"] == {"limit": 7, "matched": total, "returned": 7}
            link = next(link for link in page["links"] if link["rel"] == "next")
            _, page = await post(client, url, link["body"])
        sorted_by = f"{url}?collections=sentinel-2-l2a&limit=1&sortby=-properties.updated"
        assert json.loads((await client.get(sorted_by))[2])["numberMatched"] == total
        _, none = await post(client, url, {**body, "datetime": "1999-01-01T00:00:00Z"})
        assert none["numberMatched"] == 0
        for other in (f"{roots.planetary}/api/stac/v1/search", f"{roots.stac_url}/search"):
            assert not {"numberMatched", "context"} & (await post(client, other, body))[1].keys()


async def test_earth_search_links_and_bare_items_have_those_ids_too():
    async with served() as client:
        root = f"{client.service.roots.earth}/v1"
        bare = {"collections": ["sentinel-2-l2a"], "limit": 3, "fields": {"exclude": ["assets"]}}
        _, page = await post(client, f"{root}/search", bare)
        for item in page["features"]:
            assert "assets" not in item
            own = next(link["href"] for link in item["links"] if link["rel"] == "self")
            assert own.endswith(f"/items/{item['id']}")
            status, _, body = await client.get(own)
            assert (status, json.loads(body)["id"]) == (200, item["id"])


@pytest.mark.parametrize("of", ["earth", "planetary"])
async def test_a_name_of_esa_finds_what_has_it_and_no_id(of):
    async with served() as client:
        root = f"{client.service.roots.earth}/v1" if of == "earth" else f"{client.service.roots.planetary}/api/stac/v1"
        _, page = await post(client, f"{root}/search", {"collections": ["sentinel-2-l2a"], "limit": 3})
        item = page["features"][1]
        name = item["properties"]["s2:product_uri"]
        by_name = {"query": {"s2:product_uri": {"in": [name, "nothing"]}}}
        assert [each["id"] for each in (await post(client, f"{root}/search", by_name))[1]["features"]] == [item["id"]]
        if of == "earth":
            _, found = await post(client, f"{root}/search", {"ids": [name.removesuffix(".SAFE")]})
            assert found["features"] == []


async def test_the_planetary_computer_tells_a_tile_by_a_name_of_its_own():
    async with served() as client:
        url = f"{client.service.roots.planetary}/api/stac/v1/search"
        asked = {"collections": ["sentinel-2-l2a"], "query": {"s2:mgrs_tile": {"eq": "32TQR"}}, "limit": 100}
        items = (await post(client, url, asked))[1]["features"]
        assert items
        assert {item["properties"]["s2:mgrs_tile"] for item in items} == {"32TQR"}
        assert all("grid:code" not in item["properties"] for item in items)
        grid = {**asked, "query": {"grid:code": {"eq": "MGRS-32TQR"}}}
        assert (await post(client, url, grid))[1]["features"] == []
        radar = {"collections": ["sentinel-1-grd"], "limit": 1}
        assert "s2:mgrs_tile" not in (await post(client, url, radar))[1]["features"][0]["properties"]


# GEODES


async def geodes(client, **body):
    return await post(client, f"{client.service.roots.geodes}/api/stac/search", body)


async def test_pages_are_counted_by_whoever_asks():
    wanted = {product.name.removesuffix(".SAFE") for product in found(product_type="S2MSI1C")}
    order = [{"field": "start_datetime", "direction": "asc"}]
    async with served() as client:
        names, number = [], 1
        while True:
            _, page = await geodes(client, collections=["PEPS_S2_L1C"], limit=20, page=number, sortBy=order)
            assert page["context"]["matched"] == len(wanted)
            if not page["features"]:
                break
            names += [item["properties"]["identifier"] for item in page["features"]]
            number += 1
        assert sorted(names) == sorted(wanted)


@pytest.mark.parametrize(
    "body",
    [{"limit": 81}, {"page": 0}, {"query": {"nobody": {"eq": 1}}}, {"query": {"start_datetime": {"near": "now"}}},
     {"sortBy": [{"field": "start_datetime", "direction": "desc"}]}, {"datetime": "2024-04-01T00:00:00Z/.."}],
)  # fmt: skip
async def test_what_geodes_does_not_know_is_400(body):
    async with served() as client:
        assert (await geodes(client, collections=["PEPS_S2_L1C"], **body))[0] == 400


async def test_queries_compare():
    query = {
        "start_datetime": {"gte": "2024-05-01T00:00:00Z", "lt": "2024-08-01T00:00:00Z"},
        "eo:cloud_cover": {"lte": 30},
        "grid:code": {"contains": "T32"},
    }
    async with served() as client:
        _, page = await geodes(
            client, collections=["PEPS_S2_L1C"], limit=80, query=query | {"grid:code": {"eq": "T32TQR"}}
        )
        found_names = {item["properties"]["identifier"] for item in page["features"]}
    wanted = {
        product.name.removesuffix(".SAFE")
        for product in found(product_type="S2MSI1C")
        if "2024-05-01" <= f"{product.start:%Y-%m-%d}" < "2024-08-01"
        and {name: value for name, _, value in product.attributes}["cloudCover"] <= 30
        and "_T32TQR_" in product.name
    }
    assert found_names == wanted


async def test_a_file_on_tape_is_asked_for_with_a_key_and_then_available():
    product = next(each for each in found(online=False) if each.product_type == "S2MSI1C")
    async with served(staging_s=3600) as client:
        _, page = await geodes(client, query={"identifier": {"eq": product.name.removesuffix(".SAFE")}})
        (asset,) = page["features"][0]["assets"].values()
        assert "Is online: false" in asset["description"]
        name = page["features"][0]["properties"]["identifier"]
        assert page["features"][0]["properties"]["endpoint_url"].endswith(f"/{name}.zip")

        async def available():
            body = {"availability": [{"href": asset["href"], "endpointURL": ""}]}
            _, told = await post(client, f"{client.service.roots.geodes}/fastavailability", body)
            return told["products"][0]["files"][0]["available"]

        key = {"X-API-Key": client.service.scenario.api_key}
        assert (await client.get(asset["href"]))[0] == 401
        assert (await client.get(asset["href"], headers=key))[0] == 202
        assert not await available()
        client.service.tapes["geodes"].load()
        assert await available()
        assert (await client.get(asset["href"], headers=key))[0] == 200
