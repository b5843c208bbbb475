from __future__ import annotations

import io
import json

import pytest

from skyhaul.errors import SettingsError
from skyhaul.saved import load, parse

NAME = "S2A_MSIL2A_20240713T101031_N0510_R022_T32TQR_20240713T164852.SAFE"
OTHER = "S1A_IW_GRDH_1SDV_20241217T061735_20241217T061800_057028_07020F_XXXX.SAFE"
ID = "a5b6cf23-37d4-4caa-b41c-0ebb7b786d4f"


def refusal(text):
    with pytest.raises(SettingsError) as error:
        parse(text, "list.txt")
    return str(error.value)


def test_names_ids_and_urls_may_be_mixed_and_come_once():
    found = parse(
        "\n".join(
            [
                "# what the project needs",
                NAME,
                "",
                f"  {OTHER}  ",
                ID.upper(),
                f"https://download.dataspace.copernicus.eu/odata/v1/Products({ID})/$value",
                "s3://eodata/Sentinel-1/AUX/S1A_AUX_INS_V20140406T133000_G20140409T114500.SAFE.zip",
                f"/eodata/Sentinel-2/MSI/L2A/2024/07/13/{NAME}/GRANULE/x.jp2",
                "s3://eodata/Sentinel-5P/TROPOMI/L2__NO2___/2024/07/13/S5P_OFFL_L2__NO2___20240713T000000.nc",
            ]
        )
        + "\r\n",
        "list.txt",
    )
    assert found.names == (
        NAME,
        OTHER,
        "S1A_AUX_INS_V20140406T133000_G20140409T114500.SAFE",
        "S5P_OFFL_L2__NO2___20240713T000000.nc",
    )
    assert found.ids == (ID,)
    assert found.count == 5


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            f"{NAME}\nnot a product\n",
            "list.txt, line 2: 'not a product' is not a product; accepted are geojson, jsonl or csv",
        ),
        ("https://example.org/file.zip\n", "list.txt, line 1: 'https://example.org/file.zip' is not a product"),
        (
            "https://scihub.copernicus.eu/dhus/odata/v1/x\n",
            "list.txt, line 1: scihub.copernicus.eu was closed in October 2023",
        ),
        ("../../etc/passwd\n", "is not a product"),
        ('{"name": "x"}\n', "list.txt, line 1: not a product as 'skyhaul search' writes it"),
        ('{"name": "x", "id": "y", "size": "big"}\n', "$.size"),
        ('{"name": "x", "id": "y"}\n{broken\n', "list.txt, line 2: not a product"),
        ('{\n "type": "Topology"\n}', "no FeatureCollection"),
        ("{\n", "is not valid JSON"),
        ('[{"name": "x"}]', "is a JSON array"),
        ('{"type": "FeatureCollection", "features": [{"properties": {}}]}', "list.txt, feature 1: not a product"),
    ],
)
def test_what_cannot_be_used_is_named_by_its_line(text, sentence):
    assert sentence in refusal(text)


def test_a_row_of_csv_that_is_broken():
    from skyhaul.results import COLUMNS  # noqa: PLC0415 this test alone needs it

    row = ["x", "y"] + [""] * (len(COLUMNS) - 3) + ["{"]
    assert "list.txt, row 1: not a product" in refusal(",".join(COLUMNS) + "\n" + ",".join(row) + "\n")


@pytest.mark.parametrize("header", ["Id,Name,Size", "name;x,Name", "Name,cloud"])
def test_tables_of_other_programs_are_lists_of_ids_or_names(header):
    cells = {"Id": ID, "Name": NAME}
    found = parse(header + "\n" + ",".join(cells.get(column, "5") for column in header.split(",")) + "\n", "table.csv")
    assert (found.ids, found.names) == (((ID,), ()) if "Id" in header else ((), (NAME,)))


def test_stac_items_are_looked_up():
    item = {"type": "Feature", "stac_version": "1.0.0", "id": NAME, "geometry": None, "properties": {}}
    ours = {**item, "properties": {"skyhaul:id": ID}}
    found = parse(json.dumps({"type": "FeatureCollection", "features": [item, ours]}), "items.json")
    assert (found.names, found.ids) == ((NAME,), (ID,))


def test_keys_of_a_newer_version_are_passed_over():
    (product,) = parse(json.dumps({"name": NAME, "id": ID, "mood": "good"}), "x").products
    assert product.name == NAME
    assert product.provider == "cdse"


def test_a_pretty_printed_geojson():
    feature = {"type": "Feature", "geometry": None, "properties": {"name": NAME, "id": ID}}
    text = json.dumps({"type": "FeatureCollection", "features": [feature]}, indent=2)
    assert [product.id for product in parse(text, "x").products] == [ID]


def test_products_can_be_gone_through_twice():
    products = parse(json.dumps({"name": NAME, "id": ID}), "x").products
    assert list(products) == list(products)


def test_a_file_and_stdin(tmp_path, monkeypatch):
    path = tmp_path / "list.txt"
    path.write_text(f"\ufeff{NAME}\n", encoding="utf-8")
    assert load(path).names == (NAME,)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{ID}\n"))
    assert load("-").ids == (ID,)


@pytest.mark.parametrize("content", [None, b"", b"# nothing\n", b"\xff\xfe\x00\x01"])
def test_a_file_that_is_no_list(tmp_path, content):
    path = tmp_path / "list.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"there is no file|holds no products|is not text"):
        load(path)
    with pytest.raises(SettingsError, match="cannot be read"):
        load(tmp_path)
