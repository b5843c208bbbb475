"""Whatever stands in a reply, it is read or refused: no other error leaves a dialect."""

from __future__ import annotations

import json
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from skyhaul.catalogue.dhus import parse_dhus_entities
from skyhaul.catalogue.opensearch import parse_dhus_search, parse_resto
from skyhaul.catalogue.stac import parse_item, parse_items
from skyhaul.errors import CatalogueError
from skyhaul.protocols import Page

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["name", "href", "content"]), inner, max_size=2)
    ),
    max_leaves=4,
)


def some(*names):
    return st.dictionaries(st.sampled_from(names), JSON, max_size=3)


def read(parse, reply):
    with suppress(CatalogueError):
        assert isinstance(parse(json.dumps(reply).encode(), provider="x"), Page)


@given(
    some("datetime", "updated", "eo:cloud_cover", "sat:orbit_state"),
    some("href", "file:size", "file:checksum", "alternate"),
    JSON,
)
def test_stac(properties, asset, anything):
    item = {"type": "Feature", "id": "a", "properties": properties, "assets": {"Product": asset}}
    read(parse_items, {"type": "FeatureCollection", "features": [item], "links": anything})
    read(parse_items, item)
    read(parse_items, anything)
    with suppress(CatalogueError):
        parse_item(json.dumps(item).encode(), provider="x")


@given(
    some("startDate", "cloudCover", "orbitNumber", "services", "storage", "status", "resourceSize", "polarisation"),
    JSON,
)
def test_resto(told, anything):
    one = {"type": "Feature", "id": "a", "geometry": anything, "properties": {"title": "S2A_", **told}}
    read(parse_resto, {"type": "FeatureCollection", "features": [one], "properties": anything})
    read(parse_resto, {"ErrorCode": anything, "ErrorMessage": anything, "detail": anything})
    read(parse_resto, anything)


@given(some("str", "int", "double", "date", "link"), JSON)
def test_dhus_search(groups, anything):
    read(parse_dhus_search, {"feed": {"entry": {"id": "a", "title": "S2A_", **groups}, "link": anything}})
    read(parse_dhus_search, {"feed": {"entry": anything}, "error": anything})
    for name in ("size", "footprint", "cloudcoverpercentage", "orbitnumber", "polarisationmode"):
        read(
            parse_dhus_search,
            {"feed": {"entry": {"id": "a", "title": "S2A_", "str": {"name": name, "content": anything}}}},
        )


@given(some("ContentLength", "Checksum", "ContentDate", "ContentGeometry", "Attributes", "IngestionDate"), JSON)
def test_dhus_entities(told, anything):
    read(parse_dhus_entities, {"d": {"Id": "a", "Name": "S2A_", **told}})
    read(parse_dhus_entities, {"d": anything, "error": anything})
