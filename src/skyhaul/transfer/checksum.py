"""Digests: which is strongest, how it is computed while bytes arrive, what a wrong one looks like.

Cost a core: BLAKE3 4.4 GiB/s, SHA-256 1.7, MD5 0.7, SHA3-256 0.5 (``benchmarks/hashes.py``): where several are on offer, the strongest is
also the cheapest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from blake3 import blake3

from skyhaul.errors import IntegrityError
from skyhaul.model import Checksum


class Hash(Protocol):
    """What hashlib and blake3 have in common."""

    def update(self, data: bytes | memoryview, /) -> object:
        """Take in more bytes."""
        ...

    def hexdigest(self) -> str:
        """The digest of all bytes so far, in lower-case hex."""
        ...


NEW: Mapping[str, Callable[[], Hash]] = {
    "BLAKE3": blake3,
    "SHA-512": hashlib.sha512,
    "SHA3-512": hashlib.sha3_512,
    "SHA-256": hashlib.sha256,
    "SHA3-256": hashlib.sha3_256,  # FIPS-202, which is not SHA-256: manifests of Sentinel-2 from N0301 on
    "SHA-1": hashlib.sha1,
    "MD5": hashlib.md5,
}
"""Algorithms by the name that archives give them, strongest first."""

ORIGINS = ("catalogue", "manifest", "etag")
"""Whose word counts more, where the algorithm is the same."""

_STRENGTH = {name: rank for rank, name in enumerate(NEW)}
_MULTIHASH = {32: "MD5", 64: "SHA3-256"}


def strongest(checksums: Iterable[Checksum]) -> Checksum | None:
    """The checksum to verify against; ``None`` where none can be computed."""
    known = [checksum for checksum in checksums if checksum.algorithm in NEW and checksum.value]
    return min(known, key=lambda c: (_STRENGTH[c.algorithm], ORIGINS.index(c.origin)), default=None)


def level(checksum: Checksum) -> str:
    """The name under which a report counts files verified by ``checksum``: the algorithm, or where the digest came from."""
    return checksum.origin if checksum.origin != "catalogue" else checksum.algorithm.lower()


def check(path: str, expected: Checksum, found: str) -> None:
    """Compare digests.

    Raises:
        IntegrityError: they differ; the message holds both.
    """
    if found.lower() != expected.value.lower():
        raise IntegrityError(
            f"{path}: its {expected.algorithm} is {found} where the {expected.origin} states {expected.value}"
        )


def of_etag(etag: str | None) -> Checksum | None:
    """The MD5 that an ETag is, in S3 unless the object was uploaded in parts (``…-N``); DHuS writes it in capitals too."""
    value = (etag or "").lower()
    if len(value) != 32 or not set(value) <= set("0123456789abcdef"):  # noqa: PLR2004 hex digits of an MD5
        return None
    return Checksum(algorithm="MD5", value=value, origin="etag")


def of_multihash(text: str) -> Checksum | None:
    """The checksum that a STAC ``file:checksum`` means.

    CDSE mislabels some (``d50120`` + SHA3-256, ``1610`` + MD5), so the length of the digest decides, not its code.
    """
    prefix = 6 if text.startswith("d501") else 4
    algorithm = _MULTIHASH.get(len(text) - prefix)
    return Checksum(algorithm=algorithm, value=text[prefix:].lower()) if algorithm else None
