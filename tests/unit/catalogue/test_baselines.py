from __future__ import annotations

from decimal import Decimal

import pytest

from skyhaul.catalogue.baselines import baseline, meets
from skyhaul.model import Condition, Product

S2 = "S2A_MSIL2A_20240407T101031_N0510_R022_T32TQR_20240407T163258.SAFE"
S3 = "S3A_OL_1_EFR____20211021T073827_20211021T074112_20211021T091357_0164_077_334_4320_LN1_O_NR_002.SEN3"
S1 = "S1A_IW_GRDH_1SDV_20240607T000653_20240607T000718_054210_0697DA_6EE4.SAFE"


def product(name=S1, **attributes):
    return Product(id="1", name=name, provider="cdse", attributes=attributes)


@pytest.mark.parametrize(
    ("name", "attributes", "number"),
    [
        (S2, {}, "5.10"),
        (S2, {"processorVersion": "99.99"}, "5.10"),
        (S2.replace("N0510", "N9999"), {}, "99.99"),
        (S3, {}, "2"),
        (S1, {"processingBaseline": "003.71"}, "3.71"),
        # resto: the zero at the end is lost, and 0 is not known.
        ("X", {"processingBaseline": 5.1}, "5.10"),
        ("X", {"processingBaseline": "05.01"}, "5.01"),
        ("X", {"processingBaseline": 0}, None),
        ("X", {"s2:processing_baseline": "05.11"}, "5.11"),
        ("X", {"processingBaseline": "OL__L1_.003"}, None),
        ("X", {"processingBaseline": "NaN"}, None),
        ("X", {}, None),
    ],
)
def test_a_baseline_is_a_number_wherever_it_is_kept(name, attributes, number):
    assert baseline(product(name, **attributes)) == (None if number is None else Decimal(number))


@pytest.mark.parametrize(
    ("operator", "value", "so"),
    [
        ("eq", "05.10", True),
        ("eq", "5.1", True),
        ("ge", "05.09", True),
        ("gt", "05.10", False),
        ("lt", "05.11", True),
        ("ne", "05.10", False),
        ("in", ("04.00", "05.10"), True),
        ("in", ("04.00", "05.09"), False),
    ],
)
def test_baselines_are_compared_as_numbers(operator, value, so):
    assert meets(Condition(attribute="processingBaseline", operator=operator, value=value), product(S2)) is so


def test_what_the_operator_made_itself_comes_after_nothing():
    own = product(S2.replace("N0510", "N9999"))
    assert not meets(Condition(attribute="processingBaseline", operator="ge", value="05.00"), own)
    assert meets(Condition(attribute="processingBaseline", operator="eq", value="99.99"), own)


def test_a_baseline_that_is_no_number_can_still_be_named():
    odd = product("X", processingBaseline="OL__L1_.003")
    assert meets(Condition(attribute="processingBaseline", operator="eq", value="OL__L1_.003"), odd)
    assert not meets(Condition(attribute="processingBaseline", operator="ne", value="05.00"), odd)
    assert not meets(Condition(attribute="processingBaseline", operator="eq", value="05.00"), product("X"))
