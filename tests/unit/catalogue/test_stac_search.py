from __future__ import annotations

import json
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from skyhaul.catalogue.stac_search import Words, narrowed, search_body, search_url, span, stem
from skyhaul.errors import SettingsError
from skyhaul.model import Query, TimeInterval
from skyhaul.protocols import Slice

WORDS = Words(
    properties={
        "cloud_min": "eo:cloud_cover",
        "cloud_max": "eo:cloud_cover",
        "orbit_direction": "sat:orbit_state",
        "platform": "platform",
        "product_types": "product:type",
        "published": "published",
        "relative_orbit": "sat:relative_orbit",
        "tiles": "grid:code",
    },
    orders={"start": "properties.datetime", "modified": "properties.updated"},
)
APRIL = TimeInterval(start=datetime(2024, 4, 1, tzinfo=UTC), end=datetime(2024, 5, 1, tzinfo=UTC))


def body(words=WORDS, interval=None, *, ordered=False, **query):
    asked = Query(**query)
    return search_body(Slice(query=asked, interval=interval or asked.sensing, ordered=ordered), words, limit=100)


def test_nothing_more_is_asked_than_is_wanted():
    assert body() == {"limit": 100}


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ({"collection": "sentinel-2-l2a"}, {"collections": ["sentinel-2-l2a"]}),
        ({"ids": ("a", "b")}, {"ids": ["a", "b"]}),
        ({"names": ("S2A_X.SAFE", "S5P_Y.nc.zip")}, {"ids": ["S2A_X", "S5P_Y"]}),
        ({"names": ("S2A*",)}, {}),
        ({"cloud_min": 5.0, "cloud_max": 20.0}, {"query": {"eo:cloud_cover": {"gte": 5.0, "lte": 20.0}}}),
        ({"tiles": ("T31TCL", "1CCV")}, {"query": {"grid:code": {"in": ["MGRS-31TCL", "MGRS-01CCV"]}}}),
        ({"orbit_direction": "DESCENDING"}, {"query": {"sat:orbit_state": {"eq": "descending"}}}),
        ({"relative_orbit": 22}, {"query": {"sat:relative_orbit": {"eq": 22}}}),
        ({"platform": "S2A"}, {"query": {"platform": {"eq": "sentinel-2a"}}}),
        ({"platform": "SENTINEL-2"}, {}),
        ({"product_types": ("S2MSI2A",)}, {"query": {"product:type": {"in": ["S2MSI2A"]}}}),
        (
            {"published": APRIL},
            {"query": {"published": {"gte": "2024-04-01T00:00:00.000000Z", "lt": "2024-05-01T00:00:00.000000Z"}}},
        ),
        ({"area": "POINT (11 44)"}, {"intersects": {"type": "Point", "coordinates": [11.0, 44.0]}}),
        ({"area": "POINT (11 44)", "area_asked": "POINT (1 2)"}, {"intersects": {"type": "Point", "coordinates": [1.0, 2.0]}}),
    ],
)  # fmt: skip
def test_what_is_wanted_is_asked_in_the_archives_words(query, asked):
    assert body(**query) == {**asked, "limit": 100}


@pytest.mark.parametrize(
    "query", [{"mode": "IW"}, {"polarisation": "VV"}, {"names": ("S2A*",)}, {"platform": "SENTINEL-2"}]
)
def test_what_is_not_asked_is_not_said_to_be(query):
    asked = WORDS.asked(Query(**query))
    assert not set(query) & asked


def test_an_archive_that_compares_nothing_is_asked_to_compare_nothing():
    words = Words(properties=WORDS.properties, language="none")
    assert body(words, cloud_max=20.0, ids=("a",)) == {"ids": ["a"], "limit": 100}
    assert "cloud_max" not in words.asked(Query(cloud_max=20.0))


def test_comparisons_in_cql2():
    words = Words(properties=WORDS.properties, language="cql2")
    assert body(words, cloud_max=20.0, tiles=("31TCL",)) == {
        "filter-lang": "cql2-json",
        "filter": {
            "op": "and",
            "args": [
                {"op": "<=", "args": [{"property": "eo:cloud_cover"}, 20.0]},
                {"op": "in", "args": [{"property": "grid:code"}, ["MGRS-31TCL"]]},
            ],
        },
        "limit": 100,
    }


def test_a_slice_inside_is_half_open_and_the_last_one_reaches_a_little_further():
    middle = datetime(2024, 4, 15, tzinfo=UTC)
    assert (
        span(TimeInterval(start=APRIL.start, end=middle), APRIL)
        == "2024-04-01T00:00:00.000000Z/2024-04-14T23:59:59.999999Z"
    )
    assert (
        span(TimeInterval(start=middle, end=APRIL.end), APRIL)
        == "2024-04-15T00:00:00.000000Z/2024-05-01T00:59:59.999999Z"
    )
    assert span(TimeInterval(start=middle), APRIL) == "2024-04-15T00:00:00.000000Z/.."
    assert span(TimeInterval(end=middle), TimeInterval()) == "../2024-04-14T23:59:59.999999Z"
    assert span(TimeInterval(), TimeInterval()) is None


@pytest.mark.parametrize(("order_by", "direction"), [("modified", "asc"), ("-modified", "desc")])
def test_an_order_is_asked_for_where_it_matters(order_by, direction):
    assert body(order_by=order_by, ordered=True)["sortby"] == [{"field": "properties.updated", "direction": direction}]
    assert "sortby" not in body(order_by=order_by)


def test_an_order_that_the_archive_does_not_know_is_refused():
    with pytest.raises(SettingsError, match="cannot sort by 'published'; known are start, modified"):
        body(order_by="-published", ordered=True)


def test_the_same_search_as_an_address():
    asked = body(collection="a", ids=("x", "y"), cloud_max=5.0, area="POINT (1 2)", order_by="-start", ordered=True)
    url = search_url("https://stac.example/v1", asked)
    found = {key: values[0] for key, values in parse_qs(urlsplit(url).query).items()}
    assert url.startswith("https://stac.example/v1/search?")
    assert json.loads(found.pop("query")) == {"eo:cloud_cover": {"lte": 5.0}}
    assert json.loads(found.pop("intersects"))["type"] == "Point"
    assert found == {"collections": "a", "ids": "x,y", "sortby": "-properties.datetime", "limit": "100"}


@pytest.mark.parametrize("name", ["S2A_X", "S2A_X.SAFE", "S2A_X.SAFE.zip", "S2A_X.zip"])
def test_a_name_as_an_id(name):
    assert stem(name) == "S2A_X"


@pytest.mark.parametrize(
    ("names", "when"),
    [
        (("S2A_MSIL2A_20240713T101031_N0510_*",), ("2024-07-13T10:10:31", "2024-07-13T11:10:31")),
        (("S2A_MSIL2A_20240713T1*",), ("2024-07-13T00:00:00", "2024-07-14T00:59:59")),
        (("S2A_MSIL2A_20240713T10*", "S2B_MSIL2A_20240715*"), ("2024-07-13T10:00:00", "2024-07-16T00:59:59")),
        (("S2A_MSIL2A_2024071*",), None),
        (("S2A_MSIL2A_20240713*", "*T32TQR*"), None),
        (("S2A_MSIL2A_20249913*",), None),
    ],
)
def test_names_say_when_their_products_were_sensed(names, when):
    expected = when and TimeInterval(
        **dict(zip(("start", "end"), (datetime.fromisoformat(f"{each}+00:00") for each in when), strict=True))
    )
    assert narrowed(TimeInterval(), names) == (expected or TimeInterval())
