"""The Greek mirror: what it accepts, what it refuses."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from support.older_archives import found, served, world

pytestmark = pytest.mark.anyio
S2 = "Attributes/OData.CSC.StringAttribute/any(att:att/Name eq 'platformShortName' and att/OData.CSC.StringAttribute/Value eq 'SENTINEL-2')"


def attribute(name, rest):
    cast = "OData.CSC.StringAttribute"
    return f"Attributes/{cast}/any(att:att/Name eq '{name}' and att/{cast}/Value {rest})"


async def page(client, text=S2, more=""):
    query = f"$filter={quote(text, safe='():,=;/')}&$orderby=ContentDate/Start%20asc&$top=50{more}"
    headers = await client.token("mirror")
    return await client.get(f"{client.service.roots.noa}/catalogue/odata/v1/Products?{query}", headers=headers)


async def test_even_searching_wants_a_token_of_the_mirrors_own():
    async with served() as client:
        url = f"{client.service.roots.noa}/catalogue/odata/v1/Products?$top=1"
        assert (await client.get(url))[0] == 401
        assert (await client.get(url, headers=await client.token("CDSE")))[0] == 401
        assert (await client.get(url, headers=await client.token("mirror")))[0] == 200


async def test_a_token_lasts_five_minutes():
    async with served() as client:
        form = {"grant_type": "password", "client_id": "mirror-client", "username": client.username}
        form["password"] = client.password
        async with client.session.post(client.service.roots.token_url("mirror"), data=form) as response:
            assert (await response.json())["expires_in"] == 300
        async with client.session.post(client.service.roots.token_url(), data=form) as response:
            assert response.status == 401  # that realm does not know this client


async def test_links_lead_through_all_pages():
    async with served() as client:
        status, _, body = await page(client)
        ids: list[str] = []
        while True:
            document = json.loads(body)
            ids += [entity["Id"] for entity in document["value"]]
            if "@odata.nextLink" not in document:
                break
            assert "+" not in document["@odata.nextLink"]
            status, _, body = await client.get(document["@odata.nextLink"], headers=await client.token("mirror"))
            assert status == 200
        assert set(ids) == {product.id for product in found(collection="SENTINEL-2")}
        assert len(ids) == 445


async def test_answers_tell_little():
    async with served() as client:
        entity = json.loads((await page(client))[2])["value"][0]
        assert entity["Checksum"] == []
        assert not {"S3Path", "Attributes", "Locations"} & entity.keys()


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("Name eq 'S2A'", ""),
        ("contains(Name,'T32TQR')", ""),
        ("Collection/Name eq 'SENTINEL-2'", ""),
        (f"{S2} and (Online eq true or startswith(Name,'S2'))", ""),
        (S2, "&$count=True"),
        (S2, "&$expand=Attributes"),
    ],
)
async def test_names_collections_counts_and_attributes_are_refused(text, more):
    async with served() as client:
        assert (await page(client, text, more))[0] == 400


@pytest.mark.parametrize("query", ["$filter=Online+eq+true", "$top=5%", "$filter=Online eq true"])
async def test_a_malformed_uri_is_refused(query):
    async with served() as client:
        url = f"{client.service.roots.noa}/catalogue/odata/v1/Products?{query}"
        assert (await client.get(url, headers=await client.token("mirror")))[0] == 400


async def test_attributes_may_be_in_a_list_and_polarisations_stand_with_commas():
    radar = {product.id for product in found(collection="SENTINEL-1", product_type="IW_GRDH_1S")}
    async with served() as client:
        grd = attribute("productType", "in ('IW_GRDH_1S','S2MSI9Z')")
        for channels, wanted in (("VV,VH", radar), ("VV&VH", set())):
            polarised = attribute("polarisationChannels", f"eq '{channels}'")
            _, _, body = await page(client, f"{grd} and {polarised}")
            assert {entity["Id"] for entity in json.loads(body)["value"]} == wanted


async def test_the_body_is_a_zip_without_ranges_under_the_products_name():
    product = found(product_type="S2MSI2A", online=True)[0]
    async with served() as client:
        headers = await client.token("mirror") | {"Range": "bytes=10-"}
        url = f"{client.service.roots.noa}/catalogue/odata/v1/Products({product.id})/$value"
        status, told, body = await client.get(url, headers=headers)
        assert (status, body[:2], len(body)) == (200, b"PK", world().archive(product).size)
        assert product.name in told["Content-Disposition"]
        assert "ETag" not in told
