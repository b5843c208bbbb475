from __future__ import annotations

import re
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyhaul.catalogue.here import ELSEWHERE
from skyhaul.catalogue.odata import ASKED, filter_text, name_check, names_body, names_url, page_url, shapes
from skyhaul.errors import SettingsError
from skyhaul.model import Condition, Query, TimeInterval
from skyhaul.protocols import Slice

ROOT = "https://catalogue.example/odata/v1"
OPEN = TimeInterval()
MAY = TimeInterval(start=datetime(2026, 5, 1, tzinfo=UTC), end=datetime(2026, 6, 1, tzinfo=UTC))


def lambda_(kind: str, name: str, comparison: str) -> str:
    cast = f"OData.CSC.{kind}Attribute"
    return f"Attributes/{cast}/any(att:att/Name eq '{name}' and att/{cast}/Value {comparison})"


def either(name: str, *values: str) -> str:
    return "(" + " or ".join(lambda_("String", name, f"eq '{value}'") for value in values) + ")"


def clause(**query: object) -> str:
    return filter_text(Query(**query), OPEN)


def where(attribute: str, operator: str, value: object) -> str:
    return clause(where=(Condition(attribute=attribute, operator=operator, value=value),))


def test_a_query_reads_as_the_documentation_writes_it():
    query = Query(
        collection="SENTINEL-2",
        product_types=("S2MSI2A",),
        cloud_max=20,
        area="POLYGON((23.5 37.9,24.0 37.9,24.0 38.2,23.5 38.2,23.5 37.9))",
    )
    assert filter_text(query, MAY).split(" and ContentDate")[0] == "Collection/Name eq 'SENTINEL-2' and " + lambda_(
        "String", "productType", "eq 'S2MSI2A'"
    )
    assert set(re.split(r" and (?=Attributes|Content|OData|Collection)", filter_text(query, MAY))) == {
        "Collection/Name eq 'SENTINEL-2'",
        lambda_("String", "productType", "eq 'S2MSI2A'"),
        "ContentDate/Start ge 2026-05-01T00:00:00.000Z",
        "ContentDate/Start lt 2026-06-01T00:00:00.000Z",
        "OData.CSC.Intersects(area=geography'SRID=4326;POLYGON((23.5 37.9,24.0 37.9,24.0 38.2,23.5 38.2,23.5 37.9))')",
        lambda_("Double", "cloudCover", "le 20.0"),
    }


SINGLE = [
    ({}, ""),
    ({"cloud_min": 5.5}, lambda_("Double", "cloudCover", "ge 5.5")),
    ({"cloud_max": 0.0000001}, lambda_("Double", "cloudCover", "le 0.0000001")),
    ({"relative_orbit": 8}, lambda_("Integer", "relativeOrbitNumber", "eq 8")),
    ({"orbit_direction": "descending"}, lambda_("String", "orbitDirection", "eq 'DESCENDING'")),
    ({"mode": "IW"}, lambda_("String", "operationalMode", "eq 'IW'")),
    ({"timeliness": "NRT-3h"}, lambda_("String", "timeliness", "eq 'NRT-3h'")),
    ({"online": True}, "Online eq true"),
    ({"online": False}, "Online eq false"),
    ({"ids": ("a-1",)}, "Id eq 'a-1'"),
    ({"ids": ("a-1", "b-2")}, "(Id eq 'a-1' or Id eq 'b-2')"),
    ({"tiles": ("31TCL",)}, lambda_("String", "tileId", "eq '31TCL'")),
    ({"tiles": ("T31tcl",)}, lambda_("String", "tileId", "eq '31TCL'")),
    ({"tiles": ("1CCV",)}, lambda_("String", "tileId", "eq '01CCV'")),
    ({"product_types": ("GRD", "SLC")}, either("productType", "GRD", "SLC")),
    ({"polarisation": "VV"}, lambda_("String", "polarisationChannels", "eq 'VV'")),
    *(
        ({"polarisation": written}, either("polarisationChannels", "VV&VH", "VH&VV"))
        for written in ("VV&VH", "vv,vh", "VV+VH")
    ),
    ({"platform": "A"}, lambda_("String", "platformSerialIdentifier", "eq 'A'")),
    ({"platform": "SENTINEL-2"}, lambda_("String", "platformShortName", "eq 'SENTINEL-2'")),
    ({"platform": "s1"}, lambda_("String", "platformShortName", "eq 'SENTINEL-1'")),
    ({"platform": "S5P"}, "startswith(Name,'S5P')"),
    ({"platform": "ENVISAT"}, lambda_("String", "platformShortName", "eq 'ENVISAT'")),
    *(
        (
            {"platform": written},
            lambda_("String", "platformShortName", "eq 'SENTINEL-2'")
            + " and "
            + lambda_("String", "platformSerialIdentifier", "eq 'A'"),
        )
        for written in ("S2A", "SENTINEL-2A", "sentinel-2a")
    ),
    (
        {"platform": "S2A", "collection": "SENTINEL-2"},
        "Collection/Name eq 'SENTINEL-2' and " + lambda_("String", "platformSerialIdentifier", "eq 'A'"),
    ),
    ({"names": ("S2A_X.SAFE",)}, "Name eq 'S2A_X.SAFE'"),
    ({"names": ("it's",)}, "Name eq 'it''s'"),
    ({"names": ("S2A_*",)}, "startswith(Name,'S2A_')"),
    ({"names": ("*_COG.SAFE",)}, "endswith(Name,'_COG.SAFE')"),
    ({"names": ("*GRDH*",)}, "contains(Name,'GRDH')"),
    (
        {"names": ("S2A_*_T31TCL_*.SAFE",)},
        "(startswith(Name,'S2A_') and contains(Name,'_T31TCL_') and endswith(Name,'.SAFE'))",
    ),
    ({"names": ("A*B", "C")}, "((startswith(Name,'A') and endswith(Name,'B')) or Name eq 'C')"),
    ({"names": ("*",)}, ""),
    ({"names": ("A*", "*")}, ""),
    ({"area": "point(2 41)"}, "OData.CSC.Intersects(area=geography'SRID=4326;POINT(2 41)')"),
]


@pytest.mark.parametrize(("query", "expected"), SINGLE, ids=lambda value: str(value)[:40])
def test_each_restriction(query, expected):
    assert clause(**query) == expected


WHERE = [
    ("cloudCover", "le", 20, lambda_("Double", "cloudCover", "le 20.0")),
    ("orbitNumber", "gt", 48000.0, lambda_("Integer", "orbitNumber", "gt 48000")),
    ("processorVersion", "eq", "05.11", lambda_("String", "processorVersion", "eq '05.11'")),
    # Text takes eq alone.
    ("processorVersion", "ne", "05.11", "not " + lambda_("String", "processorVersion", "eq '05.11'")),
    ("productType", "in", ("A", "B"), either("productType", "A", "B")),
    (
        "relativeOrbitNumber",
        "in",
        (8, 22.0),
        f"({lambda_('Integer', 'relativeOrbitNumber', 'eq 8')} or {lambda_('Integer', 'relativeOrbitNumber', 'eq 22')})",
    ),
    ("ContentDate/End", "in", ("2024-09-12T00:00:00Z",), "ContentDate/End eq 2024-09-12T00:00:00.000Z"),
    ("sliceProductFlag", "eq", False, lambda_("Boolean", "sliceProductFlag", "eq false")),
    ("processingDate", "ge", "2024-09-12", lambda_("DateTimeOffset", "processingDate", "ge 2024-09-12T00:00:00.000Z")),
    (
        "processingDate",
        "lt",
        "2024-09-12T01:00:00+01:00",
        lambda_("DateTimeOffset", "processingDate", "lt 2024-09-12T00:00:00.000Z"),
    ),
    ("madeUp", "eq", True, lambda_("Boolean", "madeUp", "eq true")),
    ("madeUp", "lt", 3, lambda_("Integer", "madeUp", "lt 3")),
    ("madeUp", "lt", 3.5, lambda_("Double", "madeUp", "lt 3.5")),
    ("madeUp", "eq", "it's", lambda_("String", "madeUp", "eq 'it''s'")),
    ("ModificationDate", "ge", "2024-09-12T00:00:00Z", "ModificationDate ge 2024-09-12T00:00:00.000Z"),
    ("ContentDate/End", "le", "2024-09-12T00:00:00.5Z", "ContentDate/End le 2024-09-12T00:00:00.500Z"),
    ("Online", "eq", False, "Online eq false"),
    ("Name", "eq", "X", "Name eq 'X'"),
]


@pytest.mark.parametrize(("attribute", "operator", "value", "expected"), WHERE)
def test_conditions_take_the_type_of_the_attribute(attribute, operator, value, expected):
    assert where(attribute, operator, value) == expected


@pytest.mark.parametrize(
    ("attribute", "operator", "value", "message"),
    [
        ("orbitNumber", "eq", 45.5, "orbitNumber is of type Integer, which 45.5 is not"),
        ("orbitNumber", "eq", "many", "orbitNumber is of type Integer"),
        ("orbitNumber", "eq", float("inf"), "orbitNumber is of type Integer"),
        ("cloudCover", "le", float("nan"), "cloudCover is of type Double"),
        ("processingDate", "ge", "yesterday", "processingDate is of type DateTimeOffset"),
        ("sliceProductFlag", "eq", "yes", "sliceProductFlag is of type Boolean"),
        ("timeliness", "lt", "NRT", "timeliness can be compared by = and != alone"),
    ],
)
def test_a_condition_that_cannot_be_asked_is_refused(attribute, operator, value, message):
    with pytest.raises(SettingsError, match=re.escape(message)):
        where(attribute, operator, value)


def test_a_tile_that_is_none_is_refused():
    with pytest.raises(SettingsError, match="'31T' is not an MGRS tile such as 31TCL"):
        clause(tiles=("31T",))


def test_intervals_are_half_open_and_exact():
    start = datetime(2026, 5, 1, 10, 15, 59, 24_000, tzinfo=UTC)
    end = datetime(2026, 5, 1, 12, 15, 59, 24_001, tzinfo=timezone(timedelta(hours=2)))
    assert filter_text(Query(), TimeInterval(start=start, end=end)) == (
        "ContentDate/Start ge 2026-05-01T10:15:59.024Z and ContentDate/Start lt 2026-05-01T10:15:59.024001Z"
    )
    assert clause(published=TimeInterval(end=start)) == "PublicationDate lt 2026-05-01T10:15:59.024Z"


def test_the_slice_is_asked_for_and_not_the_whole_query():
    assert "2014" not in filter_text(Query(sensing=TimeInterval(start=datetime(2014, 1, 1, tzinfo=UTC))), MAY)


@pytest.mark.parametrize(
    ("area", "expected"),
    [
        ("", []),
        ("Polygon ((0 0, 1 0, 1 1, 0 0))", ["POLYGON ((0 0, 1 0, 1 1, 0 0))"]),
        (
            "MULTIPOLYGON (((0 0, 1 0, 1 1, 0 0), (.1 .1, .2 .1, .2 .2, .1 .1)), ((5 5, 6 5, 6 6, 5 5)))",
            ["POLYGON((0 0, 1 0, 1 1, 0 0), (.1 .1, .2 .1, .2 .2, .1 .1))", "POLYGON((5 5, 6 5, 6 6, 5 5))"],
        ),
        ("MULTIPOINT (1 2, 3 4)", ["POINT(1 2)", "POINT(3 4)"]),
        ("MULTIPOINT ((1 2), (3 4))", ["POINT(1 2)", "POINT(3 4)"]),
        (
            "GEOMETRYCOLLECTION (POINT (1 2), MULTILINESTRING ((0 0, 1 1), (2 2, 3 3)))",
            ["POINT (1 2)", "LINESTRING(0 0, 1 1)", "LINESTRING(2 2, 3 3)"],
        ),
    ],
)
def test_areas_are_taken_apart(area, expected):
    assert list(shapes(area)) == expected


def test_an_area_of_several_shapes_is_any_of_them():
    assert clause(area="MULTIPOINT (1 2, 3 4)") == (
        "(OData.CSC.Intersects(area=geography'SRID=4326;POINT(1 2)') or OData.CSC.Intersects(area=geography'SRID=4326;POINT(3 4)'))"
    )


def part(interval: TimeInterval = OPEN, **query: object) -> Slice:
    return Slice(query=Query(**query), interval=interval)


def test_a_page_has_everything_it_needs():
    url = page_url(ROOT + "/", part(MAY), top=1000, skip=999, count=True, expand=("Attributes", "Assets"))
    assert url.startswith(f"{ROOT}/Products?$filter=ContentDate/Start%20ge%202026-05-01T00:00:00.000Z%20and%20")
    assert url.endswith(
        "&$orderby=ContentDate/Start%20asc&$top=1000&$skip=999&$count=True&$expand=Attributes&$expand=Assets"
    )


def test_a_query_without_restrictions_has_no_filter():
    assert page_url(ROOT, part(), top=1, skip=0, count=False, expand=()) == (
        f"{ROOT}/Products?$orderby=ContentDate/Start%20asc&$top=1&$skip=0"
    )


@pytest.mark.parametrize(
    ("order_by", "expected"),
    [
        ("start", "ContentDate/Start asc"),
        ("-start", "ContentDate/Start desc"),
        ("end", "ContentDate/End asc"),
        ("-published", "PublicationDate desc"),
        ("modified", "ModificationDate asc"),
    ],
)
def test_orders(order_by, expected):
    url = page_url(ROOT, part(order_by=order_by), top=1, skip=0, count=False)
    assert dict(parse_qsl(urlsplit(url).query))["$orderby"] == expected


def test_an_unknown_order_is_refused():
    with pytest.raises(SettingsError, match="order_by '-publishd' is unknown; did you mean published"):
        page_url(ROOT, part(order_by="-publishd"), top=1, skip=0, count=False)


def test_what_means_something_in_a_url_is_encoded():
    url = page_url(ROOT, part(polarisation="VV&VH", names=("a+b c'd%#é",)), top=1, skip=0, count=False)
    assert "VV%26VH" in url
    assert "a%2Bb%20c%27%27d%25%23%C3%A9" in url


@given(st.text(min_size=1, max_size=30).filter(lambda text: "*" not in text), st.text(max_size=20))
def test_the_server_reads_the_filter_that_was_written(name, mode):
    query = {"names": (name,), "mode": mode}
    url = page_url(ROOT, part(**query), top=7, skip=0, count=False)
    assert all(33 <= ord(char) < 127 for char in url)
    assert dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))["$filter"] == clause(**query)


def test_names_are_posted():
    assert names_url(ROOT, top=1000) == f"{ROOT}/Products/OData.CSC.FilterList?$top=1000&$expand=Attributes"
    assert msgspec.json.decode(names_body(["A", 'B"'])) == {"FilterProducts": [{"Name": "A"}, {"Name": 'B"'}]}


@pytest.mark.parametrize("patterns", [(), ("X.SAFE",), ("S2A*",), ("*SAFE",), ("*T31TCL*",), ("*",), ("A", "B*")])
def test_what_odata_can_say_is_not_checked_again(patterns):
    assert name_check(patterns) is None


def test_what_odata_cannot_say_is_checked():
    check = name_check(("S2A_*_T31TCL_*.SAFE", "exact", "a.c*"))
    assert check is not None
    assert [check(name) for name in ("S2A_1_T31TCL_2.SAFE", "exact", "a.cd")] == [True] * 3
    assert [check(name) for name in ("S2A_T31TCL_.SAFE", "_T31TCL_S2A_.SAFE", "inexact", "abcd", "")] == [False] * 5


FULL = Query(
    collection="SENTINEL-2", product_types=("S2MSI2A",), published=TimeInterval(start=datetime(2024, 1, 1, tzinfo=UTC)),
    area="POINT (11 44)", tiles=("32TQR",), cloud_min=1.0, cloud_max=20.0, orbit_direction="DESCENDING", relative_orbit=22, platform="S2A",
    polarisation="VV", mode="IW", timeliness="NT", ids=("0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f9",), online=True,
    sensing=TimeInterval(start=datetime(2024, 4, 1, tzinfo=UTC)),
)  # fmt: skip


@pytest.mark.parametrize("name", sorted(ASKED))
def test_what_is_said_to_be_asked_is_asked(name):
    without = replace(FULL, **{name: getattr(Query(), name)})
    assert without != FULL
    assert filter_text(without, without.sensing) != filter_text(FULL, FULL.sensing)


def test_every_field_is_asked_for_or_looked_at_here_or_chooses_nothing():
    """A new field of a query is none of these until somebody says which."""
    assert {each.name for each in fields(Query)} - ASKED - ELSEWHERE == {"names", "where", "season", "rules"}
