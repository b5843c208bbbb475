"""Products on tape: ordered, waited for, fetched; and what is left when the wait ends first."""

from __future__ import annotations

import json
import signal
import time

import pytest

from support.trees import products

TIMEOUT_S = 20
FETCHED = ("dhus.value", "resto.download", "geodes.download")


@pytest.fixture(params=["dhus", "resto", "geodes"])
def provider(request):
    return request.param


@pytest.fixture
def named(skyhaul, provider):
    """The names that an archive has for products of Sentinel-2 that match; GEODES has level 1C alone, one of it on tape."""
    kind = ("--product-type", "S2MSI1C") if provider == "geodes" else ("--collection", "SENTINEL-2")

    def named(*query):
        words = (*kind, "--start", "2024-04-01", *query, "--format", "names")
        names = skyhaul("search", "--provider", "cdse", *words).out.split()
        return [name.removesuffix(".SAFE") for name in names] if provider == "geodes" else names

    return named


@pytest.fixture
def archived(named):
    """The names of a few products that are on tape."""
    return named("--where", "Online=false")[:5]


def command(provider, *more):
    return (
        "download",
        "--provider",
        provider,
        "--from",
        "names",
        "--into",
        "x",
        "--order-wait",
        "1s",
        "--json",
        *more,
    )


def until(condition):
    end_s = time.monotonic() + TIMEOUT_S
    while time.monotonic() < end_s:
        if condition():
            return
        time.sleep(0.02)  # another process is looked at
    raise AssertionError("it did not come to that")


def test_what_is_on_tape_is_ordered_and_fetched_once_it_is_online(archive, skyhaul, archived, provider):
    (skyhaul.folder / "names").write_text("\n".join(archived))
    archive.play(staging_s=3600)
    with skyhaul.begun(*command(provider)) as process:
        until(lambda: archive.stats()["ordered"][provider] == len(archived))
        assert products(skyhaul.folder / "x") == []
        archive.load_tapes()
        out, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0, err
    lines = [json.loads(line) for line in out.splitlines()]
    assert sorted(line["name"] for line in lines) == sorted(archived)
    assert {line["state"] for line in lines} == {"verified"}
    assert sorted(path.name for path in (skyhaul.folder / "x").glob("S2*")) == sorted(archived)
    assert f"ordered {archived[0]}" in err


def test_an_archives_quota_is_kept_to(archive, skyhaul, archived, provider):
    (skyhaul.folder / "names").write_text("\n".join(archived))
    archive.play(staging_s=0.3, orders_at_once=2)
    ran = skyhaul(*command(provider, "--events", "events.jsonl"))
    assert ran.code == 0, ran.err
    events = [json.loads(line) for line in (skyhaul.folder / "events.jsonl").read_text().splitlines()]
    awaited = [(each["staging"], each["waiting"]) for each in events if each["event"] == "OrdersAwaited"]
    assert any(staging > 0 for staging, _ in awaited)
    assert awaited[-1] == (0, 0)
    assert {line["state"] for line in ran.lines} == {"verified"}
    assert archive.stats()["ordered"][provider] == len(archived)


@pytest.mark.parametrize("option", ["--max-time", "--order-timeout"])
def test_what_is_left_is_named_and_the_next_run_goes_on(archive, skyhaul, archived, provider, option):
    (skyhaul.folder / "names").write_text("\n".join(archived))
    archive.play(staging_s=3600)
    ran = skyhaul(*command(provider, option, "1s"))
    assert ran.code == 1
    assert {line["name"]: line["state"] for line in ran.lines} == dict.fromkeys(archived, "offline")
    assert all("run again to go on" in line["error"] for line in ran.lines)
    assert archive.stats()["ordered"][provider] == len(archived)
    asked = archive.asked(*FETCHED)
    archive.load_tapes()
    again = skyhaul(*command(provider))
    assert again.code == 0, again.err
    assert {line["state"] for line in again.lines} == {"verified"}
    # Each is fetched, and none was ordered a second time.
    assert archive.asked(*FETCHED) == asked + len(archived)


def test_an_interrupted_wait_ends_safely(archive, skyhaul, archived, provider):
    (skyhaul.folder / "names").write_text("\n".join(archived))
    archive.play(staging_s=3600)
    with skyhaul.begun(*command(provider)) as process:
        until(lambda: archive.stats()["ordered"][provider] == len(archived))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130, err
    assert {json.loads(line)["state"] for line in out.splitlines()} == {"offline"}
    archive.load_tapes()
    assert skyhaul(*command(provider)).code == 0


def test_nothing_is_ordered_against_the_users_will(archive, skyhaul, archived, provider):
    (skyhaul.folder / "names").write_text("\n".join(archived))
    archive.play(staging_s=3600)
    ran = skyhaul(*command(provider, "--no-order"))
    assert ran.code == 1
    assert {line["state"] for line in ran.lines} == {"offline"}
    assert archive.stats()["ordered"][provider] == 0


def test_what_is_online_does_not_wait_for_what_is_not(archive, skyhaul, archived, named, provider):
    online = named("--end", "2024-04-10", "--online")[:6]
    (skyhaul.folder / "names").write_text("\n".join([*archived, *online]))
    archive.play(staging_s=3600)
    with skyhaul.begun(*command(provider)) as process:
        until(lambda: len(list((skyhaul.folder / "x").glob("S2*"))) == len(online))
        archive.load_tapes()
        process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0
