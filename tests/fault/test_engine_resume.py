"""A transfer ended anywhere and gone on with by another run: nothing is lost, nothing is joined that does not belong together."""

from __future__ import annotations

from dataclasses import replace

import anyio
import pytest

from skyhaul.model import ByteRange, Checksum, Failed, Verified
from support.engines import BATCH, BODY, CHUNKS, DIGEST, PART, SEAM, image, memory, run, small_world
from support.scripted import Strike, md5

pytestmark = pytest.mark.usefixtures("small_world")
__all__ = ["small_world"]

CHECKS = pytest.mark.parametrize("digest", [DIGEST, None], ids=["md5", "no digest"])


async def interrupted(destination, obj, at_bytes, *, connections=1):
    """A run that is cancelled when its source has sent so many bytes; what it has noted."""
    source = memory()
    with anyio.CancelScope() as scope:
        source.on_chunk = lambda sent: scope.cancel() if sent >= at_bytes else None
        async with run(destination, source, connections=connections) as lab:
            await lab.carry_out(obj)
    async with run(destination, source) as lab:
        assert not lab.staged(obj).exists()
        return (await lab.journal.known("p1")).objects[obj.path].spans


@CHECKS
@pytest.mark.parametrize("connections", [1, 4])
async def test_a_run_that_ends_anywhere_is_gone_on_with(tmp_path, digest, connections):
    obj = image(digest=digest)
    for chunk in range(1, CHUNKS - 3):
        destination = tmp_path / str(chunk)
        spans = await interrupted(destination, obj, 10 * chunk, connections=connections)
        source = memory()
        async with run(destination, source) as lab:
            outcome = await lab.carry_out(obj)
            assert isinstance(outcome, Verified), outcome
            assert lab.staged(obj).read_bytes() == BODY
            assert not lab.part(obj).exists()
            assert (await lab.journal.known("p1")).objects[obj.path].spans == ()
        there = sum(map(len, spans))
        seams = 0 if digest else 3 * SEAM
        assert there >= 10 * chunk - 2 * BATCH * connections - seams, "at most two batches of each stream are lost"
        assert source.sent_bytes <= len(BODY) - there + (0 if digest else SEAM * len(source.reads))


@CHECKS
async def test_a_run_that_ends_again_and_again_comes_to_its_end(tmp_path, digest):
    obj = image(digest=digest)
    sent = []
    for _ in range(40):
        source = memory()
        with anyio.CancelScope() as scope:
            source.on_chunk = lambda count, scope=scope: scope.cancel() if count >= 90 else None
            async with run(tmp_path, source) as lab:
                outcome = await lab.carry_out(obj)
                assert lab.staged(obj).read_bytes() == BODY
        sent.append(source.sent_bytes)
        if not scope.cancelled_caught:
            break
    assert isinstance(outcome, Verified)
    assert len(sent) < 20


async def test_a_flow_begins_where_the_earlier_run_ended(tmp_path):
    spans = await interrupted(tmp_path, image(), 150)
    async with run(tmp_path, memory()) as lab:
        await lab.carry_out(image())
        assert lab.events[0].offset == sum(map(len, spans)) > 0


# what may be gone on from


@pytest.mark.parametrize(
    "now",
    [
        image(etag="v2"),
        image(size=len(BODY) + 1, digest=None),
        image(etag=None, digest=None),
        image(ranges=False),
    ],
    ids=["another version", "another size", "no version and no digest", "no ranges"],
)
async def test_what_may_be_another_version_is_not_gone_on_from(tmp_path, now):
    await interrupted(tmp_path, image(digest=None), 150)
    body = BODY + b"?" * ((now.size or len(BODY)) - len(BODY))
    source = memory(body)
    source.etags = {} if now.etag is None else {"B04.jp2": now.etag}
    async with run(tmp_path, source) as lab:
        outcome = await lab.carry_out(now)
        assert isinstance(outcome, Verified), outcome
        assert lab.staged(now).read_bytes() == body
        assert sum(len(span) if span else len(body) for _, span in source.reads) >= len(body)


async def test_a_version_that_changes_between_runs_is_not_mixed_with_the_one_before(tmp_path):
    other = BODY[::-1]
    await interrupted(tmp_path, image(digest=None), 150)
    source = memory(other)
    source.etags = {"B04.jp2": "v2"}
    async with run(tmp_path, source) as lab:
        outcome = await lab.carry_out(image(digest=None, etag="v2"))
        assert isinstance(outcome, Verified)
        assert lab.staged(image()).read_bytes() == other


async def test_a_host_that_has_another_version_than_it_lists_is_noticed_at_once(tmp_path):
    other = BODY[::-1]
    await interrupted(tmp_path, image(digest=None), 150)
    source = memory(other)
    source.etags = {"B04.jp2": "v2"}
    async with run(tmp_path, source) as lab:
        outcome = await lab.carry_out(image(digest=None))
        assert isinstance(outcome, Verified)
        assert lab.staged(image()).read_bytes() == other
        assert lab.failed_attempts == ["ObjectChanged"]


# what happened to the disk meanwhile


@pytest.mark.parametrize("at", [0, 40, 99])
async def test_a_part_that_was_damaged_is_caught_and_fetched_again(tmp_path, at):
    spans = await interrupted(tmp_path, image(), 150)
    assert spans[0].stop > at
    async with run(tmp_path, memory()) as lab:
        part = bytearray(lab.part(image()).read_bytes())
        part[at] ^= 1
        lab.part(image()).write_bytes(part)
        outcome = await lab.carry_out(image())
        assert isinstance(outcome, Verified)
        assert lab.staged(image()).read_bytes() == BODY
        assert lab.failed_attempts == ["IntegrityError"]


async def test_damage_at_the_seam_is_caught_without_a_digest(tmp_path):
    [span] = await interrupted(tmp_path, image(digest=None), 70)
    async with run(tmp_path, memory()) as lab:
        part = bytearray(lab.part(image()).read_bytes())
        part[span.stop - 1] ^= 1
        lab.part(image()).write_bytes(part)
        assert isinstance(await lab.carry_out(image(digest=None)), Verified)
        assert lab.staged(image()).read_bytes() == BODY


@CHECKS
@pytest.mark.parametrize("length", [0, 1, 55, 100])
async def test_a_part_that_became_shorter_is_read_again_from_there(tmp_path, digest, length):
    obj = image(digest=digest)
    await interrupted(tmp_path, obj, 250)
    async with run(tmp_path, memory()) as lab:
        lab.part(obj).write_bytes(lab.part(obj).read_bytes()[:length])
        assert isinstance(await lab.carry_out(obj), Verified)
        assert lab.staged(obj).read_bytes() == BODY


async def test_spans_that_a_shorter_part_has_lost_do_not_come_back(tmp_path):
    """A hole left where a forgotten span was would be taken for its bytes by the run after the next."""
    obj = image(digest=None)
    far = ByteRange(start=300, stop=337)
    async with run(tmp_path, memory()) as lab:
        lab.part(obj).parent.mkdir(parents=True)
        lab.part(obj).write_bytes(BODY[:20])
        lab.journal.begun("p1", obj.path, size=obj.size, etag=obj.etag)
        lab.journal.span("p1", obj.path, ByteRange(start=0, stop=20))
        lab.journal.span("p1", obj.path, far)
    await interrupted(tmp_path, obj, 30)
    async with run(tmp_path, memory()) as lab:
        assert far not in (await lab.journal.known("p1")).objects[obj.path].spans


@CHECKS
@pytest.mark.parametrize("restarted", [False, True])
async def test_what_a_power_cut_may_have_spoilt_is_gone_on_from_if_a_digest_will_tell(tmp_path, digest, restarted):
    obj = image(digest=digest)
    await interrupted(tmp_path, obj, 250)
    if restarted:
        (tmp_path / ".skyhaul/lock").write_text("another start of the machine")
    for sent_bytes in (len(BODY) if restarted and digest is None else len(BODY) - 250, 0):
        async with run(tmp_path, memory()) as lab:
            assert isinstance(await lab.carry_out(obj), Verified)
            assert lab.source.sent_bytes <= sent_bytes + 128
            assert lab.source.sent_bytes >= sent_bytes


async def test_a_part_that_is_gone_is_fetched_again(tmp_path):
    await interrupted(tmp_path, image(), 250)
    async with run(tmp_path, memory()) as lab:
        lab.part(image()).unlink()
        assert isinstance(await lab.carry_out(image()), Verified)
        assert lab.source.sent_bytes == len(BODY)


@CHECKS
async def test_a_journal_that_is_gone_costs_the_part_and_nothing_else(tmp_path, digest):
    obj = image(digest=digest)
    await interrupted(tmp_path, obj, 250)
    for path in (tmp_path / ".skyhaul").glob("journal.db*"):
        path.unlink()
    async with run(tmp_path, memory()) as lab:
        assert isinstance(await lab.carry_out(obj), Verified)
        assert lab.staged(obj).read_bytes() == BODY
        assert lab.source.sent_bytes >= len(BODY)


# what is there already


async def finished(destination, obj, place):
    """A file that an earlier run brought, staged or under its final name."""
    async with run(destination, memory()) as lab:
        await lab.carry_out(obj)
        if place == "final":
            (destination / "p1").mkdir()
            lab.staged(obj).rename(destination / "p1" / obj.path)


PLACES = pytest.mark.parametrize("place", ["staged", "final"])


@PLACES
@CHECKS
async def test_a_file_that_the_journal_knows_is_not_fetched_again(tmp_path, digest, place):
    obj = image(digest=digest)
    await finished(tmp_path, obj, place)
    async with run(tmp_path, memory()) as lab:
        outcome = await lab.carry_out(obj)
        assert isinstance(outcome, Verified)
        assert (outcome.fetched, outcome.attempts, outcome.level) == (0, 0, "manifest" if digest else "length")
        assert lab.source.reads == []


@PLACES
async def test_a_file_that_the_journal_does_not_know_is_verified_again(tmp_path, place):
    await finished(tmp_path, image(), place)
    for path in (tmp_path / ".skyhaul").glob("journal.db*"):
        path.unlink()
    async with run(tmp_path, memory()) as lab:
        assert isinstance(await lab.carry_out(image()), Verified)
        assert lab.source.reads == []
        assert (await lab.journal.known("p1")).objects["B04.jp2"].level == "manifest"


@PLACES
@pytest.mark.parametrize("spoil", [lambda body: body[:-1], lambda body: body[:-1] + b"?"], ids=["short", "wrong"])
async def test_a_file_that_is_not_what_it_was_is_fetched_again(tmp_path, place, spoil):
    await finished(tmp_path, image(), place)
    async with run(tmp_path, memory()) as lab:
        lab.journal.forget("p1", "B04.jp2")
        path = lab.staged(image()) if place == "staged" else tmp_path / "p1" / "B04.jp2"
        path.write_bytes(spoil(BODY))
        assert isinstance(await lab.carry_out(image()), Verified)
        assert lab.staged(image()).read_bytes() == BODY


async def test_a_staged_file_that_a_power_cut_emptied_is_fetched_again(tmp_path):
    await finished(tmp_path, image(), "staged")
    async with run(tmp_path, memory()) as lab:
        lab.staged(image()).write_bytes(bytes(len(BODY)))
        assert isinstance(await lab.carry_out(image()), Verified)
        assert lab.staged(image()).read_bytes() == BODY


async def test_a_file_of_another_version_is_verified_before_it_is_believed(tmp_path):
    await finished(tmp_path, image(digest=None), "final")
    async with run(tmp_path, memory()) as lab:
        outcome = await lab.carry_out(image(digest=DIGEST, etag="v2"))
        assert isinstance(outcome, Verified)
        assert lab.source.reads == []
    other = Checksum(algorithm="MD5", value=md5(BODY[::-1]), origin="manifest")
    source = memory(BODY[::-1])
    source.etags = {"B04.jp2": "v3"}
    async with run(tmp_path, source) as lab:
        outcome = await lab.carry_out(image(digest=other, etag="v3"))
        assert isinstance(outcome, Verified)
        assert lab.staged(image()).read_bytes() == BODY[::-1]


async def test_a_file_whose_digest_was_corrected_is_verified_again(tmp_path):
    """A catalogue may state a digest late, or correct it: then nothing else tells that the file is another."""
    newer = BODY[::-1]
    await finished(tmp_path, image(etag=None), "final")
    obj = image(etag=None, digest=Checksum(algorithm="MD5", value=md5(newer), origin="catalogue"))
    async with run(tmp_path, memory(newer)) as lab:
        assert isinstance(await lab.carry_out(obj), Verified)
        assert lab.staged(obj).read_bytes() == newer


async def test_a_link_is_not_taken_for_a_file(tmp_path):
    await finished(tmp_path, image(), "final")
    async with run(tmp_path, memory()) as lab:
        final = tmp_path / "p1" / "B04.jp2"
        final.rename(tmp_path / "elsewhere")
        final.symlink_to(tmp_path / "elsewhere")
        assert isinstance(await lab.carry_out(image()), Verified)
        assert lab.source.sent_bytes == len(BODY)


async def test_a_failure_of_an_earlier_run_is_tried_again_at_most_once_each_run(tmp_path):
    wrong = memory(always=Strike(served=bytes(len(BODY))))
    for _ in range(3):
        wrong.sent_bytes = 0
        async with run(tmp_path, wrong) as lab:
            assert isinstance(await lab.carry_out(image()), Failed)
        assert wrong.sent_bytes <= 2 * len(BODY)


async def test_objects_of_two_products_do_not_meet(tmp_path):
    async with run(tmp_path, memory()) as lab:
        await lab.carry_out(image(), "p1")
        other = replace(image(), etag="v1")
        lab.source.bodies["B04.jp2"] = BODY[::-1]
        outcome = await lab.carry_out(replace(other, checksums=()), "p2")
        assert isinstance(outcome, Verified)
        assert lab.staged(other, "p1").read_bytes() == BODY
        assert lab.staged(other, "p2").read_bytes() == BODY[::-1]


def test_the_world_is_small_enough_to_be_struck_everywhere():
    assert BATCH < PART < len(BODY)
