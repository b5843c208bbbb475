from __future__ import annotations

import contextlib
import random
import stat
import struct
import zipfile
from io import BytesIO
from pathlib import PurePosixPath

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skyhaul.errors import IntegrityError, UnsafeName
from skyhaul.transfer import unpack as unpacking
from skyhaul.transfer.unpack import is_zip, unpack

NAME = "S2A_MSIL2A_20240713T101031_N0510_R022_T32TQR_20240713T160000.SAFE"
FILES = {
    "manifest.safe": b"<xfdu/>",
    "GRANULE/L2A/B04.jp2": random.Random(4).randbytes(2_300_000),
    "HTML/empty.txt": b"",
}
ENCRYPTED = 0x1


def zipped(files, *, compression=zipfile.ZIP_STORED, folders=()):
    memory = BytesIO()
    with zipfile.ZipFile(memory, "w", compression) as archive:
        for folder in folders:
            archive.writestr(zipfile.ZipInfo(folder), b"")
        for name, body in files.items() if isinstance(files, dict) else files:
            archive.writestr(name, body)
    return memory.getvalue()


def below(top, files):
    return {f"{top}/{name}": body for name, body in files.items()}


def tree_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def patched(body, old, new):
    assert old in body
    return body.replace(old, new)


def special(name, **fields):
    info = zipfile.ZipInfo(name)
    for field, value in fields.items():
        setattr(info, field, value)
    return info


@pytest.fixture
def unpacked(tmp_path):
    """Puts bytes into a file, unpacks it, and shows that nothing was written anywhere else."""

    def run(body, name="P.zip"):
        archive = tmp_path / name
        archive.write_bytes(body)
        try:
            return unpack(archive, tmp_path / "tree")
        finally:
            assert {path.name for path in tmp_path.iterdir()} <= {name, "tree"}
            assert not [path for path in tmp_path.rglob("*") if path.is_symlink()]

    return run


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
@pytest.mark.parametrize(
    "folders", [(), (f"{NAME}/", f"{NAME}/AUX_DATA/", f"{NAME}/GRANULE/")], ids=["bare", "folders"]
)
def test_a_product_comes_out_without_its_top_folder(unpacked, tmp_path, compression, folders):
    paths = unpacked(zipped(below(NAME, FILES), compression=compression, folders=folders))
    assert paths == [PurePosixPath(name) for name in FILES]
    assert tree_of(tmp_path / "tree") == FILES


def test_the_top_folder_may_have_another_name(unpacked, tmp_path):
    unpacked(zipped(below("S2A_MSIL2A_whatever", FILES)))
    assert tree_of(tmp_path / "tree") == FILES


def test_several_top_folders_are_kept(unpacked, tmp_path):
    files = {"a/x": b"1", "b/x": b"2"}
    unpacked(zipped(files))
    assert tree_of(tmp_path / "tree") == files


def test_a_single_file_is_not_taken_for_a_folder(unpacked, tmp_path):
    assert unpacked(zipped({"S5P.nc": b"\x89HDF"})) == [PurePosixPath("S5P.nc")]
    assert tree_of(tmp_path / "tree") == {"S5P.nc": b"\x89HDF"}


def test_an_archive_with_zip64_headers_is_read(unpacked, tmp_path):
    memory = BytesIO()
    with zipfile.ZipFile(memory, "w") as archive, archive.open(f"{NAME}/big.tiff", "w", force_zip64=True) as file:
        file.write(b"band")
    unpacked(memory.getvalue())
    assert tree_of(tmp_path / "tree") == {"big.tiff": b"band"}


LINK = special("P/link", external_attr=(stat.S_IFLNK | 0o777) << 16, create_system=3)
RED_TEAM = {
    "traversal": (zipped({"../../evil": b"x"}), UnsafeName),
    "traversal below the top folder": (zipped({"P/../../evil": b"x"}), UnsafeName),
    "absolute": (zipped({"/etc/cron.d/evil": b"x"}), UnsafeName),
    "backslashes": (zipped({"P\\..\\evil": b"x"}), UnsafeName),
    "drive": (zipped({"C:/evil": b"x"}), UnsafeName),
    "control characters": (zipped({"P/\x1b[2J": b"x"}), UnsafeName),
    "right-to-left override": (zipped({"P/a\u202egpj.exe": b"x"}), UnsafeName),
    "too long": (zipped({"P/" + "x" * 250: b"x"}), UnsafeName),
    "link": (zipped([(LINK, b"/etc/passwd")]), UnsafeName),
    "capitals": (zipped({"P/B04.jp2": b"1", "P/b04.jp2": b"2"}), UnsafeName),
    "a file where a folder is": (zipped([("P/a/x", b"1"), ("P/a", b"2")]), UnsafeName),
    "a folder where a file is": (zipped([("P/a", b"1"), ("P/a/x", b"2")]), UnsafeName),
    "bomb": (zipped({"P/zeros": bytes(50_000_000)}, compression=zipfile.ZIP_DEFLATED), IntegrityError),
    "empty": (zipped({}), IntegrityError),
    "folders only": (zipped({}, folders=("P/", "P/AUX_DATA/")), IntegrityError),
    "no name": (zipped({"P/a": b"x"}).replace(b"P/a", b"\0/a"), IntegrityError),
    "no zip": (b"<html>maintenance</html>", IntegrityError),
    "nothing": (b"", IntegrityError),
    "wrong CRC": (patched(zipped(below("P", FILES)), b"<xfdu/>", b"<xfdU/>"), IntegrityError),
    "cut in the middle": (zipped(below("P", FILES))[:1_000_000], IntegrityError),
    "cut at the end": (zipped(below("P", FILES))[:-30], IntegrityError),
    "cut at the front": (zipped(below("P", FILES))[30:], IntegrityError),
}


@pytest.mark.parametrize(("body", "error"), RED_TEAM.values(), ids=RED_TEAM)
def test_a_hostile_or_broken_archive_is_refused(unpacked, body, error):
    with pytest.raises(error):
        unpacked(body)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_is_there_twice_is_refused(unpacked):
    with pytest.raises(IntegrityError, match=r"'B04.jp2' and 'B04.jp2'"):
        unpacked(zipped([("P/B04.jp2", b"1"), ("P/B04.jp2", b"2")]))


def test_an_encrypted_archive_is_refused(unpacked):
    body = bytearray(zipped({"P/a": b"x"}))
    central = body.index(b"PK\x01\x02")
    for flags_at in (6, central + 8):
        struct.pack_into("<H", body, flags_at, ENCRYPTED)
    with pytest.raises(IntegrityError, match="'P/a' is encrypted"):
        unpacked(bytes(body))


def test_a_size_that_lies_does_not_fill_the_disk(unpacked, tmp_path):
    body = bytearray(zipped({"P/zeros": bytes(1_000_000)}, compression=zipfile.ZIP_DEFLATED))
    central = body.index(b"PK\x01\x02")
    for size_at in (22, central + 24):
        struct.pack_into("<I", body, size_at, 100)
    with pytest.raises(IntegrityError):
        unpacked(bytes(body))
    assert sum(len(content) for content in tree_of(tmp_path / "tree").values()) <= 100


def test_a_method_that_nobody_has_is_refused(unpacked):
    body = bytearray(zipped({"P/a": b"x"}))
    central = body.index(b"PK\x01\x02")
    for method_at in (8, central + 10):
        struct.pack_into("<H", body, method_at, 97)
    with pytest.raises(IntegrityError, match="compressed by method 97"):
        unpacked(bytes(body))


SMALL = zipped({"P/a.xml": b"<a/>" * 4, "P/B/b.bin": bytes(24)}, compression=zipfile.ZIP_DEFLATED)


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, len(SMALL) - 1), st.integers(0, 255)), min_size=1, max_size=4),
    st.integers(0, len(SMALL)),
)
def test_whatever_is_done_to_an_archive_it_is_right_or_refused(tmp_path, changes, length):
    body = bytearray(SMALL)
    for at, value in changes:
        body[at] = value
    archive = tmp_path / "P.zip"
    archive.write_bytes(body[: length or None])
    with contextlib.suppress(IntegrityError):
        unpack(archive, tmp_path / "tree")
    assert all(path.is_relative_to(tmp_path / "tree") or path == archive for path in tmp_path.rglob("*"))


TREE = {"MTD.xml": b"<x/>", "GRANULE/B04.jp2": b"band" * 9, "p" * 76: b"preview"}


def wide(body):
    """The same archive with the end of one of more than 4 GiB, as Go and Java write it: nothing but what ZIP64 has counts."""
    end = body.rindex(b"PK\x05\x06")
    (count,) = struct.unpack_from("<H", body, end + 10)
    size, offset = struct.unpack_from("<2L", body, end + 12)
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, offset)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
    return body[:end] + record + locator + struct.pack("<4s4H2LH", b"PK\x05\x06", *[0xFFFF] * 4, *[0xFFFFFFFF] * 2, 0)


@pytest.mark.parametrize("bit", [0x01, 0x80])
@pytest.mark.parametrize("form", [bytes, wide])
def test_a_flipped_bit_in_the_list_of_members_is_caught_or_does_no_harm(tmp_path, form, bit):
    """No CRC covers it, and one that is swallowed by the entry before it would be missed by nobody."""
    body = form(zipped(below(NAME, TREE)))
    archive, tree = tmp_path / "P.zip", tmp_path / "tree"
    archive.write_bytes(body)
    unpack(archive, tree)
    assert tree_of(tree) == TREE
    for at in range(body.index(b"PK\x01\x02"), len(body)):
        archive.write_bytes(body[:at] + bytes([body[at] ^ bit]) + body[at + 1 :])
        try:
            unpack(archive, tree)
        except (IntegrityError, UnsafeName):
            continue
        assert tree_of(tree) == TREE, at


def test_a_full_disk_is_not_a_broken_archive(unpacked, monkeypatch):
    from skyhaul.errors import DiskFull  # noqa: PLC0415 named where it is expected

    def write(fd, block):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(unpacking.os, "write", write)
    with pytest.raises(DiskFull, match="No space left"):
        unpacked(zipped(below(NAME, FILES)))


@pytest.mark.parametrize(
    ("head", "zip_"),
    [(b"PK\x03\x04....", True), (b"PK\x05\x06", True), (b"\x89HDF", False), (b"<?xml", False), (b"", False)],
)
def test_a_zip_is_told_by_its_first_bytes(tmp_path, head, zip_):
    path = tmp_path / "S5P.nc"
    path.write_bytes(head)
    assert is_zip(path) is zip_
