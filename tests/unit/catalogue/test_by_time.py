from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from skyhaul.catalogue.by_time import asked, named, sensed, stem
from skyhaul.model import Product
from skyhaul.protocols import Page

pytestmark = pytest.mark.anyio

S2 = "S2A_MSIL2A_20240414T100016_N0510_R122_T32TQR_20240414T133106"
TWIN = "S2A_MSIL2A_20240414T100016_N0510_R122_T32TPQ_20240414T133106"


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        (f"{S2}.SAFE", "2024-04-14T10:00:16"),
        ("S1A_IW_GRDH_1SDV_20240401T052345_20240401T052410_053236_067FA6_6B9D.SAFE", "2024-04-01T05:23:45"),
        ("S1A_OPER_AUX_POEORB_OPOD_20240423T034828_V20240401T225942_20240403T005942.EOF", "2024-04-01T22:59:42"),
        ("S1A_AUX_CAL_V20240401T010000_G20240403T011514.SAFE", "2024-04-01T01:00:00"),
        ("S3A_OL_1_EFR____20240401T075405_20240401T075705_20240401T100518_0179_110_363_2340_PS1_O_NR_004.SEN3",
         "2024-04-01T07:54:05"),
        ("S5P_OFFL_L2__NO2____20240401T103324_20240401T121453_33511_03_020600_20240403T051410.nc", "2024-04-01T10:33:24"),
    ],
)  # fmt: skip
def test_names_say_when(name, begins):
    assert sensed(name) == datetime.fromisoformat(begins).replace(tzinfo=UTC)


@pytest.mark.parametrize("name", ["S2GLC_Europe_2017", "S2A_MSIL2A_20241399T100016_x", ""])
def test_some_names_do_not(name):
    assert sensed(name) is None
    assert asked([name]) == {}


@dataclass
class Linked:
    """A catalogue of pages that are linked."""

    pages: list[list[str]]
    intervals: list[str] = field(default_factory=list)

    async def page(self, part, skip, *, count):
        self.intervals.append(f"{part.query.collection} {part.interval}")
        return await self.following(part, "0")

    async def following(self, part, link):
        number = int(link)
        products = tuple(Product(id=name, name=name, provider="p") for name in self.pages[number])
        more = number + 1 < len(self.pages)
        return Page(products=products, next_link=str(number + 1) if more else None)


async def test_those_of_one_second_are_one_request_and_pages_are_read_until_all_are_there():
    catalogue = Linked([["other"], [f"{TWIN}.SAFE"], [f"{S2}.SAFE"], ["never asked for"]])
    page = await named(catalogue, [f"{S2}.SAFE", f"{TWIN}.SAFE", "S2GLC_nowhere"], "p")
    assert [stem(product.name) for product in page.products] == [TWIN, S2]
    assert catalogue.intervals == ["SENTINEL-2 2024-04-14T10:00:16Z to 2024-04-14T10:00:17Z"]


async def test_what_is_not_there_is_left_out():
    assert (await named(Linked([[], []]), [S2], "p")).products == ()
