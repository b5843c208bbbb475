"""The DHuS host: its feed and entities in the shapes that were recorded, ranges, archived products and quotas."""

from __future__ import annotations

import json
from itertools import pairwise
from urllib.parse import quote

import pytest

from support.older_archives import found, served, world

pytestmark = pytest.mark.anyio
TILE = "producttype:S2MSI2A AND tileid:32TQR"


async def feed(client, query=TILE, **options):
    asked = {"format": "json", "rows": "100", "start": "0", "orderby": "beginposition asc", "q": query, **options}
    url = f"{client.service.roots.dhus}/search?" + "&".join(f"{name}={quote(text)}" for name, text in asked.items())
    status, _, body = await client.get(url, known=True)
    assert status == 200, body
    return json.loads(body)["feed"]


def product_url(client, product, rest=""):
    return f"{client.service.roots.dhus}/odata/v1/Products('{product.id}'){rest}"


async def test_nobody_searches_without_a_password():
    async with served() as client:
        status, headers, _ = await client.get(f"{client.service.roots.dhus}/search?format=json&q=*")
        assert (status, headers["WWW-Authenticate"].split()[0]) == (401, "Basic")


async def test_a_page_counts_in_texts_and_says_where_the_next_one_is():
    async with served() as client:
        first = await feed(client, rows="20")
        assert (first["opensearch:totalResults"], first["opensearch:startIndex"]) == ("49", "0")
        assert {link["rel"] for link in first["link"]} == {"self", "first", "next", "last"}
        last = await feed(client, rows="20", start="40")
        assert "next" not in {link["rel"] for link in last["link"]}
        ids = [
            entry["id"] for page in (first, await feed(client, rows="20", start="20"), last) for entry in page["entry"]
        ]
        assert len(ids) == len(set(ids)) == 49


async def test_entries_are_a_list_an_object_or_absent():
    one = found(product_type="S2MSI2A")[0]
    async with served() as client:
        assert isinstance((await feed(client))["entry"], list)
        assert (await feed(client, f"uuid:{one.id}"))["entry"]["id"] == one.id
        assert "entry" not in await feed(client, "tileid:99ZZZ")


async def test_a_single_property_of_a_type_is_an_object():
    async with served() as client:
        entry = (await feed(client))["entry"][0]
        assert entry["double"]["name"] == "cloudcoverpercentage"
        assert [each["name"] for each in entry["int"]] == ["orbitnumber", "relativeorbitnumber"]


async def test_what_an_entry_holds_was_recorded_of_real_ones(shared_data):
    recorded = set()
    for path in (shared_data / "dhus/opensearch").glob("*.json"):
        entries = json.loads(path.read_bytes())["feed"].get("entry", [])
        for entry in entries if isinstance(entries, list) else [entries]:
            for kind in ("str", "date", "int", "double"):
                group = entry.get(kind, [])
                recorded |= {(kind, each["name"]) for each in (group if isinstance(group, list) else [group])}
    async with served() as client:
        for query in (TILE, "platformname:Sentinel-1", "platformname:Sentinel-3"):
            for entry in (await feed(client, query))["entry"]:
                for kind in ("str", "date", "int", "double"):
                    group = entry.get(kind, [])
                    told = {(kind, each["name"]) for each in (group if isinstance(group, list) else [group])}
                    assert told <= recorded | {("str", "timeliness")}


@pytest.mark.parametrize("descending", [False, True])
async def test_products_come_in_order(descending):
    async with served() as client:
        found = await feed(client, orderby=f"ingestiondate {'desc' if descending else 'asc'}")
        times = [
            next(each["content"] for each in entry["date"] if each["name"] == "ingestiondate")
            for entry in found["entry"]
        ]
        assert all((a >= b) if descending else (a <= b) for a, b in pairwise(times))


@pytest.mark.parametrize(("query", "rows"), [("xxx:yyy", "100"), ("*", "101")])
async def test_what_solr_refuses_is_a_page_with_its_cause_in_a_header(query, rows):
    async with served() as client:
        url = f"{client.service.roots.dhus}/search?format=json&rows={rows}&q={query}"
        status, headers, body = await client.get(url, known=True)
        assert status in {400, 500}
        assert headers["cause-message"]
        assert body.startswith(b"<!doctype html>")


async def test_a_long_query_has_to_be_posted():
    many = " OR ".join(f"tileid:{zone:02}TQR" for zone in range(1, 61)) * 4
    async with served() as client:
        url = f"{client.service.roots.dhus}/search?format=json&rows=10&start=0"
        status, _, _ = await client.get(f"{url}&q={quote(many)}", known=True)
        assert status == 500
        async with client.session.post(url, data={"q": TILE}, headers=client.basic) as response:
            assert (await response.json())["feed"]["opensearch:totalResults"] == "49"


async def test_an_entity_is_worded_as_recorded(shared_data):
    recorded = json.loads(next((shared_data / "dhus/odata-v1").glob("short_S2A*")).read_bytes())["d"]
    product = found(product_type="S2MSI2A", online=True)[0]
    async with served() as client:
        _, _, body = await client.get(product_url(client, product, "?$format=json"), known=True)
        entity = json.loads(body)["d"]
        assert entity.keys() == recorded.keys()
        assert {name: type(value) for name, value in entity.items()} == {
            name: type(value) for name, value in recorded.items()
        }
        assert entity["Name"] == product.name.removesuffix(".SAFE")
        assert entity["ContentLength"] == str(world().archive(product).size)
        assert entity["Checksum"]["Value"] == world().archive(product).md5.upper()


async def test_an_id_that_is_none():
    async with served() as client:
        url = f"{client.service.roots.dhus}/odata/v1/Products('nobody')?$format=json"
        status, _, body = await client.get(url, known=True)
        assert status == 404
        assert json.loads(body)["error"]["message"]["value"] == "Invalid key (nobody) to access Products"


async def test_a_product_comes_whole_or_in_ranges_and_its_bare_etag_is_its_md5():
    product = found(product_type="S2MSI2A", online=True)[0]
    archive = world().archive(product)
    async with served() as client:
        url = product_url(client, product, "/$value")
        status, headers, body = await client.get(url, known=True)
        assert (status, headers["ETag"], len(body)) == (200, archive.md5.upper(), archive.size)
        options = {"headers": {"Range": "bytes=25-"}, "known": True}
        status, headers, rest = await client.get(url, **options)
        assert (status, headers["Content-Range"]) == (206, f"bytes 25-{archive.size - 1}/{archive.size}")
        assert rest == body[25:]
        assert (await client.get(url, headers={"Range": "bytes=0-0"}, known=True))[0] == 500
        changed = {"headers": {"Range": "bytes=1-", "If-Match": '"0"'}, "known": True}
        assert (await client.get(url, **changed))[0] == 412


async def test_what_is_archived_is_accepted_with_nothing_and_online_after_a_while():
    product = found(online=False)[0]
    async with served(staging_s=3600) as client:
        url = product_url(client, product, "/$value")
        online = product_url(client, product, "/Online/$value")
        assert (await client.get(url, known=True, method="HEAD"))[0] == 202
        assert client.service.stats()["ordered"]["dhus"] == 0  # a HEAD orders nothing
        status, _, body = await client.get(url, known=True)
        assert (status, body) == (202, b"")
        assert (await client.get(online, known=True))[2] == b"false"
        client.service.tapes["dhus"].load()
        assert (await client.get(online, known=True))[2] == b"true"
        assert (await client.get(url, known=True))[0] == 200


async def test_one_order_too_many_is_told_in_a_header():
    archived = found(online=False)
    async with served(staging_s=3600, orders_at_once=2) as client:
        statuses = [
            (await client.get(product_url(client, product, "/$value"), known=True))[:2] for product in archived[:3]
        ]
        assert [status for status, _ in statuses] == [202, 202, 403]
        assert "offline products retrieval quota exceeded (2 fetches max)" in statuses[2][1]["cause-message"]


async def test_one_stream_too_many_is_another_403():
    product = found(product_type="S2MSI2A", online=True)[0]
    async with served(connections=1, bytes_per_s_per_connection=100_000) as client:
        url = product_url(client, product, "/$value")
        async with client.session.get(url, headers=client.basic) as first:
            assert first.status == 200
            status, headers, _ = await client.get(url, known=True)
        assert status == 403
        assert "Maximum number of 1 concurrent flows achieved" in headers["cause-message"]
