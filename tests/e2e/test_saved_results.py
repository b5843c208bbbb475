"""A result that was saved is downloaded later, in whatever form it was kept."""

from __future__ import annotations

import hashlib

import pytest

from support.elsewhere import stranger
from support.served import Skyhaul
from support.trees import products

FEW = ("--tile", "32TQR", "--product-type", "S2MSI2A", "--online", "--limit", "2")


@pytest.fixture(scope="module")
def lines(served, warm, tmp_path_factory):
    """What the search finds."""
    return Skyhaul(tmp_path_factory.mktemp("lines"), served.environment, warm)("search", *FEW, "--json").lines


@pytest.mark.parametrize("form", ["jsonl", "geojson", "csv", "names", "stac", "geoparquet"])
def test_every_format_of_a_search_comes_back(archive, skyhaul, form, lines):
    assert skyhaul("search", *FEW, "--format", form, "--output", f"found.{form}").code == 0
    archive.play()
    ran = skyhaul("download", "--from", f"found.{form}", "--into", "archive", "--json")
    assert ran.code == 0, ran.err
    assert sorted(line["id"] for line in ran.lines) == sorted(line["id"] for line in lines)
    looked_up = archive.asked("catalogue.")
    assert looked_up == 0 if form != "names" else looked_up > 0


@pytest.mark.parametrize("form", ["table", "jsonl", "geojson", "csv", "names", "stac", "geoparquet"])
def test_a_result_of_nothing_comes_back_as_nothing(archive, skyhaul, form):
    ran = skyhaul("search", "--tile", "32TQR", "--end", "1999-01-01", "--format", form, "--output", f"none.{form}")
    assert ran.code == 3, ran.err
    ran = skyhaul("download", "--from", f"none.{form}", "--into", "archive")
    assert ran.code == 3, ran.err
    ran = skyhaul("select", f"none.{form}", "--format", form, "--output", f"again.{form}")
    assert ran.code == 3, ran.err
    assert "nothing left" in ran.err
    again, none = (skyhaul.folder / f"{name}.{form}" for name in ("again", "none"))
    assert again.read_bytes() == none.read_bytes()


@pytest.mark.parametrize("form", ["ids", "urls", "keys"])
def test_lists_that_others_made(archive, skyhaul, form, lines):
    root = archive.addresses["download_url"]
    rows = {
        "ids": [line["id"].upper() for line in lines],
        "urls": [f"{root}/Products({line['id']})/$value" for line in lines],
        "keys": [f"s3://{line['s3_path']}/" for line in lines],
    }[form]
    (skyhaul.folder / "list.txt").write_text("# kept for later\r\n\r\n" + "\r\n".join(rows))
    ran = skyhaul("download", "--from", "list.txt", "--into", "archive", "--json")
    assert ran.code == 0, ran.err
    assert [folder.name for folder in products(skyhaul.folder / "archive")] == sorted(line["name"] for line in lines)


def test_a_pipe_from_search_to_download(archive, skyhaul):
    found = skyhaul("search", *FEW, "--format", "jsonl").out
    ran = skyhaul("download", "--from", "-", "--into", "archive", stdin=found)
    assert ran.code == 0, ran.err
    assert len(products(skyhaul.folder / "archive")) == 2


def test_what_the_catalogue_does_not_have_is_named_and_the_rest_is_fetched(archive, skyhaul, lines):
    gone = "S2A_MSIL2A_20240401T104031_N0510_R008_T31UFS_20240401T999999.SAFE"
    ran = skyhaul("download", "--from", "-", "--into", "archive", "--json", stdin=f"{gone}\n{lines[0]['name']}\n")
    assert ran.code == 1
    assert [line["state"] for line in ran.lines] == ["verified"]
    assert gone in ran.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "stdin is not valid JSON"),
        ("[1]", "stdin is a JSON array"),
        ("../../etc/passwd", "stdin, line 1: '../../etc/passwd' is not a product"),
    ],
)
def test_what_is_no_result_is_refused(archive, skyhaul, text, said):
    ran = skyhaul("download", "--from", "-", "--into", "archive", stdin=text)
    assert ran.code == 2
    assert ran.complaint.startswith(said)


def test_files_of_a_list_are_fetched_with_the_account_and_verified_by_their_digests(archive, skyhaul, lines):
    assert skyhaul("download", "--from", "-", "--via", "s3", "--into", "whole", stdin=f"{lines[0]['id']}\n").code == 0
    tree = skyhaul.folder / "whole" / lines[0]["name"]
    files = [path for path in sorted(tree.rglob("*")) if path.is_file()][:4]
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
    keys = [f"s3://{lines[0]['s3_path']}/{path.relative_to(tree).as_posix()}" for path in files]
    rows = "".join(f"{digest}  {key}\n" for digest, key in zip(digests, keys, strict=True))
    archive.play()
    ran = skyhaul("download", "--from", "-", "--into", "parts", "--json", stdin=rows)
    assert ran.code == 0, ran.err
    assert archive.asked("catalogue.") == 0
    assert {line["level"] for line in ran.lines} == {"sha-256"}
    for path, line in zip(files, sorted(ran.lines, key=lambda line: files_order(keys, line)), strict=True):
        assert (skyhaul.folder / line["path"]).read_bytes() == path.read_bytes()


def files_order(keys, line):
    return next(number for number, key in enumerate(keys) if key.endswith("/" + line["name"]))


def test_metalink_brings_sizes_digests_and_mirrors(archive, skyhaul, lines):
    root = archive.addresses["download_url"]
    found = lines[0]
    text = (
        '<metalink xmlns="urn:ietf:params:xml:ns:metalink">'
        f'<file name="zips/{found["name"]}.zip"><hash type="md5">{found["checksums"]["MD5"]}</hash>'
        f"<url priority='2'>{root}/Products({found['id']})/$value</url>"
        "<url priority='1'>http://127.0.0.1:9/gone.zip</url></file></metalink>"
    )
    ran = skyhaul("download", "--from", "-", "--into", "archive", "--json", stdin=text)
    assert ran.code == 0, ran.err
    assert [line["path"] for line in ran.lines] == [f"archive/zips/{found['name']}"]
    assert (skyhaul.folder / "archive" / "zips" / found["name"] / "manifest.safe").is_file()


def test_files_of_other_hosts_need_no_login(archive, skyhaul):
    """A login that is wrong, or out of date, is asked for where it is shown and nowhere else."""
    with stranger(200, body=b"\x49\x49 a picture") as other:
        rows = f"{other.url}/a.tif\n{other.url}/b.tif\n"
        ran = skyhaul("download", "--from", "-", "--into", "x", "--json", stdin=rows, CDSE_PASSWORD="out-of-date")
        assert ran.code == 0, ran.err
        assert sorted(line["path"] for line in ran.lines) == ["x/a.tif", "x/b.tif"]
    assert archive.asked("token") == 0
    assert not [request for request in other.heard if b"uthorization" in request]


def test_a_wrong_login_ends_a_list_of_the_archives_own_files_at_once(archive, skyhaul, lines):
    root = archive.addresses["download_url"]
    rows = "\n".join(f"{root}/Products({line['id']})/$value" for line in lines)
    ran = skyhaul("download", "--from", "-", "--into", "x", "--json", stdin=rows, CDSE_PASSWORD="out-of-date")
    assert ran.code == 5
    assert "check CDSE_USERNAME and CDSE_PASSWORD" in ran.err
    assert archive.fetched == 0


def test_a_list_belongs_to_no_archive(archive, skyhaul):
    ran = skyhaul(
        "download", "--provider", "cdse", "--from", "-", "--into", "archive", stdin="https://example.org/a.tif\n"
    )
    assert ran.code == 2
    assert ran.complaint == "--provider cdse: - lists files, which are of no archive; leave it out"
    ran = skyhaul("search", "--provider", "list", "--tile", "32TQR")
    assert ran.code == 2
    assert ran.complaint.startswith("a list of files has no catalogue to search")
