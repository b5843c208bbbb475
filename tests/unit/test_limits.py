from __future__ import annotations

from types import SimpleNamespace

import anyio
import pytest
from anyio.lowlevel import checkpoint

from skyhaul import limits
from skyhaul.errors import HostBusy
from skyhaul.events import Meter
from skyhaul.limits import Allowance


class Clock:
    """Time that passes when somebody sleeps: to the end of the shortest sleep."""

    def __init__(self):
        self.now = 100.0
        self.sleepers = 0

    def monotonic(self):
        return self.now

    async def sleep(self, seconds):
        until = self.now + seconds
        await checkpoint()
        while self.now < until:
            self.now = min(until, self.now + max((until - self.now) / 4, 1e-3))
            await checkpoint()


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(limits, "time", clock)
    monkeypatch.setattr(limits, "anyio", SimpleNamespace(Semaphore=anyio.Semaphore, sleep=clock.sleep))
    return clock


def busy(status=429, **more):
    return HostBusy("Max session number 4 exceeded.", status=status, **more)


async def test_never_more_streams_than_the_account_has(clock):
    meter = Meter()
    allowance = Allowance(connections=4, meter=meter)
    most = []

    async def use():
        async with allowance.stream():
            most.append(meter.streams)
            await clock.sleep(1.0)

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(use)
    assert max(most) == 4
    assert (meter.streams, meter.streams_wanted, allowance.idle) == (0, 0, 4)


async def test_who_waits_is_counted(clock):
    meter = Meter()
    allowance = Allowance(connections=1, meter=meter)
    async with allowance.stream(), anyio.create_task_group() as tasks:
        tasks.start_soon(allowance.stream().__aenter__)
        await anyio.wait_all_tasks_blocked()
        assert (meter.streams, meter.streams_wanted, allowance.idle) == (1, 1, 0)
        tasks.cancel_scope.cancel()
    assert meter.streams_wanted == 0


@pytest.mark.parametrize("while_", ["waiting for a stream", "waiting for its turn"])
async def test_who_is_cancelled_gives_its_stream_back(clock, while_):
    meter = Meter()
    allowance = Allowance(connections=1, meter=meter, requests_per_minute=1)
    if while_ == "waiting for its turn":
        await allowance.request()
        with anyio.CancelScope() as scope:
            scope.cancel()
            async with allowance.stream():
                pytest.fail("cancelled before")
    else:
        async with allowance.stream():
            with anyio.CancelScope() as scope:
                scope.cancel()
                async with allowance.stream():
                    pytest.fail("cancelled before")
    assert (meter.streams, meter.streams_wanted, allowance.idle) == (0, 0, 1)
    async with allowance.stream():
        assert meter.streams == 1


async def test_no_minute_sees_more_requests_than_the_limit(clock):
    allowance = Allowance(connections=4, meter=Meter(), requests_per_minute=10)
    sent = []

    async def ask():
        await allowance.request()
        sent.append(clock.now)

    async with anyio.create_task_group() as tasks:
        for _ in range(35):
            tasks.start_soon(ask)
    sent.sort()
    assert all(late - early > 60.0 for early, late in zip(sent, sent[10:], strict=False))
    assert sent[9] == 100.0, "and the first minute is not spread"
    assert allowance.requests_last_minute <= 10


async def test_without_a_limit_requests_are_not_held_back(clock):
    allowance = Allowance(connections=1, meter=Meter())
    for _ in range(5000):
        await allowance.request()
    assert clock.now == 100.0


async def test_a_refusal_cools_the_whole_account_down(clock):
    told = []
    allowance = Allowance(connections=4, meter=Meter(), cooled=lambda *each: told.append(each))
    allowance.refused(busy(503, retry_after_s=7.0))
    async with allowance.stream():
        assert clock.now >= 107.0
    assert told == [(7.0, "Max session number 4 exceeded.")]


async def test_who_waits_already_waits_longer(clock):
    allowance = Allowance(connections=1, meter=Meter())
    allowance.refused(busy(503, retry_after_s=2.0))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(allowance.request)
        await checkpoint()
        allowance.refused(busy(503, retry_after_s=9.0))
    assert clock.now >= 109.0


async def test_patience_doubles_until_the_host_answers(clock):
    waits = []
    allowance = Allowance(connections=1, meter=Meter(), cooled=lambda wait_s, _: waits.append(wait_s))
    for _ in range(9):
        allowance.refused(busy(503))
    allowance.answered()
    clock.now += 1000
    allowance.refused(busy(503))
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 0.5]


async def test_a_shorter_wait_does_not_end_a_longer_one(clock):
    told = []
    allowance = Allowance(connections=1, meter=Meter(), cooled=lambda *each: told.append(each))
    allowance.refused(busy(503, retry_after_s=30.0))
    allowance.refused(busy(503, retry_after_s=1.0))
    await allowance.request()
    assert clock.now >= 130.0
    assert len(told) == 1


async def refuse(allowance, error):
    with pytest.raises(HostBusy):
        async with allowance.stream():
            raise error


async def test_streams_that_the_server_releases_late_rest_before_they_are_used_again(clock):
    allowance = Allowance(connections=1, meter=Meter())
    async with allowance.stream():
        pass
    clock.now += 0.4
    await refuse(allowance, busy(429))
    assert allowance.rest_s == pytest.approx(0.4 * 1.5 + 0.1)
    before = clock.now
    async with allowance.stream():
        assert clock.now - before == pytest.approx(allowance.rest_s)


async def test_a_refusal_teaches_by_the_stream_that_met_it(clock):
    allowance = Allowance(connections=2, meter=Meter())
    async with allowance.stream():
        async with allowance.stream():
            pass
        clock.now += 0.2
        await refuse(allowance, busy(429))
    assert allowance.rest_s == pytest.approx(0.2 * 1.5 + 0.1)


async def test_a_rest_has_its_limit_and_is_learnt_from_too_many_streams_alone(clock):
    allowance = Allowance(connections=1, meter=Meter())
    async with allowance.stream():
        pass
    clock.now += 0.1
    await refuse(allowance, HostBusy("SlowDown", status=503))
    assert allowance.rest_s == 0.0
    clock.now += 9.0
    await refuse(allowance, busy(503))
    assert allowance.rest_s == limits.REST_MAX_S
    clock.now += 100.0
    await refuse(allowance, busy(429))
    assert allowance.rest_s == limits.REST_MAX_S, "a refusal long after a release says nothing of it"


async def test_a_refusal_before_any_stream_was_released_teaches_nothing(clock):
    allowance = Allowance(connections=4, meter=Meter())
    await refuse(allowance, busy(429))
    assert allowance.rest_s == 0.0


async def test_the_users_own_limit_is_kept(clock):
    allowance = Allowance(connections=4, meter=Meter(), max_bytes_per_s=1000)

    async def take():
        for _ in range(10):
            await allowance.spend(100)

    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(take)
    assert clock.now - 100.0 == pytest.approx(4.0, abs=0.01)


async def test_a_pause_is_not_made_up_for(clock):
    allowance = Allowance(connections=4, meter=Meter(), max_bytes_per_s=1000)
    clock.now += 60.0
    await allowance.spend(500)
    assert clock.now == pytest.approx(160.5, abs=0.01)


async def test_without_a_limit_bytes_are_not_held_back(clock):
    await Allowance(connections=1, meter=Meter()).spend(1 << 40)
    assert clock.now == 100.0
