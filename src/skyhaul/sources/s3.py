"""S3 over the one HTTP engine: listing, header-signed requests. Home of botocore.

CDSE eodata: path-style addressing, signature version 4 in the ``Authorization`` header; presigned URLs are refused. Listing pages hold
1000 keys; folder markers (keys ending ``/``) are not objects. An ETag is the MD5 of the object unless it holds ``-``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit
from xml.etree.ElementTree import Element

from anyio import to_thread
from defusedxml import DefusedXmlException, ElementTree

from skyhaul.errors import CatalogueError
from skyhaul.protocols import Exchange

EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A key as a listing tells of it."""

    key: str
    size: int
    etag: str


class S3:
    """One S3 endpoint seen through one pair of keys."""

    def __init__(self, exchange: Exchange, *, endpoint: str, region: str, access_key: str, secret_key: str) -> None:
        self._exchange = exchange
        self._endpoint = endpoint.rstrip("/")
        self._keys = (access_key, secret_key)
        self._region = region

    def prepare(self) -> None:
        """Import what signs, which takes a tenth of a second: on a thread, before :meth:`sign` does it in the loop."""
        _ = self._signer

    @cached_property
    def _signer(self) -> tuple[Any, Any]:
        """What signs a request, and the kind of request that it signs."""
        from botocore.auth import S3SigV4Auth  # noqa: PLC0415 see prepare()
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415 likewise
        from botocore.credentials import Credentials  # noqa: PLC0415 likewise

        return S3SigV4Auth(Credentials(*self._keys), "s3", self._region), AWSRequest

    def sign(self, method: str, url: str, headers: Mapping[str, str]) -> Mapping[str, str]:
        """The headers with a signature for ``method`` on ``url`` (empty body)."""
        auth, kind = self._signer
        request = kind(method=method, url=url, headers={**headers, "X-Amz-Content-SHA256": EMPTY_SHA256})
        auth.add_auth(request)
        return dict(request.headers.items())

    def url(self, bucket: str, key: str) -> str:
        """Where the object is: path-style, encoded as the signature needs it."""
        return f"{self._endpoint}/{bucket}/{quote(key, safe='/-_.~')}"

    async def listing(self, bucket: str, prefix: str) -> AsyncIterator[list[Listed]]:
        """The objects below ``prefix``, a page at a time, in the order of their keys.

        Raises:
            RemoteError: the host did not answer.
            CatalogueError: it did not answer with a listing.
        """
        token: str | None = None
        while True:
            page, following = await self.page(bucket, prefix, token)
            yield page
            if following is None:
                return
            if following == token:
                raise CatalogueError(f"{urlsplit(self._endpoint).hostname}: its listing turns in a circle")
            token = following

    async def page(
        self, bucket: str, prefix: str, token: str | None, *, limit: int | None = None
    ) -> tuple[list[Listed], str | None]:
        """One page of a listing, of at most ``limit`` keys, and the token of the next, ``None`` on the last."""
        query = {"encoding-type": "url", "list-type": "2", "prefix": prefix}
        if limit is not None:
            query["max-keys"] = str(limit)
        if token is not None:
            query["continuation-token"] = token
        await to_thread.run_sync(self.prepare)
        ordered = urlencode(sorted(query.items()), quote_via=quote, safe="-_.~")
        async with self._exchange.open("GET", f"{self._endpoint}/{bucket}?{ordered}", sign=self.sign) as answer:
            body = await answer.read()
        return parse_listing(body, host=urlsplit(self._endpoint).hostname or "the host")


def parse_listing(body: bytes, *, host: str) -> tuple[list[Listed], str | None]:
    """The objects of a ListObjectsV2 page, folder markers left out, and the continuation token."""
    try:
        root = ElementTree.fromstring(body)
    except (ElementTree.ParseError, DefusedXmlException) as error:
        raise CatalogueError(f"{host}: its listing is not XML ({error})") from error
    space = root.tag.partition("}")[0] + "}" if root.tag.startswith("{") else ""
    if root.tag != f"{space}ListBucketResult":
        raise CatalogueError(f"{host}: its listing is a {root.tag.removeprefix(space)}")
    decode = unquote if root.findtext(f"{space}EncodingType") == "url" else str
    listed = [
        _listed(entry, space, decode(entry.findtext(f"{space}Key") or "")) for entry in root.iter(f"{space}Contents")
    ]
    more = root.findtext(f"{space}IsTruncated") == "true"
    token = root.findtext(f"{space}NextContinuationToken")
    if more and not token:
        raise CatalogueError(f"{host}: its listing goes on but does not say how")
    return [entry for entry in listed if not entry.key.endswith("/")], token if more else None


def _listed(entry: Element, space: str, key: str) -> Listed:
    size = entry.findtext(f"{space}Size") or ""
    if not key or not (size.isascii() and size.isdigit()):
        raise CatalogueError(f"a listed object has key {key!r} and size {size!r}")
    return Listed(key=key, size=int(size), etag=(entry.findtext(f"{space}ETag") or "").strip('"'))
