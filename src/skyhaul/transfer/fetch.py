"""The bytes of one object, from its source into its part file: parts, retries, seams, batches."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TypeVar, TypeVarTuple
from urllib.parse import urlsplit

import anyio
from anyio import CapacityLimiter, to_thread
from anyio.streams.memory import MemoryObjectReceiveStream

from skyhaul.errors import ConnectionLost, HostBusy, ObjectChanged, SkyhaulError
from skyhaul.events import AttemptFailed, Flow, Meter
from skyhaul.limits import Allowance
from skyhaul.model import ByteRange, RemoteObject
from skyhaul.protocols import Body, Emit, Source
from skyhaul.retry import RetryPolicy
from skyhaul.transfer import parts
from skyhaul.transfer.sink import PartFile

BATCH_BYTES = 1 << 20
"""What is written and hashed at a time: a hop to a thread costs about 50 µs, a kill at most a batch of each stream."""

PART_BYTES = 64 << 20
SEAM_BYTES = 64 << 10
PROGRESS_BYTES = 1 << 20
"""An attempt that got this far does not count against the patience: a long object may break often."""

Batch = list[bytes]
Admit = Callable[[Body], AsyncIterator[bytes]]
"""Looks at an answer and says which of its chunks to write, or raises what is wrong with it."""

T = TypeVar("T")
Args = TypeVarTuple("Args")


@dataclass(slots=True)
class Ledger:
    """What one object has cost so far."""

    attempts: int = 0
    fetched: int = 0

    def failed(self, obj: RemoteObject, error: SkyhaulError, wait_s: float | None) -> AttemptFailed:
        """The event that tells of a failed attempt."""
        host = urlsplit(obj.location).hostname or obj.route
        return AttemptFailed(host=host, what=obj.path, kind=error.kind, error=str(error), wait_s=wait_s)


@dataclass(slots=True)
class _Cursor:
    """Where a stream is written: from ``start``, up to ``position`` by now."""

    start: int
    position: int


class _RangesIgnoredError(Exception):
    """The host answered a ranged read with the whole object."""


@dataclass(slots=True, kw_only=True)
class Fetch:
    """One object being fetched. ``note`` is told of each span that reached the disk; ``seams`` asks for re-reading at cuts."""

    source: Source
    allowance: Allowance
    retry: RetryPolicy
    meter: Meter
    emit: Emit
    threads: CapacityLimiter
    note: Callable[[ByteRange], None]
    obj: RemoteObject
    file: PartFile
    flow: Flow
    ledger: Ledger
    seams: bool

    async def run(self) -> int:
        """Read all that is missing; how many bytes the object has.

        Raises:
            RemoteError: the source gave up.
            SinkError: the disk did.
        """
        size = self.obj.size
        if size is not None and self.obj.ranges:
            try:
                await self._missing(size)
            except _RangesIgnoredError:
                self.obj = replace(self.obj, ranges=False)
            else:
                return size
        return await self.retry.call(self._whole, self._on_retry)

    # whole objects, from hosts that do not serve ranges

    async def _whole(self) -> int:
        if self.file.done:
            self.meter.refetched_bytes += self.flow.done
            self.flow.done = 0
            await self._thread(self.file.restart)
        cursor = _Cursor(start=0, position=0)
        expected = self.obj.size

        def admit(body: Body) -> AsyncIterator[bytes]:
            nonlocal expected
            expected = self.flow.size = body.total if body.total is not None else expected
            return self._within(expected, body.chunks)

        await self._pour(None, cursor, admit)
        if expected is not None and cursor.position != expected:
            raise ConnectionLost(f"{self.obj.path}: its stream ended at {cursor.position} of {expected} bytes")
        return cursor.position

    # parts of objects, from hosts that do

    async def _missing(self, size: int) -> None:
        spans = parts.split(parts.missing(size, self.file.done), PART_BYTES)
        failures: list[Exception] = []
        async with anyio.create_task_group() as tasks:

            async def work() -> None:
                try:
                    for span in spans:
                        if self.allowance.idle > 1 and not self.meter.streams_wanted:
                            tasks.start_soon(work)
                        await self._part(span, size)
                except (SkyhaulError, _RangesIgnoredError) as error:
                    failures.append(error)
                    tasks.cancel_scope.cancel()

            tasks.start_soon(work)
        if failures:
            raise failures[0]

    async def _part(self, span: ByteRange, size: int) -> None:
        cursor = _Cursor(start=span.start, position=span.start)

        async def once() -> None:
            begun = cursor.position
            try:
                await self._rest(cursor, span.stop, size)
            except SkyhaulError as error:
                if not error.transient or cursor.position - begun < PROGRESS_BYTES:
                    raise
                self._on_retry(error, 0.0)

        while cursor.position < span.stop:
            await self.retry.call(once, self._on_retry)

    async def _rest(self, cursor: _Cursor, stop: int, size: int) -> None:
        seam = self._seam(cursor.position)
        begin = seam.start if seam else cursor.position
        span = None if begin == 0 and stop == size else ByteRange(start=begin, stop=stop)

        def admit(body: Body) -> AsyncIterator[bytes]:
            if span is not None and not body.ranged:
                raise _RangesIgnoredError
            return self._within(stop - cursor.position, self._beyond(seam, body.chunks) if seam else body.chunks)

        await self._pour(span, cursor, admit)
        if cursor.position != stop:
            raise ConnectionLost(f"{self.obj.path}: its stream ended {stop - cursor.position} bytes early")

    def _seam(self, position: int) -> ByteRange | None:
        """What to read again before going on at ``position``, where no digest will tell whether both sides belong together."""
        before = next((span for span in self.file.done if span.start < position <= span.stop), None)
        if not self.seams or before is None:
            return None
        return ByteRange(start=max(before.start, position - SEAM_BYTES), stop=position)

    async def _beyond(self, seam: ByteRange, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """``chunks`` without the bytes of the seam, once they have proved to be the same as those on disk."""
        ours, theirs = await self._thread(self.file.read, seam), b""
        async for chunk in chunks:
            if len(theirs) >= len(seam):
                yield chunk
                continue
            theirs += chunk
            if len(theirs) >= len(seam):
                if theirs[: len(seam)] != ours:
                    raise ObjectChanged(f"{self.obj.path}: the bytes before {seam.stop} are not those on disk")
                self.ledger.fetched += len(seam)
                self.meter.received_bytes += len(seam)
                self.meter.refetched_bytes += len(seam)
                if len(theirs) > len(seam):
                    yield theirs[len(seam) :]

    async def _within(self, count: int | None, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """``chunks``, which must not be more than ``count`` bytes: what follows would be written over other parts."""
        left = count
        async for chunk in chunks:
            if left is not None:
                left -= len(chunk)
                if left < 0:
                    raise ConnectionLost(f"{self.obj.path}: its stream goes on beyond the {count} bytes of it")
            yield chunk

    # one stream

    @asynccontextmanager
    async def _open(self, span: ByteRange | None) -> AsyncIterator[Body]:
        self.ledger.attempts += 1
        async with self.allowance.stream():
            try:
                async with self.source.read(self.obj, span, etag=self.obj.etag) as body:
                    self.allowance.answered()
                    yield body
            except HostBusy as error:
                self.allowance.refused(error)
                raise

    async def _pour(self, span: ByteRange | None, cursor: _Cursor, admit: Admit) -> None:
        """Read ``span`` and write it at the cursor, which moves as bytes reach the disk.

        The next batch arrives while one is written. The stream is given back when its last byte has come, before that is on disk.
        """
        send, receive = anyio.create_memory_object_stream[Batch](0)
        failures: list[Exception] = []
        # Closed here too: a writer that is cancelled before its first step never gets to it.
        async with receive, anyio.create_task_group() as tasks:
            tasks.start_soon(self._write, receive, cursor, failures)
            try:
                async with send, self._open(span) as body, aclosing(self._batches(admit(body))) as batches:
                    async for batch in batches:
                        await send.send(batch)
            except anyio.BrokenResourceError:
                pass  # the writer has failed and says why
            except (SkyhaulError, _RangesIgnoredError) as error:
                failures.append(error)
        if failures:
            raise failures[0]

    async def _batches(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[Batch, None]:
        batch: Batch = []
        size = 0
        try:
            async for chunk in chunks:
                batch.append(chunk)
                size += len(chunk)
                self.ledger.fetched += len(chunk)
                self.meter.received(self.flow, len(chunk))
                await self.allowance.spend(len(chunk))
                if size >= BATCH_BYTES:
                    yield batch
                    batch, size = [], 0
        except SkyhaulError:
            if batch:
                yield batch  # what has arrived is kept
            raise
        if batch:
            yield batch

    async def _write(
        self, batches: MemoryObjectReceiveStream[Batch], cursor: _Cursor, failures: list[Exception]
    ) -> None:
        async with batches:
            async for batch in batches:
                self.meter.writes_waiting += 1
                began_s = time.monotonic()
                try:
                    await self._thread(self.file.write, cursor.position, batch)
                except SkyhaulError as error:
                    failures.insert(0, error)
                    return
                finally:
                    self.meter.writes_waiting -= 1
                    self.meter.write_busy_s += time.monotonic() - began_s
                cursor.position += sum(map(len, batch))
                if self.obj.ranges:
                    self.note(ByteRange(start=cursor.start, stop=cursor.position))

    async def _thread(self, work: Callable[[*Args], T], *args: *Args) -> T:
        return await to_thread.run_sync(work, *args, limiter=self.threads)

    def _on_retry(self, error: SkyhaulError, wait_s: float) -> None:
        self.emit(self.ledger.failed(self.obj, error, wait_s))
