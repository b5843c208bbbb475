"""A DHuS: OpenSearch to find products, OData v1 to look at them and to fetch them. National mirrors still run it.

What is archived answers 202 and is online after minutes to hours; the search does not say which products are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import ClassVar
from urllib.parse import quote

from anyio import to_thread
from msgspec import structs

from skyhaul.archives import Made, Means
from skyhaul.catalogue.dhus import parse_dhus_entity
from skyhaul.catalogue.dhus_query import ASKED, names_text, page_request, request
from skyhaul.catalogue.here import asks_online, sorted_out
from skyhaul.catalogue.opensearch import parse_dhus_search
from skyhaul.errors import CatalogueError, ObjectOffline, SettingsError
from skyhaul.model import Product, Query, RemoteObject, Route, TimeInterval
from skyhaul.protocols import Expected, Here, Page, Paging, Slice, Source, Web, Wish
from skyhaul.providers import zips

NAMES_AT_ONCE = 25
"""More would not fit into an address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dhus:
    """The archive as a provider. ``url`` is what ``/search`` and ``/odata/v1`` are below."""

    web: Web
    url: str
    sources: Mapping[Route, Source]
    name: str = "dhus"

    # DHuS: rows ≤ 100; requests in flight count among the four streams of an account.
    paging: ClassVar[Paging] = Paging(page_size=100, deepest_skip=None, concurrency=2)
    orders_at_once: ClassVar[int] = 20

    def here(self, query: Query) -> Here | None:
        """See :class:`skyhaul.protocols.Catalogue`.

        Raises:
            SettingsError: also for ``online``, which a DHuS says of one product at a time.
        """
        if asks_online(query):
            raise SettingsError(
                "a DHuS cannot be asked for what is online: leave --online out (--any); what is archived is ordered"
            )
        return sorted_out(query, asked=ASKED, archive=self.name)

    async def page(self, part: Slice, skip: int, *, count: bool) -> Page:  # noqa: ARG002 it always counts
        """See :class:`skyhaul.protocols.Catalogue`."""
        rows = min(self.paging.page_size, part.query.limit or self.paging.page_size)
        return await self._search(*page_request(self.url, part, rows=rows, start=skip))

    async def extent(self, query: Query) -> TimeInterval | None:
        """See :class:`skyhaul.protocols.Catalogue`."""
        first, last = await self._end(query, "start"), await self._end(query, "-start")
        if first is None or last is None:
            return None
        return TimeInterval(start=first, end=last + timedelta(milliseconds=1))

    async def named(self, names: Sequence[str]) -> Page:
        """See :class:`skyhaul.protocols.Catalogue`."""
        found: list[Product] = []
        for first in range(0, len(names), NAMES_AT_ONCE):
            text = names_text(names[first : first + NAMES_AT_ONCE])
            page = await self._search(*request(self.url, text, order_by="start", rows=self.paging.page_size, start=0))
            found += page.products
        return Page(products=tuple(found), total=len(found))

    def expected(self, product: Product, wish: Wish) -> Expected:
        """See :class:`skyhaul.protocols.Provider`."""
        return zips.expected(product, wish, self.name)

    async def objects(self, product: Product, wish: Wish) -> Sequence[RemoteObject]:
        """See :class:`skyhaul.protocols.Provider`. Size and MD5 are the entity's: the search rounds one and lacks the other.

        Raises:
            ObjectOffline: it is archived.
        """
        zips.check(wish, self.name)
        entity = await self._entity(product)
        if not entity.online:
            raise ObjectOffline(f"{product.name} is in the archive's long-term store: it has to be ordered")
        found = zips.whole(structs.replace(product, checksums=entity.checksums), self._value(product), ranges=True)
        return [replace(found, size=entity.size)]

    async def order(self, product: Product) -> bool:
        """See :class:`skyhaul.orders.Stock`."""
        return await zips.ask_for(zips.whole(product, self._value(product), ranges=True), self.sources)

    async def online(self, product: Product) -> bool:
        """See :class:`skyhaul.orders.Stock`."""
        return (await self._entity(product)).online

    async def _search(self, url: str, body: bytes | None) -> Page:
        if body is None:
            reply = await self.web.get(url)
        else:
            reply = await self.web.post(url, body, "application/x-www-form-urlencoded")
        return await to_thread.run_sync(lambda: parse_dhus_search(reply, provider=self.name))

    async def _end(self, query: Query, order_by: str) -> datetime | None:
        part = Slice(query=replace(query, order_by=order_by), interval=query.sensing)
        page = await self._search(*page_request(self.url, part, rows=1, start=0))
        if not page.products:
            return None
        if (start := page.products[0].start) is None:
            raise CatalogueError(f"{page.products[0].name} has no sensing time, although products are in its order")
        return start

    async def _entity(self, product: Product) -> Product:
        url = f"{self._product(product)}?{quote('$format=json&$expand=Attributes', safe='$=&')}"
        return parse_dhus_entity(await self.web.get(url), provider=self.name)

    def _product(self, product: Product) -> str:
        return f"{self.url.rstrip('/')}/odata/v1/Products('{quote(product.id, safe='')}')"

    def _value(self, product: Product) -> str:
        return f"{self._product(product)}/$value"


def made(means: Means) -> Made:
    """See :class:`skyhaul.archives.Archive`."""
    if not means.settings.url:
        raise SettingsError("a DHuS is somewhere: say where with --url, such as --url https://colhub.met.no")
    sources = zips.genuine(means.sources)
    return Made(provider=Dhus(web=means.web, url=means.settings.url, sources=sources), sources=sources)
