"""The nouns of the embedded archive: products, files, archives, objects, and the contract of a world that holds them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar

from skyhaul.simulate.content import Content, multipart_etag

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

Geometry = dict[str, Any]  # GeoJSON in longitude and latitude
Value = str | int | float | bool
Attribute = tuple[str, str, Value]  # name, OData type ("String", "Integer", ...), value; times as the catalogue writes


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldSettings:
    """What a generated world is made of; equal settings make equal worlds, to the last byte."""

    products: int = 300
    scale: float = 0.04
    """Size of product bytes relative to real ones: 0.04 makes 40 MB of a Sentinel-2 tree of 1 GB."""
    seed: int = 1
    start: dt.datetime = dt.datetime(2024, 4, 1, tzinfo=dt.UTC)
    end: dt.datetime = dt.datetime(2024, 10, 1, tzinfo=dt.UTC)
    checksums: Literal["all", "none"] = "all"
    """Whether the catalogue knows MD5 and BLAKE3 of the zips; each has to be computed over its bytes once."""
    oddities: bool = True
    """Whether there is what real archives have: reprocessed duplicates, offline products, missing facts."""
    object_bytes: int | None = None
    """When set, replaces ``scale``: every Sentinel-2 L2A tree is about this many bytes in all."""

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("start and end need a time zone")
        if self.products < 1 or self.scale <= 0 or self.start >= self.end:
            raise ValueError("a world needs a product, a scale above 0 and a start before its end")
        if self.object_bytes is not None and self.object_bytes < 1:
            raise ValueError("object_bytes must be above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class SimProduct:
    """One product as its catalogue knows it; all times are aware and UTC."""

    index: int
    id: str
    name: str
    collection: str
    product_type: str
    start: dt.datetime
    end: dt.datetime
    origin: dt.datetime
    published: dt.datetime
    modified: dt.datetime
    online: bool
    eviction: dt.datetime
    footprint: Geometry | None
    attributes: tuple[Attribute, ...]
    s3_key: str
    """Without the bucket and without a slash at either end; a prefix of keys, or the key of a ``single`` object."""
    single: bool = False
    checksum_published: bool = True
    zero_length: bool = False
    quicklook_id: str | None = None
    deleted: dt.datetime | None = None
    deletion_cause: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimFile:
    """One file of a product; ``path`` is relative to the product folder."""

    path: str
    content: Content
    digest_name: str = ""
    """``SHA3-256`` or ``MD5`` as the manifest calls it; empty for files the manifest does not list."""
    digest: str = ""
    """As the manifest writes it; letter case is mixed in Sentinel-2 manifests, as in real ones."""

    @property
    def size(self) -> int:
        """In bytes."""
        return self.content.size

    @property
    def md5(self) -> str:
        """Lower-case hex."""
        return self.content.digest("md5")

    def read(self, start: int, stop: int) -> bytes:
        """The bytes of a half-open span."""
        return self.content.read(start, stop)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimArchive:
    """What ``$value`` of a product serves: the zip of its folder, or the bare file of a single object."""

    filename: str
    content: Content
    digests: Callable[[], tuple[str, str]]
    content_type: str = "application/zip"

    @property
    def size(self) -> int:
        """In bytes."""
        return self.content.size

    @property
    def md5(self) -> str:
        """Lower-case hex; computed over all bytes the first time."""
        return self.digests()[0]

    @property
    def blake3(self) -> str:
        """Lower-case hex; computed over all bytes the first time."""
        return self.digests()[1]

    def read(self, start: int, stop: int) -> bytes:
        """The bytes of a half-open span."""
        return self.content.read(start, stop)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimObject:
    """One S3 object of the bucket ``eodata``; a key that ends in a slash is an empty folder marker."""

    key: str
    last_modified: dt.datetime
    content: Content
    multipart: bool = False

    @property
    def size(self) -> int:
        """In bytes."""
        return self.content.size

    @property
    def etag(self) -> str:
        """Without its quotes: the MD5, or for an object uploaded in parts ``<MD5 of the MD5s>-<parts>``."""
        return multipart_etag(self.content) if self.multipart else self.content.digest("md5")

    def read(self, start: int, stop: int) -> bytes:
        """The bytes of a half-open span."""
        return self.content.read(start, stop)


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """One property of all rows of a shelf: ``get(row)``; where rows share values also as ``codes`` into a ``table``.

    A condition on a column with a table is decided once per entry of the table.
    """

    get: Callable[[int], T]
    codes: Sequence[int] = ()
    table: Sequence[T] = ()


class Shelf(Protocol):
    """An entity set of the catalogue as rows ``0 .. len - 1``; times are microseconds since 1970."""

    def __len__(self) -> int: ...

    def between(self, low_us: int, high_us: int) -> Iterable[int]:
        """The rows that may start within the closed span; a superset, ascending."""
        ...

    def property(self, path: str) -> Column[Any] | None:
        """A plain property such as ``ContentDate/Start``; None when the set has no such property."""
        ...

    def attribute(self, name: str) -> Column[tuple[str, Value] | None]:
        """Type and value of an attribute in each row; None in a row without it."""
        ...

    def footprint(self) -> Column[Geometry | None]:
        """GeoJSON, in one or two parts."""
        ...

    def find(self, entity_id: str) -> int | None:
        """The row of an id, in any letter case."""
        ...

    def find_name(self, name: str) -> int | None:
        """The row of a full name."""
        ...

    def tie_break(self, row: int) -> int | str:
        """Orders rows as their ids do."""
        ...

    def entity(self, row: int, expand: Collection[str], root: str) -> dict[str, Any]:
        """The row as the catalogue writes it, its keys in the catalogue's order; ``root`` begins its links."""
        ...


class World(Protocol):
    """Everything the servers of the embedded archive serve."""

    @property
    def shelf(self) -> Shelf:
        """``Products``."""
        ...

    @property
    def deleted(self) -> Shelf:
        """``DeletedProducts``."""
        ...

    @property
    def bursts(self) -> Shelf:
        """``Bursts``."""
        ...

    def __len__(self) -> int: ...

    def product(self, index: int) -> SimProduct:
        """The product of a row; rows ascend in sensing start."""
        ...

    def by_id(self, product_id: str) -> SimProduct | None:
        """The product with that id, in any letter case."""
        ...

    def by_name(self, name: str) -> SimProduct | None:
        """The product with that full name, suffix included."""
        ...

    def by_quicklook(self, asset_id: str) -> SimProduct | None:
        """The product whose quicklook has that id."""
        ...

    def files(self, product: SimProduct) -> tuple[SimFile, ...]:
        """The product's files by path, its manifest among them; of a single-object product the one file."""
        ...

    def archive(self, product: SimProduct) -> SimArchive | None:
        """What ``$value`` serves; None for a product that is known by its record alone."""
        ...

    def objects(self, prefix: str, after: str, limit: int) -> list[SimObject]:
        """At most ``limit`` objects whose keys begin with ``prefix`` and lie strictly after ``after``, ascending."""
        ...

    def object(self, key: str) -> SimObject | None:
        """The object of that very key."""
        ...

    def quicklook(self, product: SimProduct) -> tuple[bytes, str]:
        """A small picture and its content type."""
        ...
