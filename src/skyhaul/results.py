"""Results as text: products to lines that other programs read, and saved lines back to products. Home of the result formats.

Of the formats ``jsonl``, ``geojson`` and ``csv`` come back as the products they were; ``names`` and ``stac`` come back as what to look up,
like any list of names, ids or URLs.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self, TextIO

import msgspec

from skyhaul.keys import ResultFormat
from skyhaul.model import Attribute, Checksum, Product, stamp
from skyhaul.observe.text import bytes_text, clean

COLUMNS = (
    "name", "id", "provider", "collection", "product_type", "start", "end", "published", "modified", "size", "online",
    "s3_path", "quicklook_url", "coverage", "checksums", "footprint", "attributes",
)  # fmt: skip
"""The columns of ``csv``. The last three hold JSON."""

_JSON_COLUMNS = frozenset(COLUMNS[-3:])


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
        "start": _stamp(product.start),
        "end": _stamp(product.end),
        "published": _stamp(product.published),
        "modified": _stamp(product.modified),
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Format:
    row: Callable[[Product], str]
    begin: str = ""
    between: str = ""
    after: str = "\n"
    end: str = ""


class Writer:
    """Products written one by one, as they come, to a stream that the caller closes.

    A result that ends in an error is left open: a reader of JSON must not take half of it for all of it.
    """

    def __init__(self, name: ResultFormat, stream: TextIO) -> None:
        self._format = _FORMATS[name]
        self._stream = stream
        self.count = 0

    def add(self, product: Product) -> None:
        """Write one product."""
        between = self._format.between if self.count else ""
        self._stream.write(between + self._format.row(product) + self._format.after)
        self.count += 1

    def __enter__(self) -> Self:
        self._stream.write(self._format.begin)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._stream.write(self._format.end)
            self._stream.flush()


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _feature(product: Product) -> str:
    properties = as_line(product)
    del properties["footprint"]
    return _json({"type": "Feature", "id": product.id, "geometry": product.footprint, "properties": properties})


def _item(product: Product) -> str:
    """A STAC item. It names no collection, since STAC wants a link to one then."""
    first = product.start or product.published
    item: dict[str, Any] = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": product.name,
        "geometry": product.footprint,
        "properties": {"datetime": _stamp(first), "title": product.name, "skyhaul:id": product.id},
        "links": [],
        "assets": {},
    }
    if product.footprint is not None:
        item["bbox"] = _bounds(product.footprint)
    if product.start is not None and product.end is not None:
        item["properties"] |= {"start_datetime": _stamp(product.start), "end_datetime": _stamp(product.end)}
    if product.s3_path:
        item["assets"]["product"] = {
            "href": "s3://" + product.s3_path.lstrip("/"),
            "roles": ["data"],
            "title": product.name,
        }
    return _json(item)


def _bounds(footprint: Mapping[str, Any]) -> list[float]:
    lons, lats = zip(*_positions(footprint["coordinates"]), strict=True)
    return [min(lons), min(lats), max(lons), max(lats)]


def _positions(nested: Any) -> Iterator[tuple[float, float]]:
    if isinstance(nested[0], int | float):
        yield nested[0], nested[1]
    else:
        for each in nested:
            yield from _positions(each)


def _csv_row(values: list[object]) -> str:
    row = io.StringIO()
    # With this end of line the writer also quotes cells that hold a carriage return.
    csv.writer(row, lineterminator="\r\n").writerow(values)
    return row.getvalue().removesuffix("\r\n")


def _csv(product: Product) -> str:
    line = as_line(product)
    return _csv_row([_cell(name, line.get(name)) for name in COLUMNS])


def _cell(name: str, value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    return _json(value) if name in _JSON_COLUMNS and value is not None else value


_TABLE = "{:<16}  {:>8}  {:>5}  {:>5}  {:<7}  {}"


def _table(product: Product) -> str:
    cloud = product.attributes.get("cloudCover")
    return _TABLE.format(
        product.start.strftime("%Y-%m-%d %H:%M") if product.start else "",
        bytes_text(product.size) if product.size is not None else "?",
        f"{cloud:.0f} %" if isinstance(cloud, int | float) else "",
        f"{product.coverage:.0f} %" if product.coverage is not None else "",
        "" if product.online else "offline",
        clean(product.name),
    )


def _stamp(moment: datetime | None) -> str | None:
    return None if moment is None else stamp(moment)


def _utc(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


_FORMATS: Mapping[ResultFormat, _Format] = {
    "table": _Format(row=_table, begin=_TABLE.format("sensing start", "size", "cloud", "cover", "", "name") + "\n"),
    "jsonl": _Format(row=lambda product: _json(as_line(product))),
    "geojson": _Format(
        row=_feature, begin='{"type":"FeatureCollection","features":[\n', between=",\n", after="", end="\n]}\n"
    ),
    "csv": _Format(row=_csv, begin=_csv_row(list(COLUMNS)) + "\n"),
    "names": _Format(row=lambda product: product.name),
    "stac": _Format(
        row=_item, begin='{"type":"FeatureCollection","features":[\n', between=",\n", after="", end="\n]}\n"
    ),
}
