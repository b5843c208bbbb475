"""The catalogue host over a small generated world: routes, redirects, and pages as faults leave them."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import anyio
import pytest

from skyhaul.simulate.catalogue import Call, parse_call
from skyhaul.simulate.faults import Fault, FaultKind
from skyhaul.simulate.scenario import Scenario
from skyhaul.simulate.server import running
from skyhaul.simulate.world import World, WorldSettings, build_world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from skyhaul.simulate.service import Service

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def world() -> World:
    return build_world(WorldSettings(products=60, scale=0.001, checksums="none"))


@asynccontextmanager
async def served(world: World, **settings: Any) -> AsyncIterator[tuple[Service, aiohttp.ClientSession]]:
    async with running(world, Scenario(**settings)) as service, aiohttp.ClientSession() as session:
        yield service, session


@pytest.mark.parametrize(
    ("path", "call"),
    [
        ("/odata/v1/Products", Call("Products", None, "")),
        ("/odata/v1/Products(1-2)", Call("Products", "1-2", "")),
        ("/odata/v1/Products(1-2)/$value", Call("Products", "1-2", "/$value")),
        ("/odata/v1/Products/OData.CSC.FilterList", Call("Products", None, "/OData.CSC.FilterList")),
        ("/odata/v1/Attributes(SENTINEL-1)", Call("Attributes", "SENTINEL-1", "")),
        ("/odata/v1/", None),
        ("/stac", None),
    ],
)
def test_calls(path, call):
    assert parse_call(path) == call


async def test_a_page_and_what_its_entries_lead_to(world):
    async with served(world) as (service, session):
        root = service.roots.catalogue_url
        query = {"$filter": "Collection/Name eq 'SENTINEL-2'", "$top": "2", "$expand": "Assets", "$count": "true"}
        async with session.get(f"{root}/Products", params=query) as response:
            assert (response.status, response.content_type) == (200, "application/json")
            page = await response.json()
        assert len(page["value"]) == 2 < page["@odata.count"]
        assert page["@odata.nextLink"].startswith(f"{root}/Products?")
        product = page["value"][0]
        async with session.get(f"{root}/Products({product['Id']})") as response:
            assert (await response.json())["Name"] == product["Name"]
        async with session.get(product["Assets"][0]["DownloadLink"]) as response:
            assert (response.status, response.content_type) == (200, "image/jpeg")
        names = {"FilterProducts": [{"Name": product["Name"]}, {"Name": "missing"}]}
        async with session.post(f"{root}/Products/OData.CSC.FilterList", json=names) as response:
            assert [each["Id"] for each in (await response.json())["value"]] == [product["Id"]]
        async with session.get(f"{service.roots.download_url}/Products({product['Id']})/Nodes") as response:
            assert [each["Name"] for each in (await response.json())["result"]] == [product["Name"]]


@pytest.mark.parametrize(
    ("method", "path", "status", "host"),
    [
        ("GET", "Products(1)/$value", 301, "download"),
        ("GET", "Products(1)/$zip?token=x", 301, "download"),
        ("GET", "Products(1)/Nodes(A.SAFE)/Nodes", 301, "download"),
        ("POST", "Bursts(1)/$value", 307, "bursts"),
    ],
)
async def test_bytes_are_elsewhere(world, method, path, status, host):
    async with served(world) as (service, session):
        url = f"{service.roots.catalogue_url}/{path}"
        async with session.request(method, url, allow_redirects=False) as response:
            assert response.status == status
            assert response.headers["Location"] == f"{getattr(service.roots, host)}/odata/v1/{path}"


async def test_the_other_sets(world):
    async with served(world) as (service, session):
        for path in ("DeletedProducts?$top=1", "Bursts?$top=1", "Attributes", "Attributes(SENTINEL-1)"):
            async with session.get(f"{service.roots.catalogue_url}/{path}") as response:
                assert response.status == 200, path
        async with session.get(f"{service.roots.catalogue_url}/Bursts?$top=1") as response:
            burst = (await response.json())["value"][0]
        async with session.get(f"{service.roots.catalogue_url}/Bursts({burst['Id']})") as response:
            assert (await response.json())["Name"] == burst["Name"]
        form = {"grant_type": "password", "client_id": "cdse-public", "username": "demo@example.org"}
        token = service.identity.grant({**form, "password": "demo-password"}, "")["access_token"]
        url = f"{service.roots.catalogue_url}/Bursts({burst['Id']})/$value"
        async with session.post(url, allow_redirects=False) as response:
            location = response.headers["Location"]
        async with session.post(location, headers={"Authorization": f"Bearer {token}"}) as response:
            assert response.headers["Content-Disposition"] == f"attachment; filename={burst['Name']}.SAFE.zip"
            assert (await response.read()).startswith(b"PK\x03\x04")
        async with session.get(location, headers={"Authorization": f"Bearer {token}"}) as response:
            assert response.status == 405


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "Products(00000000-0000-0000-0000-000000000000)", 404),
        ("GET", "Assets(00000000-0000-0000-0000-000000000000)/$value", 404),
        ("GET", "Bursts(00000000-0000-0000-0000-000000000000)", 404),
        ("GET", "Nothing", 404),
        ("POST", "Products", 405),
        ("GET", "Products?$skip=10001", 422),
    ],
)
async def test_refusals_have_a_detail(world, method, path, status):
    async with (
        served(world) as (service, session),
        session.request(method, f"{service.roots.catalogue_url}/{path}") as response,
    ):
        assert response.status == status
        assert "detail" in await response.json()


async def test_faulty_pages(world):
    faults = (
        Fault(kind=FaultKind.SHIFTED_PAGE, route="catalogue.products", nth=1),
        Fault(kind=FaultKind.MALFORMED, route="catalogue.products", nth=2),
        Fault(kind=FaultKind.STATUS, route="catalogue.*", nth=3, status=502),
        Fault(kind=FaultKind.STATUS, route="catalogue.*", nth=4, status=429),
    )
    async with served(world, faults=faults) as (service, session):
        url = f"{service.roots.catalogue_url}/Products?$top=3&$orderby=ContentDate/Start"
        async with session.get(url) as response:
            ids = [each["Id"] for each in (await response.json())["value"]]
            assert len(ids) == 3 > len(set(ids))
        async with session.get(url) as response:
            with pytest.raises(json.JSONDecodeError):
                await response.json()
        async with session.get(url) as response:
            assert (response.status, response.content_type) == (502, "text/html")
        async with session.get(url) as response:
            assert (response.status, list(await response.json())) == (429, ["detail"])


async def test_more_searches_at_once_than_allowed(world):
    async with served(world, catalogue_max_concurrency=1, page_latency_s=0.05) as (service, session):
        statuses: list[int] = []

        async def search() -> None:
            async with session.get(f"{service.roots.catalogue_url}/Products?$top=1") as response:
                statuses.append(response.status)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(search)
            tasks.start_soon(search)
        assert sorted(statuses) == [200, 429]
        await search()
        assert statuses[-1] == 200
