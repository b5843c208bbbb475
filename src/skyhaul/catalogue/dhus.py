"""What a DHuS answers through OData v1: entities and lists of them turned into products (pure).

Older servers leave out ``Online`` and ``ModificationDate``; lengths are texts, digests in either case, times ``/Date(ms)/``.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field

from skyhaul.catalogue.entities import mission
from skyhaul.catalogue.older import attributes, checksums, decoded, from_gml, product_type, refuse, ticks
from skyhaul.errors import CatalogueError
from skyhaul.model import Product
from skyhaul.protocols import Page

_Required = Annotated[str, Meta(min_length=1)]


class _Span(Struct, rename="pascal"):
    start: str | None = None
    end: str | None = None


class _Digest(Struct, rename="pascal"):
    algorithm: str | None = None
    value: str | None = None


class _Named(Struct, rename="pascal"):
    name: str
    value: str | None = None


class _Expanded(Struct):
    results: list[_Named] = []


class _Entity(Struct, rename="pascal"):
    id: _Required
    name: _Required
    content_length: Annotated[str, Meta(pattern=r"^\d*$")] | int | None = None
    ingestion_date: str | None = None
    modification_date: str | None = None
    online: bool | None = None
    content_date: _Span = field(default_factory=_Span)
    checksum: _Digest = field(default_factory=_Digest)
    content_geometry: str | None = None
    attributes: _Expanded = field(default_factory=_Expanded)


class _Results(Struct):
    results: list[_Entity] | UnsetType = UNSET


class _OData(Struct):
    d: Raw = Raw(b"")
    error: Any = None


def parse_dhus_entities(body: bytes, *, provider: str) -> Page:
    """The products of a DHuS OData v1 reply: of a list or of one entity. The reply has neither a total nor a way to the next page.

    Raises:
        CatalogueError: the body is something else; says what.
    """
    reply = decoded(body, _OData, provider)
    if not bytes(reply.d):
        refuse(provider, reply.error)
    results = decoded(bytes(reply.d), _Results, provider).results
    found = [decoded(bytes(reply.d), _Entity, provider)] if isinstance(results, UnsetType) else results
    return Page(products=tuple(_of_entity(entity, provider) for entity in found))


def parse_dhus_entity(body: bytes, *, provider: str) -> Product:
    """The product of a DHuS OData v1 entity. Its name has a suffix only where attributes are expanded.

    Raises:
        CatalogueError: the body is something else, or not one product; says what.
    """
    found = parse_dhus_entities(body, provider=provider).products
    if len(found) != 1:
        raise CatalogueError(f"the catalogue of {provider} answered with {len(found)} products where one was asked for")
    return found[0]


def _of_entity(entity: _Entity, provider: str) -> Product:
    told = {each.name: each.value for each in entity.attributes.results}
    name = told.get("Filename") or entity.name
    size = int(entity.content_length or 0) or None
    found = attributes(told)
    return Product(
        id=entity.id,
        name=name,
        provider=provider,
        collection=mission(name),
        product_type=product_type(found),
        start=ticks(entity.content_date.start),
        end=ticks(entity.content_date.end),
        published=ticks(entity.ingestion_date),
        modified=ticks(entity.modification_date),
        size=size,
        # An archived product of length 0 has the digest of no bytes.
        checksums=checksums(entity.checksum.algorithm, entity.checksum.value) if size else (),
        online=entity.online is not False,
        footprint=from_gml(entity.content_geometry),
        attributes=found,
    )
