from __future__ import annotations

import sys
from datetime import UTC, datetime

import pandas as pd
import pytest
import shapely

import skyhaul
from skyhaul.area import parse_area
from skyhaul.errors import SettingsError
from skyhaul.frames import from_dataframe, to_dataframe, to_geodataframe
from skyhaul.model import Checksum, Product

RING = [[11.0, 44.0], [12.0, 44.0], [12.0, 45.0], [11.0, 45.0], [11.0, 44.0]]
FULL = Product(
    id="a",
    name="S2A.SAFE",
    provider="cdse",
    collection="SENTINEL-2",
    start=datetime(2024, 7, 13, 10, 10, 31, 24000, tzinfo=UTC),
    size=2**40 + 1,
    checksums=(Checksum(algorithm="MD5", value="0" * 32),),
    footprint={"type": "Polygon", "coordinates": [RING]},
    attributes={"cloudCover": 3.5, "relativeOrbitNumber": 22, "start": "an attribute called like a field"},
    coverage=41.25,
)
BARE = Product(id="b", name="AUX.EOF", provider="cdse", online=False)


def test_a_row_for_each_product_and_a_column_for_each_field_and_attribute():
    frame = to_dataframe([FULL, BARE])
    assert list(frame["name"]) == ["S2A.SAFE", "AUX.EOF"]
    assert frame["start"].dtype == "datetime64[us, UTC]"
    assert frame["start"][0] == pd.Timestamp("2024-07-13T10:10:31.024Z")
    assert pd.isna(frame["start"][1])
    assert frame["size"][0] == 2**40 + 1
    assert frame["size"][1] is pd.NA
    assert frame["cloudCover"][0] == 3.5
    assert frame["attribute:start"][0] == "an attribute called like a field"
    assert frame["coverage"][0] == 41.25
    assert frame[frame["cloudCover"] < 5].index.tolist() == [0]


def test_footprints_are_geometries_in_degrees():
    frame = to_geodataframe([FULL, BARE])
    assert frame.crs == "EPSG:4326"
    assert frame.geometry[0].equals(shapely.box(11, 44, 12, 45))
    assert frame.geometry[1] is None


def test_the_coverage_of_an_area_and_of_a_point():
    west = parse_area(bbox="10,44,12,45").wkt
    assert to_dataframe([FULL, BARE], area=west)["coverage"].fillna(-1).tolist() == [50.0, -1]
    inside, outside = (parse_area(point=point).wkt for point in ("11.5,44.5", "13,44.5"))
    assert to_geodataframe([FULL], area=inside)["coverage"].tolist() == [100.0]
    assert to_geodataframe([FULL], area=outside)["coverage"].tolist() == [0.0]


def test_products_come_back_as_they_were():
    assert from_dataframe(to_dataframe([FULL, BARE])) == (FULL, BARE)
    assert from_dataframe(to_geodataframe([FULL, BARE]).iloc[1:]) == (BARE,)


def test_no_products_are_an_empty_table():
    frame = to_geodataframe([])
    assert len(frame) == 0
    assert "coverage" in frame
    assert from_dataframe(frame) == ()


def test_another_table_is_refused():
    with pytest.raises(SettingsError, match="the table has no column 'id'"):
        from_dataframe(pd.DataFrame({"name": ["x"]}))


@pytest.mark.parametrize(("library", "make"), [("pandas", to_dataframe), ("geopandas", to_geodataframe)])
def test_without_the_library_there_is_one_clear_sentence(monkeypatch, library, make):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(SettingsError, match=r"need the extra analysis: pip install 'skyhaul\[analysis\]'"):
        make([FULL])


def test_they_are_promised_by_the_package():
    assert skyhaul.to_dataframe is to_dataframe
    assert skyhaul.to_geodataframe is to_geodataframe
    assert skyhaul.from_dataframe is from_dataframe
