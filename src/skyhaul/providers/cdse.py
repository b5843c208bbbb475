"""Copernicus Data Space Ecosystem: OData catalogue, zip downloads over HTTP, objects on S3."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import ClassVar, Protocol

from anyio import CapacityLimiter, create_task_group, to_thread

from skyhaul.archives import Made, Means
from skyhaul.catalogue.deleted import Deletions, deleted_url, parse_deleted
from skyhaul.catalogue.entities import parse_page
from skyhaul.catalogue.here import sorted_out
from skyhaul.catalogue.odata import ASKED, ATTRIBUTES_ONLY, leftover, names_body, names_url, page_url
from skyhaul.errors import AccessDenied, CatalogueError, SettingsError, SkyhaulError
from skyhaul.model import Product, Query, RemoteObject, TimeInterval
from skyhaul.protocols import Expected, Here, Page, Paging, Slice, Web, Wish
from skyhaul.providers.eodata import shelf
from skyhaul.values import meant
from skyhaul.vocabulary import COLLECTIONS


class Shelf(Protocol):
    """Where products are turned into objects."""

    def expected(self, product: Product, wish: Wish) -> Expected:
        """See :class:`skyhaul.protocols.Provider`."""
        ...

    async def objects(self, product: Product, wish: Wish) -> Sequence[RemoteObject]:
        """See :class:`skyhaul.protocols.Provider`."""
        ...


THREAD_BYTES = 1 << 18
"""Replies above this are decoded off the loop, one at a time, for two would wait for each other: 1000 products take some 20 ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cdse:
    """The archive as a provider. ``expand`` is what the catalogue adds to each product: ``Assets`` brings the quicklook's address."""

    web: Web
    catalogue_url: str
    shelf: Shelf | None = None
    expand: tuple[str, ...] = ATTRIBUTES_ONLY
    _places: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(Cdse.paging.concurrency), init=False)
    _desk: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(1), init=False)

    name: ClassVar[str] = "cdse"
    # CDSE OData: $top ≤ 1000, $skip ≤ 10 000; requests in flight are not limited by word, four is what an account may have elsewhere.
    paging: ClassVar[Paging] = Paging(page_size=1000, deepest_skip=10_000, concurrency=4)

    def here(self, query: Query) -> Here | None:
        """See :class:`skyhaul.protocols.Catalogue`. Products come with all their attributes: one that tells nothing of one has none."""
        found = sorted_out(leftover(query), asked=ASKED, archive=self.name)
        return found and replace(found, tells={})

    async def page(self, part: Slice, skip: int, *, count: bool) -> Page:
        """See :class:`skyhaul.protocols.Catalogue`. A limit of the query below the page size makes pages as small."""
        _check(part.query.collection)
        top = min(self.paging.page_size, part.query.limit or self.paging.page_size)
        url = page_url(self.catalogue_url, part, top=top, skip=skip, count=count, expand=self.expand)
        return await self._read(await self._get(url), part.query.collection)

    async def extent(self, query: Query) -> TimeInterval | None:
        """See :class:`skyhaul.protocols.Catalogue`. Two small requests at once."""
        ends: dict[str, datetime | None] = {}
        failures: list[SkyhaulError] = []

        async def find(order_by: str) -> None:
            try:
                ends[order_by] = await self._end(query, order_by)
            except SkyhaulError as error:
                failures.append(error)

        async with create_task_group() as tasks:
            tasks.start_soon(find, "start")
            tasks.start_soon(find, "-start")
        if failures:
            raise failures[0]
        first, last = ends["start"], ends["-start"]
        if first is None or last is None:
            return None
        return TimeInterval(start=first, end=last + timedelta(microseconds=1))

    async def named(self, names: Sequence[str]) -> Page:
        """See :class:`skyhaul.catalogue.lookup.Directory`."""
        url = names_url(self.catalogue_url, top=self.paging.page_size, expand=self.expand)
        return await self._read(await self.web.post(url, names_body(names), "application/json"), None)

    async def deleted(self, query: Query, skip: int) -> Deletions:
        """See :class:`skyhaul.catalogue.deleted.Remembering`."""
        url = deleted_url(self.catalogue_url, query, top=self.paging.page_size, skip=skip)
        return parse_deleted(await self._get(url), provider=self.name, collection=query.collection)

    async def objects(self, product: Product, wish: Wish) -> Sequence[RemoteObject]:
        """See :class:`skyhaul.protocols.Provider`."""
        return await self._shelved().objects(product, wish)

    def expected(self, product: Product, wish: Wish) -> Expected:
        """See :class:`skyhaul.protocols.Provider`."""
        return self._shelved().expected(product, wish)

    def _shelved(self) -> Shelf:
        if self.shelf is None:
            raise AccessDenied("the catalogue was opened without a way to download")
        return self.shelf

    async def _end(self, query: Query, order_by: str) -> datetime | None:
        part = Slice(query=replace(query, order_by=order_by), interval=query.sensing)
        url = page_url(self.catalogue_url, part, top=1, skip=0, count=False, expand=())
        page = await self._read(await self._get(url), query.collection)
        if not page.products:
            return None
        if (start := page.products[0].start) is None:
            raise CatalogueError(f"{page.products[0].name} has no sensing time, although products are in its order")
        return start

    async def _get(self, url: str) -> bytes:
        # A place is free as soon as the answer is here: the next page is under way while this one is decoded.
        async with self._places:
            return await self.web.get(url)

    async def _read(self, body: bytes, collection: str | None) -> Page:
        if len(body) < THREAD_BYTES:
            return parse_page(body, provider=self.name, collection=collection)
        read = partial(parse_page, body, provider=self.name, collection=collection)
        return await to_thread.run_sync(read, limiter=self._desk)


def made(means: Means) -> Made:
    """See :class:`skyhaul.archives.Archive`."""
    provider = Cdse(web=means.web, catalogue_url=means.settings.catalogue_url, shelf=shelf(means))
    return Made(provider=provider, sources=means.sources)


def _check(collection: str | None) -> None:
    if collection is not None and collection not in COLLECTIONS:
        raise SettingsError(f"the collection {collection!r} is unknown; {meant(collection, COLLECTIONS)}")
