"""Files of a list, fetched from wherever they are: there is no catalogue, the list says it all.

Credentials are those of the Copernicus Data Space and are shown to its own hosts alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import ClassVar, NoReturn

from skyhaul.archives import Made, Means
from skyhaul.errors import AccessDenied, ObjectChanged, ObjectMissing, SettingsError
from skyhaul.lists import PROVIDER
from skyhaul.model import ByteRange, Product, Query, RemoteObject, TimeInterval
from skyhaul.protocols import Expected, Here, Lister, Page, Paging, Slice, Source, Wish
from skyhaul.sources.mirrors import Mirrored
from skyhaul.transfer import checksum as digests

LATENCY_S = 0.06
BYTES_PER_S = 20_000_000.0

_PAGES: Mapping[str, tuple[str, ...]] = {
    "text/html": (".html", ".htm", ".xhtml"),
    "application/json": (".json", ".geojson"),
    "application/problem+json": (),
}
"""Types that pages of errors and logins have, and the suffixes of files that are truly of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOfFiles:
    """A list as a provider: its products hold their addresses, see :mod:`skyhaul.lists`. ``lister`` is there with S3 keys."""

    web: Source | None
    lister: Lister | None

    name: ClassVar[str] = PROVIDER
    paging: ClassVar[Paging] = Paging(page_size=2, deepest_skip=None, concurrency=1)

    def here(self, query: Query) -> Here | None:  # noqa: ARG002 no query can be asked
        """See :class:`skyhaul.protocols.Catalogue`."""
        _refuse()

    async def page(self, part: Slice, skip: int, *, count: bool) -> Page:  # noqa: ARG002 likewise
        """See :class:`skyhaul.protocols.Catalogue`."""
        _refuse()

    async def extent(self, query: Query) -> TimeInterval | None:  # noqa: ARG002 likewise
        """See :class:`skyhaul.protocols.Catalogue`."""
        _refuse()

    async def named(self, names: Sequence[str]) -> Page:  # noqa: ARG002 likewise
        """See :class:`skyhaul.protocols.Catalogue`."""
        _refuse()

    def expected(self, product: Product, wish: Wish) -> Expected:  # noqa: ARG002 a file is a whole
        """See :class:`skyhaul.protocols.Provider`."""
        obj = _object(product)
        return Expected(route=obj.route, objects=1, seconds=2 * LATENCY_S + (product.size or 0) / BYTES_PER_S)

    async def objects(self, product: Product, wish: Wish) -> Sequence[RemoteObject]:  # noqa: ARG002 a file is a whole
        """See :class:`skyhaul.protocols.Provider`. What the list does not say, its size above all, the host is asked for."""
        obj = _object(product)
        return [await (self._of_bucket(obj) if obj.route == "s3" else self._of_web(obj))]

    async def _of_bucket(self, obj: RemoteObject) -> RemoteObject:
        if self.lister is None:
            raise AccessDenied(
                f"{obj.location} needs S3 keys: set CDSE_S3_ACCESS_KEY and CDSE_S3_SECRET_KEY; where the bucket is "
                "not in the Copernicus Data Space, s3_url in [providers.list] as well"
            )
        bucket, _, key = obj.location.removeprefix("s3://").partition("/")
        found = [each async for page in self.lister.listing(bucket, key) for each in page if each.key == key]
        if not found:
            raise ObjectMissing(f"there is nothing at {obj.location}")
        etag = digests.of_etag(found[0].etag)
        return replace(
            obj,
            location=self.lister.url(bucket, key),
            mirrors=(),
            size=found[0].size,
            etag=found[0].etag or None,
            checksums=(*obj.checksums, *((etag,) if etag else ())),
        )

    async def _of_web(self, obj: RemoteObject) -> RemoteObject:
        if self.web is None:
            raise AccessDenied("the list was opened without a way to download")
        if obj.size is not None:
            return obj
        try:
            # As a part of something it may be of any type; what it is of is looked at here.
            async with self.web.read(replace(obj, archive=False), ByteRange(start=0, stop=1), etag=None) as body:
                if _is_page(body.media_type, obj.path):
                    raise ObjectMissing(f"{obj.path}: a page of type {body.media_type} came in its place")
                return replace(obj, size=body.total, ranges=body.ranged)
        except ObjectChanged:
            # 416: it has no first byte. Nothing else was promised that could have changed.
            return replace(obj, ranges=False)


def made(means: Means) -> Made:
    """See :class:`skyhaul.archives.Archive`."""
    sources = {route: Mirrored(source) for route, source in means.sources.items()}
    return Made(provider=ListOfFiles(web=sources.get("http"), lister=means.lister), sources=sources)


def _object(product: Product) -> RemoteObject:
    """The one object of a product, as far as the list tells of it."""
    first, *others = str(product.attributes.get("urls", "")).split() or [""]
    if product.provider != PROVIDER or not first:
        raise SettingsError(f"{product.name} is of no list: leave --provider {PROVIDER} out")
    path = str(product.attributes.get("file") or product.name)
    in_bucket = first.startswith("s3://")
    return RemoteObject(
        route="s3" if in_bucket else "http",
        location=first,
        path=path,
        size=product.size,
        checksums=product.checksums,
        archive=True,
        mirrors=tuple(url for url in others if url.startswith("s3://") == in_bucket),
    )


def _is_page(media_type: str, path: str) -> bool:
    """Whether it is what hosts send in place of a file."""
    return media_type in _PAGES and PurePosixPath(path).suffix.lower() not in _PAGES[media_type]


def _refuse() -> NoReturn:
    raise SettingsError("a list of files has no catalogue to search: fetch it with 'skyhaul download --from FILE'")
