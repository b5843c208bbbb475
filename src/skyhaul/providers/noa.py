"""The Hellenic mirror of the Sentinels at NOA: closed without a token, a rolling archive of Greece, zips that nobody states a digest of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import ClassVar

from anyio import to_thread

from skyhaul.archives import Made, Means
from skyhaul.catalogue import by_time
from skyhaul.catalogue.entities import parse_page
from skyhaul.catalogue.here import restricting, sorted_out
from skyhaul.catalogue.noa_query import ASKED, PAGE, by_name, page_url, speakable
from skyhaul.catalogue.rules import folded
from skyhaul.errors import CatalogueError, SettingsError
from skyhaul.model import Product, Query, RemoteObject, Route, TimeInterval
from skyhaul.protocols import Expected, Here, LinkPaging, Page, Slice, Source, Web, Wish
from skyhaul.providers import zips

TOLD = frozenset(
    {
        *("collection", "platform", "sensing", "published", "area", "tiles", "names", "ids", "season", "online"),
        "relative_orbit",
    }
)
"""The fields of a query that the mirror's answers show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noa:
    """The archive as a provider; products are fetched from the catalogue's host.

    Nothing is counted here, so pages overlap by one product: a full page has a next one, which begins with what it ended with. The
    mirror's own links would not tell of a page that came back empty.
    """

    web: Web
    catalogue_url: str
    sources: Mapping[Route, Source]
    name: str = "noa"

    paging: ClassVar[LinkPaging] = LinkPaging(page_size=PAGE, concurrency=2)

    def here(self, query: Query) -> Here | None:
        """See :class:`skyhaul.protocols.Catalogue`. Names, what they tell, and seasons are compared here.

        Raises:
            SettingsError: also for a rule that has other ones of these than the query, beside attributes: the answers tell none.
        """
        for each in (query, *query.rules):
            speakable(each)
        # Of several rules, those that are compared here are read one by one, each folded into the query.
        for rule in folded(query).rules if len(query.rules) == 1 else ():
            if _mixed(rule) and (untold := [name for name in restricting(rule) if name not in TOLD]):
                raise SettingsError(
                    f"the NOA mirror cannot be asked for {untold[0]} beside names, what they tell, or a season of a rule and of the whole"
                )
        mixed = any(map(_mixed, query.rules))
        # Once the only rule is folded into the query, rules have no conditions of their own.
        return sorted_out(
            replace(query, where=by_name(query)),
            asked=ASKED - {"where"} if mixed else (ASKED | {"rules"}) - {"where"},
            archive=self.name,
        )

    async def page(self, part: Slice, skip: int, *, count: bool) -> Page:  # noqa: ARG002 it never counts
        """See :class:`skyhaul.protocols.Catalogue`. That there is nothing at all is asked twice."""
        page = await self._read(part, 0)
        return page if page.products else await self._read(part, 0)

    async def following(self, part: Slice, link: str) -> Page:
        """See :class:`skyhaul.protocols.LinkedCatalogue`.

        Raises:
            CatalogueError: also when the page does not begin with what the one before ended with: something slipped between them.
        """
        skip, last = link.split()
        page = await self._read(part, int(skip))
        if not page.products or page.products[0].id != last:
            raise CatalogueError(f"{part.name}: the page from {skip} does not go on where the one before it ended")
        return replace(page, products=page.products[1:])

    async def extent(self, query: Query) -> TimeInterval | None:
        """See :class:`skyhaul.protocols.Catalogue`."""
        ends = []
        for order_by in ("start", "-start"):
            part = Slice(query=replace(query, order_by=order_by), interval=query.sensing)
            page = await self.page(part, 0, count=False)
            ends += [product.start for product in page.products[:1] if product.start is not None]
        return TimeInterval(start=ends[0], end=ends[1] + timedelta(microseconds=1)) if len(ends) > 1 else None

    async def named(self, names: Sequence[str]) -> Page:
        """See :class:`skyhaul.protocols.Catalogue`."""
        return await by_time.named(self, names, self.name)

    def expected(self, product: Product, wish: Wish) -> Expected:
        """See :class:`skyhaul.protocols.Provider`."""
        return zips.expected(product, wish, self.name)

    async def objects(self, product: Product, wish: Wish) -> Sequence[RemoteObject]:
        """See :class:`skyhaul.protocols.Provider`. The body is a zip whatever the name says."""
        zips.check(wish, self.name)
        location = f"{self.catalogue_url.rstrip('/')}/Products({product.id})/$value"
        return [zips.whole(product, location, ranges=False)]

    async def _read(self, part: Slice, skip: int) -> Page:
        url, collection = page_url(self.catalogue_url, part, skip), part.query.collection
        reply = await self.web.get(url)
        page = await to_thread.run_sync(lambda: parse_page(reply, provider=self.name, collection=collection))
        if len({product.id for product in page.products}) < len(page.products):
            raise CatalogueError(f"{part.name}: the page from {skip} has a product twice")
        full = len(page.products) == PAGE
        return replace(page, next_link=f"{skip + PAGE - 1} {page.products[-1].id}" if full else None)


def _mixed(rule: Query) -> bool:
    return bool(rule.names or rule.tiles or rule.season or rule.relative_orbit is not None or by_name(rule))


def made(means: Means) -> Made:
    """See :class:`skyhaul.archives.Archive`."""
    sources = zips.genuine(means.sources)
    provider = Noa(web=means.web, catalogue_url=means.settings.catalogue_url, sources=sources)
    return Made(provider=provider, sources=sources)
