from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import anyio
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import given, settings
from hypothesis import strategies as st

from skyhaul import pipeline
from skyhaul.errors import DiskFull, IntegrityError, JournalError, ObjectMissing, ObjectOffline, UnsafeName
from skyhaul.model import Failed, Product, ProductResult, RemoteObject, Verified
from skyhaul.pipeline import Job, Line, Stopped, unwrapped

AT_ONCE = 3


@dataclass(frozen=True, kw_only=True)
class Fate:
    """What happens to a product: errors where they are given, ``objects`` by route, of which those in ``lost`` fail."""

    present: bool = False
    on_present: Exception | None = None
    on_expand: Exception | None = None
    on_finish: Exception | None = None
    objects: str = "ss"
    lost: tuple[int, ...] = ()
    fatal: bool = False


@dataclass
class Shop:
    """A craft that does as it is told and counts who is where."""

    fates: dict[str, Fate]
    expanded: set[str] = field(default_factory=set)
    expanded_most: int = 0
    taken: int = 0
    working: dict[str, int] = field(default_factory=lambda: {"s3": 0, "http": 0})
    working_most: dict[str, int] = field(default_factory=lambda: {"s3": 0, "http": 0})
    carried: list[str] = field(default_factory=list)
    finishing: list[str] = field(default_factory=list)
    held: dict[str, anyio.Event] = field(default_factory=dict)

    async def present(self, product):
        self.taken += 1
        await checkpoint()
        fate = self.fates[product.id]
        if fate.on_present is not None:
            raise fate.on_present
        return ProductResult(id=product.id, name=product.name, state="present") if fate.present else None

    async def expand(self, product):
        self.expanded.add(product.id)
        self.expanded_most = max(self.expanded_most, len(self.expanded))
        await checkpoint()
        fate = self.fates[product.id]
        if fate.on_expand is not None:
            self.expanded.discard(product.id)
            raise fate.on_expand
        routes = {"s": "s3", "h": "http"}
        objects = [
            RemoteObject(route=routes[kind], location="x", path=f"{product.id}/{number}")
            for number, kind in enumerate(fate.objects)
        ]
        return Job(product=product, path=PurePosixPath(product.name), objects=objects)

    async def carry_out(self, job, obj):
        with self.counted(obj.route):
            await checkpoint()
            if obj.route in self.held:
                await self.held[obj.route].wait()
        self.carried.append(obj.path)
        fate = self.fates[job.product.id]
        if int(obj.path.rpartition("/")[2]) in fate.lost:
            return Failed(path=obj.path, kind="DiskFull", error="no space", attempts=1, exit_code=6, fatal=fate.fatal)
        return Verified(path=obj.path, size=1, level="md5", seconds=0.0, attempts=1, fetched=1)

    async def finish(self, job):
        self.finishing.append(job.product.id)
        await checkpoint()
        if "finish" in self.held:
            await self.held["finish"].wait()
        self.expanded.discard(job.product.id)
        fate = self.fates[job.product.id]
        if fate.on_finish is not None:
            raise fate.on_finish
        if job.failures:
            error = job.failures[0]
            return ProductResult(id=job.product.id, name="", state="failed", kind=error.kind, error=error.error)
        assert len(job.verified) == len(job.objects)
        return ProductResult(id=job.product.id, name="", state="verified")

    @contextmanager
    def counted(self, route):
        self.working[route] += 1
        self.working_most[route] = max(self.working_most[route], self.working[route])
        try:
            yield
        finally:
            self.working[route] -= 1


@dataclass
class Ran:
    """A run of the line over some products."""

    shop: Shop
    settled: list[ProductResult] = field(default_factory=list)
    stop_at: int | None = None

    def settle(self, result):
        self.settled.append(result)
        if len(self.settled) == self.stop_at:
            raise Stopped("enough", 1)

    @property
    def states(self):
        return {result.id: result.state for result in self.settled}

    async def __call__(self, workers=None):
        line = Line(self.shop, workers=workers or {"s3": 2, "http": 2}, products_at_once=AT_ONCE, settle=self.settle)
        send, receive = anyio.create_memory_object_stream(0)

        async def feed():
            async with send:
                with suppress(anyio.BrokenResourceError):  # the line has ended, and says why
                    for each in self.shop.fates:
                        await send.send(Product(id=each, name=f"{each}.SAFE", provider="cdse"))

        with anyio.fail_after(10), unwrapped():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(feed)
                await line.run(receive)
                tasks.cancel_scope.cancel()


def ran(*fates, **more):
    return Ran(Shop({f"p{number}": fate for number, fate in enumerate(fates)}), **more)


MISSING = ObjectMissing("nothing there")
FATES = st.builds(
    Fate,
    present=st.booleans(),
    on_present=st.sampled_from([None, None, UnsafeName("../x")]),
    on_expand=st.sampled_from([None, None, MISSING, ObjectOffline("to be ordered")]),
    on_finish=st.sampled_from([None, None, IntegrityError("broken zip")]),
    objects=st.text("sh", max_size=5),
    lost=st.sampled_from([(), (0,), (0, 1), (4,)]),
)


def end_of(fate):
    """How a product has to end."""
    if fate.on_present is not None:
        return "failed"
    if fate.present:
        return "present"
    if fate.on_expand is not None:
        return "offline" if isinstance(fate.on_expand, ObjectOffline) else "failed"
    lost = any(number < len(fate.objects) for number in fate.lost)
    return "failed" if fate.on_finish is not None or lost else "verified"


@settings(max_examples=80)
@given(st.lists(FATES, max_size=15))
async def test_every_product_settles_once_whatever_fails_where(fates):
    run = ran(*fates)
    await run()
    assert len(run.settled) == len(fates)
    assert run.states == {f"p{number}": end_of(fate) for number, fate in enumerate(fates)}
    assert run.shop.expanded_most <= AT_ONCE
    assert run.shop.working == {"s3": 0, "http": 0}


async def test_no_more_products_are_begun_than_the_disk_may_hold():
    run = ran(*[Fate(objects="shsh")] * 30)
    await run()
    assert run.shop.expanded_most == AT_ONCE


async def test_no_more_objects_are_carried_than_there_are_workers():
    run = ran(*[Fate(objects="shshsh")] * 20)
    await run(workers={"s3": 3, "http": 1})
    assert run.shop.working_most == {"s3": 3, "http": 1}


async def test_a_failed_object_does_not_keep_the_others_from_being_fetched():
    run = ran(Fate(objects="sss", lost=(0,)))
    await run()
    assert len(run.shop.carried) == 3, "what is fetched now need not be fetched by the next run"
    assert run.states == {"p0": "failed"}


async def test_a_line_that_waits_takes_no_more_products():
    run = ran(*[Fate()] * 100)
    run.shop.held = {"s3": anyio.Event()}
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await anyio.wait_all_tasks_blocked()
        assert run.shop.taken <= AT_ONCE + pipeline.EXPANDERS
        run.shop.held["s3"].set()
    assert len(run.settled) == 100


async def test_of_the_last_products_the_largest_come_first():
    sizes = [each * 37 % 100 for each in range(100)]
    shop = Shop({f"p{number}": Fate(objects="s") for number in range(100)})
    line = Line(shop, workers={"s3": 1}, products_at_once=AT_ONCE, settle=lambda _: None)
    send, receive = anyio.create_memory_object_stream(100)
    for number, size in enumerate(sizes):
        send.send_nowait(Product(id=f"p{number}", name=f"p{number}.SAFE", provider="cdse", size=size))
    send.close()
    with anyio.fail_after(10):
        await line.run(receive)
    carried = [sizes[int(path.partition("/")[0][1:])] for path in shop.carried]
    first, last = carried[: -pipeline.LAST_PRODUCTS], carried[-pipeline.LAST_PRODUCTS :]
    assert first == sizes[: -pipeline.LAST_PRODUCTS]
    assert last == sorted(last, reverse=True)


async def test_a_route_that_waits_does_not_hold_up_the_other():
    run = ran(Fate(objects="s"), Fate(objects="s"), *[Fate(objects="h")] * 20)
    run.shop.held = {"s3": anyio.Event()}
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await anyio.wait_all_tasks_blocked()
        assert len(run.settled) == 20
        run.shop.held["s3"].set()
    assert len(run.settled) == 22


FATAL = {
    "carry out": Fate(objects="shs", lost=(0,), fatal=True),
    "finish": Fate(on_finish=DiskFull("no space")),
}


@pytest.mark.parametrize(
    "fate",
    [Fate(on_present=JournalError("cannot be used")), Fate(on_expand=JournalError("cannot be used"))],
    ids=["present", "expand"],
)
async def test_what_is_met_before_a_product_has_objects_is_not_its_failure(fate):
    run = ran(Fate(), fate, *[Fate()] * 50)
    with pytest.raises(JournalError, match="cannot be used"):
        await run()
    assert "p1" not in run.states
    assert len(run.settled) < 10
    assert run.shop.working == {"s3": 0, "http": 0}


@pytest.mark.parametrize("fate", FATAL.values(), ids=FATAL)
async def test_what_every_product_would_meet_ends_the_line(fate):
    run = ran(Fate(), fate, *[Fate()] * 50)
    with pytest.raises(Stopped) as stop:
        await run()
    assert stop.value.exit_code == 6
    assert run.states["p1"] == "failed"
    assert len(run.settled) < 10
    assert run.shop.working == {"s3": 0, "http": 0}


async def test_a_product_all_of_whose_objects_meet_a_full_disk_is_finished_once():
    run = ran(*[Fate(objects="shshshsh", lost=tuple(range(8)), fatal=True)] * 3)
    run.shop.held = {"finish": anyio.Event()}

    async def full():
        with pytest.raises(Stopped):
            await run(workers={"s3": 4, "http": 4})

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(full)
        await anyio.wait_all_tasks_blocked()
        assert sorted(run.shop.finishing) == ["p0", "p1", "p2"]
        run.shop.held["finish"].set()
    assert len(run.states) == len(run.settled)


@pytest.mark.parametrize("stop_at", [1, 2, 7])
async def test_the_line_ends_where_it_is_told_to(stop_at):
    run = ran(Fate(present=True), Fate(on_expand=MISSING), *[Fate(objects="shs")] * 20, stop_at=stop_at)
    with pytest.raises(Stopped, match="enough"):
        await run()
    assert len(run.states) == len(run.settled) < 15
    assert run.shop.working == {"s3": 0, "http": 0}


async def test_a_cancelled_line_leaves_nothing_running():
    run = ran(*[Fate(objects="shsh")] * 20)
    run.shop.held = {"s3": anyio.Event(), "http": anyio.Event()}
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await anyio.wait_all_tasks_blocked()
        assert sum(run.shop.working.values()) == 4
        tasks.cancel_scope.cancel()
    assert run.shop.working == {"s3": 0, "http": 0}
    assert run.settled == []


async def test_a_bug_is_let_through_loudly():
    run = ran(Fate(on_finish=ZeroDivisionError("a bug")), *[Fate()] * 5)
    with pytest.raises(ExceptionGroup) as group:
        await run()
    assert group.group_contains(ZeroDivisionError)


async def test_nothing_to_do_is_done_at_once():
    run = ran()
    await run()
    assert run.settled == []


async def test_a_product_whose_objects_are_all_there_is_finished():
    run = ran(Fate(objects=""))
    await run()
    assert run.states == {"p0": "verified"}
