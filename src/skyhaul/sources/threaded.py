"""Requests whose bodies are large: each on a connection of its own, which a thread reads. Home of http.client.

A thread receives half a mebibyte at a time into memory that it uses again, has it written and hashed, and only then tells the event loop.
A silent disk or host keeps its own thread waiting and nobody else.
"""

from __future__ import annotations

import base64
import http.client
import select
import socket
import ssl
import threading
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from math import inf
from typing import TypeVar, TypeVarTuple
from urllib.parse import unquote, urlsplit

from anyio import CancelScope, CapacityLimiter, to_thread

from skyhaul.errors import RequestRefused
from skyhaul.protocols import BATCH_BYTES, Take
from skyhaul.sources.wire import AGENT, HASTE_S, Ready, Request, broken, place, silent, unreachable, untrusted

UNSIZED_BYTES = 16 << 10
"""A body without a length is waited for in pieces of so much, be it ever so slow."""

IDLE_S = 15.0
"""A connection that lay idle for longer is not trusted: what stands between may have forgotten it."""

Where = tuple[str, str]
T = TypeVar("T")
Args = TypeVarTuple("Args")


class Threaded:
    """A :class:`~skyhaul.sources.wire.Wire` for large bodies, past all proxies. To be closed."""

    def __init__(self, *, stall_s: float, connect_s: float) -> None:
        self._stall_s = stall_s
        self._connect_s = connect_s
        self._idle: dict[Where, list[Line]] = {}
        self._threads = CapacityLimiter(inf)
        self._context: ssl.SSLContext | None = None

    async def send(self, request: Request, ready: Ready) -> ThreadedResponse:
        """See :class:`~skyhaul.sources.wire.Wire`. A connection that breaks before an answer is tried once more, as a fresh one."""
        where = urlsplit(request.url).scheme, place(request.url)
        if where[0] == "https" and self._context is None:
            self._context = await to_thread.run_sync(ssl.create_default_context)  # the roots take a moment to be read
        headers = await ready() or request.headers
        sent = {"User-Agent": AGENT, "Accept": "*/*", **_login(request.url), **headers}
        line = self._kept(where) or self._fresh(where)
        try:
            try:
                answer = await self.run(line, line.ask, request, sent)
            except ConnectionError:
                if not line.connected:
                    raise
                line.close()
                line = self._fresh(where)
                answer = await self.run(line, line.ask, request, sent)
        except BaseException as error:
            line.close()
            if isinstance(error, OSError | http.client.HTTPException | UnicodeError):
                raise _mapped(error, request, connected=line.connected) from error
            raise
        return ThreadedResponse(self, where, line, request, answer)

    async def run(self, line: Line, work: Callable[[*Args], T], *args: *Args) -> T:
        """The result of ``work`` on a thread. Who is cancelled does not wait for it, and closes the line."""
        return await to_thread.run_sync(line.working, work, *args, abandon_on_cancel=True, limiter=self._threads)

    def keep(self, where: Where, line: Line) -> None:
        """Have a connection ready for the next request."""
        line.idle_s = time.monotonic()
        self._idle.setdefault(where, []).append(line)

    def _kept(self, where: Where) -> Line | None:
        """The connection that was used last, if it can still be trusted."""
        lines = self._idle.get(where, [])
        while lines:
            line = lines.pop()
            if time.monotonic() - line.idle_s < IDLE_S:
                return line
            line.close()
        return None

    def _fresh(self, where: Where) -> Line:
        scheme, netloc = where
        if scheme == "https":
            tls = http.client.HTTPSConnection(netloc, timeout=self._connect_s, context=self._context)
            return Line(tls, self._stall_s)
        return Line(http.client.HTTPConnection(netloc, timeout=self._connect_s), self._stall_s)

    def close(self) -> None:
        """Close what lies idle."""
        for lines in self._idle.values():
            for line in lines:
                line.close()
        self._idle.clear()


class Line:
    """A connection that one thread at a time works with. It may be closed at any moment, by whoever waits for the thread."""

    def __init__(self, connection: http.client.HTTPConnection, stall_s: float) -> None:
        self.connected = False
        self.idle_s = 0.0
        self._connection = connection
        self._stall_s = stall_s
        self._sock: socket.socket | None = None
        self._poll = select.poll()
        self._answer: http.client.HTTPResponse | None = None
        self._room = memoryview(b"")
        self._failure: Exception | None = None
        self._lock = threading.Lock()
        self._free = threading.Event()
        self._free.set()
        self._closed = False

    def working(self, work: Callable[[*Args], T], *args: *Args) -> T:
        """Do ``work``; blocks. A line that is closed meanwhile gives up its descriptor only now: another file might get the number."""
        with self._lock:
            if self._closed:
                raise ConnectionAbortedError
            self._free.clear()
        try:
            return work(*args)
        finally:
            self._freed()

    def _freed(self) -> None:
        with self._lock:
            self._free.set()
            if self._closed:
                self._give_up()

    def close(self) -> None:
        """Close the connection, and have whoever reads it told so at once."""
        with self._lock:
            self._closed = True
            if self._free.is_set():
                self._give_up()
            elif self._sock is not None:
                with suppress(OSError):
                    socket.socket.shutdown(
                        self._sock, socket.SHUT_RDWR
                    )  # of TLS too: its own would be torn from the reader

    def settled(self) -> None:
        """Wait until nothing works with the line. Blocks."""
        self._free.wait()

    def _give_up(self) -> None:
        if self._answer is not None:
            self._answer.close()
        self._connection.close()

    def ask(self, request: Request, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        """Send a request and hear the head of its answer. Blocks."""
        if not self.connected:
            self._connection.connect()
            self._sock = self._connection.sock
            self._poll.register(self._sock, select.POLLIN)
            self._sock.settimeout(self._stall_s)
            self.connected = True
        with self._lock:
            if self._closed:
                raise ConnectionAbortedError
        parts = urlsplit(request.url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._connection.request(request.method, target, request.body, dict(headers))
        self._answer = self._connection.getresponse()
        lengths = self._answer.headers.get_all("Content-Length", [])
        if len(set(lengths)) > 1 or not all(length.isdecimal() for length in lengths):
            raise http.client.HTTPException  # the library would read on until the connection ends
        return self._answer

    def _comes(self, within_s: float) -> bool:
        """Whether more comes so soon."""
        if isinstance(self._sock, ssl.SSLSocket):
            return within_s > 0  # records of 16 KiB: to ask for each costs as much as to read it
        return within_s > 0 and bool(self._poll.poll(within_s * 1000))

    def fill(self, answer: http.client.HTTPResponse, take: Take) -> int:
        """Have what comes next of the body taken: a batch, or less where it is slow, broke off or is over; 0 at its end. Blocks."""
        if self._failure is not None:
            raise self._failure
        self._room = self._room or memoryview(bytearray(BATCH_BYTES))
        filled, began_s = 0, time.monotonic()
        while filled < BATCH_BYTES:
            try:
                count = _received(answer, self._room[filled:])
            except (OSError, http.client.HTTPException) as error:
                if not filled:
                    raise
                self._failure = error  # what has come is taken first
                break
            filled += count
            if answer.isclosed() or not count or not self._comes(began_s + HASTE_S - time.monotonic()):
                break
        if filled:
            take([self._room[:filled]])
        elif answer.length:
            raise http.client.IncompleteRead(b"", answer.length)
        return filled


class ThreadedResponse:
    """See :class:`~skyhaul.sources.wire.Response`. Encoded bodies are left as they are."""

    def __init__(
        self, wire: Threaded, where: Where, line: Line, request: Request, answer: http.client.HTTPResponse
    ) -> None:
        self._wire = wire
        self._where = where
        self._line = line
        self._request = request
        self._answer = answer
        self.status = answer.status
        self.url = request.url
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in answer.getheaders()}

    async def pour(self, take: Take) -> AsyncGenerator[int, None]:
        """Give the body to who takes it, on a thread; when this ends, however it does, nothing is being taken any more."""
        over = False
        try:
            while size := await self._wire.run(self._line, self._line.fill, self._answer, take):
                yield size
                if self._answer.length == 0:
                    break
            over = True
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _mapped(error, self._request, connected=True) from error
        finally:
            if not over:
                self._line.close()
                with CancelScope(shield=True):
                    await to_thread.run_sync(self._line.settled)

    async def first(self, count: int) -> bytes:
        """What has arrived of the body."""
        try:
            return await self._wire.run(self._line, self._answer.read1, count)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _mapped(error, self._request, connected=True) from error

    def give_back(self) -> None:
        """Keep the connection if all of the body was read, else close it."""
        if self._answer.isclosed() and not self._answer.length and not self._answer.will_close:
            self._wire.keep(self._where, self._line)
        else:
            self._line.close()


def _received(answer: http.client.HTTPResponse, room: memoryview) -> int:
    """What has come, or is the next to come; 0 at the end, or where the connection ended."""
    if answer.isclosed():
        return 0
    if answer.length is None or answer.chunked:
        return answer.readinto(room[:UNSIZED_BYTES])
    # The library's own readinto() returns when all of the room is full, and forgets what it has if the connection breaks before.
    count = answer.fp.readinto1(room[: answer.length])
    answer.length -= count
    if not answer.length:
        answer.close()
    return count


def _login(url: str) -> dict[str, str]:
    """The header of a login that stands in the address."""
    parts = urlsplit(url)
    if parts.username is None:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def _mapped(error: Exception, request: Request, *, connected: bool) -> Exception:
    match error:
        case http.client.InvalidURL() | UnicodeError():
            return RequestRefused(f"{request.host}: an address of it cannot be asked for as it is", status=400)
        case ssl.SSLError() if not connected:
            return untrusted(request, error)
        case TimeoutError() if not connected:
            return unreachable(request, "no answer in time")
        case OSError() if not connected:
            return unreachable(request, error)
        case TimeoutError():
            return silent(request)
        case _:
            return broken(request, error)
