"""Zips that may be on tape: what an archive answers meanwhile is never taken for the product."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest

from skyhaul.errors import AccessDenied, ConnectionLost, HostBusy, ObjectChanged, ObjectOffline, RequestRefused
from skyhaul.model import ByteRange, RemoteObject
from skyhaul.protocols import Body
from skyhaul.providers.zips import WORDS_BYTES, Genuine, ask_for, genuine
from support.pouring import poured, pouring

pytestmark = pytest.mark.anyio

ZIP = b"PK\x03\x04" + bytes(range(256)) * 40
WORDS = b'{"message":"The product is on its way here"}'
OBJ = RemoteObject(route="http", location="https://resto.example/S2ST/1/download", path="P.SAFE.zip", archive=True)
TWO = ByteRange(start=0, stop=2)


class Host:
    """A source whose host answers with ``body`` in chunks of ``step``."""

    route = "http"

    def __init__(self, body, media_type="application/json", step=1000, *, ranged=False):
        self.body, self.media_type, self.step, self.ranged = body, media_type, step, ranged

    @asynccontextmanager
    async def read(self, obj, span, *, etag, turn=None):
        # As skyhaul.sources.ranged has it: of an archive it refuses pages itself, and of any object another size.
        assert not obj.archive
        assert obj.size is None
        yield Body(
            ranged=self.ranged, total=len(self.body), etag=None, pour=pouring(self.chunks()), media_type=self.media_type
        )

    async def chunks(self):
        for start in range(0, len(self.body), self.step):
            yield self.body[start : start + self.step]


async def read(source, span=None, obj=OBJ):
    async with source.read(obj, span, etag=None) as body:
        return await poured(body.pour)


@pytest.mark.parametrize("step", [1, 2, 7, 1000, 100_000])
async def test_a_zip_passes_unchanged(step):
    assert await read(Genuine(Host(ZIP, "application/zip", step), tape=True)) == ZIP


def named(path):
    return RemoteObject(route="http", location=f"https://hub.example/{path}", path=path, archive=True)


XML = b'<?xml version="1.0" encoding="UTF-8"?>\n'
FEED = XML + b'<feed xmlns="http://www.w3.org/2005/Atom">' + b"<entry/>" * 1000
NODES = b'{"d":{"results":[' + b'{"Name":"manifest.safe","ContentLength":"1"},' * 200
KINDS = {
    "P.SAFE.zip": ZIP,
    "P.nc": b"\x89HDF\r\n\x1a\n" + bytes(10_000),
    "Q.nc": b"CDF\x01",
    "O.EOF": XML + b"<Earth_Explorer_File>\n</Earth_Explorer_File>",
}


@pytest.mark.parametrize("step", [1, 100_000])
@pytest.mark.parametrize("path", KINDS)
async def test_products_of_each_kind_pass(path, step):
    for tape in (True, False):
        assert (
            await read(Genuine(Host(KINDS[path], "application/xml", step), tape=tape), obj=named(path)) == KINDS[path]
        )


@pytest.mark.parametrize("answer", [FEED, NODES, FEED[:300], NODES[:300], b"<html>", b""], ids=len)
@pytest.mark.parametrize("path", KINDS)
async def test_nothing_else_is_taken_for_one(path, answer):
    with pytest.raises(RequestRefused, match="in its place"):
        await read(Genuine(Host(answer, "application/xml"), tape=False), obj=named(path))


async def test_of_other_kinds_only_words_are_told_apart():
    body = b"\x00" * WORDS_BYTES
    assert await read(Genuine(Host(body, ""), tape=False), obj=named("P.tar")) == body
    with pytest.raises(RequestRefused):
        await read(Genuine(Host(b"no", ""), tape=False), obj=named("P.tar"))


@pytest.mark.parametrize("part", [b"PK", b"\x89H", b"the end"])
async def test_who_serves_a_part_has_the_whole(part):
    assert await read(Genuine(Host(part, "", ranged=True), tape=False), TWO, obj=named("P.nc")) == part


@pytest.mark.parametrize("media_type", ["application/json", "text/plain", "application/octet-stream", ""])
@pytest.mark.parametrize("words", [WORDS, b"staging", b""])
async def test_a_few_words_are_no_product(words, media_type):
    assert len(WORDS) == 44
    with pytest.raises(ObjectOffline, match="on its way from tape"):
        await read(Genuine(Host(words, media_type), tape=True))


@pytest.mark.parametrize(
    ("code", "error"), [(401, AccessDenied), (403, AccessDenied), (503, HostBusy), (404, ObjectOffline)]
)
async def test_errors_with_status_200_are_what_they_say(code, error):
    words = f'{{"ErrorMessage":"Forbidden","ErrorCode":{code}}}'.encode()
    with pytest.raises(error, match="Forbidden"):
        await read(Genuine(Host(words), tape=True))


async def test_a_page_of_somebody_between_says_nothing_of_the_product():
    with pytest.raises(ConnectionLost, match="text/html"):
        await read(Genuine(Host(b"<html>log in</html>", "text/html"), tape=True))


async def test_another_size_than_was_announced_is_another_product():
    announced = RemoteObject(route="http", location=OBJ.location, path=OBJ.path, size=len(ZIP) + 1, archive=True)
    with pytest.raises(ObjectChanged, match=f"{len(ZIP)} bytes where {len(ZIP) + 1}"):
        await read(Genuine(Host(ZIP), tape=True), obj=announced)


async def test_what_is_online_by_the_catalogue_and_never_comes_is_given_up():
    source = Genuine(Host(WORDS), tape=True)
    for _ in range(2):
        with pytest.raises(ObjectOffline):
            await read(source)
    with pytest.raises(RequestRefused, match="in its place the archive answers: The product is on its way here"):
        await read(source)


async def test_ordering_may_be_answered_so_as_often_as_it_likes():
    sources = genuine({"http": Host(WORDS)}, tape=True)
    for _ in range(5):
        assert await ask_for(OBJ, sources) is False
    assert await ask_for(OBJ, genuine({"http": Host(b"PK")}, tape=True)) is True
