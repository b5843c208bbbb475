from __future__ import annotations

import xml.etree.ElementTree as ET

from skyhaul.measure import Figures, Point, Setup
from skyhaul.observe.measures import HEADINGS, advice, page, row

PART = 64 << 20


def point(rate, connections=1, part_bytes=PART, *, verified=True, cpu_s=0.1):
    setup = Setup(connections=connections, part_bytes=part_bytes, verified=verified)
    return Point(setup=setup, bytes=rate, seconds=1.0, cpu_s=cpu_s)


def figures(*points, by_part=(), verified=None, unverified=100_000_000, disk=1e12):
    return Figures(
        by_connections=points,
        by_part=by_part,
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


def test_the_limit_is_named():
    assert "the disk is the limit, with 100.0 MB/s" in advice(figures(point(99_000_000), disk=100_000_000))
    assert "keeps 1.0 of 2 cores busy" in advice(figures(point(99_000_000, cpu_s=0.99)))


def test_a_row_has_a_cell_for_each_heading():
    cells = row(point(20_000_000, 8, verified=False))
    assert len(cells) == len(HEADINGS)
    assert cells == ("8", "64 MiB", "no", "20.0 MB/s", "0.10")


def test_the_page_stands_by_itself_and_its_bars_are_in_proportion():
    text = page(figures(point(50_000_000, 1), point(100_000_000, 4)), "bench: <https://host/a?b&c>")
    assert "<script" not in text
    assert "src=" not in text
    assert "&lt;https://host/a?b&amp;c&gt;" in text
    connections = ET.fromstring(text[text.index("<svg") : text.index("</svg>") + 6])
    one, four = [float(bar.attrib["width"]) for bar in connections.iter("rect")]
    assert four == 2 * one


def test_nothing_received_is_no_bar_and_no_division_by_zero():
    assert 'width="0.0"' in page(figures(point(0), unverified=0, disk=1.0), "nothing")
