from __future__ import annotations

import io
import json

import msgspec
import pytest
from rich.cells import cell_len
from rich.console import Console

from skyhaul.model import ProductResult, Report
from skyhaul.observe.report import meaning, report_json, report_table

TIMES = "\N{MULTIPLICATION SIGN}"


def shown(report: Report, width: int = 80) -> str:
    console = Console(file=io.StringIO(), record=True, width=width)
    console.print(report_table(report))
    return console.export_text()


def failure(index: int) -> ProductResult:
    return ProductResult(
        id=str(index),
        name=f"S2A_MSIL2A_20240713T101031_N0510_R022_T32TQR_20240713T16{index:04d}.SAFE",
        state="failed",
        kind="ObjectMissing" if index else "IntegrityError",
        error=f"GRANULE/IMG_DATA/B04_10m.jp2: object {index} is not there any more",
    )


GOOD = Report(
    found=1204,
    verified=1198,
    present=6,
    bytes=812_400_000_000,
    fetched=812_500_000_000,
    seconds=10_631.0,
    allowance_bytes_per_s=80e6,
    levels={"manifest": 98, "blake3": 1100},
    retries={"503": 4, "ConnectionLost": 1},
    slices=(7, 7),
    destination="/data/archive",
)
BAD = Report(
    found=100,
    verified=80,
    failed=12,
    pending=8,
    slices=(5, 7),
    incomplete=("2024-04-01 to 2024-05-01: count differs", "b", "c", "d"),
    failures=tuple(map(failure, range(12))),
    exit_code=4,
    destination="/data/my archive/",
)


def test_a_good_run() -> None:
    words = shown(GOOD)
    for fact in (
        "exit 0: everything asked for is on disk and verified as asked",
        "1 204 found   1 198 verified   6 by earlier runs",
        "812.4 GB in 2:57:11; received 812.5 GB",
        "76.4 MB/s, 95 % of the 80 MB/s that the archive allows",
        "blake3 1 100   manifest 98",
        f"503 {TIMES}4   ConnectionLost {TIMES}1",
        "complete: 7 of 7 slices",
        "/data/archive/.skyhaul/journal.db",
    ):
        assert fact in words
    assert "again" not in words


def test_a_bad_run_says_what_failed_and_how_to_go_on() -> None:
    words = shown(BAD)
    for fact in (
        "exit 4",
        "12 failed",
        "8 not",
        "incomplete: 5 of 7 slices",
        "2024-04-01 to 2024-05-01: count differs",
        "and 1 more slices",
        f"ObjectMissing {TIMES}11   IntegrityError {TIMES}1",
        "and 6 more, all of them in the journal",
        "the same command: what is there is not fetched again",
        "/data/my archive/.skyhaul/journal.db",
    ):
        assert fact in words


@pytest.mark.parametrize("width", [60, 80, 110])
@pytest.mark.parametrize("report", [GOOD, BAD, Report()], ids=["good", "bad", "empty"])
def test_it_fits_a_screen(report: Report, width: int) -> None:
    lines = shown(report, width).splitlines()
    assert max(map(cell_len, lines)) <= width
    if width >= 80:
        assert len(lines) <= 32


def test_an_interrupted_run_is_resumed_by_the_same_command() -> None:
    words = shown(Report(exit_code=130, stopped="interrupted; run again to resume", destination="/d"))
    assert "exit 130: interrupted; run again to resume" in words
    assert "the same command: what is there is not fetched again" in words


def test_why_it_was_stopped_is_told() -> None:
    assert "exit 1: stopped after 5 bytes" in shown(Report(exit_code=1, stopped="stopped after 5 bytes (--max-bytes)"))


def test_markup_and_control_characters_are_shown_and_not_obeyed() -> None:
    hostile = ProductResult(id="1", name="[red]\x1b[2J", state="failed", kind="[b]", error="a\nb")
    console = Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)
    console.print(report_table(Report(failed=1, failures=(hostile,), exit_code=1)))
    written = console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    assert "[red]?[2J" in written
    assert "\x1b[2J" not in written


def test_as_json_it_has_the_same_figures() -> None:
    fields = json.loads(msgspec.json.encode(report_json(BAD)))
    assert (fields["failed"], fields["slices"], len(fields["failures"])) == (12, [5, 7], 12)
    assert fields["meaning"] == meaning(4)
    assert report_json(GOOD)["efficiency"] == GOOD.efficiency
    assert report_json(GOOD)["bytes_per_s"] == GOOD.bytes_per_s


@pytest.mark.parametrize("code", [0, 1, 2, 3, 4, 5, 6, 130, 77])
def test_every_exit_code_has_a_meaning(code: int) -> None:
    assert meaning(code).startswith(f"exit {code}: ")
