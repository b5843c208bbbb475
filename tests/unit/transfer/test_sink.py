from __future__ import annotations

import hashlib
import os
import random
from pathlib import Path

import pytest

from skyhaul.errors import IntegrityError, SinkError
from skyhaul.model import Checksum
from skyhaul.transfer import sink
from skyhaul.transfer.sink import check_writable, free_bytes, is_intact, publish, writing

BODY = random.Random(1).randbytes(100_000)
MD5 = Checksum(algorithm="MD5", value=hashlib.md5(BODY).hexdigest(), origin="manifest")


def test_an_error_without_a_number_is_told_in_its_own_words(tmp_path):
    with pytest.raises(SinkError, match="cannot do that"), writing(tmp_path):
        raise OSError("cannot do that")


def test_a_file_is_intact_only_where_a_digest_says_so(tmp_path):
    path = tmp_path / "B04.jp2"
    path.write_bytes(BODY)
    assert is_intact(path, MD5)
    assert is_intact(path, Checksum(algorithm="MD5", value=MD5.value.upper()))
    assert not is_intact(path, None)
    path.write_bytes(BODY[:-1])
    assert not is_intact(path, MD5)


# publication


def made(folder, files):
    for name, body in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return folder


def tree_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def durable(monkeypatch):
    """Which paths were made durable, in order, with the renames between them."""
    calls = []
    fsync, replace = os.fsync, sink.Path.replace
    monkeypatch.setattr(
        sink.os, "fsync", lambda fd: (calls.append(("fsync", str(Path(f"/proc/self/fd/{fd}").readlink()))), fsync(fd))
    )
    monkeypatch.setattr(
        sink.Path, "replace", lambda path, to: (calls.append(("replace", str(to))), replace(path, to))[1]
    )
    return calls


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="only Linux tells which file a descriptor is")
def test_everything_is_durable_before_it_has_its_name(tmp_path, durable):
    staged, final = made(tmp_path / "tree", {"a": b"1", "b/c": b"2"}), tmp_path / "x" / "P.SAFE"
    publish(staged, final)
    assert tree_of(final) == {"a": b"1", "b/c": b"2"}
    renamed = durable.index(("replace", str(final)))
    before = {staged, staged / "a", staged / "b", staged / "b/c"}
    assert set(durable[:renamed]) == {("fsync", str(path)) for path in before}
    assert durable[renamed + 1 :] == [("fsync", str(final.parent))]


def test_a_tree_takes_in_the_rest_of_its_product(tmp_path):
    final = made(tmp_path / "P.SAFE", {"manifest.safe": b"m", "R10m/B04": b"4", "R10m/old": b"0"})
    publish(made(tmp_path / "tree", {"manifest.safe": b"m", "R10m/B08": b"8", "R10m/old": b"1", "QI/x": b"x"}), final)
    assert tree_of(final) == {"manifest.safe": b"m", "R10m/B04": b"4", "R10m/B08": b"8", "R10m/old": b"1", "QI/x": b"x"}
    assert not (tmp_path / "tree").exists()


def test_a_file_replaces_its_earlier_version(tmp_path):
    made(tmp_path, {"P.nc": b"old", "staged": b"new"})
    publish(tmp_path / "staged", tmp_path / "P.nc")
    assert tree_of(tmp_path) == {"P.nc": b"new"}


def test_what_is_in_the_way_is_named(tmp_path):
    made(tmp_path, {"P.SAFE": b"a file", "tree/a": b"1"})
    with pytest.raises(SinkError, match=r"P\.SAFE"):
        publish(tmp_path / "tree", tmp_path / "P.SAFE")
    assert tree_of(tmp_path) == {"P.SAFE": b"a file", "tree/a": b"1"}


def test_room_is_told_for_a_folder_that_is_not_there_yet(tmp_path):
    assert abs(free_bytes(tmp_path / "a" / "b") - free_bytes(tmp_path)) < 1 << 30


def test_a_destination_is_tried_and_left_as_it_was(tmp_path):
    check_writable(tmp_path / "new" / "folder")
    assert list((tmp_path / "new" / "folder").iterdir()) == []


def test_a_destination_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SinkError, match="file"):
        check_writable(tmp_path / "file" / "below")


def test_a_small_object_is_put_at_once(tmp_path):
    target = tmp_path / "folder" / "name"
    sink.put(target, [b"ab", b"c"], Checksum(algorithm="MD5", value=hashlib.md5(b"abc").hexdigest()))
    assert target.read_bytes() == b"abc"
    assert [path.name for path in target.parent.iterdir()] == ["name"]


def test_a_small_object_that_is_wrong_gets_no_name(tmp_path):
    target = tmp_path / "name"
    with pytest.raises(IntegrityError, match="MD5"):
        sink.put(target, [b"abd"], Checksum(algorithm="MD5", value=hashlib.md5(b"abc").hexdigest()))
    assert [path.name for path in tmp_path.iterdir()] == ["name.part"]
