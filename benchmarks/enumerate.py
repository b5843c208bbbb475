"""How fast are 30 000 products found when a page takes 150 ms? Four requests in flight against a pager that asks, waits, asks again.

Goal: three and a half times as fast, with recall 100 % and no duplicates. The serial pagers are the simplest that are right, with the same
decoding. OData: pages of 1000 through ``$skip``, beginning again at the last sensing start where 10 000 ends it. STAC: pages of 200, each
found by the link on the one before it, which skyhaul reads in slices of time.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import msgspec

import skyhaul
from skyhaul.catalogue.entities import parse_page
from skyhaul.catalogue.stac import linked, parse_items
from skyhaul.providers.earth_search import PAGE_SIZE
from support import Archive, archive, machine, table

RUNS = 3
ODATA = {"collection": "SENTINEL-2"}
STAC = {"provider": "earth-search", "collection": "sentinel-2-l2a"}
Pager = Callable[[Archive], tuple[float, int, int]]


def serial(served: Archive) -> tuple[float, int, int]:
    """Seconds, products and pages of one request after another."""
    started_s = time.monotonic()
    seen: set[str] = set()
    pages = 0
    after: datetime | None = None
    while True:
        newest = after
        for skip in range(0, 10_001, 1000):
            page = parse_page(_page(served, after, skip), provider="cdse", collection="SENTINEL-2")
            pages += 1
            seen.update(product.id for product in page.products)
            if page.products and page.products[-1].start is not None:
                newest = page.products[-1].start
            if len(page.products) < 1000:
                return time.monotonic() - started_s, len(seen), pages
        after = newest


def _page(served: Archive, after: datetime | None, skip: int) -> bytes:
    bound = (
        ""
        if after is None
        else f" and ContentDate/Start ge {after.astimezone(UTC) - timedelta(0):%Y-%m-%dT%H:%M:%S.%fZ}"
    )
    options = {
        "$filter": f"Collection/Name eq 'SENTINEL-2'{bound}",
        "$orderby": "ContentDate/Start asc",
        "$top": "1000",
        "$skip": str(skip),
        "$expand": "Attributes",
    }
    with urllib.request.urlopen(
        f"{served.addresses['catalogue_url']}/Products?{urllib.parse.urlencode(options)}"
    ) as reply:
        body: bytes = reply.read()
        return body


def serial_links(served: Archive) -> tuple[float, int, int]:
    """Seconds, products and pages of one link after another."""
    started_s = time.monotonic()
    seen: set[str] = set()
    pages = 0
    asked: dict[str, object] = {"collections": [STAC["collection"]], "limit": PAGE_SIZE}
    link: str | None = msgspec.json.encode(
        {"href": f"{served.environment['SKYHAUL_PROVIDERS__EARTH_SEARCH__CATALOGUE_URL']}/search", "body": asked}
    ).decode()
    while link is not None:
        url, body = linked(link)
        with urllib.request.urlopen(urllib.request.Request(url, body, {"Content-Type": "application/json"})) as reply:
            page = parse_items(reply.read(), provider=STAC["provider"], asked=asked)
        pages += 1
        seen.update(product.id for product in page.products)
        link = page.next_link
    return time.monotonic() - started_s, len(seen), pages


def concurrent(served: Archive, query: Mapping[str, Any]) -> tuple[float, int, int]:
    """Seconds, unique products and all products of a search with skyhaul, in this process too."""
    os.environ.update(served.environment)
    ids: list[str] = []

    async def search() -> None:
        async with skyhaul.open(**query) as haul:
            ids.extend([product.id async for product in haul.search()])

    started_s = time.monotonic()
    anyio.run(search)
    return time.monotonic() - started_s, len(set(ids)), len(ids)


def compared(name: str, products: int, page_latency_s: float, pager: Pager, query: Mapping[str, Any]) -> None:
    """Print what both pagers took for ``query``."""
    world = ("--products", str(products), "--checksums", "none", "--set", f"page_latency_s={page_latency_s}")
    rows: list[tuple[object, ...]] = [(name, "median s", "spread", "products", "duplicates")]
    with archive(*world) as served:
        pager(served)  # the archive keeps the pages that it has made, so that neither pager waits for its one core
        concurrent(served, query)
        one, many = [], []
        for _ in range(RUNS):
            one.append(pager(served))
            many.append(concurrent(served, query))
    assert len({unique for _, unique, _ in one + many}) == 1, "the pagers disagree"
    for label, results, duplicates in (
        (f"serial, {one[0][2]} pages", one, 0),
        ("skyhaul search", many, many[0][2] - many[0][1]),
    ):
        seconds = [result[0] for result in results]
        spread = f"{min(seconds):.2f} to {max(seconds):.2f}"
        rows.append((label, f"{statistics.median(seconds):.2f}", spread, results[0][1], duplicates))
    print(table(rows))
    ratios = [a[0] / b[0] for a, b in zip(one, many, strict=True)]
    print(
        f"skyhaul is {statistics.median(ratios):.2f} times as fast ({min(ratios):.2f} to {max(ratios):.2f}, n = {RUNS})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--products", type=int, default=38_000, help="size of the world; about nine tenths are Sentinel-2"
    )
    parser.add_argument("--items", type=int, default=8_000, help="the same for STAC; about eight tenths are asked for")
    parser.add_argument("--page-latency", type=float, default=0.15)
    given = parser.parse_args()
    print(machine())
    compared("OData", given.products, given.page_latency, serial, ODATA)
    compared("STAC", given.items, given.page_latency, serial_links, STAC)


if __name__ == "__main__":
    main()
