"""Python clients that skyhaul is held against, each run as a program of its own against the embedded archive, with four streams.

The hosts of the Copernicus Data Space are written into their text or their configuration; others are put in their place, and nothing
else is changed. Each script is given JSON: ``hosts`` by the address that they stand for, ``names`` of products, ``username``,
``password``, ``into``, and the ``config`` of s5cmd.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from support import Archive, Run, run

HOSTS = {"catalogue": "catalogue_url", "download": "download_url", "identity": "token_url", "eodata": "s3_url"}
AUTHORITY = "https://{}.dataspace.copernicus.eu"

_GIVEN = """
import json, sys
given = json.loads(sys.argv[1])
names = set(given["names"])
"""

_REHOSTING = """
from importlib import machinery
from pathlib import Path

class Rehosting(machinery.SourceFileLoader):
    def get_code(self, name):
        if name.partition(".")[0] not in {"cdsetool", "phidown"}:
            return super().get_code(name)
        text = Path(self.path).read_text()
        for stood_for, host in given["hosts"].items():
            text = text.replace(stood_for, host)
        return compile(text, self.path, "exec")

loaders = (machinery.ExtensionFileLoader, machinery.EXTENSION_SUFFIXES), (Rehosting, machinery.SOURCE_SUFFIXES)
sys.path_hooks.insert(0, machinery.FileFinder.path_hook(*loaders))
sys.path_importer_cache.clear()
"""

_CDSETOOL = """
from cdsetool.credentials import Credentials
from cdsetool.download import download_features
from cdsetool.query import query_features

found = query_features("SENTINEL-2", {"productType": "S2MSI2A", "top": 100})
some = [feature for feature in found if feature["Name"] in names]
options = {"credentials": Credentials(given["username"], given["password"]), "concurrency": 4}
assert len(list(download_features(some, given["into"], options))) == len(names)
"""

_PHIDOWN = """
from phidown.search import CopernicusDataSearcher

searcher = CopernicusDataSearcher()
searcher.query_by_filter(collection_name="SENTINEL-2", product_type="S2MSI2A", top=1000)
found = searcher.execute_query()
done = searcher.download_products(
    df=found[found["Name"].isin(names)], output_dir=given["into"], config_file=given["config"], mode="fast",
    retry_count=3, show_progress=False, max_workers=4,
)
assert done["downloaded"] == len(names), done
"""

_EODAG = """
import os

archive, identity = (given["hosts"][f"https://{name}.dataspace.copernicus.eu"] for name in ("catalogue", "identity"))
download = given["hosts"]["https://download.dataspace.copernicus.eu"]
settings = {
    "PRIORITY": "10", "SEARCH__API_ENDPOINT": f"{archive}/odata/v1/Products", "SEARCH__TIMEOUT": "60",
    "AUTH__CREDENTIALS__USERNAME": given["username"], "AUTH__CREDENTIALS__PASSWORD": given["password"],
    "AUTH__OIDC_CONFIG_URL": f"{identity}/auth/realms/CDSE/.well-known/openid-configuration",
}
os.environ |= {f"EODAG__COP_DATASPACE__{name}": value for name, value in settings.items()}
os.environ |= {"HOME": given["into"] + ".home", "EODAG_EXT_COLLECTIONS_CFG_FILE": "", "EODAG_PROVIDERS_WHITELIST": '["cop_dataspace"]'}

from eodag import EODataAccessGateway

gateway = EODataAccessGateway()
found = gateway.search_all(collection="S2_MSI_L2A", provider="cop_dataspace")
titles = {name.removesuffix(".SAFE") for name in names}
some = type(found)([product for product in found if product.properties["title"] in titles])
for product in some:
    product.remote_location = product.location = product.location.replace("https://catalogue.dataspace.copernicus.eu", download)
assert len(gateway.download_all(some, output_dir=given["into"], extract=False, max_workers=4)) == len(names)
"""

PEERS = {
    "CDSETool, 4 at once, zips": ("cdsetool", _GIVEN + _REHOSTING + _CDSETOOL),
    "eodag, 4 at once, zips": ("eodag", _GIVEN + _EODAG),
    "phidown fast, 4 at once, S3": ("phidown", _GIVEN + _REHOSTING + _PHIDOWN),
}
"""The package and the program of each."""


def installed() -> list[str]:
    """The peers that are there."""
    return [name for name, (package, _) in PEERS.items() if find_spec(package) is not None]


def fetched(name: str, served: Archive, products: Sequence[str], into: Path) -> Run:
    """A peer's run that fetches ``products`` into a folder."""
    environment = served.environment
    config = into.with_suffix(".s5cfg")
    config.write_text(
        f"[default]\naws_access_key_id = {environment['CDSE_S3_ACCESS_KEY']}\n"
        f"aws_secret_access_key = {environment['CDSE_S3_SECRET_KEY']}\n"
        f"host_base = {urlsplit(served.addresses['s3_url']).netloc}\nuse_https = false\n"
    )
    given = {
        "hosts": {AUTHORITY.format(host): _origin(served.addresses[key]) for host, key in HOSTS.items()},
        "names": list(products),
        "username": environment["CDSE_USERNAME"],
        "password": environment["CDSE_PASSWORD"],
        "into": str(into),
        "config": str(config),
    }
    path = f"{Path(sys.executable).parent}:{environment['PATH']}"
    return run([sys.executable, "-c", PEERS[name][1], json.dumps(given)], {**environment, "PATH": path})


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
