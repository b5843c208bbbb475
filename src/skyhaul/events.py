"""What happened, as frozen facts in the past tense, and the meter that bytes are counted on.

Events are few and never dropped. Bytes are added to a :class:`Meter` by those who move them and sampled by those who
look. ``at_s`` is seconds since the epoch.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Literal

import msgspec
from msgspec import Struct

from skyhaul.model import ProductResult, Report, Route


class Event(Struct, frozen=True, kw_only=True):
    """Something that happened at ``at_s``."""

    at_s: float = msgspec.field(default_factory=time.time)


class RunStarted(Event, frozen=True, kw_only=True):
    """A run began. ``title`` describes the query in one line; ``max_bytes_per_s`` is the user's own limit, the rest are the archive's.

    ``bytes_per_s`` is what the archive gives one connection.
    """

    provider: str
    title: str
    destination: str
    connections: int
    bytes_per_s: float | None = None
    requests_per_minute: int | None = None
    bytes_per_30_days: int | None = None
    max_bytes_per_s: int | None = None


class SlicePlanned(Event, frozen=True, kw_only=True):
    """A time slice of the query is to be read. A slice that was split is replaced by its parts."""

    slice: str
    replaces: str | None = None


class FilteredHere(Event, frozen=True, kw_only=True):
    """The archive cannot be asked for some fields of the query: it gives more, and what does not meet them is left out here."""

    provider: str
    fields: tuple[str, ...]


class NotFound(Event, frozen=True, kw_only=True):
    """Names or ids were looked up that the catalogue does not have."""

    names: tuple[str, ...]


class PageRead(Event, frozen=True, kw_only=True):
    """One page of the catalogue arrived; ``total`` is the slice's count where the catalogue stated it."""

    slice: str
    products: int
    seconds: float
    total: int | None = None


class SliceFinished(Event, frozen=True, kw_only=True):
    """A slice is read and reconciled: as many unique products as the catalogue counted."""

    slice: str
    products: int


class SliceFailed(Event, frozen=True, kw_only=True):
    """A slice could not be read completely. The run will not end with 0."""

    slice: str
    error: str


class ProductFound(Event, frozen=True, kw_only=True):
    """The catalogue gave a product."""

    product: str
    name: str
    size: int | None = None


class ProductExpanded(Event, frozen=True, kw_only=True):
    """A product was turned into objects to fetch. ``bytes`` is ``None`` where a size is not known before the transfer.

    ``size`` is the catalogue's, as in :class:`ProductFound`: what is really fetched differs (bands, a tree instead of its zip).
    """

    product: str
    name: str
    route: Route
    objects: int
    bytes: int | None = None
    size: int | None = None


class TransferStarted(Event, frozen=True, kw_only=True):
    """Fetching an object began, at ``offset`` where an earlier attempt or run left bytes. ``product`` is the product's name."""

    product: str
    path: str
    size: int | None
    offset: int


class AttemptFailed(Event, frozen=True, kw_only=True):
    """One request failed; it will be repeated after ``wait_s`` unless that is ``None``."""

    host: str
    what: str
    kind: str
    error: str
    wait_s: float | None


class TransferFinished(Event, frozen=True, kw_only=True):
    """An object is on disk and verified at ``level``. ``product`` is the product's name."""

    product: str
    path: str
    bytes: int
    seconds: float
    level: str


class ProductOrdered(Event, frozen=True, kw_only=True):
    """An archived product came a step nearer: ``offline`` and put aside, ``staging`` once it is ordered, ``online`` at last."""

    product: str
    name: str
    state: Literal["offline", "staging", "online"]


class OrdersAwaited(Event, frozen=True, kw_only=True):
    """So many products are put aside now: ``staging`` are ordered, ``waiting`` are yet to be.

    ``look_s`` is when the archive is asked after the first of them, in seconds since the epoch; ``None`` where that is not known.
    """

    staging: int
    waiting: int
    look_s: float | None = None


class ProductFinished(Event, frozen=True, kw_only=True):
    """A product reached its end for this run: verified, present, failed."""

    result: ProductResult


class HostCooled(Event, frozen=True, kw_only=True):
    """A host asked for patience: nothing is sent to it for ``seconds``."""

    host: str
    seconds: float
    reason: str


class DiskPaused(Event, frozen=True, kw_only=True):
    """The destination is full: transfers wait for space."""

    free_bytes: int
    needed_bytes: int


class DiskResumed(Event, frozen=True, kw_only=True):
    """Space has come back: transfers go on."""


class ObserverFailed(Event, frozen=True, kw_only=True):
    """An observer cannot write: what it records has a gap from here on. Transfers go on."""

    observer: str
    error: str


class RunFinished(Event, frozen=True, kw_only=True):
    """A run ended."""

    report: Report


@dataclass(slots=True)
class Flow:
    """A transfer under way, as the dashboard draws it; ``product`` is a name, ``done`` counts bytes of this object on disk."""

    product: str
    path: str
    route: Route
    size: int | None
    done: int = 0
    started_s: float = field(default_factory=time.monotonic)
    verifying: bool = False


class Meter:
    """The sampled gauge: bytes and streams, added to by workers, read by observers a few times a second.

    All of it lives on the event loop's thread, so nothing is locked.
    """

    def __init__(self) -> None:
        self.received_bytes = 0
        self.refetched_bytes = 0
        self.streams = 0
        self.streams_wanted = 0
        self.writes_waiting = 0
        self.write_busy_s = 0.0
        self.expanding = 0
        self.queued_objects = 0
        self.requests: deque[float] = deque()
        self.bytes_30_days: int | None = None
        self.processes = 1
        self.flows: dict[tuple[str, str], Flow] = {}

    def received(self, flow: Flow, count: int) -> None:
        """``count`` more bytes of ``flow`` arrived."""
        self.received_bytes += count
        flow.done += count
