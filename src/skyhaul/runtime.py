"""Opens and closes everything, composes it, and carries out what a user asks: search, plan, download, check.

``async with runtime.opened(settings, credentials) as haul`` works wherever an event loop runs, a notebook included.
"""

from __future__ import annotations

import itertools
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import time, timedelta
from functools import partial

import anyio
import anyio.lowlevel
from anyio import to_thread
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from skyhaul import accounts
from skyhaul import journal as journals
from skyhaul.assembly import Assembly, Order
from skyhaul.catalogue.asking import Asking
from skyhaul.catalogue.deleted import Deleted, Remembering, explain, find_deleted
from skyhaul.catalogue.enumeration import Completeness
from skyhaul.catalogue.finding import countable, find_products
from skyhaul.catalogue.lookup import find_ids, find_named
from skyhaul.compose import Parts, check_credentials, composed, with_profile
from skyhaul.credentials import Credentials
from skyhaul.errors import AccessDenied, CatalogueError, HostUnreachable, SettingsError, SkyhaulError
from skyhaul.events import (
    Event,
    FilteredHere,
    Meter,
    ProductFinished,
    ProductFound,
    RunFinished,
    RunStarted,
    SliceFailed,
    SliceFinished,
)
from skyhaul.explained import Explained
from skyhaul.journal import Journal
from skyhaul.limits import OPEN_FACTOR
from skyhaul.model import Product, ProductResult, Query, Report, TimeInterval
from skyhaul.orders import Book, Ordering, Orders, Stock
from skyhaul.pipeline import Craft, Line, Stopped
from skyhaul.planning import Plan, planned
from skyhaul.protocols import Catalogue, Emit, Slice
from skyhaul.providers import find
from skyhaul.recall import Recalling, Refreshing, recallable
from skyhaul.settings import DownloadSettings, Settings
from skyhaul.sources import http
from skyhaul.tally import INTERRUPTED, Tally
from skyhaul.transfer.engine import Engine
from skyhaul.transfer.sink import check_writable, free_bytes
from skyhaul.transfer.space import Space

PRODUCTS_QUEUED = 4000
"""A page for each catalogue request in flight, so that a page is handed on at once: some 12 MB."""

TURN_PRODUCTS = 256
BUCKET = "eodata"
Feed = Callable[[MemoryObjectSendStream[Product]], Coroutine[None, None, None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was tried for ``auth check``, and what came of it."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Products that are known already, or by name or id, in place of a query."""

    products: Iterable[Product] = ()
    names: Sequence[str] = ()
    ids: Sequence[str] = ()
    given: bool = False


@dataclass(slots=True)
class _Found:
    """How an enumeration went; known once its products have all been taken."""

    completeness: Completeness | None = None
    error: SkyhaulError | None = None

    def settle(self) -> None:
        """Raise what kept the enumeration from being complete."""
        if self.error is not None:
            raise self.error
        if self.completeness is not None and self.completeness.incomplete:
            first, *more = self.completeness.incomplete
            if not more and first.kind == HostUnreachable.__name__:
                raise CatalogueError(f"the catalogue could not be read: {first.error}")
            names = "; ".join(map(str, self.completeness.incomplete))
            refused = self.completeness.exit_code == AccessDenied.exit_code
            kind = AccessDenied if refused else CatalogueError
            raise kind(f"the catalogue could not be read completely: {names}")


class Haul:
    """An archive, opened with an account. Made by :func:`opened`."""

    def __init__(self, settings: Settings, credentials: Credentials, parts: Parts, tasks: TaskGroup) -> None:
        self.settings = settings
        self.credentials = credentials
        self._parts = parts
        self._tasks = tasks

    async def search(self) -> AsyncGenerator[Product, None]:
        """Every product that the query finds, as the catalogue gives them.

        Raises:
            CatalogueError: at the end, if it could not be read completely; names the slices.
        """
        found, products = self._enumerated(self._parts.emit)
        async with products:
            async for product in _swiftly(products):
                yield self._covering(product)
        found.settle()

    async def count(self, note: Callable[[Product], None] = lambda _: None) -> int:
        """How many products the query finds: by the catalogue's own count, or counted here where it has none that fits.

        ``note`` is told of the products that were seen on the way: some of them, or all.
        """
        whole = Slice(query=self.settings.query, interval=self.settings.query.sensing)
        provider = self._parts.provider
        here = provider.here(whole.query)
        if countable(provider, whole.query) and (here is None or here.edges):
            page = await self._parts.retry.call(lambda: provider.page(whole, 0, count=True))
            if page.total is not None:
                for product in page.products:
                    note(product)
                return page.total
        found, products = self._enumerated(self._parts.emit)
        count = 0
        async with products:
            async for product in _swiftly(products):
                count += 1
                note(product)
        found.settle()
        return count

    async def deleted(self) -> Sequence[Deleted]:
        """What matches the query, and the archive has deleted.

        Raises:
            SettingsError: the archive does not tell.
        """
        provider = self._parts.provider
        if not isinstance(provider, Remembering):
            raise SettingsError(f"{self._parts.archive.name} does not tell what was deleted: leave --check-deleted out")
        return await find_deleted(provider, self.settings.query, self._asking(self._parts.emit))

    async def plan(self) -> Plan:
        """What a download would do, without doing it: every product is looked up, none is fetched."""
        slices: list[str] = []

        def emit(event: Event) -> None:
            self._parts.emit(event)
            if isinstance(event, SliceFinished):
                slices.append(event.slice)

        found, products = self._enumerated(emit)
        into = self._download.into
        async with products:
            expected = self._parts.provider.expected
            plan = await planned(_swiftly(products), self._download.wish(), expected, self.settings.provider)
        found.settle()
        free = await to_thread.run_sync(free_bytes, into)
        spent = await to_thread.run_sync(accounts.spent_bytes, self._account) if plan.allowance_bytes else None
        return replace(plan, slices=tuple(slices), disk_free_bytes=free, spent_bytes=spent, destination=str(into))

    async def download(self, wanted: Wanted | None = None, *, handle_signals: bool = False) -> Report:
        """Fetch every product of the query, or those wanted, verified, into the destination; run it again to resume.

        With ``handle_signals`` the first SIGINT or SIGTERM ends the run safely (exit code 130), a second one ends the process.

        Raises:
            AccessDenied: credentials for the wanted route are missing.
            SinkError: the destination cannot be written.
        """
        check_credentials(self.settings, self._download, self.credentials)
        into = self._download.into
        await to_thread.run_sync(check_writable, into)
        with unwrapped():
            async with journals.opened(into) as journal:
                return await self._downloaded(journal, wanted or Wanted(), handle_signals=handle_signals)

    async def _downloaded(self, journal: Journal, wanted: Wanted, *, handle_signals: bool) -> Report:
        tally = Tally(self._download, self._parts.meter, self.settings.provider.bytes_per_s)
        found = _Found()

        def emit(event: Event) -> None:
            tally.note(event)
            _note_slice(journal, event)
            if recalling is not None:
                recalling.heard(event)
            self._parts.emit(event)

        recalling = None if wanted.given else self._recalling(journal, emit)
        await journal.begin_run(title(self.settings.query))
        emit(self._started())
        line, orders = self._line(journal, tally, emit)
        feed = self._feed(wanted, found, emit, recalling)
        if orders is not None:
            feed = _with_orders(feed, orders)
        try:
            async with accounts.shared(self._account, self._parts.allowance, self._parts.meter):
                exit_code, stopped = await _ended(
                    line, feed, watch=self._parts.allowance.watch, handle_signals=handle_signals
                )
        except SkyhaulError as error:
            if not tally.verified:
                raise
            exit_code, stopped = error.exit_code, str(error)
        if found.error is not None:
            raise found.error
        if orders is not None:
            orders.give_up(stopped or "the run ended")
        report = tally.report(found.completeness, exit_code=exit_code, stopped=stopped)
        journal.end_run(report)
        emit(RunFinished(report=report))
        return report

    async def check(self) -> Sequence[Check]:
        """Try the catalogue, the login and the S3 keys, each with one small request."""
        parts = self._parts
        whole = Slice(query=self.settings.query, interval=self.settings.query.sensing)
        attempts: list[tuple[str, Callable[[], Awaitable[object]]]] = [
            ("catalogue", lambda: parts.retry.call(lambda: parts.provider.page(whole, 0, count=False)))
        ]
        if parts.tokens is not None:
            attempts.append(("login", parts.tokens.token))
        if parts.s3 is not None and parts.archive.settings.s3_url:
            s3 = parts.s3
            attempts.append(("s3", lambda: s3.page(BUCKET, "", None, limit=1)))
        return [await _checked(name, attempt) for name, attempt in attempts]

    @property
    def _account(self) -> str | None:
        """Whose allowance is spent, as the ledger calls it."""
        urls, who = self.settings.provider, self.credentials.username or self.credentials.s3_access_key
        return accounts.account_key(f"{self.settings.query.provider} {urls.token_url} {urls.url}", who) if who else None

    def _started(self) -> RunStarted:
        limits = self.settings.provider
        return RunStarted(
            provider=self.settings.query.provider,
            title=title(self.settings.query),
            destination=str(self._download.into),
            connections=self._parts.allowance.connections,
            bytes_per_s=limits.bytes_per_s_per_connection,
            requests_per_minute=limits.requests_per_minute,
            bytes_per_30_days=limits.bytes_per_30_days,
            max_bytes_per_s=self._download.max_rate,
        )

    def _line(self, journal: Journal, tally: Tally, emit: Emit) -> tuple[Line, Orders | None]:
        parts, wanted = self._parts, self._download
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

        hint = replace(self._asking(emit), retry=replace(parts.retry, attempts=2))
        craft = Explained(craft, partial(explain, catalogue=parts.provider, asking=hint))
        craft = Refreshing(craft, parts.provider, self._asking(emit))

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
        wanted = self._download
        return Order(
            destination=wanted.into,
            wish=wanted.wish(),
            layout=wanted.layout,
            extract=wanted.extract,
            keep_archive=wanted.keep_archive,
            require_verified=wanted.require_verified,
        )

    def _recalling(self, journal: Journal, emit: Emit) -> Recalling | None:
        """The catalogue with what the journal remembers of it, where the query is one that it can be remembered for."""
        provider, query = self._parts.provider, self.settings.query
        if not recallable(provider, query) or not countable(provider, query):
            return None
        return Recalling(provider, journal, self._order().key, self._asking(emit))

    def _feed(self, wanted: Wanted, found: _Found, emit: Emit, recalling: Recalling | None = None) -> Feed:
        async def from_catalogue(out: MemoryObjectSendStream[Product]) -> None:
            await self.enumerate(out, found, emit, recalling or self._parts.provider)

        async def looked_up(out: MemoryObjectSendStream[Product]) -> None:
            with unwrapped(), _while_taken():
                found.completeness = await given(out, self._asking(emit))

        async def given(out: MemoryObjectSendStream[Product], asking: Asking) -> Completeness:
            async with out:
                named = await find_named(self._parts.provider, wanted.names, asking=asking, out=out.clone())
                by_id = await find_ids(self._parts.provider, wanted.ids, asking=asking, out=out.clone())
                sent: set[str] = set()
                for product in wanted.products:
                    if product.id in sent:
                        continue  # two at once would be put together in one place
                    sent.add(product.id)
                    emit(ProductFound(product=product.id, name=product.name, size=product.size))
                    await out.send(product)
            return named.joined(by_id)

        return looked_up if wanted.given else from_catalogue

    def _asking(self, emit: Emit) -> Asking:
        return Asking(host=self.settings.query.provider, retry=self._parts.retry, emit=emit)

    @property
    def _download(self) -> DownloadSettings:
        if self.settings.download is None:
            raise SettingsError("no destination: say where to with --into DIR")
        return self.settings.download

    def _covering(self, product: Product) -> Product:
        area = self.settings.query.area
        if area is None:
            return product
        from skyhaul.footprint import coverage  # noqa: PLC0415 shapely and pyproj are heavy

        return replace(product, coverage=coverage(area, product.footprint))

    def _enumerated(self, emit: Emit) -> tuple[_Found, MemoryObjectReceiveStream[Product]]:
        send, receive = anyio.create_memory_object_stream[Product](PRODUCTS_QUEUED)
        found = _Found()
        self._tasks.start_soon(self.enumerate, send, found, emit, self._parts.provider)
        return found, receive

    async def enumerate(
        self, out: MemoryObjectSendStream[Product], found: _Found, emit: Emit, catalogue: Catalogue
    ) -> None:
        """Page through the catalogue; expected failures are left in ``found``."""
        stack, query = self._parts, self.settings.query
        try:
            async with out:  # whoever waits for products is let go, whatever comes
                here = catalogue.here(query)
                if here is not None and here.fields:
                    emit(FilteredHere(provider=query.provider, fields=here.fields))
                with unwrapped(), _while_taken():
                    found.completeness = await find_products(
                        catalogue, query, retry=stack.retry, emit=emit, out=out, ordered=query.order_by != "start"
                    )
        except SkyhaulError as error:
            found.error = error


def _with_orders(feed: Feed, orders: Orders) -> Feed:
    """The feed, with what was ordered coming again once it is online."""

    async def both(out: MemoryObjectSendStream[Product]) -> None:
        send, receive = anyio.create_memory_object_stream[Product](PRODUCTS_QUEUED)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(feed, send)
            await orders.run(receive, out)

    return both


async def _ended(
    line: Line, feed: Feed, *, watch: Callable[[], Coroutine[object, object, None]], handle_signals: bool
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
                tasks.start_soon(feed, send)
                tasks.start_soon(watch)
                await line.run(receive)
                tasks.cancel_scope.cancel()
    except Stopped as stop:
        return stop.exit_code, str(stop)
    return (INTERRUPTED, "interrupted; run again to resume") if interrupted else (None, None)


async def _swiftly(products: MemoryObjectReceiveStream[Product]) -> AsyncGenerator[Product, None]:
    """The products as they come; those that are there already without giving up the turn for each."""
    for count in itertools.count(1):
        try:
            yield products.receive_nowait()
        except anyio.WouldBlock:
            try:
                yield await products.receive()
            except anyio.EndOfStream:
                return
        except anyio.EndOfStream:
            return
        if count % TURN_PRODUCTS == 0:
            await anyio.lowlevel.checkpoint()


@contextmanager
def unwrapped() -> Iterator[None]:
    """Let an expected failure out of the task groups it went through, as itself. A bug among them is let through as it is."""
    try:
        yield
    except BaseExceptionGroup as group:
        leaves = list(_leaves(group))
        if all(isinstance(leaf, SkyhaulError | Stopped) for leaf in leaves):
            raise leaves[0] from None
        raise


@contextmanager
def _while_taken() -> Iterator[None]:
    """End quietly when nobody takes products any more: whoever did has enough, or says itself what is wrong."""
    try:
        yield
    except* anyio.BrokenResourceError:
        pass


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _note_slice(journal: Journal, event: Event) -> None:
    match event:
        case SliceFinished():
            journal.slice_read(event.slice, event.products)
        case SliceFailed():
            journal.slice_read(event.slice, None, event.error)


async def _checked(name: str, attempt: Callable[[], Awaitable[object]]) -> Check:
    try:
        await attempt()
    except SkyhaulError as error:
        return Check(name=name, ok=False, detail=str(error))
    return Check(name=name, ok=True, detail="works")


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


@asynccontextmanager
async def opened(
    settings: Settings,
    credentials: Credentials,
    *,
    emit: Emit | None = None,
    meter: Meter | None = None,
) -> AsyncIterator[Haul]:
    """An archive, open for as long as the context. Observers see events through ``emit`` and sample ``meter``."""
    with unwrapped():
        account = await with_profile(find(settings.query.provider), credentials)
        async with http.opened(stall_s=settings.provider.stall_s) as plain, anyio.create_task_group() as tasks:
            parts = await composed(settings, account, plain, emit=emit or (lambda _: None), meter=meter or Meter())
            yield Haul(settings, account, parts, tasks)
            tasks.cancel_scope.cancel()
