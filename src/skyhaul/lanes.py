"""A run in several processes: products are dealt out to them by demand, and what they say is heard here as if it had happened here.

Each is :mod:`skyhaul.lane`, told everything through a pipe, secrets too: command lines are public. They share the folder, its journal and
its lock, so that no other run begins in it as long as one of them lives. Where the account has a ledger, they share its streams like any
other processes; else each has its part of them. One that ends without being told to is replaced, and its products are begun again; a
product that two of them ended with has failed.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from subprocess import DEVNULL
from typing import TypeVar

import anyio
from anyio.abc import ByteSendStream, Process, TaskStatus
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from skyhaul import accounts, errors
from skyhaul.archives import ProviderSettings
from skyhaul.credentials import Credentials
from skyhaul.errors import SkyhaulError
from skyhaul.events import AttemptFailed, Event, Meter
from skyhaul.limits import WINDOW_S
from skyhaul.model import Product, ProductResult
from skyhaul.pipeline import EXPANDERS, Stopped
from skyhaul.protocols import Emit
from skyhaul.settings import DownloadSettings, Settings

P = TypeVar("P")

ONE_PROCESS_BYTES_PER_S = 300_000_000
"""What one process brings over TLS where nothing else limits it (``benchmarks/throughput.py``)."""

COMMAND = (sys.executable, "-P", "-m", "skyhaul.lane")
END_S = 10.0
"""How long a process may take to end once it is told to."""

_HEAD_BYTES = 4
_COUNTS = ("received_bytes", "refetched_bytes", "write_busy_s")
_GAUGES = ("streams", "streams_wanted", "writes_waiting", "expanding", "queued_objects")


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """What a process is told first. ``account`` is ``None`` where it has its ``streams`` for itself, else it begins with so many."""

    settings: Settings
    credentials: Credentials
    account: str | None
    streams: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """Why a process could not go on: the class of what was raised, and its text."""

    kind: str
    error: str
    exit_code: int = 1

    def raised(self) -> Exception:
        """What was raised there, to be raised here. What nobody expected stays a bug."""
        if self.kind == Stopped.__name__:
            return Stopped(self.error, self.exit_code)
        expected: type[SkyhaulError] | None = getattr(errors, self.kind, None)
        if expected is None:
            return RuntimeError(f"in one of the processes: {self.kind}: {self.error}")
        return expected.__new__(expected, self.error)  # some take more than a text, of which nothing is asked any more


def packed(message: object) -> bytes:
    """A message as it goes through a pipe between two processes of one run."""
    body = pickle.dumps(message)
    return len(body).to_bytes(_HEAD_BYTES, "big") + body


class Messages:
    """Messages from the other end of a pipe, until it is closed. Whoever stops listening may listen again: none is lost."""

    def __init__(self, receive: Callable[[], Awaitable[bytes]]) -> None:
        self._receive = receive
        self._waiting = bytearray()

    async def __aiter__(self) -> AsyncIterator[object]:
        while True:
            while (message := self._next()) is not None:
                yield message
            try:
                self._waiting += await self._receive()
            except anyio.EndOfStream:
                return

    def _next(self) -> object:
        end = _HEAD_BYTES + int.from_bytes(self._waiting[:_HEAD_BYTES], "big")
        if len(self._waiting) < max(end, _HEAD_BYTES + 1):
            return None
        body = bytes(self._waiting[_HEAD_BYTES:end])
        del self._waiting[:end]
        return pickle.loads(body)  # noqa: S301 both ends of the pipe are ours


def processes(download: DownloadSettings, archive: ProviderSettings, connections: int, *, cores: int) -> int:
    """How many processes a run takes: what is wanted of them, and never more than there are connections.

    By itself it takes several only where one would be the limit and would leave cores idle: receiving and writing keep two busy. On a
    machine of two, shared with the server, a second process gained nothing (``benchmarks/processes.py``).
    """
    if download.processes != "auto":
        return min(download.processes, connections)
    limits = [limit for limit in (archive.bytes_per_s, download.max_rate) if limit is not None]
    if min(limits, default=inf) <= ONE_PROCESS_BYTES_PER_S:
        return 1
    return max(1, min(cores // 2, connections // 2))


def begins(
    count: int, settings: Settings, credentials: Credentials, account: str | None, connections: int
) -> Sequence[Begin]:
    """What ``count`` processes are told, so that together they keep within what one might do."""
    download, archive = settings.download, settings.provider
    if download is None:
        raise ValueError("a run has a destination")
    shared = accounts.kept(account)
    rate = download.max_rate and max(1, download.max_rate // count)
    requests = archive.requests_per_minute and max(1, archive.requests_per_minute // count)
    own = archive if shared else replace(archive, requests_per_minute=requests)
    providers = {**settings.providers, settings.query.provider: own}

    def told(streams: int) -> Begin:
        wanted = replace(download, processes=1, max_rate=rate, connections=download.connections if shared else streams)
        given = replace(settings, download=wanted, providers=providers)
        return Begin(settings=given, credentials=credentials, account=account if shared else None, streams=streams)

    return [told(connections // count + (number < connections % count)) for number in range(count)]


@dataclass(slots=True, eq=False)
class _Lane:
    """One process after the other that work for one share of the run. ``in_hand`` are products given out and not settled."""

    begin: Begin
    in_hand: dict[str, Product] = field(default_factory=dict)
    outbox: MemoryObjectSendStream[Product] | None = None
    meter: Meter = field(default_factory=Meter)
    ready: bool = False

    @property
    def full(self) -> bool:
        """As many as a line has between its ends."""
        return len(self.in_hand) >= 3 * self.begin.streams + EXPANDERS

    def give(self, product: Product) -> None:
        self.in_hand[product.id] = product
        if self.outbox is not None:
            self.outbox.send_nowait(product)


class Lanes:
    """A line in several processes. ``settle`` is told each product with its result, and may raise :class:`Stopped`.

    ``meter`` shows all of them together. ``lock_fd`` is held open by each, for as long as it lives.
    """

    def __init__(
        self,
        begins: Iterable[Begin],
        *,
        lock_fd: int,
        meter: Meter,
        emit: Emit,
        settle: Callable[[Product, ProductResult], None],
    ) -> None:
        self._lanes = [_Lane(begin) for begin in begins]
        self._lock_fd = lock_fd
        self._meter = meter
        self._emit = emit
        self._settle = settle
        self._gone: list[Meter] = []
        self._lost: set[str] = set()
        self._changed = anyio.Event()

    async def run(self, products: MemoryObjectReceiveStream[Product]) -> None:
        """Have every product carried out that comes, until the stream ends.

        Raises:
            SkyhaulError: what is fatal and was met in one of the processes; alone or in a group.
            Stopped: what is fatal and was met later, or what the user asked for; alone or in a group.
        """
        async with products, anyio.create_task_group() as tasks:
            async with anyio.create_task_group() as starting:
                for lane in self._lanes:
                    starting.start_soon(tasks.start, self._keep, lane)
            async for product in products:
                while (lane := min(self._lanes, key=lambda each: len(each.in_hand))).full:
                    await self._changed.wait()
                lane.give(product)
            while any(lane.in_hand for lane in self._lanes):
                await self._changed.wait()
            tasks.cancel_scope.cancel()

    async def _keep(self, lane: _Lane, *, task_status: TaskStatus[None]) -> None:
        """Have a process for the lane for as long as the run lasts."""
        started: Callable[[], None] = task_status.started
        while True:
            code = await self._live(lane, started)
            self._missed(lane, f"signal {-code}" if code < 0 else f"exit code {code}")
            started = _nobody

    async def _live(self, lane: _Lane, started: Callable[[], None]) -> int:
        """One process from its beginning to its end; its exit code."""
        lane.ready = False
        with anyio.CancelScope(shield=True):  # or a process might be begun that nobody knows of
            process = await anyio.open_process(
                COMMAND,
                stderr=None if os.environ.get("SKYHAUL_DEBUG") else DEVNULL,
                env=_environment(),
                start_new_session=True,  # Ctrl-C is for us to hear
                pass_fds=(self._lock_fd,),
            )
        send, receive = anyio.create_memory_object_stream[Product](inf)
        heard = Messages(_there(process.stdout).receive)
        try:
            with send, receive:
                for product in lane.in_hand.values():
                    send.send_nowait(product)
                lane.outbox = send
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(_tell, _there(process.stdin), lane.begin, receive)
                    async for message in heard:
                        self._hear(lane, message)
                        if lane.ready:
                            started()
                            started = _nobody
                    tasks.cancel_scope.cancel()
        finally:
            lane.outbox = None
            await self._end(lane, process, heard)
        return process.returncode or 0

    async def _end(self, lane: _Lane, process: Process, heard: Messages) -> None:
        """Tell a process to end, and hear what it still has to say: perhaps what else came of its last result."""
        failure: Exception | None = None
        with anyio.move_on_after(END_S, shield=True):
            await _there(process.stdin).aclose()
            async for message in heard:
                try:
                    self._hear(lane, message)
                except (Stopped, SkyhaulError, RuntimeError) as error:
                    failure = failure or error
            await process.wait()
        with anyio.CancelScope(shield=True):
            if process.returncode is None:
                process.kill()
            await process.aclose()
        if failure is not None:
            raise failure

    def _hear(self, lane: _Lane, message: object) -> None:
        match message:
            case Event():
                self._emit(message)
            case ProductResult():
                self._settled(lane, message)
            case Meter():
                lane.ready, lane.meter = True, message
                self._measure(message)
            case Ended():
                raise message.raised()

    def _settled(self, lane: _Lane, result: ProductResult) -> None:
        product = lane.in_hand.pop(result.id)
        self._changed.set()
        self._changed = anyio.Event()
        self._settle(product, result)

    def _missed(self, lane: _Lane, how: str) -> None:
        """A process has ended by itself. What it had in hand is begun again, once.

        Raises:
            SkyhaulError: it had not even begun.
        """
        if not lane.ready:
            raise SkyhaulError(f"a process for --processes ended before it began ({how})")
        last, lane.meter = lane.meter, Meter()
        for name in _GAUGES:
            setattr(last, name, 0)
        last.flows = {}
        self._gone.append(last)
        told = AttemptFailed(
            host="this machine", what="one of the processes", kind="ProcessLost", error=f"it ended by {how}", wait_s=0.0
        )
        self._emit(told)
        again = self._lost & set(lane.in_hand)
        self._lost |= set(lane.in_hand)
        for key in again:
            product = lane.in_hand[key]
            error = f"two processes ended while they had it in hand, the last by {how}"
            self._settled(lane, ProductResult(id=key, name=product.name, state="failed", kind=told.kind, error=error))

    def _measure(self, news: Meter) -> None:
        """Show the sums of all processes; ``news`` has the requests that were sent since its last."""
        meters = [*self._gone, *(lane.meter for lane in self._lanes)]
        for name in (*_COUNTS, *_GAUGES):
            setattr(self._meter, name, sum(getattr(each, name) for each in meters))
        self._meter.flows = {key: flow for each in meters for key, flow in each.flows.items()}
        self._meter.bytes_30_days, self._meter.processes = news.bytes_30_days, news.processes
        merged = sorted([*self._meter.requests, *news.requests])
        self._meter.requests.clear()
        self._meter.requests.extend(at_s for at_s in merged if at_s > merged[-1] - WINDOW_S)


def _nobody() -> None:
    """Nobody waits any more."""


def _there(pipe: P | None) -> P:
    """The pipe of a process that was started with one."""
    if pipe is None:
        raise RuntimeError("a process without a pipe")
    return pipe


async def _tell(stdin: ByteSendStream, begin: Begin, products: MemoryObjectReceiveStream[Product]) -> None:
    """Write down a pipe; that nobody reads any more is learnt from the other one."""
    with suppress(OSError, anyio.BrokenResourceError):
        await stdin.send(packed(begin))
        async for product in products:
            await stdin.send(packed(product))


def _environment() -> dict[str, str]:
    """Ours, in which the same skyhaul is found."""
    paths = (str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH"))
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
