from __future__ import annotations

from contextlib import asynccontextmanager

import pytest

from skyhaul.errors import ConnectionLost, HostBusy, HostUnreachable, LoginRefused, ObjectMissing, RemoteError
from skyhaul.model import ByteRange, RemoteObject
from skyhaul.protocols import Body
from skyhaul.sources.mirrors import Mirrored
from support.pouring import pouring

OBJ = RemoteObject(route="http", location="one", path="a.tif", mirrors=("two", "three"))
SPAN = ByteRange(start=0, stop=5)


async def nothing():
    return
    yield


class Hosts:
    """A source whose hosts fail as they are told."""

    route = "http"

    def __init__(self, **failures):
        self.failures = failures
        self.asked = []
        self.open_now = 0

    @asynccontextmanager
    async def read(self, obj, span, *, etag, turn=None):
        self.asked.append((obj.location, span, etag))
        if error := self.failures.get(obj.location):
            raise error
        self.open_now += 1
        try:
            yield Body(ranged=True, total=5, etag=obj.location, pour=pouring(nothing()))
        finally:
            self.open_now -= 1


async def served(hosts, mirrored, obj=OBJ):
    async with mirrored.read(obj, SPAN, etag="v") as body:
        assert hosts.open_now == 1
    assert hosts.open_now == 0
    return body.etag


async def test_the_next_mirror_serves_what_the_first_does_not_have():
    hosts = Hosts(one=ObjectMissing("gone"), two=HostUnreachable("no such host", known=False))
    assert await served(hosts, Mirrored(hosts)) == "three"
    assert hosts.asked == [(name, SPAN, "v") for name in ("one", "two", "three")]


async def test_what_served_last_is_asked_first():
    hosts = Hosts(one=ObjectMissing("gone"))
    mirrored = Mirrored(hosts)
    await served(hosts, mirrored)
    hosts.asked.clear()
    assert await served(hosts, mirrored) == "two"
    assert [name for name, *_ in hosts.asked] == ["two"]
    hosts.failures = {"two": ConnectionLost("reset"), "three": ObjectMissing("gone")}
    hosts.asked.clear()
    assert await served(hosts, mirrored) == "one"
    assert [name for name, *_ in hosts.asked] == ["two", "three", "one"]


async def test_if_none_serves_one_that_may_later_is_worth_waiting_for():
    hosts = Hosts(one=ObjectMissing("gone"), two=HostBusy("later", status=503), three=ObjectMissing("gone too"))
    with pytest.raises(HostBusy):
        await served(hosts, Mirrored(hosts))
    hosts.failures["two"] = HostUnreachable("no such host", known=False)
    with pytest.raises(ObjectMissing, match=r"^gone$"):
        await served(hosts, Mirrored(hosts))


async def test_a_host_that_is_not_there_fails_its_files_alone():
    hosts = Hosts(one=HostUnreachable("one cannot be reached", known=False))
    plain = RemoteObject(route="http", location="one", path="a.tif")
    with pytest.raises(RemoteError, match="one cannot be reached") as failed:
        await served(hosts, Mirrored(hosts), plain)
    assert not failed.value.fatal
    assert not failed.value.transient


async def test_a_login_that_is_refused_is_refused_to_all():
    hosts = Hosts(one=LoginRefused("wrong password"))
    plain = RemoteObject(route="http", location="one", path="a.tif")
    with pytest.raises(LoginRefused):
        await served(hosts, Mirrored(hosts), plain)


async def test_what_breaks_off_midway_is_the_readers_to_ask_for_again():
    hosts = Hosts()
    mirrored = Mirrored(hosts)

    async def break_off():
        async with mirrored.read(OBJ, SPAN, etag=None):
            raise ConnectionLost("reset")

    with pytest.raises(ConnectionLost):
        await break_off()
    assert hosts.open_now == 0
    assert len(hosts.asked) == 1


async def test_an_object_without_mirrors_is_read_as_it_is():
    hosts = Hosts()
    plain = RemoteObject(route="http", location="one", path="a.tif")
    assert await served(hosts, Mirrored(hosts), plain) == "one"
