"""Parts of products, and where they are put."""

from __future__ import annotations

import zipfile

import pytest

from support.trees import products, published, wrong

ONE = ("--tile", "32TQR", "--product-type", "S2MSI2A", "--online", "--limit", "1")


def taken(skyhaul, *options: str, into: str = "archive") -> set[str]:
    """The files of the one product, by their paths inside it."""
    ran = skyhaul("download", *ONE, "--into", into, *options)
    assert ran.code == 0, ran.err
    (folder,) = products(skyhaul.folder / into)
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_bands_bring_their_images_and_what_they_need(archive, skyhaul):
    files = taken(skyhaul, "--bands", "B04,SCL", "--resolution", "20")
    images = {path.rsplit("/", 1)[1].split("_", 2)[2] for path in files if path.endswith(".jp2")}
    assert images == {"B04_20m.jp2", "SCL_20m.jp2"}
    assert {"manifest.safe", "MTD_MSIL2A.xml"} <= files
    assert len(files) < 10
    assert archive.asked("download.zip") == 0


def test_globs_choose_and_exclude(archive, skyhaul):
    files = taken(skyhaul, "--only", "*_B0[23]_10m.jp2", "--only", "MTD_TL.xml", "--exclude", "*_B03_*")
    names = sorted(path.rsplit("/", 1)[-1] for path in files)
    assert names == ["MTD_TL.xml", "T32TQR_20240402T101019_B02_10m.jp2", "manifest.safe"]


def test_parts_that_come_one_after_the_other_make_the_whole(archive, skyhaul):
    some = taken(skyhaul, "--bands", "B04")
    more = taken(skyhaul, "--bands", "B04,B08")
    assert some < more
    whole = taken(skyhaul, "--via", "s3")
    assert more < whole
    assert wrong(skyhaul.folder / "archive") == []
    archive.play()
    assert taken(skyhaul, "--bands", "B08") == whole
    assert archive.fetched == 0


def test_nothing_that_matches_is_a_failure_with_a_reason(archive, skyhaul):
    ran = skyhaul("download", *ONE, "--into", "archive", "--only", "*.tiff", "--json")
    assert ran.code == 1
    (line,) = ran.lines
    assert line["state"] == "failed"
    assert "*.tiff" in line["error"]


@pytest.mark.parametrize("via", ["http", "s3"])
def test_a_layout_puts_products_into_folders(archive, skyhaul, via):
    layout = "{platform}/{tile}/{start:%Y/%m}/R{relative_orbit}/{name}"
    ran = skyhaul("download", *ONE, "--into", "archive", "--via", via, "--layout", layout, "--json")
    assert ran.code == 0, ran.err
    (line,) = ran.lines
    parts = line["path"].split("/")
    assert parts[:6] == ["archive", "S2B", "32TQR", "2024", "04", "R22"]
    assert parts[-1] == line["name"]
    assert (skyhaul.folder / line["path"] / "manifest.safe").is_file()
    assert wrong(skyhaul.folder / "archive") == []


def test_a_product_that_a_layout_has_no_place_for_fails_alone(archive, skyhaul):
    radar = "S1A_IW_GRDH_1SDV_20240401T052345_20240401T052410_053236_067FA6_B56E.SAFE"
    optical = "S2B_MSIL1C_20240402T101019_N0510_R022_T32TPQ_20240402T140941.SAFE"
    taken = ("download", "--from", "-", "--into", "archive", "--layout", "{tile}/{name}", "--json")
    ran = skyhaul(*taken, stdin=f"{radar}\n{optical}\n")
    assert ran.code == 1
    told = {line["name"]: line for line in ran.lines}
    assert told[optical]["path"] == f"archive/32TPQ/{optical}"
    assert told[radar]["state"] == "failed"
    assert "has no tile" in told[radar]["error"]
    (figures,) = skyhaul("status", "archive", "--json").lines
    assert figures["products"] == {"failed": 1, "verified": 1}
    assert [failure["name"] for failure in figures["failures"]] == [radar]


@pytest.mark.parametrize("layout", ["../{name}", "{tile}/../../{name}"])
def test_a_layout_that_leaves_the_destination_is_refused_before_anything_is_asked(archive, skyhaul, layout):
    ran = skyhaul("download", *ONE, "--into", "archive", "--layout", layout)
    assert ran.code == 2
    assert ran.complaint.startswith(f"--layout {layout!r} is not a template")
    assert archive.asked("") == 0
    assert sorted(path.name for path in skyhaul.folder.iterdir()) == ["home"]


def test_zips_are_kept_as_they_are_or_beside_what_is_in_them(archive, skyhaul):
    ran = skyhaul("download", *ONE, "--into", "zips", "--via", "http", "--no-extract", "--json")
    assert ran.code == 0
    (line,) = ran.lines
    assert list(published(skyhaul.folder / "zips")) == [line["name"] + ".zip"]
    assert line["path"] == f"zips/{line['name']}.zip"
    assert skyhaul("download", *ONE, "--into", "both", "--via", "http", "--keep-archive").code == 0
    assert (skyhaul.folder / "both" / f"{line['name']}.zip").read_bytes() == (
        skyhaul.folder / line["path"]
    ).read_bytes()
    with zipfile.ZipFile(skyhaul.folder / line["path"]) as kept:
        inside = {f"{name}": kept.read(name) for name in kept.namelist() if not name.endswith("/")}
    both = published(skyhaul.folder / "both")
    both.pop(line["name"] + ".zip")
    assert both == inside
    archive.play()
    assert skyhaul("download", *ONE, "--into", "zips", "--via", "http", "--no-extract").code == 0
    assert archive.fetched == 0


def test_a_command_is_run_for_each_product(archive, skyhaul):
    command = "cp {path}/manifest.safe {name}.xml"
    ran = skyhaul("download", *ONE, "--into", "archive", "--on-product", command)
    assert ran.code == 0
    (folder,) = products(skyhaul.folder / "archive")
    assert (skyhaul.folder / f"{folder.name}.xml").read_bytes() == (folder / "manifest.safe").read_bytes()
