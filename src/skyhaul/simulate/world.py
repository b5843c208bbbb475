"""The generated world: products, their bytes, their objects and their pictures, all computed from settings."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TYPE_CHECKING

from skyhaul.simulate.archive import md5_and_blake3
from skyhaul.simulate.bucket import Bucket
from skyhaul.simulate.bursts import BurstShelf
from skyhaul.simulate.entities import Measured
from skyhaul.simulate.nouns import SimArchive, SimFile, SimObject, SimProduct, World, WorldSettings
from skyhaul.simulate.population import populate
from skyhaul.simulate.quicklook import picture
from skyhaul.simulate.shelves import ProductShelf
from skyhaul.simulate.tree import Forest

if TYPE_CHECKING:
    from collections.abc import Callable

    from skyhaul.simulate.missions.base import Acquisition
    from skyhaul.simulate.shelves import Publication


__all__ = [
    "GeneratedWorld",
    "SimArchive",
    "SimFile",
    "SimObject",
    "SimProduct",
    "World",
    "WorldSettings",
    "build_world",
    "prepare",
]


class GeneratedWorld:
    """A world made of settings; safe to be used by several threads at once."""

    def __init__(self, settings: WorldSettings) -> None:
        self.settings = settings
        rows, gone = populate(settings)
        seed, oddities = settings.seed, settings.oddities
        self._forest = Forest(settings)
        self.shelf = ProductShelf(rows, seed=seed, oddities=oddities, measure=self._measure)
        self.deleted = ProductShelf(gone, seed=seed, oddities=oddities, measure=self._measure_deleted, deleted=True)
        self.bursts = BurstShelf(self.shelf, seed=seed)
        self._digests: dict[int, tuple[str, str]] = {}
        self._trees = lru_cache(maxsize=256)(lambda row: self._forest.files(rows[row]))
        self._contents = lru_cache(maxsize=256)(lambda row: self._forest.content(rows[row], self._trees(row)))
        self._pictures = lru_cache(maxsize=64)(picture)
        self._bucket = Bucket(self.shelf, self._trees)

    def __len__(self) -> int:
        return len(self.shelf)

    def product(self, index: int) -> SimProduct:
        """The product of a row; rows ascend in sensing start."""
        return self.shelf.product(index)

    def by_id(self, product_id: str) -> SimProduct | None:
        """The product with that id, in any letter case."""
        return self._product(self.shelf.find(product_id))

    def by_name(self, name: str) -> SimProduct | None:
        """The product with that full name."""
        return self._product(self.shelf.find_name(name))

    def by_quicklook(self, asset_id: str) -> SimProduct | None:
        """The product whose quicklook has that id."""
        return self._product(self.shelf.find_quicklook(asset_id))

    def files(self, product: SimProduct) -> tuple[SimFile, ...]:
        """As World."""
        return self._trees(product.index)

    def archive(self, product: SimProduct) -> SimArchive:
        """As World; the digests are computed when they are first asked for and then kept."""
        row = product.index
        suffix = "" if product.single else ".zip"
        return SimArchive(
            filename=f"{product.s3_key.rpartition('/')[2]}{suffix}",
            content=self._contents(row),
            digests=lambda: self.digests(row),
        )

    def objects(self, prefix: str, after: str, limit: int) -> list[SimObject]:
        """As World."""
        return self._bucket.listing(prefix, after, limit)

    def object(self, key: str) -> SimObject | None:
        """As World."""
        return self._bucket.get(key)

    def quicklook(self, product: SimProduct) -> tuple[bytes, str]:
        """As World: PNG for radar, JPEG for everything else."""
        take = self.shelf.rows[product.index]
        return self._pictures(take.scene, take.cloud, radar=product.collection == "SENTINEL-1")

    def digests(self, row: int) -> tuple[str, str]:
        """MD5 and BLAKE3 of what ``$value`` serves: one pass over its bytes the first time."""
        found = self._digests.get(row)
        if found is None:
            found = self._digests[row] = md5_and_blake3(self._contents(row))
        return found

    def _product(self, row: int | None) -> SimProduct | None:
        return None if row is None else self.shelf.product(row)

    def _measure(self, row: int, take: Acquisition, public: Publication) -> Measured:
        published = public.checksum and self.settings.checksums == "all"
        length = self._forest.content_length(take) if public.sized else 0
        return Measured(length, tuple(zip(("MD5", "BLAKE3"), self.digests(row), strict=True)) if published else ())

    def _measure_deleted(self, _row: int, take: Acquisition, _public: Publication) -> Measured:
        """Nobody can fetch these any more, so nobody needs their digests."""
        return Measured(self._forest.content_length(take), ())


def build_world(settings: WorldSettings) -> GeneratedWorld:
    """The world of these settings.

    Raises:
        ValueError: there are not as many products between its start and its end.
    """
    return GeneratedWorld(settings)


def prepare(world: GeneratedWorld, threads: int = 2, done: Callable[[int], None] = lambda _: None) -> None:
    """Compute all checksums that the catalogue will want, which it otherwise does page by page.

    Takes about 0.1 s of one core for 40 MB; ``done`` is told how many products are ready.
    """
    rows = range(len(world)) if world.settings.checksums == "all" else range(0)
    with ThreadPoolExecutor(threads) as pool:
        for count, _ in enumerate(pool.map(world.digests, rows), start=1):
            done(count)
