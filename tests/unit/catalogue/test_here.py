"""What products are compared with where an archive cannot be asked."""

from __future__ import annotations

import pytest

from skyhaul.catalogue.here import named
from skyhaul.model import Product

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
