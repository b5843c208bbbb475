"""Objects without a digest, uploaded in parts: where their ETag can be made again the bytes are proved, else nothing is known."""

from __future__ import annotations

import hashlib

import anyio
import pytest

from skyhaul.model import Verified
from skyhaul.transfer import checksum, engine
from support.engines import BODY, CHUNKS, image, memory, run, small_world
from support.scripted import Strike

pytestmark = pytest.mark.usefixtures("small_world", "small_parts")
__all__ = ["small_world"]

UPLOADED_BYTES = 128


@pytest.fixture
def small_parts(monkeypatch):
    """Objects are uploaded in parts of a few bytes."""
    monkeypatch.setattr(checksum, "_MIB", 1)


def etag_of(part_bytes, body=BODY):
    parts = [hashlib.md5(body[at : at + part_bytes]).digest() for at in range(0, len(body), part_bytes)]
    return f"{hashlib.md5(b''.join(parts)).hexdigest()}-{len(parts)}"


def parted(part_bytes=UPLOADED_BYTES):
    return image(digest=None, etag=etag_of(part_bytes))


def source_of(obj, **more):
    source = memory(**more)
    source.etags = {obj.path: obj.etag}
    return source


async def settled(destination, obj, source, connections=1):
    """The level that the object reaches, and that the journal has."""
    async with run(destination, source, connections=connections) as lab:
        outcome = await lab.carry_out(obj)
        assert isinstance(outcome, Verified), outcome
        await lab.journal.flush()
        assert (await lab.journal.known("p1")).objects[obj.path].level == outcome.level
        return outcome.level, lab.staged(obj).read_bytes()


@pytest.mark.parametrize("connections", [1, 4])
@pytest.mark.parametrize("part_bytes", [UPLOADED_BYTES, 100, 64, 500])
async def test_parts_prove_the_bytes(tmp_path, part_bytes, connections):
    obj = parted(part_bytes)
    assert await settled(tmp_path, obj, source_of(obj), connections) == ("etag", BODY)


async def test_a_small_object_is_proved_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "SMALL_BYTES", len(BODY))
    obj = parted()
    assert await settled(tmp_path, obj, source_of(obj)) == ("etag", BODY)


@pytest.mark.parametrize("small_bytes", [engine.SMALL_BYTES, 20])
async def test_a_flipped_byte_is_not_proved(tmp_path, monkeypatch, small_bytes):
    monkeypatch.setattr(engine, "SMALL_BYTES", small_bytes)
    obj, wrong = parted(), BODY[:-1] + bytes([BODY[-1] ^ 1])
    level, body = await settled(tmp_path, obj, source_of(obj, always=Strike(served=wrong)))
    assert (level, body) == ("length", wrong)


async def test_parts_of_a_size_that_nobody_uses_prove_nothing(tmp_path):
    obj = parted(97)
    assert await settled(tmp_path, obj, source_of(obj)) == ("length", BODY)


@pytest.mark.parametrize("connections", [1, 4])
async def test_what_an_earlier_run_brought_is_proved_with_the_rest(tmp_path, connections):
    obj = parted()
    for chunk in range(1, CHUNKS - 3, 4):
        source = source_of(obj)
        with anyio.CancelScope() as scope:
            source.on_chunk = lambda sent, stop=10 * chunk, scope=scope: scope.cancel() if sent >= stop else None
            async with run(tmp_path / str(chunk), source, connections=connections) as lab:
                await lab.carry_out(obj)
        assert await settled(tmp_path / str(chunk), obj, source_of(obj), connections) == ("etag", BODY)


async def test_what_was_damaged_between_runs_is_not_proved(tmp_path):
    obj, source = parted(), source_of(parted())
    with anyio.CancelScope() as scope:
        source.on_chunk = lambda sent: scope.cancel() if sent >= 150 else None
        async with run(tmp_path, source) as lab:
            await lab.carry_out(obj)
    part = bytearray(lab.part(obj).read_bytes())
    part[10] ^= 1
    lab.part(obj).write_bytes(part)
    level, body = await settled(tmp_path, obj, source_of(obj))
    assert level == "length"
    assert body != BODY


async def test_what_is_proved_stays_so_in_later_runs(tmp_path):
    obj = parted()
    await settled(tmp_path, obj, source_of(obj))
    source = source_of(obj)
    assert await settled(tmp_path, obj, source) == ("etag", BODY)
    assert source.reads == []
