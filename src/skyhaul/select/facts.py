"""What is known of a product, under the names by which people ask for it, and which of several products is preferred (pure)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from math import isfinite

from skyhaul.catalogue.versions import acquisition, rank
from skyhaul.model import Attribute, Product

Value = Attribute | datetime
"""What a property may hold."""

Key = tuple[str, str]

FIELDS = (
    "name", "id", "provider", "collection", "product_type", "start", "end", "published", "modified", "size", "online", "s3_path",
    "coverage",
)  # fmt: skip
NEVER = datetime.min.replace(tzinfo=UTC)

_SATELLITE = re.compile(r"(?:S\d[A-DP]|L[COETM]\d{2})(?=_)")
_S2_TILE = re.compile(r"_T(\d{2}[A-Z]{3})(?=_|\.|$)")
_LANDSAT_TILE = re.compile(r"L[COETM]\d{2}_[A-Z0-9]{4}_(\d{6})_")
_MGRS = re.compile(r"(?:MGRS-|T)?(\d{1,2}[A-Z]{3})")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]|$)")
_TIMES = re.compile(r"_(\d{8}T\d{6})(?:_(\d{8}T\d{6}))?")


def key(product: Product) -> Key:
    """What tells one product from another: an archive's ids are its own."""
    return product.provider, product.id


def value(product: Product, name: str) -> Value | None:
    """The property ``name``: a field of the product, ``tile``, ``platform``, or an attribute; ``None`` where that is unknown."""
    if name in _DERIVED:
        return _DERIVED[name](product)
    found = getattr(product, name) if name in FIELDS else product.attributes.get(name)
    return None if isinstance(found, float) and not isfinite(found) else found


def properties(products: Iterable[Product]) -> set[str]:
    """The names under which any of the products has a value."""
    return {*FIELDS, *_DERIVED}.union(*(product.attributes for product in products))


def tile(product: Product) -> str | None:
    """The tile as archives store it, ``31TCL``; of Landsat path and row, ``198030``. From the name where it stands nowhere else."""
    attributes = product.attributes
    stated = attributes.get("tileId") or attributes.get("grid:code") or attributes.get("s2:mgrs_tile")
    if stated is not None:
        found = _MGRS.fullmatch(str(stated))
        return found[1].zfill(5) if found else str(stated)  # STAC: MGRS-1CCV
    named = _S2_TILE.search(product.name) or _LANDSAT_TILE.match(product.name)
    return named[1] if named else None


def platform(product: Product) -> str | None:
    """The satellite, as names begin: ``S2A``, ``S5P``; else as an attribute calls it."""
    if named := _SATELLITE.match(product.name):
        return named[0]
    stated = product.attributes.get("platform") or product.attributes.get("platformShortName")
    return None if stated is None else f"{stated}{product.attributes.get('platformSerialIdentifier') or ''}"


_DERIVED: Mapping[str, Callable[[Product], str | None]] = {"tile": tile, "platform": platform}


def sensed(product: Product) -> tuple[datetime, datetime] | None:
    """First and last moment of sensing. Where only one is known it stands for both; ``None`` where neither is."""
    start, end = product.start or product.end, product.end or product.start
    return None if start is None or end is None else (min(start, end), max(start, end))


def started(product: Product) -> datetime:
    """The first moment of sensing; one long ago where it is not known."""
    span = sensed(product)
    return NEVER if span is None else span[0]


def from_name(name: str) -> Product:
    """The product as far as its name tells: with the sensing times, where the name follows its mission's convention. Its id is the name."""
    times = _TIMES.search(name) if acquisition(name) != (name,) else None
    start, end = (_time(text) for text in times.groups()) if times else (None, None)
    return Product(id=name, name=name, provider="", start=start, end=end or start)


def unique(products: Iterable[Product]) -> list[Product]:
    """The products without repetition: of those with one id the one modified or published last, where the first of them stood."""
    found: dict[Key, Product] = {}
    for product in products:
        known = found.setdefault(key(product), product)
        if known is not product and _content(product) > _content(known):
            found[key(product)] = product
    return list(found.values())


def best_first(products: Iterable[Product], prefer: str | None = None) -> list[Product]:
    """Unique products, the preferred ones first.

    ``prefer`` names a number or a time of which little is preferred, with ``-`` in front much; products without it
    come last. Among equals it is the latest sensing start, then the latest version, then the name.
    """
    ranked = sorted(unique(products), key=lambda product: (started(product), rank(product)), reverse=True)
    return ranked if prefer is None else sorted(ranked, key=partial(_preference, prefer))


def first_of_each(
    products: Sequence[Product], ranked: Iterable[Product], group: Callable[[Product], object], count: int
) -> list[Product]:
    """Of each group the ``count`` that ``ranked`` has first, in the order of ``products``, which are unique."""
    seen: Counter[object] = Counter()
    kept: set[Key] = set()
    for product in ranked:
        seen[which := group(product)] += 1
        if seen[which] <= count:
            kept.add(key(product))
    return [product for product in products if key(product) in kept]


def grouping(name: str | None) -> Callable[[Product], object]:
    """What group a product is in: all are in one where no property is named; those without the property are in one of their own."""
    return (lambda _: None) if name is None else (lambda product: value(product, name))


def instant(found: object) -> datetime | None:
    """The moment that a value is: archives keep times as text."""
    if isinstance(found, datetime):
        return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    if not isinstance(found, str) or not _MOMENT.match(found):
        return None
    try:
        return instant(datetime.fromisoformat(found))
    except ValueError:
        return None


def number(found: object) -> float | None:
    """The number that a value is, or that its text says."""
    if isinstance(found, bool) or not isinstance(found, int | float | str):
        return None
    try:
        read = float(found)
    except ValueError:
        return None
    return read if isfinite(read) else None


def _preference(prefer: str, product: Product) -> tuple[bool, float]:
    found = value(product, prefer.removeprefix("-"))
    moment = instant(found)
    size = float(found) if isinstance(found, bool) else moment.timestamp() if moment else number(found)
    return (True, 0.0) if size is None else (False, -size if prefer.startswith("-") else size)


def _content(product: Product) -> tuple[datetime, datetime, str]:
    rest = [getattr(product, name) for name in product.__struct_fields__ if name != "attributes"]
    return product.modified or NEVER, product.published or NEVER, repr((sorted(product.attributes.items()), rest))


def _time(text: str | None) -> datetime | None:
    try:
        return None if text is None else datetime.strptime(text, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:  # digits that are no date
        return None
