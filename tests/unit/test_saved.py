from __future__ import annotations

import io
import json

import pytest

from skyhaul.errors import SettingsError
from skyhaul.model import Product
from skyhaul.results import Writer
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
            "list.txt, line 2: 'not a product' is not a product; accepted are geojson, jsonl, csv",
        ),
        ("https://example.org/\n", "list.txt, line 1: 'https://example.org/' names no file"),
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
    from skyhaul.columns import COLUMNS  # noqa: PLC0415 this test alone needs it

    row = ["x", "y"] + [""] * (len(COLUMNS) - 3) + ["{"]
    assert "list.txt, row 1: not a product" in refusal(",".join(COLUMNS) + "\n" + ",".join(row) + "\n")


@pytest.mark.parametrize("header", ["Id,Name,Size", "name;x,Name", "Name,cloud"])
def test_tables_of_other_programs_are_lists_of_ids_or_names(header):
    cells = {"Id": ID, "Name": NAME}
    found = parse(header + "\n" + ",".join(cells.get(column, "5") for column in header.split(",")) + "\n", "table.csv")
    assert (found.ids, found.names) == (((ID,), ()) if "Id" in header else ((), (NAME,)))


def test_a_table_comes_back_as_names():
    stream = io.StringIO()
    with Writer("table", stream) as writer:
        writer.add(Product(id="1", name="S2A_A.SAFE", provider="cdse", size=5, coverage=3.0))
        writer.add(Product(id="2", name="S2A_B.SAFE", provider="cdse", online=False))
    assert parse(stream.getvalue(), "found.txt").names == ("S2A_A.SAFE", "S2A_B.SAFE")


@pytest.mark.parametrize("form", ["names", "table"])
@pytest.mark.parametrize(
    "name", ["Große Karte 2024", "карта", "scene 1.tif", "# 1", "a", '"x"', "name,id", "https://x.org/a", "tab\tname"]
)
def test_names_of_every_kind_come_back(form, name):
    if form == "table" and "\t" in name:
        pytest.skip("a table shows no control characters")
    stream = io.StringIO()
    with Writer(form, stream) as writer:
        for each in (name, NAME):
            writer.add(Product(id=each, name=each, provider="stac"))
    assert parse(stream.getvalue(), "found.txt").names == (name, NAME)


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


def test_a_list_of_files_becomes_products():
    found = parse("https://example.org/a.tif\ns3://bucket/b.tif\n", "list.txt")
    assert [product.name for product in found.products] == ["a.tif", "b.tif"]
    assert found.providers == ("list",)
    assert found.count == 2


def test_a_key_of_the_archive_with_a_digest_is_a_file_and_without_one_a_product():
    key = f"s3://eodata/Sentinel-2/MSI/L2A/2024/07/13/{NAME}/manifest.safe"
    assert parse(f"{key}\n", "x").names == (NAME,)
    (product,) = parse(f"{key} md5:{'0' * 32}\n", "x").products
    assert product.name == "manifest.safe"


def test_files_and_products_are_not_mixed():
    assert "line 2 is a file to fetch, others are products to look up" in refusal(
        f"{NAME}\nhttps://example.org/a.tif\n"
    )


def test_a_metalink():
    text = (
        '<metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="a/b.tif"><size>3</size>'
        "<url>https://example.org/b.tif</url></file></metalink>"
    )
    (product,) = parse(text, "x").products
    assert (product.name, product.size) == ("a/b.tif", 3)
    assert refusal("<html></html>") == "list.txt: it is XML, but no Metalink: it is a html"


def test_an_input_list_of_aria2():
    text = f"https://one.org/a.tif\thttps://two.org/a.tif\n  out=first.tif\n  dir=scenes\n  checksum=md5={'0' * 32}\n  split=4\n"
    (product,) = parse(text, "x").products
    assert product.name == "scenes/first.tif"
    assert product.attributes["urls"] == "https://one.org/a.tif https://two.org/a.tif"
    assert product.checksums[0].algorithm == "MD5"
    assert "line 2: the option header is not taken over" in refusal("https://a.org/x\n  header=Authorization: x\n")


def test_the_archives_that_products_are_of():
    lines = [{"name": "x", "id": "1", "provider": "noa"}, {"name": "y", "id": "2"}, {"name": "z", "id": "3"}]
    assert parse("\n".join(map(json.dumps, lines)), "x").providers == ("noa", "cdse")


def test_products_are_told_from_those_of_other_programs_in_parquet(tmp_path):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet  # noqa: PLC0415 this test alone needs it

    parquet.write_table(pa.table({"id": [ID], "geometry": [b""]}), tmp_path / "items.parquet")
    assert load(tmp_path / "items.parquet").ids == (ID,)
    parquet.write_table(pa.table({"x": [1]}), tmp_path / "other.parquet")
    with pytest.raises(SettingsError, match="neither a column id nor a column name"):
        load(tmp_path / "other.parquet")


def test_binary_results_come_through_stdin(monkeypatch, tmp_path):
    pytest.importorskip("pyarrow")
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with Writer("geoparquet", stream) as writer:
        writer.add(Product(id=ID, name=NAME, provider="cdse"))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stream.detach().getvalue()), encoding="utf-8"))
    found = load("-")
    assert [product.name for product in found.products] == [NAME]
    assert found.providers == ("cdse",)


def test_a_file_and_stdin(tmp_path, monkeypatch):
    path = tmp_path / "list.txt"
    path.write_text(f"\ufeff{NAME}\n", encoding="utf-8")
    assert load(path).names == (NAME,)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{ID}\n"))
    assert load("-").ids == (ID,)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00\x01"])
def test_a_file_that_is_no_list(tmp_path, content):
    path = tmp_path / "list.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"there is no file|is not text"):
        load(path)
    with pytest.raises(SettingsError, match="cannot be read"):
        load(tmp_path)
