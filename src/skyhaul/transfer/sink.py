"""Files on disk: ``.part`` while bytes arrive, verified before they get a name, made durable before they are published.

Everything here blocks and belongs on a thread, in pieces of a mebibyte or more.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from skyhaul.errors import DiskFull, IntegrityError, SinkError, SkyhaulError
from skyhaul.model import ByteRange, Checksum
from skyhaul.protocols import Pieces
from skyhaul.transfer import checksum as digests
from skyhaul.transfer import parts

BLOCK_BYTES = 1 << 20
IOV_MAX = 512
WRITE_OUT_BYTES = 16 << 20
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


class Follower(Protocol):
    """Who works on a file while it grows from its beginning."""

    def restart(self) -> None:
        """The file begins anew."""
        ...

    def follow(self, fd: int, front: int) -> None:
        """The first ``front`` bytes are there."""
        ...


class PartFile:
    """One object on its way to disk, hashed as its front grows.

    Args:
        path: its name once it is verified; until then it is ``<path>.part``.
        expected: what to verify against; ``None`` leaves the length.
        done: the spans that an earlier attempt or run wrote.
        follower: told of every write.
        parted: what may prove the bytes, and cannot disprove them, where nothing is ``expected``.
    """

    def __init__(
        self,
        path: Path,
        expected: Checksum | None,
        done: Iterable[ByteRange] = (),
        follower: Follower | None = None,
        parted: digests.Parted | None = None,
    ) -> None:
        self._follower = follower
        self._parted = parted
        self.path = path
        self.part = path.with_name(path.name + ".part")
        self.done = parts.merged(done)
        self._expected = expected
        self._lock = threading.Lock()
        self._hashing = threading.Lock()
        self._thread: ThreadPoolExecutor | None = None
        self._behind = False
        self._failure: SkyhaulError | None = None
        self._followed = 0
        self._fd: int | None = None
        self._hash = self._new_hash()
        self._hashed = 0

    def open(self) -> None:
        """Create the file, or open what an earlier run left; spans beyond its end are forgotten."""
        with writing(self.part):
            self.part.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(self.part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            length = os.fstat(self._fd).st_size
            self.done = [span for span in self.done if span.stop <= length]
            if not self.done:
                if length:  # ext4 writes out when it is closed what was ever cut to nothing: of an archive that is unpacked, in vain
                    os.ftruncate(self._fd, 0)
                self._restart_follower()

    def write(self, offset: int, chunks: Pieces) -> None:
        """Put ``chunks`` at ``offset``. What follows the file's front does so on a thread of its own: it keeps no stream from ending.

        Raises:
            SinkError: the disk refuses these bytes, or what was done behind those before them.
        """
        self._settle(wait=False)
        with writing(self.part):
            stop = _put(self._file, offset, chunks)
            if self._follower is None:  # else it is unpacked, and removed before all of it has to be on disk
                _write_out(self._file, offset, stop)
        with self._lock:
            self.done = parts.merged([*self.done, ByteRange(start=offset, stop=stop)])
        if self._hash is not None and self._hashing.acquire(blocking=False):
            try:
                if offset == self._hashed:
                    for chunk in chunks:
                        self._hash.update(chunk)
                    self._hashed = stop
            finally:
                self._hashing.release()
        self._go_on_behind()

    def read(self, span: ByteRange) -> bytes:
        """Bytes that were written before."""
        with writing(self.part):
            return os.pread(self._file, len(span), span.start)

    def restart(self) -> None:
        """Forget every byte, and what was not to be done with them."""
        with suppress(SkyhaulError):
            self._settle(wait=True)
        with writing(self.part):
            os.ftruncate(self._file, 0)
            self._restart_follower()
        self.done = []
        self._hash = self._new_hash()
        self._hashed = self._followed = 0

    def seal(self, size: int) -> bool:
        """Verify, and give the file its name; whether its parts prove it.

        Raises:
            IntegrityError: length or digest is wrong; the ``.part`` stays as evidence.
            SinkError: the disk refuses, or refused what was done behind.
        """
        self._settle(wait=True)
        with self._hashing, writing(self.part):
            length = os.fstat(self._file).st_size
            if length != size or parts.front(self.done) != size:
                raise IntegrityError(f"{self.path.name}: it has {length} bytes where {size} are right")
            self._catch_up(size)
            if self._expected is not None and self._hash is not None:
                digests.check(self.path.name, self._expected, self._hash.hexdigest())
            self.close()
            self.part.replace(self.path)
            return isinstance(self._hash, digests.PartedHash) and self._hash.proved

    def close(self) -> None:
        """Give the file descriptor back, and the thread. The bytes stay."""
        with suppress(SkyhaulError):
            self._settle(wait=True)
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    @property
    def _file(self) -> int:
        if self._fd is None:
            raise SinkError(f"{self.part}: the file is not open")
        return self._fd

    def _restart_follower(self) -> None:
        if self._follower is not None:
            self._follower.restart()

    def _new_hash(self) -> digests.Hash | None:
        if self._expected is not None:
            return digests.NEW[self._expected.algorithm]()
        return self._parted.hash() if self._parted is not None else None

    def _go_on_behind(self) -> None:
        """Have the thread of this file follow the front, unless it does, or there is nothing to follow."""
        with self._lock:
            if self._behind or not self._to_follow():
                return
            self._behind = True
            if self._thread is None:
                self._thread = ThreadPoolExecutor(1)
            self._thread.submit(self._follow)

    def _to_follow(self) -> int:
        """Up to where the front can be followed; 0 if it was."""
        front = parts.front(self.done)
        lags = self._followed < front if self._follower is not None else self._hash is not None and self._hashed < front
        return front if lags else 0

    def _follow(self) -> None:
        """Hash what the front has left behind, and tell who follows, until nothing is left to do."""
        try:
            while True:
                with self._lock:
                    if not (front := self._to_follow()):
                        self._behind = False
                        return
                with writing(self.part), self._hashing:
                    self._catch_up(front)
                    if self._follower is not None:
                        self._follower.follow(self._file, front)
                    self._followed = front
        except SkyhaulError as error:
            with self._lock:
                self._behind, self._failure = False, error

    def _settle(self, *, wait: bool) -> None:
        """Raise what went wrong behind; ``wait`` for it to end."""
        if wait and self._thread is not None:
            self._thread.shutdown()
            self._thread = None
        with self._lock:
            failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _catch_up(self, stop: int) -> None:
        """Hash what lies in the file beyond the hashed front: parts that overtook it, or an earlier run's bytes."""
        while self._hash is not None and self._hashed < stop:
            block = os.pread(self._file, min(BLOCK_BYTES, stop - self._hashed), self._hashed)
            if not block:
                raise IntegrityError(f"{self.path.name}: somebody cut {self.part.name} to less than was written")
            self._hash.update(block)
            self._hashed += len(block)


def _put(fd: int, offset: int, chunks: Pieces) -> int:
    """Write ``chunks`` at ``offset``; where they end."""
    for first in range(0, len(chunks), IOV_MAX):
        views = [memoryview(chunk) for chunk in chunks[first : first + IOV_MAX]]
        while views:
            written = os.pwritev(fd, views, offset)
            offset += written
            views = _after(views, written)
    return offset


def _write_out(fd: int, start: int, stop: int) -> None:
    """Have the system begin to bring to disk what was written, where it can be told to: little is left to sync in the end."""
    first, last = start // WRITE_OUT_BYTES, stop // WRITE_OUT_BYTES
    if last > first and hasattr(os, "posix_fadvise"):
        os.posix_fadvise(fd, first * WRITE_OUT_BYTES, (last - first) * WRITE_OUT_BYTES, os.POSIX_FADV_DONTNEED)


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
            _put(fd, 0, chunks)
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
