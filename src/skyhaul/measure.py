"""What this machine and link can do: bytes of one object fetched again and again, with other settings each time.

They take the way that a download's take, without journal and retries: parts, batches written and hashed on threads. What is written is
deleted again.
"""

from __future__ import annotations

import itertools
import os
import platform
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar, TypeVarTuple

import anyio
from anyio import CapacityLimiter, to_process, to_thread

from skyhaul.compose import Parts, composed
from skyhaul.credentials import Credentials
from skyhaul.errors import HostBusy, ObjectMissing, SkyhaulError
from skyhaul.events import Meter
from skyhaul.model import ByteRange, Checksum, Product, RemoteObject
from skyhaul.pipeline import unwrapped
from skyhaul.protocols import BATCH_BYTES, Pieces, Slice, Source, Wish
from skyhaul.settings import Settings
from skyhaul.sources import http
from skyhaul.transfer.engine import WRITERS
from skyhaul.transfer.fetch import PART_BYTES
from skyhaul.transfer.partfile import PartFile
from skyhaul.transfer.sink import writing

ENOUGH = 0.95
"""Fewer connections that reach so much of the best rate are better than more."""

BUSY = 0.85
"""Of a core, from which on the processor is what limits one process."""

WARM_S = 0.2

RESTS_S = (0.5, 1.0, 2.0)
"""How long a host that refuses is left alone: archives release the streams of the setup before late."""

DISK_BLOCKS_MAX = 512
_HASHED = Checksum(algorithm="BLAKE3", value="0" * 64)

T = TypeVar("T")
Args = TypeVarTuple("Args")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """How bytes are fetched: streams at once, of all processes together, in parts of how many bytes, hashed or not."""

    connections: int
    part_bytes: int
    verified: bool = True
    processes: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What came of a setup: bytes on disk, in how many seconds, and the processor's seconds in our processes."""

    setup: Setup
    bytes: int
    seconds: float
    cpu_s: float

    @property
    def rate(self) -> float:
        """Bytes a second."""
        return self.bytes / self.seconds

    @property
    def cores(self) -> float:
        """How many cores our processes kept busy."""
        return self.cpu_s / self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """What to try: so many ``connections``, parts of so many bytes, processes up to the number of cores, ``seconds`` for each."""

    connections: tuple[int, ...] = (1, 2, 4, 8, 16)
    part_bytes: tuple[int, ...] = (1 << 20, 4 << 20, 16 << 20, PART_BYTES)
    processes: tuple[int, ...] = (2, 4, 8)
    seconds: float = 3.0


QUICK = Sweep(connections=(1, 4, 8), part_bytes=(4 << 20, PART_BYTES), processes=(2,), seconds=0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was measured. ``by_part`` is empty where the host serves no parts, ``by_processes`` where there is one core.

    ``verified`` and ``unverified`` have the setup of the best of ``by_connections`` and were measured one after the other: links drift.
    """

    by_connections: tuple[Point, ...]
    by_part: tuple[Point, ...]
    verified: Point
    unverified: Point
    by_processes: tuple[Point, ...] = ()
    disk_bytes_per_s: float
    cores: int

    @property
    def best(self) -> Point:
        """The fewest connections that are about as fast as the fastest."""
        return chosen(self.by_connections)


def chosen(points: Sequence[Point]) -> Point:
    """The first of ``points`` that reaches nearly the rate of the best."""
    enough = ENOUGH * max(point.rate for point in points)
    return next(point for point in points if point.rate >= enough)


def limit(figures: Figures) -> str:
    """What keeps the best setup from being faster: ``disk``, ``processor`` or ``link``."""
    if figures.best.rate >= ENOUGH * figures.disk_bytes_per_s:
        return "disk"
    return "processor" if figures.best.cores >= BUSY else "link"


def shared(best: Setup, processes: Sequence[int], cores: int) -> list[Setup]:
    """``best`` with its connections dealt out to as many processes as there are cores for, one each at least."""
    return [
        replace(best, processes=each, connections=max(best.connections, each)) for each in processes if each <= cores
    ]


def spans(size: int, part_bytes: int) -> Iterator[ByteRange]:
    """Parts of an object of ``size`` bytes, from its first to its last and again, without end."""
    starts = range(0, size, part_bytes)
    return (ByteRange(start=start, stop=min(start + part_bytes, size)) for start in itertools.cycle(starts))


def machine() -> str:
    """Cores, processor, system and Python, in one line."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    processor = next(names, platform.processor() or platform.machine())
    python = platform.python_version()
    return f"{os.cpu_count()} cores of {processor}, {platform.system()} {platform.release()}, Python {python}"


async def measured(
    settings: Settings,
    account: Credentials,
    product: Product | None,
    *,
    sweep: Sweep,
    folder: Path,
    note: Callable[[Point], None] = lambda _: None,
) -> Figures:
    """Fetch the largest object of ``product``, or of the first that the query finds, with every setup of ``sweep``.

    ``note`` is told of each as it is done. Files are written below ``folder``, and are gone afterwards.

    Raises:
        ObjectMissing: there is nothing to fetch.
        RemoteError: a request failed: only a host that refuses is asked again.
        SinkError: the folder cannot be written.
    """
    with unwrapped():
        async with (
            http.opened(stall_s=settings.provider.stall_s) as plain,
            composed(settings, account, plain, emit=lambda _: None, meter=Meter()) as parts,
        ):
            obj = await _largest(parts, product or await _first(parts, settings))
            scratch = await to_thread.run_sync(_scratch, folder)
            with scratch as name:
                apart = Apart(settings=settings, account=account, obj=obj, folder=Path(name))
                bench = Bench(source=parts.sources[obj.route], obj=obj, folder=Path(name), apart=apart.point)
                return await bench.swept(sweep, note)


def _scratch(folder: Path) -> TemporaryDirectory[str]:
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        return TemporaryDirectory(prefix=".skyhaul-bench-", dir=folder)


async def _first(parts: Parts, settings: Settings) -> Product:
    query = settings.query
    page = await parts.retry.call(
        lambda: parts.provider.page(Slice(query=query, interval=query.sensing), 0, count=False)
    )
    if not page.products:
        raise ObjectMissing("the archive has no product to measure with")
    return page.products[0]


async def _largest(parts: Parts, product: Product) -> RemoteObject:
    objects = await parts.provider.objects(product, Wish(via="auto" if product.provider == "list" else "s3"))
    largest = max(objects, key=lambda obj: obj.size or 0, default=None)
    if largest is None or largest.size == 0:
        raise ObjectMissing(f"{product.name} has no bytes to measure with")
    return largest


@dataclass(slots=True, kw_only=True)
class Bench:
    """One object, where it comes from and where it is written to."""

    source: Source
    obj: RemoteObject
    folder: Path
    apart: Callable[[Setup, float], Awaitable[Point | None]] | None = None
    """Fetches it in several processes; ``None`` is what comes of it where the host refuses."""

    _count: int = 0
    _threads: CapacityLimiter | None = None

    async def swept(self, sweep: Sweep, note: Callable[[Point], None]) -> Figures:
        """Every setup: connections, until the host refuses; with as many as were best parts, no hashing, processes; the disk alone."""

        async def point(setup: Setup) -> Point:
            found = await self._patiently(setup, sweep.seconds)
            note(found)
            return found

        await self.point(Setup(connections=1, part_bytes=PART_BYTES), WARM_S)
        by_connections: list[Point] = []
        for connections in sweep.connections:
            try:
                by_connections.append(await point(Setup(connections=connections, part_bytes=PART_BYTES)))
            except HostBusy:
                if not by_connections:
                    raise
                break  # it allows no more
        sizes = sweep.part_bytes if self._ranged else ()
        while True:
            best = chosen(by_connections).setup
            try:
                by_part = [await point(replace(best, part_bytes=size)) for size in sizes]
                verified = by_part[-1] if by_part and by_part[-1].setup == best else await point(best)
                unverified = await point(replace(best, verified=False))
                break
            except HostBusy:
                # It was served by luck: none of its streams happened to be open while another was one too many.
                by_connections = [each for each in by_connections if each.setup.connections < best.connections]
                if not by_connections:
                    raise
        by_processes = []
        for setup in shared(best, sweep.processes, os.cpu_count() or 1):
            found = await self.apart(setup, sweep.seconds) if self.apart else None
            if found is None:
                break
            by_processes.append(found)
            note(found)
        return Figures(
            by_connections=tuple(by_connections),
            by_part=tuple(by_part),
            verified=verified,
            unverified=unverified,
            by_processes=tuple(by_processes),
            disk_bytes_per_s=await to_thread.run_sync(disk_rate, self.folder, sweep.seconds),
            cores=os.cpu_count() or 1,
        )

    async def _patiently(self, setup: Setup, seconds: float) -> Point:
        for rest_s in RESTS_S:
            try:
                return await self.point(setup, seconds)
            except HostBusy:
                await anyio.sleep(rest_s)
        return await self.point(setup, seconds)

    async def point(self, setup: Setup, seconds: float) -> Point:
        """What ``setup`` brings in so many seconds."""
        self._count, self._threads = 0, CapacityLimiter(WRITERS)
        # Where there are no parts, each stream reads the whole, again and again.
        asked: Iterator[ByteRange | None] = (
            spans(self.obj.size, setup.part_bytes) if self._ranged and self.obj.size else itertools.repeat(None)
        )
        began_s, cpu_s = time.monotonic(), time.process_time()
        with unwrapped(), anyio.move_on_after(seconds):
            async with anyio.create_task_group() as tasks:
                for number in range(setup.connections):
                    tasks.start_soon(self._stream, asked, self.folder / str(number), setup.verified)
        ended_s, ended_cpu_s = time.monotonic(), time.process_time()
        return Point(setup=setup, bytes=self._count, seconds=ended_s - began_s, cpu_s=ended_cpu_s - cpu_s)

    @property
    def _ranged(self) -> bool:
        return self.obj.ranges and self.obj.size is not None

    async def _stream(self, asked: Iterator[ByteRange | None], path: Path, verified: bool) -> None:  # noqa: FBT001 handed to a task
        for span in asked:
            file = PartFile(path, _HASHED if verified else None)
            try:
                await self._thread(file.open)
                await self._part(span, file)
            finally:
                with anyio.CancelScope(shield=True):
                    await self._thread(_discard, file)

    async def _part(self, span: ByteRange | None, file: PartFile) -> None:
        """Each batch is written where it arrives, as in a download."""
        offset = 0

        def write(pieces: Pieces) -> None:
            nonlocal offset
            file.write(offset, pieces)
            offset += sum(map(len, pieces))

        async with self.source.read(self.obj, span, etag=None) as body, aclosing(body.pour(write)) as sizes:
            async for size in sizes:
                self._count += size

    async def _thread(self, work: Callable[[*Args], T], *args: *Args) -> T:
        return await to_thread.run_sync(work, *args, limiter=self._threads)


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart:
    """The same object, fetched by processes of their own. They stay, so that the first time is lost and the second counts."""

    settings: Settings
    account: Credentials
    obj: RemoteObject
    folder: Path

    async def point(self, setup: Setup, seconds: float) -> Point | None:
        """What ``setup`` brings in so many seconds; ``None`` where the host does not serve so many."""
        await self._once(setup, WARM_S)
        found = await self._once(setup, seconds)
        if None in found:
            return None
        points = [each for each in found if each is not None]
        return Point(
            setup=setup,
            bytes=sum(each.bytes for each in points),
            seconds=max(each.seconds for each in points),
            cpu_s=sum(each.cpu_s for each in points),
        )

    async def _once(self, setup: Setup, seconds: float) -> list[Point | None]:
        found: list[Point | None] = []
        limiter = CapacityLimiter(setup.processes)

        async def one(number: int, connections: int) -> None:
            mine = replace(setup, connections=connections, processes=1)
            folder = self.folder / f"process-{number}"
            found.append(
                await to_process.run_sync(_apart, self, mine, seconds, folder, limiter=limiter, cancellable=True)
            )

        async with anyio.create_task_group() as tasks:
            for number in range(setup.processes):
                tasks.start_soon(one, number, len(range(number, setup.connections, setup.processes)))
        return found


def _apart(apart: Apart, setup: Setup, seconds: float, folder: Path) -> Point | None:
    """What one of the processes does."""

    async def run() -> Point:
        async with (
            http.opened(stall_s=apart.settings.provider.stall_s) as plain,
            composed(apart.settings, apart.account, plain, emit=lambda _: None, meter=Meter()) as parts,
        ):
            return await Bench(source=parts.sources[apart.obj.route], obj=apart.obj, folder=folder).point(
                setup, seconds
            )

    folder.mkdir(exist_ok=True)
    try:
        return anyio.run(run)
    except SkyhaulError:
        return None  # one process alone was served


def disk_rate(folder: Path, seconds: float) -> float:
    """Bytes a second that one writer brings to the disk, synced at the end; half a gibibyte at most."""
    block, path = os.urandom(BATCH_BYTES), folder / "disk"
    began_s = time.monotonic()
    with writing(path):
        try:
            with path.open("wb", buffering=0) as file:
                written = file.write(block)
                while written < DISK_BLOCKS_MAX * BATCH_BYTES and time.monotonic() - began_s < seconds:
                    written += file.write(block)
                os.fsync(file.fileno())
            return written / (time.monotonic() - began_s)
        finally:
            path.unlink(missing_ok=True)


def _discard(file: PartFile) -> None:
    file.close()
    file.part.unlink(missing_ok=True)
