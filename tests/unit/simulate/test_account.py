"""The account: slots, their late release, the pace of a stream, requests a minute and the slow lane."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import anyio
import pytest

from skyhaul.simulate.account import WAKE_EARLY_S, Account, TooManyStreamsError
from skyhaul.simulate.scenario import Scenario

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Clock:
    now_s: float = 1_700_000_060.0  # twenty seconds after a full minute

    def __call__(self) -> float:
        return self.now_s


async def test_the_fifth_stream_is_refused_and_the_next_admitted_after_an_end():
    account = Account(Scenario())
    streams = [await account.admit() for _ in range(4)]
    with pytest.raises(TooManyStreamsError):
        await account.admit()
    streams[0].end()
    await account.admit()
    assert (account.tally.refused, account.tally.streams, account.tally.streams_max) == (1, 4, 4)


async def test_an_end_counts_once():
    account = Account(Scenario())
    with account.streaming(await account.admit()) as stream:
        stream.end()
    assert (account.slots_held, account.tally.streams) == (0, 0)


async def test_a_slot_released_late_is_taken_though_its_stream_is_over():
    account = Account(Scenario(connections=1, release_delay_s=0.01, refuse_or_queue="queue"))
    (await account.admit()).end()
    assert (account.slots_held, account.tally.streams) == (1, 0)
    with anyio.fail_after(5):
        (await account.admit()).end()


async def test_a_queue_is_served_in_order():
    account = Account(Scenario(connections=1, refuse_or_queue="queue"))
    order: list[int] = []

    async def stream(number: int) -> None:
        with account.streaming(await account.admit()):
            order.append(number)

    first = await account.admit()
    async with anyio.create_task_group() as tasks:
        for number in range(5):
            tasks.start_soon(stream, number)
            await anyio.wait_all_tasks_blocked()
        first.end()
    assert order == [0, 1, 2, 3, 4]
    assert (account.slots_held, account.tally.queued, account.tally.streams_max) == (0, 5, 1)


async def test_leaving_the_queue_keeps_no_slot():
    account = Account(Scenario(connections=1, refuse_or_queue="queue"))
    holder = await account.admit()
    with anyio.move_on_after(0):
        await account.admit()
    holder.end()
    assert account.slots_held == 0


async def test_a_client_that_leaves_in_the_moment_of_its_turn_keeps_no_slot():
    account = Account(Scenario(connections=1, refuse_or_queue="queue"))
    holder = await account.admit()
    waiting: list[asyncio.Task[None] | None] = []

    async def wait() -> None:
        waiting.append(asyncio.current_task())
        await account.admit()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        holder.end()
        assert account.slots_held == 1  # handed over, not yet taken up
        waiting[0].cancel()
    assert account.slots_held == 0


async def test_more_connections_let_the_queue_in():
    account = Account(Scenario(connections=1, refuse_or_queue="queue"))
    await account.admit()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(account.admit)
        await anyio.wait_all_tasks_blocked()
        account.use(Scenario(connections=2, refuse_or_queue="queue"))
    assert account.slots_held == 2


async def test_the_schedule_of_a_stream_is_absolute():
    clock = Clock()
    account = Account(Scenario(bytes_per_s_per_connection=1000), clock=clock)
    pace = account.pace(await account.admit())
    start = clock.now_s
    assert pace.wait_s(500, start) == pytest.approx(0.5 - WAKE_EARLY_S)
    assert pace.wait_s(500, start + 0.7) < 0  # late once ...
    assert pace.wait_s(1000, start + 0.7) == pytest.approx(0.3 - WAKE_EARLY_S)  # ... and not again


async def test_without_a_rate_everything_is_due_at_once():
    account = Account(Scenario(bytes_per_s_per_connection=None))
    assert account.pace(await account.admit()).wait_s(10**12, account.now_s()) == 0


async def test_above_the_thirty_days_one_slow_connection_is_left():
    clock = Clock()
    account = Account(Scenario(slow_lane_bytes=1000), wall_clock=clock)
    account.served(999)
    assert account.allowance() == (4, 20_000_000)
    account.served(1)
    assert account.allowance() == (1, 1_000_000)
    clock.now_s += 30 * 24 * 3600
    assert account.allowance() == (4, 20_000_000)


def test_requests_are_counted_by_the_minute_of_the_wall_clock():
    clock = Clock()
    account = Account(Scenario(s3_requests_per_minute=2), wall_clock=clock)
    assert account.request() == (2, 1, 40, False)
    assert account.request() == (2, 0, 40, False)
    assert account.request() == (2, 0, 40, True)
    clock.now_s += 40
    assert account.request() == (2, 1, 60, False)
    assert account.tally.rate_limited == 1
