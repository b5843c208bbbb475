"""One transfer, whatever its source: look what is there, read what is missing, verify, commit.

The promises are those of the architecture: only bytes of one version are joined, a file gets its name when it is verified, what an
interruption leaves is used by the next attempt or run.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar, TypeVarTuple

from anyio import CancelScope, CapacityLimiter, to_thread

from skyhaul.errors import IntegrityError, ObjectChanged, SkyhaulError
from skyhaul.events import Flow, Meter, TransferFinished, TransferStarted
from skyhaul.hands import Hands
from skyhaul.journal import Journal, KnownFile
from skyhaul.limits import Allowance
from skyhaul.model import ByteRange, Checksum, Failed, Outcome, RemoteObject, Route, Verified
from skyhaul.protocols import SMALL_BYTES, Emit, Source
from skyhaul.retry import RetryPolicy
from skyhaul.transfer import checksum as digests
from skyhaul.transfer import fetch
from skyhaul.transfer.partfile import Follower, PartFile
from skyhaul.transfer.reader import Ledger, Reader
from skyhaul.transfer.sink import is_intact, put, vindicate, writing
from skyhaul.transfer.space import Space

WRITERS = 8

T = TypeVar("T")
Args = TypeVarTuple("Args")


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """An object on its way: ``staged`` is where it is put together, ``final`` where it may be already."""

    product: str
    name: str
    obj: RemoteObject
    staged: Path
    final: Path
    known: KnownFile | None = None
    follower: Follower | None = None
    doubt: Callable[[], Awaitable[Sequence[Checksum]]] | None = None
    """Asks the archive again what the digests are: they may come late, and are sometimes mended."""

    fresh: bool = False
    """Neither place has anything of its product."""

    @property
    def checksum(self) -> Checksum | None:
        """What the bytes are verified against."""
        return digests.strongest(self.obj.checksums)

    @property
    def parted(self) -> digests.Parted | None:
        """What may prove the bytes where there is no checksum."""
        return None if self.checksum else digests.of_parts(self.obj.etag, self.obj.size)

    @property
    def level(self) -> str:
        """The level that its verification reaches; one more where its parts prove it."""
        return digests.level(self.checksum) if self.checksum else "length"


class Engine:
    """Carries out transfers under one account's allowance."""

    def __init__(
        self,
        *,
        sources: Mapping[Route, Source],
        allowance: Allowance,
        retry: RetryPolicy,
        journal: Journal,
        space: Space,
        meter: Meter,
        emit: Emit,
    ) -> None:
        self._sources = sources
        self._space = space
        self._allowance = allowance
        self._retry = retry
        self._journal = journal
        self._meter = meter
        self._emit = emit
        self._threads = CapacityLimiter(WRITERS)
        self.hands = Hands(WRITERS)
        """For what is small."""

    async def carry_out(self, transfer: Transfer) -> Outcome:
        """Bring one object to disk, verified. An expected failure is a value, not an exception."""
        ledger = Ledger()
        try:
            return await self._settled(transfer, ledger)
        except SkyhaulError as error:
            return Failed(
                path=transfer.obj.path,
                kind=error.kind,
                error=str(error),
                attempts=ledger.attempts,
                exit_code=error.exit_code,
                fatal=error.fatal,
            )

    async def _settled(self, transfer: Transfer, ledger: Ledger) -> Verified:
        if (there := await self._already(transfer)) is not None:
            return there
        try:
            return await self._fetched(transfer, ledger)
        except (IntegrityError, ObjectChanged) as error:
            if (
                isinstance(error, IntegrityError)
                and (right := await self._right_after_all(transfer, ledger)) is not None
            ):
                return right
            # Once more from nothing. It may have been replaced since it was listed, so what the listing said of its version is
            # dropped; what was said of its content is not.
            self._emit(ledger.failed(transfer.obj, error, wait_s=0.0))
            self._journal.forget(transfer.product, transfer.obj.path)
            return await self._fetched(replace(transfer, known=None, obj=_unpinned(transfer.obj, error)), ledger)

    async def _right_after_all(self, transfer: Transfer, ledger: Ledger) -> Verified | None:
        """The object as it came, if what its archive now says of it is something else than it said before, and true."""
        stated = digests.strongest(await transfer.doubt()) if transfer.doubt is not None else None
        if stated is None or stated == transfer.checksum:
            return None
        size = await self._thread(vindicate, transfer.staged, stated)
        if size is None:
            return None
        level = digests.level(stated)
        self._journal.whole(
            transfer.product, transfer.obj.path, size=size, etag=transfer.obj.etag, checksum=stated, level=level
        )
        return Verified(
            path=transfer.obj.path,
            size=size,
            level=level,
            seconds=0.0,
            attempts=ledger.attempts,
            fetched=ledger.fetched,
        )

    async def _already(self, transfer: Transfer) -> Verified | None:
        """The object, if an earlier run brought it: trusted as far as the journal knows it, else verified again."""
        known, obj, checksum = transfer.known, transfer.obj, transfer.checksum
        stated = (obj.etag, checksum.value if checksum else None)
        trusted = known is not None and known.level is not None and (known.etag, known.digest) == stated

        def look() -> int | None:
            for path in (transfer.staged, transfer.final):
                with writing(path):
                    if not path.is_file() or path.is_symlink():
                        continue
                    size = path.stat().st_size
                    # What is staged was not synced yet: after a power cut it may be less than the journal has of it.
                    believed = trusted and (path == transfer.final or checksum is None)
                    if obj.size in {None, size} and (believed or is_intact(path, checksum)):
                        return size
            return None

        size = None if transfer.fresh else await self._thread(look)
        if size is None:
            return None
        if not trusted:
            self._whole(transfer, size, transfer.level)
        level = known.level if known is not None and known.level else transfer.level
        return Verified(path=obj.path, size=size, level=level, seconds=0.0, attempts=0, fetched=0)

    async def _fetched(self, transfer: Transfer, ledger: Ledger) -> Verified:
        obj = transfer.obj
        flow = Flow(product=transfer.name, path=obj.path, route=obj.route, size=obj.size)
        reader = Reader(
            source=self._sources[obj.route],
            allowance=self._allowance,
            retry=self._retry,
            meter=self._meter,
            emit=self._emit,
            obj=obj,
            flow=flow,
            ledger=ledger,
        )
        self._meter.flows[transfer.product, obj.path] = flow
        try:
            size, proved = await (
                self._in_memory(transfer, reader) if _small(transfer) else self._in_parts(transfer, reader)
            )
        finally:
            self._meter.flows.pop((transfer.product, obj.path), None)
        level = "etag" if proved else transfer.level
        noted = self._whole(transfer, size, level)
        if transfer.checksum is None and not _small(transfer):
            await self._journal.committed(noted)  # nothing but this fact tells a later run that the bytes are right
        seconds = time.monotonic() - flow.started_s
        self._emit(TransferFinished(product=transfer.name, path=obj.path, bytes=size, seconds=seconds, level=level))
        return Verified(
            path=obj.path,
            size=size,
            level=level,
            seconds=seconds,
            attempts=ledger.attempts,
            fetched=ledger.fetched,
        )

    async def _in_memory(self, transfer: Transfer, reader: Reader) -> tuple[int, bool]:
        """A small object: one request, one fact, written beside others on the same thread. A kill costs all of it."""
        size = transfer.obj.size or 0
        self._emit(TransferStarted(product=transfer.name, path=transfer.obj.path, size=size, offset=0))
        chunks = await reader.whole(size) if size else []
        reader.flow.verifying = True
        work = partial(self.hands.do, put, transfer.staged, chunks, transfer.checksum, transfer.parted)
        return size, await self._space.insist(work, size)

    async def _in_parts(self, transfer: Transfer, reader: Reader) -> tuple[int, bool]:
        obj, flow = transfer.obj, reader.flow
        file = PartFile(transfer.staged, transfer.checksum, _resumable(transfer), transfer.follower, transfer.parted)
        await self._space.insist(partial(self._thread, file.open))
        try:
            flow.done = sum(map(len, file.done))
            # What is on disk may be less than the journal has it: it is told anew.
            self._journal.begun(transfer.product, obj.path, size=obj.size, etag=obj.etag, checksum=transfer.checksum)
            for span in file.done:
                self._journal.span(transfer.product, obj.path, span)
            self._emit(TransferStarted(product=transfer.name, path=obj.path, size=obj.size, offset=flow.done))
            fetching = fetch.Fetch(
                reader=reader,
                space=self._space,
                threads=self._threads,
                note=lambda span: self._journal.span(transfer.product, obj.path, span),
                noted=self._journal.committed,
                file=file,
                seams=transfer.checksum is None,
            )
            size = await fetching.run()
            flow.verifying = True
            return size, await self._space.insist(partial(self._thread, file.seal, size))
        finally:
            with CancelScope(shield=True):
                await self._thread(file.close)

    async def _thread(self, work: Callable[[*Args], T], *args: *Args) -> T:
        return await to_thread.run_sync(work, *args, limiter=self._threads)

    def _whole(self, transfer: Transfer, size: int, level: str) -> int:
        obj = transfer.obj
        return self._journal.whole(
            transfer.product, obj.path, size=size, etag=obj.etag, checksum=transfer.checksum, level=level
        )


def _small(transfer: Transfer) -> bool:
    """Whether the object is small, and nobody follows it or goes on with what is there of it."""
    size = transfer.obj.size
    return size is not None and size <= SMALL_BYTES and transfer.follower is None and not _resumable(transfer)


def _resumable(transfer: Transfer) -> tuple[ByteRange, ...]:
    """The spans of an earlier run that may be gone on from: of the same version, from a host that serves ranges."""
    known, obj = transfer.known, transfer.obj
    pinned = obj.etag is not None or transfer.checksum is not None
    same = known is not None and known.size == obj.size and known.etag == obj.etag
    return known.spans if known is not None and same and pinned and obj.ranges else ()


def _unpinned(obj: RemoteObject, error: SkyhaulError) -> RemoteObject:
    """The object without what its listing said of its version, if the version is what has changed.

    It is then read in one piece: nothing pins the parts of it to one version.
    """
    if not isinstance(error, ObjectChanged):
        return obj
    kept = tuple(checksum for checksum in obj.checksums if checksum.origin != "etag")
    return replace(obj, etag=None, size=None if kept else obj.size, checksums=kept, ranges=False)
