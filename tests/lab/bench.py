"""One transfer broken at one point, looked at, run again and compared: with the truth, byte by byte, and with its journal."""

from __future__ import annotations

import hashlib
import json
import select
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from blake3 import blake3

from lab.shim import LASTING, STRIKES
from support.served import Archive, Skyhaul, simulated
from support.trees import published, wrong

PART_BYTES = 2 << 20
"""Of the large object, so that one of 10 MB has several."""

CONNECTIONS = 4
LOST_BYTES = 2 << 20
"""Of each stream that is broken off, at most: a batch that is being written, one that waits for it (half a MiB each), and as much again for
what was written while the journal committed the spans before."""

OVERHEAD_BYTES = 192 << 10
"""What a run receives besides its objects: lists, headers, and what is read of a socket before it is told to stop."""

TOLD = {0, 1, 6}
"""How a run may end that met an error: it got over it, a product failed, or the disk did."""

IMPATIENT = {"SKYHAUL_PROVIDERS__CDSE__STALL_S": "1", "SKYHAUL_DISK_WAIT": "0.2"}
KILLED = -9
INTERRUPTED = 130
REFUSED = 5
INTERRUPT_S = 3.0
"""A run that waits for its disk to come back is interrupted after so long."""

SETTINGS = (
    "connections=1000",
    "max_sessions=1000000",
    "bytes_per_s_per_connection=null",
    "s3_requests_per_minute=null",
)
SMALL = ("--products", "120", "--tree-bytes", "1200000", "--no-oddities")
LARGE = ("--products", "120", "--tree-bytes", "24000000", "--no-oddities")
UNVOUCHED = ("--products", "700", "--tree-bytes", "24000000", "--checksums", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A transfer to break: a world, what is asked for, and whether its host serves ranges."""

    name: str
    world: tuple[str, ...]
    words: tuple[str, ...]
    host: str
    part_bytes: int | None = None
    vouched: bool = True
    """Whether there is a digest; a wrong byte cannot be told where there is none."""

    lost_bytes: int | None = CONNECTIONS * LOST_BYTES + OVERHEAD_BYTES
    """What a break may cost; ``None`` for all of it."""


ROUTES = {
    route.name: route
    for route in (
        Route(
            name="zip",
            world=SMALL,
            words=("--product-type", "IW_GRDH_1S", "--limit", "2", "--via", "http"),
            host="download_url",
            lost_bytes=None,  # the host serves no ranges: a zip that is broken off begins again
        ),
        Route(
            name="many",
            world=SMALL,
            words=("--product-type", "IW_GRDH_1S", "--limit", "2", "--via", "s3"),
            host="s3_url",
        ),
        Route(
            name="large",
            world=LARGE,
            words=("--product-type", "L2__NO2___", "--limit", "1", "--via", "s3"),
            host="s3_url",
            part_bytes=PART_BYTES,
        ),
        Route(
            name="unvouched",
            world=UNVOUCHED,
            words=(
                "--name",
                "S5P_OFFL_L2__NO2____20240614T104606_20240614T122735_34561_03_020600_20240616T060343.nc",
                "--via",
                "s3",
            ),
            host="s3_url",
            part_bytes=PART_BYTES,
            vouched=False,
        ),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A command that has ended: its exit code (negative for a signal), what it said, what the shim counted."""

    code: int
    said: str
    told: dict[str, Any]


class Warmed:
    """The program that forks commands and breaks them."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        program = Path(__file__).with_name("warmed.py")
        self._process = subprocess.Popen(
            [sys.executable, str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, job: Mapping[str, Any], timeout_s: float = 60) -> Ran:
        """Carry out a command."""
        ends = [str(self._scratch / name) for name in ("in", "out", "err")]
        report = self._scratch / "report.json"
        report.unlink(missing_ok=True)
        Path(ends[0]).write_text("")
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        book = {**job["book"], "report": str(report)}
        self._process.stdin.write(json.dumps({**job, "book": book, "ends": ends}) + "\n")
        self._process.stdin.flush()
        if not select.select([self._process.stdout], [], [], timeout_s)[0]:
            raise subprocess.TimeoutExpired(job["words"], timeout_s)
        code = int(self._process.stdout.readline())
        said = "".join(Path(end).read_text(errors="replace") for end in ends[1:])
        return Ran(code=code, said=said, told=json.loads(report.read_text()) if report.exists() else {})

    def close(self) -> None:
        """End the program."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


@dataclass(slots=True, kw_only=True)
class Found:
    """What a point showed: nothing wrong when ``complaints`` is empty. ``struck`` is ``None`` where the run ended before it."""

    route: str
    how: str
    nth: int
    struck: str | None = None
    code: int = 0
    complaints: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    refetched: int = 0


@dataclass(slots=True)
class Bench:
    """One route, set up: the archive under way, and what an undisturbed run does and leaves."""

    route: Route
    archive: Archive
    skyhaul: Skyhaul
    warmed: Warmed
    truth: dict[str, bytes] = field(default_factory=dict)
    counted: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)
    received: int = 0
    number: int = 0

    def learn(self) -> None:
        """Run undisturbed: what comes out of it is the truth, once its own manifests vouch for it."""
        self.archive.play()
        into = self._fresh()
        ran = self.run(into)
        assert ran.code == 0, ran.said
        assert wrong(into) == []
        self.truth = visible(into)
        assert self.truth
        if self.route.part_bytes is not None:
            assert self.archive.asked("s3.get") >= 3, "the large object came in one piece"
        self.counted = Counter(ran.told["counted"])
        self.requests = Counter(self.archive.stats()["requests"])
        self.received = self._of_host(ran)
        shutil.rmtree(into)

    def events(self, how: str) -> int:
        """How many events of an undisturbed run ``how`` can break."""
        return sum(self.counted[kind] for kind in STRIKES[how])

    def strike(self, how: str, nth: int) -> Found:
        """Break the ``nth`` event, and judge."""
        self.archive.play()
        killed = how in {"kill", "torn"}
        return self._judged(
            Found(route=self.route.name, how=how, nth=nth),
            book={"how": how, "nth": nth},
            interrupt_s=INTERRUPT_S if how in LASTING else None,
            allowed={KILLED} if killed else TOLD | {INTERRUPTED} if how in LASTING else TOLD,
            lost_bytes=self.route.lost_bytes,
            tidy=killed,
        )

    def play(self, how: str, nth: int, *faults: Mapping[str, Any], borne: bool) -> Found:
        """Let the archive do something, and judge; what is ``borne`` does not keep the run from its end."""
        self.archive.play(*faults)
        return self._judged(Found(route=self.route.name, how=how, nth=nth), allowed={0} if borne else TOLD | {REFUSED})

    def _judged(
        self,
        found: Found,
        *,
        allowed: set[int],
        book: Mapping[str, Any] | None = None,
        interrupt_s: float | None = None,
        lost_bytes: int | None = None,
        tidy: bool = False,
    ) -> Found:
        into = self._fresh()
        ran = self.run(into, book, interrupt_s=interrupt_s)
        found.struck = ran.told.get("struck") if book else ", ".join(self.archive.stats()["faults"]) or None
        found.code = ran.code
        found.incomplete = self.incomplete(into)
        self.archive.play()
        again = self.run(into)
        found.wrong = self.wrong(into)
        found.left = left_behind(into)
        found.refetched = max(0, self._of_host(ran) + self._of_host(again) - self.received)
        complaints = found.complaints = [*found.incomplete, *found.wrong]
        for code, accepted, said in (
            (ran.code, allowed if found.struck else {0}, ran.said),
            (again.code, {0}, again.said),
        ):
            if code not in accepted or "internal error" in said or "Traceback" in said:
                complaints.append(f"a run ended with {code}: {said[-400:]}")
        if lost_bytes is not None and found.refetched > lost_bytes:
            complaints.append(f"{found.refetched} bytes came twice")
        if tidy and any(".skyhaul/" in path for path in found.left):
            complaints.append(f"left behind: {found.left}")
        if not complaints:
            shutil.rmtree(into)
        return found

    def incomplete(self, into: Path) -> list[str]:
        """Published names that are not what they should be, as they lie there; products of which something is missing."""
        there = visible(into)
        tops = {path.partition("/")[0] for path in there}
        absent = [path for path in self.truth if path.partition("/")[0] in tops and path not in there]
        strange = [path for path, body in there.items() if self.truth.get(path) != body]
        return [f"{path} lay there incomplete" for path in (*strange, *absent)]

    def wrong(self, into: Path) -> list[str]:
        """What is not as it should be at the end: files, and what the journal says of them."""
        there = visible(into)
        return [
            *(f"{path} is wrong or missing" for path, body in self.truth.items() if there.get(path) != body),
            *(f"{path} should not be there" for path in there.keys() - self.truth.keys()),
            *judged_journal(into, self.truth),
        ]

    def run(self, into: Path, book: Mapping[str, Any] | None = None, interrupt_s: float | None = None) -> Ran:
        """The transfer, into ``into``, broken as the book says."""
        words = ["download", *self.route.words, "--connections", str(CONNECTIONS), "--into", into.name]
        return self.warmed.run(
            {
                "words": words,
                "environment": {**self.skyhaul.environment, **IMPATIENT, "SKYHAUL_ACCOUNTS": self._alone()},
                "folder": str(self.skyhaul.folder),
                "book": {"root": str(into), **(book or {})},
                "interrupt_s": interrupt_s,
                "part_bytes": self.route.part_bytes,
            }
        )

    def _alone(self) -> str:
        """A ledger that nobody else writes to, so that no run waits for the streams that a killed one still seems to hold."""
        ledger = self.skyhaul.folder / "ledger"
        shutil.rmtree(ledger, ignore_errors=True)
        return str(ledger / "accounts.db")

    def _of_host(self, ran: Ran) -> int:
        port = urlsplit(self.archive.addresses[self.route.host]).port
        return int(ran.told.get("received", {}).get(str(port), 0))

    def _fresh(self) -> Path:
        self.number += 1
        return self.skyhaul.folder / f"{self.route.name}-{self.number}"


def visible(into: Path) -> dict[str, bytes]:
    """Every file below ``into`` that is not skyhaul's own."""
    there = published(into) if into.exists() else {}
    return {path: body for path, body in there.items() if not path.startswith(".skyhaul")}


def left_behind(into: Path) -> list[str]:
    """What is skyhaul's own, besides its journal."""
    found = [*into.glob(".skyhaul-*"), *into.glob(".skyhaul/incoming/*")]
    return [str(path.relative_to(into)) for path in found]


def judged_journal(into: Path, truth: Mapping[str, bytes]) -> Iterator[str]:
    """What the journal says that is not so, and what it should say and does not."""
    journal = sqlite3.connect(f"{(into / '.skyhaul/journal.db').as_uri()}?mode=ro", uri=True)
    try:
        if journal.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            yield "the journal is damaged"
        products = journal.execute("SELECT id, path, state FROM products").fetchall()
        if {path for _, path, _ in products} != {path.partition("/")[0] for path in truth}:
            yield f"the journal knows of {[path for _, path, _ in products]}"
        places = {product: path for product, path, _ in products}
        yield from (f"the journal has {path} as {state}" for _, path, state in products if state != "verified")
        begun = journal.execute("SELECT count(*) FROM spans").fetchone()[0]
        if begun:
            yield f"the journal has {begun} spans of what is whole"
        files = journal.execute("SELECT product, path, size, algorithm, digest, level FROM files").fetchall()
    finally:
        journal.close()
    for product, path, size, algorithm, digest, level in files:
        place = into / places.get(product, "?")
        body = (
            (place if place.is_file() else place / path).read_bytes()
            if (place / path).exists() or place.is_file()
            else None
        )
        if level is None or body is None or len(body) != size:
            yield f"the journal has {path} with {size} bytes at level {level}, and there are {body and len(body)}"
        elif digest is not None and _digest(algorithm, body) != digest.lower():
            yield f"the journal has {digest} of {path}, which is not its digest"


def _digest(algorithm: str, body: bytes) -> str:
    if algorithm == "BLAKE3":
        return blake3(body).hexdigest()
    return hashlib.new(algorithm.replace("-", "_").lower(), body).hexdigest()


@contextmanager
def opened(scratch: Path, names: Sequence[str] = tuple(ROUTES)) -> Iterator[dict[str, Bench]]:
    """The benches of these routes; routes of one world share its archive."""
    with ExitStack() as stack:
        archives: dict[tuple[str, ...], Archive] = {}
        warmed = Warmed(scratch)
        stack.callback(warmed.close)
        settings = [word for setting in SETTINGS for word in ("--set", setting)]
        benches: dict[str, Bench] = {}
        for name in names:
            route = ROUTES[name]
            if route.world not in archives:
                archives[route.world] = stack.enter_context(simulated(*route.world, *settings))
            archive = archives[route.world]
            bench = Bench(route, archive, Skyhaul(scratch, archive.environment), warmed)
            bench.learn()
            benches[name] = bench
        yield benches
