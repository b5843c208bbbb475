"""Every recorded DHuS reply is read into products, or refused for the reason stated here."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from skyhaul.catalogue.dhus import parse_dhus_entities, parse_dhus_entity
from skyhaul.catalogue.opensearch import parse_dhus_search
from skyhaul.errors import CatalogueError
from support.recorded import recorded

SEARCHES = recorded("dhus/opensearch/*.json")
ENTITIES = [*recorded("dhus/odata-v1/*.json"), *recorded("dhus/colhub_*.json")]
ERRORS = recorded("dhus/errors/*")
REFUSED = {
    "401_test_info_cli_67478f_2.html": "a web page: HTTP Status 401 . Unauthorized",
    "404_test_info_cli_5bc724_0.txt": "107 bytes that are not JSON",
    "500_test_product_node_download_single_with_filter_ca4c0f_11.json": "refused without a reason",
    "server_maintenance.html": "a web page: The Sentinels Scientific Data Hub",
    "expected_search_footprints_s1.geojson": "JSON that holds no products",  # written by a client
    "hls_checksum_848dec.json": "missing required field `Id`",  # made for a test: a checksum alone
    ".html": "a web page: Apache Tomcat/8.0.36 - Error report",
    ".json": r"refused: Invalid key \(.+\) to access Products",
}


def named(path):
    return path.name


@pytest.mark.parametrize("path", SEARCHES, ids=named)
def test_a_recorded_search_is_read_whole(path):
    feed = json.loads(path.read_bytes())["feed"]
    entries = feed.get("entry", [])
    entries = entries if isinstance(entries, list) else [entries]
    page = parse_dhus_search(path.read_bytes(), provider="dhus")
    assert page.total == int(feed["opensearch:totalResults"])
    assert [product.id for product in page.products] == [entry["id"] for entry in entries]
    for product, entry in zip(page.products, entries, strict=True):
        dates = {each["name"]: each["content"] for each in entry["date"]}
        assert product.name.startswith(entry["title"])
        assert product.name.endswith((".SAFE", ".SEN3", ".EOF"))
        assert product.collection in {"SENTINEL-1", "SENTINEL-2", "SENTINEL-3"}
        assert product.start == datetime.fromisoformat(dates["beginposition"])
        assert product.end == datetime.fromisoformat(dates["endposition"])
        assert product.published == datetime.fromisoformat(dates["ingestiondate"])
        assert product.size is not None
        assert product.product_type
        if not product.name.endswith(".EOF"):
            assert product.footprint is not None
            assert product.footprint["type"] in {"Polygon", "MultiPolygon"}
            assert isinstance(product.attributes["relativeOrbitNumber"], int)


@pytest.mark.parametrize("path", ENTITIES, ids=named)
def test_recorded_entities_are_read_whole(path):
    told = json.loads(path.read_bytes())["d"]
    entities = told.get("results", [told])
    products = parse_dhus_entities(path.read_bytes(), provider="dhus").products
    assert [product.id for product in products] == [entity["Id"] for entity in entities]
    for product, entity in zip(products, entities, strict=True):
        assert product.name.startswith(entity["Name"])
        assert product.size == (int(entity["ContentLength"]) or None)
        assert product.online is entity.get("Online", True)
        assert (product.modified is None) is ("ModificationDate" not in entity)
        assert [each.value.upper() for each in product.checksums] == (
            [entity["Checksum"]["Value"].upper()] if product.size else []
        )
        assert product.start is not None
        assert f"Date({round(product.start.timestamp() * 1000)})" in entity["ContentDate"]["Start"]
        assert product.footprint is not None
        assert product.footprint["type"] == "Polygon"


@pytest.mark.parametrize(
    "path", [path for path in ENTITIES if "results" not in json.loads(path.read_bytes())["d"]], ids=named
)
def test_one_recorded_entity_is_one_product(path):
    product = parse_dhus_entity(path.read_bytes(), provider="dhus")
    assert product.name.removesuffix(".SAFE").removesuffix(".SEN3") in path.name


@pytest.mark.parametrize("path", [*ERRORS, *recorded("dhus/expected_*"), *recorded("dhus/hls_*")], ids=named)
def test_what_is_no_product_is_refused(path):
    reason = next(reason for end, reason in REFUSED.items() if path.name.endswith(end))
    with pytest.raises(CatalogueError, match=reason):
        parse_dhus_entities(path.read_bytes(), provider="dhus")
    if path in ERRORS:
        with pytest.raises(CatalogueError, match=reason):
            parse_dhus_search(path.read_bytes(), provider="dhus")


def test_the_pages_of_a_search_follow_each_other_and_repeat_nothing(shared_data):
    pages = [
        parse_dhus_search(path.read_bytes(), provider="dhus") for path in recorded("dhus/opensearch/chain290_rows100_*")
    ]
    assert sum(len(page.products) for page in pages) == pages[0].total == 290
    assert len({product.id for page in pages for product in page.products}) == 290
    assert [page.next_link and page.next_link.split("&", 1)[1] for page in pages] == [
        "start=100&rows=100",
        "start=200&rows=100",
        None,
    ]
    assert "%22Intersects%28POLYGON%28%280%200%2C" in str(pages[0].next_link)
