from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from skyhaul.catalogue.dhus import parse_dhus_entities, parse_dhus_entity
from skyhaul.errors import CatalogueError
from skyhaul.model import Checksum

NAME = "S1A_IW_GRDH_1SDV_20230309T231023_20230309T231048_047574_05B68C_972F"
GML = (
    '<g:Polygon xmlns:g="http://www.opengis.net/gml"><g:outerBoundaryIs>'
    "<g:coordinates>44,7 45,8 44,8 44,7</g:coordinates></g:outerBoundaryIs></g:Polygon>"
)
RING = [[7, 44], [8, 45], [8, 44], [7, 44]]


def entity(**more):
    return {"Id": "1", "Name": NAME, "ContentLength": "5", **more}


def read(**more):
    return parse_dhus_entity(json.dumps({"d": entity(**more)}).encode(), provider="dhus")


def test_what_an_entity_says():
    found = read(
        ContentDate={"Start": "/Date(1448100236675)/", "End": "/Date(1448100269714)/"},
        IngestionDate="/Date(1448112124992)/",
        Online=False,
        Checksum={"Algorithm": "MD5", "Value": "AB12"},
        ContentGeometry=GML,
    )
    assert (found.name, found.collection, found.size, found.online) == (NAME, "SENTINEL-1", 5, False)
    assert found.start == datetime(2015, 11, 21, 10, 3, 56, 675000, tzinfo=UTC)
    assert found.checksums == (Checksum(algorithm="MD5", value="ab12"),)
    assert found.footprint == {"type": "Polygon", "coordinates": [RING]}


def test_what_older_servers_leave_out():
    found = read()
    assert (found.online, found.modified, found.start, found.footprint, found.attributes) == (
        True,
        None,
        None,
        None,
        {},
    )


@pytest.mark.parametrize(
    ("length", "size"), [("5", 5), (5, 5), ("0", None), (None, None)], ids=["text", "number", "0 as text", "null"]
)
def test_a_product_without_a_length_has_no_digest_either(length, size):
    found = read(ContentLength=length, Checksum={"Algorithm": "MD5", "Value": "d41d8cd98f00b204e9800998ecf8427e"})
    assert found.size == size
    assert bool(found.checksums) is (size is not None)


@pytest.mark.parametrize(
    ("gml", "kind"),
    [
        (GML, "Polygon"),
        (f"<all>{GML}{GML}</all>", "MultiPolygon"),
        (GML.replace("44,7 ", "44 7 "), None),
        (GML[:50], None),
        ("<a/>", None),
        (None, None),
    ],
)
def test_footprints_in_gml(gml, kind):
    assert (read(ContentGeometry=gml).footprint or {}).get("type") == kind


def test_attributes_that_are_expanded_and_that_are_not():
    listed = {
        "Filename": f"{NAME}.SAFE",
        "Relative orbit (start)": "23",
        "Pass direction": "descending",
        "Polarisation": "VV VH",
        "Operator": None,
    }
    found = read(Attributes={"results": [{"Name": name, "Value": value} for name, value in listed.items()]})  # fmt: skip
    assert found.name == f"{NAME}.SAFE"
    assert found.attributes == {
        "relativeOrbitNumber": 23,
        "orbitDirection": "DESCENDING",
        "polarisationChannels": "VV&VH",
    }
    assert read(Attributes={"__deferred": {"uri": "x"}}).attributes == {}


def test_a_list_and_one_of_it():
    body = json.dumps({"d": {"results": [entity(), entity(Id="2")]}}).encode()
    assert [each.id for each in parse_dhus_entities(body, provider="dhus").products] == ["1", "2"]
    with pytest.raises(CatalogueError, match="2 products where one was asked for"):
        parse_dhus_entity(body, provider="dhus")


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"<html><h1>Maintenance</h1>", "answered with a web page: Maintenance"),
        (b"{}", "answered with JSON that holds no products"),
        (
            b'{"error": {"code": null, "message": {"lang": "en", "value": "Invalid key (x)"}}}',
            "refused: Invalid key (x)",
        ),
        (b'{"d": {"Checksum": {}}}', "missing required field `Id`"),
        (b'{"d": {"Id": "1", "Name": "a", "ContentLength": "much"}}', "no page of products"),
    ],
)
def test_anything_else_is_refused_with_a_sentence(body, sentence):
    with pytest.raises(CatalogueError, match=r"^the catalogue of dhus ") as caught:
        parse_dhus_entity(body, provider="dhus")
    assert sentence in str(caught.value)
