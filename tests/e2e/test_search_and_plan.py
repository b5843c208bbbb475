"""What there is, and what fetching it would take, against what the archive itself says."""

from __future__ import annotations

import csv
import io
import json
import urllib.parse
import urllib.request
from typing import Any

import pytest
from shapely.geometry import Point, box, mapping, shape

from support.served import TILE, simulated

PO_VALLEY = (9.5, 44.0, 13.0, 46.0)
WEST = box(9.5, 44.0, 11.0, 46.0)


def asked(archive, **options: str) -> list[dict[str, Any]]:
    """What the catalogue gives for these query options, without skyhaul in between."""
    query = urllib.parse.urlencode({f"${name}": value for name, value in {"top": "1000", **options}.items()})
    with urllib.request.urlopen(f"{archive.addresses['catalogue_url']}/Products?{query}") as reply:
        found: list[dict[str, Any]] = json.load(reply)["value"]
        return found


def of_tile(archive, tile: str = TILE) -> list[dict[str, Any]]:
    return asked(archive, filter=f"contains(Name,'_T{tile}_')", orderby="ContentDate/Start asc")


NAMES = {
    "jsonl": lambda out: [json.loads(line)["name"] for line in out.splitlines()],
    "geojson": lambda out: [feature["properties"]["name"] for feature in json.loads(out)["features"]],
    "stac": lambda out: [feature["properties"]["title"] for feature in json.loads(out)["features"]],
    "csv": lambda out: [row["name"] for row in csv.DictReader(io.StringIO(out))],
    "names": str.splitlines,
    "table": lambda out: [line.split()[-1] for line in out.splitlines()[1:]],
}


@pytest.mark.parametrize("form", NAMES)
def test_every_format_holds_every_product(archive, skyhaul, form):
    ran = skyhaul("search", "--tile", TILE, "--format", form)
    assert ran.code == 0
    assert ran.complaint.startswith(f"{len(of_tile(archive))} products, ")
    assert sorted(NAMES[form](ran.out)) == sorted(product["Name"] for product in of_tile(archive))


def test_a_line_is_what_the_catalogue_says(archive, skyhaul):
    lines = {line["id"]: line for line in skyhaul("search", "--tile", TILE, "--json").lines}
    for product in of_tile(archive):
        line = lines.pop(product["Id"])
        assert list(line)[:7] == ["name", "id", "provider", "collection", "product_type", "start", "end"]
        assert line["checksums"] == {each["Algorithm"]: each["Value"] for each in product["Checksum"]}
        assert line["footprint"] == product["GeoFootprint"]
        assert line["size"] == (product["ContentLength"] or None)
        assert line["online"] is product["Online"]
        assert "/" + line["s3_path"] == product["S3Path"]
        assert line["attributes"]["tileId"] == TILE
    assert not lines


def test_a_count_is_the_catalogues_own(archive, skyhaul):
    ran = skyhaul("search", "--tile", TILE, "--count")
    assert (ran.code, ran.out) == (0, f"{len(of_tile(archive))}\n")
    assert archive.asked("catalogue.products") == 2  # skyhaul's one, and the one of this test


def test_a_limit_takes_the_first_in_order_and_asks_for_no_more(archive, skyhaul):
    first = [product["Name"] for product in of_tile(archive)[:3]]
    archive.play()
    assert skyhaul("search", "--tile", TILE, "--limit", 3, "--format", "names").out.splitlines() == first
    assert archive.asked("catalogue.products") == 1


def test_two_tiles_are_the_products_of_both(archive, skyhaul):
    ran = skyhaul("search", "--tile", TILE, "--tile", "T32TQQ", "--product-type", "S2MSI2A", "--format", "names")
    expected = [each["Name"] for tile in (TILE, "32TQQ") for each in of_tile(archive, tile) if "MSIL2A" in each["Name"]]
    assert sorted(ran.out.splitlines()) == sorted(expected)


@pytest.mark.parametrize(
    ("area", "option"),
    [
        (Point(11.6, 45.5), ("--point", "11.6,45.5")),
        (box(*PO_VALLEY), ("--bbox", "9.5,44,13,46")),
        (WEST, ("--aoi", "west.geojson")),
        (WEST, ("--aoi", WEST.wkt)),
    ],
    ids=["point", "bbox", "geojson", "wkt"],
)
def test_an_area_finds_what_lies_in_it_and_nothing_else(archive, skyhaul, area, option):
    (skyhaul.folder / "west.geojson").write_text(json.dumps({"type": "Feature", "properties": {}, "geometry": mapping(WEST)}))  # fmt: skip
    ran = skyhaul("search", *option, "--collection", "SENTINEL-2", "--json")
    assert ran.code == 0
    there = asked(archive, filter="startswith(Name,'S2')", select="Id,GeoFootprint")
    inside = {
        each["Id"]
        for each in there
        if each["GeoFootprint"] is not None and shape(each["GeoFootprint"]).intersects(area)
    }
    assert {line["id"] for line in ran.lines} == inside
    assert all(0 <= line["coverage"] <= 100 for line in ran.lines)


def test_an_area_across_the_180th_meridian(skyhaul):
    across, east = (
        {line["id"] for line in skyhaul("search", "--collection", "SENTINEL-2", "--bbox", bbox, "--json").lines}
        for bbox in ("178,60,-178,66", "178,60,180,66")
    )
    assert east
    assert across >= east


def test_nothing_matched_is_an_exit_code_of_its_own(skyhaul):
    ran = skyhaul("search", "--tile", "01CCV", "--format", "jsonl")
    assert (ran.code, ran.out, ran.complaint) == (3, "", "nothing matched")
    assert skyhaul("search", "--tile", "01CCV", "--count").out == "0\n"


@pytest.mark.parametrize("area", ["45,11.3", "40,5,50,15"])
def test_an_area_whose_axes_are_exchanged_is_recognised_where_nothing_lies_in_it(skyhaul, area):
    option = "--point" if area.count(",") == 1 else "--bbox"
    ran = skyhaul("search", "--collection", "SENTINEL-2", option, area, "--json")
    turned = ",".join(reversed(area.split(","))) if option == "--point" else "5,40,15,50"
    meant = len(skyhaul("search", "--collection", "SENTINEL-2", option, turned, "--json").lines)
    assert meant > 0, "else this shows nothing"
    said = f"with longitude and latitude of the area exchanged there would be {meant}: longitude comes first"
    assert (ran.code, ran.out, ran.complaint) == (3, "", f"nothing matched; {said}")


def test_a_plan_adds_up_to_what_the_search_finds(skyhaul):
    found = skyhaul("search", "--tile", TILE, "--online", "--json").lines
    plan = skyhaul("plan", "--tile", TILE, "--online", "--json")
    assert (plan.code, plan.err) == (0, "")
    (figures,) = plan.lines
    assert figures["products"] == len(found)
    assert figures["bytes"] == sum(line["size"] or 0 for line in found)
    assert figures["unsized"] == sum(line["size"] is None for line in found)
    assert figures["fits"]
    assert figures["disk_needed_bytes"] > figures["bytes"]
    assert sum(figures["routes"].values()) == len(found)


def test_a_plan_fetches_and_writes_nothing(archive, skyhaul):
    plan = skyhaul("plan", "--tile", TILE, "--into", "archive", "--bands", "B04")
    dry = skyhaul("download", "--tile", TILE, "--into", "archive", "--bands", "B04", "--dry-run")
    assert (plan.code, dry.code) == (0, 0)
    assert (
        plan.out.splitlines()[0].split() == dry.out.splitlines()[0].split() == ["products", str(len(of_tile(archive)))]
    )
    assert archive.fetched == archive.asked("token") == 0
    assert not (skyhaul.folder / "archive").exists()


def test_a_plan_for_an_account_without_credentials_says_so(skyhaul):
    ran = skyhaul("plan", "--tile", TILE, without=[name for name in skyhaul.environment if name.startswith("CDSE_")])
    assert ran.code == 0
    assert ran.complaint.startswith("no credentials are set")


def test_what_will_not_fit_is_said_before_it_is_begun(skyhaul):
    with simulated(
        "--products", "4", "--tree-bytes", "1000000000000000", "--checksums", "none", "--no-oddities"
    ) as huge:
        plan = skyhaul("plan", "--collection", "SENTINEL-2", "--into", "archive", **huge.environment)
    assert plan.code == 6
    assert plan.out.splitlines()[-1].endswith("free: does not fit")
