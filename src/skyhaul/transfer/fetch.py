"""The bytes of one object, from its source into its part file: parts, retries, seams, batches."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar, TypeVarTuple

import anyio
from anyio import CapacityLimiter, to_thread
from anyio.streams.memory import MemoryObjectReceiveStream

from skyhaul.errors import ConnectionLost, ObjectChanged, SkyhaulError
from skyhaul.model import ByteRange, RemoteObject
from skyhaul.protocols import Body
from skyhaul.transfer import parts
from skyhaul.transfer.reader import Reader
from skyhaul.transfer.sink import PartFile
from skyhaul.transfer.space import Space

BATCH_BYTES = 1 << 19
"""What is written and hashed at a time: a hop to a thread costs about 50 µs. A kill costs what is written and not yet noted, and what
waits to be written: two batches of each stream."""

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
class _Cursor:
    """Where a stream is written: from ``start``, up to ``position`` by now."""

    start: int
    position: int


class _RangesIgnoredError(Exception):
    """The host answered a ranged read with the whole object."""


@dataclass(slots=True, kw_only=True)
class Fetch:
    """One object being fetched.

    ``note`` is told of each span that reached the disk, ``noted`` waits until it is committed; ``seams`` asks for re-reading at cuts.
    """

    reader: Reader
    space: Space
    threads: CapacityLimiter
    note: Callable[[ByteRange], None]
    noted: Callable[[], Awaitable[None]]
    file: PartFile
    seams: bool
    early: list[tuple[ByteRange, bytes]] = field(default_factory=list)
    """Seams that were read before all of what they are compared with was on disk."""

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
                self.reader.obj = replace(self.obj, ranges=False)
            else:
                return size
        return await self.reader.retry.call(self._whole, self.reader.on_retry)

    @property
    def obj(self) -> RemoteObject:
        """What is read."""
        return self.reader.obj

    # whole objects, from hosts that do not serve ranges

    async def _whole(self) -> int:
        if self.file.done:
            self.reader.meter.refetched_bytes += self.reader.flow.done
            self.reader.flow.done = 0
            await self._thread(self.file.restart)
        cursor = _Cursor(start=0, position=0)
        expected = self.obj.size

        def admit(body: Body) -> AsyncIterator[bytes]:
            nonlocal expected
            expected = self.reader.flow.size = body.total if body.total is not None else expected
            return self.reader.within(expected, body.chunks)

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
                        if self.reader.allowance.spare > 1:  # one is for this part
                            tasks.start_soon(work)
                        await self._part(span, size)
                except (SkyhaulError, _RangesIgnoredError) as error:
                    failures.append(error)
                    tasks.cancel_scope.cancel()

            tasks.start_soon(work)
        if failures:
            raise failures[0]
        for seam, theirs in self.early:
            await self._compare(seam, theirs)

    async def _part(self, span: ByteRange, size: int) -> None:
        cursor = _Cursor(start=span.start, position=span.start)

        async def once() -> None:
            begun = cursor.position
            try:
                await self._rest(cursor, span.stop, size)
            except SkyhaulError as error:
                if not error.transient or cursor.position - begun < PROGRESS_BYTES:
                    raise
                self.reader.on_retry(error, 0.0)

        while cursor.position < span.stop:
            await self.reader.retry.call(once, self.reader.on_retry)

    async def _rest(self, cursor: _Cursor, stop: int, size: int) -> None:
        seam = self._seam(cursor.position)
        begin = seam.start if seam else cursor.position
        span = None if begin == 0 and stop == size else ByteRange(start=begin, stop=stop)

        def admit(body: Body) -> AsyncIterator[bytes]:
            if span is not None and not body.ranged:
                raise _RangesIgnoredError
            return self.reader.within(stop - cursor.position, self._beyond(seam, body.chunks) if seam else body.chunks)

        await self._pour(span, cursor, admit)
        if cursor.position != stop:
            raise ConnectionLost(f"{self.obj.path}: its stream ended {stop - cursor.position} bytes early")

    def _seam(self, position: int) -> ByteRange | None:
        """What to read again before going on at ``position``, where no digest will tell whether both sides belong together."""
        if not self.seams or position == 0:
            return None
        return ByteRange(start=max(0, position - SEAM_BYTES), stop=position)

    async def _beyond(self, seam: ByteRange, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """``chunks`` without the bytes of the seam, once they have proved to be those on disk, or are kept until others have come."""
        theirs = b""
        async for chunk in chunks:
            if len(theirs) >= len(seam):
                yield chunk
                continue
            theirs += chunk
            if len(theirs) >= len(seam):
                if any(span.start <= seam.start and seam.stop <= span.stop for span in self.file.done):
                    await self._compare(seam, theirs[: len(seam)])
                else:
                    self.early.append((seam, theirs[: len(seam)]))
                self.reader.ledger.fetched += len(seam)
                self.reader.meter.received_bytes += len(seam)
                self.reader.meter.refetched_bytes += len(seam)
                if len(theirs) > len(seam):
                    yield theirs[len(seam) :]

    async def _compare(self, seam: ByteRange, theirs: bytes) -> None:
        if await self._thread(self.file.read, seam) != theirs:
            raise ObjectChanged(f"{self.obj.path}: the bytes before {seam.stop} are not those on disk")

    # one stream

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
                async with send, self.reader.open(span) as (body, stream):
                    chunks = self.reader.counted(admit(body), stream)
                    async with aclosing(self._batches(chunks)) as batches:
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
                self.reader.meter.writes_waiting += 1
                began_s = time.monotonic()
                try:
                    if self.obj.ranges and cursor.position > cursor.start:
                        await self.noted()  # the batch before this one: what a kill costs is two of them
                    await self.space.insist(partial(self._thread, self.file.write, cursor.position, batch))
                except SkyhaulError as error:
                    failures.insert(0, error)
                    return
                finally:
                    self.reader.meter.writes_waiting -= 1
                    self.reader.meter.write_busy_s += time.monotonic() - began_s
                cursor.position += sum(map(len, batch))
                if self.obj.ranges:
                    self.note(ByteRange(start=cursor.start, stop=cursor.position))

    async def _thread(self, work: Callable[[*Args], T], *args: *Args) -> T:
        return await to_thread.run_sync(work, *args, limiter=self.threads)
