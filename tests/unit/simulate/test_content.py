from __future__ import annotations

import hashlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyhaul.simulate.content import NOISE_BYTES, PART_BYTES, TAIL_BYTES, Inline, Loom, Ring, multipart_etag

LOOM = Loom.of(7)
SIZE = 3 * TAIL_BYTES + 17
CONTENTS = {
    "noise": LOOM.binary("slot", SIZE, "product/a", b"magic"),
    "digits": LOOM.text("page", SIZE, b"<a>", b"</a>"),
    "no larger than its tail": LOOM.binary("small", 100, "product/a"),
    "held": Inline(bytes(range(256)) * 8),
}


@pytest.fixture(params=CONTENTS, ids=str)
def content(request):
    return CONTENTS[request.param]


@given(data=st.data())
def test_a_span_is_the_same_read_at_once_or_in_two(data):
    content = data.draw(st.sampled_from(list(CONTENTS.values())))
    start, middle, stop = sorted(data.draw(st.tuples(*[st.integers(0, content.size)] * 3)))
    assert content.read(start, middle) + content.read(middle, stop) == content.read(start, stop)


def test_a_span_is_as_long_as_asked(content):
    assert len(content.read(0, content.size)) == content.size
    assert content.read(5, 5) == b""


def test_digests_are_those_of_the_bytes(content):
    body = content.read(0, content.size)
    assert content.digest("md5") == hashlib.md5(body).hexdigest()
    assert content.digest("sha3_256") == hashlib.sha3_256(body).hexdigest()
    assert content.crc32() == zlib.crc32(body)


def test_a_digest_leaves_the_shared_prefix_as_it_was():
    one, other = (LOOM.binary("shared", SIZE, key) for key in ("a", "b"))
    assert one.prefix is other.prefix
    assert one.digest("md5") != other.digest("md5")
    assert one.digest("md5") == hashlib.md5(one.read(0, SIZE)).hexdigest()


def test_products_differ_in_their_tails_and_slots_everywhere():
    one, other = (LOOM.binary("slot", SIZE, key) for key in ("a", "b"))
    elsewhere = LOOM.binary("another slot", SIZE, "a")
    assert one.read(0, SIZE - TAIL_BYTES) == other.read(0, SIZE - TAIL_BYTES)
    assert one.read(SIZE - TAIL_BYTES, SIZE) != other.read(SIZE - TAIL_BYTES, SIZE)
    assert one.read(0, 4096) != elsewhere.read(0, 4096)


def test_no_two_blocks_of_a_long_file_are_equal():
    content = LOOM.binary("long", 3 * NOISE_BYTES, "a")
    blocks = {content.read(start, start + 4096) for start in range(0, content.size - 4096, 65_536)}
    assert len(blocks) == len(range(0, content.size - 4096, 65_536))


def test_a_loom_of_the_same_seed_makes_the_same_bytes():
    again, different = (Loom.of(seed).binary("slot", SIZE, "product/a", b"magic") for seed in (7, 8))
    assert again.read(0, SIZE) == CONTENTS["noise"].read(0, SIZE)
    assert different.read(0, SIZE) != CONTENTS["noise"].read(0, SIZE)


def test_text_is_printable_between_its_ends():
    body = CONTENTS["digits"].read(0, SIZE)
    assert body.startswith(b"<a>")
    assert body.endswith(b"</a>")
    assert set(body[3:-4]) <= set(b"0123456789 \n")


def test_a_text_that_does_not_fit_makes_its_file_longer():
    assert LOOM.text("tiny", 4, b"<a>", b"</a>").read(0, 7) == b"<a></a>"


def test_a_ring_goes_on_where_it_began():
    ring = Ring(b"abc")
    assert ring.read(1, 9) == b"bcabcabc"
    assert b"".join(ring.pieces(1, 9)) == b"bcabcabc"


def test_the_etag_of_an_upload_in_parts_is_the_digest_of_their_digests():
    one = hashlib.md5(hashlib.md5(b"x").digest()).hexdigest()
    assert multipart_etag(Inline(b"x")) == f"{one}-1"
    assert multipart_etag(Inline(bytes(PART_BYTES + 1))).endswith("-2")
