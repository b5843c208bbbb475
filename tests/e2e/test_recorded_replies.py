"""An archive that serves what a real one was recorded to say: a search finds exactly that, field by field."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from support.recorded import SHARED, recorded
from support.served import Archive, Skyhaul, simulated

REPLIES = [path for path in recorded("cdse-odata/**/*.json") if not path.name.startswith("attributes")]
SEARCH = ("search", "--start", "2000-01-01", "--any", "--format", "jsonl")


def entities() -> dict[str, dict[str, Any]]:
    """Every recorded product by its id; some were recorded twice."""
    replies = [json.loads(path.read_bytes()) for path in REPLIES]
    values = [reply.get("value", reply) for reply in replies]
    return {entity["Id"]: entity for value in values for entity in (value if isinstance(value, list) else [value])}


@pytest.fixture(scope="module")
def recording() -> Iterator[Archive]:
    if not SHARED.is_dir():
        pytest.skip("no recordings here: set SKYHAUL_SHARED_DATA")
    with simulated(*(word for path in REPLIES for word in ("--catalogue", str(path)))) as archive:
        yield archive


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_every_recorded_product_is_found_as_it_was_recorded(recording, tmp_path):
    skyhaul = Skyhaul(tmp_path, recording.environment)
    ran = skyhaul(*SEARCH)
    assert ran.code == 0
    expected = entities()
    assert len(expected) > 200
    assert sorted(line["id"] for line in ran.lines) == sorted(expected)
    for line in ran.lines:
        entity = expected[line["id"]]
        assert line["name"] == entity["Name"]
        assert line["size"] == (entity["ContentLength"] or None)
        assert line["checksums"] == {each["Algorithm"]: each["Value"] for each in entity["Checksum"]}
        assert line["online"] is entity["Online"]
        assert "/" + line["s3_path"] == entity["S3Path"]
        assert line["footprint"] == entity["GeoFootprint"]
        assert moment(line["start"]) == moment(entity["ContentDate"]["Start"])
        assert moment(line["end"]) == moment(entity["ContentDate"]["End"])
        assert moment(line["published"]) == moment(entity["PublicationDate"])
        for attribute in entity.get("Attributes", ()):
            assert line["attributes"][attribute["Name"]] == attribute["Value"]


def test_every_recorded_product_is_found_by_its_name(recording, tmp_path):
    skyhaul = Skyhaul(tmp_path, recording.environment)
    names = sorted({entity["Name"] for entity in entities().values()})
    some = names[:: len(names) // 8]
    ran = skyhaul("search", *(word for name in some for word in ("--name", name)), "--format", "names")
    assert ran.code == 0
    assert sorted(set(ran.out.splitlines())) == some


def test_what_was_recorded_without_bytes_is_missed_by_name(recording, tmp_path):
    """The recorded world holds no files: a download says of each product that the archive has nothing."""
    skyhaul = Skyhaul(tmp_path, recording.environment)
    ran = skyhaul(
        "download", "--product-type", "AUX_POEORB", "--limit", "2", "--into", "archive", "--via", "s3", "--json"
    )
    assert ran.code == 1
    assert [line["state"] for line in ran.lines] == ["failed", "failed"]
    assert all(line["kind"] == "ObjectMissing" for line in ran.lines)
    assert all(line["name"] in line["error"] for line in ran.lines)
