"""Large bodies: taken on threads, and by nobody any more once their reader has left."""

from __future__ import annotations

import threading
from contextlib import aclosing

import anyio
import pytest
from anyio import to_thread

from skyhaul.errors import ConnectionLost, RequestRefused
from skyhaul.sources import http, wire
from support.pouring import poured
from support.scripted import Reply, scripted

pytestmark = pytest.mark.usefixtures("no_proxies")

BODY = bytes(range(256)) * 12_000
CUT = 2_000_000


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch):
    monkeypatch.setattr(wire, "BATCH_BYTES", 1 << 19)


@pytest.fixture
async def host():
    async with scripted() as host:
        yield host


@pytest.fixture
async def client():
    async with http.opened(stall_s=10.0, connect_s=10.0) as client:
        yield client


class Taking:
    """Takes what comes, and keeps who took it."""

    def __init__(self):
        self.body = bytearray()
        self.sizes, self.threads = [], set()

    def __call__(self, pieces):
        self.threads.add(threading.get_ident())
        self.sizes.append(sum(map(len, pieces)))
        for piece in pieces:
            self.body.extend(piece)


async def read(client, url, taking):
    async with client.open("GET", url, large=True) as answer, aclosing(answer.pour(taking)) as sizes:
        return [size async for size in sizes]


@pytest.mark.parametrize("proxied", [False, True])
async def test_a_body_is_taken_in_batches_and_not_on_the_loop(host, proxied, monkeypatch):
    if proxied:
        monkeypatch.setenv("HTTP_PROXY", host.root)
    host.put("/x", BODY)
    taking = Taking()
    async with http.opened() as client:
        told = await read(client, "http://archive.invalid/x" if proxied else f"{host.root}/x", taking)
    assert bytes(taking.body) == BODY
    assert told == taking.sizes
    assert max(told) <= wire.BATCH_BYTES + wire.READ_BUFFER_BYTES * 2
    assert threading.get_ident() not in taking.threads


@pytest.mark.parametrize("then", ["reset", "end"])
async def test_what_came_before_a_break_is_taken(host, client, then):
    url = host.put("/x", BODY, Reply(after=CUT, then=then))
    taking = Taking()
    with pytest.raises(ConnectionLost):
        await read(client, url, taking)
    assert BODY.startswith(taking.body)
    assert len(taking.body) <= CUT if then == "reset" else len(taking.body) == CUT


@pytest.mark.parametrize("chunked", [False, True])
async def test_the_end_of_a_body_is_not_waited_for(host, client, chunked, monkeypatch):
    """The connection stays, and says nothing more: a stream that is held a quarter of a second longer is an eightieth of a product."""
    monkeypatch.setattr(wire, "HASTE_S", 30.0)
    url = host.put("/x", BODY, *[Reply(chunked=chunked)] * 2)
    with anyio.fail_after(10):
        for _ in range(2):
            await read(client, url, Taking())
    assert len({seen.port for seen in host.seen}) == 1


async def test_a_reader_that_is_cancelled_leaves_nobody_behind_who_takes(host, client):
    url = host.put("/x", BODY, Reply(after=CUT, then="stall"))
    came, may_go_on = anyio.Event(), threading.Event()
    ended = []

    def slowly(pieces):
        anyio.from_thread.run_sync(came.set)
        assert may_go_on.wait(10)
        ended.append(sum(map(len, pieces)))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read, client, url, slowly)
        await came.wait()
        tasks.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(may_go_on.set)
    assert len(ended) == 1, "what was being taken is taken to its end before the reader is gone"
    with anyio.fail_after(10):
        assert await poured_again(client, host.put("/y", BODY)) == BODY


async def poured_again(client, url):
    async with client.open("GET", url, large=True) as answer:
        return await poured(answer.pour)


async def test_a_reader_that_waits_for_a_silent_host_can_leave_at_once(host, client):
    url = host.put("/x", BODY, Reply(after=CUT, then="stall"))
    taking = Taking()
    with anyio.fail_after(5), anyio.CancelScope() as scope:
        async with client.open("GET", url, large=True) as answer, aclosing(answer.pour(taking)) as sizes:
            async for _ in sizes:
                if len(taking.body) == CUT:
                    scope.cancel()
    assert scope.cancelled_caught


async def test_who_fails_to_take_is_told_so(host, client):
    url = host.put("/x", BODY)

    def refuse(_pieces):
        raise RequestRefused("the disk's own", status=400)

    with pytest.raises(RequestRefused, match="the disk's own"):
        await read(client, url, refuse)


async def test_a_login_in_the_address_is_shown(host, client):
    host.put("/x", BODY)
    taking = Taking()
    await read(client, host.root.replace("http://", "http://me:p%40ss@") + "/x", taking)
    assert host.seen[0].headers["authorization"] == "Basic bWU6cEBzcw=="


async def test_an_address_that_cannot_be_sent_is_refused(host, client):
    with pytest.raises(RequestRefused, match=r"127\.0\.0\.1"):
        await read(client, f"{host.root}/a b", Taking())
