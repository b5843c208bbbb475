"""Every fault at every chunk of a transfer: the file is right, or it is not there."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from types import SimpleNamespace

import anyio
import pytest
from anyio.lowlevel import checkpoint

from skyhaul import retry
from skyhaul.errors import (
    AccessDenied,
    ConnectionLost,
    HostBusy,
    HostUnreachable,
    LoginRefused,
    ObjectChanged,
    ObjectMissing,
    RequestRefused,
    TokenRefused,
)
from skyhaul.events import AttemptFailed, Flow, TransferFinished, TransferStarted
from skyhaul.model import ByteRange, Checksum, Failed, Verified
from skyhaul.transfer import engine, fetch
from support.engines import BATCH, BODY, CHUNKS, DIGEST, PART, SEAM, image, memory, run, small_world
from support.scripted import MemorySource, Strike, md5

pytestmark = pytest.mark.usefixtures("small_world")
__all__ = ["small_world"]

LOST = partial(ConnectionLost, "eodata: the connection broke")
BUSY = partial(HostBusy, "Max session number 4 exceeded.", status=429)
WRONG = bytes(len(BODY))
CHECKS = pytest.mark.parametrize("digest", [DIGEST, None], ids=["md5", "no digest"])
CONNECTIONS = pytest.mark.parametrize("connections", [1, 4])


def kept(lab, obj, outcome, product="p1"):
    """The outcome is the file, and nothing of the way there is left."""
    assert isinstance(outcome, Verified), outcome
    assert lab.staged(obj, product).read_bytes() == BODY
    assert not lab.part(obj, product).exists()
    assert lab.idle
    return True


# one fault, anywhere

FAULTS = {
    "reset": lambda after: Strike(error=LOST, after=after),
    "cut short": lambda after: Strike(after=after),
    "busy": lambda _: Strike(error=BUSY),
    "too much": lambda _: Strike(beyond=b"and more than was asked for"),
    "wrong bytes": lambda after: Strike(served=WRONG) if after else Strike(),
    "another size": lambda _: Strike(served=BODY + b"?"),
}


CASES = [
    pytest.param(FAULTS[name], digest, id=f"{name}-{'md5' if digest else 'no digest'}")
    for name in FAULTS
    for digest in (DIGEST, None)
    if digest or name != "wrong bytes"  # which nobody can tell without a digest
]


@CONNECTIONS
@pytest.mark.parametrize(("fault", "digest"), CASES)
async def test_one_fault_is_survived_wherever_it_strikes(tmp_path, fault, digest, connections):
    obj = image(digest=digest)
    async with run(tmp_path, memory(), connections=connections) as lab:
        for read in range(4):
            for after in range(0, PART // 10 + 1, 3):
                product = f"{read}-{after}"
                lab.source.strikes = [*[None] * read, fault(after)]
                lab.source.sent_bytes = 0
                outcome = await lab.carry_out(obj, product)
                assert kept(lab, obj, outcome, product)
                assert outcome.level == ("manifest" if digest else "length")
                known = (await lab.journal.known(product)).objects[obj.path]
                assert (known.level, known.spans) == (outcome.level, ())


@CONNECTIONS
@CHECKS
async def test_what_has_arrived_is_not_asked_for_again(tmp_path, digest, connections):
    obj = image(digest=digest)
    async with run(tmp_path, memory(), connections=connections) as lab:
        for after in range(PART // 10):
            lab.source.strikes = [Strike(error=LOST, after=after)] * 3
            lab.source.sent_bytes = 0
            outcome = await lab.carry_out(obj, str(after))
            assert kept(lab, obj, outcome, str(after))
            reads = len(lab.source.reads)
            lab.source.reads.clear()
            assert lab.source.sent_bytes <= len(BODY) + (0 if digest else reads * SEAM)


@CONNECTIONS
async def test_a_transfer_that_breaks_again_and_again_gets_on(tmp_path, connections):
    """Every answer breaks after five chunks: more often than patience allows, but each brought something."""
    async with run(tmp_path, memory(always=Strike(error=LOST, after=5)), connections=connections) as lab:
        outcome = await lab.carry_out(image())
        assert kept(lab, image(), outcome)
        assert outcome.attempts >= 7
        assert outcome.fetched == len(BODY)


# faults that do not pass

LASTING = {
    "lost": (LOST, "ConnectionLost", False, 1),
    "unreachable": (partial(HostUnreachable, "eodata cannot be reached", known=True), "HostUnreachable", False, 1),
    "busy": (BUSY, "429", False, 1),
    "missing": (partial(ObjectMissing, "404"), "ObjectMissing", False, 1),
    "refused": (partial(RequestRefused, "400", status=400), "RequestRefused", False, 1),
    "denied": (partial(AccessDenied, "403"), "AccessDenied", False, 5),
    "token": (partial(TokenRefused, "401"), "TokenRefused", False, 5),
    "keys": (partial(LoginRefused, "403: InvalidAccessKeyId"), "LoginRefused", True, 5),
    "changed": (partial(ObjectChanged, "412"), "ObjectChanged", False, 1),
}


@CONNECTIONS
@pytest.mark.parametrize("lasting", LASTING.values(), ids=LASTING)
@pytest.mark.parametrize("from_read", [0, 2])
async def test_a_lasting_fault_is_a_failure_and_what_is_there_is_used_when_it_has_passed(
    tmp_path, lasting, from_read, connections
):
    error, kind, fatal, exit_code = lasting
    obj = image()
    source = memory(strikes=[None] * from_read, always=Strike(error=error))
    async with run(tmp_path, source, connections=connections) as lab:
        outcome = await lab.carry_out(obj)
        assert isinstance(outcome, Failed)
        assert (outcome.kind, outcome.fatal, outcome.exit_code) == (kind, fatal, exit_code)
        assert not lab.staged(obj).exists()
        assert lab.idle
    source.always = Strike()
    source.sent_bytes = 0
    async with run(tmp_path, source) as lab:
        assert kept(lab, obj, await lab.carry_out(obj))
        if from_read and connections == 1 and kind != "ObjectChanged":
            assert source.sent_bytes == len(BODY) - from_read * PART


async def test_patience_ends_when_nothing_comes(tmp_path):
    async with run(tmp_path, memory(always=Strike(error=LOST, after=1))) as lab:
        outcome = await lab.carry_out(image())
        assert isinstance(outcome, Failed)
        assert len(lab.source.reads) == 5


async def test_a_bug_is_no_failure_but_comes_out(tmp_path):
    source = memory(always=Strike(error=partial(ZeroDivisionError, "a bug"), after=2))
    with pytest.raises(ExceptionGroup) as group:
        async with run(tmp_path, source) as lab:
            await lab.carry_out(image())
    assert group.group_contains(ZeroDivisionError)


# wrong bytes


@CONNECTIONS
async def test_wrong_bytes_that_stay_wrong_never_get_a_name(tmp_path, connections):
    obj = image()
    source = memory(always=Strike(served=WRONG))
    async with run(tmp_path, source, connections=connections) as lab:
        outcome = await lab.carry_out(obj)
        assert isinstance(outcome, Failed)
        assert (outcome.kind, outcome.fatal) == ("IntegrityError", False)
        assert DIGEST.value in outcome.error
        assert md5(WRONG) in outcome.error
        assert not lab.staged(obj).exists()
        assert lab.part(obj).read_bytes() == WRONG, "the evidence is kept"
        assert lab.source.sent_bytes == 2 * len(BODY), "fetched once more, and not for ever"
        assert "IntegrityError" in lab.failed_attempts
    source.always = Strike()
    async with run(tmp_path, source) as lab:
        assert kept(lab, obj, await lab.carry_out(obj))


async def test_a_digest_that_is_strongest_decides(tmp_path):
    wrong = Checksum(algorithm="BLAKE3", value="0" * 64)
    async with run(tmp_path, memory()) as lab:
        outcome = await lab.carry_out(image(checksums=(DIGEST, wrong)))
        assert isinstance(outcome, Failed)


# more, less, something else


@CONNECTIONS
@CHECKS
async def test_a_host_that_always_sends_too_much_is_never_believed(tmp_path, digest, connections):
    async with run(tmp_path, memory(always=Strike(beyond=b"?")), connections=connections) as lab:
        outcome = await lab.carry_out(image(digest=digest))
        assert isinstance(outcome, Failed)
        assert (outcome.kind, lab.staged(image()).exists()) == ("ConnectionLost", False)


@pytest.mark.parametrize("known_size", [True, False])
async def test_a_whole_answer_that_goes_on_and_on_is_cut_off(tmp_path, known_size):
    obj = image(ranges=False, size=len(BODY) if known_size else None)
    source = memory(always=Strike(beyond=bytes(100_000), unsized=known_size))
    async with run(tmp_path, source) as lab:
        outcome = await lab.carry_out(obj)
        assert isinstance(outcome, Failed)
        assert source.sent_bytes < 10 * len(BODY)


@CHECKS
@pytest.mark.parametrize("from_read", [0, 1, 2])
async def test_a_host_that_ignores_ranges_is_read_from_the_beginning(tmp_path, digest, from_read):
    obj = image(digest=digest)
    source = memory(strikes=[None] * from_read, always=Strike(ranges=False))
    async with run(tmp_path, source) as lab:
        assert kept(lab, obj, await lab.carry_out(obj))
        assert source.reads[-1] == (obj.path, None)


async def test_a_host_that_ignores_ranges_brings_nothing_twice_into_the_file(tmp_path):
    obj = image()
    source = memory(strikes=[None, Strike(error=LOST, after=2)], always=Strike(error=LOST))
    async with run(tmp_path, source) as lab:
        assert isinstance(await lab.carry_out(obj), Failed)
    source.always = Strike(ranges=False)
    async with run(tmp_path, source) as lab:
        assert kept(lab, obj, await lab.carry_out(obj))


@pytest.mark.parametrize("after", range(0, CHUNKS, 4))
async def test_a_whole_object_begins_anew_when_it_breaks(tmp_path, after):
    obj = image(ranges=False, size=None, etag=None)
    source = memory(strikes=[Strike(error=LOST, after=after), Strike(after=after)])
    async with run(tmp_path, source) as lab:
        outcome = await lab.carry_out(obj)
        assert kept(lab, obj, outcome)
        assert outcome.fetched == source.sent_bytes == lab.meter.received_bytes
        assert lab.meter.refetched_bytes == source.sent_bytes - len(BODY)


async def test_who_got_far_begins_anew_without_a_wait_once(tmp_path, monkeypatch):
    """At the end of a night nothing else is left to do meanwhile; but a host that breaks every body is left alone ever longer."""
    waits = []

    async def sleep(seconds):
        waits.append(seconds)

    monkeypatch.setattr(retry, "anyio", SimpleNamespace(sleep=sleep))
    far, near = Strike(error=LOST, after=2 * BATCH // 10 + 2), Strike(error=LOST, after=1)
    async with run(tmp_path, memory(strikes=[near, far, far])) as lab:
        assert kept(lab, image(), await lab.carry_out(image(ranges=False)))
        told = [event.wait_s for event in lab.events if isinstance(event, AttemptFailed)]
    assert len(told) == 3
    assert told[1] == 0.0
    assert waits == [told[0], told[2]]


@CHECKS
async def test_an_object_whose_size_nobody_knows(tmp_path, digest):
    obj = image(size=None, etag=None, digest=digest)
    async with run(tmp_path, memory(always=Strike(unsized=True))) as lab:
        outcome = await lab.carry_out(obj)
        assert kept(lab, obj, outcome)
        assert outcome.size == len(BODY)


async def test_an_empty_object_is_a_file(tmp_path):
    obj = image(size=0, digest=Checksum(algorithm="MD5", value=md5(b""), origin="etag"))
    async with run(tmp_path, memory(b"")) as lab:
        outcome = await lab.carry_out(obj)
        assert isinstance(outcome, Verified)
        assert lab.staged(obj).read_bytes() == b""
        assert lab.source.reads == []


# several parts


class Held(MemorySource):
    """Serves the first part of an object when all others are through."""

    @asynccontextmanager
    async def read(self, obj, span, *, etag, turn=None):
        if span.start == 0:
            while self.sent_bytes < obj.size - len(span):
                await checkpoint()
        async with super().read(obj, span, etag=etag, turn=turn) as body:
            yield body


async def test_parts_may_overtake_each_other(tmp_path):
    source = Held(bodies={"B04.jp2": BODY}, etags={"B04.jp2": "v1"})
    async with run(tmp_path, source, connections=4) as lab:
        with anyio.fail_after(10):
            assert kept(lab, image(), await lab.carry_out(image()))


@pytest.mark.parametrize("connections", [1, 2, 4])
async def test_one_object_uses_no_more_streams_than_the_account_has(tmp_path, connections):
    source = memory()
    async with run(tmp_path, source, connections=connections) as lab, anyio.create_task_group() as tasks:
        lab.allowance.grant(connections, alone=False)  # nothing is sent early: this source counts those that wait
        for number in range(6):
            tasks.start_soon(lab.carry_out, image(), f"p{number}")
    assert source.open_most <= connections


def part_lengths(source, path="B04.jp2"):
    return [len(span) for name, span in source.reads if name == path]


async def test_the_last_parts_of_an_object_that_is_alone_are_shorter_so_that_all_streams_end_together(tmp_path):
    source = memory()
    async with run(tmp_path, source, connections=4) as lab:
        assert kept(lab, image(), await lab.carry_out(image()))
    lengths = part_lengths(source)
    assert sum(lengths) == len(BODY)
    assert lengths[0] == len(BODY) // 8
    assert max(lengths[-4:]) <= PART // fetch.SHORTEST


async def test_parts_are_long_where_other_objects_have_the_streams(tmp_path):
    """Each request costs a wait, and what ends late is nobody's loss while others go on."""
    source = memory()
    async with run(tmp_path, source, connections=2) as lab:
        lab.meter.flows["p2", "B03.jp2"] = Flow(product="p2", path="B03.jp2", route="s3", size=len(BODY))
        outcome = await lab.carry_out(image())
        del lab.meter.flows["p2", "B03.jp2"]
        assert kept(lab, image(), outcome)
    assert sorted(part_lengths(source)) == [len(BODY) - 3 * PART, PART, PART, PART]


class Together(MemorySource):
    """Serves no part before four are asked for."""

    @asynccontextmanager
    async def read(self, obj, span, *, etag, turn=None):
        async with super().read(obj, span, etag=etag, turn=turn) as body:
            while self.open_most < 4:
                await checkpoint()
            yield body


@pytest.mark.parametrize("granted", [4, 1])
async def test_an_object_that_is_alone_gets_all_streams_also_those_that_others_had(tmp_path, granted):
    source = Together(bodies={"B04.jp2": BODY}, etags={"B04.jp2": "v1"})
    async with run(tmp_path, source, connections=4) as lab, anyio.create_task_group() as tasks:

        async def ledger():
            while True:
                await checkpoint()
                lab.allowance.grant(lab.allowance.wanted, alone=False)

        lab.allowance.grant(granted, alone=False)
        tasks.start_soon(ledger)
        with anyio.fail_after(10):
            assert kept(lab, image(), await lab.carry_out(image()))
        tasks.cancel_scope.cancel()


# versions


@CONNECTIONS
async def test_a_version_that_was_replaced_is_fetched_whole(tmp_path, connections):
    """The listing says v1, the host has v2 from some read on; both are of one size, and nothing but the version tells them apart."""
    other = BODY[::-1]
    for from_read in range(4):
        obj = image(digest=None)
        source = memory(strikes=[None] * from_read, always=Strike(served=other, etag="v2"))
        async with run(tmp_path / f"{from_read}-{connections}", source, connections=connections) as lab:
            outcome = await lab.carry_out(obj)
            assert isinstance(outcome, Verified), outcome
            assert lab.staged(obj).read_bytes() == other
            assert "ObjectChanged" in lab.failed_attempts


async def test_versions_that_come_and_go_are_never_joined(tmp_path):
    """After the change is noticed, another one follows in the middle of the object, and no seam gives it away."""
    versions = [
        bytes(number if at % PART == PART // 2 else byte for at, byte in enumerate(BODY)) for number in range(4)
    ]
    for change_after in range(1, 4):
        strikes = [Strike(served=versions[1], etag="v1"), Strike(served=versions[2], etag="v2")]
        strikes += [Strike(served=versions[2], etag="v2")] * change_after
        source = memory(strikes=strikes, always=Strike(served=versions[3], etag="v3"))
        async with run(tmp_path / str(change_after), source) as lab:
            outcome = await lab.carry_out(image(digest=None))
            if isinstance(outcome, Verified):
                assert lab.staged(image()).read_bytes() in versions
            else:
                assert not lab.staged(image()).exists()


async def test_a_new_version_has_to_be_what_the_manifest_states(tmp_path):
    source = memory(always=Strike(served=WRONG, etag="v2"))
    async with run(tmp_path, source) as lab:
        outcome = await lab.carry_out(image())
        assert isinstance(outcome, Failed)
        assert outcome.kind == "IntegrityError"
    source = memory(always=Strike(etag="v2"))
    async with run(tmp_path, source) as lab:
        assert kept(lab, image(), await lab.carry_out(image())), (
            "the same content under another version is what was wanted"
        )


async def test_a_new_version_of_another_size_is_taken_if_the_manifest_states_its_digest(tmp_path):
    longer = BODY + b"appended"
    obj = image(digest=Checksum(algorithm="MD5", value=md5(longer), origin="manifest"))
    async with run(tmp_path, memory(always=Strike(served=longer, etag="v2"))) as lab:
        outcome = await lab.carry_out(obj)
        assert isinstance(outcome, Verified)
        assert lab.staged(obj).read_bytes() == longer


# what is told


async def test_a_transfer_is_told_from_beginning_to_end(tmp_path):
    async with run(tmp_path, memory(strikes=[Strike(error=BUSY)])) as lab:
        outcome = await lab.carry_out(image())
        started, *_, finished = lab.events
        assert isinstance(started, TransferStarted)
        assert (started.product, started.path, started.size, started.offset) == ("p1.SAFE", "B04.jp2", len(BODY), 0)
        assert isinstance(finished, TransferFinished)
        assert (finished.bytes, finished.level) == (len(BODY), "manifest")
        assert lab.failed_attempts == ["429"]
        assert outcome.attempts == len(lab.source.reads) == 5
        assert lab.meter.received_bytes == outcome.fetched == len(BODY)


async def test_bytes_that_are_read_again_at_a_seam_are_counted(tmp_path):
    async with run(tmp_path, memory()) as lab:
        outcome = await lab.carry_out(image(digest=None))
        assert lab.source.sent_bytes == len(BODY) + 3 * SEAM
        assert outcome.fetched == lab.meter.received_bytes == lab.source.sent_bytes
        assert lab.meter.refetched_bytes == 3 * SEAM


async def test_a_seam_that_does_not_fit_is_another_object(tmp_path):
    strikes = [None, Strike(served=WRONG)]
    async with run(tmp_path, memory(strikes=strikes)) as lab:
        assert kept(lab, image(digest=None), await lab.carry_out(image(digest=None)))
        assert lab.failed_attempts == ["ObjectChanged"]


@CONNECTIONS
async def test_versions_that_nothing_pins_are_never_joined(tmp_path, connections):
    """No digest, no ETag: several parts under way at once are of one version, or the seams between them give them away."""
    other = BODY[::-1]
    for from_read in range(1, 4):
        source = memory(strikes=[None] * from_read, always=Strike(served=other))
        source.etags = {}
        obj = image(digest=None, etag=None)
        async with run(tmp_path / str(from_read), source, connections=connections) as lab:
            outcome = await lab.carry_out(obj)
            assert isinstance(outcome, Verified), outcome
            assert lab.staged(obj).read_bytes() == other
            assert lab.failed_attempts == ["ObjectChanged"]


async def test_a_small_object_that_no_digest_proves_begins_anew_when_it_breaks(tmp_path, monkeypatch):
    """What stands at the cut would not be looked at."""
    monkeypatch.setattr(engine, "SMALL_BYTES", len(BODY))
    source = memory(strikes=[Strike(error=LOST, after=5)])
    async with run(tmp_path, source) as lab:
        assert kept(lab, image(digest=None), await lab.carry_out(image(digest=None)))
        assert source.reads == [("B04.jp2", None)] * 2


async def test_spans_are_noted_as_they_reach_the_disk(tmp_path):
    source = memory(strikes=[Strike(error=LOST, after=5)], always=Strike(error=partial(ObjectMissing, "gone")))
    async with run(tmp_path, source) as lab:
        await lab.carry_out(image())
        assert (await lab.journal.known("p1")).objects["B04.jp2"].spans == (ByteRange(start=0, stop=50),)
        assert lab.part(image()).stat().st_size == 50
        assert 50 % BATCH != 0, "what came before the break is kept to the last chunk"
