"""Ordering what is archived: states, quotas, patience, and what the next run remembers."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import anyio
import pytest

from skyhaul import journal as journals
from skyhaul.errors import AccessDenied, HostBusy, LoginRefused, ObjectMissing, ObjectOffline
from skyhaul.events import AttemptFailed, Meter, OrdersAwaited, ProductOrdered
from skyhaul.limits import Allowance
from skyhaul.model import Failed, Product, ProductResult, RemoteObject, Verified
from skyhaul.orders import FORGOTTEN_S, Book, Ordering, Orders, Stock
from skyhaul.pipeline import Job, Line, Stopped

pytestmark = pytest.mark.anyio


def product(number: int, *, online: bool = False) -> Product:
    return Product(id=str(number), name=f"P{number}", provider="p", online=online)


@dataclass
class Tapes:
    """An archive whose products come online once they were asked after so often."""

    looks: int = 1
    room: int = 100
    orders_at_once: int = 100
    ordered: dict[str, int] = field(default_factory=dict)
    refusals: list[Exception] = field(default_factory=list)
    most: int = 0
    log: list[str] = field(default_factory=list)

    def _under_way(self) -> int:
        return sum(left > 0 for left in self.ordered.values())

    async def order(self, product):
        self.log.append(f"order {product.name}")
        if self.refusals:
            raise self.refusals.pop(0)
        if product.id not in self.ordered:
            if self._under_way() >= self.room:
                raise AccessDenied("offline products retrieval quota exceeded")
            self.ordered[product.id] = self.looks
            self.most = max(self.most, self._under_way())
        return self.ordered[product.id] <= 0

    async def online(self, product):
        self.log.append(f"ask {product.name}")
        left = self.ordered.setdefault(product.id, self.looks) - 1
        self.ordered[product.id] = left
        return left <= 0


@dataclass
class Desk:
    """A craft that can fetch what is online, and says of the rest that it is not."""

    late: bool = False
    fetched: list[str] = field(default_factory=list)

    async def present(self, product):
        return None

    async def expand(self, product):
        if not product.online and not self.late:
            raise ObjectOffline(f"{product.name} is on tape")
        obj = RemoteObject(route="http", location="x", path=product.name, archive=True)
        return Job(product=product, path=PurePosixPath(product.name), objects=[obj])

    async def carry_out(self, job, obj):
        if not job.product.online:
            return Failed(path=obj.path, kind="ObjectOffline", error="202", attempts=1)
        return Verified(path=obj.path, size=1, level="md5", seconds=0, attempts=1, fetched=1)

    async def finish(self, job):
        if job.failures:
            first = job.failures[0]
            return ProductResult(id=job.product.id, name=job.product.name, state="failed", kind=first.kind, error="202")
        self.fetched.append(job.product.name)
        return ProductResult(id=job.product.id, name=job.product.name, state="verified")


class Run:
    """A line with orders beside it, wired as the runtime does."""

    def __init__(self, stock, journal, craft, **times):
        self.events, self.results = [], []
        self.checked = 0
        self.stop_after: int | None = None
        self.orders = Orders(
            stock=stock,
            book=Book(journal),
            allowance=Allowance(connections=2, meter=Meter()),
            emit=self.events.append,
            settle=self.results.append,
            check=self._check,
            **{"wait_s": 0.0, "patience_s": 60.0, **times},
        )
        self.craft = Ordering(craft, self.orders)

    def _check(self):
        self.checked += 1
        if self.stop_after is not None and self.checked > self.stop_after:
            raise Stopped("stopped after the time allowed", 1)

    def _settle(self, result):
        if not self.orders.keeps(result.id):
            self.results.append(result)
        self.orders.settled(result)

    async def __call__(self, *products):
        line = Line(self.craft, workers={"http": 2}, products_at_once=4, settle=self._settle)
        feed_in, feed_out = anyio.create_memory_object_stream(100)
        relay_in, relay_out = anyio.create_memory_object_stream(100)
        for each in products:
            feed_in.send_nowait(each)
        feed_in.close()
        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.orders.run, feed_out, relay_in)
                await line.run(relay_out)

    @property
    def states(self):
        return {result.name: result.state for result in self.results}

    def told(self, name):
        return [event.state for event in self.events if isinstance(event, ProductOrdered) and event.name == name]

    @property
    def awaited(self):
        return [(event.staging, event.waiting) for event in self.events if isinstance(event, OrdersAwaited)]


@pytest.fixture(autouse=True)
def _swift(monkeypatch):
    monkeypatch.setattr("skyhaul.orders.TICK_S", 0.001)


@asynccontextmanager
async def running(tmp_path, stock=None, craft=None, **times):
    async with journals.opened(tmp_path) as journal:
        yield Run(stock or Tapes(), journal, craft or Desk(), **times)


async def test_without_anything_offline_products_pass_through(tmp_path):
    stock = Tapes()
    async with running(tmp_path, stock) as run:
        await run(*(product(n, online=True) for n in range(20)))
    assert set(run.states.values()) == {"verified"}
    assert len(run.states) == 20
    assert stock.log == []


@pytest.mark.parametrize("late", [False, True], ids=["said by the catalogue", "said by the download"])
async def test_what_is_offline_is_ordered_waited_for_and_fetched(tmp_path, late):
    async with running(tmp_path, Tapes(looks=3), Desk(late=late)) as run:
        await run(product(1), product(2, online=True))
    assert run.states == {"P1": "verified", "P2": "verified"}
    assert run.told("P1") == ["offline", "staging", "online"]
    assert run.told("P2") == []


async def test_others_are_fetched_while_it_is_waited_for(tmp_path):
    craft, stock = Desk(), Tapes()

    async def online(_):
        return len(craft.fetched) == 29

    stock.online = online
    async with running(tmp_path, stock, craft) as run:
        await run(product(0), *(product(n, online=True) for n in range(1, 30)))
    assert craft.fetched[-1] == "P0"
    assert len(craft.fetched) == 30


async def test_no_more_are_under_way_than_the_archive_allows(tmp_path):
    stock = Tapes(looks=2, orders_at_once=3)
    async with running(tmp_path, stock) as run:
        await run(*(product(n) for n in range(12)))
    assert set(run.states.values()) == {"verified"}
    assert stock.most == 3


async def test_an_archive_that_takes_fewer_than_it_says_is_asked_again_later(tmp_path):
    stock = Tapes(looks=2, room=2, orders_at_once=10)
    async with running(tmp_path, stock) as run:
        await run(*(product(n) for n in range(6)))
    assert set(run.states.values()) == {"verified"}
    assert stock.most == 2


async def test_a_busy_archive_is_asked_again(tmp_path):
    stock = Tapes(refusals=[HostBusy("503", status=503)])
    async with running(tmp_path, stock) as run:
        await run(product(1))
    assert run.states == {"P1": "verified"}
    assert [event.kind for event in run.events if isinstance(event, AttemptFailed)] == ["503"]


@pytest.mark.parametrize("error", [ObjectMissing("gone"), AccessDenied("terms not accepted")])
async def test_an_order_that_is_refused_for_good_is_that_products_failure(tmp_path, error):
    stock = Tapes(refusals=[error])
    async with running(tmp_path, stock) as run:
        await run(product(1), product(2))
    assert run.states == {"P1": "failed", "P2": "verified"}
    assert next(result.error for result in run.results if result.name == "P1") == str(error)


async def test_a_refused_login_ends_the_run(tmp_path):
    async with running(tmp_path, Tapes(refusals=[LoginRefused("who?")])) as run:
        with pytest.raises(BaseExceptionGroup) as raised:
            await run(product(1))
        assert raised.group_contains(LoginRefused)


async def test_patience_ends_and_what_is_left_is_named(tmp_path):
    async with running(tmp_path, Tapes(looks=10**9), patience_s=0.05) as run:
        await run(product(1), product(2, online=True))
    assert run.states == {"P1": "offline", "P2": "verified"}
    (left,) = [result for result in run.results if result.state == "offline"]
    assert left.kind == "ObjectOffline"
    assert "run again to go on" in left.error


async def test_each_that_comes_online_renews_the_patience(tmp_path):
    """Seven products, one after the other, each within its time though not all of them within one."""
    stock = Tapes(looks=3, orders_at_once=1)
    async with running(tmp_path, stock, wait_s=0.02, patience_s=0.3) as run:
        began_s = time.monotonic()
        await run(*(product(n) for n in range(7)))
        took_s = time.monotonic() - began_s
    assert set(run.states.values()) == {"verified"}
    assert took_s > 0.3


async def test_the_users_own_limit_ends_the_wait(tmp_path):
    async with running(tmp_path, Tapes(looks=10**9)) as run:
        run.stop_after = 3
        with pytest.raises(BaseExceptionGroup) as raised:
            await run(product(1))
        assert raised.group_contains(Stopped)
        assert run.results == []
        run.orders.give_up("stopped after the time allowed")
    assert run.states == {"P1": "offline"}
    assert "ordered 0 minutes ago" in run.results[0].error


async def test_the_next_run_asks_after_an_order_and_does_not_repeat_it(tmp_path):
    first, second = Tapes(looks=10**9), Tapes(looks=1)
    async with running(tmp_path, first, patience_s=0.05) as run:
        await run(product(1))
    assert first.log[0] == "order P1"
    async with running(tmp_path, second) as run:
        await run(product(1))
    assert run.states == {"P1": "verified"}
    assert second.log == ["ask P1"]
    assert run.told("P1") == ["offline", "online"]


async def test_an_order_of_long_ago_is_placed_again(tmp_path, monkeypatch):
    async with running(tmp_path, Tapes(looks=10**9), patience_s=0.05) as run:
        await run(product(1))
    stock = Tapes(looks=3)
    then_s = time.time() + FORGOTTEN_S + 1
    monkeypatch.setattr("skyhaul.orders.time.time", lambda: then_s)
    async with running(tmp_path, stock) as run:
        await run(product(1))
    assert stock.log[:2] == ["ask P1", "order P1"]
    assert run.states == {"P1": "verified"}


async def test_once_online_an_order_is_done_with(tmp_path):
    async with running(tmp_path) as run:
        await run(product(1))
    async with journals.opened(tmp_path) as journal:
        assert await Book(journal).placed() == {}


def test_not_every_archive_takes_orders():
    assert isinstance(Tapes(), Stock)
    assert not isinstance(Desk(), Stock)


async def test_who_looks_on_is_told_how_many_wait_and_when_the_archive_is_asked_again(tmp_path):
    class Patient(Tapes):
        async def online(self, product):
            self.looks_so_far = getattr(self, "looks_so_far", 0) + 1
            return self.looks_so_far > 4

    began_s = time.time()
    async with running(tmp_path, Patient(orders_at_once=1), wait_s=0.25) as run:
        await run(product(1), product(2), product(3, online=True))
    assert run.states == dict.fromkeys(("P1", "P2", "P3"), "verified")
    assert {(1, 1), (1, 0)} <= set(run.awaited) <= {(0, 1), (0, 2), (1, 0), (1, 1), (0, 0)}
    assert run.awaited[-1] == (0, 0)
    looks = [event.look_s for event in run.events if isinstance(event, OrdersAwaited) and event.staging]
    assert all(look_s is not None and began_s < look_s < time.time() + 0.25 for look_s in looks)


async def test_when_a_run_gives_up_nothing_is_waited_for_any_more(tmp_path):
    async with running(tmp_path, Tapes(looks=10**9), wait_s=60.0, patience_s=0.05) as run:
        await run(product(1))
    assert run.states == {"P1": "offline"}
    assert run.awaited == [(1, 0), (0, 0)]
    assert run.orders.keeps("1") is False
