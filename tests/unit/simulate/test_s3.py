"""The S3 host: signed requests, objects, listings, limits and the gateway's words."""

from __future__ import annotations

import re

import pytest

from skyhaul.simulate.faults import Fault, FaultKind
from support.serving import served

pytestmark = pytest.mark.anyio


async def test_an_object_with_the_headers_of_the_gateway():
    async with served() as client, client.s3(client.image()) as response:
        found = client.world.object(client.image()[1:])
        assert response.status == 200
        assert response.headers["ETag"] == f'"{found.etag}"'
        assert response.headers["Last-Modified"] == "Wed, 01 May 2024 10:00:00 GMT"
        assert response.headers["Accept-Ranges"] == "bytes"
        assert response.headers["Content-Type"] == "binary/octet-stream"
        assert response.headers["x-ratelimit-limit"] == "2000, 2000;w=60"
        assert response.headers["x-ratelimit-remaining"] == "1999"
        assert 1 <= int(response.headers["x-ratelimit-reset"]) <= 60
        assert await response.read() == found.read(0, found.size)


async def test_a_range_pinned_to_its_etag():
    async with served() as client:
        etag = client.world.object(client.image()[1:]).etag
        async with client.s3(client.image(), Range="bytes=10-19", If_Match=f'"{etag}"') as response:
            assert (response.status, response.headers["Content-Range"]) == (206, "bytes 10-19/100000")
            assert len(await response.read()) == 10
        async with client.s3(client.image(), If_Match='"other"') as response:
            assert response.status == 412
            assert "<Code>PreconditionFailed</Code>" in await response.text()
        async with client.s3(client.image(), If_None_Match=f'"{etag}"') as response:
            assert response.status == 304
        async with client.s3(client.image(), Range="bytes=100000-") as response:
            assert response.status == 416
            assert "<Code>InvalidRange</Code>" in await response.text()


async def test_head_tells_the_length_and_sends_nothing():
    async with served() as client:
        async with client.s3(client.image(), method="HEAD") as response:
            assert (response.status, response.headers["Content-Length"]) == (200, "100000")
            assert await response.read() == b""
        async with client.s3("/nothing/here", method="HEAD") as response:
            assert response.status == 404


@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST"])
async def test_nothing_can_be_written(method):
    async with served() as client, client.s3("/mine", method=method) as response:
        assert response.status == 403
        assert "<Code>AccessDenied</Code>" in await response.text()


async def test_unknown_keys_and_buckets():
    async with served() as client:
        async with client.s3("/nothing/here") as response:
            assert response.status == 404
            text = await response.text()
            assert "<Code>NoSuchKey</Code>" in text
            assert re.search("<RequestId>tx[0-9a-f]+-default</RequestId>", text)
        async with client.s3("/../other/key") as response:
            assert "<Code>NoSuchKey</Code>" in await response.text()


async def test_without_a_signature_and_presigned():
    async with served() as client:
        async with client.session.get(f"{client.service.roots.s3}/ready") as response:
            assert response.status == 200
        url = f"{client.service.roots.s3}/eodata{client.image()}"
        async with client.session.get(url) as response:
            assert (response.status, "AccessDenied" in await response.text()) == (403, True)
        async with client.session.get(f"{url}?X-Amz-Signature=00&X-Amz-Algorithm=AWS4-HMAC-SHA256") as response:
            assert (response.status, "InvalidAccessKeyId" in await response.text()) == (403, True)


async def test_a_prefix_lists_its_keys():
    async with served() as client:
        prefix = f"{client.world.products[0].s3_key}/"
        async with client.s3("", {"list-type": "2", "prefix": prefix}) as response:
            assert (response.status, response.content_type) == (200, "application/xml")
            keys = re.findall("<Key>(.*?)</Key>", await response.text())
        assert keys == [each.key for each in client.world.objects(prefix, "", 1000)]
        async with client.s3("", {"list-type": "2", "delimiter": "/"}) as response:
            found = re.findall("<CommonPrefixes><Prefix>(.*?)</Prefix>", await response.text())
        assert found == ["Sentinel-2/", "Sentinel-5P/"]


async def test_small_questions_about_the_bucket():
    async with served() as client:
        async with client.s3("", {"location": ""}) as response:
            assert "default</LocationConstraint>" in await response.text()
        async with client.s3("", method="HEAD") as response:
            assert response.status == 200
        async with client.s3("", {"list-type": "2", "max-keys": "x"}) as response:
            assert (response.status, "InvalidArgument" in await response.text()) == (400, True)


async def test_more_requests_than_the_minute_allows():
    async with served(s3_requests_per_minute=1) as client:
        statuses = []
        for _ in range(3):  # of which two at least fall into one minute
            async with client.s3(client.image(), method="HEAD") as response:
                statuses.append(response.status)
        assert 429 in statuses
        assert client.service.stats()["rate_limited"] >= 1


async def test_faults_of_heads_and_pages():
    faults = (
        Fault(kind=FaultKind.WHOLE, nth=1),
        Fault(kind=FaultKind.CONTENT_RANGE, nth=2),
        Fault(kind=FaultKind.HOSTILE_KEY, nth=1),
        Fault(kind=FaultKind.EMPTY_PAGE, nth=2),
        Fault(kind=FaultKind.MALFORMED, nth=3),
    )
    async with served(faults=faults) as client:
        async with client.s3(client.image(), Range="bytes=10-19") as response:
            assert response.status == 200
        async with client.s3(client.image(), Range="bytes=10-19") as response:
            assert response.headers["Content-Range"] == "bytes 11-20/100000"
        pages = []
        for _ in range(3):
            async with client.s3("", {"list-type": "2"}) as response:
                pages.append(await response.text())
        assert "../../../escaped" in pages[0]
        assert "<Contents>" not in pages[1]
        assert not pages[2].endswith("</ListBucketResult>")
