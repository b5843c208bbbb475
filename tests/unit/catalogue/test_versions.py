from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyhaul.catalogue.versions import acquisition, latest_versions
from skyhaul.model import Product

S1 = "S1A_IW_GRDH_1SDV_20241217T061735_20241217T061800_057028_07020F"
S2 = "S2A_MSIL1C_20160928T105022"
S3 = "S3A_OL_1_EFR____20211021T073827_20211021T074112"
S5P = "L2__NO2____20241203T104901_20241203T123031_37002"

# Of each group all are versions of one acquisition, the latest first.
VERSIONS = [
    [
        "S2A_MSIL2A_20240504T091559_N0511_R093_T34SGH_20240504T113000.SAFE",
        "S2A_MSIL2A_20240504T091559_N0510_R093_T34SGH_20240601T000000.SAFE",
    ],
    # Two creation times of one baseline, as happened on 2016-09-28.
    [f"{S2}_N0204_R051_T31UFS_20180101T000000.SAFE", f"{S2}_N0204_R051_T31UFS_20160928T105325.SAFE"],
    # What the operator made itself gives way to any official baseline.
    [
        f"{S2}_N0208_R051_T31UFS_20160928T105325.SAFE",
        f"{S2}_N9999_R051_T31UFS_20220101T000000",
        f"{S2}_R051_T31UFS_20160928T105000.SAFE",
    ],
    [f"{S1}_B000.SAFE", f"{S1}_A000.SAFE"],
    [f"{S1}_74F9_COG.SAFE", f"{S1}_74F8_COG.SAFE"],
    [
        f"{S3}_20211022T115734_0164_077_334_4320_LN1_O_NT_002.SEN3",
        f"{S3}_20211021T091357_0164_077_334_4320_LN1_O_NR_003.SEN3",
        f"{S3}_20211021T091357_0164_077_334_4320_LN1_O_NR_002.SEN3",
    ],
    [f"S5P_RPRO_{S5P}_03_020600_20250101T000000.nc", f"S5P_OFFL_{S5P}_02_020400_20241205T000000.nc"],
]
APART = [
    (f"{S1}_74F9_COG.SAFE", f"{S1}_53C5.SAFE"),
    (f"{S2}_N0204_R051_T31UFS_20160928T105325.SAFE", f"{S2}_N0204_R051_T31UES_20160928T105325.SAFE"),
    (
        f"{S2}_N0204_R051_T31UFS_20160928T105325.SAFE",
        f"{S2.replace('S2A', 'S2B')}_N0204_R051_T31UFS_20160928T105325.SAFE",
    ),
    (
        "S1A_OPER_AUX_POEORB_OPOD_20210101T000000_V20200101T000000_20200102T000000.EOF",
        "S1A_OPER_AUX_POEORB_OPOD_20210102T000000_V20200101T000000_20200102T000000.EOF",
    ),
    ("unheard-of", "unheard of"),
]


def product(name: str, published: datetime | None = None) -> Product:
    return Product(id=name, name=name, provider="cdse", published=published)


@pytest.mark.parametrize("names", VERSIONS, ids=lambda names: names[0][:20])
def test_versions_of_one_acquisition(names):
    assert len({acquisition(name) for name in names}) == 1
    for order in (names, names[::-1]):
        assert [each.name for each in latest_versions(map(product, order))] == names[:1]


@pytest.mark.parametrize("names", APART, ids=lambda names: names[0][:20])
def test_what_only_looks_alike_is_kept(names):
    assert [each.name for each in latest_versions(map(product, names))] == list(names)


def test_among_equal_baselines_the_latest_publication_counts_before_the_creation_time():
    early = product(f"{S2}_N0204_R051_T31UFS_20180101T000000.SAFE", datetime(2018, 1, 1, tzinfo=UTC))
    late = product(f"{S2}_N0204_R051_T31UFS_20160928T105325.SAFE", datetime(2019, 1, 1, tzinfo=UTC))
    assert latest_versions([early, late]) == [late]


@given(st.permutations([name for names in VERSIONS for name in names]))
def test_the_order_of_arrival_does_not_matter(names):
    assert {each.name for each in latest_versions(map(product, names))} == {
        names[0] for names in VERSIONS if not names[0].startswith(S2)
    } | {"S2A_MSIL1C_20160928T105022_N0208_R051_T31UFS_20160928T105325.SAFE"}
