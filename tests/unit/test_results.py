from __future__ import annotations

import csv
import io
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from pyarrow import parquet

from skyhaul import saved
from skyhaul.columns import COLUMNS
from skyhaul.errors import SettingsError
from skyhaul.keys import ResultFormat
from skyhaul.model import Checksum, Product
from skyhaul.parquet import ROWS
from skyhaul.results import Writer

PRODUCT = Product(
    id="a5b6cf23-37d4-4caa-b41c-0ebb7b786d4f",
    name="S2A_MSIL2A_20240713T101031_N0510_R022_T32TQR_20240713T164852.SAFE",
    provider="cdse",
    collection="SENTINEL-2",
    product_type="S2MSI2A",
    start=datetime(2024, 7, 13, 10, 10, 31, 24000, tzinfo=UTC),
    end=datetime(2024, 7, 13, 10, 10, 31, 24000, tzinfo=UTC),
    published=datetime(2024, 7, 13, 18, tzinfo=UTC),
    size=812_400_000,
    checksums=(Checksum(algorithm="MD5", value="0" * 32), Checksum(algorithm="BLAKE3", value="1" * 64)),
    footprint={"type": "Polygon", "coordinates": [[[11.0, 44.0], [12.0, 44.0], [12.0, 45.0], [11.0, 44.0]]]},
    s3_path="eodata/Sentinel-2/MSI/L2A/2024/07/13/S2A_MSIL2A.SAFE",
    attributes={"cloudCover": 3.5, "relativeOrbitNumber": 22, "tileId": "32TQR", "flag": True},
    coverage=41.3,
)
BARE = Product(
    id="1b4e28ba-2fa1-41d2-883f-0016d3cca427",
    name="S1A_AUX_INS_V20140406T133000_G20140409T114500.SAFE",
    provider="cdse",
    online=False,
)


def written(name, *products):
    """What the format makes of products: as text, what is no text as a file."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8") if name == "geoparquet" else io.StringIO()
    with Writer(name, stream) as writer:
        for product in products:
            writer.add(product)
    return stream.detach().getvalue() if name == "geoparquet" else stream.getvalue()


def reread(name, written, folder):
    path = folder / f"found.{name}"
    path.write_bytes(written if isinstance(written, bytes) else written.encode())
    return list(saved.load(path).products)


def test_a_line_has_the_promised_keys_in_their_order():
    line = json.loads(written("jsonl", PRODUCT))
    assert list(line) == [
        "name", "id", "provider", "collection", "product_type", "start", "end", "published", "size", "checksums", "online",
        "footprint", "s3_path", "attributes", "coverage",
    ]  # fmt: skip
    assert line["start"] == "2024-07-13T10:10:31.024Z"
    assert line["checksums"] == {"MD5": "0" * 32, "BLAKE3": "1" * 64}
    assert line["size"] == 812_400_000


def test_what_is_not_known_is_null_and_coverage_is_there_with_an_area_alone():
    line = json.loads(written("jsonl", BARE))
    assert line["size"] is None
    assert line["footprint"] is None
    assert line["online"] is False
    assert "coverage" not in line


def test_names_are_the_archives_own():
    assert written("names", PRODUCT, BARE) == f"{PRODUCT.name}\n{BARE.name}\n"


def test_geojson_is_one_document():
    document = json.loads(written("geojson", PRODUCT, BARE))
    assert document["type"] == "FeatureCollection"
    assert [feature["id"] for feature in document["features"]] == [PRODUCT.id, BARE.id]
    assert document["features"][0]["geometry"] == PRODUCT.footprint
    assert document["features"][1]["geometry"] is None


def test_stac_is_an_item_collection_that_pystac_takes():
    pystac = pytest.importorskip("pystac")
    document = json.loads(written("stac", PRODUCT, BARE))
    first, second = document["features"]
    item = pystac.Item.from_dict(first)
    assert item.id == PRODUCT.name
    assert item.datetime == PRODUCT.start
    assert item.bbox == [11.0, 44.0, 12.0, 45.0]
    assert item.assets["product"].href == "s3://eodata/Sentinel-2/MSI/L2A/2024/07/13/S2A_MSIL2A.SAFE"
    assert "bbox" not in second
    assert "collection" not in first


def test_csv_has_a_header_and_json_in_its_last_columns():
    (row,) = csv.DictReader(io.StringIO(written("csv", PRODUCT)))
    assert row["name"] == PRODUCT.name
    assert row["online"] == "true"
    assert json.loads(row["attributes"]) == PRODUCT.attributes


def test_a_table_lines_up_and_keeps_names_from_speaking_to_the_terminal():
    hostile = Product(id="x", name="S2A\x1b]0;owned\x07.SAFE", provider="cdse")
    head, first, second, third = written("table", PRODUCT, BARE, hostile).splitlines()
    assert first.startswith("2024-07-13 10:10  812.4 MB    4 %   41 %")
    assert head.index("name") == first.index(PRODUCT.name) == second.index(BARE.name)
    assert "offline" in second
    assert "\x1b" not in third
    assert "\x07" not in third


@pytest.mark.parametrize("name", get_args(ResultFormat))
def test_nothing_found_is_still_a_result(name):
    text = written(name)
    if name == "geoparquet":
        assert text[:4] == text[-4:] == b"PAR1"
    elif name in {"geojson", "stac"}:
        assert json.loads(text)["features"] == []
    else:
        assert text.count("\n") == {"table": 1, "csv": 1}.get(name, 0)


def test_a_result_that_breaks_off_is_not_closed():
    stream = io.StringIO()

    def break_off():
        with Writer("geojson", stream) as writer:
            writer.add(PRODUCT)
            raise ConnectionError

    with pytest.raises(ConnectionError):
        break_off()
    with pytest.raises(json.JSONDecodeError):
        json.loads(stream.getvalue())


texts = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)
moments = st.datetimes(min_value=datetime(1972, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 hypothesis adds the zone
numbers = st.floats(allow_nan=False, allow_infinity=False)
products = st.builds(
    Product,
    id=st.uuids().map(str),
    name=texts,
    provider=texts,
    collection=st.none() | texts,
    product_type=st.none() | texts,
    start=st.none() | moments,
    end=st.none() | moments,
    published=st.none() | moments,
    modified=st.none() | moments,
    size=st.none() | st.integers(0, 2**50),
    checksums=st.dictionaries(texts, texts, max_size=3).map(
        lambda pairs: tuple(Checksum(algorithm=name, value=value) for name, value in pairs.items())
    ),
    online=st.booleans(),
    footprint=st.none()
    | st.builds(
        lambda ring: {"type": "Polygon", "coordinates": [ring]},
        st.lists(st.tuples(numbers, numbers).map(list), min_size=1, max_size=5),
    ),
    s3_path=st.none() | texts,
    quicklook_url=st.none() | texts,
    attributes=st.dictionaries(texts, texts | st.integers(-(2**53), 2**53) | numbers | st.booleans(), max_size=4),
    coverage=st.none() | st.floats(0, 100),
)


LOSSLESS = ["jsonl", "geojson", "csv", "stac", "geoparquet"]


def test_every_field_of_a_product_is_among_those_that_come_back():
    assert set(Product.__struct_fields__) == set(COLUMNS)


@pytest.mark.parametrize("name", LOSSLESS)
@settings(max_examples=60, deadline=None)
@given(found=st.lists(products, min_size=1, max_size=4))
def test_products_come_back_as_they_were(name, found):
    with TemporaryDirectory() as folder:
        assert reread(name, written(name, *found), Path(folder)) == found


@pytest.mark.parametrize("name", LOSSLESS)
def test_a_product_that_is_told_about_in_full(name, tmp_path):
    assert reread(name, written(name, PRODUCT, BARE), tmp_path) == [PRODUCT, BARE]


def test_geoparquet_is_read_by_others(tmp_path):
    geopandas = pytest.importorskip("geopandas")
    path = tmp_path / "found.parquet"
    path.write_bytes(written("geoparquet", PRODUCT, BARE))
    frame = geopandas.read_parquet(path)
    assert frame.crs.equals("OGC:CRS84", ignore_axis_order=True)
    assert list(frame["name"]) == [PRODUCT.name, BARE.name]
    assert frame.geometry[0].equals(shapely.geometry.shape(PRODUCT.footprint))
    assert frame.geometry[1] is None
    assert frame["start"][0] == PRODUCT.start


def test_geoparquet_of_many_products_is_written_and_read_in_groups(tmp_path):
    many = [replace(PRODUCT, id=str(number), coverage=float(number % 100)) for number in range(2 * ROWS + 3)]
    path = tmp_path / "found.parquet"
    path.write_bytes(written("geoparquet", *many))
    assert parquet.ParquetFile(path).metadata.num_row_groups == 3
    found = saved.load(path)
    assert found.count == len(many)
    assert list(found.products) == many
    assert list(found.products) == many, "they can be gone through again"


def test_geoparquet_that_breaks_off_cannot_be_taken_for_whole(tmp_path):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")

    def break_off():
        with Writer("geoparquet", stream) as writer:
            writer.add(PRODUCT)
            raise ConnectionError

    with pytest.raises(ConnectionError):
        break_off()
    path = tmp_path / "found.parquet"
    path.write_bytes(stream.detach().getvalue())
    with pytest.raises(SettingsError, match="is no whole GeoParquet file"):
        saved.load(path)


def test_geoparquet_is_not_written_to_a_terminal():
    class Terminal(io.TextIOWrapper):
        def isatty(self):
            return True

    with pytest.raises(SettingsError, match="name a file with --output"):
        Writer("geoparquet", Terminal(io.BytesIO()))


def test_without_the_library_geoparquet_is_refused_with_what_to_install(monkeypatch):
    monkeypatch.delitem(sys.modules, "skyhaul.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(SettingsError, match=r"pip install 'skyhaul\[analysis\]'"):
        Writer("geoparquet", io.StringIO())
