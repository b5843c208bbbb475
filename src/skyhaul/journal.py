"""What skyhaul remembers of a destination: ``<destination>/.skyhaul/journal.db``. Home of sqlite3.

Rows are facts in the past tense; what is left to do is a query over them. One task commits whatever is waiting; a fact that is
not yet committed when the process dies costs at most the bytes it tells of. The journal can be deleted: files that are there are then
verified again instead of fetched.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import anyio
from anyio import to_thread

from skyhaul.errors import DiskFull, JournalError, SinkError, SkyhaulError
from skyhaul.hands import Hands
from skyhaul.lock import locked, note_start, restarted
from skyhaul.model import ByteRange, Checksum, ProductResult, Report

T = TypeVar("T")
Params = tuple[Any, ...]

FOLDER = ".skyhaul"
VERSION = 1
SCHEMA = """
CREATE TABLE runs (id INTEGER PRIMARY KEY, started_s REAL NOT NULL, ended_s REAL, title TEXT NOT NULL, exit_code INTEGER, report TEXT);
CREATE TABLE slices (run INTEGER NOT NULL, name TEXT NOT NULL, products INTEGER, error TEXT, PRIMARY KEY (run, name)) WITHOUT ROWID;
CREATE TABLE products (id TEXT PRIMARY KEY, name TEXT NOT NULL, wish TEXT NOT NULL, state TEXT NOT NULL, path TEXT, bytes INTEGER,
    seconds REAL, level TEXT, attempts INTEGER, kind TEXT, error TEXT, at_s REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX products_by_state ON products (state);
CREATE TABLE files (product TEXT NOT NULL, path TEXT NOT NULL, size INTEGER, etag TEXT, algorithm TEXT, digest TEXT, level TEXT,
    PRIMARY KEY (product, path)) WITHOUT ROWID;
CREATE TABLE spans (product TEXT NOT NULL, path TEXT NOT NULL, start INTEGER NOT NULL, stop INTEGER NOT NULL,
    PRIMARY KEY (product, path, start)) WITHOUT ROWID;
"""

_DISTRUST = """
DELETE FROM files WHERE digest IS NULL AND product NOT IN (SELECT id FROM products WHERE state = 'verified');
DELETE FROM spans WHERE (product, path) NOT IN (SELECT product, path FROM files);
"""
"""What was staged and no digest will prove is forgotten: the machine may have gone down before it was on disk."""

GATHER_S = 0.05
"""How long facts that files on disk can prove anew wait for others: a commit costs as much as a small object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFile:
    """What the journal says of an object: what pins it, its digest, the level that was reached if it is whole, else the spans on disk."""

    size: int | None
    etag: str | None
    digest: str | None
    level: str | None
    spans: tuple[ByteRange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownProduct:
    """What the journal says of a product: its objects that were begun, by path; once it has a ``state``, the wish and the place too."""

    state: str | None = None
    wish: str = ""
    path: str = ""
    objects: Mapping[str, KnownFile] = field(default_factory=dict)

    @property
    def files(self) -> list[tuple[str, int]]:
        """Path and size of those that are whole."""
        return [(path, each.size or 0) for path, each in self.objects.items() if each.level is not None]


class Journal:
    """The facts of one destination. Opened by :func:`opened`, which also runs its writer."""

    def __init__(self, path: Path, connection: sqlite3.Connection, lock_fd: int) -> None:
        self.path = path
        self.lock_fd = lock_fd
        """Who holds it open keeps others out of the folder."""

        self._file = _identity(path)
        self._connection = connection
        self._lock = anyio.Lock()  # of the facts: none is committed before those that came before it
        self._hands = Hands(1)  # of the database: nothing else uses it meanwhile
        self._waiting: list[tuple[str, Params]] = []
        self._committing: list[tuple[str, Params]] = []
        self._told = self._committed = 0
        self._news = anyio.Event()
        self._pressing = anyio.Event()
        self._run = 0
        self.insist: Callable[[Callable[[], Awaitable[None]]], Awaitable[None]] = _once
        """How a batch of facts is committed where the disk is full."""

    def check_there(self) -> None:
        """Make sure that the destination is still the folder that was opened. Blocks.

        Raises:
            SinkError: it was moved or deleted, or its disk taken away: what was staged in it is not there either.
        """
        if _identity(self.path) != self._file:
            raise SinkError(
                f"{self.path.parent.parent}: the folder has vanished (moved, deleted, or its disk taken away)"
            )

    # facts

    def put(self, statement: str, *params: object) -> None:
        """Queue a fact. Never blocks; facts are committed in the order they came."""
        self._waiting.append((statement, params))
        self._told += 1
        self._news.set()

    def slice_read(self, name: str, products: int | None, error: str | None = None) -> None:
        """A slice of the query was read to its end, or could not be."""
        self.put("INSERT OR REPLACE INTO slices VALUES (?, ?, ?, ?)", self._run, name, products, error)

    def product(self, result: ProductResult, wish: str) -> None:
        """A product reached a state."""
        self.put(
            "INSERT OR REPLACE INTO products VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            result.id, result.name, wish, result.state, result.path, result.bytes, result.seconds, result.level,
            result.attempts, result.kind, result.error, time.time(),
        )  # fmt: skip

    def begun(
        self, product: str, path: str, *, size: int | None, etag: str | None, checksum: Checksum | None = None
    ) -> None:
        """Fetching an object began anew, which ``checksum`` will prove: spans of another version are forgotten."""
        self.put("DELETE FROM spans WHERE product = ? AND path = ?", product, path)
        self.put(
            "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, NULL)",
            product, path, size, etag, checksum.algorithm if checksum else None, checksum.value if checksum else None,
        )  # fmt: skip

    def span(self, product: str, path: str, span: ByteRange) -> int:
        """Bytes are on disk, which nothing but this fact tells. A span that begins where another did replaces it.

        Returns:
            its number among the facts, to wait for (:meth:`committed`).
        """
        self.put("INSERT OR REPLACE INTO spans VALUES (?, ?, ?, ?)", product, path, span.start, span.stop)
        self._pressing.set()
        return self._told

    def whole(
        self, product: str, path: str, *, size: int, etag: str | None, checksum: Checksum | None, level: str
    ) -> int:
        """An object is on disk and verified.

        Returns:
            the number of this fact, to wait for (:meth:`committed`).
        """
        self.put(
            "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?)",
            product, path, size, etag, checksum.algorithm if checksum else None, checksum.value if checksum else None, level,
        )  # fmt: skip
        self.put("DELETE FROM spans WHERE product = ? AND path = ?", product, path)
        return self._told

    def forget(self, product: str, path: str | None = None) -> None:
        """Nothing of an object, or of all objects of a product, is on disk any more."""
        self.put("DELETE FROM spans WHERE product = ? AND path = coalesce(?, path)", product, path)
        self.put("DELETE FROM files WHERE product = ? AND path = coalesce(?, path)", product, path)

    # queries

    async def known(self, product: str) -> KnownProduct:
        """What is known of a product."""

        def ask(db: sqlite3.Connection) -> KnownProduct:
            spans: dict[str, list[ByteRange]] = {}
            for path, start, stop in db.execute("SELECT path, start, stop FROM spans WHERE product = ?", (product,)):
                spans.setdefault(path, []).append(ByteRange(start=start, stop=stop))
            files = db.execute("SELECT path, size, etag, digest, level FROM files WHERE product = ?", (product,))
            objects = {
                path: KnownFile(size=size, etag=etag, digest=digest, level=level, spans=tuple(spans.get(path, ())))
                for path, size, etag, digest, level in files
            }
            row = db.execute("SELECT state, wish, path FROM products WHERE id = ?", (product,)).fetchone()
            if row is None:
                return KnownProduct(objects=objects)
            return KnownProduct(state=row[0], wish=row[1], path=row[2] or "", objects=objects)

        return await self.ask(ask, about=product)

    async def owner(self, path: str) -> str | None:
        """The product that lies at ``path``, by its id; reads all of them."""

        def ask(db: sqlite3.Connection) -> str | None:
            row = db.execute("SELECT id FROM products WHERE path = ? AND state = 'verified'", (path,)).fetchone()
            return row and str(row[0])

        return await self.ask(ask)

    # runs

    async def begin_run(self, title: str) -> bool:
        """Note that a run began; whether none before it brought a product."""

        def ask(db: sqlite3.Connection) -> tuple[int, bool]:
            with db:
                made = db.execute("INSERT INTO runs (started_s, title) VALUES (?, ?)", (time.time(), title))
            verified = db.execute("SELECT 1 FROM products WHERE state = 'verified' LIMIT 1").fetchone()
            return made.lastrowid or 0, verified is None

        self._run, first = await self.ask(ask)
        return first

    def end_run(self, report: Report) -> None:
        """Note how the run ended."""
        text = json.dumps(
            {"found": report.found, "verified": report.verified, "present": report.present, "bytes": report.bytes}
        )
        self.put(
            "UPDATE runs SET ended_s = ?, exit_code = ?, report = ? WHERE id = ?",
            time.time(), report.exit_code, text, self._run,
        )  # fmt: skip

    # writing

    async def write(self) -> None:
        """Commit facts as they come, for as long as the journal is open."""
        while True:
            await self._news.wait()
            with anyio.move_on_after(GATHER_S):
                await self._pressing.wait()
            await self.flush()

    async def flush(self) -> None:
        """Commit every fact that waits."""
        async with self._lock:
            if not self._waiting:
                return  # the event is the one that the writer waits for
            self._news, self._pressing = anyio.Event(), anyio.Event()
            batch, self._waiting, told = self._waiting, [], self._told
            self._committing = batch
            with anyio.CancelScope(shield=True):  # or a batch that was taken would be lost
                try:
                    await self.insist(partial(self._hands.do, self._commit, batch))
                except SkyhaulError:
                    self._waiting[:0] = batch  # what comes later must not be noted without what came before it
                    raise
                finally:
                    self._committing = []
            self._committed = told

    async def committed(self, number: int) -> None:
        """Wait until so many facts are committed: nearly always they are."""
        if self._committed < number:
            await self.flush()

    def _commit(self, batch: Iterable[tuple[str, Params]]) -> None:
        with journalling(self.path), self._connection as db:
            for statement, params in batch:
                db.execute(statement, params)

    async def ask(self, question: Callable[[sqlite3.Connection], T], *, about: str | None = None) -> T:
        """The answer to a question, put to the database on a thread once every fact that waits is committed, or those ``about`` a product.

        Modules with tables of their own ask through this.

        Raises:
            JournalError: the database refuses, or the facts cannot be committed.
        """

        def ask() -> T:
            with journalling(self.path):
                return question(self._connection)

        # A batch that is under way may wait for its disk, and be overtaken.
        if about is None or any(params[:1] == (about,) for _, params in chain(self._committing, self._waiting)):
            await self.flush()
        return await self._hands.do(ask)


async def _once(work: Callable[[], Awaitable[None]]) -> None:
    await work()


class journalling:  # noqa: N801 reads as a verb where it is used
    """Turn what SQLite refuses into one sentence."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, sqlite3.OperationalError) and "full" in str(error):
            raise DiskFull(f"{self._path}: no space left on device") from error
        if isinstance(error, sqlite3.Error):
            raise JournalError(
                f"{self._path}: the journal cannot be used ({error}); move it away to begin a new one: files that are there "
                "are verified, not fetched again"
            ) from error


@asynccontextmanager
async def opened(destination: Path) -> AsyncIterator[Journal]:
    """The journal of ``destination``, with its writer running. One process at a time.

    Raises:
        SinkError: the folder cannot be written, or another skyhaul works in it.
        JournalError: the file is not a journal of ours.
    """
    folder = destination / FOLDER
    lock_fd = await to_thread.run_sync(locked, folder)
    try:
        async with joined(
            destination, lock_fd, machine_restarted=await to_thread.run_sync(restarted, lock_fd)
        ) as journal:
            await to_thread.run_sync(note_start, lock_fd)
            yield journal
    finally:
        os.close(lock_fd)


@asynccontextmanager
async def joined(destination: Path, lock_fd: int, *, machine_restarted: bool = False) -> AsyncIterator[Journal]:
    """The journal of a folder that is locked already, for each of the processes that work in it together.

    ``machine_restarted`` is whether it did since others worked in the folder.

    Raises:
        JournalError: the file is not a journal of ours.
    """
    journal = await to_thread.run_sync(_open, destination / FOLDER / "journal.db", lock_fd, machine_restarted)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(journal.write)
            try:
                yield journal
            finally:
                tasks.cancel_scope.cancel()
                with anyio.CancelScope(shield=True):
                    await journal.flush()
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(journal._connection.close)  # noqa: SLF001 opened here, closed here


def _open(path: Path, lock_fd: int, machine_restarted: bool) -> Journal:  # noqa: FBT001 called on a thread
    with journalling(path):
        connection = sqlite3.connect(path, timeout=30.0, check_same_thread=False)
        try:
            _prepare(path, connection)
            if machine_restarted:
                connection.executescript(f"BEGIN; {_DISTRUST} COMMIT;")
        except BaseException:
            connection.close()
            raise
        return Journal(path, connection, lock_fd)


def _identity(path: Path) -> tuple[int, int] | None:
    """The file itself, whatever its name; ``None`` if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _prepare(path: Path, connection: sqlite3.Connection) -> None:
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    if found > VERSION:
        raise JournalError(f"{path}: written by a newer skyhaul (schema {found}, this one knows {VERSION})")
    connection.execute("PRAGMA journal_mode = WAL")
    # Durable across a kill as it is; across a power cut the last facts may be gone, or say more than the disk has. That costs bytes,
    # never truth: a file is verified before it is published, and what no digest proves is begun again.
    connection.execute("PRAGMA synchronous = NORMAL")
    if found == 0:
        connection.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
