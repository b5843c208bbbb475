"""The resto host: counted pages, parameters, storage states, and errors with status 200."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest

from support.older_archives import found, served, world

pytestmark = pytest.mark.anyio


async def search(client, collection="S2ST", **options):
    url = f"{client.service.roots.resto}/resto/api/collections/{collection}/search.json?{urlencode(options)}"
    status, _, body = await client.get(url)
    assert status == 200
    return json.loads(body)


def download(client, product, collection="S2ST"):
    return f"{client.service.roots.resto}/resto/collections/{collection}/{product.id}/download/?issuerId=peps"


async def test_pages_are_counted_from_one_newest_first():
    async with served() as client:
        pages = [await search(client, maxRecords=100, page=number) for number in range(1, 6)]
        told = [page["properties"] for page in pages]
        assert {each["totalResults"] for each in told} == {len(found(collection="SENTINEL-2"))} == {445}
        assert [each["startIndex"] for each in told] == [1, 101, 201, 301, 401]
        assert [any(link["rel"] == "next" for link in each["links"]) for each in told] == [True] * 4 + [False]
        starts = [feature["properties"]["startDate"] for page in pages for feature in page["features"]]
        assert starts == sorted(starts, reverse=True)
        assert len({feature["id"] for page in pages for feature in page["features"]}) == 445


async def test_a_product_is_in_one_collection_of_its_mission():
    async with served() as client:
        found = [await search(client, collection) for collection in ("S2", "S2ST")]
        assert [each["properties"]["totalResults"] for each in found] == [0, 445]


async def test_what_a_feature_holds_was_recorded_of_real_ones(shared_data):
    recorded = set()
    for path in (shared_data / "resto/peps/peps_search.json", shared_data / "resto/peps/peps_search_result_s1.geojson"):
        for feature in json.loads(path.read_bytes())["features"]:
            recorded |= feature["properties"].keys()
    async with served() as client:
        for collection in ("S1", "S2ST"):
            for feature in (await search(client, collection))["features"]:
                assert feature["properties"].keys() <= recorded
                assert feature["geometry"] == feature["_geometry"]


@pytest.mark.parametrize(
    ("options", "test"),
    [
        ({"productType": "S2MSI1C"}, lambda p, _: p.product_type == "S2MSI1C"),
        ({"relativeOrbitNumber": "22"}, lambda _, values: values["relativeOrbitNumber"] == 22),
        ({"tileid": "32TQR"}, lambda _, values: values["tileId"] == "32TQR"),
        ({"cloudCover": "[10,20]"}, lambda _, values: 10 <= values["cloudCover"] <= 20),
        ({"platform": "S2B"}, lambda p, _: p.name.startswith("S2B")),
    ],
    ids=lambda each: next(iter(each)) if isinstance(each, dict) else "",
)
async def test_parameters_restrict(options, test):
    wanted = {
        product.id
        for product in found(collection="SENTINEL-2")
        if test(product, {name: value for name, _, value in product.attributes})
    }
    async with served() as client:
        assert {each["id"] for each in (await search(client, maxRecords=500, **options))["features"]} == wanted != set()


async def test_both_dates_bound_the_sensing_start():
    orbit = found(collection="SENTINEL-3")[0]
    during = orbit.start + (orbit.end - orbit.start) / 2
    async with served() as client:
        inside = await search(client, "S3", startDate=orbit.start.isoformat(), completionDate=during.isoformat())
        assert orbit.id in {each["id"] for each in inside["features"]}
        after = await search(client, "S3", startDate=during.isoformat())
        assert orbit.id not in {each["id"] for each in after["features"]}


@pytest.mark.parametrize(
    ("collection", "options"),
    [("S9", {}), ("S2ST", {"maxRecords": 501}), ("S2ST", {"page": 0}), ("S2ST", {"box": "1,2"}), ("S2ST", {"xyz": 1})],
)
async def test_errors_come_with_status_200(collection, options):
    async with served() as client:
        answer = await search(client, collection, **options)
        assert answer["ErrorCode"] in {400, 404}
        assert answer["ErrorMessage"]


async def test_a_product_on_tape_is_staged_by_asking_for_it():
    product = found(online=False)[0]

    async def mode(client):
        features = (await search(client, identifier=product.name.removesuffix(".SAFE")))["features"]
        return features[0]["properties"]["storage"]["mode"]

    async with served(staging_s=3600) as client:
        assert await mode(client) == "tape"
        assert (await client.get(download(client, product), known=True))[0] == 202
        assert await mode(client) == "staging"
        assert (await client.get(download(client, product), known=True))[0] == 202
        client.service.tapes["resto"].load()
        assert await mode(client) == "disk"
        status, _, body = await client.get(download(client, product), known=True)
        assert (status, len(body)) == (200, world().archive(product).size)


async def test_peps_has_a_few_words_in_the_products_place():
    product = found(online=False)[0]
    async with served(staging_s=3600, staging_status=200) as client:
        status, _, body = await client.get(download(client, product), known=True)
        assert (status, len(body)) == (200, 44)
        client.service.tapes["resto"].load()
        assert (await client.get(download(client, product), known=True))[2][:2] == b"PK"


async def test_downloads_want_a_password_and_orders_have_a_limit():
    archived = found(online=False)
    async with served(staging_s=3600, orders_at_once=1) as client:
        assert (await client.get(download(client, archived[0])))[0] == 401
        statuses = [(await client.get(download(client, each), known=True))[0] for each in archived[:2]]
        assert statuses == [202, 403]


async def test_digests_are_given_in_either_case():
    async with served() as client:
        digests = [
            each["properties"]["resourceChecksum"] for each in (await search(client, maxRecords=500))["features"]
        ]
        assert any(digest and digest.isupper() for digest in digests)
        assert any(digest and digest.islower() for digest in digests)
        assert None in digests
