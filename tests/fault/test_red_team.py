"""Names and archives made to do harm, by every way that a server's words take to the disk: nothing lies outside, nothing is published."""

from __future__ import annotations

import io
import json
import random
import stat
import struct
import tarfile
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from msgspec.structs import replace

from skyhaul.catalogue.stac import parse_items
from skyhaul.errors import UnsafeName
from skyhaul.model import Product
from skyhaul.transfer import ahead
from skyhaul.transfer.layout import safe_path
from support.assemblies import Archive, assemble, manifest_of, noise, tree_of, with_manifest, zipped

pytestmark = pytest.mark.anyio

NAME = "S2A_MSIL2A_20240713T101031_N0510_R022_T32TQR_20240713T160000.SAFE"
GOOD = {"MTD.xml": b"<MTD/>", "GRANULE/B04.jp2": random.Random(4).randbytes(900)}

LEAVING = {
    "up": "../escaped",
    "up and up": "../../../../escaped",
    "up from inside": "GRANULE/../../escaped",
    "up behind a dot": "./../escaped",
    "up at the end": "GRANULE/..",
    "absolute": "/etc/escaped",
    "twice absolute": "//server/share/escaped",
    "nothing between": "GRANULE//escaped",
    "a dot between": "GRANULE/./escaped",
    "backslashes": "..\\..\\escaped",
    "UNC": "\\\\server\\share\\escaped",
    "drive": "C:\\escaped",
    "drive with a slash": "C:/escaped",
    "drive without one": "c:escaped",
    "drive inside": "GRANULE/z:escaped",
}
UNSEEN = {
    "newline": "GRANULE/a\nb",
    "carriage return": "a\rb",
    "escape": "\x1b[2J\x1b]0;owned\x07.jp2",
    "bell": "a\x07",
    "delete": "a\x7f",
    "C1": "a\x9b2Jb",
    "right-to-left override": "a\u202egpj.exe",
    "left-to-right isolate": "a\u2066b",
    "right-to-left mark": "a\u200fb",
    "Arabic letter mark": "a\u061cb",
    "zero width space": "B04\u200b.jp2",
    "zero width joiner": "B04\u200d.jp2",
    "byte order mark": "\ufeffmanifest.safe",
    "soft hyphen": "B\u00ad04.jp2",
    "line separator": "a\u2028b",
    "tag characters": "B04\U000e0041.jp2",
    "word joiner": "B04\u2060.jp2",
    "combining grapheme joiner": "B04\u034f.jp2",
    "variation selector": "B04\ufe0f.jp2",
    "variation selector, supplementary": "B04\U000e0100.jp2",
    "Hangul filler": "\u3164",
    "Hangul filler, half width": "B04\uffa0.jp2",
    "Hangul choseong filler": "GRANULE/\u115f/B04.jp2",
    "Mongolian vowel separator": "B04\u180e.jp2",
    "blank in Braille": "B04\u2800.jp2",
}
RESERVED = {
    "con": "CON",
    "con in small letters": "GRANULE/con",
    "aux with an extension": "aux.xml",
    "aux with two": "AUX.tar.gz",
    "prn as a folder": "prn/B04.jp2",
    "nul with a space": "nul .txt",
    "com port": "COM1.jp2",
    "com port, superscript": "com\u00b9",
    "printer port": "LPT9",
    "console": "CONIN$",
    "trailing dot": "GRANULE/B04.jp2.",
    "trailing space": "B04.jp2 ",
    "dots": "GRANULE/.../B04.jp2",
    "a space": " /B04.jp2",
    "trailing space that does not break": "B04.jp2\u00a0",
    "a wide space": "\u3000/B04.jp2",
    "device behind a folder": "GRANULE/LPT\u00b3.jp2",
}
ENDLESS = {
    "component": "x" * 241,
    "component in bytes": "\u00e9" * 121,
    "component in wide characters": "\u6f22" * 81,
    "component beyond the basic plane": "\U0001f6f0" * 61,
    "path": "/".join(["x" * 200] * 6),
    "depth": "/".join(["x"] * 500),
}
HOSTILE = {**LEAVING, **UNSEEN, **RESERVED, **ENDLESS}
PLAIN = (
    "AUX_DATA/ECMWF",
    "auxiliary.xml",
    "conf",
    "nullable",
    "COM10.jp2",
    "com.xml",
    "CONTENT",
    "T32TQR.jp2.aux.xml",
    ".hidden",
)
"""What looks like some of it, and is what products hold."""

CLASHES = {
    "capitals": ("GRANULE/B04.jp2", "granule/b04.JP2"),
    "capitals of folders": ("GRANULE/B04.jp2", "Granule/B08.jp2/x", "granule/b08.jp2"),
    "sharp s": ("stra\u00dfe", "STRASSE"),
    "accent beside its letter": ("caf\u00e9.xml", "cafe\u0301.xml"),
    "accent and capital": ("CAF\u00c9.xml", "cafe\u0301.xml"),
    "Kelvin": ("k.xml", "\u212a.xml"),
    "Angstrom": ("\u00e5.xml", "\u212b.xml"),
    "a file where a folder is": ("GRANULE/B04.jp2", "GRANULE"),
    "a folder where a file is": ("GRANULE", "granule/B04.jp2"),
}
hostile = pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)


@pytest.fixture
def destination(tmp_path):
    """A folder well inside another, which has nothing else in it before or after."""
    folder = tmp_path / "deep/er/archive"
    folder.mkdir(parents=True)
    yield folder
    outside = [path for path in tmp_path.rglob("*") if path != folder and folder not in path.parents]
    assert sorted(str(path.relative_to(tmp_path)) for path in outside) == ["deep", "deep/er"]
    assert not [path for path in folder.rglob("*") if path.is_symlink()]


async def refused(destination: Path, archive: Archive, product: Product, kind: str) -> str:
    """Why a product is refused, of which nothing is then to be seen."""
    done = await assemble(destination, archive, product)
    (result,) = done.results.values()
    assert (result.state, result.kind) == ("failed", kind), result.error
    assert tree_of(destination) == {}
    assert result.error is not None
    assert len(result.error) < 1500
    return result.error


@hostile
def test_a_hostile_name_is_no_path(name):
    with pytest.raises(UnsafeName, match="which is refused"):
        safe_path(name)


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_name_is_one(name):
    assert str(safe_path(name)) == name


@hostile
async def test_in_the_keys_of_a_bucket(destination, name):
    archive = Archive(route="s3")
    product = archive.tree(files={**GOOD, name: b"evil"})
    await refused(destination, archive, product, "UnsafeName")


@pytest.mark.parametrize("vouched", [True, False], ids=["vouched", "unvouched"])
@hostile
async def test_in_a_zip(destination, name, vouched):
    archive = Archive()
    product = archive.tree(archive=zipped({**GOOD, name: b"evil"}, NAME), **({} if vouched else {"checksums": ()}))
    await refused(destination, archive, product, "UnsafeName")


@hostile
async def test_as_the_only_name_in_a_zip(destination, name):
    archive = Archive()
    product = archive.tree(archive=zipped({name: b"evil"}, ""))
    await refused(destination, archive, product, "UnsafeName")


@hostile
async def test_as_the_name_of_a_product(destination, name):
    archive = Archive()
    product = replace(archive.tree(files=GOOD), name=name)
    await refused(destination, archive, product, "UnsafeName")


@pytest.mark.parametrize("name", ["GRANULE/escaped", "a/b/escaped"])
async def test_a_product_does_not_lie_in_the_folder_of_another(destination, name):
    archive = Archive()
    await refused(destination, archive, replace(archive.tree(files=GOOD), name=name), "UnsafeName")


@pytest.mark.parametrize("name", ["GRANULE/escaped", "a/b/escaped"])
async def test_folders_in_the_name_of_a_listed_file_lie_in_the_destination(destination, name):
    archive = Archive()
    done = await assemble(destination, archive, replace(archive.tree(files=GOOD), name=name, provider="list"))
    assert set(done.states.values()) == {"verified"}
    assert tree_of(destination) == {f"{name}/{path}": body for path, body in GOOD.items()}


@pytest.mark.parametrize("name", [".skyhaul", ".SkyHaul", ".skyhaul/journal.db/x", ".SKYHAUL/incoming"])
async def test_a_product_does_not_take_the_journals_place(destination, name):
    archive = Archive()
    await refused(destination, archive, replace(archive.tree(files=GOOD), name=name), "UnsafeName")
    assert (destination / ".skyhaul/journal.db").is_file()


@pytest.mark.parametrize("id_", [*LEAVING.values(), "", ".", "..", "x" * 5000, "a\0b", "\u202e"])
@pytest.mark.parametrize("route", ["http", "s3"])
async def test_as_the_id_of_a_product(destination, id_, route):
    archive = Archive(route=route)
    product = archive.tree(files=GOOD)
    served = archive.sources["http"].bodies
    served[f"https://download/odata/v1/Products({id_})/$value"] = served.pop(
        "https://download/odata/v1/Products(1)/$value"
    )
    done = await assemble(destination, archive, replace(product, id=id_))
    assert set(done.states.values()) == {"verified"}
    assert tree_of(destination) == {f"{NAME}/{path}": body for path, body in GOOD.items()}


@hostile
async def test_in_a_manifest(destination, name):
    if set(name) & set("\x1b\x07\n\r\u2028"):
        name = name.translate(dict.fromkeys(map(ord, "\x1b\x07\n\r\u2028"), "\x7f"))  # XML has no such characters
    archive = Archive(route="s3")
    files = {"manifest.safe": manifest_of({**GOOD, name: b"evil"}), **GOOD}
    await refused(destination, archive, archive.tree(files=files), "IntegrityError")


@hostile
async def test_in_the_manifest_of_a_zip_that_nothing_else_vouches_for(destination, name):
    if set(name) & set("\x1b\x07\n\r\u2028"):
        name = name.translate(dict.fromkeys(map(ord, "\x1b\x07\n\r\u2028"), "\x7f"))
    (destination.parent / "escaped").write_bytes(b"evil")  # to be found by who follows such a path
    archive = Archive()
    files = {"manifest.safe": manifest_of({**GOOD, name: b"evil"}), **GOOD}
    product = archive.tree(archive=zipped(files, NAME), checksums=())
    done = await assemble(destination, archive, product)
    (destination.parent / "escaped").unlink()
    assert set(done.states.values()) == {"failed"}
    assert tree_of(destination) == {}


@pytest.mark.parametrize(
    ("field", "asset"), [("file:local_path", "Product"), ("href", "Product"), ("href", "../escaped")]
)
@hostile
async def test_in_an_item_of_a_stac_catalogue(destination, name, field, asset):
    """Whatever the catalogue says, the name that comes of it is one component, or it is refused."""
    item = {
        "type": "Feature",
        "id": name,
        "collection": name,
        "properties": {"grid:code": name},
        "assets": {asset: {"href": "https://download/x", field: f"s3://eodata/{name}" if field == "href" else name}},
    }
    (product,) = parse_items(json.dumps(item).encode(), provider="stac").products
    archive = Archive()
    served = archive.tree(files=GOOD)
    archive.sources["http"].bodies[f"https://download/odata/v1/Products({product.id})/$value"] = zipped(GOOD, NAME)
    done = await assemble(destination, archive, replace(product, s3_path=served.s3_path, checksums=served.checksums))
    (result,) = done.results.values()
    if result.state == "failed":
        assert result.kind == "UnsafeName"
        assert tree_of(destination) == {}
    else:
        assert {str(safe_path(Path(path).parts[0])) for path in tree_of(destination)} == {result.path}


@pytest.mark.parametrize("names", CLASHES.values(), ids=CLASHES)
@pytest.mark.parametrize("route", ["http", "s3"])
async def test_names_that_are_one_on_some_disks(destination, names, route):
    archive = Archive(route=route)
    product = archive.tree(files=dict.fromkeys(names, b"x"))
    error = await refused(destination, archive, product, "UnsafeName")
    assert "cannot lie side by side on every disk" in error


def member(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    info.create_system = 3
    return info


def with_member(info: zipfile.ZipInfo, body: bytes) -> bytes:
    memory = BytesIO(zipped(GOOD, NAME))
    with zipfile.ZipFile(memory, "a") as archive:
        archive.writestr(info, body)
    return memory.getvalue()


SPECIAL = {
    "symlink": stat.S_IFLNK | 0o777,
    "pipe": stat.S_IFIFO | 0o644,
    "device": stat.S_IFCHR | 0o644,
    "disk": stat.S_IFBLK | 0o644,
    "socket": stat.S_IFSOCK | 0o644,
    "folder that is a file": stat.S_IFDIR | 0o755,
}


@pytest.mark.parametrize("mode", SPECIAL.values(), ids=SPECIAL)
@pytest.mark.parametrize("vouched", [True, False], ids=["vouched", "unvouched"])
async def test_what_is_no_file(destination, mode, vouched):
    archive = Archive()
    body = with_member(member(f"{NAME}/GRANULE/link", mode), b"../../../escaped")
    await refused(
        destination, archive, archive.tree(archive=body, **({} if vouched else {"checksums": ()})), "UnsafeName"
    )


async def test_a_link_and_a_file_behind_it(destination):
    archive = Archive()
    memory = BytesIO(with_member(member(f"{NAME}/link", stat.S_IFLNK | 0o777), b"../../.."))
    with zipfile.ZipFile(memory, "a") as made:
        made.writestr(f"{NAME}/link/escaped", b"evil")
    await refused(destination, archive, archive.tree(archive=memory.getvalue()), "UnsafeName")


async def test_a_tar_is_not_opened(destination):
    """Links, hard ones too, devices and names that climb: all of it stays inside the file that came."""
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w") as made:
        for name, kind, target in (
            ("../../escaped", tarfile.REGTYPE, ""),
            ("link", tarfile.SYMTYPE, "../../.."),
            ("hard", tarfile.LNKTYPE, "/etc/passwd"),
            ("null", tarfile.CHRTYPE, ""),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            made.addfile(info)
    archive = Archive()
    product = archive.single(name="S5P_L2__NO2.tar", body=memory.getvalue())
    done = await assemble(destination, archive, product)
    assert set(done.states.values()) == {"verified"}
    assert tree_of(destination) == {"S5P_L2__NO2.tar": memory.getvalue()}


# bombs


def bomb() -> bytes:
    memory = BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{NAME}/zeros", bytes(60_000_000))
    return memory.getvalue()


def lying(real: int, declared: int) -> bytes:
    """A member that says it is of another size than it is."""
    memory = BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{NAME}/zeros", bytes(real))
    body = bytearray(memory.getvalue())
    central = body.index(b"PK\x01\x02")
    for at in (22, central + 24):
        struct.pack_into("<I", body, at, declared)
    return bytes(body)


def two_sizes() -> bytes:
    """A stored member that says it is larger outside of the archive than in it: it would be filled from its neighbours."""
    body = bytearray(zipped({"a": b"x" * 10, "b": b"y" * 1000}, NAME))
    central = body.index(b"PK\x01\x02")
    struct.pack_into("<I", body, central + 24, 500)
    return bytes(body)


def overlapping(members: int) -> bytes:
    """Members that lie inside each other: all of them end in the same bytes."""
    kernel = random.Random(1).randbytes(20_000)
    records, central, offset = b"", b"", 0
    for number in range(members):
        name = f"{NAME}/{number:04}".encode()
        behind = (30 + len(name)) * (members - 1 - number) + len(kernel)
        fields = (20, 0, 0, 0, 0, 0, behind, behind, len(name), 0)
        records += struct.pack("<4s5H3L2H", b"PK\x03\x04", *fields) + name
        central += struct.pack("<4s6H3L5H2L", b"PK\x01\x02", 20, *fields, 0, 0, 0, 0, offset) + name
        offset = len(records)
    records += kernel
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, members, members, len(central), len(records), 0)
    return records + central + end


def one_for_all(members: int) -> bytes:
    """Members whose entries all point at the same bytes."""
    name, body = f"{NAME}/0000".encode(), random.Random(2).randbytes(20_000)
    fields = (20, 0, 0, 0, 0, 0, len(body), len(body), len(name), 0)
    record = struct.pack("<4s5H3L2H", b"PK\x03\x04", *fields) + name + body
    central = b"".join(
        struct.pack("<4s6H3L5H2L", b"PK\x01\x02", 20, *fields, 0, 0, 0, 0, 0) + f"{NAME}/{number:04}".encode()
        for number in range(members)
    )
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, members, members, len(central), len(record), 0)
    return record + central + end


BOMBS = {
    "flat": bomb(),
    "larger than it says": lying(5_000_000, 100),
    "smaller than it says": lying(100, 1 << 31),
    "two sizes": two_sizes(),
    "inside each other": overlapping(100),
    "the same bytes a hundred times": one_for_all(100),
}


@pytest.mark.parametrize("body", BOMBS.values(), ids=BOMBS)
@pytest.mark.parametrize("vouched", [True, False], ids=["vouched", "unvouched"])
async def test_a_bomb_does_not_go_off(destination, body, vouched):
    archive = Archive()
    product = archive.tree(archive=body, **({} if vouched else {"checksums": ()}))
    await refused(destination, archive, product, "IntegrityError")
    there = sum(path.stat().st_size for path in destination.rglob("*") if path.is_file())
    assert there < 3 * len(body) + 100_000, "no more than what came, once more what was taken out of it, and a journal"


async def test_a_zip_in_a_zip_stays_one(destination):
    inner = bomb()
    archive = Archive()
    product = archive.tree(archive=zipped({**GOOD, "AUX_DATA/inner.zip": inner}, NAME))
    done = await assemble(destination, archive, product)
    assert set(done.states.values()) == {"verified"}
    assert tree_of(destination)[f"{NAME}/AUX_DATA/inner.zip"] == inner


@pytest.mark.parametrize("vouched", [True, False], ids=["vouched", "unvouched"])
async def test_files_without_number(destination, monkeypatch, vouched):
    for module in ("ahead", "unpack"):
        monkeypatch.setattr(f"skyhaul.transfer.{module}.MEMBERS_MAX", 50)
    archive = Archive()
    files = {f"{number}": b"" for number in range(60)}
    product = archive.tree(archive=zipped(files, NAME), **({} if vouched else {"checksums": ()}))
    await refused(destination, archive, product, "IntegrityError")
    assert len(list(destination.rglob("tree/*"))) <= ahead.MEMBERS_MAX


@pytest.mark.parametrize(
    "body",
    [
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><x>&b;</x>',
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>',
        b"<a>" * 100_000,
    ],
    ids=["entities", "entity of a file", "depth"],
)
async def test_a_manifest_that_is_a_bomb_itself(destination, body):
    archive = Archive(route="s3")
    product = archive.tree(files={"manifest.safe": body, **GOOD})
    await refused(destination, archive, product, "IntegrityError")


async def test_a_good_product_is_not_refused(destination):
    files = with_manifest({**GOOD, **{name: noise(name) for name in PLAIN}})
    for route in ("http", "s3"):
        archive = Archive(route=route)
        done = await assemble(destination / route, archive, archive.tree(files=files))
        assert set(done.states.values()) == {"verified"}
        assert tree_of(destination / route) == {f"{NAME}/{path}": body for path, body in files.items()}
