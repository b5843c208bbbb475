"""What archives do to their users, switched on while skyhaul downloads: it ends well, or says what did not."""

from __future__ import annotations

import json
import urllib.request
from collections import Counter
from urllib.parse import urlencode

import msgspec
import pytest

from skyhaul.simulate.scenario import NAMED
from support.served import Archive
from support.trees import products, published, wrong

TWO = ("--product-type", "IW_GRDH_1S", "--end", "2024-04-20")
FIRST = "S1A_IW_GRDH_1SDV_20240401T052345_20240401T052410_053236_067FA6_B56E.SAFE"
SECOND = "S1A_IW_GRDH_1SDV_20240413T052435_20240413T052500_053411_06851E_024F.SAFE"
IMAGE = "s1a-iw-grd-vh-20240401t052345-20240401t052410-053236-067fa6-002.tiff"
ROUTES = {"http": "download.zip", "s3": "s3.get"}
STRUCK = {"http": FIRST, "s3": f"*/{IMAGE}"}
"""Whose bytes a fault of one product strikes, as the archive names it by each route."""


@pytest.fixture(params=ROUTES)
def via(request) -> str:
    route: str = request.param
    return route


def downloaded(skyhaul, *options: str, **environment: str):
    return skyhaul("download", *TWO, "--into", "archive", *options, "--json", "--events", "events.jsonl", **environment)


def check_whole(skyhaul, ran) -> None:
    assert ran.code == 0, ran.err
    assert {line["name"]: line["state"] for line in ran.lines} == {FIRST: "verified", SECOND: "verified"}
    assert [folder.name for folder in products(skyhaul.folder / "archive")] == [FIRST, SECOND]
    assert wrong(skyhaul.folder / "archive") == []


def check_first_failed(skyhaul, ran, kind: str) -> str:
    """What is said of the first product, which alone has failed."""
    assert ran.code == 1
    told = {line["name"]: line for line in ran.lines}
    assert (told[FIRST]["state"], told[FIRST]["kind"], told[FIRST]["path"]) == ("failed", kind, None)
    assert told[SECOND]["state"] == "verified"
    assert [folder.name for folder in products(skyhaul.folder / "archive")] == [SECOND]
    assert FIRST in ran.err
    error: str = told[FIRST]["error"]
    return error


def survived(skyhaul) -> Counter[str]:
    """The kinds of failure that were got over."""
    events = map(json.loads, (skyhaul.folder / "events.jsonl").read_text().splitlines())
    return Counter(event["kind"] for event in events if event["event"] == "AttemptFailed")


def test_a_rough_day(archive, skyhaul, via):
    archive.play(*msgspec.to_builtins(NAMED["rough"])["faults"])
    check_whole(skyhaul, downloaded(skyhaul, "--via", via, SKYHAUL_PROVIDERS__CDSE__STALL_S="1"))


@pytest.mark.parametrize(
    ("kinds", "told"),
    [
        (
            [{"kind": "status", "status": 503}, {"kind": "status", "status": 429, "retry_after": "0.2"}],
            {"503": 1, "429": 1},
        ),
        ([{"kind": "cut"}, {"kind": "truncate"}, {"kind": "reset"}], {"ConnectionLost": 2}),
        ([{"kind": "stall"}, {"kind": "silence"}], {"ConnectionLost": 2}),
        ([{"kind": "flip"}], {"IntegrityError": 1}),
        ([{"kind": "error-page", "body": body} for body in ("html", "json", "xml")], {"ConnectionLost": 1}),
    ],
    ids=["busy", "broken", "silent", "wrong-byte", "page"],
)
def test_what_passes_is_survived(archive, skyhaul, via, kinds, told):
    archive.play(*({"route": ROUTES[via], "nth": number, **fault} for number, fault in enumerate(kinds, start=1)))
    check_whole(skyhaul, downloaded(skyhaul, "--via", via, SKYHAUL_PROVIDERS__CDSE__STALL_S="0.7"))
    assert archive.stats()["faults"] == Counter(fault["kind"] for fault in kinds)
    assert survived(skyhaul) >= Counter(told)


def test_a_break_costs_the_rest_of_a_file_over_s3(archive, skyhaul):
    # Closed in order, so that nothing is lost on the way: what was sent has arrived.
    archive.play({"kind": "truncate", "route": "s3.get", "name": "*.tiff", "times": 1, "per_name": True})
    check_whole(skyhaul, downloaded(skyhaul, "--via", "s3"))
    assert archive.stats()["faults"] == {"truncate": 4}
    size = sum(map(len, published(skyhaul.folder / "archive").values()))
    assert archive.stats()["bytes_served"] < 1.01 * size


def test_bytes_that_are_always_wrong_are_never_published(archive, skyhaul, via):
    archive.play({"kind": "flip", "route": ROUTES[via], "name": STRUCK[via]})
    error = check_first_failed(skyhaul, downloaded(skyhaul, "--via", via), "IntegrityError")
    assert error.startswith(f"{FIRST}.zip: its BLAKE3 is" if via == "http" else f"{IMAGE}: its MD5 is")
    archive.play()
    mended = downloaded(skyhaul, "--via", via)
    assert mended.code == 0
    assert {line["name"]: line["state"] for line in mended.lines} == {FIRST: "verified", SECOND: "present"}
    assert wrong(skyhaul.folder / "archive") == []
    assert archive.fetched == 1


def test_another_version_in_the_middle_is_not_joined_to_the_first(archive, skyhaul):
    archive.play(
        {"kind": "cut", "route": "s3.get", "name": STRUCK["s3"], "times": 1},
        {"kind": "etag", "route": "s3.get", "name": STRUCK["s3"], "nth": 2},
    )
    check_whole(skyhaul, downloaded(skyhaul, "--via", "s3"))
    assert archive.stats()["faults"] == {"cut": 1, "etag": 1}
    assert survived(skyhaul)["ObjectChanged"] == 1


@pytest.mark.parametrize("kind", ["whole", "content-range"])
def test_ranges_that_are_not_served_as_asked(archive, skyhaul, kind):
    archive.play(
        {"kind": "cut", "route": "s3.get", "name": STRUCK["s3"], "times": 1},
        {"kind": kind, "route": "s3.get", "name": STRUCK["s3"], "nth": 2},
    )
    check_whole(skyhaul, downloaded(skyhaul, "--via", "s3"))
    assert archive.stats()["faults"] == {"cut": 1, kind: 1}


def test_tokens_that_expire_while_zips_come(archive, skyhaul):
    archive.play(token_lifetime_s=0.4)
    check_whole(skyhaul, downloaded(skyhaul, "--via", "http", "--connections", "1", "--max-rate", "1500kB"))
    tokens = archive.stats()["tokens"]
    assert tokens["password"] == 1
    assert tokens["refresh_token"] >= 1


def test_a_token_that_dies_before_its_time_is_renewed_once_for_all(archive, skyhaul):
    archive.play({"kind": "short-token", "seconds": 0.0, "times": 1})
    check_whole(skyhaul, downloaded(skyhaul, "--via", "http"))
    assert 1 <= archive.stats()["statuses"]["401"] <= 2
    assert sum(archive.stats()["tokens"].values()) == 2


def test_streams_that_are_released_late(archive, skyhaul, via):
    archive.play(release_delay_s=0.2, connections=1)
    some = ["--only", "*.tiff"] if via == "s3" else []
    ran = downloaded(skyhaul, "--via", via, "--connections", "1", *some)
    assert ran.code == 0, ran.err
    assert [line["state"] for line in ran.lines] == ["verified", "verified"]
    # It learns how late: six files are not refused six times.
    assert 1 <= archive.stats()["refused"] <= 3


def test_a_redirect_in_a_circle_ends(archive, skyhaul, via):
    archive.play({"kind": "redirect-loop", "route": ROUTES[via], "name": STRUCK[via]})
    error = check_first_failed(skyhaul, downloaded(skyhaul, "--via", via), "RequestRefused")
    assert "redirects in a circle" in error
    assert archive.stats()["faults"]["redirect-loop"] < 10


@pytest.mark.parametrize(
    ("via", "fault"),
    [
        ("http", {"kind": "hostile-name", "route": "download.zip"}),
        ("http", {"kind": "hostile-archive", "route": "download.zip"}),
        ("s3", {"kind": "hostile-key", "route": "s3.list"}),
        ("auto", {"kind": "hostile-key", "route": "catalogue.products"}),
    ],
    ids=["header", "zip", "keys", "catalogue"],
)
def test_hostile_names_stay_inside(archive, skyhaul, via, fault):
    (skyhaul.folder / "deep/er").mkdir(parents=True)
    destination = skyhaul.folder / "deep/er/archive"
    (skyhaul.folder / "home/.local/state/skyhaul").mkdir(parents=True)  # the ledger of accounts is the user's
    before = sorted(skyhaul.folder.rglob("*"))
    archive.play(fault)
    unvouched = "S2A_MSIL2A_20240527T101021_N0510_R022_T32TPQ_20240527T153100.SAFE"  # no checksum gives it away before
    asked = unvouched.replace(".SAFE", "*")  # an exact name would be looked up, and another than that not taken
    ran = skyhaul("download", "--name", asked, "--into", "deep/er/archive", "--via", via, "--json")
    assert archive.stats()["faults"][fault["kind"]] >= 1
    everything = [destination, *destination.rglob("*")]
    outside = set(skyhaul.folder.rglob("*")) - set(everything)
    assert sorted(path for path in outside if not path.name.startswith("accounts.db")) == before
    assert not any(path.is_symlink() for path in everything)
    if fault["kind"] == "hostile-name":  # what the server would call the file does not matter
        assert ran.code == 0
        return
    assert ran.code == 1, ran.err
    assert products(destination) == []
    assert [line["kind"] for line in ran.lines] == ["UnsafeName"]


def login(archive: Archive) -> str:
    """A session of somebody else's with the same account; the refresh token that ends it."""
    form = {
        "client_id": "cdse-public",
        "grant_type": "password",
        **{field: archive.environment[f"CDSE_{field.upper()}"] for field in ("username", "password")},
    }
    with urllib.request.urlopen(archive.addresses["token_url"], urlencode(form).encode()) as reply:
        return json.load(reply)["refresh_token"]


def test_a_run_ends_its_session(archive, skyhaul):
    archive.play(max_sessions=1)
    for into in ("one", "two", "three"):
        ran = skyhaul("download", *TWO, "--limit", "1", "--via", "http", "--into", into)
        assert ran.code == 0, ran.err
    assert archive.asked("identity.logout") == 3
    assert skyhaul("auth", "check").code == 0
    assert archive.asked("identity.logout") == 4


def test_each_process_of_a_run_ends_its_session(archive, skyhaul):
    archive.play(max_sessions=3)
    for into in ("one", "two"):
        ran = skyhaul("download", *TWO, "--via", "http", "--processes", "2", "--into", into)
        assert ran.code == 0, ran.err
    assert archive.stats()["sessions"] == 0


def test_an_account_without_a_session_left_is_waited_for_and_said_to_be_so(archive, skyhaul):
    archive.play()
    other = login(archive)
    archive.play(max_sessions=1)
    with skyhaul.begun("download", *TWO, "--limit", "1", "--via", "http", "--into", "archive") as process:
        assert any("login: " in line and "Max session number 1 exceeded" in line for line in process.stderr)
        form = {"client_id": "cdse-public", "refresh_token": other}
        ended = archive.addresses["token_url"].removesuffix("token") + "logout"
        urllib.request.urlopen(ended, urlencode(form).encode()).close()
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
