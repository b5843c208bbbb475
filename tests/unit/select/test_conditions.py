from __future__ import annotations

from datetime import UTC, datetime
from math import inf, nan

import pytest

from skyhaul.model import Product
from skyhaul.select import by_property
from skyhaul.select.conditions import Condition, compare, parse

JULY = datetime(2024, 7, 1, tzinfo=UTC)


def product(**attributes):
    return Product(id="x", name="x", provider="cdse", start=JULY, size=10, attributes=attributes)


@pytest.mark.parametrize(
    ("found", "comparison", "wanted", "holds"),
    [
        # Numbers, whatever the type they were kept in.
        (20, "eq", "20", True),
        ("20", "eq", 20, True),
        (20.0, "eq", 20, True),
        (9, "lt", "10", True),
        ("9", "lt", "10", True),
        ("05.09", "lt", "05.10", True),
        (2**60 + 1, "eq", 2**60, False),
        ("1e1", "le", 10, True),
        # Text is equal to itself alone.
        ("020", "eq", "20", False),
        ("ASCENDING", "eq", "ascending", False),
        ("IW", "lt", "WV", True),
        ("S2A_N0511", "contains", "N0511", True),
        ("S2A_N0511", "startswith", "N0511", False),
        ("S2A_N0511", "endswith", "N0511", True),
        (57028, "startswith", "57", True),
        # Moments, in whatever zone and precision.
        (JULY, "eq", "2024-07-01", True),
        (JULY, "lt", "2024-07-01T02:00:00+01:00", True),
        ("2024-07-01T00:00:00.000Z", "eq", "2024-07-01T00:00:00Z", True),
        (JULY, "ge", datetime(2024, 6, 30), True),  # noqa: DTZ001 naive is UTC
        # Truths.
        (True, "eq", "true", True),
        (False, "ne", True, True),
        (True, "eq", 1, False),
        (1, "eq", True, False),
        # What cannot be compared fulfils nothing, but it is different.
        (20, "le", "much", False),
        (20, "gt", "much", False),
        (20, "ne", "much", True),
        (20, "eq", "much", False),
        (JULY, "lt", "soon", False),
        (JULY, "lt", 5, False),
        (True, "le", True, False),
        (5, "lt", "inf", False),
    ],
)
def test_a_comparison(found, comparison, wanted, holds):
    assert compare(found, comparison, wanted) is holds


@pytest.mark.parametrize("comparison", ["eq", "ne", "lt", "le", "gt", "ge", "contains", "startswith", "endswith"])
@pytest.mark.parametrize("attributes", [{}, {"cloudCover": None}, {"cloudCover": nan}, {"cloudCover": inf}])
def test_a_product_without_the_property_stands_no_comparison(comparison, attributes):
    assert by_property([product(**attributes)], "cloudCover", comparison, "5") == []
    assert by_property([product(**attributes)], "cloudCover", "in", ["5"]) == []


@pytest.mark.parametrize(
    ("name", "comparison", "wanted"),
    [
        ("name", "eq", "x"),
        ("start", "eq", "2024-07-01"),
        ("size", "in", [5, 10]),
        ("online", "eq", True),
        ("cloudCover", "in", {5, 20}),
        ("cloudCover", "in", (each for each in ())),
        ("eo:cloud_cover", "lt", 4),
    ],
)
def test_fields_and_attributes_alike(name, comparison, wanted):
    one = product(cloudCover=20, **{"eo:cloud_cover": 3})
    expected = [] if name == "cloudCover" and not isinstance(wanted, set) else [one]
    assert by_property([one], name, comparison, list(wanted) if comparison == "in" else wanted) == expected


def test_the_same_condition_holds_the_second_time_too():
    cloudy, clear = product(cloudCover=90), product(cloudCover=9)
    condition = Condition(property="cloudCover", comparison="lt", wanted=(10,))
    assert [[condition.holds(each) for each in (cloudy, clear)] for _ in range(2)] == [[False, True]] * 2


@pytest.mark.parametrize(
    ("text", "name", "comparison", "wanted"),
    [
        ("cloudCover<=20", "cloudCover", "le", ("20",)),
        (" cloudCover >= 20 ", "cloudCover", "ge", ("20",)),
        ("cloudCover<20", "cloudCover", "lt", ("20",)),
        ("size>1", "size", "gt", ("1",)),
        ("orbitDirection=ASCENDING", "orbitDirection", "eq", ("ASCENDING",)),
        ("orbitDirection==ASCENDING", "orbitDirection", "eq", ("ASCENDING",)),
        ("orbitDirection != 'A B'", "orbitDirection", "ne", ("A B",)),
        ("name*=_N05", "name", "contains", ("_N05",)),
        ("name^=S2A", "name", "startswith", ("S2A",)),
        ("name$=.SAFE", "name", "endswith", (".SAFE",)),
        ("tile in 31TCL, 31TDL", "tile", "in", ("31TCL", "31TDL")),
        ('instrument in "MSI"', "instrument", "in", ("MSI",)),
        ("eo:cloud_cover<5", "eo:cloud_cover", "lt", ("5",)),
    ],
)
def test_a_condition_as_it_is_written(text, name, comparison, wanted):
    found = parse(text)
    assert (found.property, found.comparison, found.wanted) == (name, comparison, wanted)
    assert parse(str(found)) == found


@pytest.mark.parametrize(
    "text", ["", "cloudCover", "<=20", "cloudCover<=", "cloudCover=<20", "20<cloudCover", "a===b", "tilein x"]
)
def test_what_is_no_condition(text):
    with pytest.raises(ValueError, match="is not a condition: write property"):
        parse(text)


@pytest.mark.parametrize(
    ("comparison", "wanted", "said"),
    [
        ("lte", 5, "there is no comparison 'lte'; did you mean lt or le"),
        ("__import__", 5, "there is no comparison '__import__'; known are eq"),
        ("le", [5, 6], "'le' compares cloudCover with one value, not with 2"),
        ("le", nan, "cloudCover cannot be compared with what is no number"),
    ],
)
def test_what_cannot_be_asked(comparison, wanted, said):
    with pytest.raises(ValueError, match=said):
        by_property([], "cloudCover", comparison, wanted)
