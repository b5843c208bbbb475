"""Digests: which is strongest, how it is computed while bytes arrive, what a wrong one looks like.

Cost a core: BLAKE3 4.4 GiB/s, SHA-256 1.7, MD5 0.7, SHA3-256 0.5 (``benchmarks/hashes.py``): where several are on offer, the strongest is
also the cheapest.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
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
_CODES = {
    "1114": ("SHA-1", 40), "1220": ("SHA-256", 64), "1340": ("SHA-512", 128), "1440": ("SHA3-512", 128), "1e20": ("BLAKE3", 64),
}  # fmt: skip
"""Algorithms and hex digits by the code of a multihash; Earth Search has SHA-256."""
_MIB = 1 << 20
_OF_PARTS = re.compile(r"[0-9a-f]{32}-([1-9][0-9]{0,4})")

PARTS_MIB = (5, 8, 15, 16, 25, 32, 50, 64, 100, 128)
"""Parts that clients upload by: rclone and the least that S3 takes 5, boto3 and the AWS CLI 8, s3cmd 15, MinIO 16, s5cmd 50, Hadoop 64."""


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

    CDSE mislabels some (``d50120`` + SHA3-256, ``1610`` + MD5), so of MD5 and SHA3-256 the length of the digest decides, not its code.
    """
    code, digest = text[:4].lower(), text[4:].lower()
    named, digits = _CODES.get(code, ("", 0))
    if digits and len(digest) == digits:
        return Checksum(algorithm=named, value=digest)
    prefix = 6 if text.startswith("d501") else 4
    algorithm = _MULTIHASH.get(len(text) - prefix)
    return Checksum(algorithm=algorithm, value=text[prefix:].lower()) if algorithm else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parted:
    """The ETag of an object that was uploaded in parts: the MD5 of their MD5s, a dash, how many they are. How long they were is not said.

    Where parts of one of ``part_bytes`` give it, the bytes are right. Where none do, nothing is known: they may have been of other sizes.
    """

    etag: str
    part_bytes: tuple[int, ...]

    def hash(self) -> PartedHash:
        """A hash for the bytes of the object, in order."""
        return PartedHash(self)


class PartedHash:
    """A :class:`Hash` whose digest is an ETag of parts: the stated one, if parts of any size give it."""

    def __init__(self, parted: Parted) -> None:
        self._stated = parted.etag
        self._joined = [_Joined(part_bytes) for part_bytes in parted.part_bytes]

    def update(self, data: bytes | memoryview, /) -> None:
        """Take in more bytes."""
        for each in self._joined:
            each.update(memoryview(data))

    def hexdigest(self) -> str:
        """The ETag of all bytes so far. To be asked once, at their end."""
        found = [each.etag() for each in self._joined]
        return self._stated if self._stated in found else found[0]

    @property
    def proved(self) -> bool:
        """Whether the bytes are those that the ETag was made of. To be asked once, at their end."""
        return self.hexdigest() == self._stated


class _Joined:
    """The ETag of parts of one size."""

    def __init__(self, part_bytes: int) -> None:
        self._part_bytes = part_bytes
        self._parts: list[bytes] = []
        self._part = hashlib.md5(usedforsecurity=False)
        self._room = part_bytes

    def update(self, data: memoryview) -> None:
        while len(data):
            if not self._room:
                self._end()
            piece = data[: self._room]
            self._part.update(piece)
            self._room -= len(piece)
            data = data[len(piece) :]

    def _end(self) -> None:
        self._parts.append(self._part.digest())
        self._part, self._room = hashlib.md5(usedforsecurity=False), self._part_bytes

    def etag(self) -> str:
        digests = [*self._parts, self._part.digest()]
        return f"{hashlib.md5(b''.join(digests), usedforsecurity=False).hexdigest()}-{len(digests)}"


def of_parts(etag: str | None, size: int | None) -> Parted | None:
    """What an ETag says of an object of ``size`` bytes; ``None`` where it was not uploaded in parts, or of sizes unguessable."""
    value = (etag or "").lower()
    stated = _OF_PARTS.fullmatch(value)
    if stated is None or not size:
        return None
    found = part_sizes(size, int(stated[1]))
    return Parted(etag=value, part_bytes=found) if found else None


def part_sizes(size: int, count: int) -> tuple[int, ...]:
    """How long ``count`` parts of an object of ``size`` bytes can have been, by what clients use and by an even share in whole MiB."""
    if count == 1:
        return (size,)
    share = -(-size // (count * _MIB))
    guesses = sorted({mib * _MIB for mib in (*PARTS_MIB, share)})
    return tuple(part_bytes for part_bytes in guesses if -(-size // part_bytes) == count)
