from __future__ import annotations

import datetime as dt
import json
import os
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyhaul.simulate.clock import to_us
from skyhaul.simulate.filters import (
    AllOf,
    AnyOf,
    AttributeIs,
    Compare,
    FilterError,
    In,
    Intersects,
    Not,
    Text,
    parse,
    start_bounds,
)

SHARED = Path(os.environ.get("SKYHAUL_SHARED_DATA", Path(__file__).parents[4] / "shared" / "data"))
REQUESTS = SHARED / "cdse-odata" / "requests.jsonl"
MAY = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)
SQUARE = "POLYGON((1 1,2 1,2 2,1 2,1 1))"


def attribute(kind="String", name="productType", operator="eq", value="'S2MSI2A'"):
    cast = f"OData.CSC.{kind}Attribute"
    return f"Attributes/{cast}/any(att:att/Name eq '{name}' and att/{cast}/Value {operator} {value})"


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("Name eq 'a'", Compare("Name", "eq", "a")),
        ("Name eq 'it''s'", Compare("Name", "eq", "it's")),
        ("Name ne ''", Compare("Name", "ne", "")),
        ("Online eq true", Compare("Online", "eq", True)),
        ("Online eq false", Compare("Online", "eq", False)),
        ("BurstId eq 15804", Compare("BurstId", "eq", 15804)),
        ("AzimuthAnxTime gt -1.5e3", Compare("AzimuthAnxTime", "gt", -1500.0)),
        ("Name in ('a','b')", In("Name", ("a", "b"))),
        ("  Name   eq   'a'  ", Compare("Name", "eq", "a")),
        ("contains(Name,'S1A')", Text("contains", "Name", "S1A")),
        ("startswith( Name , 'S2' )", Text("startswith", "Name", "S2")),
        ("endswith(Name,'E1.SAFE')", Text("endswith", "Name", "E1.SAFE")),
        ("not Name eq 'a'", Not(Compare("Name", "eq", "a"))),
        ("not (Name eq 'a')", Not(Compare("Name", "eq", "a"))),
        ("((Name eq 'a'))", Compare("Name", "eq", "a")),
        (
            "Name eq 'a' or Name eq 'b' and Name eq 'c'",
            AnyOf((Compare("Name", "eq", "a"), AllOf((Compare("Name", "eq", "b"), Compare("Name", "eq", "c"))))),
        ),
        (
            "(Name eq 'a' or Name eq 'b') and Name eq 'c'",
            AllOf((AnyOf((Compare("Name", "eq", "a"), Compare("Name", "eq", "b"))), Compare("Name", "eq", "c"))),
        ),
        (attribute(), AttributeIs("productType", frozenset({"String"}), "eq", "S2MSI2A")),
        (
            attribute("Double", "cloudCover", "le", "20.00"),
            AttributeIs("cloudCover", frozenset({"Double"}), "le", 20.0),
        ),
        (
            attribute("Boolean", "sliceProductFlag", "eq", "false"),
            AttributeIs("sliceProductFlag", frozenset({"Boolean"}), "eq", False),
        ),
        (
            "Attributes/OData.CSC.StringAttribute/any(i0:i0/Name eq 'productType' and i0/Value eq 'RAW')",
            AttributeIs("productType", frozenset({"String"}), "eq", "RAW"),
        ),
        (
            "Attributes/OData.CSC.IntegerAttribute/any(x:x/Name eq 'n' and x/OData.CSC.StringAttribute/Value eq 93)",
            AttributeIs("n", frozenset({"Integer", "String"}), "eq", 93),
        ),
    ],
)
def test_a_filter_is_read_as_it_is_meant(text, condition):
    assert parse(text) == condition


@pytest.mark.parametrize(
    "text",
    [
        "2026-05-01T00:00:00.000Z",
        "2026-05-01T00:00:00Z",
        "2026-05-01T00:00:00",
        "2026-05-01T00:00:00.000000Z",
        "2026-05-01T00:00:00.0",
        "2026-05-01T01:00:00+01:00",
        "2026-04-30T22:30:00.000-01:30",
        "2026-05-01",
        "'2026-05-01T00:00:00.000Z'",
    ],
)
def test_a_time_may_be_written_in_many_ways(text):
    bounds = start_bounds(parse(f"ContentDate/Start ge {text} and ContentDate/Start le {text}"))
    assert bounds == (to_us(MAY), to_us(MAY))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Error during parsing at index 0"),
        ("Name", "Error during parsing at index 4"),
        ("Name eq", "Error during parsing at index 7"),
        ("Name eq 'a", "Error during parsing at index 8"),
        ("Name eq 'a')", "Error during parsing at index 11"),
        ("(Name eq 'a'", "Error during parsing at index 12"),
        ("Name EQ 'a'", "Error during parsing at index 5"),
        ("Name eq 'a' AND Name eq 'b'", "Error during parsing at index 12"),
        ("ContentDate/Start ge datetime'2026-05-01T00:00:00'", "Error during parsing at index 21"),
        ("(" * 3000, "Error during parsing at index 51"),
        ("not " * 3000, "Error during parsing at index 204"),
        ("contains(Name)", "Error during parsing at index 13"),
        (attribute().replace("att/Name", "other/Name"), "Error during parsing at index"),
        (attribute("Decimal"), "Error during parsing at index 0"),
        (attribute(operator="le"), "Invalid value"),
        ("ContentDate/Start ge 2026-13-01", "Invalid value"),
        ("OData.CSC.Intersects(area='POINT(1 1)')", "Error during parsing at index 21"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(text, message):
    with pytest.raises(FilterError) as caught:
        parse(text)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("argument", ["area=", "Footprint=", "area = "])
@pytest.mark.parametrize(
    "shape", [SQUARE, "POLYGON ((1 1, 2 1, 2 2, 1 2, 1 1))", "POINT(1 1)", f"MULTI{SQUARE.replace('((', '(((')})"]
)
def test_an_area_is_given_as_well_known_text(argument, shape):
    condition = parse(f"OData.CSC.Intersects({argument}geography'SRID=4326;{shape}')")
    assert isinstance(condition, Intersects)
    assert condition.shape.bounds[:2] == (1, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SQUARE.replace("POLYGON", "Polygon"), "Error during parsing at index 11"),
        ("LINESTRING(1 1,2 2)", "Error during parsing at index 10"),
        (SQUARE.replace(",1 1))", "))"), "Error during parsing at index 17"),
        ("POLYGON((1 1,2 2,2 1,1 2,1 1))", "Invalid geometry: Self-intersection"),
    ],
)
def test_a_bad_area_is_refused(text, message):
    with pytest.raises(FilterError) as caught:
        parse(f"OData.CSC.Intersects(area=geography'SRID=4326;{text}')")
    assert str(caught.value).startswith(message)


def test_another_reference_system_is_refused():
    with pytest.raises(FilterError, match="at index 5"):
        parse("OData.CSC.Intersects(area=geography'SRID=3857;POINT(1 1)')")


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("ContentDate/Start ge 1970-01-02", (86_400_000_000, 2**62)),
        ("Name eq 'a' and (ContentDate/Start lt 1970-01-02 and ContentDate/Start gt 1970-01-01)", (0, 86_400_000_000)),
        ("ContentDate/Start eq 1970-01-01", (0, 0)),
        ("ContentDate/Start ne 1970-01-01", (-(2**62), 2**62)),
        ("ContentDate/Start lt 1970-01-02 or Name eq 'a'", (-(2**62), 2**62)),
        ("not ContentDate/Start lt 1970-01-02", (-(2**62), 2**62)),
        ("ContentDate/End lt 1970-01-02", (-(2**62), 2**62)),
    ],
)
def test_the_bounds_of_the_start_are_those_that_must_hold(text, bounds):
    assert start_bounds(parse(text)) == bounds


@given(st.text())
def test_any_text_is_read_or_refused(text):
    with suppress(FilterError):
        parse(text)


@given(st.text())
def test_any_string_survives_quoting(text):
    quoted = text.replace("'", "''")
    assert parse(f"Name eq '{quoted}'") == Compare("Name", "eq", text)


@pytest.mark.skipif(not REQUESTS.exists(), reason="no recordings here: set SKYHAUL_SHARED_DATA")
def test_every_recorded_filter_is_read():
    urls = [json.loads(line)["url"] for line in REQUESTS.read_text().splitlines()]
    filters = [text for url in urls for text in parse_qs(urlsplit(url).query).get("$filter", ())]
    assert filters
    for text in filters:
        parse(text.replace("{today}", "2024-04-15T00:00:00.000Z").replace("{yesterday}", "2024-04-14"))
