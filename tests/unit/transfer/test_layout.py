from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import PurePosixPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from skyhaul.errors import SettingsError, UnsafeName
from skyhaul.model import Product
from skyhaul.transfer import layout

S2 = Product(
    id="b0b1",
    name="S2A_MSIL2A_20240713T101031_N0510_R022_T32TQR_20240713T160000.SAFE",
    provider="cdse",
    collection="SENTINEL-2",
    product_type="S2MSI2A",
    start=datetime(2024, 7, 13, 10, 10, 31, tzinfo=UTC),
    attributes={"relativeOrbitNumber": 22, "orbitDirection": "DESCENDING"},
)

HOSTILE = {
    "absolute": "/etc/passwd",
    "up": "../x",
    "up inside": "a/../../x",
    "only up": "..",
    "here": "a/./b",
    "empty": "",
    "slash": "/",
    "double slash": "a//b",
    "trailing slash": "a/b/",
    "drive": "C:/Windows/x",
    "drive inside": "a/c:evil",
    "backslash": "..\\..\\x",
    "unc": "\\\\host\\share",
    "nul": "a\x00b",
    "newline": "a\nb",
    "escape": "\x1b[2Jx",
    "c1 control": "a\x9bb",
    "right to left": "scene\u202egpj.exe",
    "isolate": "a\u2066b",
    "lone surrogate": "a\ud800b",
    "long": "x" * 241,
    "long in bytes": "é" * 121,
}


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_name_is_refused(name):
    with pytest.raises(UnsafeName, match="which is refused"):
        layout.safe_path(name)


@pytest.mark.parametrize(
    "name",
    [
        "manifest.safe",
        "./manifest.safe",
        "annotation/calibration/calibration-s1a-iw-grd-vv-001.xml",
        "...x",
        "a b/ü#%.jp2",
        "x" * 240,
        "measurement/" + "x" * 200 + ".tiff",
    ],
)
def test_a_name_that_archives_use_is_kept(name):
    assert str(layout.safe_path(name)) == name.removeprefix("./")


@given(st.text(max_size=30))
@example("./../x")
@example("././x")
@example("./")
def test_whatever_a_file_is_called_it_stays_inside(name):
    try:
        path = layout.safe_path(name)
    except UnsafeName:
        return
    assert not path.is_absolute()
    assert path.parts
    assert ".." not in path.parts
    assert all(0 < len(part.encode()) <= layout.COMPONENT_BYTES_MAX for part in path.parts), "it can be written"


@pytest.mark.parametrize(
    ("paths", "clash"),
    [
        (["a/B.jp2", "a/b.jp2"], ("a/B.jp2", "a/b.jp2")),
        (["straße", "STRASSE"], ("straße", "STRASSE")),
        (["a", "b", "a"], ("a", "a")),
        (["a/b", "a"], ("a/b", "a")),
        (["a", "A/b/c"], ("a", "A/b/c")),
        (["a/x", "a/y", "b/x"], None),
        (["ab", "a/b"], None),
        ([], None),
    ],
)
def test_names_that_cannot_lie_side_by_side(paths, clash):
    assert layout.collisions(paths) == clash


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("{name}", S2.name),
        ("{collection}/{start:%Y/%m}/{name}", f"SENTINEL-2/2024/07/{S2.name}"),
        ("{tile}/{name}", f"32TQR/{S2.name}"),
        ("{platform}/{product_type}/{relative_orbit}/{orbit_direction}", f"S2A/S2MSI2A/22/DESCENDING/{S2.name}"),
        ("/flat/", f"flat/{S2.name}"),
        ("{id}", f"b0b1/{S2.name}"),
    ],
)
def test_a_layout_ends_in_the_products_own_name(template, path):
    assert str(layout.product_path(S2, template)) == path


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{nome}", "no field 'nome'"),
        ("{name.__class__}", "no field"),
        ("{name[0]}", "no field"),
        ("{}", "no field"),
        ("{name", "not a template"),
        ("{published:%Y}/{name}", "has no published"),
        ("{name:%Y}", "not a template"),
        ("{start:{secret}}", "not a template"),
        ("../{name}", "steps out of the destination"),
        ("a/../../{name}", "steps out of the destination"),
    ],
)
def test_a_layout_that_cannot_be_filled_says_why(template, reason):
    with pytest.raises(SettingsError, match=reason):
        layout.product_path(S2, template)


def test_a_layout_does_not_lead_to_another_drive():
    with pytest.raises(UnsafeName):
        layout.product_path(S2, "C:/{name}")


@pytest.mark.parametrize("name", ["../../etc/cron.d/x", "", "/", "x\\y", "a/../b"])
def test_a_hostile_product_name_is_refused(name):
    with pytest.raises(UnsafeName):
        layout.product_path(Product(id="1", name=name, provider="cdse"), "{name}")


@pytest.mark.parametrize("name", ["P.SAFE/GRANULE", "P.SAFE/GRANULE/L2A/MTD_TL.xml", "a/b/"])
def test_a_product_in_the_folder_of_another_is_refused(name):
    with pytest.raises(UnsafeName, match="it would lie in the folder of another product"):
        layout.product_path(Product(id="1", name=name, provider="stac"), "{name}")


NAMES = st.from_regex(r"[ax]{0,2}(/[ax])?/?", fullmatch=True)


@given(
    st.lists(st.builds(Product, id=NAMES, name=NAMES, collection=NAMES, provider=st.just("stac"))),
    st.sampled_from(["{name}", "x/{name}", "{id}", "{collection}", "{collection}/{id}", "{id}_{name}/{name}", "x"]),
)
def test_no_product_lies_in_the_folder_of_another(products, template):
    places = set()
    for each in products:
        with suppress(UnsafeName):
            places.add(layout.product_path(each, template))
    assert not [(place, other) for place in places for other in places if other in place.parents]


def test_values_of_the_archive_make_no_folders():
    hostile = Product(id="1", name="P.SAFE", provider="cdse", collection="../../x", attributes={"tileId": "a/b"})
    assert layout.product_path(hostile, "{tile}/{name}") == PurePosixPath("a_b/P.SAFE")
    assert layout.product_path(hostile, "{collection}/{name}") == PurePosixPath(".._.._x/P.SAFE")


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("{name}", "scenes/a.tif"),
        ("x/{name}", "x/scenes/a.tif"),
        ("x", "x/scenes/a.tif"),
        ("{id}_{name}", "1_a.tif/scenes/a.tif"),
    ],
)
def test_a_name_with_folders_keeps_them(template, path):
    assert str(layout.product_path(Product(id="1", name="scenes/a.tif", provider="list"), template)) == path
