from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from skyhaul.catalogue.opensearch import parse_dhus_search, parse_resto
from skyhaul.errors import CatalogueError
from skyhaul.model import Checksum

TITLE = "S2A_MSIL1C_20200101T191811_N0510_R056_T10SEG_20200101T203456"


def feature(geometry=None, **told):
    return {"type": "Feature", "id": "1", "geometry": geometry, "properties": {"title": f"{TITLE}.SAFE", **told}}


def resto(*features, **properties):
    return parse_resto(
        json.dumps({"type": "FeatureCollection", "features": features, "properties": properties}).encode(),
        provider="resto",
    )


def of(**told):
    return resto(feature(**told)).products[0]


def entry(**groups):
    return {"id": "1", "title": TITLE, **groups}


def dhus(*entries, **feed):
    if entries:
        feed["entry"] = entries[0] if len(entries) == 1 else entries
    return parse_dhus_search(
        json.dumps({"feed": {"opensearch:totalResults": str(len(entries)), **feed}}).encode(), provider="dhus"
    )


@pytest.mark.parametrize(
    ("properties", "total"),
    [
        ({}, None),
        ({"totalResults": None, "exactCount": 0}, None),
        ({"totalResults": 9, "exactCount": None}, None),
        ({"totalResults": 9, "exactCount": 0}, None),
        ({"totalResults": 9, "exactCount": 1}, 9),
        ({"totalResults": 9, "exactCount": True}, 9),
    ],
)
def test_only_an_exact_total_is_one(properties, total):
    assert resto(**properties).total == total


@pytest.mark.parametrize(
    ("told", "online"),
    [
        ({}, True),
        ({"status": 0}, True),
        ({"status": "ONLINE"}, True),
        ({"status": "OFFLINE"}, False),
        ({"storage": {"mode": "disk"}}, True),
        ({"storage": {"mode": "tape"}}, False),
        ({"storage": {"mode": "staging"}}, False),
        ({"storage": {"mode": "unknown"}}, False),
    ],
)
def test_online_in_the_words_of_cdse_and_of_peps(told, online):
    assert of(**told).online is online


@pytest.mark.parametrize(
    ("told", "size"),
    [
        ({"services": {"download": {"size": 0}}}, None),
        ({"services": {"download": {"size": -1}}}, None),
        ({"services": {"download": {"size": 7}}}, 7),
        ({"resourceSize": 8, "services": {"download": {"size": 8}}}, 8),
        ({}, None),
    ],
)
def test_sizes_of_resto(told, size):
    assert of(**told).size == size


@pytest.mark.parametrize(
    ("told", "cloud"),
    [({"cloudCover": -1}, None), ({"cloudCover": None}, None), ({"cloudCover": 3}, 3.0), ({"cloudCover": 1.5}, 1.5),
     ({"cloudClover": None}, None), ({"cloudClover": 4.0}, 4.0), ({"cloudClover": -1}, None)],
)  # fmt: skip
def test_clouds_that_are_known(told, cloud):
    assert of(**told).attributes.get("cloudCover") == cloud
    assert "cloudClover" not in of(**told).attributes


@pytest.mark.parametrize("baseline", [5.1, 99.99, 20100.0, 0, None])
def test_the_baseline_is_read_in_the_name_alone(baseline):
    assert of(processingBaseline=baseline).attributes["processingBaseline"] == "05.10"
    assert "processingBaseline" not in of(title="S5P_NRTI_L2__CLOUD.nc", processingBaseline=baseline).attributes


def test_orbits_of_0_and_empty_words_are_left_out():
    found = of(
        orbitNumber=0,
        relativeOrbitNumber=0,
        sensorMode="",
        orbitDirection="ascending",
        keywords=[1],
        polarisation="VV VH",
    )
    assert found.attributes == {
        "orbitDirection": "ASCENDING",
        "polarisationChannels": "VV&VH",
        "processingBaseline": "05.10",
    }


@pytest.mark.parametrize(
    ("title", "identifier", "name", "path"),
    [
        ("A.SAFE", "/eodata/x/A.SAFE", "A.SAFE", "eodata/x/A.SAFE"),
        ("A.SAFE", "/eodata/x/A.SAFE.zip", "A.SAFE", "eodata/x/A.SAFE.zip"),
        ("A", "/eodata/x/A", "A", "eodata/x/A"),
        ("A", "/eodata/x/A.DEM", "A.DEM", "eodata/x/A.DEM"),
        ("A.nc", "/eodata/x/A", "A.nc", "eodata/x/A"),
        ("A", "A", "A", None),
        ("A", None, "A", None),
    ],
)
def test_names_and_paths_of_resto(title, identifier, name, path):
    found = of(title=title, productIdentifier=identifier)
    assert (found.name, found.s3_path) == (name, path)


@pytest.mark.parametrize(
    ("said", "collection"),
    [("Sentinel2", "SENTINEL-2"), ("SENTINEL-5P", "SENTINEL-5P"), ("COP-DEM", "COP-DEM"), ("S2ST", "S2ST"), (None, "SENTINEL-2"),
     ("SENTINEL-1-RTC", "SENTINEL-1-RTC")],
)  # fmt: skip
def test_collections_by_one_name(said, collection):
    assert of(collection=said).collection == collection


@pytest.mark.parametrize("geometry", [None, []])
def test_no_geometry(geometry):
    assert resto(feature(geometry)).products[0].footprint is None


@pytest.mark.parametrize("decimals", ["", ".024", ".024000"])
def test_times_with_any_decimals(decimals):
    start = of(startDate=f"2020-01-01T19:18:11{decimals}Z").start
    assert start == datetime(2020, 1, 1, 19, 18, 11, 24000 if decimals else 0, tzinfo=UTC)


def test_a_single_feature_the_md5_and_the_next_link():
    found = parse_resto(
        json.dumps(feature(resourceChecksum="AB", thumbnail="<REMOVED>")).encode(), provider="peps"
    ).products[0]
    assert found.checksums == (Checksum(algorithm="MD5", value="ab"),)
    assert found.quicklook_url is None
    assert resto(links=[{"rel": "self", "href": "a"}, {"rel": "next", "href": "b"}]).next_link == "b"


def test_no_entry_one_and_many():
    assert [len(dhus(*[entry()] * count).products) for count in range(3)] == [0, 1, 2]


def test_a_group_of_one_property_is_an_object():
    cloud, others = {"name": "cloudcoverpercentage", "content": "3.5"}, {"name": "waterpercentage", "content": "0.0"}
    assert dhus(entry(double=cloud)).products[0].attributes["cloudCover"] == 3.5
    assert dhus(entry(double=[others, cloud])).products[0].attributes["cloudCover"] == 3.5
    assert dhus(entry()).products[0].attributes == {}


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("10.65 KB", 10906),
        ("1 GB", 1 << 30),
        ("76.62 MB", 80341893),
        ("7 B", 7),
        ("", None),
        ("big", None),
        ("1 XB", None),
    ],
)
def test_sizes_of_dhus_are_texts(text, size):
    assert dhus(entry(str=[{"name": "size", "content": text}])).products[0].size == size


def test_what_an_entry_says():
    found = dhus(
        entry(
            link=[{"href": "zip"}, {"rel": "icon", "href": "ql"}],
            str=[
                {"name": "filename", "content": f"{TITLE}.SAFE"},
                {"name": "footprint", "content": "MULTIPOLYGON (((7 44, 8 44, 8 45, 7 44)))"},
                {"name": "platformname", "content": "Sentinel-2"},
                {"name": "producttype", "content": "S2MSI1C"},
                {"name": "orbitdirection", "content": "descending"},
            ],
            int=[{"name": "relativeorbitnumber", "content": "56"}, {"name": "orbitnumber", "content": "many"}],
            date=[
                {"name": "beginposition", "content": "2016-12-01T13:13:17.65Z"},
                {"name": "ingestiondate", "content": "2016-12-02T00:00:00Z"},
            ],
        )
    ).products[0]  # fmt: skip
    assert (found.name, found.collection, found.product_type, found.quicklook_url) == (
        f"{TITLE}.SAFE",
        "SENTINEL-2",
        "S2MSI1C",
        "ql",
    )
    assert found.footprint == {"type": "MultiPolygon", "coordinates": [[[[7, 44], [8, 44], [8, 45], [7, 44]]]]}
    assert found.start == datetime(2016, 12, 1, 13, 13, 17, 650000, tzinfo=UTC)
    assert found.attributes == {
        "platformname": "Sentinel-2",
        "productType": "S2MSI1C",
        "orbitDirection": "DESCENDING",
        "relativeOrbitNumber": 56,
    }


@pytest.mark.parametrize("footprint", ["", "POLYGON ((7 44, 8", "POLYGON EMPTY?"])
def test_a_footprint_that_is_none_is_left_out(footprint):
    assert dhus(entry(str=[{"name": "footprint", "content": footprint}])).products[0].footprint is None


def test_totals_are_texts_and_links_are_encoded():
    href = 'https://dhus.example/search?q=a:[NOW TO *] f:"x(0 1,2)" d:Z+1DAY&start=100&rows=100'
    page = dhus(entry(), link=[{"rel": "next", "href": href}], **{"opensearch:totalResults": "290"})
    assert page.total == 290
    assert page.next_link == (
        "https://dhus.example/search?q=a:%5BNOW%20TO%20%2A%5D%20f:%22x%280%201%2C2%29%22%20d:Z%2B1DAY&start=100&rows=100"
    )


@pytest.mark.parametrize("parse", [parse_resto, parse_dhus_search])
@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "answered with nothing at all"),
        (b"<!doctype html>\n<title>The Hub</title><h1>back soon", "answered with a web page: The Hub"),
        (b"PAGE NOT FOUND", "answered with 14 bytes that are not JSON"),
        (b"{}", "answered with JSON that holds no products"),
        (b"[]", "JSON that is no page of products"),
    ],
)
def test_what_neither_can_read_is_refused(parse, body, sentence):
    with pytest.raises(CatalogueError, match=r"^the catalogue of x ") as caught:
        parse(body, provider="x")
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("parse", "body", "sentence"),
    [
        (parse_resto, b'{"ErrorCode": 400, "ErrorMessage": "Invalid geometry"}', "refused: Invalid geometry"),
        (parse_resto, b'{"detail": {"ErrorCode": 400, "ErrorMessage": "Bad box"}}', "refused: Bad box"),
        (parse_resto, b'{"ErrorCode": 500}', "refused: error 500"),
        (parse_resto, b'{"type": "FeatureCollection", "features": [{"id": "1", "properties": {}}]}', "describes 1 in an unknown way"),
        (parse_dhus_search, b'{"error": {"code": null, "message": {"lang": "en", "value": "Invalid key"}}}', "refused: Invalid key"),
        (parse_dhus_search, b'{"error": {"code": null, "message": {"lang": "en", "value": null}}}', "refused without a reason"),
        (parse_dhus_search, b'{"feed": {"entry": {"id": "1"}}}', "missing required field `title`"),
    ],
)  # fmt: skip
def test_errors_with_status_200_are_refused(parse, body, sentence):
    with pytest.raises(CatalogueError, match=r"^the catalogue of x ") as caught:
        parse(body, provider="x")
    assert sentence in str(caught.value)
