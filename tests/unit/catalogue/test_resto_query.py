from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from skyhaul.catalogue.resto_query import collections, page_url
from skyhaul.errors import SettingsError
from skyhaul.model import Query, TimeInterval

ALWAYS = TimeInterval()
OLD, NEW = datetime(2016, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "interval", "found"),
    [
        ("SENTINEL-1", ALWAYS, ("S1",)),
        ("SENTINEL-2", ALWAYS, ("S2", "S2ST")),
        ("SENTINEL-2", TimeInterval(start=NEW), ("S2ST",)),
        ("SENTINEL-2", TimeInterval(end=OLD), ("S2",)),
        ("SENTINEL-2", TimeInterval(start=OLD, end=NEW), ("S2", "S2ST")),
        ("s2st", ALWAYS, ("S2ST",)),
    ],
)
def test_collections_are_those_of_peps(name, interval, found):
    assert collections(Query(collection=name), interval) == found


@pytest.mark.parametrize("name", [None, "S1/../.."])
def test_a_collection_has_to_be_named(name):
    with pytest.raises(SettingsError, match="asked by collection"):
        collections(Query(collection=name), ALWAYS)


def options(query, interval=ALWAYS, page=1):
    url = page_url("https://resto.example/resto/", "S1", query, interval, page=page, size=500)
    assert url.startswith("https://resto.example/resto/api/collections/S1/search.json?")
    return {name: value[0] for name, value in parse_qs(urlsplit(url).query).items()}


def test_a_page_is_counted():
    assert options(Query(), page=3) == {"maxRecords": "500", "page": "3"}


def test_the_end_is_asked_for_with_the_longest_product_added():
    found = options(Query(), TimeInterval(start=OLD, end=NEW))
    assert found["startDate"] == "2016-01-01T00:00:00.000Z"
    assert found["completionDate"] == "2020-01-01T02:00:00.000Z"


def test_what_can_be_asked_is_asked():
    query = Query(product_types=("EW_GRDM_1S",), area="POINT(1 2)", relative_orbit=22, mode="EW", cloud_max=20)
    found = options(query)
    assert (found["productType"], found["geometry"]) == ("GRD", "POINT(1 2)")
    assert (found["relativeOrbitNumber"], found["sensorMode"]) == ("22", "EW")
    assert "cloudCover" not in found


def test_several_areas_or_types_are_not_asked_for():
    found = options(Query(product_types=("GRD", "SLC"), area="MULTIPOINT((1 2),(3 4))"))
    assert found.keys() == {"maxRecords", "page"}
