"""How a product of an archive that serves whole products alone is fetched: one object over HTTP."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import PurePosixPath

import msgspec

from skyhaul.errors import (
    AccessDenied,
    ConnectionLost,
    HostBusy,
    ObjectChanged,
    ObjectOffline,
    RemoteError,
    RequestRefused,
    SettingsError,
)
from skyhaul.model import ByteRange, Product, RemoteObject, Route
from skyhaul.protocols import Body, Expected, Pieces, Source, Take, Turn, Wish
from skyhaul.providers.routes import Road, seconds_as_zip, single
from skyhaul.sources.replies import error_of, says

BEGINNINGS = {".zip": (b"PK",), ".nc": (b"\x89HDF", b"CDF")}
"""What files of a kind begin with: zips, NetCDF 4 and NetCDF 3."""

WITHIN = {".eof": b"Earth_Explorer_"}
"""What stands near the beginning of orbit files, which are XML as answers of a catalogue are."""

WORDS_BYTES = 4096
"""More than this is no answer in words."""

WORDS_MAX = 3
"""How often an archive may call a product online and then have words for it alone."""


def whole(product: Product, location: str, *, ranges: bool) -> RemoteObject:
    """The one object that is the product: its zip, or its only file. Sizes that a catalogue rounds are left out by the caller."""
    return RemoteObject(
        route="http",
        location=location,
        path=product.name if single(product) else f"{product.name}.zip",
        checksums=product.checksums,
        ranges=ranges,
        archive=True,
    )


def check(wish: Wish, archive: str) -> None:
    """See that the wish can be met by whole products.

    Raises:
        SettingsError: it is for S3, or for some files of a product.
    """
    if wish.via == "s3":
        raise SettingsError(f"--via s3: {archive} is reached over HTTP alone")
    if not wish.whole:
        raise SettingsError(f"{archive} has whole products alone: leave --only, --exclude and --bands out")


def expected(product: Product, wish: Wish, archive: str) -> Expected:
    """What fetching ``product`` would take."""
    check(wish, archive)
    return Expected(route="http", objects=1, seconds=seconds_as_zip(product, Road(http=True, s3=False)))


async def ask_for(obj: RemoteObject, sources: Mapping[Route, Source]) -> bool:
    """Ask for an archived object as its archive wants to be asked: by beginning to fetch it. Whether it is there at once.

    Raises:
        AccessDenied: there is no account; or, in the archive's words, as many are asked for as may be.
        RemoteError: the archive did not take the request.
    """
    source = sources.get("http")
    if source is None:
        raise AccessDenied("ordering needs an account")
    try:
        # Two bytes rather than one: a DHuS fails at bytes=0-0.
        async with (
            source.read(obj, ByteRange(start=0, stop=2), etag=None) as body,
            aclosing(body.pour(lambda _: None)) as sizes,
        ):
            async for _ in sizes:
                break  # whoever serves its beginning has it
            return True
    except ObjectOffline:
        return False


class _Refusal(msgspec.Struct):
    """resto tells errors with status 200."""

    code: int = msgspec.field(name="ErrorCode")


@dataclass(frozen=True, slots=True)
class Genuine:
    """A :class:`~skyhaul.protocols.Source` of whole products, whose host may answer with something else in the place of one.

    A feed, a list of nodes, an error or a few words are told by how they begin; they are never taken for the product. Of an archive that
    has products on ``tape``, words mean that one is on its way from there (PEPS: 44 bytes, with status 200 or 202; peps_download,
    issue 14).
    """

    source: Source
    tape: bool
    _worded: Counter[str] = field(default_factory=Counter)

    @property
    def route(self) -> Route:
        """See :class:`skyhaul.protocols.Source`."""
        return self.source.route

    @asynccontextmanager
    async def read(
        self, obj: RemoteObject, span: ByteRange | None, *, etag: str | None, turn: Turn | None = None
    ) -> AsyncIterator[Body]:
        """See :class:`skyhaul.protocols.Source`.

        Raises:
            ObjectOffline: it is being staged.
            AccessDenied: the answer is that the account may not have it.
            HostBusy: it is that the archive is busy.
            RequestRefused: it is something else that is no product; or the archive calls it online, and has words for it alone.
        """
        # What is none of the product is told apart here, whatever its type and length.
        asked = replace(obj, archive=False, size=None)
        async with self.source.read(asked, span, etag=etag, turn=turn) as body:
            if body.ranged:  # who serves a part of a file has the file
                _check_size(obj, body)
                yield body
            else:
                yield replace(body, pour=partial(self._pour, obj, body, ordering=span is not None))

    async def _pour(self, obj: RemoteObject, body: Body, take: Take, *, ordering: bool) -> AsyncGenerator[int, None]:
        """Give a body to who takes it, once it has begun as a product does."""
        head, told = b"", False

        def taken(pieces: Pieces) -> None:
            nonlocal head, told
            if told:
                take(pieces)
                return
            head += b"".join(pieces)
            told = _is_product(obj.path, head)
            if told:
                _check_size(obj, body)
                take([head])
            elif len(head) >= WORDS_BYTES:
                raise self._meant(obj, body.media_type, head, ordering=ordering)

        held = 0
        async with aclosing(body.pour(taken)) as sizes:
            async for size in sizes:
                held += size
                if told:
                    yield held
                    held = 0
        if not told:
            raise self._meant(obj, body.media_type, head, ordering=ordering)

    def _meant(self, obj: RemoteObject, media_type: str, answer: bytes, *, ordering: bool) -> RemoteError:
        """What the archive means by an answer that is no product."""
        if media_type == "text/html":
            return ConnectionLost(f"{obj.path}: a page of type {media_type} came in its place")
        if len(answer) >= WORDS_BYTES:
            return RequestRefused(
                f"{obj.path}: something else came in its place ({media_type or 'of no type'})", status=200
            )
        said = says(answer) or f"{len(answer)} bytes"
        error = _refusal(obj, answer)
        if isinstance(error, AccessDenied | HostBusy):
            return error
        self._worded[obj.location] += not ordering
        if not self.tape or self._worded[obj.location] >= WORDS_MAX:
            return RequestRefused(f"{obj.path}: in its place the archive answers: {said}", status=200)
        return ObjectOffline(f"{obj.path} is on its way from tape; the archive answers: {said}")


def _refusal(obj: RemoteObject, answer: bytes) -> RemoteError | None:
    try:
        return error_of(msgspec.json.decode(answer, type=_Refusal).code, obj.location, {}, answer)
    except msgspec.DecodeError:
        return None


def _is_product(path: str, head: bytes) -> bool:
    """Whether a file may begin so; of kinds that are not known here, anything that is more than a few words may."""
    kind = PurePosixPath(path).suffix.lower()
    if kind in BEGINNINGS:
        return head.startswith(BEGINNINGS[kind])
    if kind in WITHIN:
        return WITHIN[kind] in head
    return len(head) >= WORDS_BYTES


def _check_size(obj: RemoteObject, body: Body) -> None:
    if body.total is not None and obj.size is not None and body.total != obj.size:
        raise ObjectChanged(f"{obj.path}: it has {body.total} bytes where {obj.size} were announced")


def genuine(sources: Mapping[Route, Source], *, tape: bool = False) -> Mapping[Route, Source]:
    """The sources of an archive of whole products, held to what they are asked for."""
    return {route: Genuine(source, tape) for route, source in sources.items()}
