"""The nouns of the embedded archive: products, their files, archives and objects, and what a world of them offers."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldSettings:
    products: int = 300
    scale: float = 0.04
    seed: int = 1
    start: dt.datetime = dt.datetime(2024, 4, 1, tzinfo=dt.UTC)
    end: dt.datetime = dt.datetime(2024, 10, 1, tzinfo=dt.UTC)
    checksums: Literal["all", "none"] = "all"
    oddities: bool = True
    object_bytes: int | None = None


class Content(Protocol):
    """Bytes that are computed, never stored; ``read`` takes a half-open range inside ``0..size``."""

    @property
    def size(self) -> int: ...
    def read(self, start: int, stop: int) -> bytes: ...
    def md5(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SimProduct:
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
    eviction: dt.datetime | None
    footprint: dict[str, Any] | None
    attributes: tuple[tuple[str, str, str | int | float | bool | dt.datetime], ...]
    s3_key: str
    single: bool = False
    checksum_published: bool = True
    zero_length: bool = False
    quicklook_id: str | None = None
    deleted: dt.datetime | None = None
    deletion_cause: str | None = None


class SimFile(Protocol):
    path: str
    size: int
    md5: str
    digest_name: str  # "SHA3-256" or "MD5"; "" for the manifest itself
    digest: str

    def read(self, start: int, stop: int) -> bytes: ...


class SimArchive(Protocol):
    size: int
    md5: str
    blake3: str
    filename: str
    content_type: str

    def read(self, start: int, stop: int) -> bytes: ...


class SimObject(Protocol):
    key: str
    size: int
    etag: str  # without the quotes of the header
    last_modified: dt.datetime

    def read(self, start: int, stop: int) -> bytes: ...


class World(Protocol):
    def __len__(self) -> int: ...
    def product(self, index: int) -> SimProduct: ...
    def by_id(self, product_id: str) -> SimProduct | None: ...
    def by_name(self, name: str) -> SimProduct | None: ...
    def by_quicklook(self, asset_id: str) -> SimProduct | None: ...
    def files(self, product: SimProduct) -> tuple[SimFile, ...]: ...
    def archive(self, product: SimProduct) -> SimArchive: ...
    def objects(self, prefix: str, after: str, limit: int) -> list[SimObject]: ...
    def object(self, key: str) -> SimObject | None: ...
    def quicklook(self, product: SimProduct) -> tuple[bytes, str]: ...
