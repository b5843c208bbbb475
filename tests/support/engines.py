"""An engine with its journal and a source in memory, in a world so small that every chunk of a transfer can be struck."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from skyhaul import bearable, limits
from skyhaul import journal as journals
from skyhaul.events import AttemptFailed, Event, Meter
from skyhaul.journal import Journal
from skyhaul.limits import Allowance
from skyhaul.model import Checksum, Outcome, RemoteObject
from skyhaul.retry import RetryPolicy
from skyhaul.transfer import engine, fetch
from skyhaul.transfer.engine import Engine, Transfer
from skyhaul.transfer.space import Space
from support.scripted import MemorySource, md5

AT_ONCE = RetryPolicy(attempts=5, wait_initial_s=0.0, wait_max_s=0.0)
BODY = random.Random(3).randbytes(337)
BATCH, PART, SEAM, PROGRESS = 20, 100, 15, 40
CHUNKS = -(-len(BODY) // 10) + 3
"""Chunks of the whole object at most, cut into parts as it is."""

DIGEST = Checksum(algorithm="MD5", value=md5(BODY), origin="manifest")


@pytest.fixture
def small_world(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches, parts and seams of a few bytes; hosts that are busy are asked again at once."""
    monkeypatch.setattr(engine, "SMALL_BYTES", BATCH)
    monkeypatch.setattr(fetch, "PART_BYTES", PART)
    monkeypatch.setattr(fetch, "SEAM_BYTES", SEAM)
    monkeypatch.setattr(fetch, "PROGRESS_BYTES", PROGRESS)
    monkeypatch.setattr(limits, "COOL_FIRST_S", 0.0)
    monkeypatch.setattr(bearable, "REST_MAX_S", 0.0)


def image(path: str = "B04.jp2", *, digest: Checksum | None = DIGEST, **more: Any) -> RemoteObject:
    """An object of :data:`BODY`, as a listing and a manifest tell of it."""
    given = {"size": len(BODY), "etag": "v1", "checksums": () if digest is None else (digest,), **more}
    return RemoteObject(route="s3", location=f"https://eodata/eodata/{path}", path=path, **given)


@dataclass(slots=True)
class Lab:
    """One run of an engine."""

    destination: Path
    source: MemorySource
    journal: Journal
    connections: int
    meter: Meter = field(default_factory=Meter)
    events: list[Event] = field(default_factory=list)
    allowance: Allowance = field(init=False)
    engine: Engine = field(init=False)

    def __post_init__(self) -> None:
        self.allowance = Allowance(connections=self.connections, meter=self.meter)
        self.engine = Engine(
            sources={"s3": self.source, "http": self.source},
            allowance=self.allowance,
            retry=AT_ONCE,
            journal=self.journal,
            space=Space(self.destination, patience_s=0.0, emit=self.events.append),
            meter=self.meter,
            emit=self.events.append,
        )

    async def carry_out(self, obj: RemoteObject, product: str = "p1") -> Outcome:
        known = (await self.journal.known(product)).objects.get(obj.path)
        return await self.engine.carry_out(
            Transfer(
                product=product,
                name=f"{product}.SAFE",
                obj=obj,
                staged=self.staged(obj, product),
                final=self.destination / product / obj.path,
                known=known,
            )
        )

    def staged(self, obj: RemoteObject, product: str = "p1") -> Path:
        return self.destination / ".skyhaul" / "incoming" / product / "tree" / obj.path

    def part(self, obj: RemoteObject, product: str = "p1") -> Path:
        staged = self.staged(obj, product)
        return staged.with_name(staged.name + ".part")

    @property
    def failed_attempts(self) -> list[str]:
        return [event.kind for event in self.events if isinstance(event, AttemptFailed)]

    @property
    def idle(self) -> bool:
        """Whether nothing is left open or counted."""
        return not (self.meter.flows or self.meter.streams or self.meter.streams_wanted or self.source.open_now)


@asynccontextmanager
async def run(destination: Path, source: MemorySource, *, connections: int = 1) -> AsyncIterator[Lab]:
    """A run over ``destination``. A later one finds what its journal knows."""
    async with journals.opened(destination) as journal:
        yield Lab(destination, source, journal, connections)


def memory(body: bytes = BODY, path: str = "B04.jp2", **more: Any) -> MemorySource:
    """A source that has one object, in its first version."""
    return MemorySource(bodies={path: body}, etags={path: "v1"}, **more)
