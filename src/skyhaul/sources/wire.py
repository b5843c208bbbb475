"""How requests travel, and what goes wrong with them on the way. Home of aiohttp."""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Literal
from urllib.parse import urlsplit

import aiohttp
from anyio import to_thread
from yarl import URL

from skyhaul.discreet import without_secrets
from skyhaul.errors import ConnectionLost, HostUnreachable, HostUntrusted
from skyhaul.protocols import BATCH_BYTES, Take
from skyhaul.version import __version__

READ_BUFFER_BYTES = 1 << 18
HASTE_S = 0.05
"""What has come of a slow stream is handed on after so long, be it less than a batch."""

Ready = Callable[[], Awaitable[Mapping[str, str] | None]]
"""Comes when a request may be sent; with other headers where those that it was made with are no longer good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as it is sent.

    ``large`` is whether more than a batch may be answered, ``proxy`` what it goes through, ``known`` whether the host has answered before.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None
    large: bool = False
    proxy: str | None = None
    known: bool = False

    @property
    def host(self) -> str:
        """Whom errors name."""
        return place(self.url)

    @property
    def secure(self) -> bool:
        """Whether somebody's certificate has to verify."""
        return any(url.startswith("https:") for url in (self.url, self.proxy or ""))


def place(url: str) -> str:
    """Host and port: what stands before them is nobody's business."""
    return urlsplit(url).netloc.rpartition("@")[2]


class Wire:
    """Connections to all hosts. Opened by :func:`opened`, and closed there."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    @cached_property
    def _trusted(self) -> ssl.SSLContext | Literal[True]:
        """By which roots hosts are verified: the user's, whose reading takes as long as a request, or those that aiohttp has read."""
        named = os.environ.keys() & {"SSL_CERT_FILE", "SSL_CERT_DIR"}
        return ssl.create_default_context() if named else True

    async def send(self, request: Request, ready: Ready) -> Response:
        """Send a request once it may be sent, and hear the head of its answer.

        A connection that breaks before an answer is tried once more, by the library.

        Raises:
            HostUnreachable: no connection could be made.
            HostUntrusted: the certificate of the host does not verify.
            ConnectionLost: the connection broke, or nothing was heard for too long.
        """

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
                ssl=self._trusted if request.secure else True,
                # All is made ready before: between two objects of a stream a millisecond is a twentieth.
                middlewares=(in_turn,),
            )
        return Response(response, request)


class Response:
    """An answer whose body has not been read yet. ``headers`` have lower-case names; encoded bodies are decoded."""

    def __init__(self, response: aiohttp.ClientResponse, request: Request) -> None:
        self._response = response
        self._request = request
        self.status = response.status
        self.url = str(response.url)
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.headers.items()}

    async def pour(self, take: Take) -> AsyncGenerator[int, None]:
        """Give the body to who takes it, see :data:`~skyhaul.protocols.Pour`: as it arrives, or where it is large in batches, on a thread.

        Raises:
            ConnectionLost: it broke off, or nothing was heard for too long.
        """
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
        """What has arrived of the body, at most ``count`` bytes; waits until there is some."""
        with _mapping(self._request):
            return await self._response.content.read(count)

    def give_back(self) -> None:
        """Keep the connection for the next request; one with unread bytes cannot be used again."""
        self._response.release() if self._response.content.at_eof() else self._response.close()


@contextmanager
def _mapping(request: Request) -> Iterator[None]:
    """Turn what the library raises into our errors."""
    try:
        yield
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise _mapped(error, request) from error


def _mapped(error: Exception, request: Request) -> Exception:
    host = request.host
    match error:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError() | ssl.SSLError():
            reason = getattr(error, "certificate_error", error)
            return HostUntrusted(
                f"the TLS certificate of {host} does not verify ({reason}): set SSL_CERT_FILE to the roots that sign it"
            )
        case aiohttp.ClientProxyConnectionError():
            return HostUnreachable(f"the proxy for {host} does not answer: check HTTPS_PROXY", known=request.known)
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError():
            why = without_secrets(str(getattr(error, "os_error", None) or "no answer in time"))
            return HostUnreachable(
                f"{host} cannot be reached ({why}): check the network, the proxy variables and the provider's URLs",
                known=request.known,
            )
        case TimeoutError():
            return ConnectionLost(f"{host}: nothing heard for too long")
        case _:
            return ConnectionLost(f"{host}: the connection broke ({type(error).__name__})")


@asynccontextmanager
async def opened(*, stall_s: float, connect_s: float) -> AsyncIterator[Wire]:
    """Connections that last as long as the context."""
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=60),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_s, sock_read=stall_s),
        headers={"User-Agent": f"skyhaul/{__version__}"},
        auto_decompress=True,
        cookie_jar=aiohttp.DummyCookieJar(),
        read_bufsize=READ_BUFFER_BYTES,
    )
    async with session:
        yield Wire(session)
