"""Requests on the event loop: catalogues, listings, logins, small objects, whatever goes through a proxy. Home of aiohttp."""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import Literal

import aiohttp
from anyio import to_thread
from yarl import URL

from skyhaul.errors import ConnectionLost, HostUnreachable
from skyhaul.protocols import BATCH_BYTES, Take
from skyhaul.sources.wire import AGENT, HASTE_S, Ready, Request, broken, silent, unreachable, untrusted

READ_BUFFER_BYTES = 1 << 18


class Looped:
    """The :class:`~skyhaul.sources.wire.Wire` of one session. Opened by :func:`looped`, and closed there."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def send(self, request: Request, ready: Ready) -> LoopedResponse:
        """See :class:`~skyhaul.sources.wire.Wire`. A connection that breaks before an answer is tried once more, by the library."""

        async def in_turn(made: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
            if (fresh := await ready()) is not None:
                made.headers.update(fresh)
            return await send(made)

        with _mapping(request):
            response = await self._session.request(
                request.method,
                URL(request.url, encoded=True),
                headers=request.headers,
                data=request.body,
                allow_redirects=False,
                proxy=request.proxy,
                # All is made ready before: between two objects of a stream a millisecond is a twentieth.
                middlewares=(in_turn,),
            )
        return LoopedResponse(response, request)


class LoopedResponse:
    """See :class:`~skyhaul.sources.wire.Response`. Encoded bodies are decoded."""

    def __init__(self, response: aiohttp.ClientResponse, request: Request) -> None:
        self._response = response
        self._request = request
        self.status = response.status
        self.url = str(response.url)
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.headers.items()}

    async def pour(self, take: Take) -> AsyncGenerator[int, None]:
        """Give the body to who takes it: as it arrives, or where it is large in batches, on a thread."""
        async with aclosing(self._batches()) as batches:
            async for batch in batches:
                if self._request.large:
                    await to_thread.run_sync(take, batch)
                else:
                    take(batch)
                yield sum(map(len, batch))

    async def _batches(self) -> AsyncGenerator[list[bytes], None]:
        batch: list[bytes] = []
        size, began_s = 0, time.monotonic()
        try:
            with _mapping(self._request):
                async for chunk in self._response.content.iter_any():
                    batch.append(chunk)
                    size += len(chunk)
                    if not self._request.large or size >= BATCH_BYTES or time.monotonic() - began_s > HASTE_S:
                        yield batch
                        batch, size, began_s = [], 0, time.monotonic()
        except ConnectionLost:
            if batch:
                yield batch
            raise
        if batch:
            yield batch

    async def first(self, count: int) -> bytes:
        """What has arrived of the body."""
        with _mapping(self._request):
            return await self._response.content.read(count)

    def give_back(self) -> None:
        """A connection with unread bytes cannot be used again."""
        self._response.release() if self._response.content.at_eof() else self._response.close()


@contextmanager
def _mapping(request: Request) -> Iterator[None]:
    """Turn what the library raises into our errors."""
    try:
        yield
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise _mapped(error, request) from error


def _mapped(error: Exception, request: Request) -> Exception:
    match error:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError() | ssl.SSLError():
            return untrusted(request, getattr(error, "certificate_error", error))
        case aiohttp.ClientProxyConnectionError():
            return HostUnreachable(
                f"the proxy for {request.host} does not answer: check HTTPS_PROXY", known=request.known
            )
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError():
            return unreachable(request, getattr(error, "os_error", None) or "no answer in time")
        case TimeoutError():
            return silent(request)
        case _:
            return broken(request, error)


def _verified() -> ssl.SSLContext | Literal[True]:
    """By which roots hosts are verified: those that aiohttp read when it was imported, which takes as long as a request, or the user's."""
    named = os.environ.keys() & {"SSL_CERT_FILE", "SSL_CERT_DIR"}
    return ssl.create_default_context() if named else True


@asynccontextmanager
async def looped(*, stall_s: float, connect_s: float) -> AsyncIterator[Looped]:
    """Connections that last as long as the context."""
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=_verified(), ttl_dns_cache=60),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_s, sock_read=stall_s),
        headers={"User-Agent": AGENT},
        auto_decompress=True,
        cookie_jar=aiohttp.DummyCookieJar(),
        read_bufsize=READ_BUFFER_BYTES,
    )
    async with session:
        yield Looped(session)
