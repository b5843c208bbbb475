"""The nouns: frozen values that travel from the query to the report.

Times are aware and UTC. Intervals and ranges are half-open. Sizes are bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from msgspec import Struct

Attribute = str | int | float | bool
Geometry = Mapping[str, Any]
"""A GeoJSON geometry: ``type`` and ``coordinates``, longitude first."""

Operator = Literal["eq", "ne", "lt", "le", "gt", "ge", "in"]
Kind = Literal["String", "Integer", "Double", "DateTimeOffset", "Boolean"]
Route = Literal["http", "s3"]
Via = Literal["auto", "s3", "http"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeInterval:
    """A half-open span of time: ``start`` is included, ``end`` is not; ``None`` is open."""

    start: datetime | None = None
    end: datetime | None = None

    def __post_init__(self) -> None:
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise ValueError(f"no time between {self.start.isoformat()} and {self.end.isoformat()}")

    def __str__(self) -> str:
        return f"{stamp(self.start) if self.start else '…'} to {stamp(self.end) if self.end else '…'}"

    @property
    def open(self) -> bool:
        """Whether neither end is set."""
        return self.start is None and self.end is None


def stamp(moment: datetime) -> str:
    """The moment as people and archives write it: ``2024-04-01T10:10:31.024Z``, no more digits than needed."""
    text = moment.strftime("%Y-%m-%dT%H:%M:%S")
    if moment.microsecond:
        text += f".{moment.microsecond:06d}".rstrip("0")
    return text + "Z"


class Checksum(Struct, frozen=True, kw_only=True):
    """A digest that the archive states: ``algorithm`` in capitals (``MD5``, ``BLAKE3``, ``SHA3-256``), ``value`` in lower-case hex.

    ``origin`` is who said it: ``catalogue``, ``manifest``, ``etag``.
    """

    algorithm: str
    value: str
    origin: str = "catalogue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One comparison of a product's attribute with a typed value, or with several of which ``in`` wants one.

    ``kind`` is the attribute's type in the archive, where it is not among the known ones. ``processingBaseline`` is compared as a number.
    """

    attribute: str
    operator: Operator
    value: Attribute | tuple[Attribute, ...]
    kind: Kind | None = None

    @property
    def values(self) -> tuple[Attribute, ...]:
        """What the attribute is compared with."""
        return self.value if isinstance(self.value, tuple) else (self.value,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Season:
    """Days of any year, as (month, day), both ends included; across New Year where ``last`` comes before ``first``."""

    first: tuple[int, int]
    last: tuple[int, int]

    def __str__(self) -> str:
        (month, day), (last_month, last_day) = self.first, self.last
        return f"{month:02d}-{day:02d}..{last_month:02d}-{last_day:02d}"

    def __contains__(self, moment: datetime) -> bool:
        day = (moment.month, moment.day)
        if self.first <= self.last:
            return self.first <= day <= self.last
        return day >= self.first or day <= self.last


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is wanted. Everything left at its default does not restrict.

    ``sensing`` bounds the sensing start, ``published`` the publication time. ``area`` is WKT, EPSG:4326, longitude first, valid and
    closed; where it is too long for a filter, ``area_asked`` is a simpler one that covers it, for archives to be asked. ``names`` are
    exact or hold ``*``. ``where`` are further attribute conditions, joined by AND. Of ``rules``, fragments of a query, one at least has to
    hold besides all the rest.
    """

    provider: str = "cdse"
    collection: str | None = None
    product_types: tuple[str, ...] = ()
    sensing: TimeInterval = field(default_factory=TimeInterval)
    published: TimeInterval = field(default_factory=TimeInterval)
    area: str | None = None
    area_asked: str | None = None
    area_label: str | None = None
    tiles: tuple[str, ...] = ()
    cloud_min: float | None = None
    cloud_max: float | None = None
    orbit_direction: str | None = None
    relative_orbit: int | None = None
    platform: str | None = None
    polarisation: str | None = None
    mode: str | None = None
    timeliness: str | None = None
    names: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    where: tuple[Condition, ...] = ()
    season: Season | None = None
    rules: tuple[Query, ...] = ()
    online: bool | None = None
    latest_version: bool = False
    order_by: str = "start"
    limit: int | None = None


class Product(Struct, frozen=True, kw_only=True):
    """One product of a catalogue, whatever the archive calls it.

    ``size`` is ``None`` where the catalogue does not know (CDSE states 0 for some). ``name`` is the archive's own, with its
    suffix. ``checksums`` are of the whole product as it is downloaded over HTTP. ``s3_path`` is ``bucket/key``. ``attributes`` may be read
    as late as when one is asked for; ``msgspec.structs.replace`` makes a product that differs in some fields.
    """

    id: str
    name: str
    provider: str
    collection: str | None = None
    product_type: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    published: datetime | None = None
    modified: datetime | None = None
    size: int | None = None
    checksums: tuple[Checksum, ...] = ()
    online: bool = True
    footprint: Geometry | None = None
    s3_path: str | None = None
    quicklook_url: str | None = None
    attributes: Mapping[str, Attribute] = {}
    coverage: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ByteRange:
    """A half-open span of an object: ``start`` is included, ``stop`` is not."""

    start: int
    stop: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.stop:
            raise ValueError(f"no bytes between {self.start} and {self.stop}")

    def __len__(self) -> int:
        return self.stop - self.start

    def header(self) -> str:
        """The value of a ``Range`` header. RFC 9110 counts the last byte in; we do not."""
        return f"bytes={self.start}-{self.stop - 1}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteObject:
    """One thing to fetch: a key in a bucket, or a URL.

    ``path`` is where it belongs inside the product, relative, as the archive names it (not yet trusted). ``size`` is ``None`` until
    the host says it. ``ranges`` is whether the host serves byte ranges: without them an interrupted object starts again.
    ``archive`` marks the one object that is the whole product: a zip of it, or its only file. ``manifest`` marks the file that lists
    the others. ``mirrors`` are further addresses of the same bytes, in the order in which they should be tried.
    """

    route: Route
    location: str
    path: str
    size: int | None = None
    etag: str | None = None
    checksums: tuple[Checksum, ...] = ()
    ranges: bool = True
    archive: bool = False
    manifest: bool = False
    mirrors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """An object is on disk and is what the archive says it is, as far as ``level`` can tell."""

    path: str
    size: int
    level: str
    seconds: float
    attempts: int
    fetched: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """An object could not be had: the error's name and sentence, and whether all others would fail as well."""

    path: str
    kind: str
    error: str
    attempts: int
    exit_code: int = 1
    fatal: bool = False


Outcome = Verified | Failed

ProductState = Literal["verified", "present", "failed", "pending", "offline"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductResult:
    """What became of one product. ``present`` is verified by an earlier run, ``pending`` is not finished."""

    id: str
    name: str
    state: ProductState
    path: str | None = None
    bytes: int = 0
    seconds: float = 0.0
    level: str | None = None
    attempts: int = 0
    kind: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How a run ended, in the figures that a person asks for.

    ``levels`` counts products by the weakest check that covers all their bytes, ``retries`` counts repeated attempts by kind, ``slices`` is
    (complete, all). ``bytes`` are of products verified in this run; ``fetched`` counts every byte received, repeated ones too.
    ``failures`` holds at most 1000; all of them are in the journal. ``stopped`` says what ended the run before its end.
    """

    found: int = 0
    verified: int = 0
    present: int = 0
    failed: int = 0
    pending: int = 0
    bytes: int = 0
    fetched: int = 0
    seconds: float = 0.0
    allowance_bytes_per_s: float | None = None
    levels: Mapping[str, int] = field(default_factory=dict)
    retries: Mapping[str, int] = field(default_factory=dict)
    slices: tuple[int, int] = (0, 0)
    failures: tuple[ProductResult, ...] = ()
    incomplete: tuple[str, ...] = ()
    exit_code: int = 0
    stopped: str | None = None
    destination: str | None = None

    @property
    def bytes_per_s(self) -> float:
        """Mean rate of verified bytes over the whole run."""
        return self.bytes / self.seconds if self.seconds > 0 else 0.0

    @property
    def efficiency(self) -> float | None:
        """Mean rate over what the archive allows; ``None`` where it names no limit."""
        return self.bytes_per_s / self.allowance_bytes_per_s if self.allowance_bytes_per_s else None
