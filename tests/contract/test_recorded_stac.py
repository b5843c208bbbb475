"""Every recorded STAC reply is read into products, or refused for the reason stated here."""

from __future__ import annotations

import json

import pytest

from skyhaul.catalogue.stac import linked, parse_items
from skyhaul.errors import CatalogueError
from skyhaul.transfer.checksum import NEW
from support.recorded import SHARED, recorded

PATHS = recorded("cdse-stac/**/*.json")
REFUSED = {
    "collection_": "answered with a Collection that holds no items",
    "collections_": "answered with a reply that holds no items",
    "landing_": "answered with a Catalog that holds no items",
    "error_404_": "refused: Collection SENTINEL-2 does not exist.",
}
READ = [path for path in PATHS if not path.name.startswith(tuple(REFUSED))]


def named(path):
    return str(path.relative_to(SHARED / "cdse-stac"))[-70:]


def items(path):
    reply = json.loads(path.read_bytes())
    return reply.get("features", [reply])


@pytest.mark.parametrize("path", READ, ids=named)
def test_a_recorded_reply_is_read_whole(path):
    page = parse_items(path.read_bytes(), provider="cdse")
    assert len(page.products) == len(items(path))
    for product, item in zip(page.products, items(path), strict=True):
        whole = next(asset for name, asset in item["assets"].items() if name.lower() in {"product", "netcdf"})
        assert len(product.id) == 36
        assert product.id in json.dumps(whole)
        assert product.name.split("_")[0] == item["id"].split("_")[0]
        assert product.collection == item["collection"]
        assert product.footprint == item["geometry"]
        assert product.size == whole.get("file:size")
        assert bool(product.checksums) is ("file:checksum" in whole)
        assert all(len(each.value) == 2 * NEW[each.algorithm]().digest_size for each in product.checksums)
        assert product.s3_path is not None
        assert product.s3_path.startswith("eodata/")
        assert product.s3_path.endswith(f"/{product.name}")
        assert product.start is not None
        assert product.end is not None
        assert product.start <= product.end
        assert product.online
        assert product.quicklook_url is None or product.quicklook_url.startswith("https://")
        assert all(isinstance(value, str | int | float | bool) for value in product.attributes.values())


@pytest.mark.parametrize("path", [path for path in PATHS if path not in READ], ids=named)
def test_what_holds_no_items_is_refused(path):
    reason = next(reason for start, reason in REFUSED.items() if path.name.startswith(start))
    with pytest.raises(CatalogueError, match=reason):
        parse_items(path.read_bytes(), provider="cdse")


@pytest.mark.parametrize("path", [path for path in READ if items(path)], ids=named)
def test_a_reply_that_was_cut_short_is_refused(path):
    body = path.read_bytes()
    with pytest.raises(CatalogueError, match="not JSON"):
        parse_items(body[: len(body) // 2], provider="cdse")


def test_only_lists_of_items_have_a_next_page(shared_data):
    links = {path.name: parse_items(path.read_bytes(), provider="cdse").next_link for path in READ}
    assert {name for name, link in links.items() if link} == {
        "items_SENTINEL-2_20_e5851c_7.json",
        "items_sentinel-2-l2a_10_6fb496_8.json",
    }
    url, body = linked(links["items_sentinel-2-l2a_10_6fb496_8.json"])
    assert url.startswith("https://stac.dataspace.copernicus.eu/v1/collections/sentinel-2-l2a/items?")
    assert body is None
