from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import unquote

import pytest

from skyhaul.catalogue.noa_query import page_url
from skyhaul.errors import SettingsError
from skyhaul.model import Condition, Query, TimeInterval
from skyhaul.protocols import Slice

MAY = datetime(2024, 5, 1, tzinfo=UTC)


def url_of(**query):
    part = Slice(query=Query(**query), interval=TimeInterval(start=MAY))
    return page_url("https://mirror.example/catalogue/odata/v1/", part)


def test_the_mirror_is_asked_in_its_own_spelling():
    url = url_of(collection="SENTINEL-1", polarisation="VV,VH", product_types=("IW_GRDH_1S",))
    assert url.startswith("https://mirror.example/catalogue/odata/v1/Products?$filter=")
    assert url.endswith("&$orderby=ContentDate/Start%20asc&$top=50")
    assert "+" not in url
    assert "VV,VH" in url
    assert "$count" not in url
    assert "$expand" not in url


@pytest.mark.parametrize(
    "query", [{"names": ("S2A_*",)}, {"collection": "SENTINEL-2"}, {"platform": "S5P"}, {"tiles": ("32TQR",)}]
)
def test_names_and_collections_are_never_in_the_filter(query):
    text = unquote(url_of(**query))
    assert "contains(" not in text
    assert "startswith(" not in text
    assert "Name eq 'S" not in text.replace("att/Name", "")
    assert "Collection/Name" not in text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("SENTINEL-2", ["platformShortName", "SENTINEL-2"]),
        ("S2B", ["SENTINEL-2", "platformSerialIdentifier", "'B'"]),
        ("SENTINEL-5P", ["instrumentShortName", "TROPOMI"]),
    ],
)
def test_missions_are_attributes(text, found):
    asked = unquote(url_of(platform=text))
    assert all(each in asked for each in found)


def test_rules_are_joined_by_or():
    rules = (Query(collection="SENTINEL-1", mode="IW"), Query(collection="SENTINEL-2", cloud_max=20.0))
    text = unquote(url_of(rules=rules))
    assert " or " in text
    assert "Collection/Name" not in text


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"order_by": "published"}, "by start alone"),
        ({"collection": "LANDSAT-8"}, "no LANDSAT-8"),
        ({"where": (Condition(attribute="sliceNumber", operator="eq", value=1),)}, "does not know sliceNumber"),
        ({"where": (Condition(attribute="timeliness", operator="ne", value="NT"),)}, r"timeliness in \(…\)"),
    ],
)
def test_what_it_cannot_be_asked_is_an_error(query, said):
    with pytest.raises(SettingsError, match=said):
        url_of(**query)
