from __future__ import annotations

import pytest

from skyhaul import lists, metalink
from skyhaul.model import Checksum

MD5, SHA256 = "b" * 32, "a" * 64


def document(*files):
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<metalink xmlns="urn:ietf:params:xml:ns:metalink">\n'
        f"<published>2024-05-15T12:23:23Z</published>{''.join(files)}</metalink>"
    )


def file(body, name="a.tif"):
    return f'<file name="{name}">{body}</file>'


def refusal(text):
    with pytest.raises(ValueError, match=r"\S") as error:
        list(metalink.entries(text))
    return str(error.value)


def test_a_file_with_its_size_digests_and_mirrors_in_the_preferred_order():
    (entry,) = metalink.entries(
        document(
            file(
                f"<size>1234</size><hash type='md5'>{MD5}</hash><hash type='sha-256'>{SHA256}</hash>"
                "<pieces length='10' type='sha-1'><hash>0</hash></pieces>"
                "<url>https://last.org/a.tif</url>"
                "<url location='de' priority='2'>https://second.org/a.tif</url>"
                "<url priority='1'> https://first.org/a.tif </url>"
                "<url priority='1'>ftp://first.org/a.tif</url>"
                "<metaurl mediatype='torrent'>https://first.org/a.torrent</metaurl>",
                name="scenes/a.tif",
            )
        )
    )
    assert entry.urls == ["https://first.org/a.tif", "https://second.org/a.tif", "https://last.org/a.tif"]
    assert entry.size == 1234
    assert entry.checksums == [Checksum(algorithm="MD5", value=MD5), Checksum(algorithm="SHA-256", value=SHA256)]
    assert entry.path == "scenes/a.tif"


def test_several_files():
    text = document(
        *(file(f"<url>https://a.org/{number}</url>", name=f"{number}.tif") for number in range(3)),
    )
    assert [product.name for product in lists.products(list(metalink.entries(text)))] == ["0.tif", "1.tif", "2.tif"]


def test_digests_that_cannot_be_computed_are_passed_over_where_another_can():
    body = f"<hash type='whirlpool'>00</hash><hash type='md5'>{MD5}</hash><url>https://a.org/x</url>"
    (entry,) = metalink.entries(document(file(body)))
    assert [each.algorithm for each in entry.checksums] == ["MD5"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (document(file("<url>ftp://a.org/x</url>")), "file 1, 'a.tif': 'ftp://a.org/x' cannot be fetched"),
        (document(file("")), "file 1, 'a.tif': it has no plain address"),
        (document(file("<size>big</size><url>https://a.org/x</url>")), "its size is 'big'"),
        (
            document(file("<hash type='whirlpool'>00</hash><url>https://a.org/x</url>")),
            "none of its digests can be checked (whirlpool)",
        ),
        ("<metalink", "it is not valid XML"),
        ('<!DOCTYPE m [<!ENTITY a "b">]><metalink>&a;</metalink>', "it is not valid XML"),
        ('<metalink version="3.0" xmlns="http://www.metalinker.org/"></metalink>', "it is Metalink 3"),
        ("<html></html>", "it is XML, but no Metalink: it is a html"),
    ],
)
def test_what_cannot_be_used(text, sentence):
    assert sentence in refusal(text)


def test_a_name_that_leaves_the_destination_is_refused():
    with pytest.raises(ValueError, match=r"file 1: the archive names a file '\.\./a', which is refused"):
        lists.products(list(metalink.entries(document(file("<url>https://a.org/x</url>", name="../a")))))
