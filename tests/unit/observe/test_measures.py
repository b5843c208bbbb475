from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from skyhaul.measure import Figures, Point, Setup
from skyhaul.observe.measures import HEADINGS, advice, page, panels, row, target

PART = 64 << 20


def point(rate, connections=1, part_bytes=PART, *, verified=True, cpu_s=0.1):
    setup = Setup(connections=connections, part_bytes=part_bytes, verified=verified)
    return Point(setup=setup, bytes=rate, seconds=1.0, cpu_s=cpu_s)


def figures(*points, by_part=(), by_processes=(), verified=None, unverified=100_000_000, disk=1e12):
    return Figures(
        by_connections=points,
        by_part=by_part,
        by_processes=by_processes,
        verified=verified or points[-1],
        unverified=point(unverified, verified=False),
        disk_bytes_per_s=disk,
        cores=2,
    )


def test_the_advice_is_one_line_that_begins_with_the_option():
    said = advice(figures(point(50_000_000, 1), point(100_000_000, 4)))
    assert said.startswith("--connections 4: 100.0 MB/s, verified; ")
    assert "\n" not in said
    assert "costs nothing" in said
    assert said.endswith("neither the disk nor the processor")


def test_what_verification_costs():
    assert "verification costs 20%" in advice(figures(point(80_000_000), unverified=100_000_000))
    beside = point(99_000_000)
    assert "costs nothing" in advice(figures(point(80_000_000), verified=beside, unverified=100_000_000))


def test_smaller_parts_are_spoken_of_where_they_are_clearly_better():
    slow, fast = point(105_000_000, part_bytes=4 << 20), point(150_000_000, part_bytes=4 << 20)
    assert "parts of" not in advice(figures(point(100_000_000), by_part=(slow, point(100_000_000))))
    assert "parts of 4 MiB would reach 150.0 MB/s" in advice(figures(point(100_000_000), by_part=(fast,)))


def test_processes_are_spoken_of_where_they_are_clearly_better():
    def two(rate):
        found = point(rate, 4)
        return replace(found, setup=replace(found.setup, processes=2))

    alone = point(100_000_000, 4)
    assert "processes" not in advice(figures(alone, by_processes=(two(105_000_000),)))
    assert "--processes 2 would reach 150.0 MB/s" in advice(figures(alone, by_processes=(two(150_000_000),)))
    for rate, chosen in ((105_000_000, "1"), (150_000_000, "2")):
        drawn = panels(figures(alone, verified=alone, by_processes=(two(rate),)))[1]
        assert (drawn.across, [bar.label for bar in drawn.bars]) == ("processes", ["1", "2"])
        assert [bar.label for bar in drawn.bars if bar.chosen] == [chosen]


def test_the_limit_is_named():
    assert "the disk is the limit, with 100.0 MB/s" in advice(figures(point(99_000_000), disk=100_000_000))
    assert "keeps 1.0 of 2 cores busy" in advice(figures(point(99_000_000, cpu_s=0.99)))


def test_a_row_has_a_cell_for_each_heading():
    cells = row(point(20_000_000, 8, verified=False))
    assert len(cells) == len(HEADINGS)
    assert cells == ("8", "1", "64 MiB", "no", "20.0 MB/s", "0.10")


def test_the_page_stands_by_itself_and_its_bars_are_in_proportion():
    text = page(figures(point(50_000_000, 1), point(100_000_000, 4)), "bench: <https://host/a?b&c>", "2 cores of <one>")
    assert "<script" not in text
    assert "src=" not in text
    assert "&lt;https://host/a?b&amp;c&gt;" in text
    connections = ET.fromstring(text[text.index("<svg") : text.index("</svg>") + 6])
    one, four = [float(bar.attrib["width"]) for bar in connections.iter("rect")]
    assert four == 2 * one
    assert [bar.attrib["class"] for bar in connections.iter("rect")] == ["tried", "chosen"]
    assert "2 cores of &lt;one&gt;" in text
    assert "MB/s by connections at once" in text


def test_nothing_received_is_no_bar_and_no_division_by_zero():
    assert 'width="0.0"' in page(figures(point(0), unverified=0, disk=1.0), "nothing", "machine")


def test_what_is_recommended_stands_out_in_every_panel():
    best, half = point(100_000_000, 4), point(60_000_000, 4, part_bytes=1 << 20)
    drawn = panels(figures(point(50_000_000, 1), best, by_part=(half, best), verified=best))
    assert [panel.across for panel in drawn] == ["connections at once", "part size in MiB", "verified by"]
    assert [[bar.label for bar in panel.bars if bar.chosen] for panel in drawn] == [["4"], ["64"], ["BLAKE3"]]
    assert [bar.cores for bar in drawn[2].bars] == [0.1, 0.1, None]


def test_where_no_parts_are_served_there_is_no_panel_of_them():
    assert [panel.title for panel in panels(figures(point(50_000_000, 1)))] == ["Connections", "Verification and disk"]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (None, "embedded archive on this machine"),
        ("https://me:secret@host:8443/a/b.tif?X-Amz-Signature=secret#f", "https://host:8443/a/b.tif"),
        ("s3://eodata/" + "a/" * 60 + "b.jp2", "s3://eodata/…/b.jp2"),
        ("https://host/" + "n" * 200, "https://host/…/" + "n" * 74 + "…"),
    ],
)
def test_a_title_names_what_was_measured_and_no_secret(url, said):
    assert target(url) == said
