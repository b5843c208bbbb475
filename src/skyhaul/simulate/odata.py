"""The OData catalogue: query options in, replies out, in the words and with the limits of the real one."""

from __future__ import annotations

import math
import random
import threading
import uuid
from dataclasses import dataclass
from http import HTTPStatus
from itertools import count
from typing import TYPE_CHECKING, Any

import msgspec

from skyhaul.simulate.filters import FilterError, parse
from skyhaul.simulate.kept import KeptReplies
from skyhaul.simulate.options import (
    DELETED_FIELDS,
    PRODUCT_FIELDS,
    EntitySet,
    Options,
    RefusalError,
    next_link,
    read_options,
)
from skyhaul.simulate.selection import COLLECTIONS, Selections
from skyhaul.simulate.vocabulary import attributes_of

if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Sequence

    from skyhaul.simulate.filters import Condition
    from skyhaul.simulate.nouns import SimFile, World


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it goes over the wire."""

    status: int
    body: bytes
    content_type: str = "application/json"


class Catalogue:
    """The entity sets of a world; safe to be used by several threads at once.

    ``root`` is everywhere the externally visible ``.../odata/v1`` that links begin with, ``query`` the decoded pairs of
    the query string in their order. No method raises on a bad query: the reply says what is wrong with it. ``read`` makes a condition
    of a filter: other archives read more, or less.
    """

    def __init__(self, world: World, read: Callable[[str], Condition] = parse) -> None:
        self._world = world
        self._read = read
        by_time = ("ContentDate/Start", "ContentDate/End")
        self._products = EntitySet(
            name="Products",
            shelf=world.shelf,
            fields=PRODUCT_FIELDS,
            expand=("Attributes", "Assets", "Locations"),
            # Name and ContentLength are not documented, but the operator's own SDK orders by them.
            order=(*by_time, "PublicationDate", "ModificationDate", "Name", "ContentLength"),
        )
        self._deleted = EntitySet(
            name="DeletedProducts",
            shelf=world.deleted,
            fields=DELETED_FIELDS,
            expand=("Attributes",),
            order=(*by_time, "DeletionDate"),
        )
        self._bursts = EntitySet(name="Bursts", shelf=world.bursts, fields=(), expand=(), order=by_time)
        self._selections = Selections()
        self._replies: KeptReplies[Reply] = KeptReplies()
        self._lock = threading.Lock()
        self._calls = count(1)
        self._unpublished: list[int] = []
        self._publishes_every = 1
        self._pages = 0

    def withhold(self, products: int, publishes_every: int) -> None:
        """Leave out so many products, spread over all; one of them is there from every so manieth page of ``Products`` on."""
        total = len(self._world.shelf)
        rows = [number * total // (products + 1) for number in range(1, products + 1)]
        random.Random(products).shuffle(rows)  # noqa: S311 -- an order, no secret
        with self._lock:
            self._unpublished, self._publishes_every, self._pages = rows, publishes_every, 0

    @property
    def unpublished(self) -> list[str]:
        """The ids of the products that are not there yet."""
        return [self._world.product(row).id for row in self._unpublished]

    def products(self, query: Sequence[tuple[str, str]], root: str) -> Reply:
        """A page of ``Products``."""
        with self._lock:
            self._pages += 1
            if self._unpublished and self._pages % self._publishes_every == 0:
                self._unpublished.pop()
        return self._page(self._products, query, root)

    def product(self, product_id: str, query: Sequence[tuple[str, str]], root: str) -> Reply:
        """One product, bare."""
        return self._entity(self._products, product_id, query, root)

    def deleted_products(self, query: Sequence[tuple[str, str]], root: str) -> Reply:
        """A page of ``DeletedProducts``."""
        return self._page(self._deleted, query, root)

    def deleted_product(self, product_id: str, root: str) -> Reply:
        """One deleted product, bare."""
        return self._entity(self._deleted, product_id, [], root)

    def bursts(self, query: Sequence[tuple[str, str]], root: str) -> Reply:
        """A page of ``Bursts``."""
        return self._page(self._bursts, query, root)

    def filter_list(self, body: bytes, query: Sequence[tuple[str, str]], root: str) -> Reply:
        """``POST Products/OData.CSC.FilterList``: products by name; names that are not there are left out."""
        shelf = self._world.shelf
        try:
            wanted = msgspec.json.decode(body, type=_FilterList).FilterProducts
            options = read_options(self._products, query)
        except msgspec.DecodeError as error:
            return _refused(422, str(error))
        except RefusalError as refusal:
            return _refused(refusal.status, refusal.detail)
        named = [row for row in (shelf.find_name(product.Name) for product in wanted) if row is not None]
        rows = self._there(self._products, named)
        page = rows[options.skip : options.skip + options.top]
        return self._render(self._products, page, options, root, total=len(rows))

    def attributes(self, collection: str | None) -> Reply:
        """The attributes of a collection, or of all, as a bare array."""
        if collection is not None and collection not in COLLECTIONS:
            return _missing("Collection not found")
        names = sorted(COLLECTIONS) if collection is None else [collection]
        found = {entry["Name"]: entry for name in names for entry in attributes_of(name)}
        return _ok(list(found.values()))

    def nodes(self, product_id: str, path: Sequence[str], root: str) -> Reply:
        """``Products(id)/Nodes(a)/Nodes(b)/Nodes``: what lies below ``path``, in an order that changes with every call."""
        product = self._world.by_id(product_id)
        if product is None:
            return _no_node("Product not found")
        files = self._world.files(product)
        top = product.s3_key.rpartition("/")[2] if product.single else product.name
        tree = {(file.path if product.single else f"{top}/{file.path}"): file for file in files}
        found = children(tree, list(path))
        if found is None:
            return _no_node("Node not found")
        self._shuffle().shuffle(found)
        base = "/".join([f"{root}/Products({product.id})", *(f"Nodes({name})" for name in path)])
        return _ok({"result": [{**node, "Nodes": {"uri": f"{base}/Nodes({node['Name']})/Nodes"}} for node in found]})

    def _entity(self, entities: EntitySet, entity_id: str, query: Sequence[tuple[str, str]], root: str) -> Reply:
        try:
            options = read_options(entities, query)
        except RefusalError as refusal:
            return _refused(refusal.status, refusal.detail)
        row = entities.shelf.find(entity_id)
        if row is None or not self._there(entities, [row]):
            return _missing(f"Product with id: {entity_id} not found")
        entity = self._shown(entities, row, options, root)
        return _ok({"@odata.context": f"{context(entities.name, options.expand)}/$entity", **entity})

    def _page(self, entities: EntitySet, query: Sequence[tuple[str, str]], root: str) -> Reply:
        if self._unpublished:
            return self._made(entities, query, root)  # another one each time
        asked = (entities.name, tuple(query), root)
        if (kept := self._replies.get(asked)) is not None:
            return kept
        reply = self._made(entities, query, root)
        # Without an order each answer is another one.
        if reply.status == HTTPStatus.OK and any(name == "$orderby" for name, _ in query):
            self._replies.keep(asked, reply)
        return reply

    def _made(self, entities: EntitySet, query: Sequence[tuple[str, str]], root: str) -> Reply:
        try:
            options = read_options(entities, query)
            rows = self._there(entities, self._selected(entities, options))
        except RefusalError as refusal:
            return _refused(refusal.status, refusal.detail)
        except FilterError as error:
            return _refused(400, str(error))
        total = len(rows)
        page = rows[options.skip : options.skip + options.top] if options.order else self._arbitrary(rows, options)
        link = next_link(f"{root}/{entities.name}", query, options, total)
        return self._render(entities, page, options, root, total=total, link=link)

    def _render(
        self,
        entities: EntitySet,
        rows: Sequence[int],
        options: Options,
        root: str,
        *,
        total: int,
        link: str | None = None,
    ) -> Reply:
        reply: dict[str, Any] = {"@odata.context": context(entities.name, options.expand)}
        if options.count:
            reply["@odata.count"] = total
        reply["value"] = [self._shown(entities, row, options, root) for row in rows]
        if link is not None:
            reply["@odata.nextLink"] = link
        return _ok(reply)

    def _shown(self, entities: EntitySet, row: int, options: Options, root: str) -> dict[str, Any]:
        entity = entities.shelf.entity(row, options.expand, root)
        if options.select:
            kept = {"@odata.mediaContentType", "Id", *options.select, *options.expand}
            return {name: value for name, value in entity.items() if name in kept}
        return entity

    def _selected(self, entities: EntitySet, options: Options) -> array[int]:
        """The matching rows in order; kept for the pages that follow."""
        text = options.filter
        asked = (entities.name, text, options.order)
        return self._selections.rows(asked, entities.shelf, options.order, lambda: self._read(text) if text else None)

    def _there(self, entities: EntitySet, rows: Sequence[int]) -> Sequence[int]:
        """Those that are published."""
        hidden = frozenset(self._unpublished) if entities is self._products else frozenset()
        return [row for row in rows if row not in hidden] if hidden else rows

    def _arbitrary(self, rows: Sequence[int], options: Options) -> list[int]:
        """A page of a query without ``$orderby``: every call walks through the rows in an order of its own."""
        total = len(rows)
        if not total:
            return []
        rng = self._shuffle()
        first, step = rng.randrange(total), rng.randrange(1, total + 1)
        while math.gcd(step, total) > 1:
            step = step % total + 1
        places = range(options.skip, min(options.skip + options.top, total))
        return [rows[(first + place * step) % total] for place in places]

    def _shuffle(self) -> random.Random:
        """Reproducible over a run, and different in every call."""
        return random.Random(next(self._calls))  # noqa: S311 -- an order, no secret


class _Named(msgspec.Struct):
    Name: str


class _FilterList(msgspec.Struct):
    FilterProducts: list[_Named]


def context(name: str, expand: Sequence[str]) -> str:
    """``$metadata#Products(Attributes(),Assets())``, in the order asked for."""
    return f"$metadata#{name}" + (f"({','.join(f'{one}()' for one in expand)})" if expand else "")


def children(tree: dict[str, SimFile], path: list[str]) -> list[dict[str, Any]] | None:
    """The nodes right below a path, folders with length 0; of a file none; None where there is no such path."""
    prefix = "".join(f"{name}/" for name in path)
    if prefix.rstrip("/") in tree:
        return []
    below: dict[str, set[str]] = {}
    for file in tree:
        if file.startswith(prefix):
            name, _, rest = file[len(prefix) :].partition("/")
            below.setdefault(name, set()).update([rest.partition("/")[0]] if rest else [])
    if not below:
        return None
    sizes = {name: tree[prefix + name].size if prefix + name in tree else 0 for name in below}
    return [
        {"Id": name, "Name": name, "ContentLength": sizes[name], "ChildrenNumber": len(inside)}
        for name, inside in below.items()
    ]


def _ok(value: object) -> Reply:
    return Reply(200, msgspec.json.encode(value))


def _refused(status: int, detail: Any) -> Reply:
    return Reply(status, msgspec.json.encode({"detail": detail}))


def _missing(message: str) -> Reply:
    return _refused(404, {"message": message, "request_id": str(uuid.uuid4())})


def _no_node(message: str) -> Reply:
    return Reply(404, msgspec.json.encode({"code": "DAT-ZIP-404", "message": message}))
