from __future__ import annotations

import datetime as dt
import hashlib
import io
import zipfile
import zlib

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from skyhaul.simulate.archive import Chain, Entry, md5_and_blake3, zipped, zipped_size
from skyhaul.simulate.content import Inline, Loom

MODIFIED = dt.datetime(2024, 5, 4, 9, 15, 58, tzinfo=dt.UTC)
LOOM = Loom.of(1)
ENTRIES = [
    Entry("A.SAFE/", Inline(b"")),
    Entry("A.SAFE/empty", Inline(b"")),
    *(Entry(f"A.SAFE/{n}.jp2", LOOM.binary(f"{n}", 9000 + n, "a")) for n in range(5)),
]


class Zeros:
    """Content of any size, for what only its length decides."""

    def __init__(self, size):
        self.size = size

    def read(self, start, stop):
        return bytes(stop - start)

    def crc32(self):
        return zlib.crc32(bytes(self.size)) if self.size < 1 << 20 else 0


class File(io.RawIOBase):
    """A content as a file that can be sought, since zip64 archives do not fit in memory."""

    def __init__(self, content):
        self.content, self.at = content, 0

    def readable(self):
        return True

    def seekable(self):
        return True

    def tell(self):
        return self.at

    def seek(self, offset, whence=io.SEEK_SET):
        self.at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.at, io.SEEK_END: self.content.size}[whence]
        return self.at

    def read(self, size=-1):
        stop = self.content.size if size < 0 else min(self.at + size, self.content.size)
        body = self.content.read(self.at, stop)
        self.at = stop
        return body


def test_zipfile_reads_what_went_in():
    content = zipped(ENTRIES, MODIFIED)
    archive = zipfile.ZipFile(io.BytesIO(content.read(0, content.size)))
    assert archive.testzip() is None
    assert archive.namelist() == [entry.name for entry in ENTRIES]
    for entry in ENTRIES:
        assert archive.read(entry.name) == entry.content.read(0, entry.content.size)
    info = archive.infolist()[0]
    assert info.is_dir()
    assert info.compress_type == zipfile.ZIP_STORED
    assert info.date_time == (2024, 5, 4, 9, 15, 58)


@given(data=st.data())
def test_any_span_of_a_zip_can_be_read_alone(data):
    content = zipped(ENTRIES, MODIFIED)
    whole = content.read(0, content.size)
    start, stop = sorted(data.draw(st.tuples(*[st.integers(0, content.size)] * 2)))
    assert content.read(start, stop) == whole[start:stop]


@given(st.lists(st.tuples(st.text("abc/", min_size=1), st.integers(0, 5000)), max_size=20))
def test_the_size_is_known_without_the_zip(sizes):
    entries = [Entry(name, Zeros(size)) for name, size in sizes]
    assert zipped(entries, MODIFIED).size == zipped_size(sizes)


@pytest.mark.parametrize(
    "sizes",
    [[(1 << 32) - 2], [(1 << 32) - 1], [5 << 30, 10, 0], [3 << 30, 3 << 30, 7]],
    ids=["just not", "size", "size and offset", "offset only"],
)
def test_zip64_is_used_where_four_gigabytes_are_reached(sizes):
    entries = [Entry(f"{n}", Zeros(size)) for n, size in enumerate(sizes)]
    content = zipped(entries, MODIFIED)
    assert content.size == zipped_size([(entry.name, entry.content.size) for entry in entries])
    archive = zipfile.ZipFile(File(content))
    assert [info.file_size for info in archive.infolist()] == sizes
    with archive.open(f"{len(sizes) - 1}") as last:
        assert last.read(10) == bytes(min(10, sizes[-1]))


def test_both_digests_come_from_one_pass():
    content = zipped(ENTRIES, MODIFIED)
    whole = content.read(0, content.size)
    assert md5_and_blake3(content) == (hashlib.md5(whole).hexdigest(), blake3(whole).hexdigest())
    assert content.digest("md5") == hashlib.md5(whole).hexdigest()


def test_a_chain_reads_over_its_seams():
    chain = Chain.of([Inline(b"ab"), Inline(b"c"), Inline(b"def")])
    assert chain.size == 6
    assert chain.read(1, 5) == b"bcde"
    assert chain.read(6, 6) == b""
    assert chain.crc32() == Inline(b"abcdef").crc32()
