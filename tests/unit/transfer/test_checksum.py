from __future__ import annotations

import hashlib
import itertools

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from skyhaul.errors import IntegrityError
from skyhaul.model import Checksum
from skyhaul.transfer import checksum

MD5 = hashlib.md5(b"granule").hexdigest()
SHA3 = hashlib.sha3_256(b"granule").hexdigest()


def of(algorithm, origin="catalogue", value="00"):
    return Checksum(algorithm=algorithm, value=value, origin=origin)


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ([of("MD5"), of("BLAKE3")], of("BLAKE3")),  # the order in which CDSE states them
        ([of("MD5", "etag"), of("MD5", "manifest")], of("MD5", "manifest")),
        ([of("MD5", "etag"), of("SHA3-256", "manifest")], of("SHA3-256", "manifest")),
        ([of("CRC32C"), of("MD5", "etag")], of("MD5", "etag")),
        ([of("BLAKE3", value=""), of("MD5")], of("MD5")),  # some records hold an algorithm without a digest
        ([of("CRC32C")], None),
        ([], None),
    ],
    ids=lambda value: "+".join(f"{c.algorithm}.{c.origin}" for c in value) if isinstance(value, list) else "",
)
def test_the_strongest_that_can_be_computed_is_verified(offered, chosen):
    assert checksum.strongest(offered) == chosen


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("MD5", hashlib.md5(b"granule").hexdigest()),
        ("SHA-256", hashlib.sha256(b"granule").hexdigest()),
        ("SHA3-256", hashlib.sha3_256(b"granule").hexdigest()),
        ("BLAKE3", blake3(b"granule").hexdigest()),
    ],
)
def test_a_digest_grows_with_its_bytes(algorithm, expected):
    digest = checksum.NEW[algorithm]()
    digest.update(b"gran")
    digest.update(memoryview(b"ule"))
    assert digest.hexdigest() == expected


def test_sha3_of_a_manifest_is_not_sha2():
    # safe-products: SHA3-256 of Sentinel-2 manifests is FIPS-202
    assert checksum.NEW["SHA3-256"]().hexdigest() != checksum.NEW["SHA-256"]().hexdigest()


def test_digests_are_the_same_in_capitals():
    checksum.check("B04.jp2", of("MD5", "manifest", MD5.upper()), MD5)


def test_a_wrong_digest_is_reported_with_both():
    with pytest.raises(IntegrityError) as error:
        checksum.check("B04.jp2", of("MD5", "manifest", MD5), "f" * 32)
    assert str(error.value) == f"B04.jp2: its MD5 is {'f' * 32} where the manifest states {MD5}"


@pytest.mark.parametrize(
    ("etag", "found"),
    [
        (MD5, Checksum(algorithm="MD5", value=MD5, origin="etag")),
        ("7c37cd6524551dc6bc230d61fe44ecfe-1", None),  # eodata: uploaded in one part, and still no MD5
        (f"{MD5}-12", None),
        (MD5.upper(), Checksum(algorithm="MD5", value=MD5, origin="etag")),  # DHuS
        ("", None),
        (None, None),
    ],
)
def test_an_etag_is_an_md5_unless_the_object_was_uploaded_in_parts(etag, found):
    assert checksum.of_etag(etag) == found


@pytest.mark.parametrize(
    ("multihash", "found"),
    [
        ("d50110" + MD5, of("MD5", value=MD5)),
        ("1620" + SHA3, of("SHA3-256", value=SHA3)),
        ("d50120" + SHA3, of("SHA3-256", value=SHA3)),  # says MD5: metadata files of Sentinel-2
        ("1610" + MD5, of("MD5", value=MD5)),  # says SHA3-256: Sentinel-1 COG
        ("1620" + SHA3.upper(), of("SHA3-256", value=SHA3)),
        ("1220" + SHA3, of("SHA-256", value=SHA3)),  # Earth Search
        ("1E20" + SHA3.upper(), of("BLAKE3", value=SHA3)),
        ("1340" + SHA3 * 2, of("SHA-512", value=SHA3 * 2)),
        ("1220" + SHA3[:-2], None),
        ("1e20" + SHA3[:-2], None),
        ("", None),
    ],
)
def test_a_multihash_is_told_by_the_length_of_its_digest(multihash, found):
    assert checksum.of_multihash(multihash) == found


@pytest.mark.parametrize(
    ("verified", "level"),
    [(of("BLAKE3"), "blake3"), (of("MD5"), "md5"), (of("MD5", "manifest"), "manifest"), (of("MD5", "etag"), "etag")],
)
def test_a_level_says_what_vouched(verified, level):
    assert checksum.level(verified) == level


def uploaded(body, part_bytes):
    """The ETag of a body that was uploaded in parts, as S3 makes it."""
    parts = [body[at : at + part_bytes] for at in range(0, len(body), part_bytes)]
    return f"{hashlib.md5(b''.join(hashlib.md5(part).digest() for part in parts)).hexdigest()}-{len(parts)}"


def hashed(parted, body, pieces=()):
    digest = parted.hash()
    ends = [0, *sorted(pieces), len(body)]
    for start, stop in itertools.pairwise(ends):
        digest.update(body[start:stop])
    return digest


@given(
    body=st.binary(min_size=1, max_size=200),
    part_bytes=st.integers(1, 210),
    others=st.sets(st.integers(1, 210), max_size=3),
    cuts=st.sets(st.integers(0, 200), max_size=6),
    flip=st.integers(0, 199),
)
def test_parts_of_the_right_size_prove_the_bytes_and_no_others(body, part_bytes, others, cuts, flip):
    etag = uploaded(body, part_bytes)
    sizes = tuple(sorted({part_bytes, *others}))
    parted = checksum.Parted(etag=etag, part_bytes=sizes)
    cuts = {cut for cut in cuts if cut <= len(body)}
    assert hashed(parted, body, cuts).proved
    assert hashed(parted, body, cuts).hexdigest() == etag
    at = flip % len(body)
    wrong = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
    assert not hashed(parted, wrong, cuts).proved


@pytest.mark.parametrize("mib", [5, 8, 15, 16, 25, 50, 64, 100, 128])
@given(size=st.integers(1, 40_000_000_000))
def test_the_sizes_of_parts_that_clients_use_are_among_those_that_are_tried(mib, size):
    part_bytes = mib << 20
    found = checksum.part_sizes(size, -(-size // part_bytes))
    assert min(part_bytes, size) in found
    assert len(found) <= 6, "each costs an MD5"


@given(size=st.integers(1, 50_000_000_000), count=st.integers(1, 10_000))
def test_only_sizes_that_give_the_number_of_parts_are_tried(size, count):
    assert all(-(-size // part_bytes) == count for part_bytes in checksum.part_sizes(size, count))


def test_an_even_share_in_whole_mib_is_tried():
    assert checksum.part_sizes(1000 << 20, 4) == (250 << 20,)


@pytest.mark.parametrize(
    ("etag", "size", "sizes"),
    [
        (f"{MD5}-2", 10 << 20, (5 << 20, 8 << 20)),
        (f"{MD5.upper()}-2", 10 << 20, (5 << 20, 8 << 20)),
        ("7c37cd6524551dc6bc230d61fe44ecfe-1", 626_901, (626_901,)),  # eodata: uploaded in one part
        (f"{MD5}-2", 626_901, None),  # S3 takes no parts so small but the last
        (f"{MD5}-0", 10 << 20, None),
        (f"{MD5}-2", None, None),
        (f"{MD5}-1", 0, None),
        (MD5, 10 << 20, None),
        ("v1-2", 10 << 20, None),
        (None, 10 << 20, None),
    ],
)
def test_what_an_etag_of_parts_says(etag, size, sizes):
    found = checksum.of_parts(etag, size)
    assert (found and found.part_bytes) == sizes
    assert found is None or found.etag == etag.lower()
