from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest

from skyhaul.errors import ConnectionLost, ObjectChanged
from skyhaul.model import ByteRange, RemoteObject
from skyhaul.protocols import SMALL_BYTES, Answer
from skyhaul.sources.ranged import RangedSource, body_of
from support.pouring import pouring

OBJ = RemoteObject(route="s3", location="https://eodata/B04.jp2", path="B04.jp2", size=100, etag="v1")
ZIP = RemoteObject(route="http", location="https://download/1", path="P.zip", ranges=False, archive=True)
SPAN = ByteRange(start=10, stop=20)


async def no_chunks():
    return
    yield


def answer(status=206, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status=status, url=OBJ.location, headers=named, pour=pouring(no_chunks()))


class Recorder:
    """An exchange that keeps the headers it was given."""

    def __init__(self):
        self.headers = {}

    @asynccontextmanager
    async def open(self, method, url, *, headers=None, body=None, bearer=False, sign=None, turn=None, large=False):
        self.headers, self.bearer, self.large = headers, bearer, large
        yield answer(content_range="bytes 10-19/100") if "Range" in headers else answer(200, content_length="100")


@pytest.mark.parametrize(
    ("span", "etag", "expected"),
    [
        (SPAN, "v1", {"Accept-Encoding": "identity", "Range": "bytes=10-19", "If-Match": '"v1"'}),
        (SPAN, None, {"Accept-Encoding": "identity", "Range": "bytes=10-19"}),
        (None, "v1", {"Accept-Encoding": "identity"}),
    ],
)
async def test_a_span_is_asked_for_and_pinned_to_its_version(span, etag, expected):
    recorder = Recorder()
    async with RangedSource(recorder, route="s3", bearer=True).read(OBJ, span, etag=etag):
        assert recorder.headers == expected
        assert recorder.bearer


@pytest.mark.parametrize(("size", "large"), [(SMALL_BYTES, False), (SMALL_BYTES + 1, True), (None, True)])
async def test_what_is_more_than_a_batch_or_may_be_is_read_as_large(size, large):
    recorder = Recorder()
    with suppress(ObjectChanged):
        async with RangedSource(recorder, route="s3").read(replace(OBJ, size=size), None, etag=None):
            pass
    assert recorder.large == large


async def test_a_short_span_of_a_large_object_is_small():
    recorder = Recorder()
    async with RangedSource(recorder, route="s3").read(OBJ, SPAN, etag=None):
        assert not recorder.large


@pytest.mark.parametrize(
    ("reply", "ranged", "total"),
    [
        (answer(content_range="bytes 10-19/100"), True, 100),
        (answer(content_range="bytes 10-19/*"), True, None),
        (answer(200, content_length="100"), False, 100),
        (answer(200), False, None),
    ],
)
def test_an_answer_tells_what_it_holds(reply, ranged, total):
    body = body_of(reply, OBJ, SPAN, None)
    assert (body.ranged, body.total) == (ranged, total)


@pytest.mark.parametrize(
    "content_range",
    [
        "bytes 0-9/100",
        "bytes 10-18/100",
        "bytes 10-20/100",
        "bytes 11-19/100",
        "bytes */100",
        "items 10-19/100",
        "",
        None,
    ],
)
def test_another_span_than_the_one_asked_for_is_not_taken(content_range):
    reply = answer() if content_range is None else answer(content_range=content_range)
    with pytest.raises(ConnectionLost, match="bytes=10-19"):
        body_of(reply, OBJ, SPAN, None)


def test_a_part_is_not_taken_for_the_whole():
    with pytest.raises(ConnectionLost, match="B04"):
        body_of(answer(content_range="bytes 0-9/100"), OBJ, None, None)


@pytest.mark.parametrize("etag", ['"v2"', "v2", 'W/"v2"'])
def test_another_version_is_not_taken(etag):
    with pytest.raises(ObjectChanged, match="its version is v2 where v1 was asked for"):
        body_of(answer(content_range="bytes 10-19/100", etag=etag), OBJ, SPAN, "v1")


@pytest.mark.parametrize("etag", ['"v1"', "v1", 'W/"v1"'])
def test_the_same_version_is_taken_however_it_is_quoted(etag):
    assert body_of(answer(content_range="bytes 10-19/100", etag=etag), OBJ, SPAN, "v1").etag == "v1"


@pytest.mark.parametrize(
    "reply",
    [answer(content_range="bytes 10-19/101"), answer(200, content_length="99"), answer(200, content_length="0")],
    ids=["range", "whole", "nothing"],
)
def test_another_size_is_another_object(reply):
    with pytest.raises(ObjectChanged, match="where 100 were announced"):
        body_of(reply, OBJ, SPAN, None)


PAGES = ("text/html; charset=utf-8", "Text/HTML", "application/json", "application/problem+json")


@pytest.mark.parametrize("media_type", PAGES)
@pytest.mark.parametrize("length", [{"content_length": "4711"}, {}], ids=["sized", "chunked"])
@pytest.mark.parametrize("obj", [OBJ, ZIP], ids=["object", "zip"])
def test_a_page_is_not_taken_for_an_object(obj, length, media_type):
    # some proxies say "please log in" with status 200
    with pytest.raises(ConnectionLost, match="came in its place"):
        body_of(answer(200, content_type=media_type, **length), obj, None, None)


def test_a_page_that_is_the_object_is_taken():
    page = RemoteObject(route="s3", location="https://eodata/x", path="preview/product-preview.html", size=100)
    assert body_of(answer(200, content_type="text/html", content_length="100"), page, None, None).total == 100


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "br"])
def test_the_length_of_an_encoded_answer_is_not_that_of_the_object(encoding):
    body = body_of(answer(200, content_length="40", content_encoding=encoding), OBJ, None, None)
    assert body.total is None


def test_an_encoded_part_is_not_taken():
    with pytest.raises(ConnectionLost, match="gzip"):
        body_of(answer(content_range="bytes 10-19/100", content_encoding="gzip"), OBJ, SPAN, None)
