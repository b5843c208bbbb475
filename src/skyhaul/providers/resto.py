"""A resto in the manner of PEPS: collections searched page by page, products on disk, on tape, or on their way from one to the other."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import ClassVar
from urllib.parse import quote

import msgspec
from anyio import to_thread
from msgspec import structs

from skyhaul.archives import Made, Means
from skyhaul.catalogue import by_time
from skyhaul.catalogue.here import begins_in, sorted_out
from skyhaul.catalogue.odata import shapes
from skyhaul.catalogue.opensearch import parse_resto
from skyhaul.catalogue.resto_query import ASKED, PAGE_MAX, collections, page_url
from skyhaul.errors import CatalogueError, ObjectMissing, ObjectOffline, SettingsError
from skyhaul.model import Product, Query, RemoteObject, Route, TimeInterval
from skyhaul.protocols import Expected, Here, LinkPaging, Page, Slice, Source, Web, Wish
from skyhaul.providers import zips

FIRST = datetime(2014, 4, 3, tzinfo=UTC)
"""The launch of the first Sentinel. Nothing can be asked for earliest first."""

_SUFFIXES = {"S1": ".SAFE", "S2": ".SAFE", "S3": ".SEN3"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Resto:
    """The archive as a provider. ``url`` is what ``/api/collections`` and ``/collections`` are below, ``size`` the products on a page.

    Links between its pages are ours, a collection and a number: of pages that are counted none can get lost.
    """

    web: Web
    url: str
    sources: Mapping[Route, Source]
    name: str = "resto"
    size: int = PAGE_MAX

    # PEPS: 500 products a page; they come latest first, whatever is wanted.
    paging: ClassVar[LinkPaging] = LinkPaging(page_size=PAGE_MAX, concurrency=2, sorted=False)
    orders_at_once: ClassVar[int] = 20

    def here(self, query: Query) -> Here | None:
        """See :class:`skyhaul.protocols.Catalogue`. One product type and one area can be asked for; modes are in names alone."""
        several = len(list(shapes(query.area or ""))) > 1
        asked = ASKED - {"area"} if several else ASKED
        found = sorted_out(replace(query, product_types=()), asked=asked, archive=self.name)
        if not query.product_types or (len(query.product_types) == 1 and not _moded(query.product_types[0])):
            return found
        rest = found or Here(fields=(), keeps=lambda _: True)
        return replace(
            rest,
            fields=(*rest.fields, "product_types"),
            compared=(*rest.compared, "product_types"),
            keeps=lambda product: any(_is_of(product, kind) for kind in query.product_types) and rest.keeps(product),
        )

    async def page(self, part: Slice, skip: int, *, count: bool) -> Page:  # noqa: ARG002 only the first page is asked for so
        """See :class:`skyhaul.protocols.Catalogue`."""
        return await self._page(part, collections(part.query, part.interval)[0], 1)

    async def following(self, part: Slice, link: str) -> Page:
        """See :class:`skyhaul.protocols.LinkedCatalogue`."""
        collection, number = link.split()
        return await self._page(part, collection, int(number))

    async def extent(self, query: Query) -> TimeInterval | None:
        """See :class:`skyhaul.protocols.Catalogue`. Where the query has no beginning, that of all Sentinels stands in."""
        part = Slice(query=query, interval=query.sensing)
        page = await self._page(part, collections(query, query.sensing)[-1], 1)
        starts = [product.start for product in page.products if product.start is not None]
        if not starts:
            return None
        return TimeInterval(start=query.sensing.start or FIRST, end=max(starts) + timedelta(milliseconds=1))

    async def named(self, names: Sequence[str]) -> Page:
        """See :class:`skyhaul.protocols.Catalogue`. Missions that PEPS never held are not asked for: that would be an error there."""
        return await by_time.named(self, [name for name in names if name[:2] in _SUFFIXES], self.name)

    def expected(self, product: Product, wish: Wish) -> Expected:
        """See :class:`skyhaul.protocols.Provider`."""
        return zips.expected(product, wish, self.name)

    async def objects(self, product: Product, wish: Wish) -> Sequence[RemoteObject]:
        """See :class:`skyhaul.protocols.Provider`.

        Raises:
            ObjectOffline: it is on tape, or on its way from there.
        """
        zips.check(wish, self.name)
        if not product.online:
            raise ObjectOffline(f"{product.name} is on tape: it has to be ordered")
        return [self._whole(product)]

    async def order(self, product: Product) -> bool:
        """See :class:`skyhaul.orders.Stock`."""
        return await zips.ask_for(self._whole(product), self.sources)

    async def online(self, product: Product) -> bool:
        """See :class:`skyhaul.orders.Stock`.

        Raises:
            ObjectMissing: it is not in the catalogue any more.
        """
        found = (await self.named([product.name])).products
        if not found:
            raise ObjectMissing(f"{product.name} is not in the catalogue of {self.name} any more")
        return found[0].online

    async def _page(self, part: Slice, collection: str, number: int) -> Page:
        url = page_url(self.url, collection, part.query, part.interval, page=number, size=self.size)
        reply = await self.web.get(url)
        if _code(reply) == HTTPStatus.NOT_FOUND:
            raise SettingsError(
                f"{self.name} has no collection {part.query.collection!r}; at PEPS they were S1, S2, S2ST and S3"
            )
        page = await to_thread.run_sync(lambda: parse_resto(reply, provider=self.name))
        _check(page, number, self.size, part.name)
        inside = begins_in(part.interval)
        known = page.next_link is not None if page.total is None else number * self.size < page.total
        there = collections(part.query, part.interval)
        after = [*there, ""][there.index(collection) + 1] if collection in there else ""
        link = f"{collection} {number + 1}" if known else f"{after} 1" if after else None
        # More is asked for than is wanted where there is an end; then the archive's count is none of the slice.
        exact = part.interval.end is None and len(there) == 1
        return Page(
            products=tuple(
                structs.replace(product, name=_named(product.name)) for product in page.products if inside(product)
            ),
            total=page.total if exact else None,
            next_link=link,
        )

    def _whole(self, product: Product) -> RemoteObject:
        collection = product.collection or collections(Query(), TimeInterval())[0]
        url = f"{self.url.rstrip('/')}/collections/{quote(collection)}/{quote(product.id)}/download/?issuerId=peps"
        return zips.whole(product, url, ranges=False)


class _Refusal(msgspec.Struct):
    """An error, which comes with status 200."""

    code: int | None = msgspec.field(name="ErrorCode", default=None)


def _code(reply: bytes) -> int | None:
    """What kind of error a reply is, if it says so; what is no reply at all is seen to elsewhere."""
    try:
        return msgspec.json.decode(reply, type=_Refusal).code
    except msgspec.DecodeError:
        return None


def _check(page: Page, number: int, size: int, name: str) -> None:
    """See that a page is as full as the archive's own count makes it.

    Raises:
        CatalogueError: products are missing, or there twice.
    """
    ids = {product.id for product in page.products}
    wanted = len(page.products) if page.total is None else max(0, min(size, page.total - (number - 1) * size))
    if len(ids) != wanted or len(page.products) != wanted:
        raise CatalogueError(f"{name}: page {number} has {len(ids)} products where {wanted} are counted")


def _named(name: str) -> str:
    """The name with the suffix of what is in the zip; PEPS leaves it out."""
    suffix = next((suffix for begin, suffix in _SUFFIXES.items() if name.startswith(begin) and "." not in name), "")
    return name + suffix


def _moded(kind: str) -> bool:
    return bool(re.match(r"(?:S[1-6]|IW|EW|WV)_", kind.upper()))


def _is_of(product: Product, kind: str) -> bool:
    return f"_{kind.upper()}" in product.name.upper() if _moded(kind) else product.product_type == kind


def made(means: Means) -> Made:
    """See :class:`skyhaul.archives.Archive`."""
    if not means.settings.url:
        raise SettingsError("a resto is somewhere: say where with --url, such as --url https://example.org/resto")
    sources = zips.genuine(means.sources, tape=True)
    return Made(provider=Resto(web=means.web, url=means.settings.url, sources=sources), sources=sources)
