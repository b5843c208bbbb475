"""Secrets go to the archive and nowhere else: whatever a run leaves behind or shows is searched for them."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import pytest

from support.elsewhere import stranger
from support.served import Archive, Skyhaul

TWO = ("--product-type", "IW_GRDH_1S", "--end", "2024-04-20")
TOTP = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
TOKEN = re.compile(rb"eyJ[A-Za-z0-9_-]{8,}\.|[Bb]earer |AWS4-HMAC|Signature=|refresh_token")


def secrets(archive: Archive) -> list[bytes]:
    names = ("CDSE_PASSWORD", "CDSE_S3_ACCESS_KEY", "CDSE_S3_SECRET_KEY")
    return [*(archive.environment[name].encode() for name in names), TOTP.encode()]


def processes() -> bytes:
    """The command lines of everything that runs."""
    return subprocess.run(["ps", "-eo", "args"], capture_output=True, check=True).stdout


def check_clean(skyhaul: Skyhaul, archive: Archive, *shown: bytes) -> None:
    files = [path for path in skyhaul.folder.rglob("*") if path.is_file()]
    assert any(path.name == "journal.db" for path in files)
    assert any(path.name == "events.jsonl" for path in files)
    for text in (*shown, *(path.read_bytes() for path in files)):
        assert not [secret for secret in secrets(archive) if secret in text]
        assert TOKEN.search(text) is None


@pytest.mark.parametrize(
    ("via", "faults"),
    [
        ("http", [{"kind": "short-token", "seconds": 0.0, "times": 1}, {"kind": "status", "status": 401, "nth": 3}]),
        ("http", [{"kind": "redirect-loop", "route": "*.zip"}]),
        ("http", [{"kind": "error-page", "route": "token"}]),
        ("s3", []),
        ("s3", [{"kind": "status", "status": 403, "route": "s3.get"}]),
    ],
    ids=["shaky", "circle", "no-token", "good", "refused"],
)
def test_what_a_run_leaves_holds_no_secret(archive, skyhaul, via, faults):
    archive.play(*faults, totp_secret=TOTP)
    command = ("download", *TWO, "--into", "archive", "--via", via, "--events", "events.jsonl")
    with skyhaul.begun(*command, CDSE_TOTP_SECRET=TOTP, SKYHAUL_DEBUG="1") as process:
        running = processes()
        out, err = process.communicate(timeout=60)
    assert process.returncode in ({0} if not faults else {0, 1, 5})
    status = skyhaul("status", "archive", "--json")
    check_clean(skyhaul, archive, running, out.encode(), err.encode(), status.out.encode())


def test_a_failed_login_and_the_report_on_it(archive, skyhaul):
    ran = skyhaul(
        "download", *TWO, "--into", "archive", "--events", "events.jsonl", "--json", CDSE_PASSWORD="hunter2hunter2"
    )
    check = skyhaul("auth", "check", "--json", CDSE_PASSWORD="hunter2hunter2")
    assert (ran.code, check.code) == (5, 5)
    shown = (ran.out + ran.err + check.out + check.err).encode()
    assert b"hunter2" not in shown
    check_clean(skyhaul, archive, shown)
    assert all(b"hunter2" not in path.read_bytes() for path in skyhaul.folder.rglob("*") if path.is_file())


def test_a_hook_is_told_of_the_product_and_not_of_the_account(archive, skyhaul):
    """A program that the user names runs with the user's environment; what skyhaul learnt itself is not in it."""
    ran = skyhaul("download", *TWO, "--into", "archive", "--on-product", "sh -c 'env > env-{name}'")
    assert ran.code == 0
    told = [path.read_bytes() for path in skyhaul.folder.glob("env-*")]
    assert len(told) == 2
    assert all(TOKEN.search(text) is None for text in told)


def test_a_url_with_a_password_in_it_is_refused_without_repeating_it(skyhaul):
    address = "http://alice:open-sesame@127.0.0.1:9/odata/v1"
    ran = skyhaul("search", "--tile", "32TQR", SKYHAUL_PROVIDERS__CDSE__CATALOGUE_URL=address)
    assert ran.code == 2
    assert "open-sesame" not in ran.out + ran.err


def test_providers_and_events_show_addresses_alone(archive, skyhaul):
    shown = skyhaul("providers", "--json")
    assert not [secret for secret in secrets(archive) if secret in shown.out.encode()]
    assert {each["name"]: each for each in shown.lines}["cdse"]["s3_url"] == archive.addresses["s3_url"]


SENT_ON = {
    "download": ("DOWNLOAD_URL", "http"),
    "objects": ("S3_URL", "s3"),
    "login": ("TOKEN_URL", "http"),
    "catalogue": ("CATALOGUE_URL", "http"),
}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(("setting", "via"), SENT_ON.values(), ids=SENT_ON)
def test_a_host_that_is_only_redirected_to_learns_nothing(archive, skyhaul, setting, via, status):
    """A service of the archive's that has been taken over, or moved, sends its users to somebody else."""
    archive.play(totp_secret=TOTP)
    with stranger() as other, stranger(status, other.url) as first:
        ran = skyhaul(
            *("download", *TWO, "--limit", "1", "--into", "archive", "--via", via, "--events", "events.jsonl"),
            **{f"SKYHAUL_PROVIDERS__CDSE__{setting}": first.url, "CDSE_TOTP_SECRET": TOTP, "SKYHAUL_DEBUG": "1"},
        )
    assert ran.code in {1, 4, 5}, ran.err
    assert first.heard, "the first host was asked"
    for request in other.heard:
        assert not [secret for secret in secrets(archive) if secret in request]
        assert TOKEN.search(request) is None
        assert b"uthorization" not in request
    check_clean(skyhaul, archive, ran.out.encode(), ran.err.encode())


def test_the_tokens_of_a_run_are_nowhere(archive, skyhaul):
    """Not only what looks like a token: the very ones that were given out."""
    given: list[bytes] = []
    with stranger() as first:
        ran = skyhaul(
            *("download", *TWO, "--into", "archive", "--via", "http", "--events", "events.jsonl"),
            SKYHAUL_PROVIDERS__CDSE__DOWNLOAD_URL=first.url,
        )
        given = [match[1] for request in first.heard if (match := re.search(rb"Bearer (\S+)", request))]
    assert ran.code == 1
    assert given, "the download host is given the token"
    for text in (ran.out.encode(), ran.err.encode(), *_files(skyhaul.folder)):
        assert not [token for token in given if token in text or token.rpartition(b".")[2] in text]


def test_a_running_command_shows_no_secret_to_other_users(archive, skyhaul):
    archive.play({"kind": "silence", "route": "download.zip"}, totp_secret=TOTP)
    command = ("download", *TWO, "--into", "archive", "--via", "http")
    with skyhaul.begun(*command, CDSE_TOTP_SECRET=TOTP) as process:
        until = time.monotonic() + 30
        while archive.asked("download.zip") == 0 and time.monotonic() < until and process.poll() is None:
            pass
        assert archive.asked("download.zip") > 0
        shown = [Path(f"/proc/{process.pid}/{name}").read_bytes() for name in ("cmdline", "comm")]
        shown += [path.read_bytes() for path in Path(f"/proc/{process.pid}/task").glob("*/comm")]
    assert shown[0].count(b"\0") >= len(command)
    assert not [secret for secret in secrets(archive) for text in shown if secret in text]


def _files(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
