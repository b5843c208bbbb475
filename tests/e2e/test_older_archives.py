"""DHuS, resto, the NOA mirror and CREODIAS as their users meet them: the same products, the same files, whatever the dialect."""

from __future__ import annotations

import json

import pytest

from support.served import MIXED, Skyhaul, simulated
from support.trees import published

ELSEWHERE = ("creodias", "dhus", "noa", "resto")
S2 = ("--collection", "SENTINEL-2", "--start", "2024-04-01", "--end", "2024-09-30")
AUXILIARY = "S1A_AUX_CAL_V20240401T010000_G20240403T011514.SAFE"
"""A product whose manifest lists nothing: where the catalogue states no digest either, the CRCs of its zip are all there is."""
OPTICAL = tuple(name for name in MIXED if name.startswith("S2"))
BROKEN = ("empty-page", "shifted-page", "malformed", "lost-link")


def found(skyhaul, provider, *options):
    ran = skyhaul("search", "--provider", provider, *options, "--format", "names")
    assert ran.code == 0, ran.err
    return sorted(ran.out.split()), ran.err


@pytest.mark.parametrize("provider", ELSEWHERE)
@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--product-type", "S2MSI2A", "--cloud-max", "20", "--tile", "32TQR"),
        ("--bbox", "9.5,44,13,46", "--cloud-min", "30"),
        ("--platform", "S2B", "--published-start", "2024-05-01", "--published-end", "2024-06-20"),
        ("--name", "S2A_MSIL2A_*_T32T*"),
        ("--name", "S2A_MSIL1C_*,*.SEN3"),
        ("--latest-version", "--limit", "40"),
        ("--serial", "B", "--instrument", "MSI"),
        ("--rule", "season=05-10..05-20,serial=B", "--rule", "cloud_max=2,product_type=S2MSI1C"),
    ],
    ids=lambda options: " ".join(options) or "all",
)
def test_every_archive_finds_the_same(skyhaul, provider, options):
    expected, _ = found(skyhaul, "cdse", *S2, *options)
    assert len(expected) > 5
    assert found(skyhaul, provider, *S2, *options)[0] == expected


def test_a_search_without_times_goes_through_both_collections_of_peps(skyhaul):
    options = ("--collection", "SENTINEL-2", "--relative-orbit", "22")
    assert found(skyhaul, "resto", *options)[0] == found(skyhaul, "cdse", *options)[0]


def test_what_is_filtered_here_is_said(skyhaul):
    assert "cannot be asked for cloud_max" in found(skyhaul, "resto", *S2, "--cloud-max", "20")[1]
    said = found(skyhaul, "noa", *S2, "--where", "cloudCover<=20", "--baseline", ">=04.00")[1]
    assert "cannot be asked for processingBaseline:" in said
    assert "cannot be asked" not in found(skyhaul, "dhus", *S2, "--cloud-max", "20")[1]


@pytest.mark.parametrize(
    ("provider", "options", "said"),
    [
        ("dhus", ("--collection", "SENTINEL-2", "--online"), "--any"),
        ("dhus", ("--collection", "LANDSAT-8"), "LANDSAT-8"),
        ("noa", ("--collection", "SENTINEL-2", "--where", "sliceNumber=1"), "sliceNumber"),
        ("resto", ("--start", "2024-04-01"), "collection"),
    ],
)
def test_what_cannot_be_asked_at_all_is_an_error(skyhaul, provider, options, said):
    ran = skyhaul("search", "--provider", provider, *options)
    assert ran.code == 2
    assert said in ran.complaint


@pytest.mark.parametrize(
    ("provider", "options", "missed"),
    [
        ("dhus", ("--collection", "SENTINEL-2", "--where", "datastripId=1"), "datastripId"),
        ("noa", ("--collection", "SENTINEL-1", "--relative-orbit", "22"), "relative_orbit"),
        ("noa", ("--collection", "SENTINEL-2", "--where", "orbitNumber=1"), "orbitNumber"),
        ("resto", ("--collection", "SENTINEL-2", "--where", "processingDate>=2024-04-01"), "processingDate"),
        (
            "dhus",
            ("--rule", "platform=S2,cloud_max=5", "--rule", "platform=S1,sliceProductFlag=true"),
            "sliceProductFlag",
        ),
    ],
)
def test_what_no_product_tells_is_an_error_and_not_nothing(skyhaul, provider, options, missed):
    ran = skyhaul("search", "--provider", provider, *options)
    assert ran.code == 2
    assert f"{provider} can neither be asked for {missed}, nor do its products tell it" in ran.err


@pytest.mark.parametrize("route", ["dhus.search", "resto.search", "noa.products"])
def test_broken_pages_hide_nothing(archive, skyhaul, route):
    provider = route.split(".")[0]
    expected, _ = found(skyhaul, provider, *S2)
    archive.play(
        *({"kind": kind, "route": route, "every": every} for kind, every in zip(BROKEN, (3, 5, 7, 11), strict=True)),
        {"kind": "status", "route": route, "every": 4, "status": 503},
    )
    assert found(skyhaul, provider, *S2)[0] == expected


@pytest.mark.parametrize("provider", ELSEWHERE)
def test_the_same_files_come_from_everywhere(archive, skyhaul, provider):
    wanted = OPTICAL if provider == "resto" else MIXED
    names = "\n".join(wanted)
    trees = {}
    for source in ("cdse", provider):
        ran = skyhaul("download", "--provider", source, "--from", "-", "--into", source, "--json", stdin=names)
        assert ran.code == 0, ran.err
        assert {line["state"] for line in ran.lines} == {"verified"}
        trees[source] = published(skyhaul.folder / source)
    assert {path: trees["cdse"][path] for path in trees[provider]} == trees[provider]
    assert archive.stats()["refused"] == 0  # never a fifth stream


def test_digests_come_from_where_they_are_known(skyhaul):
    levels = {}
    for provider in ELSEWHERE:
        ran = skyhaul("download", "--provider", provider, "--from", "-", "--into", provider, "--json", stdin=OPTICAL[0])
        levels[provider] = ran.lines[0]["level"]
    # The mirror states none: the product's own manifest vouches for its files.
    assert levels == {"creodias": "blake3", "dhus": "md5", "noa": "manifest", "resto": "md5"}


@pytest.mark.parametrize(
    ("name", "level"),
    [
        (AUXILIARY, "zip"),
        (OPTICAL[0], "manifest"),
        *((name, "length") for name in MIXED if name.endswith((".EOF", ".nc"))),
    ],
)
def test_a_mirror_without_digests_is_believed_as_far_as_can_be_told(skyhaul, name, level):
    command = ("download", "--provider", "noa", "--from", "-", "--json")
    ran = skyhaul(*command, "--into", "x", stdin=name)
    assert (ran.code, [(line["state"], line["level"]) for line in ran.lines]) == (0, [("verified", level)]), ran.err
    strict = skyhaul(*command, "--into", "y", "--require-verified", stdin=name)
    assert strict.code == (1 if level == "length" else 0)
    assert bool(published(skyhaul.folder / "y")) is (level != "length")


def test_words_in_place_of_a_product_are_waited_out(archive, skyhaul):
    query = ("--collection", "SENTINEL-2", "--start", "2024-04-01", "--where", "Online=false", "--format", "names")
    names = skyhaul("search", *query).out.split()[:2]
    command = ("download", "--provider", "resto", "--from", "-", "--into", "x", "--order-wait", "1s", "--json")
    archive.play(staging_s=3600, staging_status=200)
    ran = skyhaul(*command, "--max-time", "1s", stdin="\n".join(names))
    assert (ran.code, {line["state"] for line in ran.lines}) == (1, {"offline"})
    assert all("ordered" in line["error"] for line in ran.lines)
    assert published(skyhaul.folder / "x") == {}
    archive.load_tapes()
    again = skyhaul(*command, stdin="\n".join(names))
    assert (again.code, {line["state"] for line in again.lines}) == (0, {"verified"}), again.err


def test_a_cut_download_goes_on_from_its_last_byte_at_a_dhus(warm, tmp_path):
    """With products of the size of real ones' smallest: below a megabyte nothing is kept."""
    with simulated(
        "--products", "12", "--scale", "0.01", "--no-oddities", "--set", "bytes_per_s_per_connection=null"
    ) as archive:
        skyhaul = Skyhaul(tmp_path, archive.environment, warm)
        archive.play({"kind": "cut", "route": "dhus.value", "nth": 1})
        query = ("--collection", "SENTINEL-2", "--product-type", "S2MSI2A", "--limit", "1")
        ran = skyhaul("download", "--provider", "dhus", *query, "--into", "x", "--json")
        assert ran.code == 0, ran.err
        assert archive.stats()["faults"] == {"cut": 1}
        assert (
            archive.stats()["statuses"]["206"] == 3
        )  # a product that is alone comes in two parts, and one of them was cut
        # What was on the wire or not yet on disk comes again; beginning anew would be one and a half times the bytes.
        assert archive.stats()["bytes_served"] < 1.4 * ran.lines[0]["bytes"]


def test_run_again_nothing_is_fetched(archive, skyhaul):
    names = "\n".join(OPTICAL)
    for provider in ("dhus", "resto"):
        command = ("download", "--provider", provider, "--from", "-", "--into", provider, "--json")
        assert skyhaul(*command, stdin=names).code == 0
        archive.play()
        again = skyhaul(*command, stdin=names)
        assert {line["state"] for line in again.lines} == {"present"}
        assert archive.asked("dhus.value", "resto.download") == 0


@pytest.mark.parametrize("provider", ["dhus", "noa"])
def test_a_closed_catalogue_says_what_to_set(skyhaul, provider):
    variable = f"{provider.upper()}_PASSWORD"
    ran = skyhaul("search", "--provider", provider, *S2, without=[variable])
    assert ran.code == 5
    assert variable in ran.complaint
    wrong = skyhaul("search", "--provider", provider, *S2, **{variable: "not-it"})
    assert wrong.code == 5
    assert "not-it" not in wrong.out + wrong.err


def test_the_mirrors_own_variables_are_taken_too(skyhaul):
    names = {"NOA_USERNAME": "ESA_USERNAME", "NOA_PASSWORD": "ESA_PASSWORD"}
    told = {other: skyhaul.environment[own] for own, other in names.items()}
    ran = skyhaul("search", "--provider", "noa", *S2, "--count", without=list(names), **told)
    assert (ran.code, ran.out) == (0, "445\n")


@pytest.mark.parametrize("provider", ["dhus", "resto"])
def test_a_protocol_wants_a_place(skyhaul, provider):
    without = [f"SKYHAUL_PROVIDERS__{provider.upper()}__URL"]
    ran = skyhaul("search", "--provider", provider, *S2, without=without)
    assert ran.code == 2
    assert "--url" in ran.complaint
    url = skyhaul.environment[without[0]]
    there = skyhaul("search", "--provider", provider, "--url", url, *S2, "--count", without=without)
    assert (there.code, there.out) == (0, "445\n")


def test_files_of_a_product_are_not_to_be_had(skyhaul):
    ran = skyhaul("download", "--provider", "dhus", *S2, "--only", "*B04*", "--into", "x")
    assert ran.code in {1, 2}
    assert "whole products" in ran.err


def test_a_plan_is_made_for_every_archive(skyhaul):
    for provider in ELSEWHERE:
        ran = skyhaul("plan", "--provider", provider, *S2, "--limit", "5", "--json")
        assert ran.code == 0, ran.err
        assert json.loads(ran.out)["products"] == 5


@pytest.mark.parametrize("body", ["json", "xml"])
@pytest.mark.parametrize(
    ("provider", "route"), [("noa", "noa.value"), ("dhus", "dhus.value"), ("resto", "resto.download")]
)
def test_what_comes_in_place_of_a_product_is_never_published(archive, skyhaul, provider, route, body):
    wanted = (
        OPTICAL[:1]
        if provider == "resto"
        else (OPTICAL[0], *(name for name in MIXED if name.endswith((".EOF", ".nc"))))
    )
    words = ("download", "--provider", provider, "--from", "-", "--into", "x", "--json", "--no-order")
    archive.play({"kind": "error-page", "route": route, "body": body})
    ran = skyhaul(*words, stdin="\n".join(wanted))
    assert (ran.code, {line["state"] for line in ran.lines} <= {"failed", "offline"}) == (1, True), ran.err
    assert published(skyhaul.folder / "x") == {}
    # A page of somebody between passes by itself.
    archive.play({"kind": "error-page", "route": route, "nth": 1})
    again = skyhaul(*words, stdin="\n".join(wanted))
    assert (again.code, {line["state"] for line in again.lines}) == (0, {"verified"}), again.err
