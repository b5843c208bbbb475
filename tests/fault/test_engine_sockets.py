"""The engine against a host on loopback that misbehaves on the wire."""

from __future__ import annotations

import random

import anyio
import pytest

from skyhaul import bearable, limits
from skyhaul.model import Checksum, Failed, RemoteObject, Verified
from skyhaul.sources import http, ranged, wire
from skyhaul.sources.ranged import RangedSource
from skyhaul.transfer import engine, fetch
from support.engines import run
from support.scripted import Reply, busy, md5, redirect, scripted

pytestmark = pytest.mark.usefixtures("no_proxies")

BODY = random.Random(5).randbytes(700_000)
PART = 200_000
PAGE = Reply(status=200, headers={"Content-Type": "text/html"}, body=b"<html>please log in</html>")


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(wire, "BATCH_BYTES", 30_000)
    for module in (engine, ranged):
        monkeypatch.setattr(module, "SMALL_BYTES", 30_000)
    monkeypatch.setattr(fetch, "PART_BYTES", PART)
    monkeypatch.setattr(fetch, "SEAM_BYTES", 5_000)
    monkeypatch.setattr(fetch, "PROGRESS_BYTES", 40_000)
    monkeypatch.setattr(limits, "COOL_FIRST_S", 0.0)
    monkeypatch.setattr(bearable, "REST_MAX_S", 0.0)


@pytest.fixture
async def host():
    async with scripted() as host:
        yield host


DIGEST = Checksum(algorithm="MD5", value=md5(BODY), origin="manifest")


def image(url, **more):
    given = {"route": "s3", "size": len(BODY), "etag": "v1", "checksums": (DIGEST,)}
    return RemoteObject(location=url, path="B04.jp2", **(given | more))


async def carried_out(destination, obj, *, connections=2):
    """The outcome over real sockets, and what is on disk."""
    async with http.opened(stall_s=0.3) as client:
        source = RangedSource(client, route=obj.route)
        async with run(destination, source, connections=connections) as lab:
            with anyio.fail_after(20):
                outcome = await lab.carry_out(obj)
            assert not lab.meter.flows
            assert not lab.meter.streams
            found = lab.staged(obj).read_bytes() if lab.staged(obj).exists() else None
    return outcome, found


FAULTS = {
    "reset before headers": Reply(then="reset"),
    "reset after headers": Reply(after=0, then="reset"),
    "reset in the body": Reply(after=77_777, then="reset"),
    "cut short": Reply(after=77_777),
    "cut chunks": Reply(after=77_777, chunked=True),
    "stall": Reply(after=77_777, then="stall"),
    "silence": Reply(after=0, then="stall"),
    "busy": busy(429),
    "gateway": busy(502),
    "page": PAGE,
    "wrong range": Reply(headers={"Content-Range": f"bytes 0-9/{len(BODY)}"}),
    "no ranges": Reply(ranges=False),
    "chunked": Reply(chunked=True),
    "another size": Reply(status=200, body=BODY + b"?"),
    "wrong bytes": Reply(status=206, body=bytes(PART), headers={"Content-Range": f"bytes 0-{PART - 1}/{len(BODY)}"}),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("after", [0, 2])
async def test_a_fault_on_the_wire_is_survived(tmp_path, host, small_parts, fault, after):
    times = 1 if fault in {"another size", "wrong bytes"} else 2  # what is wrong with the object itself is borne once
    obj = image(host.put("/B04.jp2", BODY, *[Reply()] * after, *[FAULTS[fault]] * times, etag="v1"))
    outcome, found = await carried_out(tmp_path, obj)
    assert isinstance(outcome, Verified), outcome
    assert found == BODY


@pytest.mark.parametrize("fault", [name for name in FAULTS if name not in {"no ranges", "chunked"}])
async def test_a_whole_object_survives_the_same(tmp_path, host, small_parts, fault):
    obj = image(host.put("/P.zip", BODY, FAULTS[fault]), size=None, etag=None, ranges=False, archive=True, route="http")
    outcome, found = await carried_out(tmp_path, obj)
    assert isinstance(outcome, Verified), outcome
    assert found == BODY


async def test_a_version_that_changes_between_two_parts_is_never_joined(tmp_path, host, small_parts):
    other = BODY[::-1]
    url = host.put("/B04.jp2", BODY, Reply(), Reply(), Reply(after=50_000, then="reset"), etag="v1")

    class Changing(list):
        def pop(self, index):
            reply = super().pop(index)
            if not self:
                host.replace("/B04.jp2", other, "v2")
            return reply

    host.things["/B04.jp2"].script = Changing(host.things["/B04.jp2"].script)
    outcome, found = await carried_out(tmp_path, image(url, checksums=()), connections=1)
    assert isinstance(outcome, Verified), outcome
    assert found == other
    assert any(seen.headers.get("if-match") == '"v1"' for seen in host.seen)


async def test_a_redirect_is_followed_for_every_part(tmp_path, host, small_parts):
    host.put("/real", BODY, etag="v1")
    obj = image(host.put("/B04.jp2", b"", *[redirect("/real", 307)] * 30))
    outcome, found = await carried_out(tmp_path, obj)
    assert isinstance(outcome, Verified)
    assert found == BODY


async def test_a_host_that_only_ever_has_a_page_is_a_failure_of_its_own(tmp_path, host, small_parts):
    obj = image(host.put("/B04.jp2", BODY, *[PAGE] * 50, etag="v1"))
    outcome, found = await carried_out(tmp_path, obj)
    assert isinstance(outcome, Failed)
    assert (outcome.kind, found) == ("ConnectionLost", None)
    assert "text/html" in outcome.error
