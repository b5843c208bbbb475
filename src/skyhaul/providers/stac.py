"""Any STAC API: items found by search, their assets fetched one by one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol
from urllib.parse import quote

import msgspec
from anyio import CapacityLimiter, create_task_group, to_thread

from skyhaul.archives import Made, Means
from skyhaul.catalogue import stac_assets
from skyhaul.catalogue.here import asks_online, begins_in, restricting, sorted_out
from skyhaul.catalogue.stac import Item, Link, Read, counterpart, item_product, linked, parse_item, parse_items
from skyhaul.catalogue.stac_search import Language, Words, search_body, search_url
from skyhaul.errors import AccessDenied, ObjectMissing, SettingsError, SkyhaulError
from skyhaul.model import Product, Query, RemoteObject, Route, TimeInterval, Via
from skyhaul.protocols import Expected, Here, LinkPaging, Lister, Page, Slice, Source, Web, Wish
from skyhaul.providers.probes import measured
from skyhaul.providers.routes import Road, road

JSON = "application/json"

ASSETS_USUAL = 20
"""Assets of an item, to plan with: how many there are is known when a product is fetched."""

CORE = {"start": "properties.datetime"}
COMMON = Words(
    properties={
        "cloud_min": "eo:cloud_cover",
        "cloud_max": "eo:cloud_cover",
        "orbit_direction": "sat:orbit_state",
        "relative_orbit": "sat:relative_orbit",
    },
    orders={**CORE, "modified": "properties.updated"},
)
"""What most archives know."""


class Shelf(Protocol):
    """Where products are turned into objects."""

    def expected(self, product: Product, wish: Wish) -> Expected:
        """See :class:`skyhaul.protocols.Provider`."""
        ...

    async def objects(self, product: Product, wish: Wish) -> Sequence[RemoteObject]:
        """See :class:`skyhaul.protocols.Provider`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Assets:
    """The way to the assets of items, which are asked for when a product is fetched: their addresses may not last.

    ``sources`` are asked for the sizes that items do not tell. ``lister`` is there with S3 keys; without them ``s3_url`` is where open
    buckets are. ``left_out`` are addresses that are no files.
    """

    web: Web
    name: str
    root: str
    road: Road
    sources: Mapping[Route, Source] = field(default_factory=dict)
    lister: Lister | None = None
    s3_url: str = ""
    left_out: Callable[[str], bool] = lambda _: False

    def expected(self, product: Product, wish: Wish) -> Expected:
        """See :class:`skyhaul.protocols.Provider`."""
        route: Route = "s3" if wish.via == "s3" or (wish.via == "auto" and self.lister is not None) else "http"
        seconds = self.road.latency_s * (1 + ASSETS_USUAL) + (product.size or 0) / self.road.bytes_per_s
        return Expected(route=route, objects=ASSETS_USUAL, seconds=seconds)

    async def objects(self, product: Product, wish: Wish) -> Sequence[RemoteObject]:
        """See :class:`skyhaul.protocols.Provider`."""
        item = await item_of(self.web, self.root, product, self.name)
        return await measured(stac_assets.objects(item, wish, partial(self._place, wish.via)), self.sources)

    def _place(self, via: Via, href: str) -> tuple[Route, str] | None:
        if href.startswith(("https://", "http://")):
            return None if via == "s3" or self.left_out(href) else ("http", href)
        bucket = stac_assets.bucket_of(href)
        if bucket is None:
            return None
        if self.lister is not None and via != "http":
            return "s3", self.lister.url(*bucket)
        return ("http", f"{self.s3_url}/{bucket[0]}/{quote(bucket[1])}") if self.s3_url and via != "s3" else None


class Stac:
    """A STAC API as a provider.

    Args:
        name: what the archive is called.
        web: small documents.
        root: the API's landing page.
        words: what it can be asked.
        shelf: the way to a product's bytes; without one it only finds.
        read: what an item is as a product.
        page_size: items in a page.
        concurrency: searches in flight.
        posts: whether searches are posted; else they are addresses.
    """

    def __init__(
        self,
        *,
        name: str,
        web: Web,
        root: str,
        words: Words = COMMON,
        shelf: Shelf | None = None,
        read: Read = item_product,
        page_size: int = 100,
        concurrency: int = 4,
        posts: bool = True,
    ) -> None:
        self.name = name
        self.web = web
        self.root = root.rstrip("/")
        self.words = words
        self.shelf = shelf
        self.read = read
        self.posts = posts
        self._size, self._concurrency = page_size, concurrency
        self._places = CapacityLimiter(concurrency)
        self._desk = CapacityLimiter(1)  # two that decode would wait for each other
        self._there: set[str] = set()

    @property
    def paging(self) -> LinkPaging:
        """See :class:`skyhaul.protocols.LinkedCatalogue`."""
        words = self.words
        return LinkPaging(
            page_size=self._size,
            concurrency=self._concurrency,
            sorted="start" in words.orders,
            counted=words.counts and words.ids and "modified" in words.orders,
        )

    def here(self, query: Query) -> Here | None:
        """See :class:`skyhaul.protocols.Catalogue`. Items that reach into the query's time without beginning in it are left out.

        Raises:
            SettingsError: also for ``online``, which items do not say.
        """
        if asks_online(query) and not self.words.open:
            raise SettingsError(
                f"{self.name} cannot be asked for what is online, and its items do not say it: leave --online out (--any)"
            )
        left = sorted_out(_worded(query), asked=self.words.asked(query), archive=self.name)
        if query.sensing.open:
            return left
        begins = begins_in(query.sensing)
        if left is None:
            return Here(fields=(), keeps=begins, edges=True)
        return replace(left, keeps=lambda product: begins(product) and left.keeps(product))

    async def page(self, part: Slice, skip: int, *, count: bool) -> Page:  # noqa: ARG002 an archive counts or does not
        """See :class:`skyhaul.protocols.LinkedCatalogue`.

        Raises:
            SettingsError: there is no such collection, which searches answer with nothing; or ids are all that is known, and it cannot be
                asked for them.
        """
        if not self.words.ids and restricting(part.query) == ["ids"]:
            raise SettingsError(
                f"{self.name} cannot be asked for ids: give --name, or a collection and a time beside them"
            )
        limit = min(self._size, part.query.limit or self._size)
        body = search_body(part, self.words, limit=limit)
        page = await self._asked(*self._request(body))
        if not page.products and part.query.collection is not None:
            await self._check(part.query.collection)
        return page

    async def following(self, part: Slice, link: str) -> Page:  # noqa: ARG002 the link knows its slice
        """See :class:`skyhaul.protocols.LinkedCatalogue`."""
        return await self._asked(*linked(link))

    async def extent(self, query: Query) -> TimeInterval | None:
        """See :class:`skyhaul.protocols.Catalogue`. Two small requests at once; nothing where the archive cannot sort."""
        if "start" not in self.words.orders:
            return None
        ends: dict[str, datetime | None] = {}

        async def find(order_by: str) -> None:
            part = Slice(query=replace(query, order_by=order_by, limit=1), interval=query.sensing, ordered=True)
            page = await self.page(part, 0, count=False)
            ends[order_by] = page.products[0].start if page.products else None

        await both(partial(find, "start"), partial(find, "-start"))
        first, last = ends["start"], ends["-start"]
        return (
            None if first is None or last is None else TimeInterval(start=first, end=last + timedelta(microseconds=1))
        )

    async def named(self, names: Sequence[str]) -> Page:
        """See :class:`skyhaul.protocols.Catalogue`. Names are the ids of items, or what a property of theirs holds."""
        own = [name for name in names if not self.words.renamed([name])]
        pages: list[Page] = []

        async def find(some: Sequence[str]) -> None:
            query = Query(provider=self.name, names=tuple(some))
            body = search_body(Slice(query=query, interval=query.sensing), self.words, limit=len(names))
            pages.append(await self._asked(*self._request(body)))

        given = [name for name in names if name not in own]
        await both(*(partial(find, some) for some in (own, given) if some))
        return Page(products=tuple(product for page in pages for product in page.products))

    def expected(self, product: Product, wish: Wish) -> Expected:
        """See :class:`skyhaul.protocols.Provider`."""
        return self._shelved().expected(product, wish)

    async def objects(self, product: Product, wish: Wish) -> Sequence[RemoteObject]:
        """See :class:`skyhaul.protocols.Provider`."""
        return await self._shelved().objects(product, wish)

    def _shelved(self) -> Shelf:
        if self.shelf is None:
            raise AccessDenied("the catalogue was opened without a way to download")
        return self.shelf

    def _request(self, body: Mapping[str, Any]) -> tuple[str, bytes | None]:
        if not self.posts:
            return search_url(self.root, body), None
        return f"{self.root}/search", msgspec.json.encode(body)

    async def _asked(self, url: str, body: bytes | None) -> Page:
        async with self._places:
            found = await (self.web.get(url) if body is None else self.web.post(url, body, JSON))
        asked = None if body is None else msgspec.json.decode(body)
        read = partial(parse_items, found, provider=self.name, read=self.read, asked=asked)
        return await to_thread.run_sync(read, limiter=self._desk)

    async def _check(self, collection: str) -> None:
        if collection in self._there:
            return
        try:
            async with self._places:
                await self.web.get(f"{self.root}/collections/{quote(collection, safe='')}")
        except ObjectMissing:
            raise SettingsError(
                f"{self.name} has no collection {collection!r}; it calls them such as sentinel-2-l2a, {self.root}/collections lists them"
            ) from None
        self._there.add(collection)


async def item_of(web: Web, root: str, product: Product, archive: str) -> Item:
    """The item that a product is, asked for anew.

    Raises:
        ObjectMissing: it is gone, or the product does not say where it belongs.
    """
    if product.collection is None:
        raise ObjectMissing(f"{product.name}: its collection is not known, so {archive} cannot be asked for it")
    url = f"{root.rstrip('/')}/collections/{quote(product.collection, safe='')}/items/{quote(product.id, safe=':')}"
    return parse_item(await web.get(url), provider=archive)


async def both(*works: Callable[[], Awaitable[None]]) -> None:
    """Do all of it at once; the first failure is raised as itself."""
    failures: list[SkyhaulError] = []

    async def kept(work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except SkyhaulError as error:
            failures.append(error)

    async with create_task_group() as tasks:
        for work in works:
            tasks.start_soon(kept, work)
    if failures:
        raise failures[0]


def _worded(query: Query) -> Query:
    """The query with conditions on the names that products have their attributes under."""
    return replace(query, where=tuple(replace(each, attribute=counterpart(each.attribute)) for each in query.where))


class Landing(msgspec.Struct, rename="camel"):
    """What a landing page says of its API."""

    conforms_to: list[str] = []
    links: list[Link] = []

    @property
    def words(self) -> Words:
        """What the API can be asked."""
        classes = " ".join(self.conforms_to)
        language: Language = "none"
        if "item-search#query" in classes:
            language = "query"
        elif "item-search#filter" in classes and "cql2-json" in classes:
            language = "cql2"
        return replace(COMMON, language=language, orders=COMMON.orders if "item-search#sort" in classes else {})

    @property
    def searches(self) -> set[str]:
        """The methods by which it can be searched."""
        return {link.method.upper() for link in self.links if link.rel == "search"}


def made(means: Means) -> Made:
    """See :class:`skyhaul.archives.Archive`."""
    root = means.settings.url
    shelf = Assets(
        web=means.web,
        name=means.archive,
        root=root,
        road=road(means),
        sources=means.sources,
        lister=means.lister,
        s3_url=means.settings.s3_url,
    )
    stac = Stac(name=means.archive, web=means.web, root=root, shelf=shelf)

    async def prepare() -> None:
        try:
            landing = msgspec.json.decode(await means.web.get(root), type=Landing)
        except msgspec.DecodeError as error:
            raise SettingsError(f"{root} is not a STAC API: give the address of its landing page ({error})") from None
        if not landing.searches:
            raise SettingsError(f"{root} is not a STAC API that can be searched: its landing page names no search")
        stac.words, stac.posts = landing.words, "POST" in landing.searches

    return Made(provider=stac, sources=means.sources, prepare=prepare)
