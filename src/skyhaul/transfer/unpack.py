"""Product archives taken apart, safely: nothing leaves the folder, nothing is a link, nothing swells without bound.

Zips alone: no archive that is asked here packs products otherwise, and what is no zip is published as it came, unopened.
"""

from __future__ import annotations

import os
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path, PurePosixPath

from skyhaul.errors import IntegrityError, UnsafeName
from skyhaul.transfer.ahead import LOCAL_HEADER, MEMBERS_MAX
from skyhaul.transfer.layout import collisions, safe_path
from skyhaul.transfer.sink import BLOCK_BYTES, copied, writing

SWELL_MAX = 200
"""Bytes out of an archive for each byte of it; product archives are stored, text compresses less than this."""

_END = b"PK\x05\x06"
_END_ZIP64 = b"PK\x06\x06"
_END_BYTES_MAX = (1 << 16) + 98
"""The records at the end of an archive, with the longest comment."""

_ZIP64_COUNT = 0xFFFF
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_BROKEN = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, OSError, ValueError, OverflowError, IndexError
)  # fmt: skip
"""What zipfile raises for bytes that are no zip: a wrong offset is an ``OSError``, an empty name an ``IndexError``."""


def is_zip(path: Path) -> bool:
    """Whether the file begins like a zip. CDSE serves single-file products (``.nc``, ``.EOF``) as they are."""
    with path.open("rb") as file:
        return file.read(4) in {b"PK\x03\x04", b"PK\x05\x06"}


def unpack(
    archive: Path, into: Path, *, verified: bool = False, taken: Mapping[int, tuple[PurePosixPath, int]] | None = None
) -> list[PurePosixPath]:
    """Write the files of a zip to ``into`` and name them. Every CRC is checked, unless the archive as a whole is ``verified``.

    The archive's one top folder is left out, whatever it is called: it does not always carry the product's name. Empty folders are
    not made. ``taken`` are members that lie in ``into`` already, by the offset of their headers: path and size; nothing else does.

    Raises:
        IntegrityError: broken structure, a wrong CRC, encryption, or a size that no product has.
        UnsafeName: a name that leaves the folder, a link, a clash.
        SinkError: the disk refuses.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = _checked(opened, archive)
            placed = _placed([member.filename for member in members])
            there = dict(taken or {}) if verified else {}
            if not set(there.values()) <= {(path, each.file_size) for path, each in zip(placed, members, strict=True)}:
                there = {}
            if not there:
                with writing(into):
                    shutil.rmtree(into, ignore_errors=True)
            for member, path in zip(members, placed, strict=True):
                if there.get(member.header_offset) != (path, member.file_size):
                    _extract(opened, member, into / path, verified=verified)
            return placed
    except _BROKEN as error:
        raise IntegrityError(f"{archive.name}: the archive is broken ({error})") from error


def _checked(opened: zipfile.ZipFile, archive: Path) -> list[zipfile.ZipInfo]:
    members = [member for member in opened.infolist() if not member.is_dir()]
    for member in members:
        _check(member)
    if len(members) > MEMBERS_MAX:
        raise IntegrityError(f"the archive holds {len(members)} files, more than {MEMBERS_MAX}")
    if sum(member.file_size for member in members) > SWELL_MAX * archive.stat().st_size:
        raise IntegrityError(f"the archive would swell to more than {SWELL_MAX} times its size")
    _check_apart(members, opened.start_dir)
    _check_count(opened, archive)
    if not members:
        raise IntegrityError("the archive is empty")
    return members


def _check_count(opened: zipfile.ZipFile, archive: Path) -> None:
    """Refuse a list of members that is shorter than it says: a wrong byte in an entry makes it swallow those that follow, unnoticed."""
    with archive.open("rb") as file:
        file.seek(max(0, archive.stat().st_size - _END_BYTES_MAX))
        tail = file.read()
    end = tail.rfind(_END)
    (stated,) = struct.unpack_from("<H", tail, end + 10)
    wide = tail.rfind(_END_ZIP64, 0, end)
    if stated == _ZIP64_COUNT and wide >= 0:
        (stated,) = struct.unpack_from("<Q", tail, wide + 32)
    if stated != len(opened.filelist):
        raise IntegrityError(f"the archive says that it holds {stated} members, and lists {len(opened.filelist)}")


def _check(member: zipfile.ZipInfo) -> None:
    name = member.filename[:200]
    if stat.S_IFMT(member.external_attr >> 16) not in {0, stat.S_IFREG}:
        kind = "a link" if stat.S_ISLNK(member.external_attr >> 16) else "what is no file"
        raise UnsafeName(f"the archive holds {kind} {name!r}, which is refused")
    if member.flag_bits & 0x1:
        raise IntegrityError(f"the archive's {name!r} is encrypted")
    if member.compress_type not in _METHODS:
        raise IntegrityError(f"the archive's {name!r} is compressed by method {member.compress_type}")
    if member.compress_type == zipfile.ZIP_STORED and member.compress_size != member.file_size:
        raise IntegrityError(f"the archive's {name!r} is stored, and has two sizes")


def _check_apart(members: Sequence[zipfile.ZipInfo], end: int) -> None:
    """Refuse members that share bytes: few of them make much, whatever each of them swells to."""
    ordered = sorted(members, key=lambda member: member.header_offset)
    begins = [*(member.header_offset for member in ordered), end]
    for member, (begin, following) in zip(ordered, pairwise(begins), strict=True):
        if begin + LOCAL_HEADER.size + member.compress_size > following:
            raise IntegrityError(f"the archive's {member.filename[:200]!r} shares bytes with what follows it")


def _placed(names: Sequence[str]) -> list[PurePosixPath]:
    paths = [safe_path(name) for name in names]
    tops = {path.parts[0] for path in paths}
    if len(tops) == 1 and all(len(path.parts) > 1 for path in paths):
        paths = [PurePosixPath(*path.parts[1:]) for path in paths]
    clash = collisions(map(str, paths))
    if clash is not None:
        raise UnsafeName(
            f"the archive holds {clash[0]!r} and {clash[1]!r}, which cannot lie side by side on every disk"
        )
    return paths


def _extract(opened: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, *, verified: bool) -> None:
    if verified and member.compress_type == zipfile.ZIP_STORED and opened.fp is not None:
        archive_fd = opened.fp.fileno()
        header = os.pread(archive_fd, LOCAL_HEADER.size, member.header_offset)
        *_, name_bytes, extra_bytes = LOCAL_HEADER.unpack(header)
        data = member.header_offset + LOCAL_HEADER.size + name_bytes + extra_bytes
        copied(archive_fd, target, data, member.file_size)
        return
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        with opened.open(member) as source:
            while block := source.read(BLOCK_BYTES):
                with writing(target):
                    _write(fd, block)
    finally:
        os.close(fd)


def _write(fd: int, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[os.write(fd, view) :]
