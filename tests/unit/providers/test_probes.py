"""Sizes and versions that a catalogue does not tell, asked of the hosts."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest

from skyhaul.errors import AccessDenied
from skyhaul.model import ByteRange, Checksum, RemoteObject
from skyhaul.protocols import Body
from skyhaul.providers.probes import measured

pytestmark = pytest.mark.anyio

MD5 = "0123456789abcdef" * 2
COGS = "https://sentinel-cogs.s3.us-west-2.amazonaws.com"


class Host:
    """A source that tells ``total`` and ``etag`` of everything, or raises."""

    route = "http"

    def __init__(self, total=5_000_000, etag="v1", *, ranged=True, error=None):
        self.body = Body(ranged=ranged, total=total, etag=etag, pour=None)
        self.error = error
        self.asked = []

    @asynccontextmanager
    async def read(self, obj, span, *, etag, turn=None):
        self.asked.append((obj.path, obj.size, span))
        if self.error:
            raise self.error
        yield self.body


def obj(name, **more):
    return RemoteObject(**{"route": "http", "location": f"https://cogs.example/{name}", "path": name, **more})


async def test_what_is_unknown_is_asked_for_and_the_order_is_kept():
    host = Host()
    objects = [obj("a"), obj("b", size=7_000_000), obj("c", size=1000), obj("d", size=9_000_000, etag="e")]
    found = await measured(objects, {"http": host})
    assert [each.path for each in found] == ["a", "b", "c", "d"]
    assert [(each.size, each.etag) for each in found] == [
        (5_000_000, "v1"),
        (5_000_000, "v1"),  # the host knows better
        (1000, None),
        (9_000_000, "e"),
    ]
    assert host.asked == [("a", None, ByteRange(start=0, stop=2)), ("b", None, ByteRange(start=0, stop=2))]


async def test_what_has_a_digest_and_a_size_is_pinned_already():
    known = obj("a", size=7_000_000, checksums=(Checksum(algorithm="MD5", value=MD5),))
    assert await measured([known], {"http": Host()}) == [known]


@pytest.mark.parametrize(
    ("location", "etag", "digest"),
    [
        (f"{COGS}/a", MD5, MD5),
        ("https://s3.amazonaws.com/b/a", MD5, MD5),
        ("https://s3-eu-west-1.amazonaws.com/b/a", MD5, MD5),
        (f"{COGS}/a", f"{MD5}-3", None),
        ("https://cogs.example/a", MD5, None),  # may be a digest of whatever
        ("https://nots3.amazonaws.com.example/a", MD5, None),
    ],
)
async def test_an_etag_of_amazon_is_a_digest(location, etag, digest):
    [found] = await measured([obj("a", location=location)], {"http": Host(etag=etag)})
    assert [each.value for each in found.checksums] == ([digest] if digest else [])
    assert {each.origin for each in found.checksums} <= {"etag"}


async def test_a_host_without_ranges_tells_a_size_alone():
    [found] = await measured([obj("a")], {"http": Host(ranged=False)})
    assert (found.size, found.etag, found.ranges) == (5_000_000, None, False)


async def test_what_cannot_be_asked_stays_as_it_was():
    assert await measured([obj("a")], {"http": Host(error=AccessDenied("no"))}) == [obj("a")]
    assert await measured([obj("a")], {"http": None}) == [obj("a")]
    assert await measured([obj("a")], {}) == [obj("a")]
