"""GEODES of CNES: a STAC of its own make. Pages are counted, times are properties, an item is one zip, which may be on tape."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ClassVar

import msgspec
from anyio import CapacityLimiter, to_thread
from msgspec import structs

from skyhaul.archives import Made, Means
from skyhaul.catalogue.here import restricting, sorted_out
from skyhaul.catalogue.stac import Asset, Item, item_product, parse_all, parse_items, time_of
from skyhaul.catalogue.stac_search import instant, stem
from skyhaul.errors import CatalogueError, ObjectMissing, ObjectOffline, SettingsError
from skyhaul.footprint import from_wkt
from skyhaul.model import Checksum, Product, Query, RemoteObject, Route, TimeInterval
from skyhaul.protocols import Expected, Here, LinkPaging, Page, Slice, Source, Web, Wish
from skyhaul.providers.routes import Road, road, seconds_as_zip
from skyhaul.providers.stac import JSON, both
from skyhaul.providers.zips import ask_for, genuine
from skyhaul.values import meant

ORDERS = {"start": "start_datetime", "end": "end_datetime"}
_ALWAYS = frozenset({
    "collection", "sensing", "area", "cloud_min", "cloud_max", "orbit_direction", "relative_orbit",
})  # fmt: skip
_SINGLY = frozenset({"product_types", "tiles", "names"})
"""What is asked for where it is one; of several the archive takes none."""

_SIZE = re.compile(r"File size: (\d+)")
_ONLINE = re.compile(r"Is online: (true|false)", re.IGNORECASE)
_MD5 = re.compile(r"Checksum MD5: ([0-9a-fA-F]{32})\b")


class _File(msgspec.Struct):
    available: bool = False


class _Product(msgspec.Struct):
    files: list[_File] = []


class _Collection(msgspec.Struct):
    id: str


class _Collections(msgspec.Struct):
    collections: list[_Collection]


class _Availability(msgspec.Struct):
    products: list[_Product] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Geodes:
    """The archive as a provider. ``portal_url`` is where availability is asked; ``road`` is ``None`` without a way to download."""

    web: Web
    catalogue_url: str
    portal_url: str
    road: Road | None = None
    sources: Mapping[Route, Source] = field(default_factory=dict)
    _places: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(Geodes.paging.concurrency), init=False)

    name: ClassVar[str] = "geodes"
    orders_at_once: ClassVar[int] = 4
    # GEODES: limit ≤ 80 (21 November 2025).
    paging: ClassVar[LinkPaging] = LinkPaging(page_size=80, concurrency=4)

    def here(self, query: Query) -> Here | None:
        """See :class:`skyhaul.protocols.Catalogue`."""
        asked = _ALWAYS | {name for name in _SINGLY if _single(getattr(query, name))}
        return sorted_out(query, asked=asked, archive=self.name)

    async def page(self, part: Slice, skip: int, *, count: bool) -> Page:  # noqa: ARG002 every answer is counted
        """See :class:`skyhaul.protocols.LinkedCatalogue`.

        Raises:
            SettingsError: products are known by nothing but their ids, for which the archive cannot be asked; or there is no such
                collection, which it answers with nothing.
        """
        if restricting(part.query) == ["ids"]:
            raise SettingsError(
                f"{self.name} cannot be asked for ids: give --name, or a collection and a time beside them"
            )
        page = await self.following(part, "1")
        if not page.products and part.query.collection is not None:
            await self._check(part.query.collection)
        return page

    async def following(self, part: Slice, link: str) -> Page:
        """See :class:`skyhaul.protocols.LinkedCatalogue`. The link is the number of a page: those in the answers lead nowhere."""
        number, limit = int(link), min(self.paging.page_size, part.query.limit or self.paging.page_size)
        page = await self._asked(search_body(part, limit=limit, page=number))
        more = len(page.products) == limit if page.total is None else number * limit < page.total
        return replace(page, next_link=str(number + 1) if more else None)

    async def extent(self, query: Query) -> TimeInterval | None:
        """See :class:`skyhaul.protocols.Catalogue`. Two small requests at once."""
        ends: dict[str, datetime | None] = {}

        async def find(order_by: str) -> None:
            part = Slice(query=replace(query, order_by=order_by), interval=query.sensing)
            page = await self._asked(search_body(part, limit=1, page=1))
            ends[order_by] = page.products[0].start if page.products else None

        await both(partial(find, "start"), partial(find, "-start"))
        first, last = ends["start"], ends["-start"]
        return (
            None if first is None or last is None else TimeInterval(start=first, end=last + timedelta(microseconds=1))
        )

    async def named(self, names: Sequence[str]) -> Page:
        """See :class:`skyhaul.protocols.Catalogue`. A request for each name."""
        found: list[Product] = []

        async def find(name: str) -> None:
            query = Query(provider=self.name, names=(name,))
            part = Slice(query=query, interval=query.sensing)
            found.extend((await self._asked(search_body(part, limit=self.paging.page_size, page=1))).products)

        await both(*(partial(find, name) for name in dict.fromkeys(map(stem, names))))
        return Page(products=tuple(found))

    def expected(self, product: Product, wish: Wish) -> Expected:  # noqa: ARG002 there is one way, and all of it
        """See :class:`skyhaul.protocols.Provider`."""
        return Expected(
            route="http", objects=1, seconds=seconds_as_zip(product, self.road or Road(http=True, s3=False))
        )

    async def objects(self, product: Product, wish: Wish) -> Sequence[RemoteObject]:
        """See :class:`skyhaul.protocols.Provider`.

        Raises:
            ObjectOffline: its zip is on tape.
        """
        if not wish.whole:
            raise SettingsError(f"{self.name} gives whole products alone: leave --only, --exclude and --bands out")
        item = await self._item(product)
        whole = _whole(item)
        if not whole.href:
            raise ObjectMissing(f"{product.name}: {self.name} names no file of it")
        if not _online(whole) and not await self._available(whole, item):
            raise ObjectOffline(f"{product.name} is on tape at {self.name}")
        return [_object(product, whole)]

    async def order(self, product: Product) -> bool:
        """See :class:`skyhaul.orders.Stock`. What is on tape is staged when it is asked for."""
        return await ask_for(_object(product, _whole(await self._item(product))), self.sources)

    async def online(self, product: Product) -> bool:
        """See :class:`skyhaul.orders.Stock`."""
        item = await self._item(product)
        return _online(_whole(item)) or await self._available(_whole(item), item)

    async def _item(self, product: Product) -> Item:
        part = Slice(query=Query(names=(product.name,)), interval=TimeInterval())
        async with self._places:
            body = msgspec.json.encode(search_body(part, limit=self.paging.page_size, page=1))
            found = await self.web.post(f"{self.catalogue_url}/search", body, JSON)
        items = [item for item in parse_all(found, provider=self.name) if item.id == product.id]
        if not items:
            raise ObjectMissing(f"{product.name}: {self.name} has it no more")
        return items[0]

    async def _asked(self, body: Mapping[str, Any]) -> Page:
        async with self._places:
            found = await self.web.post(f"{self.catalogue_url}/search", msgspec.json.encode(body), JSON)
        return await to_thread.run_sync(lambda: parse_items(found, provider=self.name, read=read))

    async def _check(self, collection: str) -> None:
        found = await self.web.post(f"{self.catalogue_url}/collections", b'{"limit": 10000}', JSON)
        try:
            known = [each.id for each in msgspec.json.decode(found, type=_Collections).collections]
        except msgspec.DecodeError as error:
            raise CatalogueError(f"{self.name} does not say what collections it has ({error})") from error
        if collection not in known:
            raise SettingsError(f"{self.name} has no collection {collection!r}; {meant(collection, known)}")

    async def _available(self, whole: Asset, item: Item) -> bool:
        """Whether the file is on disk by now."""
        asked = {"href": whole.href, "endpointURL": item.properties.get("endpoint_url") or ""}
        body = msgspec.json.encode({"availability": [asked]})
        found = await self.web.post(f"{self.portal_url}/fastavailability", body, JSON)
        try:
            told = msgspec.json.decode(found, type=_Availability)
        except msgspec.DecodeError as error:
            raise CatalogueError(f"{self.name} does not say whether {item.id} is on disk ({error})") from error
        return any(file.available for product in told.products for file in product.files)


def search_body(part: Slice, *, limit: int, page: int) -> dict[str, Any]:
    """The body of a search: what others have as parameters are properties here.

    Raises:
        SettingsError: the archive cannot sort as the query wants.
    """
    query = part.query
    field_name = query.order_by.removeprefix("-")
    if field_name not in ORDERS:
        raise SettingsError(f"geodes cannot sort by {field_name!r}; {meant(field_name, ORDERS)}")
    body: dict[str, Any] = {
        "limit": limit,
        "page": page,
        "sortBy": [{"field": ORDERS[field_name], "direction": "dsc" if query.order_by.startswith("-") else "asc"}],
    }
    if query.collection:
        body["collections"] = [query.collection]
    if area := query.area_asked or query.area:
        body["intersects"] = from_wkt(area)
    if found := dict(_properties(query, part.interval)):
        body["query"] = found
    return body


def read(item: Item, provider: str) -> Product:
    """An item as a product: its name is the identifier, its size and its checksum stand in the description of its zip."""
    plain, whole = item_product(item, provider), _whole(item)
    checksum = _checksum(whole)
    return structs.replace(
        plain,
        name=str(item.properties.get("identifier") or item.id),
        published=time_of(item, "datetime"),
        size=_size(whole),
        checksums=(checksum,) if checksum else (),
        online=_online(whole),
        quicklook_url=next((each.href for each in item.assets.values() if "overview" in (each.roles or ())), None),
    )


def made(means: Means) -> Made:
    """See :class:`skyhaul.archives.Archive`."""
    root, sources = means.settings.catalogue_url, genuine(means.sources, tape=True)
    geodes = Geodes(
        web=means.web,
        catalogue_url=root,
        portal_url=root.removesuffix("/api/stac"),
        road=road(means),
        sources=sources,
    )
    return Made(provider=geodes, sources=sources)


def _properties(query: Query, interval: TimeInterval) -> Iterator[tuple[str, dict[str, Any]]]:
    if not interval.open:
        # GEODES knows lte and gte alone.
        first = {"gte": instant(interval.start)} if interval.start else {}
        last = {"lte": instant(interval.end - timedelta(microseconds=1))} if interval.end else {}
        yield "start_datetime", {**first, **last}
    cloud = {"gte": query.cloud_min, "lte": query.cloud_max}
    if any(value is not None for value in cloud.values()):
        yield "eo:cloud_cover", {operator: value for operator, value in cloud.items() if value is not None}
    if query.orbit_direction:
        yield "sat:orbit_state", {"eq": query.orbit_direction.capitalize()}
    if query.relative_orbit is not None:
        yield "sat:relative_orbit", {"eq": query.relative_orbit}
    if _single(query.product_types):
        yield "product:type", {"eq": query.product_types[0]}
    if _single(query.tiles):
        yield "grid:code", {"contains": "T" + query.tiles[0].upper().removeprefix("T").zfill(5)}
    if _single(query.names):
        yield "identifier", {"eq": stem(query.names[0])}


def _single(given: Sequence[str]) -> bool:
    return len(given) == 1 and "*" not in given[0]


def _whole(item: Item) -> Asset:
    """The file that is the product: the first with data that is not XML."""
    data = (each for each in item.assets.values() if "data" in (each.roles or ()) and "xml" not in (each.type or ""))
    return next(data, Asset())


def _object(product: Product, whole: Asset) -> RemoteObject:
    checksum = _checksum(whole)
    return RemoteObject(
        route="http",
        location=whole.href,
        path=f"{product.name}.zip",
        size=_size(whole),
        checksums=(checksum,) if checksum else (),
        archive=True,
    )


def _size(asset: Asset) -> int | None:
    found = _SIZE.search(asset.description or "")
    return int(found[1]) or None if found else None


def _checksum(asset: Asset) -> Checksum | None:
    found = _MD5.search(asset.description or "")
    return Checksum(algorithm="MD5", value=found[1].lower()) if found else None


def _online(asset: Asset) -> bool:
    found = _ONLINE.search(asset.description or "")
    return found is None or found[1].lower() == "true"
