from __future__ import annotations

from fnmatch import fnmatchcase

import pytest

from skyhaul import bands

L2A = [
    "MTD_MSIL2A.xml",
    "manifest.safe",
    "INSPIRE.xml",
    "GRANULE/L2A_T31UFS_A030107_20240101T104011/MTD_TL.xml",
    *(
        f"GRANULE/L2A_T31UFS_A030107_20240101T104011/IMG_DATA/R{metres}m/T31UFS_20240101T104011_{band}_{metres}m.jp2"
        for band, resolutions in {
            "B04": (10, 20, 60),
            "B08": (10,),
            "SCL": (20, 60),
            "B8A": (20, 60),
            "B01": (20, 60),
        }.items()
        for metres in resolutions
    ),
    "GRANULE/L2A_T31UFS_A030107_20240101T104011/QI_DATA/MSK_DETFOO_B04.jp2",
]
L1C = [
    "MTD_MSIL1C.xml",
    *(
        f"GRANULE/L1C_T31UFS_A030107_20240101T104011/IMG_DATA/T31UFS_20240101T104011_{band}.jp2"
        for band in ("B04", "B08", "B8A", "TCI")
    ),
    "GRANULE/L1C_T31UFS_A030107_20240101T104011/QI_DATA/MSK_QUALIT_B04.jp2",
]
GRD = [
    "manifest.safe",
    "measurement/s1a-iw-grd-vv-20240101t000000-20240101t000025-051234-062abc-001.tiff",
    "measurement/s1a-iw-grd-vh-20240101t000000-20240101t000025-051234-062abc-002.tiff",
    "annotation/s1a-iw-grd-vv-20240101t000000-20240101t000025-051234-062abc-001.xml",
    "annotation/calibration/noise-s1a-iw-grd-vv-20240101t000000-20240101t000025-051234-062abc-001.xml",
]


def chosen(paths, names, metres=None):
    globs = bands.globs([bands.band(name) for name in names], metres)
    return [path.rpartition("/")[2] for path in paths if any(fnmatchcase(path, glob) for glob in globs)]


def test_a_band_comes_at_its_finest_with_the_metadata():
    assert chosen(L2A, ["B04", "B08", "SCL"]) == [
        "MTD_MSIL2A.xml",
        "manifest.safe",
        "MTD_TL.xml",
        "T31UFS_20240101T104011_B04_10m.jp2",
        "T31UFS_20240101T104011_B08_10m.jp2",
        "T31UFS_20240101T104011_SCL_20m.jp2",
    ]


def test_a_resolution_chooses_among_the_copies_of_a_band():
    assert [name for name in chosen(L2A, ["b4", "scl"], 60) if name.endswith("jp2")] == [
        "T31UFS_20240101T104011_B04_60m.jp2",
        "T31UFS_20240101T104011_SCL_60m.jp2",
    ]


def test_a_resolution_alone_means_every_image_of_it():
    assert [name for name in chosen(L2A, [], 10) if name.endswith("jp2")] == [
        "T31UFS_20240101T104011_B04_10m.jp2",
        "T31UFS_20240101T104011_B08_10m.jp2",
    ]


def test_level_1c_has_each_band_once_and_its_masks_stay_out():
    assert chosen(L1C, ["B04", "B8A"]) == [
        "MTD_MSIL1C.xml",
        "T31UFS_20240101T104011_B04.jp2",
        "T31UFS_20240101T104011_B8A.jp2",
    ]


def test_a_polarisation_brings_its_annotations():
    assert [name.partition("-")[0] for name in chosen(GRD, ["VV"])] == ["manifest.safe", "s1a", "s1a", "noise"]
    assert all("-vh-" not in name for name in chosen(GRD, ["vv"]))


def test_olci_radiances():
    assert chosen(["Oa08_radiance.nc", "Oa09_radiance.nc", "xfdumanifest.xml"], ["oa8"]) == [
        "Oa08_radiance.nc",
        "xfdumanifest.xml",
    ]


def test_nothing_asked_for_is_everything():
    assert bands.globs([], None) == ()


@pytest.mark.parametrize("name", ["B13", "B00", "NIR", "", "Oa22", 4])
def test_no_bands(name):
    with pytest.raises(ValueError, match="is not a band"):
        bands.band(name)


@pytest.mark.parametrize(("written", "metres"), [(10, 10), ("20", 20), ("60m", 60)])
def test_resolutions(written, metres):
    assert bands.resolution(written) == metres


@pytest.mark.parametrize("written", [15, "5", "ten", "", True])
def test_no_resolutions(written):
    with pytest.raises(ValueError, match="10, 20 or 60"):
        bands.resolution(written)


def test_a_band_that_is_not_made_at_a_resolution_is_refused():
    with pytest.raises(ValueError, match="SCL is not made at 10 m but at 20 m and 60 m"):
        bands.check(["B04", "SCL"], 10)
    bands.check(["B04", "VV"], 10)
    bands.check(["SCL"], None)
