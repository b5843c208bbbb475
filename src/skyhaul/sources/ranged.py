"""Reading a span of an object over HTTP, however it is authorised: what a reply to a ranged read must look like."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus

from anyio import to_thread

from skyhaul.errors import ConnectionLost, ObjectChanged
from skyhaul.model import ByteRange, RemoteObject, Route
from skyhaul.protocols import SMALL_BYTES, Answer, Body, Exchange, Sign, Turn

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_PAGES = ("text/html", "application/json", "application/problem+json")


class RangedSource:
    """A :class:`~skyhaul.protocols.Source` over HTTP: with a Bearer token, with a signature, or with neither.

    ``prepare`` is what has to be done before anything is signed; it blocks.
    """

    def __init__(
        self,
        exchange: Exchange,
        *,
        route: Route,
        bearer: bool = False,
        sign: Sign | None = None,
        prepare: Callable[[], None] | None = None,
    ) -> None:
        self.route = route
        self._exchange = exchange
        self._bearer = bearer
        self._sign = sign
        self._prepare = prepare

    @asynccontextmanager
    async def read(
        self, obj: RemoteObject, span: ByteRange | None, *, etag: str | None, turn: Turn | None = None
    ) -> AsyncIterator[Body]:
        """See :class:`skyhaul.protocols.Source`."""
        if self._prepare is not None:
            await to_thread.run_sync(self._prepare)
            self._prepare = None
        headers = {"Accept-Encoding": "identity"}
        if span is not None:
            headers["Range"] = span.header()
        if etag is not None and span is not None:
            headers["If-Match"] = f'"{etag}"'
        size = obj.size if span is None else len(span)
        request = self._exchange.open(
            "GET",
            obj.location,
            headers=headers,
            bearer=self._bearer,
            sign=self._sign,
            turn=turn,
            large=size is None or size > SMALL_BYTES,
        )
        async with request as answer:
            yield body_of(answer, obj, span, etag)


def body_of(answer: Answer, obj: RemoteObject, span: ByteRange | None, etag: str | None) -> Body:
    """The answer as a body, once it is plain that it is what was asked for.

    Raises:
        ObjectChanged: another version or another size than the transfer began with.
        ConnectionLost: a web page stands in the place of the object (some proxies answer so with status 200).
    """
    ranged, total = _extent(answer, obj, span)
    served_etag = _etag(answer.headers)
    if etag is not None and served_etag is not None and served_etag != etag:
        raise ObjectChanged(f"{obj.path}: its version is {served_etag} where {etag} was asked for")
    media_type = answer.headers.get("content-type", "").split(";")[0].strip().lower()
    if media_type in _PAGES and (obj.archive if obj.size is None else total != obj.size):
        raise ConnectionLost(f"{obj.path}: a page of type {media_type} came in its place")
    if total is not None and obj.size is not None and total != obj.size:
        raise ObjectChanged(f"{obj.path}: it has {total} bytes where {obj.size} were announced")
    return Body(ranged=ranged, total=total, etag=served_etag, pour=answer.pour, media_type=media_type)


def _extent(answer: Answer, obj: RemoteObject, span: ByteRange | None) -> tuple[bool, int | None]:
    """Whether the answer is a part, and the size of the whole. Of an encoded answer (asked for without) lengths mean the encoded bytes."""
    encoding = answer.headers.get("content-encoding", "identity").lower()
    if answer.status != HTTPStatus.PARTIAL_CONTENT:
        length = answer.headers.get("content-length") if encoding == "identity" else None
        return False, int(length) if length is not None else None
    served = answer.headers.get("content-range", "no range")
    match = _CONTENT_RANGE.fullmatch(served)
    asked = match is not None and span is not None and (int(match[1]), int(match[2]) + 1) == (span.start, span.stop)
    if match is None or not asked or encoding != "identity":
        wanted = span.header() if span else "all of it"
        raise ConnectionLost(f"{obj.path}: the host served {served} ({encoding}) where {wanted} was asked for")
    return True, None if match[3] == "*" else int(match[3])


def _etag(headers: Mapping[str, str]) -> str | None:
    text = headers.get("etag")
    return text.removeprefix("W/").strip('"') if text else None
