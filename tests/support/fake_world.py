"""A world of a few products held in memory, for tests of the hosts that serve it."""

from __future__ import annotations

import datetime as dt
import hashlib
import zlib
from bisect import bisect_right
from dataclasses import dataclass, field, replace
from functools import cache
from uuid import UUID

from skyhaul.simulate.nouns import Column, SimArchive, SimFile, SimObject, SimProduct

DAY = dt.datetime(2024, 5, 1, 10, tzinfo=dt.UTC)
FOOTPRINT = {"type": "Polygon", "coordinates": [[[0, 40], [1, 40], [1, 41], [0, 41], [0, 40]]]}


@cache
def noise(salt: int) -> bytes:
    return bytes((at * at + salt) % 251 for at in range(65_537))


@dataclass(frozen=True)
class Bytes:
    """Content that repeats a block whose length is prime, so that no two places look alike."""

    size: int
    salt: int = 0

    def read(self, start: int, stop: int) -> bytes:
        block = noise(self.salt)
        first = start % len(block)
        return (block * ((first + stop - start) // len(block) + 1))[first : first + stop - start]

    def digest(self, algorithm: str) -> str:
        return hashlib.new(algorithm, self.read(0, self.size)).hexdigest()

    def crc32(self) -> int:
        return zlib.crc32(self.read(0, self.size))


def sentinel_2(index: int, start: dt.datetime = DAY) -> SimProduct:
    name = f"S2A_MSIL2A_{start:%Y%m%dT%H%M%S}_N0511_R051_T31TC{'ABCDEFGHJK'[index % 10]}_20240501T160000.SAFE"
    return SimProduct(
        index=index,
        id=str(UUID(int=index + 1)),
        name=name,
        collection="SENTINEL-2",
        product_type="S2MSI2A",
        start=start,
        end=start,
        origin=start,
        published=start,
        modified=start,
        online=True,
        eviction=dt.datetime.max.replace(tzinfo=dt.UTC),
        footprint=FOOTPRINT,
        attributes=(("cloudCover", "Double", 10.0 * (index % 10)), ("productType", "String", "S2MSI2A")),
        s3_key=f"Sentinel-2/MSI/L2A/2024/05/01/{name}",
        quicklook_id=str(UUID(int=1000 + index)),
    )


def sentinel_5p(index: int) -> SimProduct:
    name = "S5P_OFFL_L2__NO2____20240501T100000_20240501T113000_33900_03_020600_20240503T020000.nc"
    return replace(
        sentinel_2(index),
        name=name,
        collection="SENTINEL-5P",
        product_type="L2__NO2___",
        end=DAY + dt.timedelta(minutes=90),
        attributes=(("productType", "String", "L2__NO2___"),),
        s3_key=f"Sentinel-5P/TROPOMI/L2__NO2___/2024/05/01/{name}",
        single=True,
        quicklook_id=None,
    )


@dataclass
class FakeWorld:
    """Products in the order of their start; every file is ``file_bytes`` long, every zip ``zip_bytes``."""

    products: list[SimProduct]
    file_bytes: int = 100_000
    zip_bytes: int = 1_000_000
    bursts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.products.sort(key=lambda product: product.start)
        self.shelf = self
        self.deleted = self

    def __len__(self) -> int:
        return len(self.products)

    def between(self, low_us: int, high_us: int) -> range:
        starts = [int(product.start.timestamp() * 1e6) for product in self.products]
        first = next((row for row, start in enumerate(starts) if start >= low_us), len(starts))
        return range(first, bisect_right(starts, high_us))

    def property(self, path: str) -> Column[str] | None:
        return Column(lambda row: self.products[row].collection) if path == "Collection/Name" else None

    def attribute(self, name: str) -> Column[str]:
        return Column(lambda row: self.products[row].product_type)

    def footprint(self) -> Column[dict]:
        return Column(lambda row: row, range(len(self.products)), [product.footprint for product in self.products])

    def find(self, entity_id: str) -> int | None:
        return next((row for row, product in enumerate(self.products) if product.id == entity_id), None)

    def product(self, index: int) -> SimProduct:
        return self.products[index]

    def by_id(self, product_id: str) -> SimProduct | None:
        return next((product for product in self.products if product.id == product_id), None)

    def by_name(self, name: str) -> SimProduct | None:
        return next((product for product in self.products if product.name == name), None)

    def by_quicklook(self, asset_id: str) -> SimProduct | None:
        return next((product for product in self.products if product.quicklook_id == asset_id), None)

    def files(self, product: SimProduct) -> tuple[SimFile, ...]:
        if product.single:
            return (SimFile(path=product.name, content=Bytes(self.file_bytes, product.index)),)
        granule = "GRANULE/L2A_T31TCA_A000001_20240501T100000"
        image, metadata = Bytes(self.file_bytes, product.index), Bytes(2000, product.index + 1)
        return (
            SimFile(
                path=f"{granule}/IMG_DATA/R10m/T31TCA_20240501T100000_B04_10m.jp2",
                content=image,
                digest_name="SHA3-256",
                digest=image.digest("sha3_256").upper(),
            ),
            SimFile(
                path=f"{granule}/MTD_TL.xml",
                content=metadata,
                digest_name="SHA3-256",
                digest=metadata.digest("sha3_256"),
            ),
            SimFile(path="manifest.safe", content=Bytes(1000, product.index + 2)),
        )

    def archive(self, product: SimProduct) -> SimArchive:
        content = Bytes(self.zip_bytes, product.index + 7)
        return SimArchive(
            filename=f"{product.name}.zip", content=content, digests=lambda: (content.digest("md5"), "0" * 64)
        )

    def keys(self) -> dict[str, SimObject]:
        found = [
            SimObject(
                key=product.s3_key if product.single else f"{product.s3_key}/{file.path}",
                last_modified=DAY,
                content=file.content,
            )
            for product in self.products
            for file in self.files(product)
        ]
        return {each.key: each for each in sorted(found, key=lambda each: each.key)}

    def objects(self, prefix: str, after: str, limit: int) -> list[SimObject]:
        return [each for key, each in self.keys().items() if key.startswith(prefix) and key > after][:limit]

    def object(self, key: str) -> SimObject | None:
        return self.keys().get(key)

    def quicklook(self, product: SimProduct) -> tuple[bytes, str]:
        return b"\xff\xd8\xff" + product.name.encode(), "image/jpeg"
