"""Archives of single files, found by STAC, from the search to the last byte: Earth Search, the Planetary Computer, any STAC with keys."""

from __future__ import annotations

import hashlib
import json
import signal
import time
import xml.etree.ElementTree as ET

import pytest

from support.served import Skyhaul, simulated
from support.trees import published

FOUND_BY = ("--start", "2024-04-01", "--end", "2024-04-30")
OPEN = ("earth-search", "planetary-computer")
"""Archives whose files anybody may read, in other folders and without digests."""


TIMEOUT_S = 30


def until(condition):
    end_s = time.monotonic() + TIMEOUT_S
    while time.monotonic() < end_s:
        if condition():
            return
        time.sleep(0.02)  # another process is looked at
    raise AssertionError("it did not come to that")


@pytest.fixture
def command(archive, skyhaul):
    """The words that begin a command for an archive, which is pointed to where it is embedded."""
    addresses = archive.addresses["providers"]
    for name in OPEN:
        prefix = f"SKYHAUL_PROVIDERS__{name.upper().replace('-', '_')}"
        skyhaul.environment |= {f"{prefix}__{key.upper()}": url for key, url in addresses[name].items()}
    skyhaul.environment |= {
        "STAC_S3_ACCESS_KEY": archive.environment["CDSE_S3_ACCESS_KEY"],
        "STAC_S3_SECRET_KEY": archive.environment["CDSE_S3_SECRET_KEY"],
        "SKYHAUL_PROVIDERS__STAC__S3_URL": archive.environment["SKYHAUL_PROVIDERS__CDSE__S3_URL"],
        "SKYHAUL_PROVIDERS__STAC__URL": archive.addresses["stac_url"],
    }
    return lambda verb, name: (verb, "--provider", name, "--collection", "sentinel-2-l2a", *FOUND_BY)


def images(folder):
    """The pictures of one product, by name."""
    return {path.rpartition("/")[2]: body for path, body in published(folder).items() if path.endswith(".jp2")}


def stated(folder):
    """What the product's own manifest, which is one of the assets, states of each picture: its SHA3-256 by name."""
    [manifest] = folder.rglob("manifest.safe")
    return {
        stream.find("fileLocation").get("href").rpartition("/")[2]: stream.find("checksum").text.lower()
        for stream in ET.parse(manifest).iter("byteStream")
    }


@pytest.mark.parametrize("name", [*OPEN, "stac"])
def test_from_the_search_to_the_last_byte(archive, skyhaul, command, name):
    limit = ("--limit", "2", "--json")
    ran = skyhaul(*command("download", name), *limit, "--into", name)
    assert ran.code == 0, ran.err
    assert [line["state"] for line in ran.lines] == ["verified"] * 2
    # Earth Search tells sizes and the Planetary Computer not even those; CDSE's STAC has multihashes.
    assert {line["level"] for line in ran.lines} <= ({"length"} if name in OPEN else {"sha3-256", "md5", "etag"})
    for line in ran.lines:
        folder = skyhaul.folder / line["path"]
        found, wanted = images(folder), stated(folder)
        assert len(found) > 30
        assert {each: hashlib.sha3_256(body).hexdigest() for each, body in found.items()} == {
            each: wanted[each] for each in found
        }
    assert archive.asked("download") == 0
    archive.play()
    again = skyhaul(*command("download", name), *limit, "--into", name)
    assert [line["state"] for line in again.lines] == ["present"] * 2
    assert archive.asked("blobs", "s3") == 0


@pytest.mark.parametrize("name", OPEN)
def test_bands_are_chosen_by_their_usual_names(skyhaul, command, name):
    ran = skyhaul(*command("download", name), "--limit", "1", "--bands", "B04,B08", "--resolution", "10", "--into", "x")
    assert ran.code == 0, ran.err
    found = images(skyhaul.folder / "x")
    assert sorted(each.rpartition("_B")[2] for each in found) == ["04_10m.jp2", "08_10m.jp2"]


@pytest.mark.parametrize("name", OPEN)
def test_nothing_less_than_a_digest_is_enough_where_that_is_asked_for(skyhaul, command, name):
    ran = skyhaul(*command("download", name), "--limit", "1", "--require-verified", "--into", "x", "--json")
    assert ran.code == 1
    assert [line["state"] for line in ran.lines] == ["failed"]
    assert "--require-verified" in ran.lines[0]["error"]
    assert published(skyhaul.folder / "x") == {}


@pytest.mark.parametrize("name", OPEN)
def test_a_cut_file_goes_on_from_its_last_byte(warm, tmp_path, name):
    """With files of megabytes: of less nothing is kept."""
    options = ("--products", "12", "--scale", "0.05", "--no-oddities", "--set", "bytes_per_s_per_connection=null")
    with simulated(*options) as archive:
        skyhaul = Skyhaul(tmp_path, archive.environment, warm)
        prefix = f"SKYHAUL_PROVIDERS__{name.upper().replace('-', '_')}"
        urls = archive.addresses["providers"][name].items()
        skyhaul.environment |= {f"{prefix}__{key.upper()}": url for key, url in urls}
        query = ("--provider", name, "--collection", "sentinel-2-l2a", "--limit", "1", "--only", "*B0[2348]_10m.jp2")
        archive.play({"kind": "cut", "route": "blobs.get", "every": 2, "times": 3})
        ran = skyhaul("download", *query, "--into", "x", "--json")
        assert ran.code == 0, ran.err
        stats = archive.stats()
        assert stats["faults"]["cut"] == 3
        assert stats["statuses"]["206"] >= 3
        assert stats["bytes_served"] < 1.5 * ran.lines[0]["bytes"]
        assert len(images(skyhaul.folder / "x")) == 4


def test_an_interrupted_run_is_gone_on_with(warm, tmp_path):
    """By what the host says of its files' versions: the items tell neither digests nor ETags."""
    with simulated("--products", "12", "--scale", "0.05", "--no-oddities") as archive:
        skyhaul = Skyhaul(tmp_path, archive.environment, warm)
        url = archive.addresses["providers"]["earth-search"]["catalogue_url"]
        skyhaul.environment |= {"SKYHAUL_PROVIDERS__EARTH_SEARCH__CATALOGUE_URL": url}
        query = ("--provider", "earth-search", "--collection", "sentinel-2-l2a", "--limit", "1", "--only", "*_10m.jp2")
        words = ("download", *query, "--into", "x", "--json", "--no-order")
        archive.play(bytes_per_s_per_connection=1_500_000)
        with skyhaul.begun(*words) as process:
            until(lambda: archive.stats()["bytes_served"] > 9_000_000)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=TIMEOUT_S)
        assert process.returncode == 130, err
        assert images(skyhaul.folder / "x") == {}
        archive.play(bytes_per_s_per_connection=None)
        again = skyhaul(*words)
        assert again.code == 0, again.err
        assert archive.stats()["bytes_served"] < again.lines[0]["bytes"] - 4_000_000
        assert len(images(skyhaul.folder / "x")) == 7


def test_sizes_that_no_product_states_are_not_summed_up_as_nothing(skyhaul, command):
    for verb in ("search", "plan"):
        ran = skyhaul(*command(verb, "planetary-computer"))
        assert ran.code == 0, ran.err
        assert "unknown size" in ran.out + ran.err
        assert " 0 B" not in ran.out.partition("\ndisk")[0] + ran.err


def test_what_is_found_is_the_same_in_every_format(skyhaul, command):
    told = skyhaul(*command("search", "earth-search"), "--tile", "32TQR", "--format", "jsonl")
    assert told.code == 0, told.err
    products = [json.loads(line) for line in told.out.splitlines()]
    assert products
    assert all("_32TQR_" in product["name"] for product in products)
    again = skyhaul(*command("search", "planetary-computer"), "--tile", "32TQR", "--format", "names")
    assert len(again.out.split()) == len(products)


@pytest.mark.parametrize("name", OPEN)
def test_a_product_is_found_by_the_name_that_esa_gave_it(archive, skyhaul, command, name):
    told = skyhaul(*command("search", name), "--tile", "32TQR", "--format", "jsonl")
    items = {line["name"]: line["attributes"]["s2:product_uri"] for line in map(json.loads, told.out.splitlines())}
    assert len(items) > 1
    assert not set(items) & {given.removesuffix(".SAFE") for given in items.values()}
    item, given = next(iter(items.items()))
    search = ("search", "--provider", name, "--collection", "sentinel-2-l2a", "--format", "names")
    archive.play()
    for spelling in (given, given.removesuffix(".SAFE"), f"{given[:22]}*{given[26:44]}*", item):
        assert skyhaul(*search, "--name", spelling).out.split() == [item]
    assert archive.stats()["requests"]["stac.search"] < 20
    listed = skyhaul.folder / "names.txt"
    listed.write_text("".join(f"{each}\n" for each in items.values()))
    assert sorted(skyhaul(*search, "--name", f"@{listed}").out.split()) == sorted(items)
    ran = skyhaul("download", "--provider", name, "--from", listed, "--only", "*MTD_MSI*", "--into", "named")
    assert ran.code == 0, ran.err
    assert len(list((skyhaul.folder / "named").glob("**/MTD_MSI*"))) == len(items)


@pytest.mark.parametrize("name", OPEN)
def test_a_name_that_is_not_there_is_named(skyhaul, command, name):
    command("search", name)
    gone = "S2A_MSIL2A_20200101T101031_N0510_R022_T32TQR_20200101T141756.SAFE"
    ran = skyhaul("search", "--provider", name, "--name", gone)
    assert ran.code != 0
    assert gone in ran.err
