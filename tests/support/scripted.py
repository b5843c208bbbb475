"""Hosts that do as they are told: a server on loopback that goes wrong by script, the same in memory, and a tunnelling proxy."""

from __future__ import annotations

import asyncio
import hashlib
import re
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

import anyio
from aiohttp import web
from anyio.abc import SocketAttribute, SocketStream
from anyio.lowlevel import checkpoint

from skyhaul.errors import SkyhaulError
from skyhaul.model import ByteRange, RemoteObject, Route
from skyhaul.protocols import Answer, Body, Turn
from skyhaul.sources.ranged import body_of
from support.pouring import pouring

LINGER_NOT = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """How a server answers one request.

    ``body`` takes the place of what is there, ``after`` many of its bytes are sent, ``then`` is how the answer goes on from there: it ends
    (cleanly, although more was announced), breaks, or is never heard of again. A ``status`` passes by ranges and validators.
    """

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    ranges: bool = True
    chunked: bool = False
    after: int | None = None
    then: Literal["end", "reset", "stall"] = "end"

    async def answer(self, request: web.Request, thing: Thing) -> web.StreamResponse:
        """Send it."""
        if self.after is None and self.then == "reset":
            broken(request)
        status, headers, body = self._said(request, thing)
        response = web.StreamResponse(status=status, headers={**headers, **self.headers})
        if self.chunked:
            response.enable_chunked_encoding()
        else:
            response.content_length = len(body)
        await response.prepare(request)
        if request.method != "HEAD":
            await response.write(body[: self.after])
        if self.after is not None:
            await self._go_on(request)
        return response

    def _said(self, request: web.Request, thing: Thing) -> tuple[int, dict[str, str], bytes]:
        body = thing.body if self.body is None else self.body
        if self.status is not None:
            return self.status, {}, body
        headers = {"Content-Type": "application/octet-stream", **({"ETag": f'"{thing.etag}"'} if thing.etag else {})}
        wanted = request.headers.get("If-Match")
        if wanted is not None and wanted != f'"{thing.etag}"':
            return 412, {}, b""
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("Range", ""))
        if asked is None or not self.ranges:
            return 200, headers, body
        start, stop = int(asked[1]), min(int(asked[2]) + 1, len(body))
        if start >= len(body):
            return 416, {"Content-Range": f"bytes */{len(body)}"}, b""
        return 206, headers | {"Content-Range": f"bytes {start}-{stop - 1}/{len(body)}"}, body[start:stop]

    async def _go_on(self, request: web.Request) -> None:
        match self.then:
            case "stall":
                await anyio.sleep_forever()
            case "reset":
                broken(request)
            case "end":
                assert request.transport is not None
                request.transport.close()
                await anyio.sleep_forever()


def broken(request: web.Request) -> None:
    """Break the connection: the client sees a reset."""
    transport = request.transport
    assert transport is not None
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
    transport.abort()
    raise asyncio.CancelledError


def redirect(to: str, status: int = 302) -> Reply:
    return Reply(status=status, headers={"Location": to}, body=b"moved")


def busy(status: int = 503, retry_after_s: int | None = None) -> Reply:
    return Reply(
        status=status, headers={} if retry_after_s is None else {"Retry-After": str(retry_after_s)}, body=b"busy"
    )


@dataclass(slots=True)
class Thing:
    """What is at a path, and how the next requests for it are answered; after those it is simply served."""

    body: bytes
    etag: str | None
    script: list[Reply] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as the server saw it. ``target`` is what stood in its first line."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    port: int
    """Of the client: another for each connection."""


class Scripted:
    """A host. Made by :func:`scripted`."""

    def __init__(self) -> None:
        self.things: dict[str, Thing] = {}
        self.seen: list[Seen] = []
        self.root = ""

    @property
    def netloc(self) -> str:
        return self.root.partition("//")[2]

    def put(self, path: str, body: bytes, *script: Reply, etag: str | None = None) -> str:
        """Have ``body`` at ``path``; the URL."""
        self.things[path] = Thing(body=body, etag=etag, script=list(script))
        return self.root + path

    def replace(self, path: str, body: bytes, etag: str | None) -> None:
        """Another version from now on."""
        self.things[path].body, self.things[path].etag = body, etag

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        target = request.raw_path if request.raw_path.startswith("http") else request.path_qs
        port = request.get_extra_info("peername")[1]
        self.seen.append(Seen(request.method, target, headers, await request.read(), port))
        thing = self.things.get(request.path)
        if thing is None:
            return web.Response(status=404, text="nothing here")
        return await (thing.script.pop(0) if thing.script else Reply()).answer(request, thing)


@asynccontextmanager
async def scripted(*, tls: ssl.SSLContext | None = None) -> AsyncIterator[Scripted]:
    """A host on loopback, for the length of a block."""
    host = Scripted()
    app = web.Application(client_max_size=1 << 20)
    app.router.add_route("*", "/{path:.*}", host._answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        port = runner.addresses[0][1]
        host.root = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        yield host
    finally:
        await runner.cleanup()


@asynccontextmanager
async def tunnel() -> AsyncIterator[tuple[str, list[str]]]:
    """A proxy that only tunnels; its URL, and the hosts that were asked for."""
    asked: list[str] = []

    async def pump(source: SocketStream, sink: SocketStream) -> None:
        try:
            async for data in source:
                await sink.send(data)
            await sink.send_eof()
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            pass

    async def serve(client: SocketStream) -> None:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(client)
            head = b""
            while b"\r\n\r\n" not in head:
                head += await client.receive()
            target = head.split()[1].decode()
            asked.append(target)
            host, _, port = target.partition(":")
            upstream = await stack.enter_async_context(await anyio.connect_tcp(host, int(port)))
            await client.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(pump, client, upstream)
                tasks.start_soon(pump, upstream, client)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        yield f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}", asked
        tasks.cancel_scope.cancel()


# in memory


def md5(body: bytes) -> str:
    return hashlib.md5(body).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """What goes wrong with one read of the source in memory.

    ``error`` is raised before there is an answer, or ``after`` so many chunks of it; without an error the answer ends there. ``served`` and
    ``etag`` are those of another version. ``beyond`` comes after what was asked for. An ``unsized`` answer does not say how long it is.
    """

    error: Callable[[], SkyhaulError] | None = None
    after: int | None = None
    served: bytes | None = None
    etag: str | None = None
    ranges: bool = True
    beyond: bytes = b""
    unsized: bool = False


@dataclass(slots=True, kw_only=True)
class MemorySource:
    """A :class:`~skyhaul.protocols.Source` in memory: objects by their location or path, in chunks of ``chunk_bytes``.

    Each read uses up one strike; those after the last are struck as ``always``. ``on_chunk`` is told how many bytes were sent, before
    each chunk.
    """

    bodies: dict[str, bytes]
    etags: dict[str, str] = field(default_factory=dict)
    route: Route = "s3"
    chunk_bytes: int = 10
    strikes: list[Strike | None] = field(default_factory=list)
    always: Strike = field(default_factory=Strike)
    reads: list[tuple[str, ByteRange | None]] = field(default_factory=list)
    open_now: int = 0
    open_most: int = 0
    sent_bytes: int = 0
    on_chunk: Callable[[int], None] = lambda _: None

    @asynccontextmanager
    async def read(
        self, obj: RemoteObject, span: ByteRange | None, *, etag: str | None, turn: Turn | None = None
    ) -> AsyncIterator[Body]:
        if turn is not None:
            await turn()
        self.reads.append((obj.path, span))
        strike = (self.strikes.pop(0) if self.strikes else self.always) or Strike()
        self.open_now += 1
        self.open_most = max(self.open_most, self.open_now)
        try:
            await checkpoint()
            if strike.error is not None and strike.after is None:
                raise strike.error()
            yield body_of(self._answer(obj, span, strike), obj, span, etag)
        finally:
            self.open_now -= 1

    def _answer(self, obj: RemoteObject, span: ByteRange | None, strike: Strike) -> Answer:
        name = obj.location if obj.location in self.bodies else obj.path
        body = self.bodies[name] if strike.served is None else strike.served
        etag = strike.etag or self.etags.get(name)
        headers = {} if etag is None else {"etag": f'"{etag}"'}
        if span is not None and strike.ranges:
            headers["content-range"] = f"bytes {span.start}-{span.stop - 1}/{len(body)}"
            body = body[span.start : span.stop]
        elif not strike.unsized:
            headers["content-length"] = str(len(body))
        status = 206 if "content-range" in headers else 200
        return Answer(
            status=status, url=obj.location, headers=headers, pour=pouring(self._chunks(body + strike.beyond, strike))
        )

    async def _chunks(self, body: bytes, strike: Strike) -> AsyncIterator[bytes]:
        for number, at in enumerate(range(0, len(body), self.chunk_bytes)):
            if strike.after == number:
                if strike.error is not None:
                    raise strike.error()
                return
            await checkpoint()
            chunk = body[at : at + self.chunk_bytes]
            self.sent_bytes += len(chunk)
            self.on_chunk(self.sent_bytes)
            yield chunk
