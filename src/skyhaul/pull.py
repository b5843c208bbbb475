"""One run: products in, through the line, to the report. What is noted of it in the journal, who may end it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, replace
from functools import partial

import anyio
from anyio.streams.memory import MemoryObjectSendStream

from skyhaul import accounts
from skyhaul.assembly import Assembly, Order
from skyhaul.catalogue.deleted import explain
from skyhaul.catalogue.finding import countable
from skyhaul.compose import Parts
from skyhaul.credentials import Credentials
from skyhaul.errors import ObjectOffline, SkyhaulError
from skyhaul.events import Event, Meter, ProductFinished, RunFinished, RunStarted, SliceFailed, SliceFinished
from skyhaul.explained import Explained
from skyhaul.feed import PRODUCTS_QUEUED, Feed, Wanted
from skyhaul.journal import Journal
from skyhaul.lanes import Lanes, begins, processes
from skyhaul.limits import OPEN_FACTOR, Allowance
from skyhaul.model import Product, ProductResult, Report
from skyhaul.orders import Book, Ordering, Orders, Stock
from skyhaul.pipeline import Craft, Line, Stopped, unwrapped
from skyhaul.protocols import Emit, LinkPaging
from skyhaul.recall import Recalling, Refreshing, recallable
from skyhaul.recall_whole import RecallingWhole
from skyhaul.settings import DownloadSettings, Settings
from skyhaul.tally import INTERRUPTED, Tally
from skyhaul.title import title
from skyhaul.transfer.engine import Engine
from skyhaul.transfer.space import Space

Supply = Callable[[MemoryObjectSendStream[Product]], Coroutine[None, None, None]]
Settle = Callable[[ProductResult], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """A run into the destination that ``journal`` is of. ``account`` names whose allowance is spent."""

    settings: Settings
    download: DownloadSettings
    credentials: Credentials
    account: str | None
    parts: Parts
    journal: Journal

    async def run(self, wanted: Wanted, *, handle_signals: bool) -> Report:
        """Fetch what is wanted, or all that the query finds.

        Raises:
            SkyhaulError: nothing was verified before the run ended.
        """
        journal, parts = self.journal, self.parts
        tally = Tally(self.download, parts.meter, self.settings.provider.bytes_per_s)

        def emit(event: Event) -> None:
            tally.note(event)
            _note_slice(journal, event)
            if recalling is not None:
                recalling.heard(event)
            parts.emit(event)

        recalling = None if wanted.given else self._recalling(emit)
        first = await journal.begin_run(title(self.settings.query))
        emit(self._started())
        connections, cores = parts.allowance.connections, os.cpu_count() or 1
        count = processes(self.download, self.settings.provider, connections, cores=cores)
        allowance, meter = (parts.allowance, parts.meter) if count == 1 else self._apart()
        line, orders = self._line(tally, emit, allowance, count)
        feed = Feed(query=self.settings.query, catalogue=recalling or parts.provider, asking=parts.asking(emit))
        supply: Supply = partial(feed.give, wanted) if wanted.given else feed.read
        if orders is not None:
            supply = _with_orders(supply, orders)
        try:
            account = self.account if count == 1 or orders is not None else None
            async with accounts.shared(account, allowance, meter, first=None if count == 1 else 0):
                # A login is a session of the account: a run that finds everything there needs none.
                prepare = (partial(parts.prepare, self.download.via),) if first else ()
                beside = (allowance.watch, *prepare)
                exit_code, stopped = await ended(line, supply, beside=beside, handle_signals=handle_signals)
        except SkyhaulError as error:
            if not tally.verified:
                raise
            exit_code, stopped = error.exit_code, str(error)
        if feed.error is not None:
            raise feed.error
        if orders is not None:
            orders.give_up(stopped or "the run ended")
        report = tally.report(feed.completeness, exit_code=exit_code, stopped=stopped)
        journal.end_run(report)
        emit(RunFinished(report=report))
        return report

    def _started(self) -> RunStarted:
        limits = self.settings.provider
        return RunStarted(
            provider=self.settings.query.provider,
            title=title(self.settings.query),
            destination=str(self.download.into),
            connections=self.parts.allowance.connections,
            bytes_per_s=limits.bytes_per_s_per_connection,
            requests_per_minute=limits.requests_per_minute,
            bytes_per_30_days=limits.bytes_per_30_days,
            max_bytes_per_s=self.download.max_rate,
        )

    def _apart(self) -> tuple[Allowance, Meter]:
        """An allowance for what is asked from here while other processes use the streams: orders."""
        limits, meter = self.settings.provider, Meter()
        connections = self.parts.allowance.connections
        return Allowance(connections=connections, requests_per_minute=limits.requests_per_minute, meter=meter), meter

    def _line(self, tally: Tally, emit: Emit, allowance: Allowance, count: int) -> tuple[Line | Lanes, Orders | None]:
        parts, journal, key = self.parts, self.journal, ordered(self.download).key

        def conclude(result: ProductResult) -> None:
            if result.state in {"failed", "offline"}:
                journal.product(result, key)
            emit(ProductFinished(result=result))

        def settle(result: ProductResult) -> None:
            if orders is None or not orders.keeps(result.id):
                conclude(result)
                tally.check()
            if orders is not None:
                orders.settled(result)

        orders = self._orders(allowance, emit, conclude, tally)
        space = roomy(self.download, journal, emit)
        if count > 1:
            return self._lanes(count, orders, emit, settle), orders
        craft = crafted(parts, self.download, journal, space, emit)
        return lined(craft if orders is None else Ordering(craft, orders), parts, settle), orders

    def _lanes(self, count: int, orders: Orders | None, emit: Emit, settle: Settle) -> Lanes:
        def settled(product: Product, result: ProductResult) -> None:
            if orders is not None and result.kind == ObjectOffline.__name__:
                orders.keep(product)
                result = replace(result, state="offline")
            settle(result)

        connections = self.parts.allowance.connections
        if orders is not None and not accounts.kept(self.account):
            connections = max(1, connections - 1)  # one is left for orders
        told = begins(min(count, connections), self.settings, self.credentials, self.account, connections)
        return Lanes(told, lock_fd=self.journal.lock_fd, meter=self.parts.meter, emit=emit, settle=settled)

    def _orders(self, allowance: Allowance, emit: Emit, conclude: Settle, tally: Tally) -> Orders | None:
        wanted, stock = self.download, self.parts.provider
        if not wanted.order or not isinstance(stock, Stock):
            return None
        return Orders(
            stock=stock,
            book=Book(self.journal),
            allowance=allowance,
            emit=emit,
            settle=conclude,
            check=tally.check,
            wait_s=wanted.order_wait_s,
            patience_s=wanted.order_timeout_s,
        )

    def _recalling(self, emit: Emit) -> Recalling | None:
        """The catalogue with what the journal remembers of it, where the query is one that it can be remembered for."""
        provider, query = self.parts.provider, self.settings.query
        if not recallable(provider, query) or not countable(provider, query):
            return None
        kind = RecallingWhole if isinstance(provider.paging, LinkPaging) else Recalling
        return kind(provider, self.journal, ordered(self.download).key, self.parts.asking(emit))


def ordered(wanted: DownloadSettings) -> Order:
    """What is wanted of every product."""
    return Order(
        destination=wanted.into,
        wish=wanted.wish(),
        layout=wanted.layout,
        extract=wanted.extract,
        keep_archive=wanted.keep_archive,
        require_verified=wanted.require_verified,
    )


def roomy(wanted: DownloadSettings, journal: Journal, emit: Emit) -> Space:
    """The destination's disk, which ``journal`` waits for too."""
    space = Space(wanted.into, patience_s=wanted.disk_wait_s, emit=emit)
    journal.insist = space.insist
    return space


def crafted(parts: Parts, wanted: DownloadSettings, journal: Journal, space: Space, emit: Emit) -> Craft:
    """What is done with each product."""
    engine = Engine(
        sources=parts.sources,
        allowance=parts.allowance,
        retry=parts.retry,
        journal=journal,
        space=space,
        meter=parts.meter,
        emit=emit,
    )
    craft: Craft = Assembly(
        order=ordered(wanted),
        provider=parts.provider,
        engine=engine,
        journal=journal,
        space=space,
        allowance=parts.allowance,
        retry=parts.retry,
        emit=emit,
        meter=parts.meter,
        login=parts.login,
    )
    hint = replace(parts.asking(emit), retry=replace(parts.retry, attempts=2))
    craft = Explained(craft, partial(explain, catalogue=parts.provider, asking=hint))
    return Refreshing(craft, parts.provider, parts.asking(emit))


def lined(craft: Craft, parts: Parts, settle: Settle) -> Line:
    """The line of one process."""
    # More workers than streams: while some open or seal their files, and some wait for an answer, others use the streams.
    streams = parts.allowance.connections
    workers = dict.fromkeys(parts.sources, OPEN_FACTOR * streams)
    return Line(craft, workers=workers, products_at_once=3 * streams, settle=settle)


def _with_orders(supply: Supply, orders: Orders) -> Supply:
    """The supply, with what was ordered coming again once it is online."""

    async def both(out: MemoryObjectSendStream[Product]) -> None:
        send, receive = anyio.create_memory_object_stream[Product](PRODUCTS_QUEUED)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(supply, send)
            await orders.run(receive, out)

    return both


async def ended(
    line: Line | Lanes,
    supply: Supply,
    *,
    beside: Iterable[Callable[[], Coroutine[object, object, None]]],
    handle_signals: bool,
) -> tuple[int | None, str | None]:
    """Run the line to its end, and no longer what goes on ``beside`` it; the exit code and the reason if something ended it before."""
    interrupted = False

    async def watch_signals(scope: anyio.CancelScope) -> None:
        nonlocal interrupted
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for _ in signals:
                interrupted = True
                scope.cancel()  # a second signal then meets the default handler, which ends the process

    try:
        with unwrapped():
            async with anyio.create_task_group() as tasks:
                if handle_signals:
                    tasks.start_soon(watch_signals, tasks.cancel_scope)
                send, receive = anyio.create_memory_object_stream[Product](PRODUCTS_QUEUED)
                tasks.start_soon(supply, send)
                for work in beside:
                    tasks.start_soon(work)
                await line.run(receive)
                tasks.cancel_scope.cancel()
    except Stopped as stop:
        return stop.exit_code, str(stop)
    return (INTERRUPTED, "interrupted; run again to resume") if interrupted else (None, None)


def _note_slice(journal: Journal, event: Event) -> None:
    match event:
        case SliceFinished():
            journal.slice_read(event.slice, event.products)
        case SliceFailed():
            journal.slice_read(event.slice, None, event.error)
