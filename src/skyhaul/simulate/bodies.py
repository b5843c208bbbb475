"""Bodies on their way out: ranges, validators, the paced stream under a slot, and the faults that strike in the middle."""

from __future__ import annotations

import socket
import struct
from contextvars import ContextVar
from dataclasses import dataclass, replace
from email.utils import format_datetime
from typing import TYPE_CHECKING, NamedTuple, Protocol

import anyio
import anyio.lowlevel
from aiohttp import web

from skyhaul.simulate.account import WAKE_EARLY_S
from skyhaul.simulate.faults import Fault, FaultKind, Stage, Subject

if TYPE_CHECKING:
    import asyncio
    import datetime as dt
    from collections.abc import Iterator, Mapping

    from skyhaul.simulate.account import Account, Stream
    from skyhaul.simulate.service import Service

# Large pieces where nothing holds them back, smaller ones where they leave by the clock.
PIECE_BYTES = 512 * 1024
PACED_PIECE_BYTES = 256 * 1024
ARRIVED_S: ContextVar[float] = ContextVar("arrived_s")
"""When the request that is being answered came in."""

SMALL_BYTES = 64 * 1024


class Readable(Protocol):
    """Bytes with random access; ``read`` takes a half-open range inside the whole."""

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from ``start`` up to, but without, ``stop``."""
        ...


class InMemory(NamedTuple):
    """A body that is held as bytes."""

    data: bytes

    def read(self, start: int, stop: int) -> bytes:
        """As Readable."""
        return self.data[start:stop]


class Span(NamedTuple):
    """A half-open range of bytes."""

    start: int
    stop: int


class UnsatisfiableRangeError(ValueError):
    """A range that begins at or after the end: 416."""


class FailedPreconditionError(ValueError):
    """The validator in If-Match is not the object's: 412."""


class UnchangedError(ValueError):
    """The validator in If-None-Match is the object's: 304."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """What could be served in full, as a host describes it."""

    source: Readable
    size: int
    content_type: str
    etag: str | None = None  # without quotes
    bare_etag: bool = False  # whether it goes out without them, as a DHuS has it
    last_modified: dt.datetime | None = None
    disposition: str | None = None
    ranges: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What is served: a span of a whole, with its status and headers."""

    source: Readable
    span: Span
    status: int
    headers: Mapping[str, str]


def parse_range(header: str | None, size: int) -> Span | None:
    """The span a Range header asks for, or None where RFC 9110 says to ignore it.

    Raises:
        UnsatisfiableRangeError: the range begins at or after ``size``.
    """
    unit, _, text = (header or "").partition("=")
    first, dash, last = text.strip().partition("-")
    if unit != "bytes" or not dash or not (first + last).isdecimal():
        return None  # absent, malformed, or several ranges
    if not first:
        start, stop = max(size - int(last), 0), size
    else:
        start, stop = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < int(first):
            return None
    if start >= size or start >= stop:
        raise UnsatisfiableRangeError(header)
    return Span(start, stop)


def with_head_fault(whole: Whole, fault: Fault | None) -> Whole:
    """``whole`` as a fault in its headers describes it; a wrong Content-Range comes later, in plan_body."""
    match fault.kind if fault else None:
        case FaultKind.ETAG if whole.etag:
            return replace(whole, etag=whole.etag[::-1])
        case FaultKind.WHOLE:
            return replace(whole, ranges=False)
        case FaultKind.HOSTILE_NAME:
            return replace(whole, disposition='attachment; filename="../../../escaped.zip"')
        case _:
            return whole


def plan_body(request: Mapping[str, str], whole: Whole, fault: Fault | None = None) -> Body:
    """Decide status, span and headers of a GET for ``whole``.

    Raises:
        FailedPreconditionError: 412.
        UnchangedError: 304.
        UnsatisfiableRangeError: 416.
    """
    whole = with_head_fault(whole, fault)
    headers = {"Content-Type": whole.content_type}
    if whole.etag is not None:
        headers["ETag"] = whole.etag if whole.bare_etag else f'"{whole.etag}"'
        _check_validators(request, whole.etag)
    if whole.last_modified is not None:
        headers["Last-Modified"] = format_datetime(whole.last_modified, usegmt=True)
    if whole.disposition is not None:
        headers["Content-Disposition"] = whole.disposition
    span = None
    if whole.ranges:
        headers["Accept-Ranges"] = "bytes"
        span = parse_range(request.get("Range"), whole.size) if _range_holds(request, headers) else None
    if span is None:
        headers["Content-Length"] = str(whole.size)
        return Body(source=whole.source, span=Span(0, whole.size), status=200, headers=headers)
    shift = 1 if fault is not None and fault.kind is FaultKind.CONTENT_RANGE else 0
    headers["Content-Length"] = str(span.stop - span.start)
    headers["Content-Range"] = f"bytes {span.start + shift}-{span.stop - 1 + shift}/{whole.size}"
    return Body(source=whole.source, span=span, status=206, headers=headers)


def _check_validators(request: Mapping[str, str], etag: str) -> None:
    wanted, unwanted = request.get("If-Match"), request.get("If-None-Match")
    if wanted is not None and wanted.strip() != "*" and etag not in _etags(wanted):
        raise FailedPreconditionError(wanted)
    if unwanted is not None and (unwanted.strip() == "*" or etag in _etags(unwanted)):
        raise UnchangedError(unwanted)


def _etags(header: str) -> set[str]:
    return {tag.strip().removeprefix("W/").strip('"') for tag in header.split(",")}


def _range_holds(request: Mapping[str, str], headers: Mapping[str, str]) -> bool:
    """Whether If-Range, where given, names the present validator."""
    condition = request.get("If-Range")
    validators = {headers.get("ETag", "").strip('"'), headers.get("Last-Modified")}
    return condition is None or condition.strip('"') in validators


def pieces(start: int, stop: int, size: int) -> Iterator[Span]:
    """``start``..``stop`` in pieces of at most ``size`` bytes, in order."""
    for position in range(start, stop, size):
        yield Span(position, min(position + size, stop))


def flipped(data: bytes, offset: int) -> bytes:
    """``data`` with every bit of one byte turned."""
    return data[:offset] + bytes((data[offset] ^ 0xFF,)) + data[offset + 1 :]


async def first_byte_due(latency_s: float) -> None:
    """Wait until ``latency_s`` after the request came in; what was done for it meanwhile does not make it later."""
    now_s = anyio.current_time()
    await anyio.sleep(max(0.0, ARRIVED_S.get(now_s) + latency_s - WAKE_EARLY_S - now_s))


async def send(service: Service, request: web.BaseRequest, subject: Subject, body: Body) -> web.StreamResponse:
    """Answer ``request`` with ``body`` on the account's terms: a slot, the latency, the pace, the faults.

    The slot is given back before the last piece is handed to the connection: a client that has the end
    of a body may at once ask for the next one without being one stream too many.

    Raises:
        TooManyStreamsError: the account has no slot; nothing was sent.
    """
    account, scenario = service.account, service.account.scenario
    if not scenario.count_waiting:
        await first_byte_due(scenario.latency_s)
    with account.streaming(await account.admit()) as stream:
        if scenario.count_waiting:
            await first_byte_due(scenario.latency_s)
        try:
            fault = service.faults.draw(Stage.BODY, subject)
            if fault is None and body.span.stop - body.span.start <= SMALL_BYTES:
                return await _at_once(account, stream, body)
            response = web.StreamResponse(status=body.status, headers=body.headers)
            await response.prepare(request)
            await _Sending(account, request, response, stream).send(body, fault)
        except ConnectionError:
            account.tally.aborted += 1  # the client left; its slot goes back all the same
        except anyio.get_cancelled_exc_class():
            account.tally.aborted += 1
            raise
    return response


async def _at_once(account: Account, stream: Stream, body: Body) -> web.Response:
    """A small body, in one write with its headers, when its last byte is due."""
    data = body.source.read(*body.span)
    wait_s = account.pace(stream).wait_s(len(data), account.now_s())
    if data and wait_s > 0:
        await anyio.sleep(wait_s)
    stream.end()
    account.served(len(data))
    return web.Response(status=body.status, headers=body.headers, body=data)


class _Sending(NamedTuple):
    """One body under way."""

    account: Account
    request: web.BaseRequest
    response: web.StreamResponse
    stream: Stream

    async def send(self, body: Body, fault: Fault | None) -> None:
        start, stop = body.span
        if fault is None:
            await self._send_span(body.source, Span(start, stop), last=True)
            return
        strike = start + fault.offset(stop - start)
        await self._send_span(body.source, Span(start, strike), last=False)
        if fault.kind is FaultKind.CUT:
            self.stream.end()
            await _flush(self.request)
            reset(self.request)
        elif fault.kind is FaultKind.TRUNCATE:
            self.stream.end()
            _close(self.request)
        else:
            flip = fault.kind is FaultKind.FLIP
            await anyio.sleep(0 if flip else fault.seconds)
            await self._send_span(_Flipped(body.source, strike) if flip else body.source, Span(strike, stop), last=True)

    async def _send_span(self, source: Readable, span: Span, *, last: bool) -> None:
        pace = self.account.pace(self.stream)
        size = PIECE_BYTES if pace.bytes_per_s is None else PACED_PIECE_BYTES
        for piece in pieces(span.start, span.stop, size):
            data = source.read(*piece)
            await _until_due(pace.wait_s(piece.stop - span.start, self.account.now_s()))
            if last and piece.stop == span.stop:
                self.stream.end()
            self.account.served(len(data))
            await self.response.write(data)


class _Flipped(NamedTuple):
    source: Readable
    offset: int

    def read(self, start: int, stop: int) -> bytes:
        data = self.source.read(start, stop)
        return flipped(data, self.offset - start) if start <= self.offset < stop else data


async def _until_due(wait_s: float) -> None:
    if wait_s > 0:
        await anyio.sleep(wait_s)
    else:
        await anyio.lowlevel.checkpoint()  # a fast client would otherwise keep the loop to itself


def reset(request: web.BaseRequest) -> None:
    """Reset the connection under ``request``: what is not yet on the wire is lost."""
    transport = request.transport
    if transport is not None:
        _linger_not(transport)
        transport.abort()


async def _flush(request: web.BaseRequest) -> None:
    """Wait until the kernel has everything that was written."""
    while request.transport is not None and request.transport.get_write_buffer_size():  # noqa: ASYNC110 -- no event tells
        await anyio.sleep(0.001)


def _close(request: web.BaseRequest) -> None:
    transport = request.transport
    if transport is not None:
        transport.close()


def _linger_not(transport: asyncio.Transport) -> None:
    # With SO_LINGER on and zero seconds, closing sends RST instead of FIN.
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
