"""One run: products in, through the line, to the report. What is noted of it in the journal, who may end it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from datetime import time, timedelta
from functools import partial

import anyio
from anyio.streams.memory import MemoryObjectSendStream

from skyhaul import accounts
from skyhaul.assembly import Assembly, Order
from skyhaul.catalogue.deleted import explain
from skyhaul.catalogue.finding import countable
from skyhaul.compose import Parts
from skyhaul.errors import SkyhaulError
from skyhaul.events import Event, ProductFinished, RunFinished, RunStarted, SliceFailed, SliceFinished
from skyhaul.explained import Explained
from skyhaul.feed import PRODUCTS_QUEUED, Feed, Wanted
from skyhaul.journal import Journal
from skyhaul.limits import OPEN_FACTOR
from skyhaul.model import Product, ProductResult, Query, Report, TimeInterval
from skyhaul.orders import Book, Ordering, Orders, Stock
from skyhaul.pipeline import Craft, Line, Stopped, unwrapped
from skyhaul.protocols import Emit
from skyhaul.recall import Recalling, Refreshing, recallable
from skyhaul.settings import DownloadSettings, Settings
from skyhaul.tally import INTERRUPTED, Tally
from skyhaul.transfer.engine import Engine
from skyhaul.transfer.space import Space

Supply = Callable[[MemoryObjectSendStream[Product]], Coroutine[None, None, None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """A run into the destination that ``journal`` is of. ``account`` names whose allowance is spent."""

    settings: Settings
    download: DownloadSettings
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
        await journal.begin_run(title(self.settings.query))
        emit(self._started())
        line, orders = self._line(tally, emit)
        feed = Feed(query=self.settings.query, catalogue=recalling or parts.provider, asking=parts.asking(emit))
        supply: Supply = partial(feed.give, wanted) if wanted.given else feed.read
        if orders is not None:
            supply = _with_orders(supply, orders)
        try:
            async with accounts.shared(self.account, parts.allowance, parts.meter):
                exit_code, stopped = await ended(
                    line, supply, watch=parts.allowance.watch, handle_signals=handle_signals
                )
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

    def _line(self, tally: Tally, emit: Emit) -> tuple[Line, Orders | None]:
        parts, wanted, journal = self.parts, self.download, self.journal
        space = Space(wanted.into, patience_s=wanted.disk_wait_s, emit=emit)
        journal.insist = space.insist
        engine = Engine(
            sources=parts.sources,
            allowance=parts.allowance,
            retry=parts.retry,
            journal=journal,
            space=space,
            meter=parts.meter,
            emit=emit,
        )
        order = self._order()
        craft: Craft = Assembly(
            order=order,
            provider=parts.provider,
            engine=engine,
            journal=journal,
            space=space,
            allowance=parts.allowance,
            retry=parts.retry,
            emit=emit,
            meter=parts.meter,
            login=parts.tokens.token if parts.tokens else None,
        )

        hint = replace(parts.asking(emit), retry=replace(parts.retry, attempts=2))
        craft = Explained(craft, partial(explain, catalogue=parts.provider, asking=hint))
        craft = Refreshing(craft, parts.provider, parts.asking(emit))

        def conclude(result: ProductResult) -> None:
            if result.state in {"failed", "offline"}:
                journal.product(result, order.key)
            emit(ProductFinished(result=result))

        def settle(result: ProductResult) -> None:
            if orders is None or not orders.keeps(result.id):
                conclude(result)
                tally.check()
            if orders is not None:
                orders.settled(result)

        orders = None
        if wanted.order and isinstance(parts.provider, Stock):
            orders = Orders(
                stock=parts.provider,
                book=Book(journal),
                allowance=parts.allowance,
                emit=emit,
                settle=conclude,
                check=tally.check,
                wait_s=wanted.order_wait_s,
                patience_s=wanted.order_timeout_s,
            )
            craft = Ordering(craft, orders)
        # More workers than streams: while some open or seal their files, and some wait for an answer, others use the streams.
        streams = parts.allowance.connections
        line = Line(
            craft,
            workers=dict.fromkeys(parts.sources, OPEN_FACTOR * streams),
            products_at_once=3 * streams,
            settle=settle,
        )
        return line, orders

    def _order(self) -> Order:
        wanted = self.download
        return Order(
            destination=wanted.into,
            wish=wanted.wish(),
            layout=wanted.layout,
            extract=wanted.extract,
            keep_archive=wanted.keep_archive,
            require_verified=wanted.require_verified,
        )

    def _recalling(self, emit: Emit) -> Recalling | None:
        """The catalogue with what the journal remembers of it, where the query is one that it can be remembered for."""
        provider, query = self.parts.provider, self.settings.query
        if not recallable(provider, query) or not countable(provider, query):
            return None
        return Recalling(provider, self.journal, self._order().key, self.parts.asking(emit))


def _with_orders(supply: Supply, orders: Orders) -> Supply:
    """The supply, with what was ordered coming again once it is online."""

    async def both(out: MemoryObjectSendStream[Product]) -> None:
        send, receive = anyio.create_memory_object_stream[Product](PRODUCTS_QUEUED)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(supply, send)
            await orders.run(receive, out)

    return both


async def ended(
    line: Line, supply: Supply, *, watch: Callable[[], Coroutine[object, object, None]], handle_signals: bool
) -> tuple[int | None, str | None]:
    """Run the line to its end; the exit code and the reason if something ended it before."""
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
                tasks.start_soon(watch)
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


def title(query: Query) -> str:
    """The query in one line, as the dashboard and the journal head a run with it."""
    words = [
        query.provider,
        query.collection,
        " ".join(query.product_types),
        _days(query.sensing),
    ]
    words += [
        query.area_label,
        " ".join(query.tiles),
        f"cloud ≤ {query.cloud_max:g} %" if query.cloud_max is not None else None,
    ]
    return "  ".join(word for word in words if word)


def _days(span: TimeInterval) -> str | None:
    """The span as people say it: whole days without their midnights, the last day included."""
    start, end = span.start, span.end
    if span.open:
        return None
    if any(moment is not None and moment.time() != time.min for moment in (start, end)):
        return str(span)
    last = end - timedelta(days=1) if end else None
    return (
        f"{start:%Y-%m-%d} to {last:%Y-%m-%d}"
        if start and last
        else f"from {start:%Y-%m-%d}"
        if start
        else f"to {last:%Y-%m-%d}"
    )
