"""The embedded archive's catalogue without its sockets: the client's requests are answered by its own filter grammar."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from functools import cache
from urllib.parse import parse_qsl, urlsplit

import anyio

from skyhaul.catalogue.entities import parse_page
from skyhaul.catalogue.finding import find_products
from skyhaul.catalogue.paging import Completeness
from skyhaul.errors import ObjectMissing, RequestRefused
from skyhaul.events import Event
from skyhaul.model import Product, Query
from skyhaul.providers.cdse import Cdse
from skyhaul.simulate.odata import Catalogue
from skyhaul.simulate.world import World, WorldSettings, build_world
from support.catalogues import AT_ONCE

ROOT = "http://127.0.0.1:1/odata/v1"


@cache
def world(products: int = 700) -> World:
    return build_world(WorldSettings(products=products, scale=0.0005))


@dataclass
class EmbeddedWeb:
    """A web in which there is the catalogue alone; ``longest`` is the address that had the most characters."""

    catalogue: Catalogue
    asked: list[str] = field(default_factory=list)
    posted: list[bytes] = field(default_factory=list)

    async def get(self, url: str) -> bytes:
        self.asked.append(url)
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True)
        path = parts.path.removeprefix("/odata/v1/")
        answer = {
            "Products": self.catalogue.products,
            "DeletedProducts": self.catalogue.deleted_products,
        }.get(path)
        reply = answer(pairs, ROOT) if answer else self.catalogue.product(path[9:-1], pairs, ROOT)
        return self._body(reply.status, reply.body)

    async def post(self, url: str, body: bytes, media_type: str) -> bytes:
        self.posted.append(body)
        pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True)
        reply = self.catalogue.filter_list(body, pairs, ROOT)
        return self._body(reply.status, reply.body)

    @property
    def longest(self) -> int:
        return max(map(len, self.asked))

    @staticmethod
    def _body(status: int, body: bytes) -> bytes:
        if status == 404:
            raise ObjectMissing(json.loads(body)["detail"]["message"])
        if status != 200:
            raise RequestRefused(str(json.loads(body)["detail"]), status=status)
        return body


def embedded(products: int = 700) -> tuple[Cdse, EmbeddedWeb]:
    """The provider of the Copernicus Data Space, and the web that it asks."""
    web = EmbeddedWeb(Catalogue(world(products)))
    return Cdse(web=web, catalogue_url=ROOT), web


@cache
def everything(products: int = 700) -> tuple[Product, ...]:
    """Every product of the catalogue, as the client reads them."""
    catalogue = Catalogue(world(products))
    found: list[Product] = []
    while len(found) < products:
        options = [("$orderby", "ContentDate/Start asc"), ("$top", "1000"), ("$skip", str(len(found)))]
        body = catalogue.products([*options, ("$expand", "Attributes")], ROOT).body
        found += parse_page(body, provider="cdse", collection=None).products
    return tuple(found)


@dataclass
class Found:
    products: list[Product] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    completeness: Completeness = field(default_factory=Completeness)

    @property
    def ids(self) -> list[str]:
        return [product.id for product in self.products]

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if type(event) is kind]


async def found_by(provider: Cdse, query: Query, *, ordered: bool = False, at_most: int | None = None) -> Found:
    """What the query finds; after ``at_most`` products the receiver has had enough."""
    found = Found()
    send, receive = anyio.create_memory_object_stream[Product](10)

    async def run() -> None:
        found.completeness = await find_products(
            provider, query, retry=AT_ONCE, emit=found.events.append, out=send, ordered=ordered
        )

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        async with receive:
            async for product in receive:
                found.products.append(product)
                if len(found.products) == at_most:
                    break
    return found


def of_page(provider: Cdse, page_size: int) -> Cdse:
    """The provider with smaller pages."""

    class Small(Cdse):
        paging = replace(provider.paging, page_size=page_size, deepest_skip=10 * page_size)

    return Small(web=provider.web, catalogue_url=provider.catalogue_url)
