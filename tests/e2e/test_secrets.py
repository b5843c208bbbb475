"""Secrets go to the archive and nowhere else: whatever a run leaves behind or shows is searched for them."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

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
    assert json.loads(shown.out)["s3_url"] == archive.addresses["s3_url"]
