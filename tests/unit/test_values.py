from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyhaul import values

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "start", "end"),
    [
        ("2024-04-01", "2024-04-01", "2024-04-02"),
        ("20240401", "2024-04-01", "2024-04-02"),
        (" 2024-04-01 ", "2024-04-01", "2024-04-02"),
        (date(2024, 4, 1), "2024-04-01", "2024-04-02"),
        ("2024-02-29", "2024-02-29", "2024-03-01"),
        ("2024-04-01T10:30", "2024-04-01T10:30", "2024-04-01T10:30"),
        ("2024-04-01 10:30:05.25Z", "2024-04-01T10:30:05.25", "2024-04-01T10:30:05.25"),
        ("2024-04-01T10:30+02:00", "2024-04-01T08:30", "2024-04-01T08:30"),
        ("20240401T103005", "2024-04-01T10:30:05", "2024-04-01T10:30:05"),
        (datetime(2024, 4, 1, 10, tzinfo=timezone(timedelta(hours=-5))), "2024-04-01T15:00", "2024-04-01T15:00"),
        ("30d", "2026-05-16T12:00", "2026-05-16T12:00"),
        ("2 w", "2026-06-01T12:00", "2026-06-01T12:00"),
        ("36h", "2026-06-14T00:00", "2026-06-14T00:00"),
    ],
)
def test_a_moment_is_utc_and_a_day_as_an_end_is_included(written, start, end):
    assert values.moment(written, now=NOW) == at(start)
    assert values.moment(written, now=NOW, is_end=True) == at(end)


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("01/04/2024", "did you mean 2024-04-01 or 2024-01-04?"),
        ("13/04/2024", "did you mean 2024-04-13?"),
        ("4.13.2024", "did you mean 2024-04-13?"),
        ("2024-13-04", "did you mean 2024-04-13?"),
        ("2024/4/1", "did you mean 2024-04-01"),
        ("2024-02-30", "is not a date"),
        ("2024-04-01T25:00", "is not a date"),
        ("2024", "write 2024-04-01"),
        ("yesterday", "write 2024-04-01"),
        ("", "empty"),
        ("1066-10-14", "before 1972"),
        ("0001-01-01T00:00+05:00", "calendar"),
        ("9999-12-31", "a year ahead"),
        ("99999999999d", "calendar"),
        (20240401, "is not text"),
    ],
)
@pytest.mark.parametrize("is_end", [False, True])
def test_a_moment_that_is_none_says_what_was_meant(written, sentence, is_end):
    with pytest.raises(ValueError, match=r"\S") as error:
        values.moment(written, now=NOW, is_end=is_end)
    assert sentence in str(error.value) or "calendar" in str(error.value)


@given(st.text(max_size=30))
def test_any_text_is_a_moment_or_a_sentence(written):
    with suppress(ValueError):
        assert values.moment(written, now=NOW).tzinfo is UTC


@pytest.mark.parametrize(
    ("written", "count"),
    [
        ("50MB", 50_000_000),
        ("1.5GiB", 1_610_612_736),
        ("500k", 500_000),
        ("20 mb/s", 20_000_000),
        ("7", 7),
        (7, 7),
        (5e9, 5 * 10**9),
        ("12TB", 12 * 10**12),
    ],
)
def test_sizes(written, count):
    assert values.size(written) == count


@pytest.mark.parametrize("written", ["", "fast", "-1", "0", "50 apples", "0.1", True, float("nan"), float("inf"), None])
def test_no_sizes(written):
    with pytest.raises(ValueError, match=r"size|byte"):
        values.size(written)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("90s", 90), ("45min", 2700), ("2h", 7200), ("1h30m", 5400), ("1.5h", 5400), ("90", 90), (90, 90), ("1d", 86400)],
)
def test_spans(written, seconds):
    assert values.span_s(written) == seconds


@pytest.mark.parametrize("written", ["", "soon", "0s", "-3", "h", "1h30x", True])
def test_no_spans(written):
    with pytest.raises(ValueError, match="time"):
        values.span_s(written)


@pytest.mark.parametrize(("written", "tile"), [("31TCL", "31TCL"), ("T31TCL", "31TCL"), (" t31tcl", "31TCL")])
def test_a_tile_has_no_leading_t(written, tile):
    assert values.tile(written) == tile


@pytest.mark.parametrize("written", ["31TCI", "3TCL", "31", "POINT(1 2)"])
def test_no_tiles(written):
    with pytest.raises(ValueError, match="MGRS"):
        values.tile(written)


@pytest.mark.parametrize(
    ("written", "channels"), [("vv", "VV"), ("VV,VH", "VV&VH"), ("hh+hv", "HH&HV"), ("VV&VH", "VV&VH")]
)
def test_polarisations(written, channels):
    assert values.polarisation(written) == channels


@pytest.mark.parametrize("written", ["VX", "VV,VH,HH", ","])
def test_no_polarisations(written):
    with pytest.raises(ValueError, match="polarisation"):
        values.polarisation(written)


@pytest.mark.parametrize(
    "written", ["https://host/path/", "http://127.0.0.1:8080/odata/v1", "http://[::1]:80", "http://localhost:9"]
)
def test_urls(written):
    assert values.url(written) == written.rstrip("/")


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("http://archive.example/odata", "unprotected"),
        ("catalogue.example/odata", "is not a URL"),
        ("https://", "is not a URL"),
        ("https://host:notaport/", "is not a URL"),
        ("ftp://host/x", "is not a URL"),
        ("https://alice:hunter2@host/x", "holds credentials"),
        ("https://host/x?y=1", "query"),
        ("https://scihub.copernicus.eu/dhus", "replaced by the Copernicus Data Space"),
        ("https://apihub.copernicus.eu/apihub", "replaced by the Copernicus Data Space"),
        (
            "https://catalogue.dataspace.copernicus.eu/resto/api",
            "replaced by https://catalogue.dataspace.copernicus.eu/odata/v1",
        ),
        ("https://peps.cnes.fr/resto", "GEODES"),
    ],
)
def test_no_urls(written, sentence):
    with pytest.raises(ValueError, match=r"\S") as error:
        values.url(written)
    assert sentence in str(error.value)
    assert "hunter2" not in str(error.value)


def test_a_choice_is_read_in_any_case_and_the_nearest_is_offered():
    read = values.one_of("SENTINEL-1", "SENTINEL-2", "SENTINEL-5P")
    assert read("sentinel-2") == "SENTINEL-2"
    with pytest.raises(ValueError, match=r"'Sentinel2' is unknown; did you mean SENTINEL-2\?"):
        read("Sentinel2")
    with pytest.raises(ValueError, match="known are SENTINEL-1, SENTINEL-2, SENTINEL-5P"):
        read("moon")


@pytest.mark.parametrize(("written", "truth"), [("yes", True), ("0", False), (True, True), ("False", False)])
def test_flags(written, truth):
    assert values.flag(written) is truth


def test_what_is_neither_true_nor_false():
    with pytest.raises(ValueError, match="neither true nor false"):
        values.flag("maybe")
