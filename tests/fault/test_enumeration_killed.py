"""Killed in the middle of the catalogue: what was read and fetched is not asked for again, and nothing is missed."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from math import ceil
from pathlib import Path

import pytest

from support import small_pages
from support.served import Archive, Skyhaul, simulated
from support.trees import products

QUERY = ("--product-type", "S2MSI2A", "--start", "2000-01-01")
ONE_FILE = ("--only", "MTD_MSI*", "--into", "archive", "--via", "s3")
ROUTE = "catalogue.products"


@pytest.fixture(scope="module")
def many() -> Iterator[Archive]:
    """As many products as make several slices, each quickly fetched."""
    world = ("--products", "320", "--scale", "0.0004", "--no-oddities")
    with simulated(
        *world, "--set", "bytes_per_s_per_connection=null", "--set", "s3_requests_per_minute=null"
    ) as archive:
        yield archive


class SmallPages(Skyhaul):
    """The command line with pages of ten products."""

    @staticmethod
    def command(*arguments: object) -> list[str]:
        return [sys.executable, small_pages.__file__, *map(str, arguments)]


@pytest.fixture
def skyhaul(many: Archive, tmp_path) -> SmallPages:
    many.play()
    return SmallPages(tmp_path, many.environment)


def asked(folder: Path, question: str) -> list[tuple[int, ...]]:
    """What the journal answers; nothing as long as it is not made."""
    path = folder / ".skyhaul" / "journal.db"
    if not path.exists():
        return []
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        try:
            return db.execute(question).fetchall()
        except sqlite3.OperationalError:
            return []


WHOLE_SLICES = """
SELECT total FROM parts WHERE NOT EXISTS (
    SELECT 1 FROM seen LEFT JOIN products ON products.id = seen.product WHERE part = parts.id AND state IS NOT 'verified'
)
"""


def spared(folder: Path) -> int:
    """Requests that slices which were read and fetched need not cost again: one tells that a slice is as it was."""
    return sum(ceil(total / (small_pages.PAGE_SIZE - 1)) - 1 for (total,) in asked(folder, WHOLE_SLICES))


@pytest.mark.parametrize("read", [6, 9])
def test_a_run_that_was_killed_goes_on_where_it_was(many, skyhaul, read):
    names = skyhaul("search", *QUERY, "--format", "names").out.splitlines()
    pages = many.asked(ROUTE)
    folder = skyhaul.folder / "archive"
    slowly = ("--connections", "1")  # or nothing is left to be killed by the time this process hears of it
    with skyhaul.begun("download", *QUERY, *ONE_FILE, *slowly) as process:
        while process.poll() is None and spared(folder) < read:
            pass
        assert process.poll() is None
        process.kill()
    there = {path.name for path in products(folder)}
    saved = spared(folder)
    assert saved >= read

    many.play()
    again = skyhaul("download", *QUERY, *ONE_FILE)
    assert again.code == 0, again.err
    assert {path.name for path in products(folder)} == set(names) > there
    assert many.asked(ROUTE) <= pages - saved

    many.play()
    assert skyhaul("download", *QUERY, *ONE_FILE).code == 0
    assert many.asked(ROUTE) <= pages - spared(folder) < pages / 2
    assert many.asked(ROUTE) <= len(names) / small_pages.PAGE_SIZE, "more than a request for each page of products"
    assert many.fetched == 0
