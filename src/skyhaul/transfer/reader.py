"""Streams of one object: opened under the allowance, counted as they arrive, never longer than they may be."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from anyio import CancelScope

from skyhaul.errors import ConnectionLost, SkyhaulError
from skyhaul.events import AttemptFailed, Flow, Meter
from skyhaul.forecast import STRAGGLE_S, Stream
from skyhaul.limits import Allowance
from skyhaul.model import ByteRange, RemoteObject
from skyhaul.protocols import Body, Emit, Pieces, Source, Take
from skyhaul.retry import RetryPolicy


@dataclass(slots=True)
class Ledger:
    """What one object has cost so far."""

    attempts: int = 0
    fetched: int = 0

    def failed(self, obj: RemoteObject, error: SkyhaulError, wait_s: float | None) -> AttemptFailed:
        """The event that tells of a failed attempt."""
        host = urlsplit(obj.location).hostname or obj.route
        return AttemptFailed(host=host, what=obj.path, kind=error.kind, error=str(error), wait_s=wait_s)


@dataclass(slots=True, kw_only=True)
class Reader:
    """How one object is read; ``flow`` counts what arrives."""

    source: Source
    allowance: Allowance
    retry: RetryPolicy
    meter: Meter
    emit: Emit
    obj: RemoteObject
    flow: Flow
    ledger: Ledger
    lagged: int = 0

    @asynccontextmanager
    async def open(self, span: ByteRange | None) -> AsyncIterator[tuple[Body, Stream]]:
        """Hold a stream while ``span`` of the object (all of it for ``None``) is read."""
        self.ledger.attempts += 1
        size = self.obj.size if span is None else len(span)
        async with self.allowance.place(size) as stream:
            turn = partial(self.allowance.admit, stream)
            with CancelScope() as scope:
                stream.give_up, stream.resumable = scope.cancel, self.obj.ranges
                stream.patience_s = STRAGGLE_S * 2**self.lagged
                async with self.source.read(self.obj, span, etag=self.obj.etag, turn=turn) as body:
                    self.allowance.began(stream, body.total if span is None else None)
                    yield body, stream
            if scope.cancelled_caught:
                self.lagged += 1
                raise ConnectionLost(f"{self.obj.path}: its stream lags behind all others, and is opened anew")

    async def count(self, stream: Stream, size: int, *, again: int = 0) -> None:
        """Count what has come, ``again`` of it for the second time, and keep within the user's own rate."""
        stream.received += size
        stream.heard_s = time.monotonic()
        self.ledger.fetched += size
        self.meter.received(self.flow, size - again)
        self.meter.received_bytes += again
        self.meter.refetched_bytes += again
        await self.allowance.spend(size)

    def within(self, count: int | None, take: Take) -> Take:
        """``take``, for no more than ``count`` bytes: what follows would be written over other parts."""
        left = count

        def taken(pieces: Pieces) -> None:
            nonlocal left
            if left is not None:
                left -= sum(map(len, pieces))
                if left < 0:
                    raise ConnectionLost(f"{self.obj.path}: its stream goes on beyond the {count} bytes of it")
            take(pieces)

        return taken

    async def whole(self, size: int) -> list[bytes | memoryview]:
        """The object in memory, for what is small; gone on with where a stream breaks, its host serves ranges, and a digest will tell.

        Raises:
            RemoteError: the source gave up.
        """
        chunks: list[bytes | memoryview] = []
        await self.retry.call(lambda: self._rest(chunks, size), self.on_retry)
        return chunks

    async def _rest(self, chunks: list[bytes | memoryview], size: int) -> None:
        self.flow.done = sum(map(len, chunks))
        resumable = self.obj.ranges and self.obj.etag and self.obj.checksums
        span = ByteRange(start=self.flow.done, stop=size) if chunks and resumable else None
        async with self.open(span) as (body, stream):
            if span is None or not body.ranged:
                self.meter.refetched_bytes += self.flow.done
                self.flow.done = 0
                chunks.clear()
            take = self.within(size - self.flow.done, lambda pieces: chunks.extend(map(bytes, pieces)))
            async for count in body.pour(take):
                await self.count(stream, count)
        if self.flow.done != size:
            raise ConnectionLost(f"{self.obj.path}: its stream ended at {self.flow.done} of {size} bytes")

    def on_retry(self, error: SkyhaulError, wait_s: float) -> None:
        """Tell the observers of a failed attempt."""
        self.emit(self.ledger.failed(self.obj, error, wait_s))
