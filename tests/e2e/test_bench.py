"""``skyhaul bench`` measures, leaves nothing behind, and says what to do."""

from __future__ import annotations

import os
import re

import pytest


def lines_of(ran):
    assert ran.code == 0, ran.err
    return ran.out.splitlines()


def test_the_embedded_archive_is_measured_and_drawn(skyhaul):
    ran = skyhaul("bench", "--quick", "--into", "disk", "--chart", "bench.html")
    heading, *rows, disk, advice = lines_of(ran)
    assert heading.split() == ["connections", "processes", "parts", "verified", "rate", "cores", "busy"]
    assert [line.split()[0] for line in rows[:3]] == ["1", "4", "8"]
    assert all(re.search(r"[1-9]\d*\.\d [kMG]B/s", line) for line in rows)
    assert re.fullmatch(r"\d+ cores of .+, Python [\d.]+\S*; the disk takes [1-9]\d* MB/s", disk)
    assert advice.startswith("--connections ")
    assert list((skyhaul.folder / "disk").iterdir()) == []
    page = (skyhaul.folder / "bench.html").read_text()
    several = [line.split() for line in rows if line.split()[1] == "2"]
    assert len(several) == (1 if (os.cpu_count() or 1) > 1 else 0)
    assert page.count("<rect") == 3 + 2 + 2 * len(several) + 3
    assert disk.partition(";")[0] in page
    assert "embedded archive" in page


def test_an_address_is_measured(archive, skyhaul):
    root = archive.addresses["s3_url"]
    keys = skyhaul("search", "--product-type", "S2MSI2A", "--online", "--limit", "1", "--json").lines
    url = f"s3://{keys[0]['s3_path']}/manifest.safe"
    words = ("--url", url, "--into", "disk", "--chart", "bench.png")
    ran = skyhaul("bench", "--quick", *words, SKYHAUL_PROVIDERS__LIST__S3_URL=root)
    assert lines_of(ran)[-1].startswith("--connections ")
    assert (skyhaul.folder / "bench.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--chart", "bench.pdf"), 2, "name it bench.png"),
        (("--chart", "gone/bench.png"), 6, "gone/bench.png cannot be written"),
        (("--url", "S2A_MSIL2A_20240512T082937_N0510_R021_T36RTV_20240512T124730.SAFE"), 2, "of one large file"),
        (("--url", "ftp://host/file"), 2, "https, http or s3"),
    ],
    ids=["chart", "folder", "product", "ftp"],
)
def test_what_cannot_be_measured_is_refused_in_one_line(skyhaul, arguments, code, words):
    ran = skyhaul("bench", *arguments)
    assert ran.code == code
    assert words in ran.complaint
