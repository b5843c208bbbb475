"""Files on disk: written and copied, verified before they get a name, made durable before they are published.

Everything here blocks and belongs on a thread, in pieces of a mebibyte or more.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from skyhaul.errors import DiskFull, SinkError
from skyhaul.model import Checksum
from skyhaul.protocols import Pieces
from skyhaul.transfer import checksum as digests

BLOCK_BYTES = 1 << 20
IOV_MAX = 512
SYNCS_AT_ONCE = 8
_FULL = {errno.ENOSPC, errno.EDQUOT}


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the disk refuses into one sentence.

    Raises:
        DiskFull: no space, or no quota.
        SinkError: read-only, no permission, a vanished mount, an I/O error.
    """
    try:
        yield
    except OSError as error:
        kind = DiskFull if error.errno in _FULL else SinkError
        raise kind(f"{path}: {os.strerror(error.errno or 0) if error.errno else error}") from error


def put_at(fd: int, offset: int, chunks: Pieces) -> int:
    """Write ``chunks`` at ``offset``; where they end."""
    for first in range(0, len(chunks), IOV_MAX):
        views = [memoryview(chunk) for chunk in chunks[first : first + IOV_MAX]]
        while views:
            written = os.pwritev(fd, views, offset)
            offset += written
            views = _after(views, written)
    return offset


def _after(views: list[memoryview], written: int) -> list[memoryview]:
    """What is left of ``views`` after a write that took ``written`` bytes."""
    for index, view in enumerate(views):
        if written < len(view):
            return [view[written:], *views[index + 1 :]]
        written -= len(view)
    return []


def put(path: Path, chunks: Pieces, expected: Checksum | None, parted: digests.Parted | None = None) -> bool:
    """A whole small object: verified in memory, then written, then given its name; whether its parts prove it.

    Raises:
        IntegrityError: the digest is wrong; what came stays in the ``.part`` as evidence.
        SinkError: the disk refuses.
    """
    part = path.with_name(path.name + ".part")
    with writing(part):
        part.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            put_at(fd, 0, chunks)
        finally:
            os.close(fd)
        if expected is not None:
            found = digests.NEW[expected.algorithm]()
            for chunk in chunks:
                found.update(chunk)
            digests.check(path.name, expected, found.hexdigest())
        part.replace(path)
    if parted is None:
        return False
    joined = parted.hash()
    for chunk in chunks:
        joined.update(chunk)
    return joined.proved


def vindicate(path: Path, stated: Checksum) -> int | None:
    """Give the ``.part`` of ``path`` its name after all, if ``stated`` is its digest; its size then."""
    part = path.with_name(path.name + ".part")
    with writing(part):
        if not part.is_file() or not is_intact(part, stated):
            return None
        size = part.stat().st_size
        part.replace(path)
    return size


def copied(source_fd: int, target: Path, start: int, size: int) -> None:
    """Copy a span of one file into a new one, inside the kernel where that can be had (Linux), and start writing it out.

    Raises:
        SinkError: the disk refuses.
        EOFError: the source ends before the span does.
    """
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            stop = start + size
            while start < stop:
                moved = _moved(source_fd, fd, start, stop - start)
                if moved == 0:
                    raise EOFError(f"{target.name} ends beyond its archive")
                start += moved
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(fd)


def _moved(source_fd: int, fd: int, start: int, size: int) -> int:
    if hasattr(os, "copy_file_range"):
        with suppress(OSError):  # not every file system can; what is really wrong shows again below
            if moved := os.copy_file_range(source_fd, fd, size, start):
                return moved
    return os.write(fd, os.pread(source_fd, min(size, BLOCK_BYTES), start))


def digest_of(path: Path, algorithm: str) -> str:
    """The digest of a file, in lower-case hex."""
    found = digests.NEW[algorithm]()
    with path.open("rb", buffering=0) as file:
        while block := file.read(BLOCK_BYTES):
            found.update(block)
    return found.hexdigest()


def is_intact(path: Path, expected: Checksum | None) -> bool:
    """Whether a file that is already there has the content that is wanted; without a checksum that is known here nobody can tell."""
    return (
        expected is not None
        and expected.algorithm in digests.NEW
        and digest_of(path, expected.algorithm) == expected.value.lower()
    )


def publish(staged: Path, final: Path) -> None:
    """Give a verified file or tree its final name, durably.

    A tree that is there already (another part of the same product) takes the new files in, one atomic rename each.

    Raises:
        SinkError: the disk refuses.
    """
    with writing(final):
        _make_durable(staged)
        final.parent.mkdir(parents=True, exist_ok=True)
        if staged.is_dir() and final.is_dir():
            _merge(staged, final)
        else:
            staged.replace(final)
        _fsync(final.parent)


def _merge(staged: Path, final: Path) -> None:
    for path in sorted(staged.rglob("*")):
        target = final / path.relative_to(staged)
        if path.is_dir():
            target.mkdir(exist_ok=True)
        else:
            path.replace(target)
    for folder in [final, *(path for path in final.rglob("*") if path.is_dir())]:
        _fsync(folder)
    shutil.rmtree(staged)


def _make_durable(staged: Path) -> None:
    """Sync a file or a tree. Side by side, because files that are synced together share the file system's commits."""
    if not staged.is_dir():
        _fsync(staged)
        return
    paths = [staged, *staged.rglob("*")]
    with ThreadPoolExecutor(min(SYNCS_AT_ONCE, len(paths))) as threads:
        list(threads.map(_fsync, paths))


def _fsync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def free_bytes(folder: Path) -> int:
    """Space left for us on the file system that ``folder``, or its nearest existing parent, lies on."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def check_writable(folder: Path) -> None:
    """Find out before any byte is fetched whether the destination takes files.

    Raises:
        SinkError: it does not; says why.
    """
    if folder.is_file():
        raise SinkError(f"{folder} is a file, where a folder is meant")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Without a name, where that can be had: nothing is left of it whatever happens.
        with tempfile.TemporaryFile(dir=folder, buffering=0) as probe:
            probe.write(b"\0")
    except OSError as error:
        kind = DiskFull if error.errno in _FULL else SinkError
        raise kind(f"{folder} cannot be written ({error.strerror}): choose another destination with --into") from error
