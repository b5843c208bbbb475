"""The seams: what a provider, a source and a destination promise each other."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from skyhaul.events import Event
from skyhaul.model import ByteRange, Product, Query, RemoteObject, Route, TimeInterval, Via

BATCH_BYTES = 2 << 20
"""What is received, written and hashed at a time, at most: a hop to a thread costs 50 µs, and 300 on a machine whose cores are busy. A kill
costs what is written and not yet noted: two batches of each stream."""

SMALL_BYTES = 1 << 19
"""An object of no more is received whole, and then written in one go: a kill costs all of it."""

Pieces = Sequence[bytes | memoryview]
Take = Callable[[Pieces], None]
"""Takes what has come of a body. Where more than a batch may come it is called on a thread, may block, and the memory is used again."""

Pour = Callable[[Take], AsyncGenerator[int, None]]
"""Gives a body to who takes it, a batch at the most at a time: how many bytes each time, once they are taken. What has come is given also
where the body breaks off, before that is raised."""

Emit = Callable[[Event], None]
"""Tell the observers. Never blocks, never fails a transfer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One reply of a catalogue: its products, the count of the whole slice where asked for, the way to the next page.

    ``next_link`` is the catalogue's own business: an address, or whatever else it follows. ``at_hand`` is whether the pages after it need
    no request, so that nothing is gained by reading them side by side.
    """

    products: tuple[Product, ...]
    total: int | None = None
    next_link: str | None = None
    at_hand: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A part of a query that is read page by page: its sensing starts lie in ``interval``, half-open.

    ``ordered`` is whether the query's order matters to whoever reads it.
    """

    query: Query
    interval: TimeInterval
    ordered: bool = False

    @property
    def name(self) -> str:
        """How errors and the journal call it."""
        return str(self.interval)


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """How an archive pages: products in a page, the deepest first product that may be asked for, requests that it keeps in flight."""

    page_size: int
    deepest_skip: int | None
    concurrency: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPaging(Paging):
    """How an archive pages that cannot skip: each page says where the next one is (:meth:`LinkedCatalogue.following`).

    ``sorted`` is whether the products of an ordered slice come in the query's order. ``counted`` is whether pages may say how many
    there are, and the most recently modified product, or one of some ids, can be asked for.
    """

    deepest_skip: int | None = 0
    sorted: bool = True
    counted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """What a catalogue cannot be asked and is left to us: the fields of the query, and whether a product meets them.

    ``edges`` is whether nothing but products at the ends of the query's time is left out: the catalogue's own count is then good enough.
    ``compared`` is what people call the fields: conditions by their attributes.
    ``tells`` is, by what is compared, whether a product says it; ``None`` of one that something else leaves out. Where it is missed and no
    product says it, the query cannot be answered.
    """

    fields: tuple[str, ...]
    keeps: Callable[[Product], bool]
    edges: bool = False
    compared: tuple[str, ...] = ()
    tells: Mapping[str, Callable[[Product], bool | None]] = field(default_factory=dict)


class Catalogue(Protocol):
    """Where products are found."""

    @property
    def paging(self) -> Paging:
        """How it pages."""
        ...

    def here(self, query: Query) -> Here | None:
        """What of ``query`` is filtered here; ``None`` where the catalogue is asked for all of it.

        Raises:
            SettingsError: the query has something that neither the archive can be asked nor its answers tell.
        """
        ...

    async def page(self, part: Slice, skip: int, *, count: bool) -> Page:
        """The products of ``part`` from ``skip`` on, in the query's order, those of one moment by id.

        They are as many as fit on a page, or as the query's limit where that is less.

        Raises:
            RemoteError: the catalogue did not answer.
            CatalogueError: its answer does not parse.
        """
        ...

    async def extent(self, query: Query) -> TimeInterval | None:
        """From the first sensing start of the query to just after the last; ``None`` where nothing matches."""
        ...

    async def named(self, names: Sequence[str]) -> Page:
        """The products of these names, at most 100, in any order; those that do not exist are left out.

        Raises:
            RemoteError: the catalogue did not answer.
            CatalogueError: its answer does not parse.
        """
        ...


class LinkedCatalogue(Catalogue, Protocol):
    """A catalogue with :class:`LinkPaging`: its ``page`` gives the first page of a slice, whatever comes after is followed."""

    @property
    def paging(self) -> LinkPaging:
        """How it pages."""
        ...

    async def following(self, part: Slice, link: str) -> Page:
        """The page that the ``next_link`` of the page before it leads to.

        Raises:
            RemoteError: the catalogue did not answer.
            CatalogueError: its answer does not parse.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is wanted of each product: the route, and which of its files (globs on the path inside the product)."""

    via: Via = "auto"
    only: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether every file is wanted."""
        return not self.only and not self.exclude


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What fetching a product is likely to take on one stream, faults left out."""

    route: Route
    objects: int
    seconds: float


class Provider(Catalogue, Protocol):
    """An archive: its catalogue, and how a product becomes objects."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    def expected(self, product: Product, wish: Wish) -> Expected:
        """What fetching ``product`` would take.

        Raises:
            AccessDenied: the route that is wished for lacks credentials.
            SettingsError: there is no such route here.
        """
        ...

    async def objects(self, product: Product, wish: Wish) -> Sequence[RemoteObject]:
        """What to fetch for ``product``, in the order in which it should be fetched.

        Raises:
            RemoteError: listing failed.
            IntegrityError: the archive's own list of the product's files is not satisfied by what it offers.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """An open answer: whether it is the span that was asked for or the whole object, how large the object is, what pins it."""

    ranged: bool
    total: int | None
    etag: str | None
    pour: Pour
    media_type: str = ""


class Source(Protocol):
    """Where the bytes of an object come from."""

    @property
    def route(self) -> Route:
        """The route that it serves."""
        ...

    def read(
        self, obj: RemoteObject, span: ByteRange | None, *, etag: str | None, turn: Turn | None = None
    ) -> AbstractAsyncContextManager[Body]:
        """Open ``span`` of ``obj`` (all of it for ``None``), to be poured. Nothing is asked for before ``turn`` comes.

        With an ``etag`` only that version is served. Leaving the context gives the connection back, read to the end or
        not. A host that does not serve ranges answers with a body that is not ``ranged``: the caller must look.

        Raises:
            ObjectChanged: the object is another one by now.
            RemoteError: the host did not serve the span, on opening or midway.
        """
        ...


class Web(Protocol):
    """Small documents over HTTP, as a provider needs them. One request a call; the caller owns the repeating."""

    async def get(self, url: str) -> bytes:
        """The body of a successful answer.

        Raises:
            RemoteError: there was none.
        """
        ...

    async def post(self, url: str, body: bytes, media_type: str) -> bytes:
        """The body of a successful answer to ``body``.

        Raises:
            RemoteError: there was none.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A successful answer whose body has not been read yet. ``headers`` have lower-case names."""

    status: int
    url: str
    headers: Mapping[str, str]
    pour: Pour

    async def read(self) -> bytes:
        """All of the body, of one that is not large."""
        pieces: list[bytes | memoryview] = []
        async for _ in self.pour(pieces.extend):
            pass
        return b"".join(pieces)


Turn = Callable[[], Awaitable[object]]
"""Comes when a request may be sent."""

Sign = Callable[[str, str, Mapping[str, str]], Mapping[str, str]]
"""(method, url, headers) → the headers with a signature among them."""


class Exchange(Protocol):
    """The one HTTP engine: a request, redirects followed by hand, errors mapped."""

    def open(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        bearer: bool = False,
        sign: Sign | None = None,
        turn: Turn | None = None,
        large: bool = False,
    ) -> AbstractAsyncContextManager[Answer]:
        """Send one request and hand over a successful answer; leaving the context gives the connection back.

        A ``large`` answer is more than a batch, or may be: it is taken on threads.

        ``bearer`` adds the account's token, to the provider's own hosts only, also after a redirect. Nothing is sent before ``turn`` comes;
        each request that this one leads to awaits it.

        Raises:
            RemoteError: there was no successful answer, or its body broke off while it was read.
        """
        ...


class Listed(Protocol):
    """A key of a listing."""

    @property
    def key(self) -> str:
        """The whole key."""
        ...

    @property
    def size(self) -> int:
        """In bytes."""
        ...

    @property
    def etag(self) -> str:
        """Without quotes."""
        ...


class Lister(Protocol):
    """Who can list a bucket, and knows where its objects are."""

    def listing(self, bucket: str, prefix: str) -> AsyncIterator[Sequence[Listed]]:
        """The objects below ``prefix``, a page at a time."""
        ...

    def url(self, bucket: str, key: str) -> str:
        """Where the object is."""
        ...
