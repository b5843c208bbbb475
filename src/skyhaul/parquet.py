"""Products in GeoParquet 1.1: written row by row, read batch by batch. Home of pyarrow.

Besides the columns of csv there is ``geometry``, in WKB, for the programs that draw it. A product is read back from ``footprint``, which is
as its archive wrote it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from skyhaul.columns import COLUMNS, JSON_COLUMNS, Line, as_line
from skyhaul.errors import SettingsError
from skyhaul.footprint import geometry
from skyhaul.model import Product

try:
    import pyarrow as pa
    from pyarrow import parquet
except ModuleNotFoundError as error:
    raise SettingsError("geoparquet needs the extra analysis: pip install 'skyhaul[analysis]'") from error

ROWS = 5000
"""In a row group, and in memory."""

_MOMENTS = ("start", "end", "published", "modified")
_TYPES = {
    "size": pa.int64(),
    "online": pa.bool_(),
    "coverage": pa.float64(),
    **dict.fromkeys(_MOMENTS, pa.timestamp("us", tz="UTC")),
}
_GEO = {
    "version": "1.1.0",
    "primary_column": "geometry",
    "columns": {"geometry": {"encoding": "WKB", "geometry_types": []}},
}


class Table:
    """A file of rows, written to ``stream`` as they come. One that is not complete has no end, and cannot be read."""

    def __init__(self, stream: BinaryIO) -> None:
        self._sink = _Sink(stream)
        self._rows: list[dict[str, object]] = []

    def begin(self) -> None:
        """Write the head."""
        self._writer = parquet.ParquetWriter(self._sink, _schema(), compression="zstd")

    def add(self, product: Product) -> None:
        """Write one product, with those that came before."""
        self._rows.append(_row(product))
        if len(self._rows) == ROWS:
            self._flush()

    def end(self, *, complete: bool) -> None:
        """Write what is left, and the foot of the file."""
        if complete:
            self._flush()
        self._sink.cut = not complete
        self._writer.close()
        self._sink.stream.flush()

    def _flush(self) -> None:
        self._writer.write_table(pa.Table.from_pylist(self._rows, schema=_schema()))
        self._rows.clear()


class _Sink:
    """Where pyarrow writes to: what comes after the cut is not written, since a writer cannot be closed without an end."""

    closed = False

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.cut = False
        self._written = 0

    def write(self, data: bytes) -> int:
        """Take bytes."""
        if not self.cut:
            self.stream.write(data)
        self._written += len(data)
        return len(data)

    def tell(self) -> int:
        """How many there were."""
        return self._written

    def flush(self) -> None:
        """Hand them on."""
        self.stream.flush()

    def close(self) -> None:
        """Take no more. The stream is the caller's to close."""
        self.closed = True


def columns(path: Path) -> list[str]:
    """The names of the columns.

    Raises:
        SettingsError: the file breaks off.
    """
    return list(_file(path).schema_arrow.names)


def cells(path: Path, column: str) -> Iterator[str]:
    """One column, as text."""
    for batch in _file(path).iter_batches(batch_size=ROWS, columns=[column]):
        yield from ("" if value is None else str(value) for value in batch.column(0).to_pylist())


def count(path: Path) -> int:
    """How many rows there are."""
    return int(_file(path).metadata.num_rows)


def products(path: Path) -> Iterator[Product]:
    """The products that were written, a batch in memory.

    Raises:
        SettingsError: a row is none; says which.
    """
    number = 0
    for batch in _file(path).iter_batches(batch_size=ROWS, columns=list(COLUMNS)):
        for row in batch.to_pylist():
            number += 1
            yield _product(number, row, path)


def _file(path: Path) -> parquet.ParquetFile:
    try:
        return parquet.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise SettingsError(f"{path} is no whole GeoParquet file ({error})") from None


def _product(number: int, row: dict[str, object], path: Path) -> Product:
    line = {name: value for name, value in row.items() if value is not None}
    try:
        for name in JSON_COLUMNS & line.keys():
            line[name] = msgspec.json.decode(str(line[name]))
        return msgspec.convert(line, Line).product()
    except msgspec.DecodeError as error:
        raise SettingsError(f"{path}, row {number}: not a product as 'skyhaul search' writes it ({error})") from None


def _schema() -> pa.Schema:
    fields = [pa.field(name, _TYPES.get(name, pa.string())) for name in COLUMNS]
    geo = {"geo": msgspec.json.encode(_GEO)}
    return pa.schema([*fields, pa.field("geometry", pa.binary())], metadata=geo)


def _row(product: Product) -> dict[str, object]:
    line = as_line(product)
    for name in _MOMENTS:
        line[name] = getattr(product, name)
    for name in JSON_COLUMNS:
        line[name] = None if line[name] is None else msgspec.json.encode(line[name]).decode()
    shape = geometry(product.footprint)
    return line | {"geometry": None if shape is None else shape.wkb}
