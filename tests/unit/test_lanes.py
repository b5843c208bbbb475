from __future__ import annotations

import pickle
import sys
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyhaul import lane
from skyhaul import lanes as laning
from skyhaul.archives import ProviderSettings
from skyhaul.credentials import Credentials
from skyhaul.errors import DiskFull, HostUnreachable, SkyhaulError
from skyhaul.events import AttemptFailed, Meter
from skyhaul.lanes import ONE_PROCESS_BYTES_PER_S, Ended, Lanes, Messages, begins, packed, processes
from skyhaul.model import Product
from skyhaul.pipeline import Stopped, unwrapped
from skyhaul.settings import DownloadSettings, load

SCRIPT = Path(__file__).parents[1] / "support" / "lane_script.py"
PRODUCTS = [Product(id=str(number), name=f"P{number}", provider="list") for number in range(40)]


def settings(tmp_path, **options):
    given = {"provider": "list", "into": str(tmp_path / "archive"), "connections": "5", **options}
    return load(given, environ={}, folder=tmp_path, user_file=tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("asked", "allowed", "cores", "connections", "found"),
    [
        (1, {}, 8, 16, 1),
        (3, {"archive": 20_000_000}, 1, 16, 3),
        (8, {}, 1, 4, 4),
        ("auto", {"archive": 20_000_000}, 8, 4, 1),
        ("auto", {"archive": ONE_PROCESS_BYTES_PER_S // 16 + 1}, 8, 16, 4),
        ("auto", {"user": ONE_PROCESS_BYTES_PER_S}, 8, 16, 1),
        ("auto", {}, 8, 16, 4),
        ("auto", {}, 2, 16, 1),
        ("auto", {}, 8, 5, 2),
        ("auto", {}, 8, 1, 1),
        ("auto", {}, 1, 16, 1),
    ],
)
def test_how_many_processes_a_run_takes(asked, allowed, cores, connections, found):
    archive = ProviderSettings(connections=connections, bytes_per_s_per_connection=allowed.get("archive"))
    download = DownloadSettings(into=Path("archive"), processes=asked, max_rate=allowed.get("user"))
    assert processes(download, archive, connections, cores=cores) == found


def test_without_a_ledger_each_has_its_part(tmp_path):
    given = settings(tmp_path, max_rate="10MB")
    archive = replace(given.provider, requests_per_minute=100)
    given = replace(given, providers={**given.providers, "list": archive})
    told = begins(2, given, Credentials(), None, 5)
    assert [each.streams for each in told] == [3, 2]
    assert [each.settings.download.connections for each in told] == [3, 2]
    assert [each.settings.download.max_rate for each in told] == [5_000_000] * 2
    assert [each.settings.provider.requests_per_minute for each in told] == [50, 50]
    assert {each.account for each in told} == {None}


def test_with_a_ledger_each_may_have_what_the_others_leave(tmp_path):
    told = begins(2, settings(tmp_path), Credentials(), "a", 5)
    assert [each.streams for each in told] == [3, 2]
    assert [each.settings.download.connections for each in told] == [5, 5]
    assert {each.account for each in told} == {"a"}
    assert {each.settings.download.processes for each in told} == {1}


def test_what_a_process_is_told_comes_as_it_was(tmp_path):
    given = load(
        {"provider": "cdse", "bbox": "1,2,3,4", "start": "2024-04-01", "season": "04-01..06-30", "into": "\udcff"},
        environ={"SKYHAUL_RULE": "platform=SENTINEL-2,cloud_max=20", "SKYHAUL_WHERE": "cloudCover 10..20"},
        folder=tmp_path,
        user_file=tmp_path / "none.toml",
    )
    (told,) = begins(1, given, Credentials(username="ada", password="secret"), "a", 4)
    again = pickle.loads(packed(told)[4:])
    assert again == told
    assert again.credentials.require_login() == ("ada", "secret")


@given(st.lists(st.text(max_size=300), max_size=8), st.lists(st.integers(1, 40), min_size=1), st.integers(0, 8))
async def test_messages_come_whole_however_they_are_cut(sent, cuts, heard_first):
    stream = b"".join(map(packed, sent))
    pieces = []
    while stream:
        cut = cuts[len(pieces) % len(cuts)]
        pieces.append(stream[:cut])
        stream = stream[cut:]

    async def receive():
        if not pieces:
            raise anyio.EndOfStream
        return pieces.pop(0)

    messages, heard = Messages(receive), []
    if heard_first:
        async for message in messages:
            heard.append(message)
            if len(heard) == heard_first:
                break
    heard += [message async for message in messages]
    assert heard == sent


@pytest.mark.parametrize("until_it_ends", range(4))
async def test_products_that_come_when_the_line_has_ended_are_let_be(until_it_ends):
    """A login that is refused ends a line while more products are on their way to it: that is no bug of ours."""
    stream = [packed(product) for product in PRODUCTS[:3]]
    send, line = anyio.create_memory_object_stream(10)

    async def receive():
        if len(stream) == 3 - until_it_ends:
            line.close()
        if not stream:
            raise anyio.EndOfStream
        return stream.pop(0)

    with send:
        await lane.handed_on(Messages(receive), send)
        assert send.statistics().current_buffer_used == until_it_ends
    line.close()


@pytest.mark.parametrize(
    ("kind", "raised"),
    [("DiskFull", DiskFull), ("HostUnreachable", HostUnreachable), ("Stopped", Stopped), ("KeyError", RuntimeError)],
)
def test_what_ended_a_process_is_raised_as_what_it_was(kind, raised):
    error = Ended(kind=kind, error="so it is", exit_code=7).raised()
    assert type(error) is raised
    assert str(error).endswith("so it is")
    assert raised is not Stopped or error.exit_code == 7


class Run:
    """Products through two processes that follow a script."""

    def __init__(self, told):
        self.meter, self.events, self.results = Meter(), [], []
        self.lanes = Lanes(told, lock_fd=2, meter=self.meter, emit=self.events.append, settle=self.settle)

    def settle(self, product, result):
        assert product.id == result.id
        self.results.append(result)

    async def run(self, count):
        send, receive = anyio.create_memory_object_stream[Product](count)
        with send:
            for product in PRODUCTS[:count]:
                send.send_nowait(product)
        with anyio.fail_after(60), unwrapped():
            await self.lanes.run(receive)

    def ends(self):
        return {result.id: result.state for result in self.results}


@pytest.fixture
def scripted(tmp_path, monkeypatch):
    told = begins(2, settings(tmp_path), Credentials(), None, 5)
    monkeypatch.chdir(tmp_path)

    def made(how):
        monkeypatch.setattr(laning, "COMMAND", (sys.executable, str(SCRIPT), how))
        return Run(told)

    return made


async def test_every_product_comes_to_one_of_them_and_they_are_shown_as_one(scripted):
    run = scripted("works")
    await run.run(40)
    assert run.ends() == dict.fromkeys(map(str, range(40)), "verified")
    assert len(run.results) == 40
    assert (run.meter.received_bytes, run.meter.streams, len(run.meter.requests)) == (200, 4, 2)


async def test_one_that_dies_is_replaced_and_what_it_had_is_done_again(scripted):
    run = scripted("dies once")
    await run.run(2)
    assert run.ends() == {"0": "verified", "1": "verified"}
    lost = [event for event in run.events if isinstance(event, AttemptFailed)]
    assert [event.error for event in lost] == ["it ended by signal 9"] * 2
    assert run.meter.received_bytes == 400, "what the dead received was received"
    assert run.meter.streams == 4


async def test_what_two_died_with_has_failed_by_name(scripted):
    run = scripted("dies")
    await run.run(3)
    assert run.ends() == dict.fromkeys("012", "failed")
    assert {(result.name, result.kind) for result in run.results} == {(f"P{n}", "ProcessLost") for n in range(3)}


@pytest.mark.parametrize(
    ("how", "raised", "said"),
    [
        ("disk full", DiskFull, "no space left on device"),
        ("stopped", Stopped, "far enough"),
        ("bug", ExceptionGroup, None),
    ],
)
async def test_what_ends_one_ends_the_run(scripted, how, raised, said):
    with pytest.raises(raised) as caught:
        await scripted(how).run(1)
    if said is None:
        assert caught.group_contains(RuntimeError, match="KeyError: 'what'")
    else:
        assert str(caught.value) == said


async def test_one_that_does_not_even_begin_is_not_tried_again(scripted, monkeypatch):
    run = scripted("works")
    monkeypatch.setattr(laning, "COMMAND", ("false",))
    with pytest.raises(SkyhaulError, match=r"ended before it began \(exit code 1\)"):
        await run.run(1)
