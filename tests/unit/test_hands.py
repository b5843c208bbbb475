from __future__ import annotations

import threading
import time

import anyio
import pytest
from anyio.lowlevel import checkpoint

from skyhaul import hands
from skyhaul.hands import Hands


@pytest.fixture
def gate():
    """Keeps a job busy until it is set."""
    gate = threading.Event()
    yield gate
    gate.set()


async def started(count=5):
    for _ in range(count):
        await checkpoint()


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("quick_s", [0.0, hands.QUICK_S])
async def test_each_gets_what_its_own_job_returned_or_raised(monkeypatch, threads, quick_s):
    monkeypatch.setattr(hands, "QUICK_S", quick_s)
    some, got = Hands(threads), {}

    def work(number):
        if number % 3 == 0:
            raise OSError(number)
        return number

    async def ask(number):
        try:
            got[number] = await some.do(work, number)
        except OSError as error:
            got[number] = -error.args[0]

    async with anyio.create_task_group() as tasks:
        for number in range(1, 200):
            tasks.start_soon(ask, number)
    assert got == {number: number if number % 3 else -number for number in range(1, 200)}


async def test_quick_jobs_that_came_meanwhile_are_done_together_in_their_order(gate):
    some, done = Hands(8), []

    def work(number):
        gate.wait()
        done.append((number, threading.get_ident()))

    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(some.do, work, number)
        await started()
        gate.set()
    assert [number for number, _ in done] == list(range(20))
    assert len({thread for _, thread in done[1:]}) == 1


async def test_slow_jobs_are_done_side_by_side():
    some, running, most = Hands(4), 0, 0
    lock = threading.Lock()

    def work():
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(3 * hands.QUICK_S)
        with lock:
            running -= 1

    async with anyio.create_task_group() as tasks:
        for _ in range(100):
            tasks.start_soon(some.do, work)
    assert most == 4
    async with anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(some.do, time.sleep, 0)
    assert some._most == 1, "quick again"


async def test_one_thread_never_does_two_at_a_time():
    some, busy, met = Hands(1), threading.Lock(), []

    def work():
        met.append(busy.acquire(blocking=False))
        time.sleep(2 * hands.QUICK_S)
        busy.release()

    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(some.do, work)
    assert met == [True] * 10


async def test_a_job_that_was_handed_over_is_done_though_nobody_waits_any_more(gate):
    some, done = Hands(2), []

    def work(number):
        gate.wait()
        done.append(number)

    async with anyio.create_task_group() as tasks:
        for number in range(5):
            tasks.start_soon(some.do, work, number)
        await started()
        tasks.cancel_scope.cancel()
        gate.set()
    assert sorted(done) == [0, 1, 2, 3, 4]
    assert await some.do(lambda: "and goes on") == "and goes on"
