"""A result that was saved is downloaded later, in whatever form it was kept."""

from __future__ import annotations

import pytest

from support.served import Skyhaul
from support.trees import products

FEW = ("--tile", "32TQR", "--product-type", "S2MSI2A", "--online", "--limit", "2")


@pytest.fixture(scope="module")
def lines(served, warm, tmp_path_factory):
    """What the search finds."""
    return Skyhaul(tmp_path_factory.mktemp("lines"), served.environment, warm)("search", *FEW, "--json").lines


@pytest.mark.parametrize("form", ["jsonl", "geojson", "csv", "names", "stac"])
def test_every_format_of_a_search_comes_back(archive, skyhaul, form, lines):
    assert skyhaul("search", *FEW, "--format", form, "--output", f"found.{form}").code == 0
    archive.play()
    ran = skyhaul("download", "--from", f"found.{form}", "--into", "archive", "--json")
    assert ran.code == 0, ran.err
    assert sorted(line["id"] for line in ran.lines) == sorted(line["id"] for line in lines)
    looked_up = archive.asked("catalogue.")
    assert looked_up == 0 if form in {"jsonl", "geojson", "csv"} else looked_up > 0


@pytest.mark.parametrize("form", ["ids", "urls", "keys"])
def test_lists_that_others_made(archive, skyhaul, form, lines):
    root = archive.addresses["download_url"]
    rows = {
        "ids": [line["id"].upper() for line in lines],
        "urls": [f"{root}/Products({line['id']})/$value" for line in lines],
        "keys": [f"s3://{line['s3_path']}/" for line in lines],
    }[form]
    (skyhaul.folder / "list.txt").write_text("# kept for later\r\n\r\n" + "\r\n".join(rows))
    ran = skyhaul("download", "--from", "list.txt", "--into", "archive", "--json")
    assert ran.code == 0, ran.err
    assert [folder.name for folder in products(skyhaul.folder / "archive")] == sorted(line["name"] for line in lines)


def test_a_pipe_from_search_to_download(archive, skyhaul):
    found = skyhaul("search", *FEW, "--format", "jsonl").out
    ran = skyhaul("download", "--from", "-", "--into", "archive", stdin=found)
    assert ran.code == 0, ran.err
    assert len(products(skyhaul.folder / "archive")) == 2


def test_what_the_catalogue_does_not_have_is_named_and_the_rest_is_fetched(archive, skyhaul, lines):
    gone = "S2A_MSIL2A_20240401T104031_N0510_R008_T31UFS_20240401T999999.SAFE"
    ran = skyhaul("download", "--from", "-", "--into", "archive", "--json", stdin=f"{gone}\n{lines[0]['name']}\n")
    assert ran.code == 1
    assert [line["state"] for line in ran.lines] == ["verified"]
    assert gone in ran.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "stdin holds no products"),
        ("{", "stdin is not valid JSON"),
        ("[1]", "stdin is a JSON array"),
        ("../../etc/passwd", "stdin, line 1: '../../etc/passwd' is not a product"),
    ],
)
def test_what_is_no_result_is_refused(archive, skyhaul, text, said):
    ran = skyhaul("download", "--from", "-", "--into", "archive", stdin=text)
    assert ran.code == 2
    assert ran.complaint.startswith(said)
