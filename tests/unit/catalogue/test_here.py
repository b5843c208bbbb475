"""What products are compared with where an archive cannot be asked."""

from __future__ import annotations

import pytest

from skyhaul.catalogue.here import named, sorted_out
from skyhaul.comparisons import conditions
from skyhaul.model import Product, Query

S2 = "S2A_MSIL2A_20240401T103021_N0510_R108_T32TQR_20240401T163758"
S3 = "S3A_OL_1_EFR____20240401T095411_20240401T095711_20240402T104205_0179_110_350_2160_PS1_O_NT_004"


def product(name, **attributes):
    return Product(id=name, name=name, provider="other", attributes=attributes)


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        (S2, f"{S2}.SAFE", True),
        (f"{S2}.SAFE", S2, True),
        (f"{S2}.SAFE.zip", f"{S2}.SAFE", True),
        ("S2A_*", f"{S2}.SAFE", True),
        ("S2A_*", S2, True),
        ("*_T32TQR_*.SAFE", S2, True),
        ("*.SEN3", f"{S3}.SEN3", True),
        ("*.SEN3", S3, True),
        ("*.SEN3.zip", f"{S3}.SEN3", True),
        ("*.SEN3", f"{S2}.SAFE", False),
        ("*.SEN3", S2, False),
        ("*.SAFE", f"{S3}.SEN3", False),
        ("S3*.SEN3", S2, False),
    ],
)
def test_a_suffix_may_be_missing_but_not_another_one(pattern, name, matches):
    assert named((pattern,))(product(name)) is matches


def test_no_pattern_hides_another():
    check = named(("*.SEN3", S2))
    assert [check(product(name)) for name in (S3, S2, "S1A_IW")] == [True, True, False]


def test_the_name_may_be_an_attribute():
    assert named(("*.SAFE",))(product("S2A_32TQR_20240401_0_L2A", **{"s2:product_uri": f"{S2}.SAFE"}))


def here_of(*where, **query):
    asked = Query(where=tuple(each for text in where for each in conditions(text)), **query)
    here = sorted_out(asked, asked=(), archive="other")
    assert here is not None
    return here


@pytest.mark.parametrize(
    ("condition", "attributes", "matches"),
    [
        ("processingDate=2024-04-01T11:47:48Z", {"processingDate": "2024-04-01T11:47:48.000000Z"}, True),
        ("processingDate>=2024-04-01T11:47:48Z", {"processingDate": "2024-04-01T11:47:48.000Z"}, True),
        ("processingDate<=2024-04-01T11:47:48Z", {"processingDate": "2024-04-01T13:47:48+02:00"}, True),
        ("processingDate>2024-04-01T11:47:48Z", {"processingDate": "2024-04-01T11:47:48.000000Z"}, False),
        ("processingDate<2024-04-01T11:47:48.5Z", {"processingDate": "2024-04-01T11:47:48Z"}, True),
        ("orbitNumber>=9", {"orbitNumber": "12"}, True),
        ("orbitNumber<9", {"orbitNumber": "12"}, False),
        ("sliceProductFlag=true", {"sliceProductFlag": "True"}, True),
        ("orbitNumber!=9", {"orbitNumber": "here"}, False),
        ("instrumentShortName=MSI", {"instrumentShortName": "S2 MSI"}, True),
        ("instrumentShortName=S2 MSI", {"instrumentShortName": "S2 MSI"}, True),
        ("instrumentShortName!=MSI", {"instrumentShortName": "S2 MSI"}, False),
        ("instrumentShortName!=OLCI", {"instrumentShortName": "S2 MSI"}, True),
        ("platformSerialIdentifier in (A, B)", {}, True),
        ("platformSerialIdentifier=B", {}, False),
        ("qualityStatus!=BAD", {}, False),
    ],
)
def test_values_are_compared_as_what_they_are(condition, attributes, matches):
    assert here_of(condition).keeps(product(S2, **attributes)) is matches


def test_what_no_product_tells_is_known_to_be_missed():
    tells = here_of("qualityStatus=GOOD", "platformSerialIdentifier=A").tells
    assert {name: tell(product(S2)) for name, tell in tells.items()} == {
        "qualityStatus": False,
        "platformSerialIdentifier": True,
    }
    assert tells["qualityStatus"](product(S2, qualityStatus="BAD")) is True
    assert tells["qualityStatus"](product(S2.replace("S2A", "S2B"))) is None, "another condition leaves it out"


def test_a_rule_misses_what_its_own_products_do_not_tell():
    rules = (
        Query(platform="SENTINEL-2", cloud_max=20.0),
        Query(platform="SENTINEL-3", where=conditions("qualityStatus=GOOD")),
    )
    tells = here_of(rules=rules).tells
    assert tells["cloud_max"](product(S2, cloudCover=30.0)) is True
    assert (tells["cloud_max"](product(S2)), tells["qualityStatus"](product(S2))) == (False, None)
    assert (tells["cloud_max"](product(S3)), tells["qualityStatus"](product(S3))) == (None, False)
