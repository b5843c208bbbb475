from __future__ import annotations

import pytest

from skyhaul.errors import IntegrityError
from skyhaul.model import Checksum, RemoteObject
from skyhaul.protocols import Wish
from skyhaul.transfer import manifest

MD5 = "0" * 32


def stream(href, *, size="10", algorithm="MD5", value=MD5):
    return (
        f'<dataObject ID="X"><byteStream mimeType="text/xml" size="{size}">'
        f'<fileLocation locatorType="URL" href="{href}"/><checksum checksumName="{algorithm}">{value}</checksum>'
        "</byteStream></dataObject>"
    )


def document(*streams, root="xfdu:XFDU"):
    text = f'<{root} xmlns:xfdu="urn:ccsds:schema:xfdu:1"><dataObjectSection>{"".join(streams)}</dataObjectSection>'
    return f"{text}</{root}>".encode()


def obj(path, **more):
    return RemoteObject(route="s3", location=f"https://eodata/{path}", path=path, **more)


def test_files_are_listed_with_their_digests():
    body = document(stream("./measurement/a.tiff", value="ABCDEF" + "0" * 26), stream("Oa01.nc", algorithm="sha3-256"))
    first, second = manifest.parse(body)
    assert first.path == "measurement/a.tiff"
    assert first.checksum == Checksum(algorithm="MD5", value="abcdef" + "0" * 26, origin="manifest")
    assert (second.path, second.checksum.algorithm) == ("Oa01.nc", "SHA3-256")


@pytest.mark.parametrize(
    ("href", "path"),
    [
        ("./GRANULE/L2A/B04.jp2", "GRANULE/L2A/B04.jp2"),
        ("GRANULE/L2A/B04.jp2", "GRANULE/L2A/B04.jp2"),
        ("/dpc/app/facilities/work/.S2B_OPER_TL/GRANULE/L2A/AUX_DATA/ECMWFT", "GRANULE/L2A/AUX_DATA/ECMWFT"),
        ("/dpc/app/facilities/work/HTML/star_bg.jpg", "HTML/star_bg.jpg"),
        ("/etc/passwd", "etc/passwd"),
    ],
)
def test_a_path_of_the_processing_host_is_brought_back_inside(href, path):
    assert manifest.inside(href) == path


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not well-formed"),
        (document(stream("a"))[:-20], "not well-formed"),
        (document(stream("a"), root="xfdu:Other"), "root element"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', "not well-formed"),
        (document("<dataObject><byteStream size='1'/></dataObject>"), "without a location"),
        (document(stream("")), "without a location"),
        (document(stream("a"), stream("./a", value="1" * 32)), "twice with different digests"),
    ],
    ids=["empty", "cut", "other", "entities", "bare", "nowhere", "contradiction"],
)
def test_a_manifest_that_cannot_be_right_is_refused(body, reason):
    with pytest.raises(IntegrityError, match=reason):
        manifest.parse(body)


@pytest.mark.parametrize("root", ["xfdu:XFDU", "XFDU"])
def test_auxiliary_products_have_manifests_that_list_nothing(root):
    assert manifest.parse(document(root=root)) == ()
    objects = [obj("data/aux.xml"), obj("manifest.safe")]
    assert manifest.with_manifest(objects, document(root=root), Wish()) == objects


@pytest.mark.parametrize(
    "undigested", [stream("a", value=""), stream("a", algorithm="CRC32"), stream("a").replace("checksum", "c")]
)
def test_a_file_without_a_digest_that_can_be_computed_is_listed_all_the_same(undigested):
    first, second = manifest.parse(document(undigested, stream("b")))
    assert (first.path, first.checksum) == ("a", None)
    assert second.checksum is not None
    with pytest.raises(IntegrityError, match="the first is a"):
        manifest.with_manifest([obj("b")], document(undigested, stream("b")), Wish())


@pytest.mark.parametrize("size", ["932", "0", "", "many", "-1"])
def test_what_it_says_of_sizes_is_no_reason_to_refuse_it(size):
    # safe-products, trap 1: Sen2Cor manifests state sizes that no file has
    assert manifest.parse(document(stream("a", size=size)))[0].path == "a"


def test_a_file_may_be_listed_twice_with_one_digest():
    assert len(manifest.parse(document(stream("a"), stream("./a")))) == 1


@pytest.mark.parametrize(
    ("wish", "wanted"),
    [
        (Wish(), True),
        (Wish(only=("*_B04_10m.jp2",)), True),
        (Wish(only=("GRANULE/*/IMG_DATA/R10m/*",)), True),
        (Wish(only=("*_B08_10m.jp2",)), False),
        (Wish(only=("*_b04_10m.jp2",)), False),
        (Wish(exclude=("*.jp2",)), False),
        (Wish(only=("*_B04_10m.jp2",), exclude=("GRANULE/*",)), False),
    ],
)
def test_globs_match_the_path_or_the_name(wish, wanted):
    assert manifest.wanted("GRANULE/L2A_T31/IMG_DATA/R10m/T31_B04_10m.jp2", wish) is wanted


def test_objects_get_the_digests_that_the_manifest_states():
    etag = Checksum(algorithm="MD5", value="f" * 32, origin="etag")
    listed, unlisted = manifest.with_manifest(
        [obj("a", checksums=(etag,)), obj("manifest.safe")], document(stream("a")), Wish()
    )
    assert [checksum.origin for checksum in listed.checksums] == ["manifest", "etag"]
    assert unlisted.checksums == ()


def test_files_that_the_archive_does_not_have_are_named():
    body = document(stream("a"), stream("b"), stream("c"))
    with pytest.raises(IntegrityError, match="lists 2 files that the archive does not have, the first is b"):
        manifest.with_manifest([obj("a")], body, Wish())


def test_files_that_nobody_wants_may_be_absent():
    manifest.with_manifest([obj("a.jp2")], document(stream("a.jp2"), stream("b.gml")), Wish(only=("*.jp2",)))


@pytest.mark.parametrize(
    ("name", "path", "etag", "origin"),
    [
        ("S2A_MSIL2A_20190212T192651_N0212_R013_T07HFE_20201007T160857.SAFE", "MTD_MSIL2A.xml", "c" * 32, "etag"),
        ("S2A_MSIL2A_20190212T192651_N0212_R013_T07HFE_20201007T160857.SAFE", "MTD_MSIL2A.xml", None, "manifest"),
        ("S2A_MSIL2A_20190212T192651_N0212_R013_T07HFE_20201007T160857.SAFE", "a.jp2", "c" * 32, "manifest"),
        ("S2A_MSIL2A_20190212T192651_N0213_R013_T07HFE_20201007T160857.SAFE", "MTD_MSIL2A.xml", "c" * 32, "manifest"),
    ],
)
def test_a_manifest_that_is_known_to_be_wrong_does_not_count(name, path, etag, origin):
    checksums = () if etag is None else (Checksum(algorithm="MD5", value=etag, origin="etag"),)
    listed = [RemoteObject(route="s3", location="https://x/", path=path, size=1, checksums=checksums)]
    (found,) = manifest.with_manifest(listed, document(stream(path)), Wish(), name)
    assert found.checksums[0].origin == origin
