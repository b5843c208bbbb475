"""S3 listings: keys, common prefixes and pages, against a plain enumeration."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyhaul.simulate.listing import BadArgumentError, list_xml, page, parse_list


@dataclass(frozen=True)
class Object:
    key: str
    size: int = 1
    etag: str = "d41d8cd98f00b204e9800998ecf8427e"
    last_modified: dt.datetime = dt.datetime(2020, 7, 3, 21, 2, 56, 430_000, dt.UTC)


def bucket(*keys: str):
    def objects(prefix: str, after: str, limit: int) -> list[Object]:
        return [Object(key) for key in sorted(keys) if key.startswith(prefix) and key > after][:limit]

    return objects


KEYS = ("S2/L1C/a", "S2/L1C/b", "S2/L2A/c", "S2/L2A.zip", "S2/readme", "S3/d")


def walk(query: dict[str, str], keys: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """All keys and common prefixes over all pages, by continuation token."""
    objects: list[str] = []
    prefixes: list[str] = []
    asked = {"list-type": "2", **query}
    while True:
        request = parse_list(asked)
        found = page(request, bucket(*keys))
        assert len(found.objects) + len(found.prefixes) <= request.max_keys
        objects += [each.key for each in found.objects]
        prefixes += found.prefixes
        token = re.search("<NextContinuationToken>(.*)</NextContinuationToken>", list_xml("b", request, found).decode())
        if token is None:
            return objects, prefixes
        asked["continuation-token"] = token[1]


@pytest.mark.parametrize("max_keys", ["1", "2", "3", "1000"])
def test_pages_of_any_size_tell_the_same(max_keys):
    assert walk({"max-keys": max_keys}, KEYS) == (sorted(KEYS), [])
    assert walk({"max-keys": max_keys, "prefix": "S2/", "delimiter": "/"}, KEYS) == (
        ["S2/L2A.zip", "S2/readme"],
        ["S2/L1C/", "S2/L2A/"],
    )


@given(
    keys=st.sets(st.text("ab/", min_size=1, max_size=6), max_size=30),
    prefix=st.text("ab/", max_size=2),
    max_keys=st.integers(1, 5),
)
def test_a_walk_with_a_delimiter_is_a_plain_enumeration(keys, prefix, max_keys):
    inside = [key for key in sorted(keys) if key.startswith(prefix)]
    folders = {prefix + rest[: rest.index("/") + 1] for key in inside if "/" in (rest := key[len(prefix) :])}
    files = [key for key in inside if "/" not in key[len(prefix) :]]
    found = walk({"prefix": prefix, "delimiter": "/", "max-keys": str(max_keys)}, tuple(keys))
    assert found == (files, sorted(folders))


def test_the_first_version_goes_on_by_marker():
    request = parse_list({"max-keys": "2", "delimiter": "/"})
    text = list_xml("eodata", request, page(request, bucket("a", "b/c", "d"))).decode()
    assert "<NextMarker>b/</NextMarker>" in text
    assert "<KeyCount>" not in text
    again = parse_list({"marker": "b/", "delimiter": "/"})
    assert [each.key for each in page(again, bucket("a", "b/c", "d")).objects] == ["d"]


def test_start_after_leaves_out_the_key_it_names():
    request = parse_list({"list-type": "2", "start-after": "a"})
    assert [each.key for each in page(request, bucket("a", "b")).objects] == ["b"]


def test_an_empty_page_is_not_truncated():
    request = parse_list({"list-type": "2", "max-keys": "0"})
    assert "<IsTruncated>false</IsTruncated>" in list_xml("b", request, page(request, bucket("a"))).decode()


def test_the_page_reads_as_recorded():
    request = parse_list({"list-type": "2", "prefix": "S2/a&b", "encoding-type": "url"})
    text = list_xml("eodata", request, page(request, bucket("S2/a&b/c d"))).decode()
    assert text == (
        '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        "<EncodingType>url</EncodingType><Name>eodata</Name><Prefix>S2/a&amp;b</Prefix><MaxKeys>1000</MaxKeys>"
        "<IsTruncated>false</IsTruncated><Contents><Key>S2%2Fa%26b%2Fc%20d</Key>"
        "<LastModified>2020-07-03T21:02:56.430Z</LastModified><ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag>"
        "<Size>1</Size><StorageClass>STANDARD</StorageClass><Type>Normal</Type></Contents><KeyCount>1</KeyCount>"
        "</ListBucketResult>"
    )
    assert unquote("S2%2Fa%26b%2Fc%20d") == "S2/a&b/c d"


@pytest.mark.parametrize("query", [{"max-keys": "many"}, {"list-type": "2", "continuation-token": "?"}])
def test_arguments_that_cannot_be_read_are_refused(query):
    with pytest.raises(BadArgumentError):
        parse_list(query)
