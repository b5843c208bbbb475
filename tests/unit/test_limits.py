from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from types import SimpleNamespace

import anyio
import pytest
from anyio.lowlevel import checkpoint

from skyhaul import bearable, limits
from skyhaul.errors import HostBusy
from skyhaul.events import Meter
from skyhaul.limits import Allowance


class Clock:
    """Time that passes at once whenever everybody waits."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    sleep = staticmethod(anyio.sleep)


@pytest.fixture
async def clock(monkeypatch):
    clock = Clock()
    loop = asyncio.get_running_loop()
    look = loop._selector.select

    def select(timeout):
        clock.now += timeout or 0.0
        return look(None if timeout is None else 0)

    with monkeypatch.context() as patched:
        patched.setattr(loop, "time", clock.monotonic)
        patched.setattr(loop._selector, "select", select)
        patched.setattr(limits, "time", clock)
        yield clock


def busy(status=429, allows=4, **more):
    return HostBusy(f"Max session number {allows} exceeded.", status=status, **more)


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


async def refuse(allowance, error):
    with pytest.raises(HostBusy):
        async with allowance.stream():
            raise error


async def serve(allowance):
    async with allowance.stream() as stream:
        allowance.began(stream)


async def test_a_refusal_cools_the_whole_account_down(clock):
    told = []
    allowance = Allowance(connections=4, meter=Meter(), cooled=lambda *each: told.append(each))
    await refuse(allowance, busy(503, retry_after_s=7.0))
    async with allowance.stream():
        assert clock.now >= 107.0
    assert told == [(7.0, "Max session number 4 exceeded.")]


async def test_who_waits_already_waits_longer(clock):
    allowance = Allowance(connections=2, meter=Meter())
    async with anyio.create_task_group() as tasks:
        await refuse(allowance, busy(503, retry_after_s=2.0))
        tasks.start_soon(allowance.request)
        await checkpoint()
        allowance._cool(busy(503, retry_after_s=9.0), clock.now)
    assert clock.now >= 109.0


async def test_patience_doubles_until_the_host_answers(clock):
    waits = []
    allowance = Allowance(connections=1, meter=Meter(), cooled=lambda wait_s, _: waits.append(wait_s))
    for _ in range(9):
        await refuse(allowance, HostBusy("SlowDown", status=503))
    await serve(allowance)
    await refuse(allowance, HostBusy("SlowDown", status=503))
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 0.5]


async def test_a_shorter_wait_does_not_end_a_longer_one(clock):
    told = []
    allowance = Allowance(connections=2, meter=Meter(), cooled=lambda *each: told.append(each))
    await refuse(allowance, busy(503, retry_after_s=30.0))
    allowance._cool(busy(503, retry_after_s=1.0), clock.now)
    await allowance.request()
    assert clock.now >= 130.0
    assert len(told) == 1


# what a refusal means


async def test_streams_that_the_server_releases_late_rest_before_they_are_used_again(clock):
    allowance = Allowance(connections=1, meter=Meter())
    await serve(allowance)
    clock.now += 0.4
    await refuse(allowance, busy(429))
    assert allowance.rest_s == pytest.approx(0.4 * 1.5 + 0.1)
    clock.now += 100.0
    await serve(allowance)
    before = clock.now
    await serve(allowance)
    assert clock.now - before == pytest.approx(allowance.rest_s)
    assert allowance.limit == 1


@pytest.mark.parametrize("late_s", [0.02, 0.4])
async def test_a_rest_is_given_up_when_it_is_not_needed_any_more_and_tried_ever_more_seldom_while_it_is(clock, late_s):
    held, refused = [], []
    allowance = Allowance(connections=1, meter=Meter())

    async def read(late_s):
        while True:
            try:
                async with allowance.stream() as stream:
                    if held and held[-1] > clock.now:
                        refused.append(clock.now)
                        raise busy(429)
                    allowance.began(stream)
                    await clock.sleep(1.0)
                    held.append(clock.now + late_s)
                    return
            except HostBusy:
                await clock.sleep(0.5)

    for _ in range(600):
        await read(late_s)
    assert allowance.rest_s >= late_s
    assert 1 < len(refused) < 12
    for _ in range(3000):
        await read(0.0)
    assert allowance.rest_s == 0.0


async def test_a_rest_is_learnt_from_too_many_streams_alone_and_has_its_limit(clock):
    allowance = Allowance(connections=1, meter=Meter())
    await serve(allowance)
    clock.now += 0.1
    await refuse(allowance, HostBusy("SlowDown", status=503))
    assert allowance.rest_s == 0.0
    clock.now += 1.0
    await serve(allowance)
    clock.now += 9.0
    await refuse(allowance, busy(503))
    assert allowance.rest_s == bearable.REST_MAX_S


async def all_at_once(allowance, archive, count, clock):
    """``count`` requests, of which the archive serves so many side by side and refuses the others; those again until served."""
    served = []

    async def ask():
        while True:
            try:
                async with allowance.stream() as stream:
                    await clock.sleep(0.01)
                    if archive.running >= archive.allows:
                        archive.refused += 1
                        raise busy(429, allows="")
                    archive.running += 1
                    allowance.began(stream)
                    try:
                        await clock.sleep(1.0)
                    finally:
                        archive.running -= 1
                    served.append(clock.now)
                    return
            except HostBusy:
                await clock.sleep(0.5)

    async with anyio.create_task_group() as tasks:
        for _ in range(count):
            tasks.start_soon(ask)
    return served


@pytest.mark.parametrize(("said", "allows"), [(16, 10), (4, 2), (4, 1), (8, 7)])
async def test_a_limit_that_nobody_told_of_is_found_and_kept(clock, said, allows):
    archive = SimpleNamespace(allows=allows, running=0, refused=0)
    allowance = Allowance(connections=said, meter=Meter())
    await all_at_once(allowance, archive, allows * 4, clock)
    assert allowance.limit == allows
    assert allowance.rest_s == 0.0
    refused, began_s = archive.refused, clock.now
    await all_at_once(allowance, archive, allows * 60, clock)
    assert clock.now - began_s < 60 * 1.25
    assert archive.refused - refused <= 8, "once in a while one more is tried, ever more seldom"


async def test_long_streams_that_are_released_late_are_no_smaller_limit(clock):
    """Zips last for minutes: when they end together, those that follow at once are refused, and four were borne all the same."""
    allowance, held, ends = Allowance(connections=4, meter=Meter()), [], []

    async def ask():
        while True:
            with suppress(HostBusy):
                async with allowance.stream() as stream:
                    held[:] = [until for until in held if until > clock.now]
                    if len(held) >= 4:
                        raise busy()
                    held.append(clock.now + 61.0)  # a second longer than it lasts
                    allowance.began(stream)
                    await clock.sleep(60.0)
                ends.append(clock.now)
                return
            await clock.sleep(0.5)

    began_s = clock.now
    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(ask)
    assert allowance.limit == 4
    assert ends[-1] - began_s < 5 * 62.0 + 5.0


@pytest.mark.parametrize("early", [True, False])
async def test_a_limit_that_the_refusal_names_is_kept_to_at_once(clock, early):
    """An account enters the slow lane while four streams run: that four were served just now says nothing any more."""
    allowance = Allowance(connections=4, meter=Meter())
    async with AsyncExitStack() as running:
        for _ in range(3):
            allowance.began(await running.enter_async_context(allowance.stream()))
        with suppress(HostBusy):
            async with allowance.stream() as stream:
                stream.early = early
                raise busy(allows=1)
        assert (allowance.limit, allowance.rest_s) == (1, 0.0)


async def test_a_limit_that_is_lifted_is_used_again(clock):
    archive = SimpleNamespace(allows=2, running=0, refused=0)
    allowance = Allowance(connections=4, meter=Meter())
    await all_at_once(allowance, archive, 12, clock)
    archive.allows = 4
    await all_at_once(allowance, archive, 200, clock)
    assert allowance.limit == 4


async def test_one_busy_answer_among_many_takes_no_stream_away(clock):
    allowance = Allowance(connections=4, meter=Meter())
    for _ in range(30):
        await serve(allowance)
    await refuse(allowance, HostBusy("SlowDown", status=503))
    assert allowance.limit == 4
    await refuse(allowance, HostBusy("SlowDown", status=503))
    assert allowance.limit == 3, "two in a row do"


@pytest.mark.parametrize("pause_s", [1.0, 6.0])
async def test_a_host_that_serves_others_meanwhile_is_busy_with_one_request_alone(clock, pause_s):
    """A zip that cannot be made just now is no reason to leave three quarters of an account alone for seconds."""
    told = []
    allowance = Allowance(connections=4, meter=Meter(), cooled=lambda *each: told.append(each))
    async with allowance.stream() as running:
        allowance.began(running)
        await refuse(allowance, HostBusy("DAT-ZIP-503", status=503))
        assert (allowance.limit, told) == (4, [])
        clock.now += pause_s
        await refuse(allowance, HostBusy("DAT-ZIP-503", status=503))
    once_more = pause_s < limits.LONE_S
    assert (allowance.limit, len(told)) == ((3, 1) if once_more else (4, 0)), "two at a time are more than one"


@pytest.mark.parametrize(
    "error",
    [busy(429), HostBusy("busy", status=503, retry_after_s=2.0), HostBusy("reduce your request rate", status=503)],
    ids=["streams", "named", "rate"],
)
async def test_what_the_host_says_of_all_requests_is_heeded_though_it_serves_others(clock, error):
    told = []
    allowance = Allowance(connections=4, meter=Meter(), cooled=lambda *each: told.append(each))
    async with allowance.stream() as running:
        allowance.began(running)
        await refuse(allowance, error)
    assert len(told) == 1


async def test_others_may_use_the_account_too(clock):
    meter = Meter()
    allowance = Allowance(connections=4, meter=meter)
    allowance.grant(1)
    most = []

    async def use():
        async with allowance.stream():
            most.append(meter.streams)
            await clock.sleep(1.0)

    async with anyio.create_task_group() as tasks:
        for _ in range(6):
            tasks.start_soon(use)
    assert max(most) == 1


async def test_who_could_use_more_than_is_granted_says_so(clock):
    """Or the ledger would grant one stream for ever to whom it once granted one."""
    allowance = Allowance(connections=4, meter=Meter())
    await allowance.request()
    allowance.grant(1, alone=False)
    async with allowance.stream(), anyio.create_task_group() as tasks:
        assert (allowance.idle, allowance.spare, allowance.wanted) == (0, 3, 1)
        for _ in range(3):
            tasks.start_soon(allowance.stream().__aenter__)
        await anyio.wait_all_tasks_blocked()
        assert (allowance.idle, allowance.spare, allowance.wanted) == (0, 0, 4)
        tasks.cancel_scope.cancel()


async def test_the_requests_of_others_count(clock):
    allowance = Allowance(connections=4, meter=Meter(), requests_per_minute=100)
    allowance.grant(2, alone=False, requests_of_others=60)
    for _ in range(30):
        await allowance.request()
    assert clock.now == 100.0
    with anyio.move_on_after(30.0):
        await allowance.request()
        pytest.fail("more than the others leave")
    allowance.grant(2, alone=False, requests_of_others=0)
    await allowance.request()


async def test_too_many_requests_are_not_too_many_streams(clock):
    allowance = Allowance(connections=4, meter=Meter())
    await serve(allowance)
    for _ in range(5):
        await refuse(allowance, HostBusy("SlowDown Please reduce your request rate.", status=429))
    assert (allowance.limit, allowance.rest_s) == (4, 0.0)


# early requests


@dataclass
class World:
    """An archive that allows four streams of 1 MB/s and takes 0.2 s to answer. Does who waits count as a stream?"""

    clock: Clock
    counts_waiting: bool
    late_s: float = 0.0
    held: int = 0
    most: int = 0
    refused: int = 0
    asked: int = 0

    async def read(self, allowance, size):
        while True:
            try:
                async with allowance.stream(size) as stream:
                    await self._served(allowance, stream, size)
                    return
            except HostBusy as error:
                await self.clock.sleep(0.0 if error.too_early else 0.5)

    async def _served(self, allowance, stream, size):
        self.asked += 1
        if self.counts_waiting:
            self._take()
        await self.clock.sleep(0.2)
        if not self.counts_waiting:
            self._take()
        allowance.began(stream, size)
        await self.clock.sleep(size / 1e6)
        stream.received = size
        if self.late_s:
            asyncio.get_running_loop().call_later(self.late_s, self._release)
        else:
            self._release()

    def _release(self):
        self.held -= 1

    def _take(self):
        if self.held >= 4:
            self.refused += 1
            raise busy(429)
        self.held += 1
        self.most = max(self.most, self.held)


async def read_all(world, allowance, sizes):
    began_s = world.clock.now
    async with anyio.create_task_group() as tasks:
        for size in sizes:
            tasks.start_soon(world.read, allowance, size)
    return sum(sizes) / (world.clock.now - began_s) / 4e6


SIZES = [300_000] * 400


async def test_requests_travel_while_bodies_arrive(clock):
    world, allowance = World(clock, counts_waiting=False), Allowance(connections=4, meter=Meter())
    share = await read_all(world, allowance, SIZES)
    floor = 0.3 / 0.5
    assert share > 1.25 * floor
    assert world.refused <= world.asked / 100
    assert world.most == 4


async def test_bodies_that_last_thirty_times_as_long_as_their_answers_gain_too(clock):
    world, allowance = World(clock, counts_waiting=False), Allowance(connections=4, meter=Meter())
    share = await read_all(world, allowance, [6_000_000] * 100)
    floor = 6.0 / 6.2
    assert share > (1 + floor) / 2
    assert world.refused <= world.asked / 100


async def test_an_archive_that_counts_who_waits_is_left_in_peace(clock):
    world, allowance = World(clock, counts_waiting=True), Allowance(connections=4, meter=Meter())
    share = await read_all(world, allowance, SIZES)
    assert world.refused <= 3
    assert share == pytest.approx(0.3 / 0.5, rel=0.05)
    assert allowance.forecast.counted
    assert (allowance.limit, allowance.rest_s) == (4, 0.0), "nothing else was learnt from it"


async def test_who_was_overtaken_by_an_early_request_pays_nothing_for_it(clock):
    allowance = Allowance(connections=2, meter=Meter())
    for _ in range(2):
        await served_in(allowance, clock, 0.2, 0.5)
    error = busy(429)

    async def usual():
        async with allowance.stream(500_000) as stream:
            assert not stream.early
            await clock.sleep(0.6)
            raise error

    async def refused():
        with pytest.raises(HostBusy):
            await usual()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(served_in, allowance, clock, 0.2, 0.5)
        tasks.start_soon(refused)
        tasks.start_soon(served_in, allowance, clock, 0.2, 0.5)  # early, and first where it counts
    assert error.too_early
    assert allowance.rest_s == 0.0
    assert allowance.limit == 2


async def served_in(allowance, clock, wait_s, body_s):
    async with allowance.stream(500_000) as stream:
        await clock.sleep(wait_s)
        allowance.began(stream)
        await clock.sleep(body_s)
        stream.received = 500_000


async def test_what_has_no_known_end_is_waited_for(clock):
    allowance = Allowance(connections=4, meter=Meter())
    open_ = []

    async def read():
        async with allowance.stream() as stream:
            open_.append(len(allowance._open))
            await clock.sleep(0.2)
            allowance.began(stream)
            await clock.sleep(0.3)

    async with anyio.create_task_group() as tasks:
        for _ in range(40):
            tasks.start_soon(read)
    assert max(open_) == 4


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


# stragglers


@pytest.mark.parametrize(("others", "given_up"), [(0, True), (4, False)])
async def test_a_silent_stream_is_given_up_when_nothing_else_is_left(clock, others, given_up):
    allowance = Allowance(connections=2, meter=Meter())
    ended = anyio.Event()

    async def hang():
        async with allowance.stream() as stream:
            stream.give_up = ended.set
            await ended.wait()

    async def others_use():
        async with allowance.stream() as stream:
            allowance.began(stream)
            await clock.sleep(10.0)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(allowance.watch)
        tasks.start_soon(hang)
        await anyio.wait_all_tasks_blocked()
        for _ in range(others):
            tasks.start_soon(others_use)
        await clock.sleep(20.0)
        assert ended.is_set() is given_up
        tasks.cancel_scope.cancel()


# streams that are released late


@pytest.mark.parametrize("counts_waiting", [True, False])
@pytest.mark.parametrize(("seconds", "share"), [(2.0, 0.55), (30.0, 0.95)])
async def test_an_archive_that_releases_late_is_used_as_far_as_that_allows(clock, counts_waiting, seconds, share):
    world = World(clock, counts_waiting=counts_waiting, late_s=1.0)
    allowance = Allowance(connections=4, meter=Meter())
    assert await read_all(world, allowance, [int(seconds * 1e6)] * 48) > share
    assert world.refused <= 6
    assert allowance.limit == 4
