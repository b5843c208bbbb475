"""S3 listings: which keys and common prefixes a page holds, and its XML."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from skyhaul.simulate.nouns import SimObject

PAGE_MAX = 1000
LAST_CHARACTER = "\U0010ffff"
XML = '<?xml version="1.0" encoding="UTF-8"?>'
NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


class BadArgumentError(ValueError):
    """A parameter of a listing that cannot be read: 400 InvalidArgument."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRequest:
    """A ListObjects request, of version 1 or 2."""

    prefix: str
    delimiter: str
    after: str  # keys up to and with this one are left out
    max_keys: int
    url_encoded: bool
    version: int
    asked: Mapping[str, str]


class ListPage(NamedTuple):
    """What a page holds, in the order of keys; ``last`` is where the next page goes on, "" at the end."""

    objects: Sequence[SimObject]
    prefixes: Sequence[str]
    last: str


def parse_list(query: Mapping[str, str]) -> ListRequest:
    """Read the query of a listing.

    Raises:
        BadArgumentError: max-keys is no number, or the continuation token is not one of ours.
    """
    version = 2 if query.get("list-type") == "2" else 1
    text = query.get("max-keys", str(PAGE_MAX))
    if not text.isdecimal():
        raise BadArgumentError("max-keys")
    if version == 1:
        after = query.get("marker", "")
    elif query.get("continuation-token"):
        after = _untoken(query["continuation-token"])
    else:
        after = query.get("start-after", "")
    return ListRequest(
        prefix=query.get("prefix", ""),
        delimiter=query.get("delimiter", ""),
        after=after,
        max_keys=min(int(text), PAGE_MAX),
        url_encoded=query.get("encoding-type") == "url",
        version=version,
        asked=query,
    )


def page(request: ListRequest, objects: Callable[[str, str, int], Sequence[SimObject]]) -> ListPage:
    """The page a request asks for; ``objects(prefix, after, limit)`` gives keys above ``after``, in order."""
    found: list[SimObject] = []
    prefixes: list[str] = []
    last = ""
    for entry in _entries(request, objects):
        if len(found) + len(prefixes) == request.max_keys:
            return ListPage(found, prefixes, last)
        if isinstance(entry, str):
            prefixes.append(entry)
            last = entry
        else:
            found.append(entry)
            last = entry.key
    return ListPage(found, prefixes, "")


def _entries(
    request: ListRequest, objects: Callable[[str, str, int], Sequence[SimObject]]
) -> Iterator[SimObject | str]:
    """Objects and common prefixes above the marker, without end."""
    after = request.after
    if after.startswith(request.prefix) and after and _common_prefix(after, request) == after:
        after += LAST_CHARACTER  # the marker is a common prefix that was listed already
    while batch := objects(request.prefix, after, PAGE_MAX):
        for entry in batch:
            common = _common_prefix(entry.key, request)
            if common:
                yield common
                after = common + LAST_CHARACTER
                break
            yield entry
            after = entry.key


def _common_prefix(key: str, request: ListRequest) -> str:
    if not request.delimiter:
        return ""
    head, delimiter, _ = key[len(request.prefix) :].partition(request.delimiter)
    return request.prefix + head + delimiter if delimiter else ""


def list_xml(bucket: str, request: ListRequest, found: ListPage) -> bytes:
    """The page as the archive's gateway writes it (element order as recorded)."""
    truncated = bool(found.last)
    tags = [
        ("EncodingType", "url") if request.url_encoded else None,
        ("Name", bucket),
        ("Prefix", request.prefix),
        ("Delimiter", request.delimiter) if request.delimiter else None,
        ("MaxKeys", str(request.max_keys)),
        ("IsTruncated", str(truncated).lower()),
        *_position(request, found),
    ]
    text = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in filter(None, tags))
    text += "".join(_contents(item, url_encoded=request.url_encoded) for item in found.objects)
    for prefix in found.prefixes:
        text += f"<CommonPrefixes><Prefix>{_key(prefix, url_encoded=request.url_encoded)}</Prefix></CommonPrefixes>"
    if request.version != 1:
        text += f"<KeyCount>{len(found.objects) + len(found.prefixes)}</KeyCount>"
    return f"{XML}<ListBucketResult {NAMESPACE}>{text}</ListBucketResult>".encode()


def _position(request: ListRequest, found: ListPage) -> Iterator[tuple[str, str]]:
    if request.version == 1:
        yield "Marker", _key(request.asked.get("marker", ""), url_encoded=request.url_encoded)
        if found.last:
            yield "NextMarker", _key(found.last, url_encoded=request.url_encoded)
        return
    for name, parameter in (("ContinuationToken", "continuation-token"), ("StartAfter", "start-after")):
        if parameter in request.asked:
            yield name, request.asked[parameter]
    if found.last:
        yield "NextContinuationToken", base64.urlsafe_b64encode(found.last.encode()).decode()


def _contents(item: SimObject, *, url_encoded: bool) -> str:
    return (
        f"<Contents><Key>{_key(item.key, url_encoded=url_encoded)}</Key>"
        f"<LastModified>{_timestamp(item.last_modified)}</LastModified>"
        f"<ETag>&quot;{item.etag}&quot;</ETag><Size>{item.size}</Size>"
        "<StorageClass>STANDARD</StorageClass><Type>Normal</Type></Contents>"
    )


def _key(key: str, *, url_encoded: bool) -> str:
    return quote(key, safe="") if url_encoded else escape(key)


def _timestamp(when: dt.datetime) -> str:
    return f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond // 1000:03d}Z"


def _untoken(token: str) -> str:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise BadArgumentError("continuation-token") from error
