"""How a product of the Copernicus Data Space becomes objects: its zip, or its files in ``eodata``."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace

from skyhaul.archives import Means
from skyhaul.errors import ObjectMissing, ObjectOffline
from skyhaul.model import Product, RemoteObject
from skyhaul.protocols import Expected, Listed, Lister, Wish
from skyhaul.providers.routes import Road, choose, expected, road, single
from skyhaul.transfer import checksum as digests
from skyhaul.transfer import manifest


def shelf(means: Means) -> Eodata:
    """The ways that there are with the means at hand."""
    return Eodata(download_url=means.settings.download_url, lister=means.lister, road=road(means))


class Eodata:
    """The two ways to a product's bytes. ``lister`` is ``None`` without S3 keys."""

    def __init__(self, *, download_url: str, lister: Lister | None, road: Road) -> None:
        self._download_url = download_url.rstrip("/")
        self._lister = lister
        self._road = road

    async def objects(self, product: Product, wish: Wish) -> Sequence[RemoteObject]:
        """What to fetch for ``product``: the manifest first, then the large files, so that no long one is left for the end.

        Raises:
            ObjectOffline: the product has to be ordered first.
            ObjectMissing: there is nothing at the path that the catalogue names.
            AccessDenied: credentials for the route are missing.
        """
        if not product.online:
            raise ObjectOffline(f"{product.name} is offline: CDSE lets it be ordered through the Data Workspace only")
        if choose(product, wish, self._road) == "http" or self._lister is None:
            return [self._zip(product)]
        return await self._files(product, wish, self._lister)

    def expected(self, product: Product, wish: Wish) -> Expected:
        """See :class:`skyhaul.protocols.Provider`."""
        return expected(product, wish, self._road)

    def _zip(self, product: Product) -> RemoteObject:
        # CDSE: the download host serves no ranges. Its zips are made on the fly, so the catalogue's size is a hint: only the digest counts.
        return RemoteObject(
            route="http",
            location=f"{self._download_url}/Products({product.id})/$value",
            path=(product.s3_path or product.name).rpartition("/")[2] if single(product) else product.name + ".zip",
            checksums=product.checksums,
            ranges=False,
            archive=True,
        )

    async def _files(self, product: Product, wish: Wish, lister: Lister) -> Sequence[RemoteObject]:
        if product.s3_path is None:
            raise ObjectMissing(f"{product.name}: the catalogue names no S3 path for it; try --via http")
        bucket, _, key = product.s3_path.partition("/")
        if single(product):
            found = [entry async for page in lister.listing(bucket, key) for entry in page if entry.key == key]
            prefix = key.rpartition("/")[0] + "/"
        else:
            # Without the slash X.SAFE would also match X.SAFE.zip.
            prefix = key.rstrip("/") + "/"
            found = [entry async for page in lister.listing(bucket, prefix) for entry in page]
        if not found:
            raise ObjectMissing(f"{product.name}: the archive has nothing at {product.s3_path}")
        objects = [_object(lister.url(bucket, entry.key), entry, prefix) for entry in found]
        if single(product):
            return [_single(objects[0], product)]
        return in_turn(_wanted(objects, wish, product))


def in_turn(objects: Iterable[RemoteObject]) -> list[RemoteObject]:
    """The manifest first, then large and small mixed so that the bytes are spread evenly over the requests.

    While small ones wait for their answers, large ones use the streams. The last are of middling size: no long one is left for the end.
    """
    ranked = deque(sorted(objects, key=lambda obj: (not obj.manifest, -(obj.size or 0), obj.path)))
    count, total = len(ranked), sum(obj.size or 0 for obj in ranked)
    turns: list[RemoteObject] = []
    sent = 0
    while ranked:
        behind = sent * count <= total * len(turns)
        turns.append(ranked.popleft() if behind or ranked[0].manifest else ranked.pop())
        sent += turns[-1].size or 0
    return turns


def _object(url: str, entry: Listed, prefix: str) -> RemoteObject:
    path = entry.key.removeprefix(prefix)
    etag = digests.of_etag(entry.etag)
    return RemoteObject(
        route="s3",
        location=url,
        path=path,
        size=entry.size,
        etag=entry.etag or None,
        checksums=(etag,) if etag else (),
        manifest=manifest.is_manifest(path),
    )


def _single(obj: RemoteObject, product: Product) -> RemoteObject:
    """The one object of a product; the catalogue's digests are of this very file."""
    return replace(obj, checksums=(*product.checksums, *obj.checksums), archive=True)


def _wanted(objects: Sequence[RemoteObject], wish: Wish, product: Product) -> list[RemoteObject]:
    kept = [obj for obj in objects if obj.manifest or manifest.wanted(obj.path, wish)]
    if not [obj for obj in kept if not obj.manifest]:
        raise ObjectMissing(
            f"{product.name}: none of its {len(objects)} files matches {', '.join(wish.only) or 'what is wanted'}"
        )
    return kept
