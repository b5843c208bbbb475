"""One budget for each account, whatever number of processes of this user spend it: ``accounts.db`` in the user's state folder.

An archive counts the streams of an account, not those of a process. Each process says once a second how many it could use and how many it
holds, and takes no more than the others leave; who does not say so for a while is forgotten. What was transferred is kept by the hour, for
archives that count the last 30 days (CDSE: 12 TB). No name and no key is written: an account is a digest.
"""

from __future__ import annotations

import hashlib
import os
import socket
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import anyio
from anyio import to_thread
from platformdirs import user_state_path

from skyhaul.errors import JournalError
from skyhaul.events import Meter
from skyhaul.limits import Allowance

BEAT_S = 1.0
STALE_S = 10.0
LOCKED_S = 2.0
MINUTE_S = 61.0
HOURS = 30 * 24
_HERE = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:12]
LESSON_S = 7 * 24 * 3600.0
"""What was learnt about an archive is tried again after a week."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS leases (account TEXT NOT NULL, holder TEXT NOT NULL, since_s REAL NOT NULL, wanted INTEGER NOT NULL,
    held INTEGER NOT NULL, requests INTEGER NOT NULL, beat_s REAL NOT NULL, PRIMARY KEY (account, holder)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS transfers (account TEXT NOT NULL, hour INTEGER NOT NULL, bytes INTEGER NOT NULL,
    PRIMARY KEY (account, hour)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lessons (account TEXT PRIMARY KEY, counted_s REAL NOT NULL) WITHOUT ROWID;
"""


def account_key(provider: str, who: str) -> str:
    """How an account is called in the ledger."""
    return hashlib.sha256(f"{provider}\0{who}".encode()).hexdigest()[:16]


def default_path() -> Path:
    """The user's ledger; ``SKYHAUL_ACCOUNTS`` names another."""
    return Path(os.environ.get("SKYHAUL_ACCOUNTS") or user_state_path("skyhaul") / "accounts.db")


def shares(streams: int, wanted: Mapping[str, int]) -> dict[str, int]:
    """``streams`` dealt out one by one, round and round, in the order given, to each no more than it wants."""
    dealt = dict.fromkeys(wanted, 0)
    left = streams
    while left and any(dealt[holder] < wanted[holder] for holder in wanted):
        for holder in wanted:
            if left and dealt[holder] < wanted[holder]:
                dealt[holder] += 1
                left -= 1
    return dealt


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the ledger says to one process of an account.

    The streams it may hold, how many processes there are and what the others sent in the last minute, the bytes of the last 30 days, and
    whether one of them has found that requests which wait count as streams.
    """

    granted: int
    processes: int
    requests_of_others: int
    counted: bool
    bytes_30_days: int


class Ledger:
    """The ledger of one account as one process sees it. All of it blocks; ``streams`` is what the archive allows."""

    def __init__(self, path: Path, account: str, *, streams: int, clock: Callable[[], float] = time.time) -> None:
        self._account = account
        self._streams = streams
        self._clock = clock
        self._holder = f"{_HERE}:{os.getpid()}:{uuid4().hex[:8]}"
        self._path = path
        with _explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=LOCKED_S, isolation_level=None, check_same_thread=False)
            self._db.execute(
                "PRAGMA synchronous = OFF"
            )  # leases outlive no power cut, and a lost hour of transfers is no harm
            self._db.executescript(SCHEMA)

    def beat(self, *, wanted: int, held: int, transferred: int, requests: int = 0, counted: bool = False) -> Standing:
        """Say what this process could use and holds, sent in the last minute, transferred since the last beat, and has learnt.

        Raises:
            JournalError: the ledger cannot be used.
        """
        now = self._clock()
        with _explained(self._path), self._alone() as db:
            db.execute("DELETE FROM leases WHERE beat_s < ?", (now - MINUTE_S,))
            db.execute("DELETE FROM lessons WHERE counted_s < ?", (now - LESSON_S,))
            db.execute(
                "INSERT INTO leases VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET wanted = excluded.wanted, "
                "requests = excluded.requests, beat_s = excluded.beat_s",
                (self._account, self._holder, now, wanted, held, requests, now),
            )
            rows = db.execute(
                "SELECT holder, wanted, held, requests, held + wanted > 0 AND beat_s > ? FROM leases WHERE account = ? "
                "ORDER BY since_s, holder",
                (now - STALE_S, self._account),
            ).fetchall()
            alive = {
                holder: (wants, holds)
                for holder, wants, holds, _, lives in rows
                if holder == self._holder or (lives and not _dead(holder))
            }
            others = sum(holds for holder, (_, holds) in alive.items() if holder != self._holder)
            share = shares(self._streams, {holder: wants for holder, (wants, _) in alive.items()})[self._holder]
            granted = min(share, max(0, self._streams - others))
            # What is granted counts as held from now on, and what is still held until it is given back.
            db.execute(
                "UPDATE leases SET held = ? WHERE account = ? AND holder = ?",
                (max(granted, held), self._account, self._holder),
            )
            if counted:
                db.execute("INSERT OR IGNORE INTO lessons VALUES (?, ?)", (self._account, now))
            lesson = "SELECT 1 FROM lessons WHERE account = ? AND counted_s > ?"
            return Standing(
                counted=db.execute(lesson, (self._account, now - LESSON_S)).fetchone() is not None,
                granted=granted,
                processes=len(alive),
                requests_of_others=sum(sent for holder, _, _, sent, _ in rows if holder != self._holder),
                bytes_30_days=self._booked(db, transferred, now),
            )

    def close(self) -> None:
        """Give every stream back. What was sent in the last minute is remembered for one more."""
        with _explained(self._path):
            self._db.execute(
                "UPDATE leases SET wanted = 0, held = 0 WHERE account = ? AND holder = ?", (self._account, self._holder)
            )
            self._db.close()

    def _booked(self, db: sqlite3.Connection, transferred: int, now: float) -> int:
        hour = int(now // 3600)
        if transferred:
            db.execute(
                "INSERT INTO transfers VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes",
                (self._account, hour, transferred),
            )
        db.execute("DELETE FROM transfers WHERE hour <= ?", (hour - HOURS,))
        total = "SELECT coalesce(sum(bytes), 0) FROM transfers WHERE account = ?"
        found: int = db.execute(total, (self._account,)).fetchone()[0]
        return found

    @contextmanager
    def _alone(self) -> Iterator[sqlite3.Connection]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield self._db
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise


def _dead(holder: str) -> bool:
    """Whether a process of this machine is no more: it need not be waited for."""
    machine, pid, _ = holder.rsplit(":", 2)
    if machine != _HERE:
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise JournalError(
            f"{path}: the account's ledger cannot be used ({error}); SKYHAUL_ACCOUNTS names another file, and "
            "SKYHAUL_ACCOUNTS=off leaves each process to itself"
        ) from error


def spent_bytes(account: str | None) -> int | None:
    """What ``account`` transferred in the last 30 days; ``None`` where nobody kept count.

    Raises:
        JournalError: the ledger cannot be used.
    """
    path = default_path()
    if account is None or not path.is_file():
        return None
    ledger = Ledger(path, account, streams=0)
    try:
        return ledger.beat(wanted=0, held=0, transferred=0).bytes_30_days
    finally:
        ledger.close()


def kept(account: str | None) -> bool:
    """Whether there is a ledger: not without an account, and not where ``SKYHAUL_ACCOUNTS=off`` leaves each process to itself."""
    return account is not None and os.environ.get("SKYHAUL_ACCOUNTS") != "off"


@asynccontextmanager
async def shared(
    account: str | None, allowance: Allowance, meter: Meter, *, first: int | None = None
) -> AsyncIterator[None]:
    """Keep ``allowance`` within what the other processes leave of the account's, for as long as the block lasts.

    ``first`` is for one of several processes of a run: so many streams it asks for as long as it has sent nothing, instead of all.

    Raises:
        JournalError: the ledger cannot be used.
    """
    if account is None or not kept(account):
        yield
        return
    ledger = await to_thread.run_sync(lambda: Ledger(default_path(), account, streams=allowance.connections))
    allowance.grant(0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(keep, ledger, allowance, meter, first)
        yield
        tasks.cancel_scope.cancel()


async def keep(ledger: Ledger, allowance: Allowance, meter: Meter, first: int | None = None) -> None:
    """Keep the allowance within what the ledger grants, for as long as the run lasts; ``first`` as in :func:`shared`.

    A beat may fail: what was granted holds as long as the others have not forgotten us.

    Raises:
        JournalError: the ledger could not be used for so long that they have.
    """
    booked = 0
    heard_s = time.monotonic()

    async def beat(*, wanted: int, held: int) -> Standing:
        nonlocal booked, heard_s
        received, sent = meter.received_bytes, allowance.requests_last_minute
        counted = allowance.forecast.counted
        standing = await to_thread.run_sync(
            lambda: ledger.beat(wanted=wanted, held=held, transferred=received - booked, requests=sent, counted=counted)
        )
        booked, heard_s = received, time.monotonic()
        return standing

    try:
        while True:
            try:
                modest = first is not None and not allowance.requests_last_minute
                wanted = first or min(1, meter.streams_wanted) if modest else allowance.wanted
                standing = await beat(wanted=wanted, held=allowance.held)
            except JournalError:
                if time.monotonic() - heard_s > STALE_S - BEAT_S - LOCKED_S:
                    raise
            else:
                meter.bytes_30_days, meter.processes = standing.bytes_30_days, standing.processes
                allowance.forecast.counted |= standing.counted
                allowance.grant(
                    standing.granted,
                    alone=standing.processes == 1 and first is None,
                    requests_of_others=standing.requests_of_others,
                )
            await anyio.sleep(BEAT_S)
    finally:
        with anyio.CancelScope(shield=True), suppress(JournalError):  # the run's own end counts more
            await beat(wanted=0, held=0)
            await to_thread.run_sync(ledger.close)
