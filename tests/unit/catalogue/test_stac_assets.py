from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyhaul import bands
from skyhaul.catalogue.stac import parse_item
from skyhaul.catalogue.stac_assets import bucket_of, objects
from skyhaul.errors import ObjectMissing
from skyhaul.model import Checksum
from skyhaul.protocols import Wish
from skyhaul.transfer.layout import collisions, safe_path

ID = "S2A_32TQR_20240402_0_L2A"
COGS = f"https://cogs.example/32/T/QR/{ID}"


def item(assets):
    return parse_item(json.dumps({"type": "Feature", "id": ID, "assets": assets}).encode(), provider="x")


def place(href):
    return ("http", href) if href.startswith("https://") else None


def paths(assets, wish=None):
    return [obj.path for obj in objects(item(assets), wish or Wish(), place)]


EARTH_SEARCH = {
    "red": {"href": f"{COGS}/B04.tif", "roles": ["data"], "raster:bands": [{"spatial_resolution": 10}]},
    "red-jp2": {"href": "s3://sentinel-s2-l2a/B04.jp2", "roles": ["data"]},
    "rededge1": {"href": f"{COGS}/B05.tif", "roles": ["data"], "gsd": 20},
    "scl": {"href": f"{COGS}/SCL.tif", "roles": ["data"], "gsd": 20},
    "visual": {"href": f"{COGS}/TCI.tif", "roles": ["visual"], "gsd": 10},
    "granule_metadata": {"href": f"{COGS}/granule_metadata.xml", "roles": ["metadata"]},
    "thumbnail": {"href": f"{COGS}/thumbnail.jpg", "roles": ["thumbnail"]},
}


def test_what_is_said_of_an_asset():
    asset = {"href": f"{COGS}/B04.tif", "file:size": 7.0, "file:checksum": "1620" + "AB" * 32}
    [obj] = objects(item({"red": asset}), Wish(), place)
    assert (obj.route, obj.location, obj.path, obj.size) == ("http", f"{COGS}/B04.tif", "B04.tif", 7)
    assert obj.checksums == (Checksum(algorithm="SHA3-256", value="ab" * 32),)
    assert obj.ranges
    assert not obj.archive
    assert not obj.manifest


def test_large_files_come_first():
    assets = {name: {"href": f"{COGS}/{name}.tif", "file:size": size} for name, size in [("a", 1), ("b", 9), ("c", 5)]}
    assert paths(assets) == ["b.tif", "c.tif", "a.tif"]


@pytest.mark.parametrize(
    ("asset", "path"),
    [
        ({"href": f"{COGS}/x/B04.tif?sig=1#a"}, "B04.tif"),
        ({"href": f"{COGS}/B%2004.tif"}, "B 04.tif"),
        ({"href": f"{COGS}/B04.tif", "file:local_path": f"{ID}.SAFE/IMG/B04.jp2"}, "IMG/B04.jp2"),
        ({"href": f"{COGS}/B04.tif", "file:local_path": "IMG/B04.jp2"}, "IMG/B04.jp2"),
        ({"href": f"{COGS}/B04.tif", "file:local_path": "../../etc/passwd"}, "B04.tif"),
        ({"href": f"{COGS}/B04.tif", "file:local_path": "/etc/passwd"}, "B04.tif"),
        ({"href": f"{COGS}/%2e%2e"}, "the_red_one"),
        ({"href": f"{COGS}/"}, "the_red_one"),
        ({"href": f"{COGS}/..%2f..%2fB04.tif"}, "the_red_one"),
    ],
)  # fmt: skip
def test_a_file_is_called_as_it_is_stored_if_that_is_safe(asset, path):
    assert paths({"the red one": asset}) == [path]


def test_files_of_one_name_are_put_below_their_keys():
    assets = {"R10m": {"href": f"{COGS}/R10m/B02.jp2"}, "R20m": {"href": f"{COGS}/R20m/b02.jp2"}}
    assert sorted(paths(assets)) == ["R10m/B02.jp2", "R20m/b02.jp2"]


def test_keys_that_differ_in_capitals_alone_are_numbered():
    assets = {"A": {"href": f"{COGS}/1/B02.jp2"}, "a": {"href": f"{COGS}/2/B02.jp2"}}
    assert sorted(paths(assets)) == ["000-A/B02.jp2", "001-a/B02.jp2"]


HREFS = st.text(max_size=20).map(lambda end: {"href": f"{COGS}/{end}"})


@given(st.dictionaries(st.text(max_size=8), HREFS, min_size=1, max_size=5))
def test_every_name_is_safe_and_no_two_are_one(assets):
    found = paths(assets)
    assert len(found) == len(assets)
    assert collisions(name for path in found for name in (path, f"{path}.part")) is None
    for path in found:
        safe_path(path)


@pytest.mark.parametrize(
    ("names", "metres", "wanted"),
    [
        (("B04",), None, {"B04.tif"}),
        (("B05", "SCL"), None, {"B05.tif", "SCL.tif"}),
        ((), 10, {"B04.tif", "TCI.tif"}),
        ((), 20, {"B05.tif", "SCL.tif"}),
        (("TCI",), 10, {"TCI.tif"}),
    ],
)
def test_bands_and_resolutions_are_found_under_the_names_of_the_archive(names, metres, wanted):
    found = paths(EARTH_SEARCH, Wish(only=bands.globs(names, metres)))
    assert set(found) == wanted | {"granule_metadata.xml"}


@pytest.mark.parametrize(
    ("key", "href", "band"),
    [
        ("B04", "T32TQR_20240402T101019_B04_10m.tif", "B04"),
        ("B04_10m", "T32TQR_B04_10m.jp2", "B04"),
        ("vv", "iw-vv.tiff", "VV"),
        ("schema-product-vv", "rfi-iw-vv.xml", "VV"),
    ],
)
def test_bands_of_other_archives(key, href, band):
    assets = {key: {"href": f"{COGS}/{href}"}, "other": {"href": f"{COGS}/other.tif"}}
    assert paths(assets, Wish(only=bands.globs((band,), None))) == [href]


@pytest.mark.parametrize(
    ("wish", "wanted"),
    [
        (Wish(only=("*.jpg",)), ["thumbnail.jpg"]),
        (Wish(only=("thumbnail",)), ["thumbnail.jpg"]),
        (Wish(only=("*.tif",), exclude=("B0*", "scl")), ["TCI.tif"]),
    ],
)
def test_globs_choose_by_file_and_by_key(wish, wanted):
    assert paths(EARTH_SEARCH, wish) == wanted


def test_what_cannot_be_reached_is_left_out_and_said_where_nothing_is_left():
    assert "B04.jp2" not in paths(EARTH_SEARCH)
    far = {"red": {"href": "s3://sentinel-s2-l1c/B04.jp2"}, "blue": {"href": "s3://sentinel-s2-l1c/B02.jp2"}}
    with pytest.raises(
        ObjectMissing, match=r"none of its 2 assets can be reached without keys of their own .s3://sentinel-s2-l1c"
    ):
        paths(far)


def test_what_lies_elsewhere_too_is_taken_from_there():
    asset = {"href": "s3://eodata/B04.jp2", "alternate": {"https": {"href": f"{COGS}/B04.jp2"}}}
    [obj] = objects(item({"red": asset}), Wish(), place)
    assert obj.location == f"{COGS}/B04.jp2"


SCHEMES = {"oidc": {"type": "openIdConnect"}, "s3": {"type": "s3"}, "key": {"type": "apiKey"}}
BEHIND_A_LOGIN = {
    "Product": {"href": f"{COGS}/Products(1)/$value", "type": "application/zip", "auth:refs": ["oidc"]},
    "B04": {
        "href": f"{COGS}/Nodes(B04.jp2)/$value",
        "auth:refs": ["oidc"],
        "alternate": {"s3": {"href": "s3://eodata/B04.jp2", "auth:refs": ["s3"]}},
    },
    "B08": {
        "href": "s3://eodata/B08.jp2",
        "auth:refs": ["s3"],
        "alternate": {"https": {"href": f"{COGS}/Nodes(B08.jp2)/$value", "auth:refs": ["oidc"]}},
    },
    "open": {"href": f"{COGS}/open.json"},
    "keyed": {"href": f"{COGS}/keyed.json", "auth:refs": ["key"]},
}


def with_keys(href):
    return ("s3", href) if href.startswith("s3://") else place(href)


def behind_a_login(place, **schemes):
    found = {"type": "Feature", "id": ID, "properties": schemes, "assets": BEHIND_A_LOGIN}
    objects_ = objects(parse_item(json.dumps(found).encode(), provider="x"), Wish(), place)
    return {(obj.route, obj.location.removeprefix(f"{COGS}/")) for obj in objects_}


def test_with_keys_files_come_over_s3_and_nothing_wants_a_login():
    assert behind_a_login(with_keys, **{"auth:schemes": SCHEMES}) == {
        ("s3", "s3://eodata/B04.jp2"),
        ("s3", "s3://eodata/B08.jp2"),
        ("http", "open.json"),
        ("http", "keyed.json"),
    }


def test_without_keys_what_wants_a_login_is_asked_for_and_says_so():
    found = behind_a_login(place, **{"auth:schemes": SCHEMES})
    assert ("http", "Products(1)/$value") in found
    assert len(found) == 5


@pytest.mark.parametrize("schemes", [None, [], {"oidc": "openIdConnect"}, {}])
def test_schemes_that_nobody_can_read_keep_nothing_back(schemes):
    assert ("http", "Products(1)/$value") in behind_a_login(with_keys, **{"auth:schemes": schemes})


def test_nothing_that_matches_is_said():
    with pytest.raises(ObjectMissing, match=r"none of its 6 assets matches \*\.nc"):
        paths({key: asset for key, asset in EARTH_SEARCH.items() if key != "red-jp2"}, Wish(only=("*.nc",)))


@pytest.mark.parametrize(
    ("href", "found"),
    [
        ("s3://b/k/x.tif", ("b", "k/x.tif")),
        ("s3://b", None),
        ("s3://b/", None),
        ("https://b/k", None),
        ("gs://b/k", None),
    ],
)
def test_addresses_on_s3(href, found):
    assert bucket_of(href) == found
