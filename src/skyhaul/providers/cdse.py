"""Copernicus Data Space Ecosystem: OData catalogue, zip downloads over HTTP, objects on S3."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import ClassVar, Protocol

from anyio import CapacityLimiter, create_task_group, to_thread

from skyhaul.catalogue.entities import parse_page
from skyhaul.catalogue.odata import ATTRIBUTES_ONLY, names_body, names_url, page_url
from skyhaul.errors import AccessDenied, CatalogueError, SettingsError, SkyhaulError
from skyhaul.model import Product, Query, RemoteObject, TimeInterval
from skyhaul.protocols import Page, Paging, Slice, Web, Wish
from skyhaul.values import meant
from skyhaul.vocabulary import COLLECTIONS


class Shelf(Protocol):
    """Where products are turned into objects."""

    async def objects(self, product: Product, wish: Wish) -> Sequence[RemoteObject]:
        """See :class:`skyhaul.protocols.Provider`."""
        ...


THREAD_BYTES = 1 << 18
"""Replies above this are decoded off the loop: a page of 1000 products takes some 20 ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cdse:
    """The archive as a provider. ``expand`` is what the catalogue adds to each product: ``Assets`` brings the quicklook's address."""

    web: Web
    catalogue_url: str
    shelf: Shelf | None = None
    expand: tuple[str, ...] = ATTRIBUTES_ONLY
    _places: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(Cdse.paging.concurrency), init=False)

    name: ClassVar[str] = "cdse"
    # CDSE OData: $top ≤ 1000, $skip ≤ 10 000; requests in flight are not limited by word, four is what an account may have elsewhere.
    paging: ClassVar[Paging] = Paging(page_size=1000, deepest_skip=10_000, concurrency=4)

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

    async def objects(self, product: Product, wish: Wish) -> Sequence[RemoteObject]:
        """See :class:`skyhaul.protocols.Provider`."""
        if self.shelf is None:
            raise AccessDenied("the catalogue was opened without a way to download")
        return await self.shelf.objects(product, wish)

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
            return await to_thread.run_sync(lambda: parse_page(body, provider=self.name, collection=collection))
        return await to_thread.run_sync(lambda: parse_page(body, provider=self.name, collection=collection))


def _check(collection: str | None) -> None:
    if collection is not None and collection not in COLLECTIONS:
        raise SettingsError(f"the collection {collection!r} is unknown; {meant(collection, COLLECTIONS)}")
