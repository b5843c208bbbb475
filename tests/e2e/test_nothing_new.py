"""Runs at an archive of linked pages that counts (Earth Search): with nothing new no page is read, and nothing new is missed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property

import pytest

import skyhaul
from skyhaul.events import ProductFound
from skyhaul.model import Report
from skyhaul.providers import earth_search
from support.fake_world import FakeWorld, sentinel_2
from support.serving import served

pytestmark = pytest.mark.anyio

PRODUCTS, PAGE_SIZE = 180, 10
FIRST = datetime(2024, 5, 1, 10, tzinfo=UTC)
MODIFIED = datetime(2024, 6, 1, tzinfo=UTC)
LATER = datetime(2024, 7, 1, tzinfo=UTC)


class World(FakeWorld):
    """Where objects are listed once."""

    @cached_property
    def listed(self):
        return super().keys()

    def keys(self):
        return self.listed


def product(row, *, tile="31TCJ", modified=MODIFIED):
    """The product of a row, half an hour after the one before; ids at Earth Search have the row in them."""
    found = sentinel_2(row, FIRST + timedelta(minutes=30 * row))
    name = found.name.replace(f"_T{found.name[39:44]}_", f"_T{tile}_")
    return replace(
        found,
        name=name,
        attributes=(*found.attributes, ("tileId", "String", tile)),
        modified=modified + timedelta(minutes=row),
        s3_key=f"Sentinel-2/MSI/L2A/{name}",
    )


@pytest.fixture
def products():
    """What the archive has; a test changes it between runs."""
    return [product(row) for row in range(PRODUCTS)]


@dataclass(frozen=True)
class Ran:
    """How a run ended, the names of what it found, and what the archive was asked."""

    report: Report
    names: list[str]
    asked: Mapping[str, int]


@pytest.fixture
def run(products, tmp_path, monkeypatch):
    """A download of one file of each product that begins from May on."""
    monkeypatch.setattr(earth_search, "PAGE_SIZE", PAGE_SIZE)
    monkeypatch.setenv("HOME", str(tmp_path))

    async def run(**query):
        names = []

        def note(event):
            if isinstance(event, ProductFound):
                names.append(event.name)

        async with served(World(list(products), file_bytes=1000)) as client:
            url = f"{client.service.roots.earth}/v1"
            monkeypatch.setenv("SKYHAUL_PROVIDERS__EARTH_SEARCH__CATALOGUE_URL", url)
            options = {"provider": "earth-search", "collection": "sentinel-2-l2a", "start": "2024-05-01", **query}
            into = str(tmp_path / "archive")
            async with skyhaul.open(observe=note, into=into, only=("manifest.safe",), **options) as haul:
                report = await haul.download()
            assert report.exit_code == 0, report
            return Ran(report, sorted(names), client.service.stats()["requests"])

    return run


def items(products):
    """What Earth Search calls them."""
    return sorted(f"S2A_{each.name[39:44]}_{each.start:%Y%m%d}_{each.index}_2A" for each in products)


@pytest.mark.parametrize("end", [{}, {"end": "2025-01-01"}])
async def test_a_run_with_nothing_new_asks_once(run, products, end):
    first = await run(**end)
    assert first.names == items(products)
    assert first.report.verified == PRODUCTS
    assert first.asked["stac.search"] > PRODUCTS / PAGE_SIZE
    again = await run(**end)
    assert again.names == first.names
    assert again.report.present == PRODUCTS
    assert again.asked == {"stac.search": 1}, "all requests, of whatever kind; 1 for each 1000 products or part of it"


async def test_what_is_new_or_changed_is_found(run, products):
    await run()

    async def found(*, new):
        """Every page is read, what is new is fetched; a run after it asks once again."""
        ran = await run()
        assert ran.names == items(products)
        assert ran.asked["stac.search"] > PRODUCTS / PAGE_SIZE
        assert ran.report.verified == new
        quiet = await run()
        assert quiet.names == items(products)
        assert quiet.asked == {"stac.search": 1}

    products.append(product(PRODUCTS))
    await found(new=1)
    products[20] = product(20, modified=LATER)
    await found(new=0)
    products[-1] = product(PRODUCTS, tile="32TQR", modified=LATER)
    await found(new=1)
    products.pop()
    await found(new=0)
