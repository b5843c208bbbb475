"""A product as one row: the names and order of its columns, and the way there and back."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import msgspec

from skyhaul.model import Attribute, Checksum, Product, stamp

COLUMNS = (
    "name", "id", "provider", "collection", "product_type", "start", "end", "published", "modified", "size", "online",
    "s3_path", "quicklook_url", "coverage", "checksums", "footprint", "attributes",
)  # fmt: skip
"""The columns of ``csv``. The last three hold JSON."""

TABLE_ROW = "{:<16}  {:>8}  {:>5}  {:>5}  {:<7}  {}"
TABLE_HEAD = TABLE_ROW.format("sensing start", "size", "cloud", "cover", "", "name")
"""The first line of ``table``; the others end with names."""

JSON_COLUMNS = frozenset(COLUMNS[-3:])

PLAIN_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,249}", re.ASCII)
"""Names that stand in a list as they are. Others could be something else there, and are written as JSON writes text."""


class Line(msgspec.Struct):
    """A product as a line of JSON. Keys that are not known are passed over: a newer version may have written them."""

    name: str
    id: str
    provider: str = "cdse"
    collection: str | None = None
    product_type: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    published: datetime | None = None
    modified: datetime | None = None
    size: int | None = None
    checksums: dict[str, str] = {}
    online: bool = True
    footprint: dict[str, Any] | None = None
    s3_path: str | None = None
    quicklook_url: str | None = None
    attributes: dict[str, Attribute] = {}
    coverage: float | None = None

    def product(self) -> Product:
        """The product. Its checksums are the catalogue's: only those are written."""
        return Product(
            id=self.id,
            name=self.name,
            provider=self.provider,
            collection=self.collection,
            product_type=self.product_type,
            start=_utc(self.start),
            end=_utc(self.end),
            published=_utc(self.published),
            modified=_utc(self.modified),
            size=self.size,
            checksums=tuple(Checksum(algorithm=name, value=value) for name, value in self.checksums.items()),
            online=self.online,
            footprint=self.footprint,
            s3_path=self.s3_path,
            quicklook_url=self.quicklook_url,
            attributes=self.attributes,
            coverage=self.coverage,
        )


def as_line(product: Product) -> dict[str, Any]:
    """The product under the keys that are promised to scripts. ``modified``, ``quicklook_url`` and ``coverage`` are there where known."""
    line = {
        "name": product.name,
        "id": product.id,
        "provider": product.provider,
        "collection": product.collection,
        "product_type": product.product_type,
        "start": stamped(product.start),
        "end": stamped(product.end),
        "published": stamped(product.published),
        "modified": stamped(product.modified),
        "size": product.size,
        "checksums": {checksum.algorithm: checksum.value for checksum in product.checksums},
        "online": product.online,
        "footprint": product.footprint,
        "s3_path": product.s3_path,
        "quicklook_url": product.quicklook_url,
        "attributes": dict(product.attributes),
        "coverage": product.coverage,
    }
    return {
        key: value
        for key, value in line.items()
        if value is not None or key not in {"modified", "quicklook_url", "coverage"}
    }


def quoted(name: str) -> str:
    """The name as a row of a list."""
    return name if PLAIN_NAME.fullmatch(name) else msgspec.json.encode(name).decode()


def unquoted(row: str) -> str | None:
    """The name that :func:`quoted` has written; ``None`` where the row is something else."""
    try:
        return msgspec.json.decode(row, type=str)
    except msgspec.DecodeError:
        return None


def stamped(moment: datetime | None) -> str | None:
    """The moment as it is written; ``None`` where it is not known."""
    return None if moment is None else stamp(moment)


def _utc(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
