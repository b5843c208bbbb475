from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import msgspec
import pytest

from skyhaul.catalogue.entities import parse_page
from skyhaul.errors import CatalogueError
from skyhaul.model import Checksum, Product
from skyhaul.protocols import Page

NAME = "S2B_MSIL2A_20260504T091559_N0511_R093_T34SGH_20260504T113000.SAFE"


def entity(**fields: object) -> dict[str, object]:
    return {"Id": "11111111-2222-4333-8444-555555555555", "Name": NAME, **fields}


def parse(document: object, collection: str | None = None) -> Page:
    return parse_page(msgspec.json.encode(document), provider="cdse", collection=collection)


def one(**fields: object) -> Product:
    (product,) = parse({"value": [entity(**fields)]}).products
    return product


def test_a_product_with_everything():
    checksum = [{"Value": "0123ABCD", "Algorithm": "md5"}, {"Value": "00ff", "Algorithm": "BLAKE3"}]
    product = one(
        ContentLength=1043219845,
        PublicationDate="2026-05-04T12:03:44.101010Z",
        ModificationDate="2026-05-04T12:05:10.202Z",
        Online=True,
        EvictionDate="9999-12-31T23:59:59.999999Z",
        S3Path=f"/eodata/Sentinel-2/MSI/L2A/2026/05/04/{NAME}",
        Checksum=checksum,
        ContentDate={"Start": "2026-05-04T09:15:59.024000Z", "End": "2026-05-04T09:15:59.024000Z"},
        Footprint="geography'SRID=4326;POINT (1 2)'",
        GeoFootprint={"type": "Point", "coordinates": [1, 2]},
        Attributes=[
            {"Name": "cloudCover", "Value": 94, "ValueType": "Double"},
            {"Name": "productType", "Value": "S2MSI2A", "ValueType": "String"},
            {"Name": "orbitNumber", "Value": 42137, "ValueType": "Integer"},
            {"Name": "flag", "Value": True, "ValueType": "Boolean"},
            {"Name": "nothing", "Value": None, "ValueType": "String"},
        ],
        Assets=[
            {
                "Type": "QUICKLOOK",
                "Id": "6",
                "DownloadLink": "https://catalogue.example/Assets(6)/$value",
                "S3Path": "/x",
            }
        ],
    )
    assert product == Product(
        id="11111111-2222-4333-8444-555555555555",
        name=NAME,
        provider="cdse",
        collection="SENTINEL-2",
        product_type="S2MSI2A",
        start=datetime(2026, 5, 4, 9, 15, 59, 24_000, tzinfo=UTC),
        end=datetime(2026, 5, 4, 9, 15, 59, 24_000, tzinfo=UTC),
        published=datetime(2026, 5, 4, 12, 3, 44, 101_010, tzinfo=UTC),
        modified=datetime(2026, 5, 4, 12, 5, 10, 202_000, tzinfo=UTC),
        size=1043219845,
        checksums=(Checksum(algorithm="MD5", value="0123abcd"), Checksum(algorithm="BLAKE3", value="00ff")),
        footprint={"type": "Point", "coordinates": [1, 2]},
        s3_path=f"eodata/Sentinel-2/MSI/L2A/2026/05/04/{NAME}",
        quicklook_url="https://catalogue.example/Assets(6)/$value",
        attributes={"cloudCover": 94.0, "productType": "S2MSI2A", "orbitNumber": 42137, "flag": True},
    )
    assert type(product.attributes["cloudCover"]) is float
    assert type(product.attributes["orbitNumber"]) is int


def test_a_product_with_next_to_nothing():
    product = one(
        ContentLength=0, Checksum=[], Online=None, GeoFootprint=None, S3Path="", PublicationDate="", Attributes=None
    )
    assert product == Product(id=product.id, name=NAME, provider="cdse", collection="SENTINEL-2")


@pytest.mark.parametrize(
    "attribute",
    [
        '{"Name":"productType","Value":"S2MSI2A"}',
        '{"Name": "productType", "Value": "S2MSI2A"}',
        '{"ValueType": "String", "Value": "S2\\u004dSI2A", "Name": "productType"}',
        '{"Name":"productType","Value":"S2\\u004dSI2A"}',
        '{"Name":"note","Value":"\\"Name\\":\\"productType\\",\\"Value\\":\\"x\\""}, {"Name":"productType","Value":"S2MSI2A"}',
    ],
)
def test_the_type_is_known_however_it_is_written(attribute):
    body = f'{{"value": [{{"Id": "1", "Name": "a", "Attributes": [{attribute}]}}]}}'
    (product,) = parse_page(body.encode(), provider="cdse", collection=None).products
    assert product.product_type == "S2MSI2A"


def test_attributes_may_be_read_by_several_threads_at_once():
    product = one(Attributes=[{"Name": f"a{number}", "Value": number} for number in range(3000)])
    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(lambda _: len(product.attributes), range(64))) == {3000}


@pytest.mark.parametrize("attributes", [5, {}, [5], [{"Value": 1}], [{"Name": 1, "Value": 1}]])
def test_attributes_that_are_something_else_are_refused_when_they_are_asked_for(attributes):
    product = one(Attributes=attributes)
    with pytest.raises(CatalogueError, match="the catalogue of cdse answered with JSON that is no page of products"):
        product.attributes.get("cloudCover")


@pytest.mark.parametrize("checksum", [None, [], [{}], [{"Value": "", "Algorithm": "MD5"}], [{"Value": "00"}]])
def test_checksums_without_a_digest_are_none(checksum):
    assert one(Checksum=checksum).checksums == ()


def test_offline_is_said_by_false_alone():
    assert not one(Online=False).online


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2024-04-15T07:40:29Z", datetime(2024, 4, 15, 7, 40, 29, tzinfo=UTC)),
        ("2024-04-15T07:40:29.480Z", datetime(2024, 4, 15, 7, 40, 29, 480_000, tzinfo=UTC)),
        ("2024-04-15T07:40:29.480001Z", datetime(2024, 4, 15, 7, 40, 29, 480_001, tzinfo=UTC)),
        ("2024-04-15T09:40:29+02:00", datetime(2024, 4, 15, 7, 40, 29, tzinfo=UTC)),
        ("2024-04-15T07:40:29.48", datetime(2024, 4, 15, 7, 40, 29, 480_000, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999999Z", datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
        ("", None),
        (None, None),
    ],
)
def test_times(written, expected):
    assert one(ContentDate={"Start": written}).start == expected


@pytest.mark.parametrize(
    ("name", "path", "expected"),
    [
        ("x", "/eodata/Sentinel-1/AUX/x.SAFE.zip", "SENTINEL-1"),
        ("x", "eodata/Sentinel-5P/TROPOMI/x.nc", "SENTINEL-5P"),
        ("x", "/eodata/Sentinel-1-RTC/SAR/x", "SENTINEL-1-RTC"),
        ("x", "/eodata/Landsat-8-ESA/OLI_TIRS/x", "LANDSAT-8-ESA"),
        ("S3B_OL_1_EFR____x", None, "SENTINEL-3"),
        ("S5P_OFFL_x", None, "SENTINEL-5P"),
        ("S1A_OPER_AUX_POEORB", "/somewhere", "SENTINEL-1"),
        ("S3__AX___", None, "SENTINEL-3"),
        ("ASA_IMP_1P", "/eodata/Envisat-ASAR/x", None),
    ],
)
def test_the_collection_is_told_by_path_or_name(name, path, expected):
    assert one(Name=name, S3Path=path).collection == expected


def test_the_collection_that_was_asked_for_wins():
    (product,) = parse({"value": [entity(S3Path="/eodata/Sentinel-2/x")]}, collection="SENTINEL-1-RTC").products
    assert product.collection == "SENTINEL-1-RTC"


def test_counts_and_links():
    page = parse({"@odata.count": 37, "value": [], "@odata.nextLink": "https://catalogue.example/Products?$skip=20"})
    assert page == Page(products=(), total=37, next_link="https://catalogue.example/Products?$skip=20")


def test_bare_entities_and_notifications_are_pages_of_one():
    assert [each.name for each in parse(entity()).products] == [NAME]
    notification = {"SubscriptionEvent": "created", "ProductName": NAME, "value": entity()}
    assert [each.name for each in parse(notification).products] == [NAME]


REFUSED = [
    (b"", "answered with nothing at all"),
    (b"  \n", "answered with nothing at all"),
    (b"<html><head><title> Maintenance </title></head></html>", "answered with a web page: Maintenance"),
    (b"<!DOCTYPE html><body></body>", "answered with a web page"),
    (b'{"value": [{"Id": "1", "Name": "S2A', "35 bytes that are not JSON \\(Input data was truncated"),
    (b"upstream connect error", "22 bytes that are not JSON"),
    (b"\xff\xfe\x00", "3 bytes that are not JSON"),
    (b"[]", "JSON that is no page of products \\(Expected `object`, got `array`"),
    (b"null", "JSON that is no page of products"),
    (b"{}", "JSON that is no page of products \\(Object missing required field `Id`"),
    (b'{"value": [{"Id": "1"}]}', "missing required field `Name` - at `\\$.value"),
    (b'{"value": [{"Id": "", "Name": "x"}]}', "length >= 1"),
    (b'{"value": [{"Id": "1", "Name": "x", "ContentLength": "12"}]}', "Expected `int | null`, got `str`"),
    (b'{"value": [], "@odata.count": -1}', ">= 0"),
    (
        b'{"value": [{"Id": "1", "Name": "x", "ContentDate": {"Start": "soon"}}]}',
        "says of x 'soon', which is not a time",
    ),
    (b'{"detail": "Error during parsing at index 11"}', "refused: Error during parsing at index 11"),
    (b'{"detail": {"message": "Not found", "request_id": "1"}}', "refused: Not found$"),
    (b'{"detail": {"ErrorMessage": "Bad box", "ErrorCode": 400}}', "refused: Bad box"),
    (
        b'{"detail": [{"type": "less_than_equal", "loc": ["query", "$skip"], "msg": "Input should be at most 10000", "input": "10001"}]}',
        "refused: Input should be at most 10000 \\(query \\$skip: '10001'\\)",
    ),
    (b'{"detail": null}', "refused: None"),
]


@pytest.mark.parametrize(("body", "reason"), REFUSED)
def test_what_is_no_page_is_refused_with_a_reason(body, reason):
    with pytest.raises(CatalogueError, match=reason) as caught:
        parse_page(body, provider="cdse", collection=None)
    assert "\n" not in str(caught.value)
    assert "the catalogue of cdse" in str(caught.value) or "the catalogue says" in str(caught.value)


def test_a_page_cut_anywhere_is_refused():
    body = msgspec.json.encode({"value": [entity(ContentLength=5)], "@odata.count": 1})
    for length in range(len(body)):
        with pytest.raises(CatalogueError):
            parse_page(body[:length], provider="cdse", collection=None)
