"""The query language of DHuS, held against what the world's products are."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from shapely.geometry import box, shape

from skyhaul.simulate.filters import FilterError
from skyhaul.simulate.selection import select
from skyhaul.simulate.solr import parse
from support.older_archives import found, world

NOW = dt.datetime(2024, 7, 1, tzinfo=dt.UTC)


def names(query: str) -> set[str]:
    shelf = world().shelf
    return {world().product(row).name for row in select(shelf, parse(query, NOW))}


def those(test, **wanted) -> set[str]:
    return {product.name for product in found(**wanted) if test(product)}


def value(product, name):
    return next((value for key, _, value in product.attributes if key == name), None)


def test_a_star_is_everything():
    assert names("*") == those(lambda _: True)


@pytest.mark.parametrize("between", [" AND ", " "])
def test_terms_side_by_side_all_hold(between):
    wanted = those(lambda product: value(product, "relativeOrbitNumber") == 22, collection="SENTINEL-2")
    assert wanted
    assert names(f"platformname:Sentinel-2{between}relativeorbitnumber:22") == wanted


def test_one_of_several():
    assert names("(tileid:32TQR OR tileid:32TPQ)") == those(lambda p: value(p, "tileId") in {"32TQR", "32TPQ"})
    assert names("tileid:(32TQR OR 32TPQ)") == names("(tileid:32TQR OR tileid:32TPQ)")


def test_not():
    assert names("platformname:Sentinel-2 AND NOT producttype:S2MSI1C") == those(
        lambda p: p.product_type != "S2MSI1C", collection="SENTINEL-2"
    )


@pytest.mark.parametrize("quote", ["", '"'])
def test_times_are_closed_at_both_ends_to_the_millisecond(quote):
    product = found(product_type="S2MSI2A")[3]
    at = f"{product.start:%Y-%m-%dT%H:%M:%S}.{product.start.microsecond // 1000:03d}Z"
    assert product.name in names(f"beginposition:[{quote}{at}{quote} TO {quote}{at}{quote}]")
    later = product.published + dt.timedelta(milliseconds=1)
    assert product.name not in names(f"ingestiondate:[{later:%Y-%m-%dT%H:%M:%S.%f}Z TO *]")
    at = f"{product.published:%Y-%m-%dT%H:%M:%S}.{product.published.microsecond // 1000:03d}Z"
    assert product.name in names(f"ingestiondate:[* TO {at}]")  # its microseconds belong to that millisecond


def test_time_can_be_reckoned_from_now_or_from_a_date():
    wanted = those(lambda p: NOW - dt.timedelta(days=3) <= p.start <= NOW)
    assert names("beginposition:[NOW-3DAYS TO NOW]") == wanted
    assert names("beginPosition:[2024-07-01T00:00:00Z-3DAY TO 2024-07-01T00:00:00Z]") == wanted


def test_clouds_within_closed_bounds():
    wanted = those(lambda p: value(p, "cloudCover") is not None and 10 <= value(p, "cloudCover") <= 20)
    assert names("cloudcoverpercentage:[10 TO 20]") == wanted


def test_names_with_wildcards_and_without_suffix():
    assert names("filename:S2B_MSIL2A_*_T32TQR_*") == those(
        lambda p: re.match(r"S2B_MSIL2A_.*_T32TQR_", p.name) is not None
    )
    product = found(product_type="S2MSI2A")[0]
    assert names(f'identifier:"{product.name.removesuffix(".SAFE")}"') == {product.name}
    assert names(f"uuid:{product.id}") == {product.name}


def test_groups_of_radar_products():
    assert names("producttype:SLC") == those(lambda p: p.product_type == "IW_SLC__1S")
    assert names('polarisationmode:"VV VH" producttype:GRD') == those(lambda p: p.product_type == "IW_GRDH_1S")


def test_areas():
    area = box(9.5, 44, 13, 46)
    wanted = those(lambda p: p.footprint is not None and shape(p.footprint).intersects(area))
    assert wanted != those(lambda _: True)
    assert names('footprint:"Intersects(POLYGON((9.5 44,13 44,13 46,9.5 46,9.5 44)))"') == wanted


@pytest.mark.parametrize(
    "query",
    ["xxx:yyy", "beginposition:[yesterday TO NOW]", "cloudcoverpercentage:much", "(tileid:32TQR", "a:[b TO c]",
     'footprint:"Within(POINT(1 2))"', 'footprint:"Intersects(POLYGON((0 0,1 1,0 1,1 0,0 0)))"'],
)  # fmt: skip
def test_what_cannot_be_read_is_an_error(query):
    with pytest.raises(FilterError):
        parse(query, NOW)


def test_an_unknown_platform_matches_nothing():
    assert names("platformname:Sentinel-9") == set()
