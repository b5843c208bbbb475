"""Product archives taken apart, safely: nothing leaves the folder, nothing is a link, nothing swells without bound."""

from __future__ import annotations

import os
import stat
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from skyhaul.errors import IntegrityError, UnsafeName
from skyhaul.transfer.layout import collisions, safe_path
from skyhaul.transfer.sink import BLOCK_BYTES, writing

SWELL_MAX = 200
"""Bytes out of an archive for each byte of it; product archives are stored, text compresses less than this."""


def is_zip(path: Path) -> bool:
    """Whether the file begins like a zip. CDSE serves single-file products (``.nc``, ``.EOF``) as they are."""
    with path.open("rb") as file:
        return file.read(4) in {b"PK\x03\x04", b"PK\x05\x06"}


def unpack(archive: Path, into: Path) -> list[PurePosixPath]:
    """Write the files of a zip to ``into``, every CRC checked, and name them.

    The archive's one top folder is left out, whatever it is called: it does not always carry the product's name. Empty folders are
    not made.

    Raises:
        IntegrityError: broken structure, a wrong CRC, encryption, or a size that no product has.
        UnsafeName: a name that leaves the folder, a link, a clash.
        SinkError: the disk refuses.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = _checked(opened, archive.stat().st_size)
            placed = _placed([member.filename for member in members])
            for member, path in zip(members, placed, strict=True):
                _extract(opened, member, into / path)
            return placed
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise IntegrityError(f"{archive.name}: the archive is broken ({error})") from error


def _checked(opened: zipfile.ZipFile, archive_bytes: int) -> list[zipfile.ZipInfo]:
    members = [member for member in opened.infolist() if not member.is_dir()]
    for member in members:
        if stat.S_ISLNK(member.external_attr >> 16):
            raise UnsafeName(f"the archive holds a link {member.filename[:200]!r}, which is refused")
        if member.flag_bits & 0x1:
            raise IntegrityError(f"the archive's {member.filename[:200]!r} is encrypted")
    if sum(member.file_size for member in members) > SWELL_MAX * archive_bytes:
        raise IntegrityError(f"the archive would swell to more than {SWELL_MAX} times its size")
    if not members:
        raise IntegrityError("the archive is empty")
    return members


def _placed(names: Sequence[str]) -> list[PurePosixPath]:
    paths = [safe_path(name) for name in names]
    tops = {path.parts[0] for path in paths}
    if len(tops) == 1 and all(len(path.parts) > 1 for path in paths):
        paths = [PurePosixPath(*path.parts[1:]) for path in paths]
    if len(set(paths)) != len(paths):
        raise IntegrityError("the archive holds a file twice")
    clash = collisions(map(str, paths))
    if clash is not None:
        raise UnsafeName(
            f"the archive holds {clash[0]!r} and {clash[1]!r}, one file on a disk that does not tell capitals"
        )
    return paths


def _extract(opened: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with opened.open(member) as source, target.open("wb", buffering=0) as file:
            while block := source.read(BLOCK_BYTES):
                _write(file.fileno(), block)


def _write(fd: int, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[os.write(fd, view) :]
