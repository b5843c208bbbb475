"""Opens and closes everything, composes it, and carries out what a user asks: search, plan, download, check.

``async with runtime.opened(settings, credentials) as haul`` works wherever an event loop runs, a notebook included.
"""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import time, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio
import anyio.lowlevel
from anyio import to_thread
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from skyhaul import journal as journals
from skyhaul.assembly import Assembly, Order
from skyhaul.catalogue.asking import Asking
from skyhaul.catalogue.lookup import find_ids, find_named
from skyhaul.catalogue.paging import Completeness, enumerate_products
from skyhaul.credentials import Credentials
from skyhaul.errors import CatalogueError, HostUnreachable, SettingsError, SkyhaulError
from skyhaul.events import (
    Event,
    HostCooled,
    Meter,
    ProductFinished,
    ProductFound,
    RunFinished,
    RunStarted,
    SliceFailed,
    SliceFinished,
)
from skyhaul.journal import Journal
from skyhaul.limits import OPEN_FACTOR, Allowance
from skyhaul.model import Product, ProductResult, Query, Report, Route, TimeInterval
from skyhaul.pipeline import Line, Stopped
from skyhaul.planning import Plan, planned
from skyhaul.protocols import Emit, Slice, Source
from skyhaul.providers.cdse import Cdse
from skyhaul.providers.eodata import Eodata
from skyhaul.providers.routes import Road
from skyhaul.retry import RetryPolicy
from skyhaul.settings import DownloadSettings, ProviderSettings, Settings
from skyhaul.sources import http
from skyhaul.sources.auth import Login, TokenSource
from skyhaul.sources.ranged import RangedSource
from skyhaul.tally import INTERRUPTED, Tally
from skyhaul.transfer.engine import Engine
from skyhaul.transfer.sink import check_writable, free_bytes
from skyhaul.transfer.space import Space

if TYPE_CHECKING:
    from skyhaul.sources.s3 import S3

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a haul is made of, composed by :func:`opened`."""

    provider: Cdse
    sources: dict[Route, Source]
    allowance: Allowance
    road: Road
    retry: RetryPolicy
    meter: Meter
    emit: Emit
    tokens: TokenSource | None
    s3: S3 | None


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
            raise CatalogueError(f"the catalogue could not be read completely: {names}")


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

    async def count(self) -> int:
        """How many products the query finds, by the catalogue's own count."""
        whole = Slice(query=self.settings.query, interval=self.settings.query.sensing)
        page = await self._parts.retry.call(lambda: self._parts.provider.page(whole, 0, count=True))
        return page.total if page.total is not None else len(page.products)

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
            plan = await planned(_swiftly(products), self._download.wish(), self._parts.road, self.settings.provider)
        found.settle()
        free = await to_thread.run_sync(free_bytes, into)
        return replace(plan, slices=tuple(slices), disk_free_bytes=free, destination=str(into))

    async def download(self, wanted: Wanted | None = None, *, handle_signals: bool = False) -> Report:
        """Fetch every product of the query, or those wanted, verified, into the destination; run it again to resume.

        With ``handle_signals`` the first SIGINT or SIGTERM ends the run safely (exit code 130), a second one ends the process.

        Raises:
            AccessDenied: credentials for the wanted route are missing.
            SinkError: the destination cannot be written.
        """
        self._check_credentials()
        into = self._download.into
        await to_thread.run_sync(check_writable, into)
        with unwrapped():
            async with journals.opened(into) as journal:
                return await self._downloaded(journal, wanted or Wanted(), handle_signals=handle_signals)

    async def _downloaded(self, journal: Journal, wanted: Wanted, *, handle_signals: bool) -> Report:
        tally = Tally(self._download, self._parts.meter, _allowed(self.settings))
        found = _Found()

        def emit(event: Event) -> None:
            tally.note(event)
            _note_slice(journal, event)
            self._parts.emit(event)

        await journal.begin_run(title(self.settings.query))
        emit(self._started())
        line = self._line(journal, tally, emit)
        feed = self._feed(wanted, found, emit)
        try:
            exit_code, stopped = await _ended(line, feed, handle_signals=handle_signals)
        except SkyhaulError as error:
            if not tally.verified:
                raise
            exit_code, stopped = error.exit_code, str(error)
        if found.error is not None:
            raise found.error
        report = tally.report(found.completeness, exit_code=exit_code, stopped=stopped)
        journal.end_run(report)
        emit(RunFinished(report=report))
        return report

    async def check(self) -> Sequence[Check]:
        """Try the catalogue, the login and the S3 keys, each with one small request."""
        parts = self._parts
        attempts: list[tuple[str, Callable[[], Awaitable[object]]]] = [("catalogue", self.count)]
        if parts.tokens is not None:
            attempts.append(("login", parts.tokens.token))
        if parts.s3 is not None:
            s3 = parts.s3
            attempts.append(("s3", lambda: s3.page(BUCKET, "", None, limit=1)))
        return [await _checked(name, attempt) for name, attempt in attempts]

    def _started(self) -> RunStarted:
        limits = self.settings.provider
        return RunStarted(
            provider=self.settings.query.provider,
            title=title(self.settings.query),
            destination=str(self._download.into),
            connections=self._parts.allowance.connections,
            bytes_per_s=float(limits.bytes_per_s_per_connection),
            requests_per_minute=limits.requests_per_minute,
            bytes_per_30_days=limits.bytes_per_30_days,
            max_bytes_per_s=self._download.max_rate,
        )

    def _line(self, journal: Journal, tally: Tally, emit: Emit) -> Line:
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
        order = Order(
            destination=wanted.into,
            wish=wanted.wish(),
            layout=wanted.layout,
            extract=wanted.extract,
            keep_archive=wanted.keep_archive,
            require_verified=wanted.require_verified,
        )
        craft = Assembly(
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

        def settle(result: ProductResult) -> None:
            if result.state in {"failed", "offline"}:
                journal.product(result, order.key)
            emit(ProductFinished(result=result))
            tally.check()

        # More workers than streams: while some open or seal their files, and some wait for an answer, others use the streams.
        streams = parts.allowance.connections
        return Line(
            craft,
            workers=dict.fromkeys(parts.sources, OPEN_FACTOR * streams),
            products_at_once=3 * streams,
            settle=settle,
        )

    def _feed(self, wanted: Wanted, found: _Found, emit: Emit) -> Feed:
        async def from_catalogue(out: MemoryObjectSendStream[Product]) -> None:
            await self.enumerate(out, found, emit)

        async def looked_up(out: MemoryObjectSendStream[Product]) -> None:
            asking = Asking(host=self.settings.query.provider, retry=self._parts.retry, emit=emit)
            with unwrapped(), _while_taken():
                found.completeness = await given(out, asking)

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

    def _check_credentials(self) -> None:
        via = self._download.via
        if via == "s3" or (via == "auto" and not self._download.wish().whole):
            self.credentials.require_s3()
        elif via == "http" or not self.credentials.s3:
            self.credentials.require_login()

    def _enumerated(self, emit: Emit) -> tuple[_Found, MemoryObjectReceiveStream[Product]]:
        send, receive = anyio.create_memory_object_stream[Product](PRODUCTS_QUEUED)
        found = _Found()
        self._tasks.start_soon(self.enumerate, send, found, emit)
        return found, receive

    async def enumerate(self, out: MemoryObjectSendStream[Product], found: _Found, emit: Emit) -> None:
        """Page through the catalogue; expected failures are left in ``found``."""
        stack, query = self._parts, self.settings.query
        try:
            with unwrapped(), _while_taken():
                found.completeness = await enumerate_products(
                    stack.provider, query, retry=stack.retry, emit=emit, out=out, ordered=query.order_by != "start"
                )
        except SkyhaulError as error:
            found.error = error


async def _ended(line: Line, feed: Feed, *, handle_signals: bool) -> tuple[int | None, str | None]:
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


def _allowed(settings: Settings) -> float | None:
    limits = settings.provider
    return float(limits.connections * limits.bytes_per_s_per_connection)


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
        account = await _with_profile(credentials)
        async with http.opened(stall_s=settings.provider.stall_s) as plain, anyio.create_task_group() as tasks:
            # On a thread: the first import of what signs takes a while.
            s3 = await to_thread.run_sync(_s3, plain, settings.provider, account)
            parts = _compose(settings, account, plain, s3=s3, emit=emit or (lambda _: None), meter=meter or Meter())
            yield Haul(settings, account, parts, tasks)
            tasks.cancel_scope.cancel()


async def _with_profile(credentials: Credentials) -> Credentials:
    """The credentials with the keys of ``AWS_PROFILE``, where no others are given."""
    profile = os.environ.get("AWS_PROFILE")
    if credentials.s3 or not profile:
        return credentials
    from skyhaul.sources.profiles import profile_keys  # noqa: PLC0415 aiobotocore is heavy

    access_key, secret_key = await profile_keys(profile)
    return replace(credentials, s3_access_key=access_key, s3_secret_key=secret_key)


def _compose(
    settings: Settings, credentials: Credentials, plain: http.Http, *, s3: S3 | None, emit: Emit, meter: Meter
) -> Parts:
    urls, retry = settings.provider, RetryPolicy()
    host = urlsplit(urls.download_url).hostname or urls.download_url
    wanted = settings.download
    allowance = Allowance(
        connections=(wanted and wanted.connections) or urls.connections,
        meter=meter,
        requests_per_minute=urls.requests_per_minute,
        max_bytes_per_s=wanted.max_rate if wanted else None,
        cooled=lambda seconds, reason: emit(HostCooled(host=host, seconds=seconds, reason=reason)),
    )
    sources: dict[Route, Source] = {}
    tokens = _tokens(plain, urls, credentials, retry)
    if tokens is not None:
        trusted = frozenset(urlsplit(url).netloc for url in (urls.catalogue_url, urls.download_url, urls.stac_url))
        sources["http"] = RangedSource(plain.with_tokens(tokens, trusted), route="http", bearer=True)
    if s3 is not None:
        sources["s3"] = RangedSource(plain, route="s3", sign=s3.sign)
    road = Road(http=tokens is not None, s3=s3 is not None, bytes_per_s=float(urls.bytes_per_s_per_connection))
    shelf = Eodata(download_url=urls.download_url, lister=s3, road=road)
    return Parts(
        provider=Cdse(web=plain, catalogue_url=urls.catalogue_url, shelf=shelf),
        sources=sources,
        allowance=allowance,
        road=road,
        retry=retry,
        meter=meter,
        emit=emit,
        tokens=tokens,
        s3=s3,
    )


def _tokens(
    plain: http.Http, urls: ProviderSettings, credentials: Credentials, retry: RetryPolicy
) -> TokenSource | None:
    if not credentials.login:
        return None
    username, password = credentials.require_login()
    login = Login(username=username, password=password, totp_secret=credentials.totp_secret)
    return TokenSource(plain, urls.token_url, login, retry=retry)


def _s3(plain: http.Http, urls: ProviderSettings, credentials: Credentials) -> S3 | None:
    if not credentials.s3:
        return None
    from skyhaul.sources.s3 import S3  # noqa: PLC0415 botocore is heavy

    access_key, secret_key = credentials.require_s3()
    return S3(plain, endpoint=urls.s3_url, region=urls.s3_region, access_key=access_key, secret_key=secret_key)
