"""Opens and closes everything, composes it, and carries out what a user asks: search, plan, download, check.

``async with runtime.opened(settings, credentials) as haul`` works wherever an event loop runs, a notebook included.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream
from msgspec import structs

from skyhaul import accounts
from skyhaul import journal as journals
from skyhaul.catalogue.deleted import Deleted, Remembering, find_deleted, find_deleted_of
from skyhaul.catalogue.finding import countable
from skyhaul.compose import Parts, check_credentials, composed, with_profile
from skyhaul.credentials import Credentials
from skyhaul.errors import SettingsError, SkyhaulError
from skyhaul.events import (
    Event,
    Meter,
    SliceFinished,
)
from skyhaul.feed import PRODUCTS_QUEUED, Feed, Wanted, swiftly
from skyhaul.model import Product, Report
from skyhaul.pipeline import unwrapped
from skyhaul.planning import Plan, planned
from skyhaul.protocols import Emit, Slice
from skyhaul.providers import find
from skyhaul.pull import Pull
from skyhaul.settings import DownloadSettings, Settings
from skyhaul.sources import http
from skyhaul.transfer.sink import check_writable, free_bytes

BUCKET = "eodata"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was tried for ``auth check``, and what came of it."""

    name: str
    ok: bool
    detail: str


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
        feed, products = self._fed(self._parts.emit)
        async with products:
            async for product in swiftly(products):
                yield self._covering(product)
        feed.settle()

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
        feed, products = self._fed(self._parts.emit)
        count = 0
        async with products:
            async for product in swiftly(products):
                count += 1
                note(product)
        feed.settle()
        return count

    async def deleted(self, wanted: Wanted | None = None) -> Sequence[Deleted]:
        """What matches the query, or is wanted, and the archive has deleted; of what is wanted also what replaces it.

        Raises:
            SettingsError: the archive does not tell.
        """
        provider = self._parts.provider
        if not isinstance(provider, Remembering):
            raise SettingsError(f"{self._parts.archive.name} does not tell what was deleted: leave --check-deleted out")
        asking = self._parts.asking(self._parts.emit)
        if wanted is None:
            return await find_deleted(provider, self.settings.query, asking)
        ids = await to_thread.run_sync(lambda: [*wanted.ids, *(product.id for product in wanted.products)])
        return await find_deleted_of(provider, ids=ids, names=wanted.names, asking=asking)

    async def plan(self) -> Plan:
        """What a download would do, without doing it: every product is looked up, none is fetched."""
        slices: list[str] = []

        def emit(event: Event) -> None:
            self._parts.emit(event)
            if isinstance(event, SliceFinished):
                slices.append(event.slice)

        feed, products = self._fed(emit)
        into = self._download.into
        async with products:
            expected = self._parts.provider.expected
            plan = await planned(swiftly(products), self._download.wish(), expected, self.settings.provider)
        feed.settle()
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
                pull = Pull(
                    settings=self.settings,
                    download=self._download,
                    credentials=self.credentials,
                    account=self._account,
                    parts=self._parts,
                    journal=journal,
                )
                return await pull.run(wanted or Wanted(), handle_signals=handle_signals)

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

        return structs.replace(product, coverage=coverage(area, product.footprint))

    def _fed(self, emit: Emit) -> tuple[Feed, MemoryObjectReceiveStream[Product]]:
        """What the query finds, read in the background."""
        send, receive = anyio.create_memory_object_stream[Product](PRODUCTS_QUEUED)
        feed = Feed(query=self.settings.query, catalogue=self._parts.provider, asking=self._parts.asking(emit))
        self._tasks.start_soon(feed.read, send)
        return feed, receive


async def _checked(name: str, attempt: Callable[[], Awaitable[object]]) -> Check:
    try:
        await attempt()
    except SkyhaulError as error:
        return Check(name=name, ok=False, detail=str(error))
    return Check(name=name, ok=True, detail="works")


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
        async with (
            http.opened(stall_s=settings.provider.stall_s) as plain,
            composed(settings, account, plain, emit=emit or (lambda _: None), meter=meter or Meter()) as parts,
            anyio.create_task_group() as tasks,
        ):
            yield Haul(settings, account, parts, tasks)
            tasks.cancel_scope.cancel()
