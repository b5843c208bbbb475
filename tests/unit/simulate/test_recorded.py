from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from skyhaul.simulate.odata import Catalogue
from skyhaul.simulate.recorded import load_recorded

SHARED = Path(os.environ.get("SKYHAUL_SHARED_DATA", Path(__file__).parents[4] / "shared" / "data"))
ODATA = SHARED / "cdse-odata"
ROOT = "http://127.0.0.1:1/odata/v1"


def entity(number, **changes):
    name = f"S1A_AUX_INS_V2014040{number}T010000_G20140409T142540.SAFE"
    return {
        "@odata.mediaContentType": "application/octet-stream",
        "Id": f"67360f3a-f36b-11ef-9d3f-00000000000{number}",
        "Name": name,
        "ContentType": "application/octet-stream",
        "ContentLength": 728976,
        "OriginDate": "2024-10-08T18:04:08.818Z",
        "PublicationDate": "2025-07-17T11:55:07.282635Z",
        "ModificationDate": "2025-10-10T17:56:18.034265Z",
        "Online": True,
        "EvictionDate": "",
        "S3Path": f"/eodata/Sentinel-1/AUX/AUX_INS/2014/04/0{number}/{name}.zip",
        "Checksum": [],
        "ContentDate": {"Start": f"2014-04-0{number}T01:00:00.000Z", "End": f"2014-04-0{number}T01:00:00.000000Z"},
        "Footprint": None,
        "GeoFootprint": None,
        "Attributes": [
            {
                "@odata.type": "#OData.CSC.DateTimeOffsetAttribute",
                "Name": "processingDate",
                "Value": "2014-04-09T14:25:40+00:00",
                "ValueType": "DateTimeOffset",
            }
        ],
        **changes,
    }


def write(path, reply):
    path.write_text(json.dumps(reply))
    return path


@pytest.fixture
def world(tmp_path):
    return load_recorded(
        [
            write(tmp_path / "page.json", {"@odata.context": "x", "value": [entity(3), entity(1)]}),
            write(tmp_path / "bare.json", {"@odata.context": "x", **entity(2)}),
            write(tmp_path / "push.json", {"SubscriptionEvent": "created", "value": entity(4)}),
            write(tmp_path / "again.json", {"value": [entity(1)]}),
        ]
    )


def test_pages_products_and_notifications_become_one_catalogue(world):
    assert [world.product(row).start.day for row in range(len(world))] == [1, 2, 3, 4]


def test_an_entity_is_served_as_it_was_recorded(world):
    catalogue = Catalogue(world)
    query = [("$orderby", "ContentDate/Start"), ("$top", "1"), ("$expand", "Attributes"), ("$expand", "Assets")]
    (found,) = json.loads(catalogue.products(query, ROOT).body)["value"]
    assert found == entity(1) | {"Assets": []}
    assert list(found) == [*entity(1), "Assets"]
    bare = json.loads(catalogue.product(entity(2)["Id"].upper(), [], ROOT).body)
    assert "Attributes" not in bare


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Collection/Name eq 'SENTINEL-1'", 4),
        ("ContentDate/Start gt 2014-04-02T01:00:00.000Z", 2),
        ("contains(Name,'V20140403')", 1),
        ("Id eq '67360F3A-f36b-11ef-9d3f-000000000002'", 1),
        (
            "Attributes/OData.CSC.DateTimeOffsetAttribute/any(a:a/Name eq 'processingDate' and a/Value eq 2014-04-09T14:25:40Z)",
            4,
        ),
        ("OData.CSC.Intersects(area=geography'SRID=4326;POINT(1 1)')", 0),
        ("EvictionDate gt 2100-01-01", 4),
    ],
)
def test_filters_work_on_recordings(world, text, count):
    reply = Catalogue(world).products([("$filter", text), ("$count", "true")], ROOT)
    assert json.loads(reply.body)["@odata.count"] == count


def test_there_is_nothing_to_download(world):
    product = world.product(0)
    assert product.single
    assert world.files(product) == ()
    assert world.archive(product) is None
    assert world.objects("", "", 10) == []
    assert world.object(product.s3_key) is None
    assert world.by_name(product.name) == world.by_id(product.id) == product
    assert world.by_quicklook("0") is None


@pytest.mark.parametrize("reply", ["[]", '{"value": [1]}', '{"value": {}}', "{}", "nonsense"])
def test_a_file_without_products_is_named(tmp_path, reply):
    path = tmp_path / "odd.json"
    path.write_text(reply)
    with pytest.raises(ValueError, match=r"odd\.json"):
        load_recorded([path])


@pytest.mark.skipif(not ODATA.is_dir(), reason="no recordings here: set SKYHAUL_SHARED_DATA")
def test_every_recorded_reply_can_be_served():
    paths = [path for path in ODATA.rglob("*.json") if not path.name.startswith("attributes")]
    world = load_recorded(paths)
    query = [("$orderby", "ContentDate/Start"), ("$top", "1000"), ("$count", "1")]
    query += [("$expand", name) for name in ("Attributes", "Assets", "Locations")]
    page = json.loads(Catalogue(world).products(query, ROOT).body)
    served = {one["Id"]: one for one in page["value"]}
    assert len(served) == page["@odata.count"] == len(world) > 250
    recorded = json.loads((ODATA / "s2_l1c_europe_top200.json").read_text())["value"]
    assert all(served[one["Id"]] == one for one in recorded)
