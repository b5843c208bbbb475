from __future__ import annotations

import errno
import os
import random
import struct
import zipfile
from io import BytesIO
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skyhaul.errors import DiskFull, IntegrityError, SkyhaulError
from skyhaul.transfer import sink
from skyhaul.transfer.ahead import Ahead
from skyhaul.transfer.partfile import PartFile
from skyhaul.transfer.sink import copied
from skyhaul.transfer.unpack import unpack

BODY = random.Random(2).randbytes(5000)
FILES = {"P/manifest.safe": b"<xfdu/>", "P/GRANULE/B04.jp2": BODY, "P/HTML/empty": b"", "P/GRANULE/B08.jp2": BODY[::-1]}
FLAGS_AT, METHOD_AT = 6, 8


def zipped(files, *, compression=zipfile.ZIP_STORED, seekable=True):
    memory = BytesIO()
    stream = memory if seekable else Unseekable(memory)
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, body in files.items() if isinstance(files, dict) else files:
            archive.writestr(name, body)
    return memory.getvalue()


class Unseekable:
    """Has a zip written as a stream, with the sizes after the data."""

    def __init__(self, memory):
        self.write, self.flush = memory.write, memory.flush


def tree_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def arrived(body, folder, *steps):
    """The archive, written in pieces that end at ``steps``, and who followed it."""
    ahead = Ahead(folder / "tree")
    file = PartFile(folder / "P.zip", None, (), ahead)
    file.open()
    for start, stop in pairwise([0, *sorted({step for step in steps if 0 < step < len(body)}), len(body)]):
        file.write(start, [body[start:stop]])
    file.seal(len(body))
    return folder / "P.zip", ahead


def outcome(folder, archive, **options):
    """The tree, or the name of what refused it."""
    try:
        unpack(archive, folder, **options)
    except SkyhaulError as error:
        return type(error).__name__
    return tree_of(folder)


def inside(files):
    return {name.partition("/")[2]: body for name, body in files.items()}


def test_members_are_there_before_the_archive_is(tmp_path):
    ahead = Ahead(tmp_path / "tree")
    file = PartFile(tmp_path / "P.zip", None, (), ahead)
    file.open()
    body = zipped(FILES)
    second = body.index(b"PK\x03\x04", 10)
    file.write(0, [body[: second - 1]])
    file.close()  # waits for those behind
    assert tree_of(tmp_path / "tree") == {}
    again = PartFile(tmp_path / "P.zip", None, file.done, ahead)
    again.open()
    again.write(second - 1, [body[second - 1 : second + 6000]])
    again.close()
    assert tree_of(tmp_path / "tree") == {"manifest.safe": b"<xfdu/>", "GRANULE/B04.jp2": BODY, "HTML/empty": b""}


def test_what_is_there_is_not_written_again(tmp_path, monkeypatch):
    archive, ahead = arrived(zipped(FILES), tmp_path, 100, 3000)
    monkeypatch.delattr("skyhaul.transfer.unpack.copied")
    unpack(archive, tmp_path / "tree", verified=True, taken=ahead.taken)
    assert tree_of(tmp_path / "tree") == inside(FILES)


PLAIN = zipped(FILES)
ODD = {
    "stored": PLAIN,
    "deflated": zipped(FILES, compression=zipfile.ZIP_DEFLATED),
    "sizes after the data": zipped(FILES, seekable=False),
    "with folders": zipped({"P/": b"", "P/GRANULE/": b"", **FILES}),
    "two top folders": zipped({**FILES, "Q/x": b"x"}),
    "no top folder": zipped({**FILES, "x": b"x"}),
    "something before it": b"PK00" + PLAIN,
    "not in its directory": zipped({"P/stray": b"stray"})[:43] + zipped(FILES),
    "traversal": zipped({**FILES, "P/../../evil": b"x"}),
    "absolute": zipped({**FILES, "/evil": b"x"}),
    "a folder where a file is": zipped([("P/a", b"1"), ("P/a/b", b"2")]),
    "a file where a folder is": zipped([("P/a/b", b"2"), ("P/a", b"1")]),
    "capitals": zipped([("P/a", b"1"), ("P/A", b"2")]),
    "no zip": b"PK\x03\x04" + bytes(5000),
    "cut": PLAIN[:-300],
}


@pytest.mark.parametrize("body", ODD.values(), ids=ODD)
@pytest.mark.parametrize("steps", [(), (100, 2000), range(0, 12_000, 7)], ids=["at once", "some", "drops"])
def test_a_head_start_changes_nothing_about_what_comes_out(tmp_path, body, steps):
    archive, ahead = arrived(body, tmp_path, *steps)
    found = outcome(tmp_path / "tree", archive, verified=True, taken=ahead.taken)
    assert found == outcome(tmp_path / "checked", archive)
    assert not (tmp_path / "evil").exists()
    assert {path.name for path in tmp_path.iterdir()} <= {"P.zip", "tree", "checked"}


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_not_mixed_up(tmp_path):
    """The directory at the end of the archive names the first alone, another member of its name follows."""
    both = zipped([("P/a", b"good"), ("P/a", b"evil")])
    second = both.index(b"PK\x01\x02", both.index(b"PK\x01\x02") + 4)
    end = both.index(b"PK\x05\x06")
    body = bytearray(both[:second] + both[end:])
    struct.pack_into("<HHI", body, second + 8, 1, 1, second - both.index(b"PK\x01\x02"))
    archive, ahead = arrived(bytes(body), tmp_path)
    assert outcome(tmp_path / "checked", archive) == {"a": b"good"}
    assert outcome(tmp_path / "tree", archive, verified=True, taken=ahead.taken) == {"a": b"good"}


def test_an_archive_that_is_not_verified_as_a_whole_is_checked_file_by_file(tmp_path):
    archive, ahead = arrived(PLAIN.replace(BODY, BODY[:-1] + b"?"), tmp_path)
    assert tree_of(tmp_path / "tree")
    with pytest.raises(IntegrityError, match="CRC"):
        unpack(archive, tmp_path / "tree", taken=ahead.taken)


def test_an_archive_that_begins_anew_leaves_nothing_of_its_beginning(tmp_path):
    ahead = Ahead(tmp_path / "tree")
    file = PartFile(tmp_path / "P.zip", None, (), ahead)
    file.open()
    file.write(0, [zipped({"P/old": b"old", "P/a": b"1"})])
    file.restart()
    assert (tree_of(tmp_path / "tree"), ahead.taken) == ({}, {})
    body = zipped({"P/a": b"2"})
    file.write(0, [body])
    file.seal(len(body))
    unpack(tmp_path / "P.zip", tmp_path / "tree", verified=True, taken=ahead.taken)
    assert tree_of(tmp_path / "tree") == {"a": b"2"}


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=5), step=st.integers(1, 500))
def test_whatever_the_bytes_are_nothing_is_written_outside_and_no_download_stops(tmp_path_factory, changes, step):
    folder = tmp_path_factory.mktemp("any")
    body = bytearray(zipped({"P/a": b"1" * 40, "P/b/c": b"2" * 40, "P/b/d": b"3"}))
    for at, value in changes:
        body[at % len(body)] = value
    archive, ahead = arrived(bytes(body), folder, *range(0, len(body), step))
    outcome(folder / "tree", archive, verified=True, taken=ahead.taken)
    assert {path.name for path in folder.iterdir()} <= {"P.zip", "tree"}


def test_a_full_disk_ends_the_head_start_as_it_ends_the_rest(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sink, "_moved", full)
    with pytest.raises(DiskFull):
        arrived(PLAIN, tmp_path)


# copying inside the kernel


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EXDEV, errno.EOPNOTSUPP, errno.EINVAL, errno.EPERM, 0])
def test_a_file_system_that_cannot_copy_by_itself_is_helped(tmp_path, monkeypatch, number):
    def refused(*_):
        if number == 0:
            return 0
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(sink.os, "copy_file_range", refused, raising=False)
    source = tmp_path / "source"
    source.write_bytes(BODY)
    with source.open("rb") as file:
        copied(file.fileno(), tmp_path / "x" / "target", 100, 4000)
    assert (tmp_path / "x" / "target").read_bytes() == BODY[100:4100]


@pytest.mark.parametrize("at_once", [1, 999, 10_000])
def test_a_copy_that_moves_only_some_bytes_is_finished(tmp_path, monkeypatch, at_once):
    copy_file_range = os.copy_file_range
    monkeypatch.setattr(sink.os, "copy_file_range", lambda a, b, n, at: copy_file_range(a, b, min(n, at_once), at))
    source = tmp_path / "source"
    source.write_bytes(BODY)
    with source.open("rb") as file:
        copied(file.fileno(), tmp_path / "target", 0, len(BODY))
        with pytest.raises(EOFError):
            copied(file.fileno(), tmp_path / "beyond", 4000, 4000)
    assert (tmp_path / "target").read_bytes() == BODY
