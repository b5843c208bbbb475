"""How fast does the journal take facts, and how long does one of a million objects keep a run waiting?

Outcomes are what each object that was fetched tells the journal: begun, a span, whole, and its product. One task puts them, the writer
commits them in groups; goal 10 000 a second. A restart is the first question that a download asks of a journal of 1 000 000 objects, and a
command that fetches one small file beside it; goal 5 s to the first byte. The journal lies in memory where there is room.
"""

from __future__ import annotations

import argparse
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import anyio
from anyio.lowlevel import checkpoint

import served
from served import Files, spread
from skyhaul.journal import FOLDER, Journal, opened
from skyhaul.model import ByteRange, Checksum, ProductResult
from support import emptied, machine, table

OUTCOMES = 20_000
BURST = 64
"""Facts that come between two turns of the loop: about as many objects as are under way."""

DIGEST = Checksum(algorithm="BLAKE3", value="0" * 64, origin="list")


def tell(journal: Journal, number: int) -> None:
    """All that one object fetched from nothing says."""
    product, path = f"product-{number:08}", f"{number:08}.bin"
    journal.begun(product, path, size=20_000, etag=None)
    journal.span(product, path, ByteRange(start=0, stop=20_000))
    journal.whole(product, path, size=20_000, etag=None, checksum=DIGEST, level="blake3")
    journal.product(
        ProductResult(id=product, name=path, state="verified", path=path, bytes=20_000, level="blake3"), "whole"
    )


async def rate(folder: Path, outcomes: int) -> float:
    """Outcomes committed a second, until the last of them is."""
    started_s = time.perf_counter()
    async with opened(folder) as journal:
        for number in range(outcomes):
            tell(journal, number)
            if number % BURST == 0:
                await checkpoint()
        await journal.flush()
    return outcomes / (time.perf_counter() - started_s)


def filled(folder: Path, objects: int) -> float:
    """A journal of so many objects; its size in bytes. Through its own schema, but not one by one."""

    async def empty() -> None:
        async with opened(folder) as journal:
            await journal.flush()

    anyio.run(empty)
    path = folder / FOLDER / "journal.db"
    with closing(sqlite3.connect(path)) as db, db:
        rows = ((f"product-{n:08}", f"{n:08}.bin") for n in range(objects))
        db.executemany("INSERT INTO files VALUES (?, ?, 20000, NULL, 'BLAKE3', '0', 'blake3')", rows)
        # A product of the Sentinels has about a hundred objects.
        products = ((f"product-{n:08}", f"{n:08}") for n in range(0, objects, 100))
        db.executemany(
            "INSERT INTO products VALUES (?, ?, 'whole', 'verified', '', 20000, 1, 'blake3', 1, NULL, NULL, 0)",
            products,
        )
    return path.stat().st_size


async def first_answer_s(folder: Path) -> float:
    """From opening the journal to what it knows of one product."""
    started_s = time.perf_counter()
    async with opened(folder) as journal:
        await journal.known("product-00000000")
    return time.perf_counter() - started_s


def restart_s(files: Files, folder: Path, scratch: Path) -> float:
    """Seconds of a command that opens the journal of ``folder`` and fetches one small file."""
    with served.web(files.folder) as web:
        listed = files.listed(web.roots["http"], scratch / "one.txt", verified=True)
        for name in files.digests:
            (folder / name).unlink(missing_ok=True)
        return served.best(served.ours(listed, folder, 1), web.environment).wall_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--objects", type=int, nargs="+", default=[0, 1_000_000])
    given = parser.parse_args()
    print(machine())
    with served.memory(2 << 30) as scratch:
        rates = [anyio.run(rate, emptied(scratch / "rate"), OUTCOMES) for _ in range(given.runs)]
        print(f"outcomes a second, {OUTCOMES} of 6 statements each: {spread(rates, 0)}, n = {given.runs}")
        files = served.made(scratch / "files", 1, 20_000)
        rows: list[tuple[object, ...]] = [
            ("objects", "journal MB", "open and ask s", "command that fetches one file s")
        ]
        rows += [restarts(files, objects, scratch, given.runs) for objects in given.objects]
    print(table(rows))


def restarts(files: Files, objects: int, scratch: Path, runs: int) -> tuple[object, ...]:
    folder = emptied(scratch / "archive")
    size = filled(folder, objects)
    asked = [anyio.run(first_answer_s, folder) for _ in range(runs)]
    whole = [restart_s(files, folder, scratch) for _ in range(runs)]
    return objects, f"{size / 1e6:.0f}", spread(asked, 3), spread(whole)


if __name__ == "__main__":
    main()
