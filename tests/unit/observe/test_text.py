from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyhaul.observe import text

DAY_S = 86_400.0
NOON_S = 1_720_872_000.0  # 2024-07-13T12:00:00Z


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_960, "1.0 MB"),
        (76_840_000, "76.8 MB"),
        (812_400_000_000, "812.4 GB"),
        (12_000_000_000_000, "12.0 TB"),
    ],
)
def test_sizes_are_decimal_and_carry_their_unit(count: int, words: str) -> None:
    assert text.bytes_text(count) == words


@given(st.floats(min_value=0, max_value=1e20))
def test_no_size_takes_more_than_eight_characters(count: float) -> None:
    assert len(text.bytes_text(count)) <= 8


def test_a_limit_is_named_without_an_idle_decimal() -> None:
    assert [text.short_rate_text(20e6), text.short_bytes_text(1.94e12)] == ["20 MB/s", "1.9 TB"]


@pytest.mark.parametrize(
    ("fraction", "words"), [(0, "0 %"), (0.07, "7 %"), (0.9999, "99 %"), (1, "100 %"), (0.29, "29 %")]
)
def test_a_hundred_per_cent_means_all(fraction: float, words: str) -> None:
    assert text.percent_text(fraction) == words


@pytest.mark.parametrize(
    ("seconds", "clock", "span"),
    [
        (0.092, "00:00", "92 ms"),
        (1.44, "00:01", "1.4 s"),
        (24, "00:24", "24 s"),
        (761, "12:41", "12 min"),
        (9660, "2:41:00", "2 h 41 min"),
        (DAY_S * 3 + 4 * 3600 + 120, "3 d 04:02", "3 d 4 h"),
    ],
)
def test_lengths_of_time(seconds: float, clock: str, span: str) -> None:
    assert text.clock_text(seconds) == clock
    assert text.span_text(seconds) == span


@pytest.mark.usefixtures("utc")
def test_a_moment_of_another_day_carries_its_date() -> None:
    assert text.moment_text(NOON_S + 300, NOON_S) == "12:05"
    assert text.moment_text(NOON_S + DAY_S, NOON_S) == "14 Jul 12:00"


def test_thousands_stand_apart_and_the_most_frequent_comes_first() -> None:
    assert text.tally_text({"stall": 1, "503": 1204}) == f"503 {text.TIMES}1 204   stall {text.TIMES}1"


@pytest.mark.parametrize(
    ("hostile", "plain"),
    [
        ("B04\x1b[2J.jp2", "B04?[2J.jp2"),
        ("a\r\nb\tc", "a  b c"),
        ("gpj.\u202eexe", "gpj.?exe"),
        ("\udcff", "?"),
        ("\x9b31m", "?31m"),
        ("po-vallée 北.geojson", "po-vallée 北.geojson"),
    ],
)
def test_a_name_cannot_command_the_terminal(hostile: str, plain: str) -> None:
    assert text.clean(hostile) == plain


@given(st.text())
def test_what_is_clean_holds_no_control_or_format_character(words: str) -> None:
    assert not {unicodedata.category(character)[0] for character in text.clean(words)} & {"C"}
    assert text.clean(text.clean(words)) == text.clean(words)
