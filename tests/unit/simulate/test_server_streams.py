"""Streams over real connections: slots, aborted clients, the pace, and faults in the middle of a body."""

from __future__ import annotations

import aiohttp
import anyio
import pytest

from skyhaul.simulate import s3
from skyhaul.simulate.faults import Fault, FaultKind
from skyhaul.simulate.s3 import spoilt_list
from support.fake_world import FakeWorld, sentinel_2
from support.serving import Client, served

pytestmark = pytest.mark.anyio


def large() -> FakeWorld:
    """Zips that no kernel buffer swallows."""
    return FakeWorld([sentinel_2(0)], zip_bytes=50_000_000)


async def test_a_client_that_has_the_end_may_ask_again_at_once():
    async with served(connections=1) as client:
        for _ in range(100):
            async with client.s3(client.image()) as response:
                assert response.status == 200
                await response.read()
        assert client.service.stats()["refused"] == 0


async def test_one_account_for_all_protocols():
    async with served(large(), connections=2) as client, client.zip() as one, client.zip() as two:
        assert (one.status, two.status) == (200, 200)
        async with client.zip() as refused:
            assert refused.status == 429
            assert (await refused.json())["message"] == "Max session number 2 exceeded."
        async with client.s3(client.image()) as refused:
            assert refused.status == 503
            assert "<Code>SlowDown</Code>" in await refused.text()
        assert (client.service.stats()["streams"], client.service.stats()["refused"]) == (2, 2)


async def test_an_aborted_client_leaves_its_slot():
    async with served(large(), connections=1, refuse_or_queue="queue") as client:
        async with client.zip() as response:
            await response.content.readany()
            response.close()
        with anyio.fail_after(10):
            async with client.s3(client.image()) as response:
                assert len(await response.read()) == client.world.file_bytes
        assert client.service.stats()["aborted"] == 1


@pytest.mark.parametrize(
    "settings",
    [
        {"latency_s": 3600.0},
        {"faults": (Fault(kind=FaultKind.STALL, at_bytes=1, times=1),)},
        {"faults": (Fault(kind=FaultKind.SILENCE, times=1),)},
    ],
    ids=["before the first byte", "in a stall", "unanswered"],
)
async def test_a_client_that_gives_up_waiting_leaves_its_slot(settings):
    async with served(large(), connections=1, refuse_or_queue="queue", **settings) as client:
        with pytest.raises(TimeoutError):
            async with client.zip(timeout=aiohttp.ClientTimeout(total=0.05)) as response:
                await response.read()
        client.service.account.use(type(client.service.scenario)(connections=1, refuse_or_queue="queue"))
        with anyio.fail_after(10):
            async with client.s3(client.image()) as response:
                assert len(await response.read()) == client.world.file_bytes


async def test_a_client_that_leaves_the_queue_is_forgotten():
    async with served(large(), connections=1, refuse_or_queue="queue") as client:
        async with client.zip():
            with pytest.raises(TimeoutError):
                async with client.zip(timeout=aiohttp.ClientTimeout(total=0.05)):
                    pass
        with anyio.fail_after(10):
            async with client.s3(client.image()) as response:
                await response.read()
        assert client.service.stats()["queued"] >= 1
        assert client.service.stats()["streams"] == 0


async def test_slots_are_released_late_when_told_so():
    async with served(connections=1, release_delay_s=3600.0) as client:
        async with client.s3(client.image()) as response:
            await response.read()
        async with client.s3(client.image()) as response:
            assert response.status == 503
        assert (client.service.stats()["streams"], client.service.stats()["slots_held"]) == (0, 1)


@pytest.mark.parametrize(("counted", "refused"), [(True, 1), (False, 0)])
async def test_whether_waiting_for_the_first_byte_is_a_stream(counted, refused):
    async with served(connections=1, latency_s=0.05, count_waiting=counted) as client:

        async def get() -> None:
            async with client.s3(client.image(5)) as response:
                await response.read()

        client.world.file_bytes = 0  # over as soon as it begins
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(get)
            tasks.start_soon(get)
        assert client.service.stats()["refused"] == refused


async def test_what_a_listing_takes_to_make_is_part_of_its_latency(monkeypatch):
    order = []

    async def due(_latency_s):
        order.append("due")

    monkeypatch.setattr(s3, "first_byte_due", due)
    monkeypatch.setattr(s3, "spoilt_list", lambda *told: order.append("made") or spoilt_list(*told))
    async with served() as client, client.s3("", {"list-type": "2"}) as response:
        assert "ListBucketResult" in await response.text()
    assert order == ["made", "due"]


async def test_a_stream_is_never_ahead_of_its_rate():
    async with served(bytes_per_s_per_connection=1_000_000) as client:
        started = anyio.current_time()
        async with client.s3(client.image()) as response:
            await response.read()
        assert anyio.current_time() - started >= client.world.file_bytes / 1_000_000 - 0.001


async def body_of(client: Client) -> bytes:
    async with client.s3(client.image()) as response:
        return await response.read()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        # The client asks a second time by itself when a kept connection ends before the headers.
        (Fault(kind=FaultKind.RESET, times=2), aiohttp.ClientConnectionError),
        (Fault(kind=FaultKind.SILENCE, seconds=0, times=2), aiohttp.ClientConnectionError),
        (Fault(kind=FaultKind.CUT, times=1, at_bytes=70_000), (aiohttp.ClientPayloadError, aiohttp.ClientOSError)),
        (Fault(kind=FaultKind.TRUNCATE, times=1), aiohttp.ClientPayloadError),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else "",
)
async def test_broken_connections(fault, error):
    async with served(faults=(fault,)) as client:
        with pytest.raises(error):
            await body_of(client)
        assert len(await body_of(client)) == client.world.file_bytes
        assert client.service.stats()["slots_held"] == 0
        assert client.service.stats()["faults"] == {fault.kind.value: fault.times}


async def received_of(client: Client, chunks: list[bytes]) -> None:
    async with client.s3(client.image()) as response:
        assert response.headers["Content-Length"] == "100000"
        while chunk := await response.content.readany():
            chunks.append(chunk)


async def test_a_body_cut_by_reset_arrives_up_to_the_cut():
    async with served(faults=(Fault(kind=FaultKind.CUT, at_bytes=70_000),)) as client:
        chunks: list[bytes] = []
        with pytest.raises(aiohttp.ClientError):
            await received_of(client, chunks)
        assert sum(map(len, chunks)) == 70_000


async def test_a_flipped_byte_and_a_stall_leave_the_length():
    faults = (
        Fault(kind=FaultKind.FLIP, nth=2, at_bytes=12_345),
        Fault(kind=FaultKind.STALL, nth=3, seconds=0.01),
    )
    async with served(faults=faults) as client:
        good, flipped, stalled = [await body_of(client) for _ in range(3)]
        assert [at for at, (one, other) in enumerate(zip(good, flipped, strict=True)) if one != other] == [12_345]
        assert stalled == good


async def test_what_can_stand_in_place_of_an_answer():
    faults = (
        Fault(kind=FaultKind.STATUS, nth=1, retry_after="7"),
        Fault(kind=FaultKind.ERROR_PAGE, nth=2, body="html"),
        Fault(kind=FaultKind.REDIRECT_LOOP, nth=3),
        Fault(kind=FaultKind.SLOW, nth=4, seconds=0.01),
    )
    async with served(faults=faults) as client:
        async with client.zip() as response:
            assert (response.status, response.headers["Retry-After"]) == (503, "7")
            assert "trace-id" in await response.json()
        async with client.zip() as response:
            assert (response.status, response.content_type) == (200, "text/html")
        async with client.zip(allow_redirects=False) as response:
            assert (response.status, response.headers["Location"]) == (302, response.url.raw_path)
        async with client.zip() as response:
            assert len(await response.read()) == client.world.zip_bytes


async def test_an_empty_object_is_a_stream_that_ends_at_once():
    async with served(FakeWorld([sentinel_2(0)], file_bytes=0), connections=1) as client:
        assert [await body_of(client) for _ in range(3)] == [b"", b"", b""]
