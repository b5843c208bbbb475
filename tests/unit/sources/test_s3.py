from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from skyhaul.errors import CatalogueError
from skyhaul.protocols import Answer
from skyhaul.sources.s3 import S3, Listed, parse_listing
from support.pouring import pouring

MD5 = "0123456789abcdef0123456789abcdef"
SPACE = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


def entry(key, size="7", etag=f'"{MD5}"'):
    return f"<Contents><Key>{key}</Key><ETag>{etag}</ETag><Size>{size}</Size></Contents>"


def listing(*entries, token=None, encoding=None, space=SPACE, truncated=None):
    more = truncated if truncated is not None else token is not None
    return (
        f'<?xml version="1.0"?><ListBucketResult{space}><IsTruncated>{str(more).lower()}</IsTruncated>'
        + (f"<EncodingType>{encoding}</EncodingType>" if encoding else "")
        + (f"<NextContinuationToken>{token}</NextContinuationToken>" if token else "")
        + "".join(entries)
        + "</ListBucketResult>"
    ).encode()


@dataclass
class Recorder:
    """An exchange that answers from a list and keeps what it was asked."""

    bodies: list[bytes]
    asked: list[str] = field(default_factory=list)
    signatures: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def open(self, method, url, *, headers=None, body=None, bearer=False, sign=None, turn=None, large=False):
        async def chunks():
            content = self.bodies[min(len(self.asked), len(self.bodies)) - 1]
            yield content[:10]
            yield content[10:]

        self.asked.append(url)
        self.signatures.append(sign(method, url, headers or {})["Authorization"])
        yield Answer(status=200, url=url, headers={}, pour=pouring(chunks()))


def s3(*bodies):
    recorder = Recorder(list(bodies))
    return recorder, S3(recorder, endpoint="https://eodata/", region="default", access_key="AK", secret_key="SK")


@pytest.mark.parametrize("space", [SPACE, ""], ids=["namespace", "bare"])
def test_objects_are_listed_and_folder_markers_are_not(space):
    body = listing(entry("P.SAFE/", size="0"), entry("P.SAFE/a b.xml"), entry("P.SAFE/R10m/", size="0"), space=space)
    assert parse_listing(body, host="eodata") == ([Listed(key="P.SAFE/a b.xml", size=7, etag=MD5)], None)


def test_encoded_keys_are_decoded_only_where_the_host_says_they_are():
    assert parse_listing(listing(entry("P%2Fa%20%2B.xml"), encoding="url"), host="h")[0][0].key == "P/a +.xml"
    assert parse_listing(listing(entry("P/100%25.xml")), host="h")[0][0].key == "P/100%25.xml"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not XML"),
        (b"<html>maintenance", "not XML"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]><ListBucketResult>&a;</ListBucketResult>', "not XML"),
        (b"<Error><Code>SlowDown</Code></Error>", "is a Error"),
        (listing(truncated=True), "does not say how"),
        (listing(entry("")), "has key"),
        (listing(entry("a", size="")), "has key"),
        (listing(entry("a", size="-1")), "has key"),
        (listing(entry("a", size="\u00b2")), "has key"),
    ],
    ids=["empty", "page", "entities", "error", "endless", "keyless", "sizeless", "negative", "superscript"],
)
def test_what_is_no_listing_is_refused(body, reason):
    with pytest.raises(CatalogueError, match=reason):
        parse_listing(body, host="eodata")


async def test_pages_are_followed_to_the_last():
    recorder, client = s3(
        listing(entry("P/a"), token="t/1+ ="), listing(entry("P/b"), token="t2"), listing(entry("P/c"))
    )
    assert [[each.key for each in page] async for page in client.listing("eodata", "P/ü/")] == [
        ["P/a"],
        ["P/b"],
        ["P/c"],
    ]
    query = "encoding-type=url&list-type=2&prefix=P%2F%C3%BC%2F"
    assert recorder.asked == [
        f"https://eodata/eodata?{query}",
        f"https://eodata/eodata?continuation-token=t%2F1%2B%20%3D&{query}",
        f"https://eodata/eodata?continuation-token=t2&{query}",
    ]


async def test_a_listing_that_turns_in_a_circle_ends():
    _, client = s3(listing(entry("P/a"), token="again"))
    with pytest.raises(CatalogueError, match="circle"):
        [page async for page in client.listing("eodata", "P/")]


def test_keys_are_encoded_as_they_are_signed():
    _, client = s3()
    assert (
        client.url("eodata", "Sentinel-1/a b+ü(1).tiff")
        == "https://eodata/eodata/Sentinel-1/a%20b%2B%C3%BC%281%29.tiff"
    )


def test_a_signature_covers_the_headers_and_holds_no_secret():
    _, client = s3()
    headers = client.sign("GET", "https://eodata/eodata/key", {"Range": "bytes=0-1", "If-Match": '"x"'})
    assert headers["Range"] == "bytes=0-1"
    assert "SignedHeaders=host;if-match;range;x-amz-content-sha256;x-amz-date" in headers["Authorization"]
    assert "Credential=AK/" in headers["Authorization"]
    assert "SK" not in str(headers)
