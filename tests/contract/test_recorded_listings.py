"""Recorded S3 listings: eodata's own, and a bucket that answers in the first version of the protocol."""

from __future__ import annotations

import csv
import json
from xml.etree import ElementTree as ET

import pytest

from skyhaul.errors import CatalogueError
from skyhaul.model import Product
from skyhaul.protocols import Wish
from skyhaul.providers.eodata import Eodata
from skyhaul.providers.routes import Road
from skyhaul.sources.s3 import Listed, parse_listing
from skyhaul.transfer.checksum import of_etag
from skyhaul.transfer.layout import collisions, safe_path
from support.recorded import recorded

KEY = "Sentinel-2/MSI/L2A/2020/07/03/S2A_MSIL2A_20200703T103031_N0214_R108_T32UNU_20200703T142409.SAFE"
S2 = Product(id="1", name=KEY.rpartition("/")[2], provider="cdse", s3_path=f"eodata/{KEY}", product_type="S2MSI2A")
POEORBS = recorded("s3-listings/s1-orbits_poeorb_v1_page*.xml")


@pytest.fixture
def eodata_listing(shared_data):
    return (shared_data / "s3-listings" / "eodata_listobjectsv2_s2_l2a_safe.xml").read_bytes()


class Recording:
    """A lister that knows one listing."""

    def __init__(self, listed):
        self.listed = listed
        self.asked = []

    async def listing(self, bucket, prefix):
        self.asked.append((bucket, prefix))
        yield [entry for entry in self.listed if entry.key.startswith(prefix)]

    def url(self, bucket, key):
        return f"https://eodata.dataspace.copernicus.eu/{bucket}/{key}"


def test_a_listing_of_eodata_gives_every_file_and_no_folder(eodata_listing):
    listed, token = parse_listing(eodata_listing, host="eodata")
    keys = [key.text for key in ET.fromstring(eodata_listing).iter("{http://s3.amazonaws.com/doc/2006-03-01/}Key")]
    assert token is None
    assert len(keys) == 147
    assert [entry.key for entry in listed] == [key.replace("%2F", "/") for key in keys if not key.endswith("%2F")]
    assert all(entry.size > 0 and entry.etag for entry in listed)


def test_etags_of_eodata_are_md5_or_are_not_used(eodata_listing):
    listed, _ = parse_listing(eodata_listing, host="eodata")
    for entry in listed:
        checksum = of_etag(entry.etag)
        assert (checksum is None) == ("-" in entry.etag)


async def test_a_recorded_product_becomes_its_objects(eodata_listing):
    listed, _ = parse_listing(eodata_listing, host="eodata")
    lister = Recording(listed)
    shelf = Eodata(download_url="https://download/odata/v1", lister=lister, road=Road(http=True, s3=True))
    objects = await shelf.objects(S2, Wish(via="s3"))
    assert lister.asked == [("eodata", f"{KEY}/")]
    assert objects[0].path == "manifest.safe"
    assert objects[0].manifest
    sizes = [obj.size for obj in objects]
    total, count = sum(sizes), len(sizes)
    ahead = max(abs(sum(sizes[:place]) - total * place / count) for place in range(count))
    assert ahead <= max(sizes), "the bytes are spread evenly over the requests"
    assert {obj.path for obj in objects} == {entry.key.removeprefix(f"{KEY}/") for entry in listed}
    assert all(safe_path(obj.path) for obj in objects)
    assert collisions(obj.path for obj in objects) is None


async def test_bands_of_a_recorded_product(eodata_listing):
    listed, _ = parse_listing(eodata_listing, host="eodata")
    shelf = Eodata(download_url="https://d", lister=Recording(listed), road=Road(http=True, s3=True))
    objects = await shelf.objects(S2, Wish(only=("*_B0[48]_10m.jp2",)))
    assert sorted(obj.path.rpartition("_B")[2] for obj in objects[1:]) == ["04_10m.jp2", "08_10m.jp2"]


@pytest.mark.parametrize("path", POEORBS, ids=lambda path: path.stem)
def test_a_listing_that_goes_on_without_saying_how_is_refused(path):
    body = path.read_bytes()
    if b"<IsTruncated>true</IsTruncated>" in body:
        # ListObjects of version 1 wants the last key back; taken for all there is, it would lose products
        with pytest.raises(CatalogueError, match="goes on but does not say how"):
            parse_listing(body, host="s1-orbits")
    else:
        listed, token = parse_listing(body, host="s1-orbits")
        assert token is None
        assert listed
        assert all(entry.key.endswith(".EOF") and entry.size > 4_000_000 for entry in listed)


def test_a_listing_seen_through_boto_has_the_same_facts(shared_data):
    contents = json.loads((shared_data / "s3-listings" / "creodias_boto_contents.json").read_bytes())["Contents"]
    for entry in contents:
        listed = Listed(key=entry["Key"], size=entry["Size"], etag=entry["ETag"].strip('"'))
        assert of_etag(listed.etag) is not None


@pytest.mark.parametrize("path", recorded("s3-listings/aws_safe/*.csv"), ids=lambda path: path.stem)
def test_paths_of_whole_products_can_be_put_on_disk(path):
    with path.open() as file:
        paths = [path for _, path in csv.reader(file, delimiter=";")]
    assert len(paths) > 50
    assert all(safe_path(path) for path in paths)
    assert collisions(paths) is None
