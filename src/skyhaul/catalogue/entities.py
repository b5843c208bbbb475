"""What the Copernicus catalogue answers: OData pages, entities and notifications turned into products (pure).

Strict about what a product cannot do without (its id and name), tolerant where recorded replies differ: lengths of 0, empty checksums,
dates with three or six decimals or none, null footprints, attributes that are not expanded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from sys import intern
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field

from skyhaul.catalogue.unwatched import unwatched
from skyhaul.errors import CatalogueError
from skyhaul.model import Attribute, Checksum, Product
from skyhaul.protocols import Page
from skyhaul.vocabulary import COLLECTIONS

SAID_MAX = 300

SCALARS = frozenset({str, int, float, bool})
"""What an attribute may be, as :data:`skyhaul.model.Attribute` has it."""

_Required = Annotated[str, Meta(min_length=1)]
_TITLE = re.compile(rb"<(?:title|h1)[^>]*>\s*([^<]+)", re.IGNORECASE)
# As CDSE writes it; where it is written otherwise all attributes are read.
_TYPE = re.compile(rb'"Name":"productType","Value":"([^"\\]+)"')
_MISSION = re.compile(r"S(?P<mission>[12367]|5P)[A-D_]*_")


class _Attribute(Struct, rename="pascal", gc=False):
    name: str
    value: Any = None
    value_type: str = ""


class _Checksum(Struct, rename="pascal", gc=False):
    value: str | None = None
    algorithm: str | None = None


class _ContentDate(Struct, rename="pascal", gc=False):
    start: str | None = None
    end: str | None = None


class _Asset(Struct, rename="pascal", gc=False):
    type: str = ""
    download_link: str | None = None


class _Entity(Struct, rename="pascal", gc=False):
    id: _Required
    name: _Required
    content_length: int | None = None
    publication_date: str | None = None
    modification_date: str | None = None
    online: bool | None = None
    s3_path: str | None = None
    checksum: list[_Checksum] | None = None
    content_date: _ContentDate | None = None
    geo_footprint: dict[str, Any] | None = None
    attributes: Raw = Raw()
    assets: list[_Asset] | None = None


class _Page(Struct, gc=False):
    """``value`` is a list in pages, an entity in notifications, absent in a bare entity and in errors."""

    value: list[_Entity] | _Entity | UnsetType = UNSET
    count: Annotated[int, Meta(ge=0)] | None = field(name="@odata.count", default=None)
    next_link: str | None = field(name="@odata.nextLink", default=None)
    detail: Any = UNSET


_page = msgspec.json.Decoder(_Page)
_entity = msgspec.json.Decoder(_Entity)
_attributes = msgspec.json.Decoder(list[_Attribute] | None)


def parse_page(body: bytes, *, provider: str, collection: str | None) -> Page:
    """The products of a page, of a single entity or of a push notification.

    ``collection`` is what was asked for: no field of the reply says it. Without it the path and the name tell.

    Raises:
        CatalogueError: the body is something else; says what.
    """
    with unwatched():
        return _parsed(body, provider, collection)


def _parsed(body: bytes, provider: str, collection: str | None) -> Page:
    try:
        page = _page.decode(body)
        if page.detail is not UNSET:
            raise CatalogueError(f"the catalogue of {provider} refused: {_said(page.detail)[:SAID_MAX]}")
        value = _entity.decode(body) if isinstance(page.value, UnsetType) else page.value
    except msgspec.DecodeError as error:
        raise CatalogueError(f"the catalogue of {provider} answered with {instead(body, error)}") from error
    entities = value if isinstance(value, list) else [value]
    return Page(
        products=tuple(_product(each, provider, collection) for each in entities),
        total=page.count,
        next_link=page.next_link,
    )


def _product(entity: _Entity, provider: str, collection: str | None) -> Product:
    raw = bytes(entity.attributes)
    attributes: Mapping[str, Attribute] = Unread(raw, provider) if raw else {}
    content = entity.content_date or _ContentDate()
    return Product(
        id=entity.id,
        name=entity.name,
        provider=provider,
        collection=collection or _collection(entity),
        product_type=_product_type(raw, attributes),
        start=moment(content.start, entity.name),
        end=moment(content.end, entity.name),
        published=moment(entity.publication_date, entity.name),
        modified=moment(entity.modification_date, entity.name),
        size=max(entity.content_length or 0, 0) or None,  # CDSE: 0 where it is not known, -1 for mosaics
        checksums=_checksums(entity.checksum) if entity.checksum else (),
        online=entity.online is not False,
        footprint=entity.geo_footprint,
        s3_path=(entity.s3_path or "").lstrip("/") or None,
        quicklook_url=_quicklook(entity.assets) if entity.assets else None,
        attributes=attributes,
    )


class Unread(Mapping[str, Attribute]):
    """The attributes of a product as they came, read when the first is asked for: half of the work that a page makes.

    Raises:
        CatalogueError: when they are read, and are something else.
    """

    __slots__ = ("_provider", "_raw", "_read")

    def __init__(self, raw: bytes, provider: str) -> None:
        self._raw = raw
        self._provider = provider
        self._read: dict[str, Attribute] | None = None

    def _known(self) -> dict[str, Attribute]:
        raw = self._raw  # before it is seen whether they are read: another thread may be at it
        if self._read is None:
            try:
                attributes = _attributes.decode(raw)
            except msgspec.DecodeError as error:
                raise CatalogueError(
                    f"the catalogue of {self._provider} answered with {instead(raw, error)}"
                ) from error
            # A few dozen of each product: names are kept once.
            self._read = {
                intern(each.name): float(value) if kind is int and each.value_type == "Double" else value
                for each in attributes or ()
                if (kind := type(value := each.value)) in SCALARS
            }
            self._raw = b""
        return self._read

    def __getitem__(self, name: str) -> Attribute:
        return self._known()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known())

    def __len__(self) -> int:
        return len(self._known())

    def __repr__(self) -> str:
        return repr(self._known())


def _product_type(raw: bytes, attributes: Mapping[str, Attribute]) -> str | None:
    if found := _TYPE.search(raw):
        return found[1].decode()
    stated = attributes.get("productType") if b"productType" in raw else None
    return None if stated is None else str(stated)


def _checksums(checksums: Iterable[_Checksum]) -> tuple[Checksum, ...]:
    return tuple(
        Checksum(algorithm=each.algorithm.upper(), value=each.value.lower())
        for each in checksums
        if each.algorithm and each.value
    )


def _quicklook(assets: Iterable[_Asset]) -> str | None:
    return next((each.download_link for each in assets if each.type == "QUICKLOOK"), None)


def _collection(entity: _Entity) -> str | None:
    """``/eodata/Sentinel-2/…`` is of SENTINEL-2, and so is ``S2A_…``."""
    folder = (entity.s3_path or "").strip("/").upper().split("/")
    if len(folder) > 1 and folder[1] in COLLECTIONS:
        return folder[1]
    return mission(entity.name)


def mission(name: str) -> str | None:
    """The collection that the name of a product begins with."""
    found = _MISSION.match(name)
    return f"SENTINEL-{found['mission']}" if found else None


def moment(text: str | None, name: str) -> datetime | None:
    """The time that the catalogue states of the product ``name``, in UTC; ``None`` where it states none.

    Raises:
        CatalogueError: the text is not a time.
    """
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise CatalogueError(f"the catalogue says of {name} {text!r}, which is not a time") from None
    if found.tzinfo is UTC:
        return found
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _said(detail: Any) -> str:
    """The text of an error: a string, an object with a message, or a list of such objects."""
    match detail:
        case str():
            return detail
        case {"message": str(said)} | {"ErrorMessage": str(said)}:
            return said
        case {"msg": str(said), "loc": list(where)}:
            return f"{said} ({' '.join(map(str, where))}: {detail.get('input')!r})"
        case list():
            return "; ".join(map(_said, detail))
        case _:
            return str(detail)


def instead(body: bytes, error: msgspec.DecodeError) -> str:
    """What ``body`` is, as it is not what was asked for."""
    start = body.lstrip()[:4096]
    if not start:
        return "nothing at all"
    if start.startswith(b"<"):
        title = _TITLE.search(start)
        return "a web page" + (f": {title[1].decode('utf-8', 'replace').strip()}" if title else "")
    if isinstance(error, msgspec.ValidationError):
        return f"JSON that is no page of products ({error})"
    return f"{len(body)} bytes that are not JSON ({error})"
