"""Saved results read back: products as they were, or names, ids and URLs to look up."""

from __future__ import annotations

import csv
import io
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, TextIO
from uuid import UUID

import msgspec

from skyhaul.errors import SettingsError
from skyhaul.model import Product
from skyhaul.results import COLUMNS, Line
from skyhaul.vocabulary import retired

ACCEPTED = "geojson, jsonl or csv as 'skyhaul search' writes them, or a name, an id or a URL on each line"

_PRODUCT_URL = re.compile(r"Products\('?([0-9a-fA-F-]{36})'?\)")
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{3,249}", re.ASCII)
_SUFFIXED = re.compile(r"\.(?:SAFE|SEN3|SEN6|EOF|nc)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What a file of results holds: ``products``, or ``names`` and ``ids`` that a catalogue has to be asked for.

    ``products`` can be gone through several times. Lines of JSON are read from the file each time, not held: memory does not grow with
    them. A GeoJSON document and a table are held.
    """

    products: Iterable[Product] = ()
    names: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    count: int = 0


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


def load(source: Path | str) -> Saved:
    """What ``source`` holds, whichever of the formats it is in; ``-`` is stdin.

    Raises:
        SettingsError: it cannot be read, or a line of it cannot be used: says which, and what is accepted.
    """
    name = "stdin" if str(source) == "-" else str(source)
    try:
        saved = _loaded(_kept_stdin() if name == "stdin" else partial(_open, Path(source)), name)
    except FileNotFoundError:
        raise SettingsError(f"there is no file {name}") from None
    except OSError as error:
        raise SettingsError(f"{name} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{name} is not text; accepted are {ACCEPTED}") from None
    if not saved.count:
        raise SettingsError(f"{name} holds no products; accepted are {ACCEPTED}")
    return saved


def _loaded(opened: Opened, name: str) -> Saved:
    with opened() as file:
        first = next((line for line in file if line.strip()), "")
    if first.lstrip().startswith("{") and _is_line(first):
        return _jsonl(opened, name)
    with opened() as file:
        return parse(file.read(), name)


def _open(path: Path) -> TextIO:
    # A cell of csv may hold a carriage return: line ends are left as they are.
    return path.open(encoding="utf-8-sig", newline="")


def _kept_stdin() -> Opened:
    """Standard input, kept in a file for as long as it is needed, since it can be read but once."""
    kept = NamedTemporaryFile("w", encoding="utf-8", newline="", prefix="skyhaul-")  # noqa: SIM115 deleted with its last reader
    shutil.copyfileobj(sys.stdin, kept)
    kept.flush()
    return lambda: _open(Path(kept.name))


def parse(text: str, name: str) -> Saved:
    """What ``text`` holds; ``name`` is how errors call it."""
    head = text.lstrip()[:1]
    if head == "{":
        first, _, _ = text.lstrip().partition("\n")
        return _jsonl(lambda: io.StringIO(text, newline="\n"), name) if _is_line(first) else _geojson(text, name)
    if head == "[":
        raise SettingsError(f"{name} is a JSON array; accepted are {ACCEPTED} ('jq -c .[]' makes lines of an array)")
    # Not splitlines: it also splits at characters that a line of JSON or csv may hold.
    rows = text.split("\n")
    header = next((row for row in rows if row.strip()), "")
    if {"name", "id"} & {cell.strip().lower() for cell in header.split(",")} and "," in header:
        return _csv(text, name)
    return _listed(enumerate(rows, start=1), name)


def _is_line(first: str) -> bool:
    try:
        found = msgspec.json.decode(first)
    except msgspec.DecodeError:
        return False
    return isinstance(found, dict) and found.get("type") != "FeatureCollection"


def _jsonl(opened: Opened, name: str) -> Saved:
    count = 0
    with opened() as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                try:
                    _LINE.decode(line)
                except msgspec.DecodeError as error:
                    raise SettingsError(
                        f"{name}, line {number}: not a product as 'skyhaul search' writes it ({error})"
                    ) from None
                count += 1
    return Saved(products=_Lines(opened), count=count)


def _geojson(text: str, name: str) -> Saved:
    try:
        document = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise SettingsError(f"{name} is not valid JSON ({error}); accepted are {ACCEPTED}") from None
    features = document.get("features")
    if document.get("type") != "FeatureCollection" or not isinstance(features, list):
        raise SettingsError(f"{name} is JSON, but no FeatureCollection; accepted are {ACCEPTED}")
    if features and all("stac_version" in feature for feature in features):
        return _listed(((number, _item_key(feature)) for number, feature in enumerate(features, start=1)), name)
    products = tuple(_feature(number, feature, name) for number, feature in enumerate(features, start=1))
    return Saved(products=products, count=len(products))


def _item_key(feature: Mapping[str, Any]) -> str:
    return str(feature.get("properties", {}).get("skyhaul:id") or feature.get("id", ""))


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
        products = tuple(_row(number, row, name) for number, row in enumerate(rows, start=1))
        return Saved(products=products, count=len(products))
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


def _listed(rows: Iterable[tuple[int, str]], where: str) -> Saved:
    names: dict[str, None] = {}
    ids: dict[str, None] = {}
    for number, row in rows:
        written = row.strip()
        if not written or written.startswith("#"):
            continue
        try:
            kind, key = _key(written)
        except ValueError as error:
            raise SettingsError(f"{where}, line {number}: {error}") from None
        (ids if kind == "id" else names)[key] = None
    return Saved(names=tuple(names), ids=tuple(ids), count=len(names) + len(ids))


def _key(written: str) -> tuple[str, str]:
    """Whether it is an ``id`` or a ``name``, and which."""
    try:
        return "id", str(UUID(written))
    except ValueError:
        pass
    if found := _PRODUCT_URL.search(written):
        return "id", found[1].lower()
    if written.startswith(("s3://", "/eodata/")):
        return "name", _product_of(written)
    if _NAME.fullmatch(written):
        return "name", written
    fate = retired(written) if "://" in written else None
    raise ValueError(fate or f"{written[:80]!r} is not a product; accepted are {ACCEPTED}")


def _product_of(path: str) -> str:
    """The product that a key of the bucket belongs to. Auxiliary products of CDSE are stored as ``NAME.SAFE.zip``."""
    parts = [part.removesuffix(".zip") for part in path.split("/") if part]
    return next((part for part in parts if _SUFFIXED.search(part)), parts[-1])
