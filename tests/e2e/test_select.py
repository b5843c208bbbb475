"""What a search finds is chosen from, and what is left is downloaded."""

from __future__ import annotations

import json

from support.trees import products

FEW = ("--product-type", "S2MSI2A", "--start", "2024-04-01", "--end", "2024-06-30")
AREA = ("--bbox", "9,44,13,46")


def test_a_pipe_from_search_over_select_to_download(archive, skyhaul):
    found = skyhaul("search", *FEW, *AREA, "--format", "jsonl").out
    lines = [json.loads(line) for line in found.splitlines()]
    ran = skyhaul(
        "select", "-", "--online", "--latest-version", "--one-per", "month", "--group-by", "tile", "--prefer", "cloudCover", "--json",
        stdin=found,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    clearest: dict[tuple[str, str], float] = {}
    for line in lines:
        if line["online"]:
            key = (line["attributes"]["tileId"], line["start"][:7])
            clearest[key] = min(clearest.get(key, 101.0), line["attributes"]["cloudCover"])
    left = ran.lines
    assert 1 < len(left) < len(lines)
    assert {
        (line["attributes"]["tileId"], line["start"][:7]): line["attributes"]["cloudCover"] for line in left
    } == clearest
    assert ran.err.splitlines()[0] == f"skyhaul: {len(lines)} products in stdin"

    fetched = skyhaul("download", "--from", "-", "--into", "archive", stdin=ran.out)
    assert fetched.code == 0, fetched.err
    assert [folder.name for folder in products(skyhaul.folder / "archive")] == sorted(line["name"] for line in left)


def test_the_fewest_products_that_show_an_area(archive, skyhaul):
    found = skyhaul("search", *FEW, *AREA, "--format", "geojson", "--output", "found.geojson")
    assert found.code == 0
    ran = skyhaul("select", "found.geojson", *AREA, "--cover", "smallest", "--json")
    assert ran.code == 0, ran.err
    tiles = [line["attributes"]["tileId"] for line in ran.lines]
    assert len(tiles) == len(set(tiles)) >= 1
    assert "of the area, no fewer can)" in ran.err
