"""How a product of an archive that serves whole products alone is fetched: one object over HTTP."""

from __future__ import annotations

from collections.abc import Mapping

from skyhaul.errors import AccessDenied, ObjectOffline, SettingsError
from skyhaul.model import ByteRange, Product, RemoteObject, Route
from skyhaul.protocols import Expected, Source, Wish
from skyhaul.providers.routes import Road, seconds_as_zip, single


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
        async with source.read(obj, ByteRange(start=0, stop=2), etag=None):
            return True
    except ObjectOffline:
        return False
