from __future__ import annotations

import hashlib

import pytest
from blake3 import blake3

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
