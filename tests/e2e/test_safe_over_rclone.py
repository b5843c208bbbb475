"""Real product trees from somebody else's S3 server, verified against the manifests they came with."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.recorded import SHARED
from support.served import Skyhaul, simulated
from support.trees import published

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI-K7MDENG-bPxRfiCYEXAMPLEKEY"
WHOLE_IN_PART = (
    "S2A_MSIL1C_20170226T102021_N0204_R065_T32TNM_20170226T102458.SAFE",  # MD5
    "S2A_MSIL1C_20210908T042701_N0301_R133_T46RER_20210908T070248.SAFE",  # SHA3-256
    "S1C_S4_GRDH_1SDH_20250118T171404_20250118T171421_000638_000538_4B8B.SAFE",
)
WRONG = "S2A_MSIL2A_20190212T192651_N0212_R013_T07HFE_20201007T160857.SAFE"
"""Its manifest is wrong about two files that it lists."""

TREES = SHARED / "safe" / "trees"


def program() -> str:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    found = shutil.which("rclone", path=path)
    if found is None:
        pytest.skip("rclone is not installed")
    return found


def entity(number: int, name: str) -> dict[str, Any]:
    """The catalogue's word on a product, without a checksum to verify a zip by."""
    day = re.search(r"_(\d{4})(\d\d)(\d\d)T", name)
    assert day is not None
    moment = f"{day[1]}-{day[2]}-{day[3]}T00:00:{number:02}.000000Z"
    return {
        "@odata.mediaContentType": "application/octet-stream",
        "Id": f"00000000-0000-4000-8000-{number:012}",
        "Name": name,
        "ContentType": "application/octet-stream",
        "ContentLength": 0,
        "OriginDate": moment,
        "PublicationDate": moment,
        "ModificationDate": moment,
        "Online": True,
        "EvictionDate": "",
        "S3Path": f"/eodata/recorded/{name}",
        "Checksum": [],
        "ContentDate": {"Start": moment, "End": moment},
        "Footprint": None,
        "GeoFootprint": None,
        "Attributes": [],
    }


@pytest.fixture(scope="module")
def bucket(tmp_path_factory) -> Iterator[str]:
    """The trees in a bucket of their own; the address of its server."""
    if not TREES.is_dir():
        pytest.skip("no recordings here: set SKYHAUL_SHARED_DATA")
    root = tmp_path_factory.mktemp("bucket")
    for name in (*WHOLE_IN_PART, WRONG):
        shutil.copytree(TREES / name, root / "eodata/recorded" / name, ignore=shutil.ignore_patterns("_tree.tsv"))
    command = [
        program(),
        "--config",
        os.devnull,
        "serve",
        "s3",
        "--addr",
        "127.0.0.1:0",
        "--auth-key",
        f"{KEY},{SECRET}",
    ]
    with subprocess.Popen([*command, str(root)], stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        try:
            addresses = (re.search(r"http://127\.0\.0\.1:\d+", line) for line in server.stderr)
            yield next(found[0] for found in addresses if found)
        finally:
            server.terminate()


@pytest.fixture(scope="module")
def environment(bucket, tmp_path_factory) -> Iterator[dict[str, str]]:
    """A catalogue that knows the trees, beside the bucket that has them."""
    page = tmp_path_factory.mktemp("catalogue") / "page.json"
    page.write_text(json.dumps({"value": [entity(n, name) for n, name in enumerate((*WHOLE_IN_PART, WRONG))]}))
    with simulated("--catalogue", str(page)) as archive:
        yield {
            **archive.environment,
            "SKYHAUL_PROVIDERS__CDSE__S3_URL": bucket,
            "SKYHAUL_PROVIDERS__CDSE__S3_REGION": "us-east-1",
            "CDSE_S3_ACCESS_KEY": KEY,
            "CDSE_S3_SECRET_KEY": SECRET,
        }


@pytest.fixture
def skyhaul(environment, tmp_path) -> Skyhaul:
    return Skyhaul(tmp_path, environment)


def there(name: str) -> dict[str, bytes]:
    files = published(TREES / name)
    del files["_tree.tsv"]
    return files


def taken(skyhaul: Skyhaul, name: str, *options: str):
    return skyhaul("download", "--name", name, "--into", "archive", "--via", "s3", "--json", *options)


@pytest.mark.parametrize("name", WHOLE_IN_PART, ids=lambda name: name[:10])
def test_the_files_that_are_there_are_verified_by_their_own_manifest(skyhaul, name):
    files = there(name)
    ran = taken(skyhaul, name, *(word for path in files for word in ("--only", path)))
    assert ran.code == 0, ran.err
    (line,) = ran.lines
    assert (line["state"], line["level"]) == ("verified", "manifest")
    assert published(skyhaul.folder / line["path"]) == files


@pytest.mark.parametrize("name", WHOLE_IN_PART, ids=lambda name: name[:10])
def test_a_product_that_is_not_all_there_is_refused_by_the_name_of_a_file(skyhaul, name):
    ran = taken(skyhaul, name)
    assert ran.code == 1
    (line,) = ran.lines
    assert (line["state"], line["kind"], line["path"]) == ("failed", "IntegrityError", None)
    missing = re.fullmatch(
        r"the manifest lists \d+ files that the archive does not have, the first is (\S+)", line["error"]
    )
    assert missing is not None
    assert missing[1] not in there(name)
    assert published(skyhaul.folder / "archive") == {}


def test_a_file_that_its_manifest_is_known_to_be_wrong_about_is_verified_by_its_etag(skyhaul):
    ran = taken(skyhaul, WRONG, "--only", "MTD_MSI*.xml")
    assert ran.code == 0
    (line,) = ran.lines
    assert (line["state"], line["level"]) == ("verified", "etag")
    assert "MTD_MSIL2A.xml" in {path.rpartition("/")[2] for path in published(skyhaul.folder / "archive")}


def test_keys_that_the_server_does_not_know(skyhaul):
    command = ("download", "--name", WHOLE_IN_PART[0], "--into", "archive", "--via", "s3")
    refused = skyhaul(*command, CDSE_S3_SECRET_KEY="quite-another-secret")
    assert refused.code == 5
    assert "CDSE_S3_SECRET_KEY" in refused.err
    assert "quite-another-secret" not in refused.out + refused.err
