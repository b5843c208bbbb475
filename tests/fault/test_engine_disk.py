"""The disk refuses at the n-th call, for every n and every call: the run stops or the file is right, and the next run brings it."""

from __future__ import annotations

import errno
import os
import threading

import pytest

from skyhaul.model import Failed, Verified
from skyhaul.transfer import sink
from support.engines import BODY, DIGEST, image, memory, run, small_world
from support.scripted import Strike

pytestmark = pytest.mark.usefixtures("small_world")
__all__ = ["small_world"]

CHECKS = pytest.mark.parametrize("digest", [DIGEST, None], ids=["md5", "no digest"])


class Refusing:
    """Puts itself in the place of a call, and refuses it the n-th time. Calls for other files pass."""

    def __init__(self, number, nth):
        self.number, self.nth = number, nth
        self.calls = 0
        self.lock = threading.Lock()

    def of(self, call):
        def refuse(*arguments, **named):
            with self.lock:
                self.calls += 1
                strike = self.calls == self.nth
            if strike:
                raise OSError(self.number, os.strerror(self.number))
            return call(*arguments, **named)

        return refuse

    @property
    def struck(self):
        return self.calls >= self.nth


def place(patch, where, refusing):
    owner = sink.Path if where in {"replace", "mkdir", "is_file", "stat"} else sink.os
    patch.setattr(owner, where, refusing.of(getattr(owner, where)))


CALLS = ["mkdir", "open", "fstat", "ftruncate", "pwritev", "pread", "replace"]
NUMBERS = pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS], ids=errno.errorcode.get)


@NUMBERS
@CHECKS
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("connections", [1, 4])
async def test_a_refusal_at_any_call_leaves_a_right_file_or_none(tmp_path, call, number, digest, connections):
    obj = image(digest=digest)
    struck = 0
    for nth in range(1, 60):
        refusing = Refusing(number, nth)
        source = memory(strikes=[Strike(after=3)])
        destination = tmp_path / str(nth)
        async with run(destination, source, connections=connections) as lab:
            if call == "ftruncate":
                left = lab.staged(obj).with_name("B04.jp2.part")
                left.parent.mkdir(parents=True)
                left.write_bytes(b"of a run whose journal is gone")
            with pytest.MonkeyPatch.context() as patch:
                place(patch, call, refusing)
                outcome = await lab.carry_out(obj)
            if refusing.struck:
                struck += 1
                assert isinstance(outcome, Failed), outcome
                assert (outcome.fatal, outcome.exit_code) == (True, 6)
                assert outcome.kind == ("DiskFull" if number == errno.ENOSPC else "SinkError")
                assert os.strerror(number) in outcome.error
                assert not lab.staged(obj).exists()
            else:
                assert isinstance(outcome, Verified)
            assert lab.idle
        async with run(destination, memory()) as lab:
            outcome = await lab.carry_out(obj)
            assert isinstance(outcome, Verified), outcome
            assert lab.staged(obj).read_bytes() == BODY
        if not refusing.struck:
            break
    assert nth == struck + 1, "until there was no n-th call any more"
    assert struck or (call, digest) == ("pread", DIGEST)


@pytest.mark.parametrize("call", ["is_file", "stat", "open"])
async def test_a_file_that_is_there_and_cannot_be_read_is_the_disks_failure(tmp_path, monkeypatch, call):
    async with run(tmp_path, memory()) as lab:
        await lab.carry_out(image())
        lab.journal.forget("p1", "B04.jp2")
        if call == "open":
            refusing = Refusing(errno.EIO, 1)
            monkeypatch.setattr(sink.Path, "open", refusing.of(sink.Path.open))
        else:
            place(monkeypatch, call, Refusing(errno.EIO, 1))
        outcome = await lab.carry_out(image())
        monkeypatch.undo()
        assert isinstance(outcome, Failed)
        assert (outcome.kind, outcome.fatal) == ("SinkError", True)


async def test_short_writes_are_no_failures(tmp_path, monkeypatch):
    pwritev = os.pwritev
    monkeypatch.setattr(sink.os, "pwritev", lambda fd, views, at: pwritev(fd, [views[0][:3]], at))
    async with run(tmp_path, memory(), connections=4) as lab:
        assert isinstance(await lab.carry_out(image()), Verified)
        assert lab.staged(image()).read_bytes() == BODY
