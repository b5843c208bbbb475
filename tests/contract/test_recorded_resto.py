"""Every recorded resto reply is read into products, or refused for the reason stated here."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from skyhaul.catalogue.opensearch import parse_resto
from skyhaul.errors import CatalogueError
from skyhaul.vocabulary import COLLECTIONS
from support.recorded import SHARED, recorded

PATHS = [path for path in recorded("resto/**/*") if path.is_file()]
REFUSED = {
    "describe.xml": "answered with a web page",
    "describe_all.xml": "answered with a web page",
    "page_6.json": "answered with JSON that holds no products",  # an OData entity that its origin filed here
}
NORMALISED = "eodag_normalised_crunch.geojson"  # written by a client: without startDate and productType


def named(path):
    return str(path.relative_to(SHARED / "resto"))


def features(path):
    reply = json.loads(path.read_bytes())
    return reply.get("features", [reply])


@pytest.mark.parametrize("path", [path for path in PATHS if path.name not in REFUSED], ids=named)
def test_a_recorded_reply_is_read_whole(path):
    page = parse_resto(path.read_bytes(), provider="resto")
    assert len(page.products) == len(features(path))
    for product, feature in zip(page.products, features(path), strict=True):
        told = feature["properties"]
        assert product.id == feature["id"]
        assert product.name.startswith(told["title"])
        assert product.footprint == (feature["geometry"] or None)
        assert product.size is None or product.size > 0
        assert product.collection in COLLECTIONS or product.collection in {"S1", "S2ST"}
        if path.name == NORMALISED:
            assert (product.start, product.product_type) == (None, None)
        else:
            assert product.start == datetime.fromisoformat(told["startDate"])
            assert product.end == datetime.fromisoformat(told["completionDate"])
            assert product.product_type == told["productType"]
        assert product.published == datetime.fromisoformat(told["published"])
        assert product.s3_path is None or product.s3_path.startswith("eodata/")
        assert 0 <= product.attributes.get("cloudCover", 0.0) <= 100
        assert product.attributes.get("orbitNumber", 1) != 0


@pytest.mark.parametrize("path", [path for path in PATHS if path.name in REFUSED], ids=named)
def test_what_is_no_search_is_refused(path):
    with pytest.raises(CatalogueError, match=REFUSED[path.name]):
        parse_resto(path.read_bytes(), provider="resto")


def test_totals_are_given_where_they_are_exact(shared_data):
    totals = {
        path.name: parse_resto(path.read_bytes(), provider="resto").total for path in PATHS if path.name not in REFUSED
    }
    assert totals["creodiasDuppedFeature.json"] == 2
    assert totals["peps_search.json"] == 47
    assert totals["creodiasUnreliablePagingValues.json"] is None


def test_peps_says_what_is_on_tape_and_gives_the_md5(shared_data):
    page = parse_resto((shared_data / "resto/peps/peps_search_result_s1.geojson").read_bytes(), provider="peps")
    told = [each["properties"] for each in features(shared_data / "resto/peps/peps_search_result_s1.geojson")]
    assert [product.online for product in page.products] == [each["storage"]["mode"] == "disk" for each in told]
    assert [product.checksums[0].value for product in page.products] == [
        each["resourceChecksum"].lower() for each in told
    ]
    assert page.next_link is not None
