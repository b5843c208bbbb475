from __future__ import annotations

import hashlib
import io
import os
import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from skyhaul.simulate.population import populate
from skyhaul.simulate.slots import sentinel1, sentinel2
from skyhaul.simulate.tree import Forest
from skyhaul.simulate.world import WorldSettings

SHARED = Path(os.environ.get("SKYHAUL_SHARED_DATA", Path(__file__).parents[4] / "shared" / "data"))
MANIFESTS = SHARED / "safe" / "manifests"
SETTINGS = WorldSettings(products=400, scale=0.002)
STAMP = r"\d{8}T\d{6}"

GRANULE = re.compile(rf"(L1C|L2A)_T\d{{2}}[A-Z]{{3}}_A(\d{{6}})_({STAMP})")
DATASTRIP = re.compile(rf"DS_([A-Z0-9_]{{4}})_({STAMP})_S({STAMP})")
IMAGE = re.compile(
    rf"(?:L2A_)?T(\d{{2}}[A-Z]{{3}})_({STAMP})_(B\d\d|B8A|AOT|WVP|SCL|TCI|CLD|SNW|PVI|DDV)(?:_(10|20|60)m)?\.jp2"
)
MASK = re.compile(r"MSK_(CLASSI|DETFOO|QUALIT)_B(\d\d|8A)\.jp2|MSK_(CLDPRB|SNWPRB)_(20|60)m\.jp2")
RADAR = re.compile(
    r"(?:(calibration|noise|rfi)-)?(s1[a-d])-(s[1-6]|iw[1-3]?|ew[1-5]?|wv[12]|en|n[1-6])-(slc|grd|ocn)-(hh|hv|vv|vh)"
    r"-(\d{8}t\d{6})-(\d{8}t\d{6})-(\d{6})-([0-9a-f]{6})-(\d{3})(-cog)?\.(xml|tiff)"
)
STORED = {
    "S2MSI2A": 87,
    "S2MSI1C": 60,
    "IW_GRDH_1S": 25,
    "IW_GRDH_1S-COG": 25,
    "IW_SLC__1S": 45,
    "OL_1_EFR___": 52,
    "L2__NO2___": 1,
    "AUX_POEORB": 1,
    "AUX_INS": 1,
}
LISTED = {"S2MSI2A": 86, "S2MSI1C": 59, "IW_GRDH_1S": 13, "IW_GRDH_1S-COG": 13, "IW_SLC__1S": 33, "OL_1_EFR___": 50}


@pytest.fixture(scope="module")
def rows():
    return populate(SETTINGS)[0]


@pytest.fixture(scope="module")
def forest():
    return Forest(SETTINGS)


@pytest.fixture(params=STORED)
def take(rows, request):
    return next(take for take in rows if take.series.mission.product_type == request.param)


def body(content):
    return content.read(0, content.size)


def entries(manifest):
    root = ET.fromstring(body(manifest))
    for listed in root.iter("dataObject"):
        stream = listed.find("byteStream")
        location, checksum = stream.find("fileLocation"), stream.find("checksum")
        yield location.get("href"), int(stream.get("size")), checksum.get("checksumName"), checksum.text


def manifest_of(files):
    return next(file for file in files if file.path in {"manifest.safe", "xfdumanifest.xml"})


def test_a_product_has_as_many_files_as_real_ones(forest, take):
    paths = [file.path for file in forest.files(take)]
    assert len(paths) == len(set(paths)) == STORED[take.series.mission.product_type]
    assert paths == sorted(paths)


def test_the_manifest_tells_the_truth_about_every_file_it_lists(forest, take):
    product_type = take.series.mission.product_type
    if product_type not in LISTED:
        assert take.series.mission.single
        return
    files = {f"./{file.path}": file for file in forest.files(take)}
    listed = list(entries(manifest_of(files.values())))
    assert len(listed) == LISTED[product_type]
    algorithm = "SHA3-256" if product_type.startswith("S2") else "MD5"
    for href, size, name, digest in listed:
        file = files[href]
        assert (file.size, file.digest_name, file.digest) == (size, name, digest)
        assert name == algorithm
        assert hashlib.new(name.replace("-", "_").lower(), body(file)).hexdigest() == digest.lower()


def test_letter_case_of_digests_is_mixed_in_sentinel_2_manifests(forest, rows):
    take = next(take for take in rows if take.series.mission.product_type == "S2MSI2A")
    digests = [digest for *_, digest in entries(manifest_of(forest.files(take)))]
    assert any(digest.isupper() for digest in digests)
    assert any(digest.islower() for digest in digests)


def test_md5_of_every_file_is_that_of_its_bytes(forest, take):
    for file in forest.files(take):
        assert file.md5 == hashlib.md5(body(file)).hexdigest()


def test_text_files_are_well_formed(forest, take):
    for file in forest.files(take):
        if file.path.endswith((".xml", ".safe", ".xsd", ".xsl", ".html", ".kml", ".EOF")):
            ET.fromstring(body(file))


def test_binary_files_begin_as_their_kind_does(forest, take):
    magic = {".jp2": b"\0\0\0\x0cjP", ".tiff": b"II*\0", ".nc": b"\x89HDF", ".png": b"\x89PNG", ".zip": b"PK\x03\x04"}
    for file in forest.files(take):
        assert body(file).startswith(magic.get(Path(file.path).suffix, b""))


def test_what_value_serves_is_the_whole_tree(forest, take):
    files = forest.files(take)
    content = forest.content(take, files)
    assert content.size == forest.content_length(take)
    if take.series.mission.single:
        assert content is files[0].content
        return
    archive = zipfile.ZipFile(io.BytesIO(body(content)))
    assert archive.testzip() is None
    name = take.series.mission.name(take)
    inside = {info.filename.removeprefix(f"{name}/"): info for info in archive.infolist()}
    assert {path for path, info in inside.items() if not info.is_dir()} == {file.path for file in files}
    assert all(info.filename.startswith(f"{name}/") for info in archive.infolist())


def test_packed_auxiliary_data_is_a_zip_of_its_folder(forest, rows):
    take = next(take for take in rows if take.series.mission.product_type == "AUX_INS")
    name = take.series.mission.name(take)
    (file,) = forest.files(take)
    assert file.path == f"{name}.zip"
    archive = zipfile.ZipFile(io.BytesIO(body(file)))
    assert archive.testzip() is None
    assert f"{name}/manifest.safe" in archive.namelist()


def test_the_length_is_known_of_every_product_without_its_bytes(forest, rows):
    for take in rows:
        assert forest.content_length(take) == forest.content(take, forest.files(take)).size


def test_sentinel_2_names_follow_the_pattern(forest, rows):
    for level in ("S2MSI1C", "S2MSI2A"):
        take = next(take for take in rows if take.series.mission.product_type == level)
        for file in forest.files(take):
            parts = file.path.split("/")
            if parts[0] == "GRANULE":
                assert GRANULE.fullmatch(parts[1])
            if parts[0] == "DATASTRIP":
                assert DATASTRIP.fullmatch(parts[1])
            if file.path.endswith(".jp2"):
                assert IMAGE.fullmatch(parts[-1]) or MASK.fullmatch(parts[-1])


def test_sentinel_1_names_follow_the_pattern(forest, rows):
    for product_type in ("IW_GRDH_1S", "IW_GRDH_1S-COG", "IW_SLC__1S"):
        take = next(take for take in rows if take.series.mission.product_type == product_type)
        found = [file.path for file in forest.files(take) if file.path.startswith(("annotation/", "measurement/"))]
        assert len(found) == LISTED[product_type] - 3
        assert all(RADAR.fullmatch(path.rpartition("/")[2]) for path in found)


@pytest.mark.parametrize("wanted", [2_000_000, 40_000_000, 1_000_000_000])
def test_a_tree_can_be_had_in_a_given_size(rows, wanted):
    forest = Forest(WorldSettings(object_bytes=wanted))
    sizes = {
        sum(size for _, _, size in forest._planned(take, take.series.mission.name(take)))
        for take in rows
        if take.series.mission.product_type == "S2MSI2A"
    }
    assert len(sizes) == 1
    assert sizes.pop() == pytest.approx(wanted, rel=0.05)


def test_a_tile_half_seen_makes_a_smaller_product(forest, rows):
    tiles = [take for take in rows if take.series.mission.product_type == "S2MSI2A"]
    least, most = (choose(tiles, key=lambda take: take.series.coverage) for choose in (min, max))
    assert forest.content_length(least) < forest.content_length(most)


@pytest.mark.skipif(not MANIFESTS.is_dir(), reason="no recordings here: set SKYHAUL_SHARED_DATA")
@pytest.mark.parametrize(
    ("name", "slots", "values"),
    [
        (
            "S2A_MSIL2A_20221206T105431_N0509_R051_T31UFS_20221206T135452.manifest.safe",
            sentinel2("2A"),
            {
                "datastrip": "DS_2APS_20221206T135452_S20221206T105430",
                "granule": "L2A_T31UFS_A038944_20221206T105430",
                "image": "T31UFS_20221206T105431",
            },
        ),
        (
            "S2A_MSIL1C_20221206T105431_N0509_R051_T31UFS_20221206T125331.manifest.safe",
            sentinel2("1C"),
            {
                "datastrip": "DS_2APS_20221206T125331_S20221206T105430",
                "granule": "L1C_T31UFS_A038944_20221206T105430",
                "image": "T31UFS_20221206T105431",
            },
        ),
        (
            "cdsetool_s1.manifest.safe",
            sentinel1("IW_GRDH_1S"),
            {"prefix": "s1a", "span": "20241217t061735-20241217t061800-057028-07020f"},
        ),
    ],
    ids=["L2A", "L1C", "GRD"],
)
def test_slots_are_those_of_recorded_manifests(name, slots, values):
    root = ET.parse(MANIFESTS / name).getroot()
    recorded = {
        (
            listed.get("ID"),
            listed.find("byteStream/fileLocation").get("href").removeprefix("./"),
            listed.find("byteStream").get("mimeType"),
        )
        for listed in root.iter("dataObject")
    }
    plain = {key: value.replace("-", "") for key, value in values.items()}
    ours = {(slot.ident.format(**plain), slot.path.format(**values), slot.mime) for slot in slots if slot.ident}
    assert ours == recorded
