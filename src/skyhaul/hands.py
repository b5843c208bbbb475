"""Small jobs that block, done on a thread together with those that others have at that moment.

Waking a thread and taking turns with it at the interpreter costs several times what a look at a local disk takes. Where the disk is slow,
jobs are done side by side instead.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, TypeVar, TypeVarTuple

import anyio
from anyio import to_thread

T = TypeVar("T")
Args = TypeVarTuple("Args")

TOGETHER = 64
QUICK_S = 0.005
"""Who waits so long for the disk is not kept waiting for others as well."""

INERTIA = 0.5


@dataclass(slots=True, eq=False)
class _Job(Generic[T]):
    work: Callable[[], T]
    turn: anyio.Event = field(default_factory=anyio.Event)
    leads: bool = False
    result: T | None = None
    error: BaseException | None = None


class Hands:
    """At most ``threads`` threads; one, while jobs are quick. A job that was handed over is done, whatever is cancelled."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._limiter = anyio.CapacityLimiter(threads)
        self._waiting: list[_Job[Any]] = []
        self._busy = 0
        self._job_s = 0.0

    async def do(self, work: Callable[[*Args], T], *args: *Args) -> T:
        """What ``work`` returns, or raises."""
        job = _Job(partial(work, *args))
        with anyio.CancelScope(shield=True):
            if self._busy < self._most:
                self._busy += 1
                job.leads = True
            else:
                self._waiting.append(job)
                await job.turn.wait()
            if job.leads:
                await self._carry_out(job)
        if job.error is not None:
            raise job.error
        return job.result  # type: ignore[return-value]  # it is done

    @property
    def _most(self) -> int:
        return 1 if self._job_s <= QUICK_S else self._threads

    async def _carry_out(self, first: _Job[Any]) -> None:
        """Do a job with those that wait, if they will not wait long for each other; then let others go on."""
        count = TOGETHER if self._job_s <= QUICK_S else 0
        jobs = [first, *self._waiting[:count]]
        del self._waiting[:count]
        seconds = await to_thread.run_sync(_done, jobs, limiter=self._limiter)
        self._job_s = INERTIA * self._job_s + (1.0 - INERTIA) * seconds / len(jobs)
        for job in jobs:
            job.turn.set()
        self._busy -= 1
        while self._waiting and self._busy < self._most:
            self._busy += 1
            heir = self._waiting.pop(0)
            heir.leads = True
            heir.turn.set()


def _done(jobs: Sequence[_Job[Any]]) -> float:
    """How many seconds they took. On a thread."""
    began_s = time.monotonic()
    for job in jobs:
        try:
            job.result = job.work()
        except BaseException as error:  # noqa: BLE001 raised where it is waited for
            job.error = error
    return time.monotonic() - began_s
