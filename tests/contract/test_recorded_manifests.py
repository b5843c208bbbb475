"""Every recorded manifest parses, or is refused for the reason stated here."""

from __future__ import annotations

import hashlib
import re

import pytest

from skyhaul.errors import IntegrityError
from skyhaul.model import RemoteObject
from skyhaul.protocols import Wish
from skyhaul.transfer import checksum as digests
from skyhaul.transfer import manifest
from skyhaul.transfer.layout import collisions, safe_path
from support.recorded import recorded

PATHS = [path for path in recorded("safe/**/*") if path.is_file() and "manifest" in path.name.lower()]
REFUSED = {"sentinelsat_s1_not_well_formed.manifest.safe": "not well-formed XML"}
GOOD = [path for path in PATHS if path.name not in REFUSED]
TREES = [path for path in PATHS if (path.parent / "_tree.tsv").is_file()]


def named(path):
    return path.parent.name if path.name in manifest.NAMES else path.name


@pytest.mark.parametrize("path", GOOD, ids=named)
def test_a_recorded_manifest_lists_files_that_can_be_verified_and_put_on_disk(path):
    body = path.read_bytes()
    listed = manifest.parse(body)
    assert len(listed) == body.count(b"<byteStream")
    for entry in listed:
        assert entry.checksum.algorithm in digests.NEW
        assert len(entry.checksum.value) == 2 * digests.NEW[entry.checksum.algorithm]().digest_size
        assert re.fullmatch("[0-9a-f]+", entry.checksum.value)
        inside = safe_path(entry.path)
        assert not inside.is_absolute()
        assert ".." not in inside.parts
    assert collisions(entry.path for entry in listed) is None


@pytest.mark.parametrize("path", [path for path in PATHS if path.name in REFUSED], ids=named)
def test_a_manifest_that_is_not_xml_is_refused(path):
    with pytest.raises(IntegrityError, match=REFUSED[path.name]):
        manifest.parse(path.read_bytes())


@pytest.mark.parametrize("path", [path for path in PATHS if "_N0208_" in path.name and "L2A" in path.name], ids=named)
def test_paths_of_the_processing_host_come_back_inside(path):
    body = path.read_bytes()
    hrefs = re.findall(rb'href="([^"]+)"', body)
    assert sum(href.startswith(b"/dpc/app/") for href in hrefs) == 119  # safe-products, trap 2
    listed = manifest.parse(body)
    assert {entry.path.partition("/")[0] for entry in listed} == {
        "GRANULE", "DATASTRIP", "HTML", "INSPIRE.xml", "MTD_MSIL2A.xml",
    }  # fmt: skip
    granules = {entry.path.split("/")[1] for entry in listed if entry.path.startswith("GRANULE/")}
    assert all(re.fullmatch(r"L2A_T31UFS_A\d{6}_\d{8}T\d{6}", granule) for granule in granules)


@pytest.mark.parametrize("path", PATHS, ids=named)
@pytest.mark.parametrize("part", [0.3, 0.9])
def test_a_manifest_that_was_cut_short_is_refused(path, part):
    body = path.read_bytes()
    with pytest.raises(IntegrityError, match="not well-formed"):
        manifest.parse(body[: int(len(body) * part)])


@pytest.mark.parametrize("path", TREES, ids=named)
def test_the_files_of_a_recorded_tree_are_what_its_manifest_says(path):
    """All that were recorded match, but for the metadata of N0212, about which its manifest is wrong (reprocessed in 2020)."""
    listed = {entry.path: entry.checksum for entry in manifest.parse(path.read_bytes())}
    states = dict(line.split("\t")[::4] for line in (path.parent / "_tree.tsv").read_text().splitlines()[1:])
    assert listed.keys() == states.keys()
    for name, checksum in listed.items():
        file = path.parent / name
        if not file.is_file():
            continue
        body = file.read_bytes()
        found = hashlib.new(checksum.algorithm.lower().replace("sha3-256", "sha3_256"), body).hexdigest()
        assert (found == checksum.value) is (states[name] == "present, checksum matches"), name


@pytest.mark.parametrize("path", TREES, ids=named)
def test_files_that_a_tree_lacks_are_noticed(path):
    body = path.read_bytes()
    there = [
        RemoteObject(route="s3", location=f"https://eodata/{entry.path}", path=entry.path)
        for entry in manifest.parse(body)
    ]
    assert all(obj.checksums for obj in manifest.with_manifest(there, body, Wish()))
    with pytest.raises(IntegrityError, match=rf"the first is {re.escape(there[-1].path)}"):
        manifest.with_manifest(there[:-1], body, Wish())
