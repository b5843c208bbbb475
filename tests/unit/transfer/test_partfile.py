from __future__ import annotations

import errno
import hashlib
import itertools
import os
import random
import threading
import time
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skyhaul.errors import DiskFull, IntegrityError, SinkError
from skyhaul.model import ByteRange, Checksum
from skyhaul.transfer import partfile
from skyhaul.transfer.partfile import PartFile

BODY = random.Random(1).randbytes(100_000)
MD5 = Checksum(algorithm="MD5", value=hashlib.md5(BODY).hexdigest(), origin="manifest")
CUT = 30_000


@pytest.fixture
def path(tmp_path):
    return tmp_path / "IMG_DATA" / "B04.jp2"


@pytest.fixture
def opened():
    """Opens part files and closes them in the end, sealed or not."""
    files = []

    def open_(*arguments):
        file = PartFile(*arguments)
        file.open()
        files.append(file)
        return file

    yield open_
    for file in files:
        file.close()


def span(start, stop):
    return ByteRange(start=start, stop=stop)


def test_a_file_has_its_name_once_it_is_verified(path, opened):
    file = opened(path, MD5)
    file.write(0, [BODY])
    assert not path.exists()
    file.seal(len(BODY))
    assert path.read_bytes() == BODY
    assert not file.part.exists()


def test_wrong_bytes_stay_as_evidence_and_get_no_name(path, opened):
    file = opened(path, MD5)
    file.write(0, [BODY[:-1], b"?"])
    with pytest.raises(IntegrityError, match="its MD5 is"):
        file.seal(len(BODY))
    assert not path.exists()
    assert file.part.stat().st_size == len(BODY)


@pytest.mark.parametrize("size", [len(BODY) - 1, len(BODY) + 1])
def test_a_wrong_length_is_no_file(path, opened, size):
    file = opened(path, None)
    file.write(0, [BODY])
    with pytest.raises(IntegrityError, match="bytes where"):
        file.seal(size)
    assert not path.exists()


def test_a_hole_is_no_file_although_the_length_is_right(path, opened):
    file = opened(path, None)
    file.write(0, [BODY[:10]])
    file.write(20, [BODY[20:]])
    with pytest.raises(IntegrityError):
        file.seal(len(BODY))


def test_an_empty_object_is_a_file(path, opened):
    opened(path, None).seal(0)
    assert path.read_bytes() == b""


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cuts=st.sets(st.integers(1, 999), max_size=8),
    order=st.randoms(),
    before=st.integers(0, 3),
)
def test_parts_may_overtake_each_other_within_and_across_runs(tmp_path, cuts, order, before):
    body = BODY[:1000]
    expected = Checksum(algorithm="MD5", value=hashlib.md5(body).hexdigest())
    ends = [0, *sorted(cuts), len(body)]
    pieces = [span(*ends) for ends in itertools.pairwise(ends)]
    order.shuffle(pieces)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(partfile, "BLOCK_BYTES", 64)
        earlier = PartFile(tmp_path / "B04.jp2", expected)
        earlier.open()
        for piece in pieces[:before]:
            earlier.write(piece.start, [body[piece.start : piece.stop]])
        earlier.close()
        file = PartFile(tmp_path / "B04.jp2", expected, earlier.done)
        file.open()
        for piece in pieces[before:]:
            file.write(piece.start, [body[piece.start : piece.stop]])
        file.seal(len(body))
    assert (tmp_path / "B04.jp2").read_bytes() == body


def test_a_write_that_takes_only_some_bytes_is_finished(path, opened, monkeypatch):
    pwritev = os.pwritev
    monkeypatch.setattr(partfile.os, "pwritev", lambda fd, views, at: pwritev(fd, [views[0][:7_000]], at))
    file = opened(path, MD5)
    file.write(0, [BODY[:CUT], b"", BODY[CUT : CUT + 3], BODY[CUT + 3 :]])
    file.seal(len(BODY))
    assert path.read_bytes() == BODY


def test_more_chunks_than_the_system_takes_at_once(path, opened):
    file = opened(path, MD5)
    file.write(0, [BODY[at : at + 10] for at in range(0, len(BODY), 10)])
    file.seal(len(BODY))
    assert path.read_bytes() == BODY


def test_an_earlier_run_is_gone_on_from_and_hashed_again(path, opened):
    first = opened(path, MD5)
    first.write(0, [BODY[:CUT]])
    first.close()
    second = opened(path, MD5, [span(0, CUT)])
    second.write(CUT, [BODY[CUT:]])
    second.seal(len(BODY))
    assert path.read_bytes() == BODY


def test_what_changed_on_disk_between_runs_is_noticed(path, opened):
    first = opened(path, MD5)
    first.write(0, [BODY[:CUT]])
    first.close()
    first.part.write_bytes(b"?" + BODY[1:CUT])
    second = opened(path, MD5, [span(0, CUT)])
    second.write(CUT, [BODY[CUT:]])
    with pytest.raises(IntegrityError):
        second.seal(len(BODY))


def test_spans_beyond_the_end_of_the_file_are_forgotten(path, opened):
    first = opened(path, MD5)
    first.write(0, [BODY[:CUT]])
    first.close()
    second = opened(path, MD5, [span(0, CUT), span(CUT + 10, CUT + 20)])
    assert second.done == [span(0, CUT)]


def test_bytes_that_no_span_tells_of_are_dropped(path, opened):
    path.parent.mkdir()
    path.with_name("B04.jp2.part").write_bytes(BODY + b"of a longer version")
    file = opened(path, MD5)
    file.write(0, [BODY])
    file.seal(len(BODY))
    assert path.read_bytes() == BODY


def test_beginning_again_forgets_every_byte(path, opened):
    file = opened(path, MD5)
    file.write(0, [b"?" * 200_000])
    file.restart()
    assert (file.done, file.part.stat().st_size) == ([], 0)
    file.write(0, [BODY])
    file.seal(len(BODY))
    assert path.read_bytes() == BODY


def test_a_file_that_was_cut_behind_our_back_is_no_endless_loop(path, opened):
    file = opened(path, MD5)
    file.write(CUT, [BODY[CUT:]])
    os.truncate(file.part, 0)
    with pytest.raises(IntegrityError, match=r"B04\.jp2"):
        wholly(file)


def wholly(file):
    """Write the beginning, and seal: what is done behind a write fails it, or what comes after it."""
    file.write(0, [BODY[:CUT]])
    file.seal(len(BODY))


REFUSALS = [(errno.ENOSPC, DiskFull), (errno.EDQUOT, DiskFull), (errno.EIO, SinkError)]


@pytest.mark.parametrize("function", ["pwritev", "pread"])
@pytest.mark.parametrize("refusal", REFUSALS, ids=str)
def test_what_the_disk_refuses_is_one_sentence(path, opened, monkeypatch, function, refusal):
    number, error = refusal

    def refuse(*_):
        raise OSError(number, os.strerror(number))

    file = opened(path, MD5)
    file.write(CUT, [BODY[CUT:]])
    monkeypatch.setattr(partfile.os, function, refuse)
    with pytest.raises(error) as raised:
        wholly(file)
    assert type(raised.value) is error
    assert str(raised.value) == f"{file.part}: {os.strerror(number)}"


def again_and_again(call):
    for _ in range(2000):
        call()
        time.sleep(0.001)


def test_what_is_refused_behind_is_met_by_the_next_write_and_once(path, opened, monkeypatch):
    """The disk is full while the hash catches up: who writes next waits for space, and nothing is lost or hashed twice."""
    pread, full = os.pread, threading.Event()

    def refuse(*arguments):
        if full.is_set():
            return pread(*arguments)
        full.set()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    file = opened(path, MD5)
    file.write(CUT, [BODY[CUT:-1]])
    monkeypatch.setattr(partfile.os, "pread", refuse)
    file.write(0, [BODY[:CUT]])
    assert full.wait(5.0)
    with pytest.raises(DiskFull):
        again_and_again(partial(file.write, len(BODY) - 1, [BODY[-1:]]))
    file.write(len(BODY) - 1, [BODY[-1:]])
    file.seal(len(BODY))
    assert path.read_bytes() == BODY


def test_a_stream_does_not_wait_for_those_who_follow(path, opened):
    goes_on = threading.Event()

    class Slow:
        def restart(self):
            pass

        def follow(self, fd, front):
            assert goes_on.wait(5.0)

    file = opened(path, None, (), Slow())
    for at in range(0, len(BODY), CUT):
        file.write(at, [BODY[at : at + CUT]])
    assert not goes_on.is_set()
    goes_on.set()
    file.seal(len(BODY))
    assert path.read_bytes() == BODY


def test_a_bug_of_those_who_follow_is_not_lost(path, opened):
    class Wrong:
        def restart(self):
            pass

        def follow(self, fd, front):
            raise ZeroDivisionError

    file = opened(path, None, (), Wrong())
    file.write(0, [BODY])
    with pytest.raises(ZeroDivisionError):
        file.seal(len(BODY))


@pytest.mark.parametrize("expected", [MD5, None], ids=["md5", "no digest"])
def test_what_got_its_name_before_the_process_was_killed_is_gone_on_from(path, opened, expected):
    file = opened(path, expected)
    file.write(0, [BODY])
    file.seal(len(BODY))
    again = opened(path, expected, [span(0, len(BODY))])
    assert again.done == [span(0, len(BODY))]
    again.seal(len(BODY))
    assert path.read_bytes() == BODY
    assert not again.part.exists()


def test_a_name_that_the_full_disk_refuses_can_be_given_once_there_is_room(path, opened, monkeypatch):
    file = opened(path, MD5)
    file.write(0, [BODY])

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(type(path), "replace", full)
        with pytest.raises(DiskFull):
            file.seal(len(BODY))
    file.seal(len(BODY))
    assert path.read_bytes() == BODY
