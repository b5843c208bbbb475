from __future__ import annotations

from types import SimpleNamespace

import pytest

from skyhaul import retry
from skyhaul.errors import (
    ConnectionLost,
    DiskFull,
    HostBusy,
    HostUnreachable,
    IntegrityError,
    LoginRefused,
    ObjectChanged,
    ObjectMissing,
    SkyhaulError,
)
from skyhaul.retry import RetryPolicy, is_transient

LOST = ConnectionLost("eodata: the connection broke")


@pytest.fixture
def slept(monkeypatch):
    """The waits, which take no time."""
    waits = []

    async def sleep(seconds):
        waits.append(seconds)

    monkeypatch.setattr(retry, "anyio", SimpleNamespace(sleep=sleep))
    return waits


class Script:
    """Fails as told, then gives its answer."""

    def __init__(self, *errors, answer="done"):
        self.errors = list(errors)
        self.answer = answer
        self.calls = 0

    async def __call__(self):
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return self.answer


@pytest.mark.parametrize(
    "error",
    [LOST, HostUnreachable("x", known=True), HostBusy("x", status=503), HostBusy("x", status=429)],
    ids=lambda error: error.kind,
)
async def test_what_may_pass_is_asked_for_again(slept, error):
    once = Script(error, error)
    assert await RetryPolicy().call(once) == "done"
    assert once.calls == 3


@pytest.mark.parametrize(
    "error",
    [
        ObjectMissing("x"),
        ObjectChanged("x"),
        LoginRefused("x"),
        IntegrityError("x"),
        DiskFull("x"),
        ValueError("a bug"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_what_will_not_pass_is_raised_at_once(slept, error):
    once = Script(error)
    with pytest.raises(type(error)) as raised:
        await RetryPolicy().call(once)
    assert raised.value is error
    assert (once.calls, slept) == (1, [])
    assert not is_transient(error)


async def test_patience_ends_and_the_last_failure_is_raised_as_it_is(slept):
    errors = [ConnectionLost(str(number)) for number in range(5)]
    once = Script(*errors)
    with pytest.raises(ConnectionLost) as raised:
        await RetryPolicy(attempts=5).call(once)
    assert raised.value is errors[-1]
    assert (once.calls, len(slept)) == (5, 4)


async def test_a_host_that_never_answered_is_given_up_soon(slept):
    once = Script(*[HostUnreachable("no-such-host", known=False)] * 20)
    with pytest.raises(HostUnreachable):
        await RetryPolicy(attempts=12, attempts_unknown=3).call(once)
    assert once.calls == 3


async def test_a_host_that_has_answered_is_waited_for(slept):
    once = Script(*[HostUnreachable("archive", known=True)] * 11)
    assert await RetryPolicy(attempts=12).call(once) == "done"


async def test_waits_double_up_to_their_limit_with_jitter(slept):
    policy = RetryPolicy(attempts=12, wait_initial_s=0.5, wait_max_s=60.0)
    await policy.call(Script(*[LOST] * 11))
    bases = [min(0.5 * 2**number, 60.0) for number in range(11)]
    assert all(base <= wait <= base + 0.5 for base, wait in zip(bases, slept, strict=True))
    assert len(set(slept)) == len(slept), "two clients that fail together do not come back together"


async def test_a_host_is_never_asked_sooner_than_it_wants(slept):
    await RetryPolicy().call(
        Script(HostBusy("x", status=429, retry_after_s=30.0), HostBusy("x", status=503, retry_after_s=0.0))
    )
    assert slept[0] == 30.0
    assert 0.5 <= slept[1] <= 1.5


async def test_each_repetition_is_told_with_its_wait(slept):
    told = []
    await RetryPolicy().call(
        Script(LOST, HostBusy("x", status=503)), lambda error, wait_s: told.append((error.kind, wait_s))
    )
    assert told == [("ConnectionLost", slept[0]), ("503", slept[1])]


async def test_the_last_failure_is_not_told_as_one_that_will_be_repeated(slept):
    told = []
    with pytest.raises(SkyhaulError):
        await RetryPolicy(attempts=2).call(Script(LOST, LOST), lambda *each: told.append(each))
    assert len(told) == 1


async def test_whatever_gives_an_awaitable_is_awaited_each_time(slept):
    once = Script(LOST)
    assert await RetryPolicy().call(lambda: once()) == "done"  # noqa: PLW0108 a lambda is what is tested
    assert once.calls == 2
