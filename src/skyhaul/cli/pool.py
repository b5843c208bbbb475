"""Products out of saved results, for commands that look at them without an archive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from skyhaul.errors import SettingsError

if TYPE_CHECKING:
    from skyhaul.model import Product


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """The products of all files, each once. ``names`` is the first file that holds names alone, ``said`` what to say of them."""

    products: list[Product]
    names: str | None
    said: str


def loaded(files: Sequence[str]) -> Pool:
    """What the files hold; ``-`` is stdin.

    Raises:
        SettingsError: a file cannot be read, or holds ids alone.
    """
    from skyhaul.saved import load
    from skyhaul.select import unique
    from skyhaul.select.facts import from_name

    found: list[Product] = []
    named = [file if file != "-" else "stdin" for file in files]
    names: str | None = None
    for file, name in zip(files, named, strict=True):
        saved = load(file)
        if saved.ids:
            raise SettingsError(
                f"{name} holds ids alone, which say nothing to choose by: save the search as jsonl, geojson or csv"
            )
        if saved.names:
            names = names or name
        found += [*saved.products, *map(from_name, saved.names)]
    products = unique(found)
    twice = f" ({len(found) - len(products)} more than once)" if len(found) > len(products) else ""
    return Pool(products=products, names=names, said=f"{len(products)} products in {', '.join(named)}{twice}")
