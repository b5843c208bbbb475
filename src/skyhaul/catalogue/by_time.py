"""Products looked up by name where an archive cannot be asked for names: names say when a product was sensed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from skyhaul.catalogue.entities import mission
from skyhaul.model import Product, Query, TimeInterval
from skyhaul.protocols import LinkedCatalogue, Page, Slice

_SENSED = re.compile(r"(?:_V|(?<!\d)_)(\d{8}T\d{6})")
_VALID = re.compile(r"_V(\d{8}T\d{6})")
_SUFFIX = re.compile(r"(?:\.(?:SAFE|SEN3|SEN6|EOF|nc))?(?:\.zip)?$", re.IGNORECASE)
_SECOND = timedelta(seconds=1)


def stem(name: str) -> str:
    """The name without suffix."""
    return _SUFFIX.sub("", name)


def sensed(name: str) -> datetime | None:
    """The second in which the product ``name`` begins; ``None`` where its name does not say so.

    Auxiliary files begin where they are valid from, which follows a ``V``; other products name their start first.
    """
    found = _VALID.search(name) or _SENSED.search(name)
    try:
        return datetime.strptime(found[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC) if found else None
    except ValueError:
        return None


def asked(names: Iterable[str]) -> Mapping[tuple[str | None, datetime], set[str]]:
    """Stems of names by collection and by the second in which they begin."""
    found: dict[tuple[str | None, datetime], set[str]] = {}
    for name in names:
        if (second := sensed(name)) is not None:
            found.setdefault((mission(name), second), set()).add(stem(name))
    return found


async def named(catalogue: LinkedCatalogue, names: Sequence[str], provider: str) -> Page:
    """See :class:`skyhaul.protocols.Catalogue`. A request for each second in which a product begins, and more where many do."""
    found: list[Product] = []
    for (collection, second), stems in asked(names).items():
        interval = TimeInterval(start=second, end=second + _SECOND)
        part = Slice(query=Query(provider=provider, collection=collection, sensing=interval), interval=interval)
        page: Page | None = await catalogue.page(part, 0, count=False)
        while page is not None and stems:
            found += _taken(page, stems)
            page = await catalogue.following(part, page.next_link) if page.next_link else None
    return Page(products=tuple(found), total=len(found))


def _taken(page: Page, stems: set[str]) -> Iterator[Product]:
    for product in page.products:
        if (name := stem(product.name)) in stems:
            stems.remove(name)
            yield product
