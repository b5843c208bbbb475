from __future__ import annotations

import pytest

from skyhaul.errors import AccessDenied
from skyhaul.model import Product
from skyhaul.protocols import Wish
from skyhaul.providers import routes
from skyhaul.providers.routes import Road, choose, single

GB = 1_000_000_000
BOTH = Road(http=True, s3=True)
PART = Wish(only=("*_B04_10m.jp2",))


def product(size=GB, kind="S2MSI2A", path="eodata/Sentinel-2/P.SAFE", name="P.SAFE"):
    return Product(id="1", name=name, provider="cdse", product_type=kind, size=size, s3_path=path)


@pytest.mark.parametrize(
    ("wanted", "wish", "road", "route"),
    [
        (product(), Wish(), BOTH, "http"),  # 88 round trips cost more than what a zip may lose
        (product(30 * GB), Wish(), BOTH, "s3"),  # a zip of that size is likely to break, and begins anew
        (product(8 * GB, "IW_SLC__1S"), Wish(), BOTH, "s3"),
        (product(GB, "L2__NO2___", "eodata/S5P.nc"), Wish(), BOTH, "s3"),  # one object, that goes on where it broke
        (product(9_000_000, "L2__NO2___", "eodata/S5P.nc"), Wish(), BOTH, "http"),  # its listing would be a round trip
        (product(None), Wish(), BOTH, "http"),
        (product(), PART, BOTH, "s3"),
        (product(), Wish(exclude=("*.jp2",)), BOTH, "s3"),
        (product(), PART, Road(http=False, s3=True), "s3"),
        (product(), Wish(via="s3"), BOTH, "s3"),
        (product(30 * GB), Wish(via="http"), BOTH, "http"),
        (product(), Wish(), Road(http=False, s3=True), "s3"),
        (product(30 * GB), Wish(), Road(http=True, s3=False), "http"),
        (product(30 * GB, path=None), Wish(), BOTH, "http"),
    ],
)
def test_a_product_comes_the_way_that_is_likely_to_be_shorter(wanted, wish, road, route):
    assert choose(wanted, wish, road) == route


@pytest.mark.parametrize(
    ("wanted", "wish", "road", "reason"),
    [
        (
            product(),
            PART,
            Road(http=True, s3=False),
            "parts of products come over S3, which needs S3 keys: set CDSE_S3_ACCESS_KEY",
        ),
        (product(), Wish(via="s3"), Road(http=True, s3=False), "--via s3, which needs S3 keys"),
        (product(), Wish(via="http"), Road(http=False, s3=True), "CDSE_USERNAME and CDSE_PASSWORD"),
        (product(path=None), Wish(), Road(http=False, s3=True), "CDSE_USERNAME"),
        (product(), Wish(), Road(http=False, s3=False), "CDSE_USERNAME"),
    ],
)
def test_a_way_without_credentials_says_which_to_set(wanted, wish, road, reason):
    with pytest.raises(AccessDenied, match=reason):
        choose(wanted, wish, road)


@pytest.mark.parametrize(
    ("name", "path", "expected"),
    [
        ("S2A_MSIL2A_X.SAFE", "eodata/Sentinel-2/S2A_MSIL2A_X.SAFE", False),
        ("S3A_OL_1_EFR____X.SEN3", "eodata/Sentinel-3/X.SEN3", False),
        ("S2B_MSIL2A_N9999_X", "eodata/Sentinel-2/S2B_MSIL2A_N9999_X", False),
        ("S5P_OFFL_L2__NO2____X.nc", "eodata/Sentinel-5P/X.nc", True),
        ("S1A_OPER_AUX_POEORB_X.EOF", "eodata/Sentinel-1/AUX/X.EOF", True),
        ("S1A_AUX_INS_X.SAFE", "eodata/Sentinel-1/AUX/S1A_AUX_INS_X.SAFE.zip", True),  # the name does not say so
        ("S5P_X.nc", None, True),
    ],
)
def test_what_is_one_object_is_told_by_its_path(name, path, expected):
    assert single(product(path=path, name=name)) is expected


def test_a_zip_is_expected_to_cost_more_the_longer_it_is():
    one, ten = (routes.seconds_as_zip(product(size), BOTH) for size in (GB, 10 * GB))
    assert ten > 10 * one
    assert routes.seconds_over_s3(product(10 * GB), BOTH) < ten


@pytest.mark.parametrize(
    ("kind", "count"),
    [("S2MSI2A", 87), ("S2MSI1C", 60), ("IW_SLC__1S", 45), ("IW_GRDH_1S-COG", 25), (None, 60), ("NEW", 60)],
)
def test_files_are_guessed_by_type(kind, count):
    assert routes.objects(product(kind=kind)) == count
