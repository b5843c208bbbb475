"""The STAC host: landing page, collections, items and searches by GET and POST, paged by token."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from skyhaul.simulate.catalogue import compute, page_response
from skyhaul.simulate.faults import Subject
from skyhaul.simulate.hosts import Problem, RefusedError, json_response, target
from skyhaul.simulate.kept import KeptReplies
from skyhaul.simulate.odata import Reply
from skyhaul.simulate.stac_items import STAC_VERSION, bare_item, collection, collection_of, item, item_id
from skyhaul.simulate.stac_search import (
    BadSearchError,
    Search,
    count,
    described,
    find,
    from_query,
    parse_search,
    product_of_item,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from skyhaul.simulate.nouns import SimProduct, World
    from skyhaul.simulate.service import Roots, Service

GEOJSON = "application/geo+json"
COLLECTIONS_LIMIT = 10  # CDSE pages its collections at ten unless asked for more
CONFORMANCE = (
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/collections",
    "https://api.stacspec.org/v1.0.0/ogcapi-features",
    "https://api.stacspec.org/v1.0.0/item-search",
    "https://api.stacspec.org/v1.0.0/item-search#fields",
    "https://api.stacspec.org/v1.0.0/item-search#query",
    "https://api.stacspec.org/v1.0.0/item-search#sort",
    "https://api.stacspec.org/v1.0.0-rc.2/item-search#filter",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/filter",
    "http://www.opengis.net/spec/cql2/1.0/conf/basic-cql2",
    "http://www.opengis.net/spec/cql2/1.0/conf/cql2-json",
    "http://www.opengis.net/spec/cql2/1.0/conf/cql2-text",
)
PAGING = {"token", "limit", "sortby", "fields"}
"""What of a search says nothing of how much it finds."""

COUNTS_MAX = 10_000
ERRORS = {400: "InvalidQueryParameter", 404: "NotFoundError"}


class StacHost:
    """``stac.dataspace.copernicus.eu``."""

    path = "/v1"
    name = "cdse-stac"
    counts = False
    """Whether pages state how many products there are in all."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._collections: tuple[str, ...] = ()
        self._replies: KeptReplies[Reply] = KeptReplies()
        self._counts: dict[bytes, int] = {}

    @property
    def roots(self) -> Roots:
        """What links begin with."""
        return self._service.roots

    def item(self, product: SimProduct) -> dict[str, Any]:
        """The whole item of a product."""
        world = self._service.world
        found = item(product, world.files(product), world.archive(product), self.roots)
        return {**found, **self.bare(product)}

    def bare(self, product: SimProduct) -> dict[str, Any]:
        """The item without its assets."""
        return bare_item(product, self.roots)

    def told(self, product: SimProduct) -> Mapping[str, Any]:
        """What conditions and orders of a search may name."""
        return described(product)

    def product_of(self, own: str) -> SimProduct | None:
        """The product behind an item's id."""
        return product_of_item(self._service.world, own)

    def scope(self, collections: tuple[str, ...]) -> tuple[str, ...]:
        """The collections to search where these are asked for; none means all that there are."""
        return collections

    def subject(self, request: web.BaseRequest) -> Subject:
        """As Host; the name is the collection, item or query."""
        asked = target(request)
        match parts_of(asked.path, self.path):
            case ["search"]:
                return Subject("stac.search", asked.query)
            case ["collections", name, "items"]:
                return Subject("stac.search", name)
            case ["collections", _, "items", name]:
                return Subject("stac.item", name)
            case ["collections", *names]:
                return Subject("stac.collections", "/".join(names))
            case _:
                return Subject("stac.other", asked.path)

    async def answer(self, request: web.BaseRequest, subject: Subject) -> web.StreamResponse:
        """As Host."""
        asked = target(request)
        body = await request.read() if request.method == "POST" else b""
        pairs = asked.pairs()
        found = (request.method, asked.path, tuple(pairs), body, self._service.scenario.stac_merge)

        def make() -> Reply:
            kept = self._replies.get(found) if subject.route == "stac.search" else None
            reply = kept or self._reply(request.method, asked.path, pairs, body)
            if subject.route == "stac.search" and kept is None and reply.status == web.HTTPOk.status_code:
                self._replies.keep(found, reply)
            return reply

        return page_response(self._service, subject, await compute(self._service, make))

    def problem(self, problem: Problem) -> web.Response:
        """``{"code", "description"}``; 429 comes from the firewall in front and has its own shape."""
        if problem.status == web.HTTPTooManyRequests.status_code:
            return json_response({"error": "WAF", "message": "Rate limit exceeded", "status": 429}, 429)
        code = problem.code or ERRORS.get(problem.status, "InternalServerError")
        return json_response({"code": code, "description": problem.message}, problem.status)

    def _reply(self, method: str, path: str, query: Sequence[tuple[str, str]], body: bytes) -> Reply:
        """The answer to a call, computed on a thread."""
        try:
            return self._document(method, path, query, body)
        except BadSearchError as error:
            raise RefusedError(400, "", str(error)) from error

    def _document(self, method: str, path: str, query: Sequence[tuple[str, str]], body: bytes) -> Reply:
        root = self.roots.stac_url
        match (method, parts_of(path, self.path)):
            case ("GET", []):
                return _json(self._landing_page())
            case ("GET", ["conformance"]):
                return _json({"conformsTo": CONFORMANCE})
            case ("GET", ["collections", *names]):
                return self._collections_document(names, query)
            case ("GET", ["search"]):
                return self._found(f"{root}/search", from_query(query), query)
            case ("POST", ["search"]) if not self._service.scenario.stac_posts:
                raise RefusedError(405, "MethodNotAllowed", "Method Not Allowed")
            case ("POST", ["search"]):
                return self._found(f"{root}/search", _body(body), None)
            case _:
                raise RefusedError(404, "", "Not Found")

    def _collections_document(self, names: Sequence[str], query: Sequence[tuple[str, str]]) -> Reply:
        root = self.roots.stac_url
        match names:
            case []:
                return _json(self._collection_list(query))
            case [name]:
                self._require(name)
                return _json(collection(name, self.roots))
            case [name, "items"]:
                self._require(name)
                asked = {**from_query(query), "collections": [name]}
                return self._found(f"{root}/collections/{name}/items", asked, query)
            case [name, "items", own]:
                return self._item(name, own)
            case _:
                raise RefusedError(404, "", "Not Found")

    def _found(self, url: str, asked: Mapping[str, Any], query: Sequence[tuple[str, str]] | None) -> Reply:
        """A page of items; ``query`` is that of a GET, None for a POST, whose next link carries a body."""
        search = parse_search(asked)
        search = replace(search, collections=self.scope(search.collections), ids=self._own_ids(search.ids))
        found = find(self._service.world, search, self.told)
        features = [self._feature(product, search) for product in found.products]
        links = [
            {"rel": "root", "type": "application/json", "href": f"{self.roots.stac_url}/"},
            {"rel": "self", "type": GEOJSON, "href": url},
        ]
        if found.token:
            links.append(self._next(url, asked, query, found.token))
        page = {"type": "FeatureCollection", "links": links, "features": features, "numberReturned": len(features)}
        if self.counts:
            matched = self._counted(asked, search)
            page |= {
                "context": {"limit": search.limit, "matched": matched, "returned": len(features)},
                "numberMatched": matched,
            }
        return Reply(200, msgspec.json.encode(page), GEOJSON)

    def _counted(self, asked: Mapping[str, Any], search: Search) -> int:
        """How many answer a search, the same for all of its pages."""
        key = msgspec.json.encode({name: value for name, value in asked.items() if name not in PAGING})
        if key not in self._counts:
            if len(self._counts) == COUNTS_MAX:
                self._counts.clear()
            self._counts[key] = count(self._service.world, search, self.told)
        return self._counts[key]

    def _next(
        self, url: str, asked: Mapping[str, Any], query: Sequence[tuple[str, str]] | None, token: str
    ) -> dict[str, Any]:
        link = {"rel": "next", "type": GEOJSON}
        if query is not None:
            kept = [(key, value) for key, value in query if key != "token"]
            return link | {"method": "GET", "href": f"{url}?{urlencode([*kept, ('token', token)], safe=':')}"}
        if self._service.scenario.stac_merge:
            return link | {"method": "POST", "href": url, "body": {"token": token}, "merge": True}
        return link | {"method": "POST", "href": url, "body": {**asked, "token": token}}

    def _feature(self, product: SimProduct, search: Search) -> dict[str, Any]:
        wanted = not search.include or any(name.split(".")[0] == "assets" for name in search.include)
        bare = "assets" in search.exclude or not wanted
        feature = self.bare(product) if bare else self.item(product)
        return reduced(feature, search.include, search.exclude)

    def _item(self, name: str, own: str) -> Reply:
        product = self.product_of(own)
        if product is None or collection_of(product.product_type, product.name) != name:
            raise RefusedError(404, "", f"Item {own} in Collection {name} does not exist.")
        return Reply(200, msgspec.json.encode(self.item(product)), GEOJSON)

    def _own_ids(self, ids: tuple[str, ...]) -> tuple[str, ...]:
        """What the search calls these items. What no item here is called may be a product's name elsewhere: it matches nothing."""
        products = map(self.product_of, ids)
        return tuple("" if product is None else item_id(product.name) for product in products)

    def _require(self, name: str) -> None:
        if name not in self._known():
            raise RefusedError(404, "", f"Collection {name} does not exist.")

    def _known(self) -> tuple[str, ...]:
        """The collections that have items, by name."""
        if not self._collections:
            world = self._service.world
            products = (world.product(row) for row in representatives(world))
            found = {collection_of(product.product_type, product.name) for product in products}
            self._collections = tuple(
                sorted(name for name in found if name is not None and name in self.scope((name,)))
            )
        return self._collections

    def _collection_list(self, query: Sequence[tuple[str, str]]) -> dict[str, Any]:
        asked = dict(query)
        limit, start = _number(asked.get("limit"), COLLECTIONS_LIMIT), _number(asked.get("offset"), 0)
        known, url = self._known(), f"{self.roots.stac_url}/collections"
        links = [{"rel": "root", "type": "application/json", "href": f"{self.roots.stac_url}/"}]
        if start + limit < len(known):
            href = f"{url}?limit={limit}&offset={start + limit}"
            links.append({"rel": "next", "type": "application/json", "method": "GET", "href": href})
        shown = [collection(name, self.roots) for name in known[start : start + limit]]
        return {"collections": shown, "links": links}

    def _landing_page(self) -> dict[str, Any]:
        root = self.roots.stac_url
        plain = "application/json"
        methods = ("GET", "POST") if self._service.scenario.stac_posts else ("GET",)
        return {
            "type": "Catalog",
            "id": self.name,
            "title": self.name,
            "description": "The embedded archive",
            "stac_version": STAC_VERSION,
            "conformsTo": CONFORMANCE,
            "links": [
                {"rel": "self", "type": plain, "href": f"{root}/"},
                {"rel": "root", "type": plain, "href": f"{root}/"},
                {"rel": "data", "type": plain, "href": f"{root}/collections"},
                {"rel": "conformance", "type": plain, "href": f"{root}/conformance"},
                *({"rel": "search", "type": GEOJSON, "href": f"{root}/search", "method": method} for method in methods),
            ],
        }


def representatives(world: World) -> Iterable[int]:
    """Rows among which every type of product occurs: one of each series, where the world has series."""
    column = world.shelf.attribute("productType")
    return dict(zip(column.codes, range(len(world)), strict=True)).values() if column.codes else range(len(world))


def parts_of(path: str, root: str) -> list[str]:
    """The segments of a path below ``root``."""
    return [part for part in path.removeprefix(root).split("/") if part]


def reduced(feature: dict[str, Any], include: frozenset[str], exclude: frozenset[str]) -> dict[str, Any]:
    """``feature`` with only the fields asked for; ``properties.x`` names one property. Id and collection stay."""
    if not include and not exclude:
        return feature
    own = {name.partition(".")[2] for name in include if name.startswith("properties.")}
    hidden = {name.partition(".")[2] for name in exclude if name.startswith("properties.")}
    kept = {"id", "type", "collection", "links", *(name.partition(".")[0] for name in include)}
    found = {key: value for key, value in feature.items() if (not include or key in kept) and key not in exclude}
    if "properties" in found and (own or hidden):
        values = found["properties"]
        found["properties"] = {key: values[key] for key in values if (not own or key in own) and key not in hidden}
    return found


def _body(text: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise BadSearchError(f"body: {error}") from error


def _number(text: str | None, otherwise: int) -> int:
    if text is None:
        return otherwise
    if not text.isdecimal():
        raise BadSearchError(f"{text!r} is no number")
    return int(text)


def _json(document: Any) -> Reply:
    return Reply(200, msgspec.json.encode(document))
