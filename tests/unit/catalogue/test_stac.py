from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from skyhaul.catalogue.stac import attributes_of, item_product, linked, parse_items
from skyhaul.errors import CatalogueError
from skyhaul.model import Checksum

ID = "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f9"
NAME = "S2B_MSIL2A_20240401T101031_N0510_R022_T32TQM_20240401T150024"
HTTPS = f"https://download.example/odata/v1/Products({ID})/$value"
S3 = f"s3://eodata/Sentinel-2/MSI/L2A/2024/04/01/{NAME}.SAFE"


def item(assets=None, geometry=None, **properties):
    return {
        "type": "Feature",
        "id": NAME,
        "collection": "sentinel-2-l2a",
        "geometry": geometry,
        "properties": properties,
        "assets": {"Product": {"href": HTTPS}} if assets is None else assets,
    }


def read(*items, **more):
    return parse_items(json.dumps({"type": "FeatureCollection", "features": items, **more}).encode(), provider="stac")


def product(*args, **more):
    return read(item(*args, **more)).products[0]


def test_an_item_and_a_collection_of_it_are_the_same_product():
    single = item({"Product": {"href": HTTPS}}, datetime="2024-04-01T10:10:31.024Z")
    assert parse_items(json.dumps(single).encode(), provider="stac").products == read(single).products


def test_what_the_product_asset_says():
    found = product(
        {
            "B02_10m": {
                "href": f"{S3}/GRANULE/L2A/IMG_DATA/B02.jp2",
                "file:size": 7,
                "file:checksum": "1620" + "0" * 64,
            },
            "Product": {
                "href": HTTPS,
                "file:size": 890_472_483,
                "file:checksum": "d50110" + "AB" * 16,
                "file:local_path": f"{NAME}.SAFE.zip",
            },
            "thumbnail": {"href": "s3://eodata/ql.jpg", "alternate": {"https": {"href": "https://ql.example/1"}}},
        }
    )
    assert (found.id, found.name, found.size) == (ID, f"{NAME}.SAFE", 890_472_483)
    assert found.checksums == (Checksum(algorithm="MD5", value="ab" * 16),)
    assert found.s3_path == S3.removeprefix("s3://")
    assert found.quicklook_url == "https://ql.example/1"


@pytest.mark.parametrize("key", ["Product", "product", "PRODUCT"])
def test_whatever_the_product_asset_is_called(key):
    assert product({key: {"href": HTTPS}}).id == ID


@pytest.mark.parametrize(
    ("assets", "name", "path"),
    [
        ({}, NAME, None),
        ({"B02": {"href": f"{S3}/B02.jp2"}}, f"{NAME}.SAFE", S3.removeprefix("s3://")),
        ({"PRODUCT": {"alternate": {"s3": {"href": f"/eodata/L2A/{NAME}.SAFE"}}}}, f"{NAME}.SAFE", f"eodata/L2A/{NAME}.SAFE"),
        ({"Product": {"href": HTTPS, "file:local_path": f"{NAME}.SAFE.zip"}}, f"{NAME}.SAFE", None),
        ({"netcdf": {"href": "s3://eodata/S5P/OTHER.nc", "file:local_path": "OTHER.nc"}}, "OTHER.nc", "eodata/S5P/OTHER.nc"),
        ({"B02": {"href": f"https://cogs.example/{NAME}/B02.tif"}}, NAME, None),
    ],
    ids=["no assets", "folder", "retired catalogue", "zip alone", "single file with a name of its own", "not on S3"],
)  # fmt: skip
def test_the_name_and_the_path_come_from_files_and_folders(assets, name, path):
    found = product(assets)
    assert (found.name, found.s3_path) == (name, path)


@pytest.mark.parametrize(
    "asset",
    [
        {"href": f"https://zipper.example/odata/v1/Products(('{ID}', 'n/a', -1)/$value"},
        {"href": "s3://eodata/a.nc", "alternate": {"https": {"href": f"https://zipper.example/odata/v1/Products({ID})/Nodes(a)/$value"}}},
    ],
    ids=["a tuple that was printed", "an alternate"],
)  # fmt: skip
def test_the_id_is_found_where_it_is_hidden(asset):
    assert product({"Product": asset}).id == ID


def test_without_an_id_of_the_product_the_items_own_is_taken():
    assert product({}).id == NAME


@pytest.mark.parametrize(("stated", "size"), [(5, 5), (1302405.0, 1302405), (0, None), (-1, None)])
def test_sizes_may_be_decimals_and_may_be_unknown(stated, size):
    assert product({"Product": {"href": HTTPS, "file:size": stated}}).size == size


def test_a_footprint_may_be_null():
    shape = {"type": "Point", "coordinates": [7, 44]}
    assert product(geometry=None).footprint is None
    assert product(geometry=shape).footprint == shape


def test_times_and_attributes_are_in_the_words_of_the_archive():
    found = product(
        **{
            "datetime": "2024-04-01T10:10:31.024Z",
            "published": "2024-04-01T16:00:00Z",
            "updated": "2024-04-02T00:00:00.123456Z",
            "eo:cloud_cover": 12,
            "eo:snow_cover": 0.5,
            "grid:code": "MGRS-32TQM",
            "instruments": ["msi"],
            "product:type": "S2MSI2A",
            "proj:code": None,
            "sat:orbit_state": "descending",
            "sat:relative_orbit": 22,
        }
    )
    assert found.start == found.end == datetime(2024, 4, 1, 10, 10, 31, 24000, tzinfo=UTC)
    assert (found.published.hour, found.modified.microsecond) == (16, 123456)
    assert found.product_type == "S2MSI2A"
    assert found.attributes == {
        "cloudCover": 12.0,
        "eo:snow_cover": 0.5,
        "tileId": "32TQM",
        "productType": "S2MSI2A",
        "orbitDirection": "DESCENDING",
        "relativeOrbitNumber": 22,
    }
    assert type(found.attributes["cloudCover"]) is float


ASKED = {"collections": ["a"], "limit": 2}
POST = {"rel": "next", "method": "POST", "href": "https://stac.example/search"}


@pytest.mark.parametrize(
    ("link", "body"),
    [
        ({"rel": "next", "href": "https://stac.example/search"}, None),
        ({**POST, "body": {"token": "t"}, "merge": True}, {**ASKED, "token": "t"}),
        ({**POST, "body": {"token": "t", "limit": 3}}, {"token": "t", "limit": 3}),
        ({**POST, "body": {"limit": 3}, "merge": True}, {**ASKED, "limit": 3}),
        ({**POST, "body": None}, ASKED),
    ],
    ids=["get", "merged", "as it is", "merged over", "without a body"],
)
def test_the_next_page_is_asked_for_as_its_link_says(link, body):
    reply = json.dumps({"type": "FeatureCollection", "features": [], "links": [{"rel": "self", "href": "x"}, link]})
    found = linked(parse_items(reply.encode(), provider="stac", asked=ASKED).next_link)
    assert found[0] == "https://stac.example/search"
    assert (found[1] and json.loads(found[1])) == body


def test_the_last_page_leads_nowhere():
    assert read(links=[{"rel": "self", "href": "x"}]).next_link is None
    assert read(links=[{"rel": "next", "href": ""}]).next_link is None


def test_a_page_that_lost_items_on_its_way_is_refused():
    assert len(read(item(), numberReturned=1).products) == 1
    with pytest.raises(CatalogueError, match="answered with 1 items and calls them 2"):
        read(item(), numberReturned=2)


def test_an_item_whose_assets_are_the_product():
    found = item(
        {
            "red": {"href": "https://cogs.example/B04.tif", "file:size": 5},
            "blue": {"href": f"{S3}/B02.tif", "file:size": 7},
        },
        created="2024-04-02T00:00:00Z",
        **{"sar:polarizations": ["VV", "VH"], "s2:mgrs_tile": "32TQM"},
    )
    page = parse_items(json.dumps(found).encode(), provider="stac", read=item_product)
    [product] = page.products
    assert (product.id, product.name, product.size, product.s3_path) == (NAME, NAME, 12, None)
    assert product.attributes["polarisationChannels"] == "VV&VH"
    assert product.attributes["tileId"] == "32TQM"
    assert product.published == datetime(2024, 4, 2, tzinfo=UTC)


def test_a_size_is_known_where_all_of_it_is():
    found = item(
        {
            "red": {"href": "https://cogs.example/B04.tif", "file:size": 5},
            "blue": {"href": "https://cogs.example/B02.tif"},
        }
    )
    assert parse_items(json.dumps(found).encode(), provider="stac", read=item_product).products[0].size is None


@pytest.mark.parametrize(
    ("more", "total"),
    [({}, None), ({"numberMatched": 3}, 3), ({"context": {"matched": 37}}, 37), ({"context": {}}, None)],
)
def test_totals(more, total):
    assert read(**more).total == total


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "answered with nothing at all"),
        (b"<html><title>Down</title>", "answered with a web page: Down"),
        (b"oops", "answered with 4 bytes that are not JSON"),
        (b"[]", "JSON that is no page of products"),
        (b"{}", "answered with a reply that holds no items"),
        (b'{"type": "Collection", "id": "a", "description": "b"}', "answered with a Collection that holds no items"),
        (b'{"code": "NotFoundError", "description": "no such collection"}', "refused: no such collection"),
        (b'{"error": "WAF", "message": "Rate limit exceeded", "status": 429}', "refused: Rate limit exceeded"),
        (b'{"type": "Feature", "properties": {}}', "missing required field `id`"),
        (b'{"type": "FeatureCollection", "features": [{"id": ""}]}', "Expected `str` of length >= 1"),
        (b'{"type": "FeatureCollection", "features": [{"id": "a", "properties": {"datetime": "soon"}}]}', "'soon', which is not a time"),
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_a_sentence(body, sentence):
    with pytest.raises(CatalogueError, match=r"^the catalogue") as caught:
        parse_items(body, provider="stac")
    assert sentence in str(caught.value)


def test_a_datatake_has_the_name_that_its_mission_gives_it():
    assert attributes_of({"eopf:datatake_id": "432090"})["datatakeID"] == 432090
    for name in ("eopf:datatake_id", "s2:datatake_id"):
        assert attributes_of({name: "GS2A_20241107T113311_048983_N05.11"})["productGroupId"].startswith("GS2A_")
    assert attributes_of({"gsd": 10}) == {"gsd": 10}
