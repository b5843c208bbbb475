from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from msgspec import structs

from skyhaul import assembly
from skyhaul.errors import LoginRefused, ObjectMissing, SinkError
from skyhaul.events import AttemptFailed, ProductExpanded
from skyhaul.journal import FOLDER
from skyhaul.model import Checksum
from skyhaul.pipeline import Stopped
from support.assemblies import (
    Archive,
    assemble,
    blake3,
    manifest_of,
    noise,
    sentinel_2,
    tree_of,
    with_manifest,
    zipped,
)
from support.scripted import Strike

ROUTES = pytest.mark.parametrize("route", ["http", "s3"])
FILES = with_manifest(sentinel_2())
BANDS = ("*_B04_10m.jp2",)


def without_journal(destination):
    for path in (destination / FOLDER).glob("journal.db*"):
        path.unlink()


def below(product, files=FILES):
    return {f"{product.name}/{path}": body for path, body in files.items()}


# a product


@ROUTES
async def test_a_product_is_the_same_tree_by_either_route(tmp_path, route):
    archive = Archive(route)
    product = archive.tree()
    done = await assemble(tmp_path, archive, product)
    [result] = done.results.values()
    assert (result.state, result.path, result.bytes) == ("verified", product.name, sum(map(len, FILES.values())))
    assert result.level == ("blake3" if route == "http" else "manifest")
    assert tree_of(tmp_path) == below(product)
    assert list((tmp_path / FOLDER / "incoming").iterdir()) == []


@pytest.mark.parametrize(
    ("files", "checksums", "level"),
    [
        (FILES, None, "blake3"),
        (FILES, (Checksum(algorithm="CRC32C", value="0"),), "manifest"),
        (FILES, (), "manifest"),
        (sentinel_2(), (), "zip"),
    ],
)
async def test_a_zip_is_verified_by_the_strongest_that_there_is(tmp_path, files, checksums, level):
    archive = Archive("http")
    product = archive.tree(files=files)
    done = await assemble(
        tmp_path, archive, product if checksums is None else structs.replace(product, checksums=checksums)
    )
    assert done.results["1"].level == level


@pytest.mark.parametrize(
    ("files", "multipart", "level"),
    [
        (FILES, False, "manifest"),
        (FILES, True, "manifest"),
        (sentinel_2(), False, "etag"),
        (sentinel_2(), True, "length"),
    ],
)
async def test_files_are_verified_by_the_weakest_that_covers_all(tmp_path, files, multipart, level):
    archive = Archive("s3", multipart=multipart)
    product = archive.tree(files=files)
    done = await assemble(tmp_path, archive, product)
    assert done.results["1"].level == level
    assert tree_of(tmp_path) == below(product, files)


async def test_several_products_are_assembled_side_by_side(tmp_path):
    archive = Archive("s3")
    products = [archive.tree(number) for number in range(1, 8)]
    done = await assemble(tmp_path, archive, *products)
    assert set(done.states.values()) == {"verified"}
    assert tree_of(tmp_path) == {path: body for each in products for path, body in below(each).items()}


@ROUTES
async def test_a_product_goes_where_the_layout_says(tmp_path, route):
    archive = Archive(route)
    product = archive.tree()
    done = await assemble(tmp_path, archive, product, layout="{platform}/{tile}/{name}")
    assert done.results["1"].path == f"S2A/32TQR/{product.name}"
    assert tree_of(tmp_path / "S2A" / "32TQR") == below(product)
    again = await assemble(tmp_path, archive, product, layout="{platform}/{tile}/{name}")
    assert again.states == {"1": "present"}


async def test_what_is_expanded_is_told(tmp_path):
    archive = Archive("s3")
    product = archive.tree()
    done = await assemble(tmp_path, archive, product)
    [expanded] = [event for event in done.events if isinstance(event, ProductExpanded)]
    assert (expanded.route, expanded.objects, expanded.bytes) == ("s3", len(FILES), sum(map(len, FILES.values())))


# a product that is one object


@ROUTES
async def test_a_product_that_is_one_file(tmp_path, route):
    archive = Archive(route)
    product = archive.single()
    done = await assemble(tmp_path, archive, product)
    assert (done.results["7"].level, done.results["7"].path) == ("blake3", product.name)
    assert tree_of(tmp_path) == {product.name: noise(product.name, 400)}
    archive.read  # noqa: B018 forgotten
    assert (await assemble(tmp_path, archive, product)).states == {"7": "present"}
    assert archive.read == []


@ROUTES
@pytest.mark.parametrize("top", ["", "S5P_L2__NO2"], ids=["alone", "in a folder"])
async def test_a_file_that_comes_zipped_is_taken_out(tmp_path, route, top):
    archive = Archive(route)
    product = archive.single(body=zipped({"S5P_L2__NO2.nc": b"\x89HDF..."}, top))
    done = await assemble(tmp_path, archive, product)
    assert done.states == {"7": "verified"}
    assert tree_of(tmp_path) == {"S5P_L2__NO2.nc": b"\x89HDF..."}
    assert (await assemble(tmp_path, archive, product)).states == {"7": "present"}


@ROUTES
@pytest.mark.parametrize("keep", [False, True])
async def test_an_auxiliary_product_is_stored_as_a_zip(tmp_path, route, keep):
    """Its name ends in ``.SAFE``, its key in ``.SAFE.zip``."""
    archive = Archive(route)
    body = zipped({"a.xml": b"<a/>", "b/c.xml": b"<c/>"}, "S1A_AUX_INS.SAFE")
    product = archive.single(name="S1A_AUX_INS.SAFE", key="S1A_AUX_INS.SAFE.zip", body=body)
    done = await assemble(tmp_path, archive, product, keep_archive=keep)
    assert done.states == {"7": "verified"}
    kept = {"S1A_AUX_INS.SAFE.zip": body} if keep else {}
    assert tree_of(tmp_path) == {"S1A_AUX_INS.SAFE/a.xml": b"<a/>", "S1A_AUX_INS.SAFE/b/c.xml": b"<c/>", **kept}


# what is there already


@ROUTES
async def test_a_product_that_is_there_is_not_fetched_again(tmp_path, route):
    archive = Archive(route)
    product = archive.tree()
    await assemble(tmp_path, archive, product)
    assert archive.read
    done = await assemble(tmp_path, archive, product)
    assert done.states == {"1": "present"}
    assert done.results["1"].bytes == sum(map(len, FILES.values()))
    assert archive.read == []


@ROUTES
async def test_without_its_journal_a_product_is_verified_and_not_fetched(tmp_path, route):
    archive = Archive(route)
    product = archive.tree()
    await assemble(tmp_path, archive, product)
    without_journal(tmp_path)
    assert archive.read
    for _ in range(2):
        assert (await assemble(tmp_path, archive, product)).states == {"1": "present"}
        assert archive.read == []


async def test_without_its_journal_a_file_is_verified_by_its_digest(tmp_path):
    archive = Archive("http")
    product = archive.single()
    await assemble(tmp_path, archive, product)
    without_journal(tmp_path)
    assert archive.read
    assert (await assemble(tmp_path, archive, product)).states == {"7": "present"}
    assert archive.read == []


@ROUTES
async def test_without_its_journal_a_damaged_product_is_fetched_again(tmp_path, route):
    archive = Archive(route)
    product = archive.tree()
    await assemble(tmp_path, archive, product)
    without_journal(tmp_path)
    path = next((tmp_path / product.name).rglob("*_B04_10m.jp2"))
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    archive.read  # noqa: B018 forgotten
    assert (await assemble(tmp_path, archive, product)).states == {"1": "verified"}
    assert tree_of(tmp_path) == below(product)
    assert archive.read == (["T32TQR_B04_10m.jp2"] if route == "s3" else [f"{product.name}.zip"])


@ROUTES
async def test_a_file_that_is_missing_is_fetched_again(tmp_path, route):
    archive = Archive(route)
    product = archive.tree()
    await assemble(tmp_path, archive, product)
    next((tmp_path / product.name).rglob("*_B04_10m.jp2")).unlink()
    archive.read  # noqa: B018 forgotten
    assert (await assemble(tmp_path, archive, product)).states == {"1": "verified"}
    assert tree_of(tmp_path) == below(product)
    assert archive.read == (["T32TQR_B04_10m.jp2"] if route == "s3" else [f"{product.name}.zip"])
    assert (await assemble(tmp_path, archive, product)).states == {"1": "present"}


@ROUTES
async def test_a_product_that_was_deleted_is_fetched_again(tmp_path, route):
    archive = Archive(route)
    product = archive.tree()
    await assemble(tmp_path, archive, product)
    (tmp_path / product.name).rename(tmp_path / "moved away")
    assert (await assemble(tmp_path, archive, product)).states == {"1": "verified"}
    assert tree_of(tmp_path / product.name) == FILES


@pytest.mark.parametrize("order", [("http", "s3"), ("s3", "http")])
async def test_a_product_that_came_by_one_route_is_there_for_the_other(tmp_path, order):
    archive = Archive(order[0])
    product = archive.tree()
    await assemble(tmp_path, archive, product)
    archive.route = order[1]
    archive.read  # noqa: B018 forgotten
    assert (await assemble(tmp_path, archive, product)).states == {"1": "present"}
    assert archive.read == []


async def test_a_new_version_of_a_file_replaces_the_old_one(tmp_path):
    archive = Archive("s3")
    product = archive.tree()
    await assemble(tmp_path, archive, product)
    newer = with_manifest({**sentinel_2(), "MTD_MSIL2A.xml": b"newer"})
    archive.tree(files=newer)
    (tmp_path / product.name / "MTD_MSIL2A.xml").unlink()
    assert (await assemble(tmp_path, archive, product)).states == {"1": "verified"}
    assert tree_of(tmp_path) == below(product, newer)


# parts of products


async def test_parts_of_a_product_and_then_the_whole(tmp_path):
    archive = Archive("s3")
    product = archive.tree()
    done = await assemble(tmp_path, archive, product, only=BANDS)
    assert done.results["1"].level == "manifest"
    assert {path.rpartition("/")[2] for path in tree_of(tmp_path)} == {"manifest.safe", "T32TQR_B04_10m.jp2"}
    assert sorted(archive.read) == ["T32TQR_B04_10m.jp2", "manifest.safe"]
    assert (await assemble(tmp_path, archive, product, only=BANDS)).states == {"1": "present"}
    assert archive.read == []
    assert (await assemble(tmp_path, archive, product)).states == {"1": "verified"}
    assert tree_of(tmp_path) == below(product)
    assert len(archive.read) == len(FILES) - 2
    assert (await assemble(tmp_path, archive, product, only=BANDS)).states == {"1": "present"}


async def test_other_parts_join_the_first(tmp_path):
    archive = Archive("s3")
    product = archive.tree()
    await assemble(tmp_path, archive, product, only=BANDS)
    archive.read  # noqa: B018 forgotten
    await assemble(tmp_path, archive, product, only=("*_B08_10m.jp2",))
    assert archive.read == ["T32TQR_B08_10m.jp2"]
    assert len(tree_of(tmp_path)) == 3


async def test_parts_and_then_the_whole_as_a_zip(tmp_path):
    archive = Archive("s3")
    product = archive.tree()
    await assemble(tmp_path, archive, product, only=BANDS)
    archive.route = "http"
    assert (await assemble(tmp_path, archive, product)).states == {"1": "verified"}
    assert tree_of(tmp_path) == below(product)
    assert (await assemble(tmp_path, archive, product)).states == {"1": "present"}


async def test_what_is_excluded_is_not_fetched(tmp_path):
    archive = Archive("s3")
    product = archive.tree()
    await assemble(tmp_path, archive, product, exclude=("*.jp2", "HTML/*"))
    assert not [path for path in tree_of(tmp_path) if path.endswith((".jp2", ".png"))]
    assert len(tree_of(tmp_path)) == 3


# archives that are kept


async def test_a_zip_may_be_kept_beside_the_tree(tmp_path):
    archive = Archive("http")
    product = archive.tree()
    await assemble(tmp_path, archive, product, keep_archive=True)
    body = archive.sources["http"].bodies["https://download/odata/v1/Products(1)/$value"]
    assert tree_of(tmp_path) == {f"{product.name}.zip": body, **below(product)}


async def test_a_zip_may_be_left_as_it_is(tmp_path):
    archive = Archive("http")
    product = archive.tree()
    done = await assemble(tmp_path, archive, product, extract=False)
    assert (done.results["1"].path, done.results["1"].level) == (f"{product.name}.zip", "blake3")
    assert list(tree_of(tmp_path)) == [f"{product.name}.zip"]
    archive.read  # noqa: B018 forgotten
    assert (await assemble(tmp_path, archive, product, extract=False)).states == {"1": "present"}
    without_journal(tmp_path)
    assert set((await assemble(tmp_path, archive, product, extract=False)).states.values()) <= {"present", "verified"}
    assert archive.read == []


@pytest.mark.parametrize("journal", ["known", "deleted"])
async def test_a_zip_that_is_there_is_taken_apart_later(tmp_path, journal):
    archive = Archive("http")
    product = archive.tree()
    await assemble(tmp_path, archive, product, extract=False)
    if journal == "deleted":
        without_journal(tmp_path)
    archive.read  # noqa: B018 forgotten
    assert (await assemble(tmp_path, archive, product)).states == {"1": "verified"}
    assert archive.read == []
    assert below(product).items() <= tree_of(tmp_path).items()
    assert (await assemble(tmp_path, archive, product)).states == {"1": "present"}


@pytest.mark.parametrize("extract", [True, False])
@pytest.mark.parametrize("route", ["http", "s3"])
async def test_products_of_one_name_do_not_become_one_folder(tmp_path, route, extract):
    archive = Archive(route)
    one = archive.tree(files=sentinel_2("32TQR"))
    other = structs.replace(archive.tree(2, files=sentinel_2("33TUL"), top=one.name), name=one.name)
    done = await assemble(tmp_path, archive, one, other, extract=extract)
    assert sorted(done.states.values()) == ["failed", "verified"]
    failed = next(result for result in done.results.values() if result.state == "failed")
    assert failed.kind == "UnsafeName"
    assert "--layout '{id}/{name}'" in failed.error
    there = tree_of(tmp_path)
    archive.read  # noqa: B018 forgotten
    again = await assemble(tmp_path, archive, other, one, extract=extract)
    assert again.states == {each: "failed" if each == failed.id else "present" for each in ("1", "2")}
    assert archive.read == []
    assert tree_of(tmp_path) == there
    apart = await assemble(tmp_path, archive, other, one, extract=extract, layout="{id}/{name}")
    assert apart.results[failed.id].state == "verified"


async def test_the_place_of_a_product_that_failed_is_free(tmp_path):
    archive = Archive("s3", multipart=True)
    one = archive.single(checksums=())
    await assemble(tmp_path, archive, structs.replace(one, checksums=()), require_verified=True)
    again = structs.replace(one, id="8")
    assert (await assemble(tmp_path, archive, again)).states == {"8": "verified"}


async def test_a_kept_zip_brings_back_a_tree_that_was_deleted(tmp_path):
    archive = Archive("http")
    product = archive.tree()
    await assemble(tmp_path, archive, product, keep_archive=True)
    (tmp_path / product.name).rename(tmp_path / "moved away")
    archive.read  # noqa: B018 forgotten
    assert (await assemble(tmp_path, archive, product, keep_archive=True)).states == {"1": "verified"}
    assert archive.read == []
    assert tree_of(tmp_path / product.name) == FILES
    assert (tmp_path / f"{product.name}.zip").is_file()


# what is not good enough


@pytest.mark.parametrize(
    ("archive", "files", "state"),
    [
        (Archive("http"), FILES, "verified"),
        (Archive("http"), sentinel_2(), "verified"),
        (Archive("s3"), sentinel_2(), "verified"),
        (Archive("s3"), FILES, "verified"),
        (Archive("s3", multipart=True), sentinel_2(), "failed"),
        (Archive("s3", multipart=True), FILES, "failed"),  # the manifest leaves a preview out
    ],
)
async def test_nothing_but_a_length_may_be_refused(tmp_path, archive, files, state):
    product = structs.replace(archive.tree(files=files), checksums=())
    done = await assemble(tmp_path, archive, product, require_verified=True)
    assert done.states == {"1": state}
    if state == "failed":
        assert tree_of(tmp_path) == {}
        assert "--require-verified" in done.results["1"].error
        assert (await assemble(tmp_path, archive, product)).states == {"1": "verified"}


async def test_a_manifest_that_lists_what_the_archive_lacks_fails_by_name(tmp_path):
    archive = Archive("s3")
    product = archive.tree()
    archive.unlisted = {key for key in archive.keys if key.endswith("_B04_10m.jp2")}
    done = await assemble(tmp_path, archive, product)
    assert (done.states, done.results["1"].kind) == ({"1": "failed"}, "IntegrityError")
    assert "T32TQR_B04_10m.jp2" in done.results["1"].error
    assert tree_of(tmp_path) == {}


@pytest.mark.parametrize(
    "body", [b"", b"<html>maintenance</html>", manifest_of(sentinel_2())[:-30]], ids=["empty", "page", "cut"]
)
async def test_a_manifest_that_came_broken_is_fetched_again_by_the_next_run(tmp_path, body):
    archive = Archive("s3", multipart=True)
    product = archive.tree(files={**FILES, "manifest.safe": body})
    done = await assemble(tmp_path, archive, product)
    assert (done.states, done.results["1"].kind) == ({"1": "failed"}, "IntegrityError")
    archive.tree(files=FILES)
    done = await assemble(tmp_path, archive, product)
    assert done.states == {"1": "verified"}
    assert tree_of(tmp_path) == below(product)


async def test_a_file_that_is_not_what_the_manifest_states_fails_the_product(tmp_path):
    archive = Archive("s3")
    product = archive.tree(files={**FILES, "MTD_MSIL2A.xml": b"not what was listed"})
    done = await assemble(tmp_path, archive, product)
    assert (done.states, done.results["1"].kind) == ({"1": "failed"}, "IntegrityError")
    assert "MTD_MSIL2A.xml: its MD5 is" in done.results["1"].error
    assert tree_of(tmp_path) == {}


@pytest.mark.parametrize("checksums", ["none", "right"])
@pytest.mark.parametrize(
    "spoil", [lambda body: body[:-40], lambda body: body.replace(b"IEND", b"IENd")], ids=["cut", "intact"]
)
async def test_a_zip_is_whole_or_it_is_not_there(tmp_path, checksums, spoil):
    archive = Archive("http")
    good = zipped(FILES, "P.SAFE")
    product = archive.tree(archive=spoil(good))
    if checksums == "none":
        product = structs.replace(product, checksums=())
    done = await assemble(tmp_path, archive, product)
    if spoil(good) == good:
        assert done.states == {"1": "verified"}
        return
    assert (done.states, done.results["1"].kind) == ({"1": "failed"}, "IntegrityError")
    assert tree_of(tmp_path) == {}
    archive.tree(archive=good)
    done = await assemble(tmp_path, archive, structs.replace(product, checksums=(blake3(good),)))
    assert done.states == {"1": "verified"}, "the next run does not stumble over what this one left"
    assert tree_of(tmp_path) == below(product)


async def test_a_broken_zip_that_nobody_vouches_for_is_fetched_again_by_the_next_run(tmp_path):
    archive = Archive("http")
    product = structs.replace(
        archive.tree(archive=zipped(FILES, "P.SAFE").replace(FILES["MTD_MSIL2A.xml"], bytes(60))), checksums=()
    )
    assert (await assemble(tmp_path, archive, product)).states == {"1": "failed"}
    archive.tree()
    assert (await assemble(tmp_path, archive, product)).states == {"1": "verified"}
    assert tree_of(tmp_path) == below(product)


class Mending(dict):
    """Bodies of which the first is broken."""

    def __init__(self, bodies, *, mend):
        super().__init__(bodies)
        self.mend = mend
        self.served = 0

    def __getitem__(self, key):
        self.served += 1
        return super().__getitem__(key) if self.served == 1 else self.mend


async def test_a_broken_zip_that_nobody_vouches_for_is_fetched_once_more(tmp_path):
    archive = Archive("http")
    good = zipped(FILES, "S2A_MSIL2A_20240713T101031_N0510_R022_T32TQR_20240713T160000.SAFE")
    product = structs.replace(archive.tree(archive=good.replace(FILES["MTD_MSIL2A.xml"], bytes(60))), checksums=())
    archive.sources["http"].bodies = Mending(archive.sources["http"].bodies, mend=good)
    done = await assemble(tmp_path, archive, product)
    assert (done.states, done.results["1"].level) == ({"1": "verified"}, "manifest")
    assert archive.sources["http"].bodies.served == 2
    assert [event.kind for event in done.events if isinstance(event, AttemptFailed)] == ["IntegrityError"]


async def test_a_checksum_that_the_catalogue_has_mended_is_asked_for_before_a_file_is_called_corrupt(tmp_path):
    archive = Archive("http")
    product = archive.tree()
    archive.stated_now = (product,)
    wrong = structs.replace(product, checksums=(Checksum(algorithm="MD5", value="0" * 32),))
    done = await assemble(tmp_path, archive, wrong)
    assert (done.states, done.results["1"].level) == ({"1": "verified"}, "blake3")
    assert len(archive.read) == 1, "what came was right, and is not fetched again"
    assert tree_of(tmp_path) == below(product)


class Corrected(Archive):
    """A STAC catalogue: its digests are of single files, and the first that it states is wrong."""

    asked = 0

    async def objects(self, product, wish):
        self.asked += 1
        wrong = Checksum(algorithm="MD5", value="0" * 32)
        stated = (wrong,) if self.asked == 1 else None
        return [
            replace(obj, archive=False, checksums=stated or (blake3(self.sources["s3"].bodies[obj.location]),))
            for obj in await super().objects(product, wish)
        ]


async def test_a_checksum_of_a_single_file_is_asked_for_again_too(tmp_path):
    archive = Corrected("s3")
    product = archive.single()
    done = await assemble(tmp_path, archive, product)
    assert (done.states, done.results["7"].level) == ({"7": "verified"}, "blake3")
    assert archive.read == ["S5P_L2__NO2.nc"], "what came was right, and is not fetched again"


async def test_a_checksum_that_stays_wrong_is_a_failure(tmp_path):
    archive = Archive("http")
    wrong = structs.replace(archive.tree(), checksums=(Checksum(algorithm="MD5", value="0" * 32),))
    archive.stated_now = (wrong,)
    done = await assemble(tmp_path, archive, wrong)
    assert (done.states, done.results["1"].kind) == ({"1": "failed"}, "IntegrityError")


@pytest.mark.parametrize("body", [b"", b"<html>please log in</html>", b"44 bytes while the tape is being mounted...."])
async def test_what_is_no_zip_is_not_published_as_one(tmp_path, body):
    archive = Archive("http")
    product = archive.tree(archive=body or b" ")
    archive.sources["http"].bodies["https://download/odata/v1/Products(1)/$value"] = body
    done = await assemble(tmp_path, archive, structs.replace(product, checksums=()))
    assert (done.states, done.results["1"].kind) == ({"1": "failed"}, "IntegrityError")
    assert tree_of(tmp_path) == {}


# names


HOSTILE = ["../evil.SAFE", "/etc/evil", "..", "", "a\\b", "x\x1b[2J", ".skyhaul", ".SkyHaul"]


@ROUTES
@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_product_fails_alone(tmp_path, route, name):
    archive = Archive(route)
    good = archive.tree(1)
    bad = structs.replace(archive.tree(2), name=name)
    done = await assemble(tmp_path / "archive", archive, bad, good)
    assert done.states == {"1": "verified", "2": "failed"}
    assert done.results["2"].kind == "UnsafeName"
    assert {path.name for path in tmp_path.iterdir()} == {"archive"}
    assert tree_of(tmp_path / "archive") == below(good)


@pytest.mark.parametrize(
    "paths",
    [("../evil",), ("a/../../evil",), ("B04.jp2", "b04.jp2"), ("a", "a/b"), ("a", "a.part")],
    ids=["up", "up inside", "capitals", "file and folder", "its own part"],
)
async def test_a_product_with_hostile_names_fails_alone(tmp_path, paths):
    archive = Archive("s3")
    good = archive.tree(1)
    bad = archive.tree(2, files={**FILES, **{path: noise(path) for path in paths}})
    done = await assemble(tmp_path / "archive", archive, bad, good)
    assert done.states == {"1": "verified", "2": "failed"}
    assert done.results["2"].kind == "UnsafeName"
    assert tree_of(tmp_path / "archive") == below(good)


async def test_a_zip_with_hostile_names_fails_alone(tmp_path):
    archive = Archive("http")
    good = archive.tree(1)
    bad = archive.tree(2, archive=zipped({"P/a": b"1", "P/a/b": b"2", "P/../../evil": b"3"}, ""))
    done = await assemble(tmp_path / "archive", archive, bad, good)
    assert done.states == {"1": "verified", "2": "failed"}
    assert {path.name for path in tmp_path.iterdir()} == {"archive"}
    assert tree_of(tmp_path / "archive") == below(good)


@pytest.mark.parametrize("id_", ["../../evil", "a/b", "", ".", "..", "x" * 300, "ü"])
async def test_an_id_is_no_path(tmp_path, id_):
    archive = Archive("s3")
    product = structs.replace(archive.tree(), id=id_)
    done = await assemble(tmp_path / "archive", archive, product)
    assert done.states == {id_: "verified"}
    assert {path.name for path in tmp_path.iterdir()} == {"archive"}


# failures


async def test_a_product_that_lacks_a_file_fails_and_the_next_run_fetches_that_alone(tmp_path):
    archive = Archive("s3")
    product = archive.tree()
    source = archive.sources["s3"]
    source.strikes = [None, Strike(error=partial(ObjectMissing, "404"))]
    done = await assemble(tmp_path, archive, product)
    assert (done.states, done.results["1"].kind) == ({"1": "failed"}, "ObjectMissing")
    assert tree_of(tmp_path) == {}, "no folder with a final name is incomplete"
    archive.read  # noqa: B018 forgotten
    assert (await assemble(tmp_path, archive, product)).states == {"1": "verified"}
    assert len(archive.read) == 1
    assert tree_of(tmp_path) == below(product)


async def test_several_failures_are_told_as_the_first_and_a_number(tmp_path):
    archive = Archive("s3")
    product = archive.tree()
    archive.sources["s3"].strikes = [None, *[Strike(error=partial(ObjectMissing, "404"))] * 3]
    done = await assemble(tmp_path, archive, product)
    assert done.results["1"].error == "404 (and 2 more files)"


async def test_keys_that_are_refused_end_the_run(tmp_path):
    archive = Archive("s3")
    archive.sources["s3"].always = Strike(error=partial(LoginRefused, "403: InvalidAccessKeyId"))
    with pytest.raises(Stopped) as stop:
        await assemble(tmp_path, archive, *[archive.tree(number) for number in range(1, 6)])
    assert stop.value.exit_code == 5


async def test_a_destination_where_a_file_is_in_the_way_is_said(tmp_path):
    archive = Archive("s3")
    product = archive.tree()
    (tmp_path / product.name).write_bytes(b"a file of the user's")
    with pytest.raises((Stopped, SinkError), match=product.name):
        await assemble(tmp_path, archive, product)
    assert (tmp_path / product.name).read_bytes() == b"a file of the user's"


async def test_a_product_that_fails_and_then_comes_is_no_failure_any_more(tmp_path):
    archive = Archive("s3")
    product = archive.tree()
    key = next(key for key in archive.keys if key.endswith("_B04_10m.jp2"))
    archive.unlisted = {key}
    await assemble(tmp_path, archive, product)
    archive.unlisted = set()
    assert (await assemble(tmp_path, archive, product)).states == {"1": "verified"}


@pytest.mark.parametrize("where", ["absolute", "relative"])
async def test_what_was_whole_but_not_published_is_not_fetched_again(tmp_path, monkeypatch, where):
    monkeypatch.chdir(tmp_path)
    destination = tmp_path / "x" if where == "absolute" else Path("x")
    archive = Archive()
    product = archive.single()

    def refuse(*_):
        raise SinkError("the disk has gone")

    with monkeypatch.context() as broken:
        broken.setattr(assembly, "publish", refuse)
        with pytest.raises(Stopped):
            await assemble(destination, archive, product)
    assert archive.read
    done = await assemble(destination, archive, product)
    assert done.states == {product.id: "verified"}
    assert archive.read == []
