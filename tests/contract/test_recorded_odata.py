"""What the Copernicus catalogue really answered, read back. The recordings are not part of this repository."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from skyhaul.catalogue.entities import parse_page
from skyhaul.catalogue.versions import acquisition
from skyhaul.errors import CatalogueError
from skyhaul.model import Product
from skyhaul.vocabulary import COLLECTIONS, TYPES

SHARED = Path(os.environ.get("SKYHAUL_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
RECORDED = SHARED / "cdse-odata"

pytestmark = pytest.mark.skipif(not RECORDED.is_dir(), reason="no recordings here: set SKYHAUL_SHARED_DATA")

# How many products each recording holds, and of which collection; a reason where it is none.
PAGES = {
    "creodias_s1_grd_2014_zero_length.json": (10, "SENTINEL-1"),
    "orbits/poeorb_11f7eab6_0.json": (1, "SENTINEL-1"),
    "orbits/poeorb_2bf838d0_0.json": (13, "SENTINEL-1"),
    "orbits/resorb_25fa89c5_1.json": (1, "SENTINEL-1"),
    "s1-aux-l0-2014/odata_page_1.json": (10, "SENTINEL-1"),
    "s1-aux-l0-2014/odata_page_2.json": (10, "SENTINEL-1"),
    "s1-aux-l0-2014/odata_page_3.json": (10, "SENTINEL-1"),
    "s1c_grd_2026_assets_attributes_locations.json": (20, "SENTINEL-1"),
    "s2_l1c_attributes_assets_nextlink.json": (2, "SENTINEL-2"),
    "s2_l1c_by_name_checksum.json": (1, "SENTINEL-2"),
    "s2_l1c_europe_top200.json": (200, "SENTINEL-2"),
    "s3_efr_empty.json": (0, "SENTINEL-3"),
    "s3_olci_efr_attributes.json": (3, "SENTINEL-3"),
    "subscription_push_created_s2.json": (1, "SENTINEL-2"),
}
NO_PAGES = {"attributes_SENTINEL-1.json": "JSON that is no page of products"}


def products(name: str) -> tuple[Product, ...]:
    return parse_page((RECORDED / name).read_bytes(), provider="cdse", collection=None).products


def entities(name: str) -> Iterator[dict[str, object]]:
    value = json.loads((RECORDED / name).read_bytes())["value"]
    yield from value if isinstance(value, list) else [value]


def test_every_recording_is_accounted_for():
    found = {str(path.relative_to(RECORDED)) for path in RECORDED.rglob("*.json")}
    assert found == {*PAGES, *NO_PAGES}


@pytest.mark.parametrize("name", PAGES)
def test_a_recorded_page_is_read_whole(name):
    found = products(name)
    count, collection = PAGES[name]
    assert len(found) == count
    assert {each.collection for each in found} <= {collection}
    for product, entity in zip(found, entities(name), strict=True):
        assert (product.id, product.name) == (entity["Id"], entity["Name"])
        assert product.size == (entity["ContentLength"] or None)
        assert product.s3_path == str(entity["S3Path"]).lstrip("/")
        assert product.online is entity["Online"]
        assert product.footprint == entity["GeoFootprint"]
        assert [(each.algorithm, each.value) for each in product.checksums] == [
            (each["Algorithm"], each["Value"]) for each in entity["Checksum"]
        ]
        assert set(product.attributes) == {each["Name"] for each in entity.get("Attributes", ())}
        for moment, written in (
            (product.start, entity["ContentDate"]["Start"]),
            (product.end, entity["ContentDate"]["End"]),
            (product.published, entity["PublicationDate"]),
            (product.modified, entity["ModificationDate"]),
        ):
            assert moment == datetime.fromisoformat(written)
            assert moment.tzinfo is UTC


@pytest.mark.parametrize("name", NO_PAGES)
def test_what_is_no_page_is_refused(name):
    with pytest.raises(CatalogueError, match=NO_PAGES[name]):
        products(name)


def test_counts_and_links_are_read():
    page = parse_page(
        (RECORDED / "creodias_s1_grd_2014_zero_length.json").read_bytes(), provider="creodias", collection="SENTINEL-1"
    )
    assert page.total == 3_123_749
    assert page.next_link is not None
    assert "%24skip=10" in page.next_link


def test_lengths_of_zero_and_empty_checksums_are_unknown():
    assert {(each.size, each.checksums) for each in products("creodias_s1_grd_2014_zero_length.json")} == {(None, ())}


def test_quicklooks_are_found_where_assets_are_expanded():
    assert all(each.quicklook_url for each in products("s1c_grd_2026_assets_attributes_locations.json"))
    assert not any(each.quicklook_url for each in products("s3_olci_efr_attributes.json"))


def test_auxiliary_files_have_no_footprint_and_may_be_single_objects():
    found = products("s1-aux-l0-2014/odata_page_1.json")
    single = [each for each in found if each.s3_path.endswith(".SAFE.zip")]
    assert single
    assert all(each.footprint is None and each.name.endswith(".SAFE") for each in single)


def test_product_types_come_from_attributes():
    assert {each.product_type for each in products("s2_l1c_europe_top200.json")} == {"S2MSI1C"}
    assert {each.product_type for each in products("s3_olci_efr_attributes.json")} == {"OL_1_EFR___"}
    assert {each.product_type for each in products("s2_l1c_by_name_checksum.json")} == {None}


@pytest.mark.parametrize("name", PAGES)
def test_attributes_have_the_types_that_filters_name(name):
    for entity in entities(name):
        for each in entity.get("Attributes", ()):
            if each["Name"] == "spatialResolution" and name.startswith("creodias"):
                continue  # text at CREODIAS, a number in the lists of CDSE
            assert TYPES.get(each["Name"], each["ValueType"]) == each["ValueType"], each["Name"]


def test_the_list_of_attributes_is_the_servers():
    listed = json.loads((RECORDED / "attributes_SENTINEL-1.json").read_bytes())
    assert {each["Name"]: each["ValueType"] for each in listed} == {
        each["Name"]: TYPES.get(each["Name"]) for each in listed
    }


def test_products_of_a_table_say_the_same_collection():
    with (RECORDED / "s2a_ins_raw_night_products.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    body = msgspec.json.encode(
        {"value": [{"Id": row["id"], "Name": row["name"], "S3Path": row["s3_path"]} for row in rows]}
    )
    assert {each.collection for each in parse_page(body, provider="cdse", collection=None).products} == {"SENTINEL-2"}
    assert rows[0]["collection"] in COLLECTIONS


def listed_names(file: str) -> list[str]:
    return [line.strip() for line in (SHARED / "names" / file).read_text().splitlines() if line.strip()]


def test_archived_reprocessings_are_versions():
    names = listed_names("s2_t31ufs_cdse_2016_2023.txt")
    grouped: dict[tuple[str, ...], list[str]] = {}
    for name in names:
        grouped.setdefault(acquisition(name), []).append(name)
    assert len(grouped) < len(set(names))
    # Whatever the versions, satellite, level, sensing time, orbit and tile are one.
    assert all(
        len({(name[:26], name.split("_R")[1][:3], name.split("_T")[-1][:5]) for name in group}) == 1
        for group in grouped.values()
    )


@pytest.mark.parametrize(
    "file", ["s1_pyrosar_archive.txt", "s2_stac_item_ids_2025.txt", "s3_from_manifests.txt", "s5p_l1_l2.txt"]
)
def test_recorded_names_are_understood(file):
    # A name that fits no pattern is its own acquisition, and would never have versions.
    strange = [name for name in listed_names(file) if acquisition(name) == (name,) and "_OPER_" not in name]
    assert strange == []
