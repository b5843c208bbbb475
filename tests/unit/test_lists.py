from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyhaul import lists
from skyhaul.lists import Entry
from skyhaul.model import Checksum

SHA256, MD5, SHA1 = "a" * 64, "b" * 32, "c" * 40


def entry(row):
    found = lists.entry(row, "line 1")
    assert found is not None
    return found


def refusal(row):
    with pytest.raises(ValueError, match=r"\S") as error:
        entry(row)
    return str(error.value)


def products(*rows):
    return lists.products([found for row in rows if (found := lists.entry(row, "line")) is not None])


def names(*rows):
    return [product.name for product in products(*rows)]


@pytest.mark.parametrize(
    ("row", "algorithm", "digest"),
    [
        (f"sha256:{SHA256}  https://a.org/x.tif", "SHA-256", SHA256),
        (f"https://a.org/x.tif sha-256={SHA256.upper()}", "SHA-256", SHA256),
        (f"{SHA256}  https://a.org/x.tif", "SHA-256", SHA256),
        (f"{MD5} *https://a.org/x.tif", "MD5", MD5),
        (f"{SHA1}\thttps://a.org/x.tif", "SHA-1", SHA1),
        (f"blake3:{SHA256} https://a.org/x.tif", "BLAKE3", SHA256),
        (f"sha3-256:{SHA256} https://a.org/x.tif", "SHA3-256", SHA256),
    ],
)
def test_digests_before_and_after_the_address(row, algorithm, digest):
    found = entry(row)
    assert found.urls == ["https://a.org/x.tif"]
    assert found.checksums == [Checksum(algorithm=algorithm, value=digest)]


def test_several_digests_and_mirrors():
    found = entry(f"https://a.org/x\thttps://b.org/x\tftp://c.org/x md5:{MD5} {SHA256}")
    assert found.urls == ["https://a.org/x", "https://b.org/x"]
    assert [each.algorithm for each in found.checksums] == ["MD5", "SHA-256"]


def test_a_row_without_an_address_is_no_file():
    assert lists.entry("S2A_MSIL2A_20240713.SAFE", "line 1") is None
    assert lists.entry(f"{SHA256}  local.tif", "line 1") is None


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("ftp://a.org/x", "cannot be fetched: files come over https, http or s3"),
        ("https://a.org", "names no file"),
        ("https:///x", "names no file"),
        ("s3://bucket", "names no file"),
        ("https://me:secret@a.org/x", "an address of a.org holds a user name or a password"),
        ("https://scihub.copernicus.eu/x", "was closed in October 2023"),
        (f"crc32:{MD5} https://a.org/x", "digests of type 'crc32' cannot be checked"),
        (f"sha256:{MD5} https://a.org/x", "is no SHA-256, which has 64 hex digits"),
        ("https://a.org/x and more", "'and' is neither an address nor a digest"),
        (f"{'a' * 50} https://a.org/x", "may be of any kind"),
    ],
)
def test_what_cannot_be_fetched(row, sentence):
    message = refusal(row)
    assert sentence in message
    assert "secret" not in message


def test_options_of_aria2():
    assert lists.option("  out=a b.tif") == ("out", "a b.tif")
    assert lists.option("\tchecksum=sha-256=x") == ("checksum", "sha-256=x")
    assert lists.option("out=a.tif") is None
    assert lists.option("  https://a.org/?x=1") is None
    found = entry("https://a.org/x")
    for name, value in (("dir", "scenes/"), ("out", "y.tif"), ("split", "5"), ("checksum", f"md5={MD5}")):
        found.option(name, value)
    assert found.path == "scenes/y.tif"
    assert found.checksums == [Checksum(algorithm="MD5", value=MD5)]


def test_a_product_of_one_file():
    (product,) = products(f"https://a.org/deep/x%20y.tif?key=1 md5:{MD5}")
    assert product.name == "x y.tif"
    assert product.provider == "list"
    assert product.checksums == (Checksum(algorithm="MD5", value=MD5),)
    assert product.attributes == {"urls": "https://a.org/deep/x%20y.tif?key=1", "file": "x y.tif"}


def test_a_zip_is_called_after_what_it_holds():
    (product,) = products("https://a.org/S2A.SAFE.zip")
    assert (product.name, product.attributes["file"]) == ("S2A.SAFE", "S2A.SAFE.zip")
    assert names("https://a.org/.zip") == [".zip"]


def test_files_with_one_name_get_the_folders_that_tell_them_apart():
    assert names("https://a.org/1/B04.tif", "https://a.org/2/B04.tif", "https://a.org/2/B08.tif") == [
        "1/B04.tif",
        "2/B04.tif",
        "B08.tif",
    ]
    assert names("https://a.org/x/B04.tif", "https://b.org/x/B04.tif") == ["a.org/x/B04.tif", "b.org/x/B04.tif"]
    assert names("https://a.org/1/b04.tif", "https://a.org/2/B04.tif") == ["1/b04.tif", "2/B04.tif"]


def test_a_file_that_is_named_twice_is_one():
    assert names("https://a.org/x", "https://a.org/x") == ["x"]


def test_what_cannot_be_told_apart_is_refused():
    with pytest.raises(ValueError, match=r"line: 'a.org/x' and 'a.org/x' cannot lie side by side; name them with out="):
        products("https://a.org/x?id=1", "https://a.org/x?id=2")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"out": "P.SAFE.zip"}, {"dir": "P.SAFE/GRANULE", "out": "B04.jp2"}),
        ({"out": "P.SAFE.zip"}, {"out": "P.SAFE"}),
        ({"out": "P.SAFE.zip"}, {"dir": "p.safe", "out": "Q.zip"}),
        ({"out": "P.SAFE"}, {"dir": "P.SAFE/GRANULE", "out": "B04.jp2"}),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_no_product_lies_in_the_folder_of_another(first, second, turned):
    one, two = entry("https://a.org/1"), entry("https://a.org/2")
    for found, options in ((one, first), (two, second)):
        for name, value in options.items():
            found.option(name, value)
    with pytest.raises(ValueError, match="cannot lie side by side; name them with out="):
        lists.products([two, one] if turned else [one, two])


def test_an_archive_and_files_beside_it():
    assert names("https://a.org/P.SAFE.zip", "https://a.org/P.SAFE/preview.jpg", "https://a.org/P.SAFE.md5") == [
        "P.SAFE",
        "preview.jpg",
        "P.SAFE.md5",
    ]


@pytest.mark.parametrize(("folder", "name"), [("/data", "x"), ("", "../x"), ("..", "x"), ("", "a//b"), ("", "a\\b")])
def test_no_file_leaves_the_destination(folder, name):
    with pytest.raises(ValueError, match=r"line 7: the archive names a file .* which is refused"):
        lists.products([Entry(where="line 7", urls=["https://a.org/x"], folder=folder, name=name)])


def test_a_signature_does_not_make_another_file():
    def ids(*urls):
        return {product.id for url in urls for product in products(url)}

    assert len(ids("https://a.org/x?X-Amz-Signature=1&X-Amz-Date=2", "https://a.org/x?X-Amz-Signature=3")) == 1
    assert len(ids("https://a.org/x?sv=1&sig=2&v=3", "https://a.org/x?sv=9&sig=8&v=3")) == 1
    assert len(ids("https://a.org/x?id=1", "https://a.org/x?id=2", "https://b.org/x?id=1")) == 3
    assert len(ids("https://a.org/x?se=1", "https://a.org/x?se=2")) == 2, "without sig it is a name like any other"


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.sampled_from("pq")), unique=True))
def test_every_address_becomes_one_product_of_its_own(parts):
    urls = [f"https://{host}.org/{folder}/{name}.tif" for host, folder, name in parts]
    found = products(*urls)
    assert [product.attributes["urls"] for product in found] == urls
    assert len({product.name for product in found}) == len({product.id for product in found}) == len(urls)
