"""Other people's clients against the embedded archive: nothing is changed about them but the hosts they talk to."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import urllib.parse
import urllib.request
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from anyio.from_thread import start_blocking_portal

from skyhaul.simulate.launch import launched

if TYPE_CHECKING:
    from collections.abc import Iterator

ARCHIVE = ("--products", "60", "--scale", "0.002", "--prepare", "--set", "refuse_or_queue=queue")

# Some peers have the hosts written into their functions: their text is read with other hosts in it, and run as it is.
REHOSTING = """
import json, sys
from importlib import machinery
from pathlib import Path

hosts, arguments = json.loads(sys.argv[1]), json.loads(sys.argv[2])

class Rehosting(machinery.SourceFileLoader):
    def get_code(self, name):
        if name.partition(".")[0] not in {"cdsetool", "phidown"}:
            return super().get_code(name)
        text = Path(self.path).read_text()
        for real, ours in hosts.items():
            text = text.replace(real, ours)
        return compile(text, self.path, "exec")

loaders = (machinery.ExtensionFileLoader, machinery.EXTENSION_SUFFIXES), (Rehosting, machinery.SOURCE_SUFFIXES)
sys.path_hooks.insert(0, machinery.FileFinder.path_hook(*loaders))
sys.path_importer_cache.clear()
"""

CDSETOOL = """
from cdsetool.credentials import Credentials
from cdsetool.download import download_features
from cdsetool.query import query_features

terms = {"contentDateStartGe": "2024-04-01T00:00:00Z", "productType": "S2MSI2A", "top": 3}
features = query_features("SENTINEL-2", terms, options={"max_attempts": 1})
found = [feature["Name"] for feature in features]
options = {"credentials": Credentials(arguments["username"], arguments["password"]), "concurrency": 2}
into = arguments["into"]
some = [feature for feature in features if feature["Online"]][:2]
whole = list(download_features(some, into, dict(options)))
part = list(download_features(some[:1], into, dict(options, filter_pattern="*.jp2")))
print(json.dumps({"found": len(found), "total": len(features), "whole": whole, "part": part}))
"""

PHIDOWN = """
from pathlib import Path
from phidown.downloader import download_burst_on_demand, get_token
from phidown.search import CopernicusDataSearcher

searcher = CopernicusDataSearcher()
searcher.query_by_filter(
    collection_name="SENTINEL-2", product_type="S2MSI2A", start_date="2024-04-01T00:00:00Z",
    end_date="2024-05-01T00:00:00Z", top=10, count=True, order_by="ContentDate/Start asc",
)
products = searcher.execute_query()
into, config = arguments["into"], arguments["config"]
# Its other mode, safe, takes the bucket's folder markers for files and stops at the first (0.1.30).
taken = searcher.download_products(
    df=products[products["Name"] == arguments["name"]], output_dir=f"{into}/products", config_file=config,
    mode="fast", retry_count=1, show_progress=False, max_workers=4,
)
bursts = CopernicusDataSearcher()
bursts.query_by_filter(burst_mode=True, top=1, start_date="2024-04-01T00:00:00Z", end_date="2025-01-01T00:00:00Z")
burst = bursts.execute_query().iloc[0]
token = get_token(arguments["username"], arguments["password"])
download_burst_on_demand(burst["Id"], token, Path(into) / "burst")
print(json.dumps({"found": len(products), "downloaded": taken["downloaded"]}))
"""


@pytest.fixture(scope="module")
def archive() -> Iterator[dict[str, Any]]:
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(launched(ARCHIVE)) as addresses:
        yield addresses


def run(command: list[str], **environment: str) -> str:
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def program(name: str) -> str:
    """A program on the path or beside the interpreter."""
    found = shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def driven(archive: dict[str, Any], package: str, script: str, **arguments: str) -> dict[str, Any]:
    """The last line that a peer's script prints, as JSON."""
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    hosts = {
        f"https://{name}.dataspace.copernicus.eu": origin(archive[f"{key}_url"])
        for name, key in (("catalogue", "catalogue"), ("download", "download"), ("identity", "token"), ("eodata", "s3"))
    }
    login = {"username": archive["environment"]["CDSE_USERNAME"], "password": archive["environment"]["CDSE_PASSWORD"]}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = [sys.executable, "-c", REHOSTING + script, json.dumps(hosts), json.dumps({**login, **arguments})]
    return json.loads(run(command, PATH=path).splitlines()[-1])


def origin(url: str) -> str:
    return "{0.scheme}://{0.netloc}".format(urllib.parse.urlsplit(url))


def catalogue(archive: dict[str, Any], **query: str) -> list[dict[str, Any]]:
    pairs = urllib.parse.urlencode({f"${key}": value for key, value in query.items()})
    with urllib.request.urlopen(f"{archive['catalogue_url']}/Products?{pairs}") as response:
        return json.load(response)["value"]


def listed(archive: dict[str, Any], product: dict[str, Any]) -> dict[str, str]:
    """Keys below the product's folder, and the MD5 that the bucket has for them, as boto3 lists them."""
    prefix = product["S3Path"].removeprefix("/eodata/") + "/"
    page = bucket(archive).list_objects_v2(Bucket="eodata", Prefix=prefix)
    return {each["Key"].removeprefix(prefix): each["ETag"].strip('"') for each in page["Contents"]}


@pytest.fixture(scope="module")
def product(archive: dict[str, Any]) -> dict[str, Any]:
    """A Sentinel-2 product as the catalogue has it."""
    where = "Collection/Name eq 'SENTINEL-2' and Online eq true and contains(Name,'MSIL2A')"
    return catalogue(archive, filter=where, top="1", orderby="ContentDate/Start")[0]


@pytest.fixture(scope="module")
def tree(archive: dict[str, Any], product: dict[str, Any]) -> dict[str, str]:
    """The product's files with the ETags that the bucket has for them, as boto3 lists them; no folder markers."""
    prefix = product["S3Path"].removeprefix("/eodata/") + "/"
    page = bucket(archive).list_objects_v2(Bucket="eodata", Prefix=prefix)
    found = {each["Key"].removeprefix(prefix): each["ETag"].strip('"') for each in page["Contents"]}
    assert len(found) > 80
    return {key: etag for key, etag in found.items() if key and not key.endswith("/")}


def bucket(archive: dict[str, Any]) -> Any:
    boto3 = pytest.importorskip("boto3")
    return boto3.client(
        "s3",
        endpoint_url=archive["s3_url"],
        region_name="default",
        aws_access_key_id=archive["environment"]["CDSE_S3_ACCESS_KEY"],
        aws_secret_access_key=archive["environment"]["CDSE_S3_SECRET_KEY"],
    )


def keys(archive: dict[str, Any]) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": archive["environment"]["CDSE_S3_ACCESS_KEY"],
        "AWS_SECRET_ACCESS_KEY": archive["environment"]["CDSE_S3_SECRET_KEY"],
        "AWS_REGION": "default",
    }


def assert_is_tree(folder: Path, tree: dict[str, str]) -> None:
    """Every file of the tree is there, with the bytes its ETag promises; of a multipart ETag the name is enough."""
    found = {str(file.relative_to(folder)): file for file in folder.rglob("*") if file.is_file()}
    assert found.keys() == tree.keys()
    for name, etag in tree.items():
        assert "-" in etag or hashlib.md5(found[name].read_bytes()).hexdigest() == etag


def test_s5cmd_copies_a_product(archive, product, tree, tmp_path):
    source = f"s3:/{product['S3Path']}/*"
    options = ["--endpoint-url", archive["s3_url"], "--numworkers", "4"]
    run([program("s5cmd"), *options, "cp", source, f"{tmp_path}/"], **keys(archive))
    assert_is_tree(tmp_path, tree)


def test_rclone_copies_a_product_and_finds_nothing_left_to_do(archive, product, tree, tmp_path):
    remote = f":s3,provider=Ceph,env_auth,region=default,endpoint='{archive['s3_url']}':{product['S3Path'][1:]}"
    for command in ("copy", "check"):
        run([program("rclone"), "--config", os.devnull, command, remote, str(tmp_path)], **keys(archive))
    assert_is_tree(tmp_path, tree)


def test_boto3_fetches_whole_and_in_ranges(archive, product, tree, tmp_path):
    client = bucket(archive)
    name = max(tree, key=lambda each: each.endswith("B04_10m.jp2"))
    key = f"{product['S3Path'].removeprefix('/eodata/')}/{name}"
    client.download_file("eodata", key, str(tmp_path / "whole"))
    body = (tmp_path / "whole").read_bytes()
    assert hashlib.md5(body).hexdigest() == tree[name]
    part = client.get_object(Bucket="eodata", Key=key, Range="bytes=100-199", IfMatch=f'"{tree[name]}"')
    assert part["Body"].read() == body[100:200]
    assert client.head_object(Bucket="eodata", Key=key)["ContentLength"] == len(body)
    folders = client.list_objects_v2(Bucket="eodata", Prefix="Sentinel-2/", Delimiter="/")["CommonPrefixes"]
    assert folders == [{"Prefix": "Sentinel-2/MSI/"}]
    with pytest.raises(client.exceptions.ClientError, match="AccessDenied"):
        client.put_object(Bucket="eodata", Key="mine", Body=b"x")


def test_pystac_client_searches_page_by_page(archive, product):
    pystac_client = pytest.importorskip("pystac_client")
    client = pystac_client.Client.open(archive["stac_url"])
    assert "sentinel-2-l2a" in {each.id for each in client.get_collections()}
    for method in ("GET", "POST"):
        search = client.search(
            method=method,
            collections=["sentinel-2-l2a"],
            datetime="2024-04-01T00:00:00Z/2024-10-01T00:00:00Z",
            bbox=[-180, -90, 180, 90],
            query={"eo:cloud_cover": {"lte": 100}},
            limit=7,
        )
        ids = [item.id for item in search.items()]
        assert len(ids) == len(set(ids)) > 7
        assert product["Name"].removesuffix(".SAFE") in ids
    item = next(client.search(ids=[ids[0]]).items())
    assert item.assets["B04_10m"].href.startswith("s3://eodata/Sentinel-2/")
    assert list(client.search(collections=["SENTINEL-2"]).items()) == []


def test_cdsetool_searches_and_downloads_zips_and_files(archive, tmp_path):
    done = driven(archive, "cdsetool", CDSETOOL, into=str(tmp_path))
    assert done["found"] == done["total"] > 3
    assert len(done["whole"]) == 2
    for name in done["whole"]:
        with zipfile.ZipFile(tmp_path / name) as opened:
            assert opened.testzip() is None
    assert f"{done['part'][0]}.zip" in done["whole"]
    assert len(list((tmp_path / done["part"][0]).rglob("*.jp2"))) > 30


def test_phidown_searches_and_downloads_products_and_a_burst(archive, tree, product, tmp_path):
    program("s5cmd")
    config = tmp_path / "s5cfg"
    config.write_text(
        "[default]\n"
        f"aws_access_key_id = {archive['environment']['CDSE_S3_ACCESS_KEY']}\n"
        f"aws_secret_access_key = {archive['environment']['CDSE_S3_SECRET_KEY']}\n"
        f"host_base = {urllib.parse.urlsplit(archive['s3_url']).netloc}\n"
        "use_https = false\n"
    )
    done = driven(archive, "phidown", PHIDOWN, into=str(tmp_path), config=str(config), name=product["Name"])
    assert done["found"] > 10  # more than one page
    assert done["downloaded"] == 1
    assert_is_tree(tmp_path / "products" / product["Name"], tree)
    burst = next((tmp_path / "burst").glob("*.zip"))
    assert zipfile.ZipFile(burst).testzip() is None
