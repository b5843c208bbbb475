from __future__ import annotations

from datetime import datetime

import pytest

from skyhaul import comparisons
from skyhaul.model import Condition


@pytest.mark.parametrize(
    ("written", "condition"),
    [
        ("cloudCover<=20", Condition(attribute="cloudCover", operator="le", value=20.0)),
        ("relativeOrbitNumber = 22", Condition(attribute="relativeOrbitNumber", operator="eq", value=22)),
        ("processingBaseline=05.10", Condition(attribute="processingBaseline", operator="eq", value="05.10")),
        ("sliceProductFlag!=true", Condition(attribute="sliceProductFlag", operator="ne", value=True)),
        (
            "processingDate>=2024-01-01",
            Condition(attribute="processingDate", operator="ge", value="2024-01-01T00:00:00Z"),
        ),
        ("somethingOfMine>4", Condition(attribute="somethingOfMine", operator="gt", value=4)),
        ("somethingOfMine<4.0", Condition(attribute="somethingOfMine", operator="lt", value=4.0)),
        ("somethingOfMine='4'", Condition(attribute="somethingOfMine", operator="eq", value="4")),
        ("somethingOfMine=false", Condition(attribute="somethingOfMine", operator="eq", value=False)),
        ("somethingOfMine=a=b", Condition(attribute="somethingOfMine", operator="eq", value="a=b")),
    ],
)
def test_a_condition_has_the_type_of_its_attribute(written, condition):
    (found,) = comparisons.conditions(written)
    assert found == condition
    assert type(found.value) is type(condition.value)


def bounds(attribute, **ends):
    return tuple(Condition(attribute=attribute, operator=operator, value=value) for operator, value in ends.items())


@pytest.mark.parametrize(
    ("written", "conditions"),
    [
        ("cloudCover 10..20", bounds("cloudCover", ge=10.0, le=20.0)),
        ("cloudCover=10..20", bounds("cloudCover", ge=10.0, le=20.0)),
        ("cloudCover 10..", bounds("cloudCover", ge=10.0)),
        ("cloudCover ..20", bounds("cloudCover", le=20.0)),
        ("cloudCover..20", bounds("cloudCover", le=20.0)),
        ("somethingOfMine 1..2", bounds("somethingOfMine", ge=1, le=2)),
        (
            "processingDate 2024-01-01..2024-01-31",
            bounds("processingDate", ge="2024-01-01T00:00:00Z", lt="2024-02-01T00:00:00Z"),
        ),
        (
            "processingDate 2024-01-01..2024-01-31T12:00Z",
            bounds("processingDate", ge="2024-01-01T00:00:00Z", le="2024-01-31T12:00:00Z"),
        ),
        ("processingBaseline 04.00..5.1", bounds("processingBaseline", ge="04.00", le="05.10")),
        ("ModificationDate>=2024-01-01", bounds("ModificationDate", ge="2024-01-01T00:00:00Z")),
        ("ContentDate/End<2024-01-01", bounds("ContentDate/End", lt="2024-01-01T00:00:00Z")),
        ("doi=a..b", bounds("doi", eq="a..b")),
    ],
)
def test_ranges_include_both_ends(written, conditions):
    assert comparisons.conditions(written) == conditions


def test_several_values_of_which_one_is_wanted():
    (found,) = comparisons.conditions("productType in (S2MSI2A, 'S2MSI1C', S2MSI2A)")
    assert found == Condition(attribute="productType", operator="in", value=("S2MSI2A", "S2MSI1C"))
    (found,) = comparisons.conditions("relativeOrbitNumber IN (8,22)")
    assert found.values == (8, 22)


def test_an_unknown_attribute_may_say_its_type():
    (found,) = comparisons.conditions("newCover:Double>=5")
    assert found == Condition(attribute="newCover", operator="ge", value=5.0, kind="Double")
    assert comparisons.conditions("cloudCover:Double<=5") == comparisons.conditions("cloudCover<=5")


@pytest.mark.parametrize(
    ("written", "operator", "value"),
    [
        ("05.10", "eq", "05.10"),
        ("N0510", "eq", "05.10"),
        ("5.1", "eq", "05.10"),
        (5.1, "eq", "05.10"),
        ("5.01", "eq", "05.01"),
        (">=05.00", "ge", "05.00"),
        ("< 3.5", "lt", "03.50"),
        ("003", "eq", "003"),
        ("003.71", "eq", "003.71"),
    ],
)
def test_a_baseline_keeps_its_zeros(written, operator, value):
    assert comparisons.baseline(written) == bounds("processingBaseline", **{operator: value})


@pytest.mark.parametrize("written", ["", "new", ">=", "5.1.2", "1..x"])
def test_no_baselines(written):
    with pytest.raises(ValueError, match=r"baseline|empty"):
        comparisons.baseline(written)


@pytest.mark.parametrize("written", ["0697DA", "0697da", "0x697DA", "432090", 432090])
def test_a_datatake_as_names_have_it_and_as_the_archive_counts(written):
    assert comparisons.datatake(written) == Condition(attribute="datatakeID", operator="eq", value=0x0697DA)


def test_a_datatake_of_sentinel_2():
    group = "GS2A_20240407T101031_045923_N05.10"
    assert comparisons.datatake(group) == Condition(attribute="productGroupId", operator="eq", value=group)
    with pytest.raises(ValueError, match="datatake such as"):
        comparisons.datatake("S2A")


@pytest.mark.parametrize(
    ("written", "inside", "outside"),
    [
        ("04-01..06-30", ["2020-04-01", "2023-06-30T23:59:59.999"], ["2020-03-31T23:59:59", "2024-07-01"]),
        ("11-15..02-28", ["2020-11-15", "2021-01-01", "2021-02-28T12:00"], ["2020-11-14", "2020-02-29", "2021-03-01"]),
        ("02-29..02-29", ["2024-02-29"], ["2023-02-28", "2023-03-01"]),
        ("1-1/12-31", ["2024-01-01", "2024-12-31"], []),
    ],
)
def test_a_season_is_the_same_days_of_every_year(written, inside, outside):
    season = comparisons.season(written)
    assert all(datetime.fromisoformat(day) in season for day in inside)
    assert not any(datetime.fromisoformat(day) in season for day in outside)


@pytest.mark.parametrize("written", ["spring", "02-30..03-01", "04-01", "13-01..14-01", ""])
def test_no_seasons(written):
    with pytest.raises(ValueError, match=r"season|empty"):
        comparisons.season(written)


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("cloudCover", "write attribute"),
        ("cloudCover<=", "write attribute"),
        ("cloudCover<=low", "'low' is not a number"),
        ("cloudcover<=20", "did you mean cloudCover?"),
        ("relativeOrbitNumber=2.5", "whole number"),
        ("tileId>31TCL", "by = and != alone"),
        ("cloudCover 20..10", "20.0 is above 10.0"),
        ("cloudCover ..", "neither a first nor a last"),
        ("tileId 31TCL..32TQR", "a range of text"),
        ("cloudCover:Integer<=5", "of type Double, not Integer"),
        ("cloudCover in ()", "write attribute"),
        ("", "empty"),
        (5, "not text"),
    ],
)
def test_no_conditions(written, sentence):
    with pytest.raises(ValueError, match=r"\S") as error:
        comparisons.conditions(written)
    assert sentence in str(error.value)
