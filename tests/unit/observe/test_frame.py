"""The picture, as a terminal of a given size shows it."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.segment import Segment

from skyhaul.events import (
    AttemptFailed,
    DiskPaused,
    HostCooled,
    ObserverFailed,
    PageRead,
    RunFinished,
    SliceFailed,
    SlicePlanned,
)
from skyhaul.model import Report
from skyhaul.observe.dashboard import Picture
from skyhaul.observe.frame import ASCII, HINT, frame
from skyhaul.observe.watch import View
from support.told import GB, MB, NAME, Told

WIDE, USUAL, SMALL = (110, 32), (80, 24), (60, 15)
SIZES = pytest.mark.parametrize("size", [WIDE, USUAL, SMALL], ids=lambda size: f"{size[0]}x{size[1]}")

pytestmark = pytest.mark.usefixtures("utc")


def starting(told: Told) -> View:
    told.start()
    return told.let_pass(1)


def running(told: Told) -> View:
    told.start(requests_per_minute=2000, bytes_per_30_days=12_000 * GB)
    told.find(1204)
    told.bus.emit(SlicePlanned(slice="a"))
    told.bus.emit(PageRead(slice="a", products=1000, seconds=0.4, total=3000))
    for product in range(138):
        told.end(product, level="blake3" if product < 120 else "manifest")
    for product in range(138, 142):
        flow = told.begin(product, objects=87)
        told.finish_transfer(flow)
        told.transfer(product, "IMG_DATA/B08_10m.jp2", GB // 87)
    told.meter.streams_wanted = 4
    told.meter.bytes_30_days = 1900 * GB
    told.meter.requests = [told.passed_s] * 1402
    return told.let_pass(40, 76.8e6)


def refused(told: Told) -> View:
    running(told)
    told.meter.streams = 0
    told.let_pass(10)
    told.bus.emit(
        AttemptFailed(at_s=told.now_s, host="eodata", what="IMG_DATA/B04_10m.jp2", kind="503", error="busy", wait_s=2.0)
    )
    told.bus.emit(HostCooled(at_s=told.now_s, host="eodata.example", seconds=24, reason="503 SlowDown"))
    return told.let_pass(1)


def disk_paused(told: Told) -> View:
    running(told)
    told.bus.emit(DiskPaused(free_bytes=2 * GB, needed_bytes=9 * GB))
    return told.let_pass(1)


def straggling(told: Told) -> View:
    told.start()
    told.find(3)
    told.read_catalogue(3)
    told.end(0)
    told.end(1)
    told.begin(2, size=4 * GB)
    return told.let_pass(40, 20e6)


def failing(told: Told) -> View:
    running(told)
    for product in range(200, 205):
        told.end(product, "failed", kind="ObjectMissing", error=f"404: {product} is gone")
    told.bus.emit(SliceFailed(slice="2024-07", error="count differs"))
    told.end(206, "failed", kind="IntegrityError", error="MD5 differs")
    told.bus.emit(ObserverFailed(observer="events file", error="No space left on device"))
    return told.let_pass(1, 76.8e6)


def ended(told: Told) -> View:
    straggling(told)
    told.end(2)
    told.bus.emit(RunFinished(at_s=told.now_s, report=Report()))
    return told.let_pass(1)


STATES: list[Callable[[Told], View]] = [starting, running, refused, disk_paused, straggling, failing, ended]


def shown(view: View, size: tuple[int, int], *, last: bool = False) -> str:
    width, height = size
    console = Console(
        file=io.StringIO(), record=True, width=width, height=height, force_terminal=True, legacy_windows=False
    )
    picture = Picture(view)
    picture.last = last
    console.print(picture)
    return console.export_text()


@SIZES
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_the_three_questions_are_answered_at_every_size(
    told: Told, state: Callable[[Told], View], size: tuple[int, int]
) -> None:
    lines = shown(state(told), size).splitlines()
    assert len(lines) <= size[1]
    assert max(map(cell_len, lines)) <= size[0]
    labels = [line[1:11].strip() for line in lines]
    assert labels[0].startswith("skyhaul")
    for question in ("rate", "bytes", "ready", "held back", "products"):
        assert question in labels


def test_a_run_before_its_first_answer(told: Told) -> None:
    words = shown(starting(told), USUAL)
    assert "● searching  00:01" in words
    assert "ready      unknown yet" in words
    assert "held back  by the catalogue" in words
    assert "streams ○○○○" in words


def test_a_run_in_full_swing(told: Told) -> None:
    words = shown(running(told), WIDE)
    for fact in (
        "● fetching  00:40",
        "76.8 MB/s",
        "96 % of 80 MB/s allowed",
        "of about 3.0 TB",
        "by the archive's 4 \N{MULTIPLICATION SIGN} 20 MB/s",
        "found 1 204   done   138   failed   0   queued 1 062   fetching   4",
        "blake3 120   manifest 18",
        "0 of 1 slices read, about 3 000 products in all",
        "streams ●●●●   requests 1 402 of 2 000/min   30 days 1.9 TB of 12 TB",
        "S2A_MSIL2A_20240713T101031_N0510_R022_T32TQR…",
        "19.2 MB/s",
        "1/87",
        "retries    none",
        HINT,
    ):
        assert fact in words


def test_a_refusal_is_told_with_what_is_left_of_it(told: Told) -> None:
    words = shown(refused(told), USUAL)
    assert "● waiting" in words
    assert "held back  by eodata.example, left alone for 23 s: 503 SlowDown" in words
    assert "1:  503 \N{MULTIPLICATION SIGN}1   last 14:00:50 B04_10m.jp2: busy" in words


def test_a_full_disk_says_what_to_do(told: Told) -> None:
    words = shown(disk_paused(told), WIDE)
    assert "● waiting" in words
    assert "by the full disk: 2.0 GB free, 9.0 GB needed; make room and it goes on" in words


def test_the_last_product_is_named(told: Told) -> None:
    words = shown(straggling(told), WIDE)
    assert "● finishing" in words
    assert "by one last product, 800.0 MB of 4.0 GB at 20.0 MB/s:" in words
    assert "about 14:03:20 (14:03:20 to 14:03:20), in 2 min" in words
    assert "46 % of 6.0 GB" in words


@SIZES
def test_failures_stay_whatever_the_size(told: Told, size: tuple[int, int]) -> None:
    words = shown(failing(told), size)
    assert "7 failed" in words.splitlines()[0]
    assert f"failed     {NAME[:20]}" in words
    assert "IntegrityError: MD5" in words
    assert "note       events file" in words
    if size != SMALL:
        assert "incomplete" not in words  # three lines are shown, the newest
        assert words.count("\n failed ") == 3


def test_the_last_picture_has_no_rows_that_wait_for_something(told: Told) -> None:
    words = shown(ended(told), USUAL, last=True)
    assert "● ended" in words
    assert "held back  nothing" in words
    assert HINT not in words
    assert len(words.splitlines()) < 16


def test_an_interrupted_run_does_not_claim_to_be_ready(told: Told) -> None:
    running(told)
    told.bus.emit(RunFinished(at_s=told.now_s, report=Report(exit_code=130)))
    words = shown(told.watch.look(), USUAL, last=True)
    assert "● interrupted" in words
    assert "ready      no, ended at 14:00:40" in words
    assert "4 % of about 3.0 TB" in words
    assert "0 of 1 slices read" in words
    assert "complete" not in words


def test_nothing_moves_when_a_failure_comes(told: Told) -> None:
    before = shown(running(told), USUAL).splitlines()
    told.end(200, "failed", kind="ObjectMissing", error="gone")
    after = shown(told.watch.look(), USUAL).splitlines()
    assert len(after) == len(before)
    assert [line[:11] for line in after[:17]] == [line[:11] for line in before[:17]]
    assert after[-1] == before[-1]


def test_products_beyond_the_rows_are_summed_up(told: Told) -> None:
    told.start(connections=64)
    told.find(64)
    for product in range(64):
        told.begin(product)
    words = shown(told.let_pass(12, 640e6), USUAL)
    assert "streams 64 of 64" in words
    assert "and 53 more at 530.0 MB/s" in words


def test_ascii_where_the_terminal_has_no_more(told: Told) -> None:
    raw = io.BytesIO()
    console = Console(file=io.TextIOWrapper(raw, "ascii"), width=110, height=32, force_terminal=True, color_system=None)
    told.find(1)
    console.print(Picture(running(told)))
    console.file.flush()
    assert "streams ****" in raw.getvalue().decode("ascii")


def test_names_cannot_command_the_terminal(told: Told) -> None:
    hostile = "\x1b[2J\x1b]0;owned\x07[bold red]S2A\r\n\u202e.SAFE"
    view = running(told)
    told.bus.emit(ObserverFailed(observer="a\x1b[1A", error=hostile))
    told.bus.emit(HostCooled(at_s=told.now_s, host=hostile, seconds=60, reason=hostile))
    told.bus.emit(AttemptFailed(host=hostile, what=hostile, kind=hostile, error=hostile, wait_s=1.0))
    told.bus.emit(SliceFailed(slice=hostile, error=hostile))
    told.transfer(0, hostile, GB)
    view = told.watch.look()
    for width, height in (WIDE, USUAL, SMALL):
        lines = frame(view, width, height)
        words = "".join(segment.text for line in lines for segment in line)
        assert words.isprintable()
        assert "[bold red]" in words  # shown as it is, not obeyed


@settings(max_examples=40, deadline=None)
@given(
    width=st.integers(min_value=1, max_value=220),
    height=st.integers(min_value=1, max_value=70),
    state=st.sampled_from(STATES),
    last=st.booleans(),
)
def test_no_picture_is_larger_than_its_terminal(
    width: int, height: int, state: Callable[[Told], View], *, last: bool
) -> None:
    lines = frame(state(Told()), width, height, ASCII, last=last)
    assert len(lines) <= height
    assert all(Segment.get_line_length(line) <= width for line in lines)


def test_bars_are_exact_at_their_ends(told: Told) -> None:
    told.start()
    told.find(1)
    told.read_catalogue(1)
    told.begin(0, size=100 * MB)
    assert "━" not in shown(told.let_pass(0.25), WIDE).splitlines()[3]
    told.finish_transfer(next(iter(told.meter.flows.values())))
    told.end(0, size=100 * MB)
    assert "━" * 52 in shown(told.let_pass(0.25), WIDE).splitlines()[3]
    assert "100 % of 100.0 MB" in shown(told.let_pass(0.25), WIDE)
