"""Results as text: products to lines that other programs read, and saved lines back to products. Home of the result formats.

All but ``table`` and ``names`` come back as the products they were; these two come back as names to look up, like any list of them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self, TextIO

import msgspec

from skyhaul.columns import COLUMNS, JSON_COLUMNS, TABLE_HEAD, TABLE_ROW, as_line, quoted, stamped
from skyhaul.errors import SettingsError
from skyhaul.footprint import bounds
from skyhaul.keys import ResultFormat
from skyhaul.model import Product
from skyhaul.observe.text import bytes_text, clean


@dataclass(frozen=True, slots=True, kw_only=True)
class _Format:
    row: Callable[[Product], str]
    begin: str = ""
    between: str = ""
    after: str = "\n"
    end: str = ""


class Rows(Protocol):
    """Where products are written to."""

    def begin(self) -> None:
        """Write what comes before them."""
        ...

    def add(self, product: Product) -> None:
        """Write one."""
        ...

    def end(self, *, complete: bool) -> None:
        """Write what comes after them, if they are all that there are."""
        ...


class Writer:
    """Products written one by one, as they come, to a stream that the caller closes.

    A result that ends in an error is left open: a reader must not take half of it for all of it.

    Raises:
        SettingsError: the format needs a library that is not there, or a file where a terminal is.
    """

    def __init__(self, name: ResultFormat, stream: TextIO) -> None:
        self._stream = stream
        self._rows: Rows = _binary(stream) if name == "geoparquet" else _Text(_FORMATS[name], stream)
        self.count = 0

    def add(self, product: Product) -> None:
        """Write one product."""
        self._rows.add(product)
        self.count += 1

    def add_all(self, products: Iterable[Product]) -> None:
        """Write products, and hand them on to whoever reads."""
        for product in products:
            self.add(product)
        self._stream.flush()

    def __enter__(self) -> Self:
        self._rows.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rows.end(complete=kind is None)


class _Text:
    """A row of text for each product."""

    def __init__(self, form: _Format, stream: TextIO) -> None:
        self._format = form
        self._stream = stream
        self._between = ""

    def begin(self) -> None:
        self._stream.write(self._format.begin)

    def add(self, product: Product) -> None:
        self._stream.write(self._between + self._format.row(product) + self._format.after)
        self._between = self._format.between

    def end(self, *, complete: bool) -> None:
        if complete:
            self._stream.write(self._format.end)
            self._stream.flush()


def _binary(stream: TextIO) -> Rows:
    from skyhaul.parquet import Table  # noqa: PLC0415 pyarrow is heavy, and not always there

    if stream.isatty():
        raise SettingsError("geoparquet is no text for a terminal: name a file with --output")
    return Table(stream.buffer)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _feature(product: Product) -> str:
    properties = as_line(product)
    del properties["footprint"]
    return _json({"type": "Feature", "id": product.id, "geometry": product.footprint, "properties": properties})


def _item(product: Product) -> str:
    """A STAC item. It names no collection, since STAC wants a link to one then; what STAC has no word for is in ``skyhaul:product``."""
    first = product.start or product.published
    told = as_line(product)
    del told["footprint"]
    item: dict[str, Any] = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": product.name,
        "geometry": product.footprint,
        "properties": {"datetime": stamped(first), "title": product.name, "skyhaul:product": told},
        "links": [],
        "assets": {},
    }
    if product.footprint is not None and (corners := bounds(product.footprint)):
        item["bbox"] = corners
    if product.start is not None and product.end is not None:
        item["properties"] |= {"start_datetime": stamped(product.start), "end_datetime": stamped(product.end)}
    for name, moment in (("published", product.published), ("updated", product.modified)):
        if moment is not None:
            item["properties"][name] = stamped(moment)
    if product.s3_path:
        item["assets"]["product"] = {
            "href": "s3://" + product.s3_path.lstrip("/"),
            "roles": ["data"],
            "title": product.name,
        }
    return _json(item)


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
    return _json(value) if name in JSON_COLUMNS and value is not None else value


def _table(product: Product) -> str:
    cloud = product.attributes.get("cloudCover")
    return TABLE_ROW.format(
        product.start.strftime("%Y-%m-%d %H:%M") if product.start else "",
        bytes_text(product.size) if product.size is not None else "?",
        f"{cloud:.0f} %" if isinstance(cloud, int | float) else "",
        f"{product.coverage:.0f} %" if product.coverage is not None else "",
        "" if product.online else "offline",
        clean(product.name),
    )


_FORMATS: Mapping[ResultFormat, _Format] = {
    "table": _Format(row=_table, begin=TABLE_HEAD + "\n"),
    "jsonl": _Format(row=lambda product: _json(as_line(product))),
    "geojson": _Format(
        row=_feature, begin='{"type":"FeatureCollection","features":[\n', between=",\n", after="", end="\n]}\n"
    ),
    "csv": _Format(row=_csv, begin=_csv_row(list(COLUMNS)) + "\n"),
    "names": _Format(row=lambda product: quoted(product.name)),
    "stac": _Format(
        row=_item, begin='{"type":"FeatureCollection","features":[\n', between=",\n", after="", end="\n]}\n"
    ),
}
