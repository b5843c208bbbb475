"""The download host: tokens, zips, nodes, and the words of its refusals."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace

import pytest

from skyhaul.simulate.downloads import Download, parse_download
from skyhaul.simulate.faults import Fault, FaultKind
from skyhaul.simulate.hosts import RefusedError
from support.fake_world import FakeWorld, sentinel_2
from support.serving import served

pytestmark = pytest.mark.anyio
ID = "00000000-0000-0000-0000-000000000001"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"/odata/v1/Products({ID})/$value", Download(ID, (), value=True)),
        (f"/odata/v1/Products({ID})/Nodes", Download(ID, (), value=False)),
        (f"/odata/v1/Products({ID})/Nodes(A.SAFE)/Nodes", Download(ID, ("A.SAFE",), value=False)),
        (
            f"/odata/v1/Products({ID})/Nodes(A.SAFE)/Nodes(b(1).xml)/$value",
            Download(ID, ("A.SAFE", "b(1).xml"), value=True),
        ),
        (f"/odata/v1/Products({ID})/Nodes(A.SAFE)/Nodes()/Nodes(b)/$value", Download(ID, ("A.SAFE", "b"), value=True)),
    ],
)
def test_paths(path, expected):
    assert parse_download(path) == expected


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/odata/v1/Products",
        f"/odata/v1/Products({ID})",
        f"/odata/v1/Products({ID})/Nodes('A.SAFE')/Nodes",
        f"/odata/v1/Products({ID})/Other(A.SAFE)/$value",
        f"/odata/v1/Products({ID})/Nodes(A.SAFE)",
    ],
)
def test_other_paths_are_malformed(path):
    with pytest.raises(RefusedError) as caught:
        parse_download(path)
    assert caught.value.problem[:2] == (400, "DAT-ZIP-104")


async def test_a_zip_comes_whole_with_its_name_and_length():
    async with served() as client, client.zip(headers={"Range": "bytes=10-19"}) as response:
        product = client.world.products[0]
        assert response.status == 200
        assert response.headers["Content-Disposition"] == f'attachment; filename="{product.name}.zip"'
        assert response.headers["Content-Length"] == "1000000"
        assert "ETag" not in response.headers
        assert await response.read() == client.world.archive(product).read(0, 1_000_000)


async def test_ranges_where_the_scenario_has_them():
    async with served(zip_ranges=True) as client:
        async with client.zip(headers={"Range": "bytes=10-19"}) as response:
            assert (response.status, response.headers["Content-Range"]) == (206, "bytes 10-19/1000000")
            etag = response.headers["ETag"]
        async with client.zip(headers={"Range": "bytes=10-19", "If-Match": f"{etag}"}) as response:
            assert response.status == 206
        async with client.zip(headers={"Range": "bytes=10-19", "If-Range": '"other"'}) as response:
            assert response.status == 200
        async with client.zip(headers={"If-Match": '"other"'}) as response:
            assert response.status == 412
        async with client.zip(headers={"Range": "bytes=1000000-"}) as response:
            assert response.status == 416


@pytest.mark.parametrize(
    ("path", "headers", "status", "code"),
    [
        ("/Products({id})/$value", {"Authorization": ""}, 401, "DAT-ZIP-604"),
        ("/Products({id})/$value", {"Authorization": "Bearer made-up"}, 401, "DAT-ZIP-109"),
        ("/Products('{id}')/$value", {}, 422, "DAT-ZIP-111"),
        ("/Products(00000000-0000-0000-0000-0000000000ff)/$value", {}, 404, "DAT-ZIP-404"),
        ("/Products({id})/$zip", {}, 404, "DAT-ZIP-404"),
        ("/Products({id})/Nodes({name})/Nodes(none.xml)/$value", {}, 404, "DAT-ZIP-404"),
        ("/Products({id})/Nodes(Other.SAFE)/Nodes(manifest.safe)/$value", {}, 404, "DAT-ZIP-404"),
        ("/Products({id})/Nodes('{name}')/$value", {}, 400, "DAT-ZIP-104"),
    ],
)
async def test_refusals(path, headers, status, code):
    async with served() as client:
        product = client.world.products[0]
        async with client.download(path.format(id=product.id, name=product.name), headers=headers) as response:
            assert response.status == status
            body = await response.json()
            assert body["code"] == code
            assert {"trace-id", "message"} < body.keys()


async def test_a_service_accounts_token_is_of_the_wrong_audience():
    async with served() as client:
        form = {"grant_type": "client_credentials", "client_id": "sh-demo", "client_secret": "demo-client-secret"}
        async with client.session.post(client.service.roots.token_url(), data=form) as response:
            client.token = (await response.json())["access_token"]
        async with client.zip() as response:
            assert (response.status, (await response.json())["code"]) == (401, "DAT-ZIP-609")


async def test_a_token_may_stand_in_the_query():
    async with (
        served() as client,
        client.download(
            f"/Products({ID})/$value", params={"token": client.token}, headers={"Authorization": ""}
        ) as response,
    ):
        assert response.status == 200


async def test_an_offline_product_is_not_found():
    async with served(FakeWorld([replace(sentinel_2(0), online=False)])) as client, client.zip() as response:
        assert (response.status, (await response.json())["message"]) == (404, "Product is not online")


async def test_a_single_file_by_its_nodes():
    async with served() as client:
        product = client.world.products[0]
        file = client.world.files(product)[1]
        nodes = "/".join(f"Nodes({part})" for part in (product.name, *file.path.split("/")))
        async with client.download(f"/Products({product.id})/{nodes}/$value") as response:
            assert await response.read() == file.read(0, file.size)


async def test_a_product_that_is_one_file_is_its_own_node():
    async with served() as client:
        product = client.world.products[-1]
        assert product.single
        async with client.download(f"/Products({product.id})/Nodes({product.name})/$value") as response:
            assert len(await response.read()) == client.world.file_bytes


async def test_head_is_not_allowed_and_readiness_needs_no_token():
    async with served() as client:
        url = f"{client.service.roots.download_url}/Products({ID})/$value"
        async with client.session.head(url, headers={"Authorization": f"Bearer {client.token}"}) as response:
            assert response.status == 405
        async with client.session.get(f"{client.service.roots.download}/ready") as response:
            assert response.status == 200


async def test_a_hostile_archive_climbs_and_a_hostile_name_too():
    faults = (Fault(kind=FaultKind.HOSTILE_ARCHIVE, nth=1), Fault(kind=FaultKind.HOSTILE_NAME, nth=2))
    async with served(faults=faults) as client:
        async with client.zip() as response:
            names = zipfile.ZipFile(io.BytesIO(await response.read())).namelist()
            assert any(name.startswith("../") for name in names)
            assert any(name.startswith("/") for name in names)
        async with client.zip() as response:
            assert "../" in response.headers["Content-Disposition"]
