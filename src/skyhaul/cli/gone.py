"""``--check-deleted``: what matches a query, or stands in a list, and was deleted by the archive, with what there is in its place."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from skyhaul.catalogue.deleted import Deleted
    from skyhaul.cli.running import Observers
    from skyhaul.credentials import Credentials
    from skyhaul.feed import Wanted
    from skyhaul.observe.bus import Bus
    from skyhaul.settings import Settings

LISTED_MAX = 1000

CheckDeleted = Annotated[
    bool,
    typer.Option(
        "--check-deleted",
        help="Say what matches, or stands in the list, and was deleted by the archive, and what replaces it.",
        envvar="SKYHAUL_CHECK_DELETED",
    ),
]


class Gone:
    """Deleted products, and the latest product found of each one's acquisition."""

    def __init__(self, deleted: Sequence[Deleted]) -> None:
        from skyhaul.catalogue.versions import acquisition

        self._deleted = deleted
        self._ids = {each.product.id for each in deleted}
        self._latest = {acquisition(each.product.name): each.successor for each in deleted}

    @classmethod
    def asked(cls, settings: Settings, account: Credentials, wanted: Wanted | None = None) -> Gone:
        """What the archive of ``settings`` has deleted of the query, or of what is wanted."""
        from skyhaul.cli.running import carried_out, of_search

        return cls(carried_out(settings, account, of_search, lambda haul: haul.deleted(wanted)))

    def watching(self, observers: Observers) -> Observers:
        """``observers`` and one that looks for what replaces the deleted."""
        return lambda bus, meter: [*observers(bus, meter), _Watch(bus, self)]

    def note(self, product_id: str, name: str) -> None:
        """A product was found."""
        from skyhaul.catalogue.versions import acquisition, rank
        from skyhaul.model import Product

        key = acquisition(name)
        if key in self._latest and product_id not in self._ids:
            found, before = Product(id=product_id, name=name, provider=""), self._latest[key]
            self._latest[key] = found if before is None or rank(found) > rank(before) else before

    def lines(self) -> Iterator[str]:
        """What is to be said, a product a line."""
        from skyhaul.catalogue.versions import acquisition

        if not self._deleted:
            yield "nothing that matches was deleted by the archive"
            return
        yield f"{len(self._deleted)} products that match were deleted by the archive:"
        for each in self._deleted[:LISTED_MAX]:
            successor = self._latest[acquisition(each.product.name)]
            yield f"  {each.product.name}: {each}" + (f"; replaced by {successor.name}" if successor else "")

    def tell(self) -> None:
        """Say it on stderr."""
        sys.stderr.write("".join(f"skyhaul: {line}\n" for line in self.lines()))


class _Watch:
    def __init__(self, bus: Bus, gone: Gone) -> None:
        self._events = bus.subscribe()
        self._gone = gone

    async def run(self) -> None:
        from skyhaul.events import ProductFound

        async for event in self._events:
            if isinstance(event, ProductFound):
                self._gone.note(event.product, event.name)
