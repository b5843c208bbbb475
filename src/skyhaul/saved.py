"""Saved results and lists read back: products as they were, files to fetch, or names, ids and URLs to look up."""

from __future__ import annotations

import csv
import io
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, TextIO
from uuid import UUID

import msgspec

from skyhaul import lists, metalink
from skyhaul.columns import COLUMNS, PLAIN_NAME, TABLE_HEAD, Line, quoted, unquoted
from skyhaul.discreet import without_secrets
from skyhaul.errors import SettingsError
from skyhaul.model import Product

ACCEPTED = (
    "geojson, jsonl, csv, stac or geoparquet as 'skyhaul search' writes them, a name, an id, a URL or an S3 key on each line, Metalink 4, "
    "or an input list of aria2"
)

_PRODUCT_URL = re.compile(r"Products\('?([0-9a-fA-F-]{36})'?\)")
_SUFFIXED_PART = re.compile(r"\.(?:SAFE|SEN3|SEN6|EOF|nc)(?:\.zip)?(?:/|$)")
_SUFFIXED = re.compile(r"\.(?:SAFE|SEN3|SEN6|EOF|nc)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What a file of results holds: ``products``, or ``names`` and ``ids`` that a catalogue has to be asked for.

    ``products`` can be gone through several times. Lines of JSON and GeoParquet are read from the file each time, not held: memory does
    not grow with them. Other documents are held. ``providers`` are the archives that the products are of, in the order of the file.
    """

    products: Iterable[Product] = ()
    names: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    count: int = 0
    providers: tuple[str, ...] = ()


Opened = Callable[[], AbstractContextManager[TextIO]]
"""Opens the lines of a file from their beginning, as often as they are asked for."""


class _Lines:
    """Lines of JSON that become products when they are asked for; all of them are known to be good."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened

    def __iter__(self) -> Iterator[Product]:
        with self._opened() as lines:
            for line in lines:
                if line.strip():
                    yield _LINE.decode(line).product()


_LINE = msgspec.json.Decoder(Line)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of GeoParquet that become products when they are asked for."""

    path: Path
    kept: object

    def __iter__(self) -> Iterator[Product]:
        from skyhaul import parquet  # noqa: PLC0415 pyarrow is heavy, and not always there

        return parquet.products(self.path)


def load(source: Path | str) -> Saved:
    """What ``source`` holds, whichever of the formats it is in; ``-`` is stdin. That is nothing, where nothing matched.

    Raises:
        SettingsError: it cannot be read, or a line of it cannot be used: says which, and what is accepted.
    """
    name = "stdin" if str(source) == "-" else str(source)
    try:
        path, kept = _kept_stdin() if name == "stdin" else (Path(source), None)
        return _loaded(path, kept, name)
    except FileNotFoundError:
        raise SettingsError(f"there is no file {name}") from None
    except OSError as error:
        raise SettingsError(f"{name} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{name} is not text; accepted are {ACCEPTED}") from None


def _loaded(path: Path, kept: object, name: str) -> Saved:
    """What is in the file, for as long as ``kept`` is."""
    if _begins(path, b"PAR1"):
        return _geoparquet(path, kept, name)
    opened = partial(_open, path, kept)
    with opened() as file:
        first = next((line for line in file if line.strip()), "")
    if first.lstrip().startswith("{") and _is_line(first):
        return _jsonl(opened, name)
    with opened() as file:
        return parse(file.read(), name)


def _open(path: Path, kept: object) -> TextIO:  # noqa: ARG001 whoever can open the file keeps it
    # A cell of csv may hold a carriage return: line ends are left as they are.
    return path.open(encoding="utf-8-sig", newline="")


def _kept_stdin() -> tuple[Path, object]:
    """Standard input in a file, and what keeps that file for as long as it is needed: stdin can be read but once."""
    kept = NamedTemporaryFile("wb", prefix="skyhaul-")  # noqa: SIM115 deleted with its last reader
    if (raw := getattr(sys.stdin, "buffer", None)) is not None:
        shutil.copyfileobj(raw, kept)
    else:
        kept.write(sys.stdin.read().encode())
    kept.flush()
    return Path(kept.name), kept


def _begins(path: Path, mark: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(mark)) == mark


def _geoparquet(path: Path, kept: object, name: str) -> Saved:
    from skyhaul import parquet  # noqa: PLC0415 pyarrow is heavy, and not always there

    columns = parquet.columns(path)
    if set(COLUMNS) <= set(columns):
        providers = tuple(dict.fromkeys(parquet.cells(path, "provider")))
        return Saved(products=_Rows(path, kept), count=parquet.count(path), providers=providers)
    # Tables of other programs, such as stac-geoparquet.
    key = next((column for wanted in ("id", "name") for column in columns if column.lower() == wanted), None)
    if key is None:
        raise SettingsError(f"{name} has neither a column id nor a column name; accepted are {ACCEPTED}")
    return _listed(enumerate(parquet.cells(path, key), start=1), name)


def parse(text: str, name: str) -> Saved:
    """What ``text`` holds; ``name`` is how errors call it."""
    head = text.lstrip()[:1]
    if head == "<":
        return _metalink(text, name)
    if head == "{":
        first, _, _ = text.lstrip().partition("\n")
        return _jsonl(lambda: io.StringIO(text, newline="\n"), name) if _is_line(first) else _geojson(text, name)
    if head == "[":
        raise SettingsError(f"{name} is a JSON array; accepted are {ACCEPTED} ('jq -c .[]' makes lines of an array)")
    # Not splitlines: it also splits at characters that a line of JSON or csv may hold.
    rows = text.split("\n")
    header = next((row for row in rows if row.strip()), "")
    if header.rstrip("\r") == TABLE_HEAD:
        return _listed(((number, _named(row)) for number, row in enumerate(rows, start=1) if _names(row)), name)
    if {"name", "id"} & {cell.strip().lower() for cell in header.split(",")} and "," in header:
        return _csv(text, name)
    return _listed(enumerate(rows, start=1), name)


def _names(row: str) -> bool:
    """Whether a row of a table is about a product."""
    return bool(row.strip()) and row.rstrip("\r") != TABLE_HEAD


def _named(row: str) -> str:
    """What a row of a table names, as a row of a list."""
    return quoted(row[len(TABLE_HEAD) - len("name") :].strip() or row.strip())


def _is_line(first: str) -> bool:
    try:
        found = msgspec.json.decode(first)
    except msgspec.DecodeError:
        return False
    return isinstance(found, dict) and found.get("type") != "FeatureCollection"


def _jsonl(opened: Opened, name: str) -> Saved:
    count = 0
    providers: dict[str, None] = {}
    with opened() as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                try:
                    providers[_LINE.decode(line).provider] = None
                except msgspec.DecodeError as error:
                    raise SettingsError(
                        f"{name}, line {number}: not a product as 'skyhaul search' writes it ({error})"
                    ) from None
                count += 1
    return Saved(products=_Lines(opened), count=count, providers=tuple(providers))


def _geojson(text: str, name: str) -> Saved:
    try:
        document = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise SettingsError(f"{name} is not valid JSON ({error}); accepted are {ACCEPTED}") from None
    features = document.get("features")
    if document.get("type") != "FeatureCollection" or not isinstance(features, list):
        raise SettingsError(f"{name} is JSON, but no FeatureCollection; accepted are {ACCEPTED}")
    if features and all("skyhaul:product" in (feature.get("properties") or {}) for feature in features):
        items = tuple(_item(number, feature, name) for number, feature in enumerate(features, start=1))
        return _held(items)
    if features and all("stac_version" in feature for feature in features):
        return _listed(((number, _item_key(feature)) for number, feature in enumerate(features, start=1)), name)
    return _held(tuple(_feature(number, feature, name) for number, feature in enumerate(features, start=1)))


def _held(products: tuple[Product, ...]) -> Saved:
    providers = dict.fromkeys(product.provider for product in products)
    return Saved(products=products, count=len(products), providers=tuple(providers))


def _item_key(feature: Mapping[str, Any]) -> str:
    return str(feature.get("properties", {}).get("skyhaul:id") or feature.get("id", ""))


def _item(number: int, feature: Mapping[str, Any], name: str) -> Product:
    """A STAC item that we have written: it has all that the product was."""
    return _feature(number, {**feature, "properties": feature["properties"]["skyhaul:product"]}, name)


def _feature(number: int, feature: Mapping[str, Any], name: str) -> Product:
    line = {**feature.get("properties", {}), "footprint": feature.get("geometry")}
    try:
        return msgspec.convert(line, Line).product()
    except msgspec.ValidationError as error:
        raise SettingsError(
            f"{name}, feature {number}: not a product as 'skyhaul search' writes it ({error})"
        ) from None


def _csv(text: str, name: str) -> Saved:
    rows = csv.DictReader(io.StringIO(text, newline=""))
    header = list(rows.fieldnames or ())
    if set(COLUMNS) <= set(header):
        return _held(tuple(_row(number, row, name) for number, row in enumerate(rows, start=1)))
    # Tables of other programs: an id is surer than a name.
    key = next(column for wanted in ("id", "name") for column in header if column.strip().lower() == wanted)
    return _listed(((number, row[key] or "") for number, row in enumerate(rows, start=2)), name)


def _row(number: int, row: Mapping[str, str], name: str) -> Product:
    line: dict[str, Any] = {column: row[column] for column in COLUMNS if row[column]}
    try:
        for column in ("checksums", "footprint", "attributes"):
            if column in line:
                line[column] = msgspec.json.decode(line[column])
        return msgspec.convert(line, Line, strict=False).product()
    except msgspec.DecodeError as error:
        raise SettingsError(f"{name}, row {number}: not a product as 'skyhaul search' writes it ({error})") from None


def _metalink(text: str, name: str) -> Saved:
    try:
        return _held(lists.products(list(metalink.entries(text))))
    except ValueError as error:
        raise SettingsError(f"{name}: {error}") from None


def _listed(rows: Iterable[tuple[int, str]], where: str) -> Saved:
    """Rows that each say what to look up, or which file to fetch."""
    found = _Found()
    for number, row in rows:
        if row.strip() and not row.lstrip().startswith("#"):
            try:
                found.take(row, f"line {number}")
            except ValueError as error:
                raise SettingsError(f"{where}, line {number}: {error}") from None
    if found.entries and (found.names or found.ids):
        raise SettingsError(
            f"{where}: {found.entries[0].where} is a file to fetch, others are products to look up: put them into two lists"
        )
    try:
        files = lists.products(found.entries)
    except ValueError as error:
        raise SettingsError(f"{where}, {error}") from None
    if files:
        return _held(files)
    return Saved(names=tuple(found.names), ids=tuple(found.ids), count=len(found.names) + len(found.ids))


@dataclass(slots=True)
class _Found:
    """What the rows of a list have said so far."""

    names: dict[str, None] = field(default_factory=dict)
    ids: dict[str, None] = field(default_factory=dict)
    entries: list[lists.Entry] = field(default_factory=list)

    def take(self, row: str, where: str) -> None:
        option = lists.option(row)
        if option is not None and self.entries:
            self.entries[-1].option(*option)
            return
        if (named := unquoted(row.strip())) is not None:
            self.names[named] = None
            return
        known = _key(row.strip())
        if known is None:
            self.entries.append(_file(row.strip(), where))
        else:
            kind, key = known
            (self.ids if kind == "id" else self.names)[key] = None


def _file(written: str, where: str) -> lists.Entry:
    entry = lists.entry(written, where)
    if entry is None:
        raise ValueError(f"{without_secrets(written)[:80]!r} is not a product; accepted are {ACCEPTED}")
    return entry


def _key(written: str) -> tuple[str, str] | None:
    """Whether it is an ``id`` or a ``name``, and which; ``None`` where it is no product that a catalogue knows."""
    try:
        return "id", str(UUID(written))
    except ValueError:
        pass
    if len(written.split()) > 1:
        return None
    if found := _PRODUCT_URL.search(written):
        return "id", found[1].lower()
    if written.startswith("/eodata/") or (written.startswith("s3://eodata/") and _SUFFIXED_PART.search(written)):
        return "name", _product_of(written)
    return ("name", written) if PLAIN_NAME.fullmatch(written) else None


def _product_of(path: str) -> str:
    """The product that a key of the bucket belongs to. Auxiliary products of CDSE are stored as ``NAME.SAFE.zip``."""
    parts = [part.removesuffix(".zip") for part in path.split("/") if part]
    return next((part for part in parts if _SUFFIXED.search(part)), parts[-1])
