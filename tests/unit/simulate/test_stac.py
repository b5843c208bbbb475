"""The STAC host: documents, items, and pages that lead to one another by GET and by POST."""

from __future__ import annotations

import hashlib

import pytest

from skyhaul.simulate.faults import Fault, FaultKind
from skyhaul.simulate.stac import reduced
from skyhaul.simulate.stac_items import asset_key, collection_of, item_id
from support.fake_world import sentinel_2
from support.serving import Client, served

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("product_type", "name", "collection"),
    [
        ("S2MSI1C", "S2A_MSIL1C_x.SAFE", "sentinel-2-l1c"),
        ("S2MSI2A", "S2A_MSIL2A_x.SAFE", "sentinel-2-l2a"),
        ("IW_GRDH_1S-COG", "S1A_IW_GRDH_x_COG.SAFE", "sentinel-1-grd"),
        ("IW_GRDH_1S", "S1A_IW_GRDH_x.SAFE", None),
        ("IW_SLC__1S", "S1A_IW_SLC__x.SAFE", "sentinel-1-slc"),
        ("WV_SLC__1S", "S1A_WV_SLC__x.SAFE", "sentinel-1-slc-wv"),
        ("OL_1_EFR___", "S3A_OL_1_EFR____x_PS1_O_NT_004.SEN3", "sentinel-3-olci-1-efr-ntc"),
        ("SR_1_SRA_A_", "S3A_SR_1_SRA_A__x_PS1_O_ST_005.SEN3", "sentinel-3-sr-1-sra-a-stc"),
        ("SY_2_SYN___", "S3B_SY_2_SYN____x_ESA_O_NT_002.SEN3", "sentinel-3-syn-2-syn-ntc"),
        ("L2__NO2___", "S5P_OFFL_L2__NO2____x.nc", "sentinel-5p-l2-no2-offl"),
        ("L2__AER_AI", "S5P_NRTI_L2__AER_AI_x.nc", "sentinel-5p-l2-aer-ai-nrti"),
        ("L1B_RA_BD3", "S5P_OFFL_L1B_RA_BD3_x.nc", "sentinel-5p-l1-ra-bd3-offl"),
        ("AUX_POEORB", "S1A_OPER_AUX_POEORB_x.EOF", None),
    ],
)
def test_collections_of_products(product_type, name, collection):
    assert collection_of(product_type, name) == collection


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("GRANULE/L2A_T31TCA_A0_x/IMG_DATA/R10m/T31TCA_x_B02_10m.jp2", "B02_10m"),
        ("GRANULE/L2A_T31TCA_A0_x/IMG_DATA/R20m/T31TCA_x_B8A_20m.jp2", "B8A_20m"),
        ("GRANULE/L1C_T31TCA_A0_x/IMG_DATA/T31TCA_x_TCI.jp2", "TCI"),
        ("GRANULE/L2A_T31TCA_A0_x/QI_DATA/MSK_DETFOO_B02.jp2", None),
        ("GRANULE/L2A_T31TCA_A0_x/MTD_TL.xml", "granule_metadata"),
        ("manifest.safe", "safe_manifest"),
        ("rep_info/a.xsd", None),
    ],
)
def test_asset_keys(path, key):
    assert asset_key(sentinel_2(0), path) == key


async def get(client: Client, path: str = "") -> dict:
    async with client.session.get(f"{client.service.roots.stac_url}{path}") as response:
        assert response.status == 200, await response.text()
        return await response.json(content_type=None)


async def post(client: Client, body: dict) -> dict:
    async with client.session.post(f"{client.service.roots.stac_url}/search", json=body) as response:
        assert response.status == 200, await response.text()
        assert response.content_type == "application/geo+json"
        return await response.json(content_type=None)


def next_link(page: dict) -> dict | None:
    return next((link for link in page["links"] if link["rel"] == "next"), None)


async def test_the_front_door():
    async with served() as client:
        landing = await get(client, "/")
        methods = [link.get("method") for link in landing["links"] if link["rel"] == "search"]
        assert methods == ["GET", "POST"]
        assert (await get(client, "/conformance"))["conformsTo"] == landing["conformsTo"]
        names = [each["id"] for each in (await get(client, "/collections"))["collections"]]
        assert names == ["sentinel-2-l2a", "sentinel-5p-l2-no2-offl"]
        assert (await get(client, "/collections/sentinel-2-l2a"))["type"] == "Collection"


async def test_collections_are_paged():
    async with served() as client:
        first = await get(client, "/collections?limit=1")
        assert len(first["collections"]) == 1
        second = await get(client, next_link(first)["href"].removeprefix(client.service.roots.stac_url))
        assert [each["id"] for each in second["collections"]] == ["sentinel-5p-l2-no2-offl"]
        assert next_link(second) is None


async def test_what_is_not_there():
    async with served() as client:
        for path in ("/collections/SENTINEL-2", "/collections/sentinel-2-l2a/items/x", "/nothing"):
            async with client.session.get(client.service.roots.stac_url + path) as response:
                assert response.status == 404
        assert (await get(client, "/search?collections=SENTINEL-2"))["features"] == []


async def test_a_get_search_is_followed_link_by_link():
    async with served() as client:
        ids, path = [], "/search?limit=2&collections=sentinel-2-l2a"
        while True:
            page = await get(client, path)
            ids += [feature["id"] for feature in page["features"]]
            link = next_link(page)
            if link is None:
                break
            assert link["method"] == "GET"
            path = link["href"].removeprefix(client.service.roots.stac_url)
        assert sorted(ids) == sorted(item_id(product.name) for product in client.world.products[:5])


@pytest.mark.parametrize("merge", [False, True])
async def test_a_post_search_is_followed_by_its_body(merge):
    async with served(stac_merge=merge) as client:
        body: dict = {"limit": 2, "collections": ["sentinel-2-l2a"], "datetime": "2024-05-01T10:00:00Z"}
        asked, ids = body, []
        while True:
            page = await post(client, asked)
            ids += [feature["id"] for feature in page["features"]]
            link = next_link(page)
            if link is None:
                break
            assert link.get("merge", False) is merge
            asked = {**body, **link["body"]} if merge else link["body"]
        assert len(ids) == len(set(ids)) == 5


async def test_an_item_leads_to_bytes_with_the_checksums_it_names():
    async with served() as client:
        product = client.world.products[0]
        item = await get(client, f"/collections/sentinel-2-l2a/items/{item_id(product.name)}")
        image, metadata = item["assets"]["B04_10m"], item["assets"]["granule_metadata"]
        async with client.s3(image["href"].removeprefix("s3://eodata")) as response:
            body = await response.read()
        assert len(body) == image["file:size"]
        assert image["file:checksum"] == "1620" + hashlib.sha3_256(body).hexdigest()
        url = metadata["alternate"]["https"]["href"]
        assert "/Nodes()/" in url
        async with client.download(url.removeprefix(client.service.roots.download_url)) as response:
            body = await response.read()
        # Declared as MD5, by its length SHA3-256: as CDSE publishes it.
        assert metadata["file:checksum"] == "d50120" + hashlib.sha3_256(body).hexdigest()
        assert item["assets"]["Product"]["file:checksum"] == "d50110" + client.world.archive(product).md5
        assert product.id in item["assets"]["Product"]["href"]


async def test_bad_searches_and_the_firewall_have_their_own_words():
    async with served(faults=(Fault(kind=FaultKind.STATUS, status=429, nth=2),)) as client:
        url = f"{client.service.roots.stac_url}/search"
        async with client.session.get(f"{url}?datetime=2024-05-01") as response:
            assert response.status == 400
            assert set(await response.json()) == {"code", "description"}
        async with client.session.get(url) as response:
            assert await response.json() == {"error": "WAF", "message": "Rate limit exceeded", "status": 429}
        async with client.session.post(url, data=b"{") as response:
            assert response.status == 400


def test_reduced_features():
    feature = {"id": "a", "geometry": 1, "properties": {"x": 1, "y": 2}, "assets": {}}
    assert reduced(feature, frozenset(), frozenset({"assets", "properties.x"})) == {
        "id": "a",
        "geometry": 1,
        "properties": {"y": 2},
    }
    assert reduced(feature, frozenset({"properties.x"}), frozenset()) == {"id": "a", "properties": {"x": 1}}
