from __future__ import annotations

import pytest

from skyhaul.errors import AccessDenied, ObjectMissing, ObjectOffline
from skyhaul.model import Checksum, Product, RemoteObject
from skyhaul.protocols import Wish
from skyhaul.providers.cdse import Cdse
from skyhaul.providers.eodata import Eodata, in_turn
from skyhaul.providers.routes import Road
from skyhaul.sources.s3 import Listed

MD5 = "0123456789abcdef0123456789abcdef"
BLAKE3 = Checksum(algorithm="BLAKE3", value="b" * 64)
NAME = "S2A_MSIL2A_20240713T101031_N0510_R022_T32TQR_20240713T160000.SAFE"
FOLDER = f"Sentinel-2/MSI/L2A/2024/07/13/{NAME}"
S2 = Product(id="11-22", name=NAME, provider="cdse", s3_path=f"eodata/{FOLDER}", checksums=(BLAKE3,), size=1000)
S5P = Product(id="33", name="S5P.nc", provider="cdse", s3_path="eodata/Sentinel-5P/2024/S5P.nc", checksums=(BLAKE3,))
AUX = Product(
    id="44",
    name="S1A_AUX_INS.SAFE",
    provider="cdse",
    s3_path="eodata/Sentinel-1/AUX/S1A_AUX_INS.SAFE.zip",
    checksums=(BLAKE3,),
)
KEYS = {
    f"{FOLDER}/manifest.safe": 70,
    f"{FOLDER}/GRANULE/L2A/B04.jp2": 900,
    f"{FOLDER}/GRANULE/L2A/B08.jp2": 950,
    f"{FOLDER}/MTD_MSIL2A.xml": 50,
    f"{FOLDER}.zip": 1,
    "Sentinel-5P/2024/S5P.nc": 500,
    "Sentinel-5P/2024/S5P.nc.md5": 32,
    "Sentinel-1/AUX/S1A_AUX_INS.SAFE.zip": 300,
}


class Bucket:
    """A lister with a page of two keys."""

    def __init__(self, keys=KEYS, etag=MD5):
        self.keys, self.etag, self.asked = keys, etag, []

    async def listing(self, bucket, prefix):
        self.asked.append((bucket, prefix))
        found = [
            Listed(key=key, size=size, etag=self.etag) for key, size in self.keys.items() if key.startswith(prefix)
        ]
        for at in range(0, len(found), 2):
            yield found[at : at + 2]

    def url(self, bucket, key):
        return f"https://eodata/{bucket}/{key}"


def shelf(bucket=None, **road):
    return Eodata(
        download_url="https://download/odata/v1/",
        lister=bucket,
        road=Road(**{"http": True, "s3": bucket is not None, **road}),
    )


async def test_a_product_as_a_zip_is_one_object_pinned_by_its_digest_alone():
    [obj] = await shelf().objects(S2, Wish())
    assert obj.location == "https://download/odata/v1/Products(11-22)/$value"
    assert (obj.route, obj.path, obj.size, obj.etag) == ("http", f"{NAME}.zip", None, None)
    assert (obj.archive, obj.ranges, obj.checksums) == (True, False, (BLAKE3,))


async def test_a_single_file_by_http_keeps_its_name():
    [obj] = await shelf().objects(S5P, Wish(via="http"))
    assert obj.path == "S5P.nc"


async def test_a_tree_is_listed_with_its_manifest_first_then_large_and_small_by_turns():
    bucket = Bucket()
    objects = await shelf(bucket).objects(S2, Wish(via="s3"))
    assert [(obj.path, obj.size) for obj in objects] == [
        ("manifest.safe", 70),
        ("GRANULE/L2A/B08.jp2", 950),
        ("MTD_MSIL2A.xml", 50),
        ("GRANULE/L2A/B04.jp2", 900),
    ]
    assert bucket.asked == [("eodata", f"{FOLDER}/")], "with the slash, or a zip beside it would match"
    assert [obj.manifest for obj in objects] == [True, False, False, False]
    assert objects[1].location == f"https://eodata/eodata/{FOLDER}/GRANULE/L2A/B08.jp2"
    assert objects[1].checksums == (Checksum(algorithm="MD5", value=MD5, origin="etag"),)
    assert not any(obj.archive for obj in objects)


async def test_an_etag_of_parts_pins_and_does_not_verify():
    objects = await shelf(Bucket(etag=f"{MD5}-3")).objects(S2, Wish(via="s3"))
    assert {(obj.etag, obj.checksums) for obj in objects} == {(f"{MD5}-3", ())}


async def test_parts_of_a_product_bring_the_manifest_along():
    objects = await shelf(Bucket()).objects(S2, Wish(only=("*_B12.jp2", "*B04.jp2")))
    assert [obj.path for obj in objects] == ["manifest.safe", "GRANULE/L2A/B04.jp2"]


@pytest.mark.parametrize(("product", "size"), [(S5P, 500), (AUX, 300)])
async def test_a_product_that_is_one_object_is_verified_by_the_catalogues_digest_too(product, size):
    [obj] = await shelf(Bucket()).objects(product, Wish(via="s3"))
    assert (obj.path, obj.size, obj.archive, obj.ranges) == (product.s3_path.rpartition("/")[2], size, True, True)
    assert [checksum.origin for checksum in obj.checksums] == ["catalogue", "etag"]


@pytest.mark.parametrize(
    ("product", "wish", "error", "reason"),
    [
        (Product(id="1", name="P", provider="cdse", online=False), Wish(), ObjectOffline, "Data Workspace"),
        (Product(id="1", name="P", provider="cdse"), Wish(via="s3"), ObjectMissing, "no S3 path"),
        (
            Product(id="1", name="P", provider="cdse", s3_path="eodata/gone"),
            Wish(via="s3"),
            ObjectMissing,
            "nothing at eodata/gone",
        ),
        (
            Product(id="1", name="P", provider="cdse", s3_path="eodata/gone.nc"),
            Wish(via="s3"),
            ObjectMissing,
            "nothing at",
        ),
        (S2, Wish(only=("*.tiff",)), ObjectMissing, r"none of its 4 files matches \*\.tiff"),
        (S2, Wish(exclude=("*",)), ObjectMissing, "none of its 4 files matches what is wanted"),
    ],
)
async def test_what_is_not_there_is_said(product, wish, error, reason):
    with pytest.raises(error, match=reason):
        await shelf(Bucket()).objects(product, wish)


async def test_a_way_without_credentials_is_said():
    with pytest.raises(AccessDenied, match="CDSE_S3_ACCESS_KEY"):
        await shelf(None).objects(S2, Wish(via="s3"))


async def test_a_catalogue_without_a_shelf_only_finds():
    with pytest.raises(AccessDenied, match="without a way to download"):
        await Cdse(web=None, catalogue_url="https://catalogue").objects(S2, Wish())


async def test_a_provider_asks_its_shelf():
    provider = Cdse(web=None, catalogue_url="https://catalogue", shelf=shelf(Bucket()))
    assert len(await provider.objects(S2, Wish(via="s3"))) == 4


def test_the_bytes_are_spread_evenly_over_the_requests():
    sizes = [*range(100), *range(100_000, 200_000, 5000)]
    turns = [obj.size for obj in in_turn(obj_of(size) for size in sizes)]
    assert sorted(turns) == sorted(sizes)
    total, count = sum(sizes), len(sizes)
    ahead = [sum(turns[: place + 1]) - total * (place + 1) / count for place in range(count)]
    assert max(map(abs, ahead)) <= max(sizes)
    assert max(turns[-10:]) < max(sizes), "no long one is left for the end"


def obj_of(size):
    return RemoteObject(route="s3", location="https://eodata/x", path=f"f{size}", size=size)
