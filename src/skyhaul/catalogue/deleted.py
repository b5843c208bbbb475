"""Products that the archive had and has no more: when and why they went, and what came in their place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol, runtime_checkable

import msgspec
from msgspec import Struct

from skyhaul.catalogue.asking import Asking
from skyhaul.catalogue.entities import mission, moment, parse_page
from skyhaul.catalogue.odata import URL_MAX, address, filter_text, length
from skyhaul.catalogue.rules import shares
from skyhaul.catalogue.versions import acquisition, rank
from skyhaul.errors import CatalogueError, ObjectMissing, SkyhaulError
from skyhaul.model import Product, Query, TimeInterval
from skyhaul.protocols import Catalogue, Slice

MOST = 10_000
"""Deleted products that are listed at most. CDSE OData: ``$skip`` ≤ 10 000."""

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted:
    """A product that is gone. ``cause`` is the archive's word for it, ``Duplicated product``; ``successor`` is set where asked for."""

    product: Product
    at: datetime | None = None
    cause: str | None = None
    successor: Product | None = None

    def __str__(self) -> str:
        when = f" on {self.at:%Y-%m-%d}" if self.at else ""
        return f"deleted by the archive{when}" + (f" ({self.cause})" if self.cause else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletions:
    """A page of deleted products, and how many there are."""

    products: tuple[Deleted, ...] = ()
    total: int | None = None


@runtime_checkable
class Remembering(Catalogue, Protocol):
    """A catalogue that remembers what was deleted."""

    async def deleted(self, query: Query, skip: int) -> Deletions:
        """The deleted products that match ``query``, from ``skip`` on, by sensing start.

        Raises:
            RemoteError: the catalogue did not answer.
            CatalogueError: its answer does not parse.
        """
        ...


class _Entity(Struct, rename="pascal"):
    deletion_date: str | None = None
    deletion_cause: str | None = None


class _Page(Struct):
    value: list[_Entity]


_page = msgspec.json.Decoder(_Page)


def deleted_url(root: str, query: Query, *, top: int, skip: int) -> str:
    """The address of deleted products that match ``query``. When they were published and whether they were online is not kept."""
    kept = replace(query, published=TimeInterval(), online=None, rules=tuple(map(_kept, query.rules)))
    text = filter_text(kept, query.sensing)
    options = [
        *([("$filter", text)] if text else []),
        ("$expand", "Attributes"),
        ("$orderby", "ContentDate/Start asc"),
        ("$top", str(top)),
        ("$skip", str(skip)),
        ("$count", "True"),
    ]
    return address(root, "DeletedProducts", options)


def _kept(rule: Query) -> Query:
    return replace(rule, published=TimeInterval(), online=None)


def parse_deleted(body: bytes, *, provider: str, collection: str | None) -> Deletions:
    """The deleted products of a page.

    Raises:
        CatalogueError: the body is something else; says what.
    """
    page = parse_page(body, provider=provider, collection=collection)
    fates = _page.decode(body).value
    gone = (
        Deleted(product=product, at=moment(fate.deletion_date, product.name), cause=fate.deletion_cause or None)
        for product, fate in zip(page.products, fates, strict=True)
    )
    return Deletions(products=tuple(gone), total=page.total)


async def find_deleted(catalogue: Remembering, query: Query, asking: Asking) -> Sequence[Deleted]:
    """Every deleted product that matches ``query``, at most ``MOST``.

    Raises:
        CatalogueError: the archive could not be asked, or its pages do not add up to its count.
    """
    found: dict[str, Deleted] = {}
    while True:
        before = len(found)
        page = await asking.answer(partial(catalogue.deleted, query, before), "deleted products")
        found |= {each.product.id: each for each in page.products}
        if len(found) >= min(MOST, page.total or 0):
            here = catalogue.here(query)
            return tuple(each for each in found.values() if here is None or here.keeps(each.product))
        if len(found) == before:
            raise CatalogueError(f"{page.total} deleted products are counted, and {before} listed")


async def find_deleted_of(
    catalogue: Remembering, *, ids: Iterable[str] = (), names: Iterable[str] = (), asking: Asking
) -> Sequence[Deleted]:
    """Which of the products with these ids or names are deleted, with their successors. One request for each hundred, about.

    Raises:
        CatalogueError: see :func:`find_deleted`.
    """
    found: dict[str, Deleted] = {}
    for query in (Query(ids=tuple(ids)), Query(names=tuple(names))):
        parts = shares(query, fits=_fits, apart=lambda _: False) if query != Query() else ()
        for part in parts:
            found |= {each.product.id: each for each in await find_deleted(catalogue, part, asking)}
    return [replace(each, successor=await replacement(catalogue, each.product, asking)) for each in found.values()]


def _fits(query: Query) -> bool:
    return length(query) <= URL_MAX


async def explain(error: SkyhaulError, product: Product, *, catalogue: Catalogue, asking: Asking) -> str:
    """What is to be said of ``product`` that failed with ``error``: of one that is missing whether it was deleted, and what replaces it.

    Asks the archive two small questions; what it does not answer is left out.
    """
    if not isinstance(error, ObjectMissing) or not isinstance(catalogue, Remembering):
        return str(error)
    try:
        gone = await find_deleted(catalogue, Query(provider=product.provider, ids=(product.id,)), asking)
        successor = await replacement(catalogue, product, asking)
    except SkyhaulError:
        return str(error)  # the failure itself is the news, and stands as it is
    fate = str(gone[0]) if gone else ""
    instead_of_it = f"replaced by {successor.name}" if successor else ""
    return "; ".join(filter(None, (str(error), fate, instead_of_it)))


async def replacement(catalogue: Catalogue, product: Product, asking: Asking) -> Product | None:
    """The latest other product of the same acquisition that the catalogue has; ``None`` where there is none."""
    if product.start is None or acquisition(product.name) == (product.name,):
        return None
    around = TimeInterval(start=product.start - _SECOND, end=product.start + _SECOND)
    query = Query(provider=product.provider, collection=product.collection or mission(product.name), sensing=around)
    part = Slice(query=query, interval=around)
    page = await asking.answer(lambda: catalogue.page(part, 0, count=False), f"what replaces {product.name}")
    return latest_other(product.name, (each for each in page.products if each.id != product.id))


def latest_other(name: str, products: Iterable[Product]) -> Product | None:
    """The latest version among ``products`` of what ``name`` is a version of."""
    key = acquisition(name)
    same = [each for each in products if acquisition(each.name) == key]
    return max(same, key=rank, default=None)
