"""Addresses that are signed: one token for a container, renewed before its end and where a blob refuses it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from skyhaul.archives import Means
from skyhaul.errors import AccessDenied, CatalogueError, ObjectMissing
from skyhaul.model import Product, RemoteObject
from skyhaul.protocols import Body, Wish
from skyhaul.providers import find
from skyhaul.providers.planetary_computer import Signed, Signer, made
from support.webs import FakeWeb

BLOB = "https://sentinel2l2a01.blob.core.windows.net/sentinel2-l2/32/T/QR/B04.tif"
OTHER = "https://landsateuwest.blob.core.windows.net/landsat-c2/B4.TIF"
SAS = "https://planetarycomputer.microsoft.com/api/sas/v1"


class Tokens:
    """Gives out ``t1``, ``t2`` … each good for ``lasts``."""

    def __init__(self, lasts=timedelta(hours=1)):
        self.lasts, self.given = lasts, 0
        self.web = FakeWeb(self.answer)

    def answer(self, url, body):
        self.given += 1
        return {"msft:expiry": (datetime.now(UTC) + self.lasts).isoformat(), "token": f"se=x&sig=t{self.given}"}


class Blobs:
    """A source that takes some tokens only."""

    route = "http"

    def __init__(self, taken):
        self.taken, self.asked = taken, []

    @asynccontextmanager
    async def read(self, obj, span, *, etag, turn=None):
        self.asked.append(obj.location)
        if not obj.location.endswith(self.taken):
            raise AccessDenied("answered 403: AuthenticationFailed")
        yield Body(ranged=False, total=1, etag=None, pour=None)


def obj(url=BLOB):
    return RemoteObject(route="http", location=url, path="B04.tif")


async def read(source, url=BLOB):
    async with source.read(obj(url), None, etag=None) as body:
        return body.total


async def test_an_address_is_signed_and_an_object_keeps_its_own():
    tokens, blobs = Tokens(), Blobs("t1")
    assert await read(Signed(blobs, Signer(tokens.web, SAS))) == 1
    assert blobs.asked == [f"{BLOB}?se=x&sig=t1"]
    assert tokens.web.asked == [(f"{SAS}/token/sentinel2l2a01/sentinel2-l2", None)]


async def test_a_container_has_one_token_however_many_ask_at_once():
    tokens = Tokens()
    signer = Signer(tokens.web, SAS)
    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(signer.signed, BLOB)
    assert tokens.given == 1
    assert await signer.signed(OTHER) == f"{OTHER}?se=x&sig=t2"
    assert await signer.signed(BLOB) == f"{BLOB}?se=x&sig=t1"


async def test_a_token_is_renewed_before_its_end():
    tokens = Tokens(lasts=timedelta(seconds=60))
    signer = Signer(tokens.web, SAS)
    assert [await signer.signed(BLOB) for _ in range(2)] == [f"{BLOB}?se=x&sig=t1", f"{BLOB}?se=x&sig=t2"]


async def test_a_refused_address_is_signed_once_more():
    tokens, blobs = Tokens(), Blobs("t2")
    source = Signed(blobs, Signer(tokens.web, SAS))
    assert await read(source) == 1
    assert [each[-2:] for each in blobs.asked] == ["t1", "t2"]
    assert await read(source) == 1
    assert tokens.given == 2


async def test_what_is_refused_again_is_refused():
    tokens, blobs = Tokens(), Blobs("never")
    with pytest.raises(AccessDenied):
        await read(Signed(blobs, Signer(tokens.web, SAS)))
    assert len(blobs.asked) == 2


async def test_a_refusal_midway_is_not_taken_for_one_of_the_address():
    source = Signed(Blobs("t1"), Signer(Tokens().web, SAS))
    with pytest.raises(AccessDenied, match="midway"):
        async with source.read(obj(), None, etag=None):
            raise AccessDenied("midway")


@pytest.mark.parametrize(
    "url", ["https://cogs.example/B04.tif", "https://x.blob.core.windows.net/", "https://evilblob.core.windows.net/a/b"]
)
async def test_other_addresses_need_no_token(url):
    signer = Signer(FakeWeb(lambda *_: AssertionError()), SAS)
    assert await signer.signed(url) == url


async def test_an_archive_made_in_its_manner_signs_what_it_names():
    tokens = Tokens()
    signer = Signer(tokens.web, "http://127.0.0.1:1/api/sas/v1")
    assert (
        await signer.signed("http://127.0.0.1:2/sentinel-2-l2a/B04.tif")
        == "http://127.0.0.1:2/sentinel-2-l2a/B04.tif?se=x&sig=t1"
    )
    assert tokens.web.asked == [("http://127.0.0.1:1/api/sas/v1/token/127/sentinel-2-l2a", None)]


async def test_what_is_no_token_is_said():
    with pytest.raises(CatalogueError, match="did not answer with a token"):
        await Signer(FakeWeb(lambda *_: b"<html>"), SAS).signed(BLOB)


async def test_what_the_archive_draws_on_demand_is_no_file():
    root = "https://planetarycomputer.microsoft.com/api"
    item = {
        "type": "Feature",
        "id": "S2B_X",
        "assets": {
            "B04": {"href": BLOB},
            "rendered_preview": {"href": f"{root}/data/v1/item/preview.png?item=S2B_X"},
            "tilejson": {"href": f"{root}/data/v1/item/tilejson.json?item=S2B_X"},
        },
    }
    archive = find("planetary-computer")
    web = FakeWeb(lambda *_: item)
    provider = made(Means(archive=archive.name, web=web, settings=archive.settings, sources={})).provider
    product = Product(id="S2B_X", name="S2B_X", provider=archive.name, collection="sentinel-2-l2a")
    assert [each.location for each in await provider.objects(product, Wish())] == [BLOB]
    assert web.asked == [(f"{root}/stac/v1/collections/sentinel-2-l2a/items/S2B_X", None)]
    with pytest.raises(ObjectMissing, match=r"none of its 1 assets matches \*\.png"):
        await provider.objects(product, Wish(only=("*.png",)))
