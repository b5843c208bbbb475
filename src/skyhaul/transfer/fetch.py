"""The bytes of one object, from its source into its part file: parts, retries, seams, batches."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TypeVar, TypeVarTuple

import anyio
from anyio import CapacityLimiter, to_thread

from skyhaul.errors import ConnectionLost, DiskFull, ObjectChanged, SkyhaulError
from skyhaul.forecast import Stream
from skyhaul.model import ByteRange, RemoteObject
from skyhaul.protocols import Body, Pieces, Take
from skyhaul.transfer import parts
from skyhaul.transfer.partfile import PartFile
from skyhaul.transfer.reader import Reader
from skyhaul.transfer.space import Space

PART_BYTES = 64 << 20
SHORTEST = 8
"""The last parts of an object on several streams have down to so many times fewer bytes: else one goes on when the others have ended."""

SEAM_BYTES = 64 << 10
PROGRESS_BYTES = 1 << 20
"""An attempt that got this far is followed by another at once; where it is gone on with, it does not count against the patience."""

Admit = Callable[[Body, Take], Take]
"""Looks at an answer and says what to take of it, or raises what is wrong with it."""

T = TypeVar("T")
Args = TypeVarTuple("Args")


@dataclass(slots=True)
class _Cursor:
    """Where a stream is written: from ``start``, up to ``position`` by now, of which others know up to ``told``.

    Writing kept a thread busy for ``busy_s`` seconds that nobody has counted yet. ``noted`` is the number of its last span.
    """

    start: int
    position: int
    told: int
    busy_s: float = 0.0
    noted: int = 0


class _RangesIgnoredError(Exception):
    """The host answered a ranged read with the whole object."""


@dataclass(slots=True, kw_only=True)
class Fetch:
    """One object being fetched.

    ``note`` is told of each span that reached the disk and numbers it, ``noted`` waits until that number is committed; ``seams`` asks for
    re-reading at cuts.
    """

    reader: Reader
    space: Space
    threads: CapacityLimiter
    note: Callable[[ByteRange], int]
    noted: Callable[[int], Awaitable[None]]
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
        return await self._anew()

    @property
    def obj(self) -> RemoteObject:
        """What is read."""
        return self.reader.obj

    # whole objects, from hosts that do not serve ranges

    async def _anew(self) -> int:
        """Read it from its first byte until all of it has come; where a connection breaks that got far, for once without a wait."""
        hasty = True

        async def once() -> int:
            nonlocal hasty
            try:
                return await self._whole()
            except ConnectionLost as error:
                if not hasty or self.reader.flow.done < PROGRESS_BYTES:
                    raise
                hasty = False
                self.reader.on_retry(error, 0.0)
            return await self._whole()

        return await self.reader.retry.call(once, self.reader.on_retry)

    async def _whole(self) -> int:
        if self.file.done:
            self.reader.meter.refetched_bytes += self.reader.flow.done
            self.reader.flow.done = 0
            await self._thread(self.file.restart)
        cursor = _Cursor(start=0, position=0, told=0)
        expected = self.obj.size

        def admit(body: Body, take: Take) -> Take:
            nonlocal expected
            expected = self.reader.flow.size = body.total if body.total is not None else expected
            return self.reader.within(expected, take)

        await self._pour(None, cursor, admit)
        if expected is not None and cursor.position != expected:
            raise ConnectionLost(f"{self.obj.path}: its stream ended at {cursor.position} of {expected} bytes")
        return cursor.position

    # parts of objects, from hosts that do

    async def _missing(self, size: int) -> None:
        spans = parts.split(parts.missing(size, self.file.done), self._part_bytes)
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
            await self._thread(self._compare, seam, theirs)

    def _part_bytes(self, left: int) -> int:
        """How long the next part is, where ``left`` bytes are to be had: half of what falls to each stream that may read this object."""
        others = sum(1 for flow in self.reader.meter.flows.values() if not flow.verifying) - 1
        streams = self.reader.allowance.limit // (1 + others)
        if streams <= 1:
            return PART_BYTES
        return max(PART_BYTES // SHORTEST, min(PART_BYTES, left // (2 * streams)))

    async def _part(self, span: ByteRange, size: int) -> None:
        cursor = _Cursor(start=span.start, position=span.start, told=span.start)

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

        def admit(body: Body, take: Take) -> Take:
            if span is not None and not body.ranged:
                raise _RangesIgnoredError
            take = self.reader.within(stop - cursor.position, take)
            return self._beyond(seam, take) if seam else take

        await self._pour(span, cursor, admit)
        if cursor.position != stop:
            raise ConnectionLost(f"{self.obj.path}: its stream ended {stop - cursor.position} bytes early")

    def _seam(self, position: int) -> ByteRange | None:
        """What to read again before going on at ``position``, where no digest will tell whether both sides belong together."""
        if not self.seams or position == 0:
            return None
        return ByteRange(start=max(0, position - SEAM_BYTES), stop=position)

    def _beyond(self, seam: ByteRange, take: Take) -> Take:
        """``take`` without the bytes of the seam, once they have proved to be those on disk, or are kept until others have come."""
        theirs = b""

        def taken(pieces: Pieces) -> None:
            nonlocal theirs
            if len(theirs) >= len(seam):
                take(pieces)
                return
            theirs += b"".join(pieces)
            if len(theirs) < len(seam):
                return
            beyond, theirs = theirs[len(seam) :], theirs[: len(seam)]
            if any(span.start <= seam.start and seam.stop <= span.stop for span in self.file.done):
                self._compare(seam, theirs)
            else:
                self.early.append((seam, theirs))
            if beyond:
                take([beyond])

        return taken

    def _compare(self, seam: ByteRange, theirs: bytes) -> None:
        if self.file.read(seam) != theirs:
            raise ObjectChanged(f"{self.obj.path}: the bytes before {seam.stop} are not those on disk")

    # one stream

    async def _pour(self, span: ByteRange | None, cursor: _Cursor, admit: Admit) -> None:
        """Read ``span`` and write it at the cursor, which moves as bytes reach the disk: a batch, before the next one is received."""
        full: DiskFull | None = None
        kept: list[bytes] = []

        def put(pieces: Pieces) -> None:
            began_s = time.monotonic()
            self.file.write(cursor.position, pieces)
            cursor.position += sum(map(len, pieces))
            cursor.busy_s += time.monotonic() - began_s

        def write(pieces: Pieces) -> None:
            nonlocal full, kept
            try:
                put(pieces)
            except DiskFull as error:
                full, kept = error, list(map(bytes, pieces))

        async def again() -> None:
            nonlocal full
            if full is not None:
                error, full = full, None
                raise error
            await self._thread(put, kept)

        async def once_there_is_room() -> None:
            self.reader.meter.writes_waiting += 1
            try:
                await self.space.insist(again)
            finally:
                self.reader.meter.writes_waiting -= 1

        async with self.reader.open(span) as (body, stream), aclosing(body.pour(admit(body, write))) as sizes:
            async for size in sizes:
                if full is not None:
                    await once_there_is_room()
                await self._reached(cursor, stream, size)

    async def _reached(self, cursor: _Cursor, stream: Stream, size: int) -> None:
        """A batch of ``size`` bytes is on disk, less what was read to be compared."""
        fresh = cursor.position - cursor.told
        self.reader.meter.write_busy_s += cursor.busy_s
        cursor.told, cursor.busy_s = cursor.position, 0.0
        await self.reader.count(stream, size, again=size - fresh)
        if self.obj.ranges and fresh:
            await self.noted(cursor.noted)  # the batch before this one: what a kill costs is two of them
            cursor.noted = self.note(ByteRange(start=cursor.start, stop=cursor.position))

    async def _thread(self, work: Callable[[*Args], T], *args: *Args) -> T:
        return await to_thread.run_sync(work, *args, limiter=self.threads)
