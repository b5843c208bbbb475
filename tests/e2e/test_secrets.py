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


def told(skyhaul: Skyhaul, *arguments: str, stdin: str = "", **environment: str) -> bytes:
    """Whatever a download into ``x`` shows, its status and its report included, and whatever it leaves."""
    ran = skyhaul(
        "download", *arguments, "--into", "x", "--events", "events.jsonl", "--json", stdin=stdin, **environment
    )
    assert ran.code in {0, 1, 4, 5}, ran.err
    assert "internal error" not in ran.err
    status = skyhaul("status", "x", "--json")
    shown = (ran.out, ran.err, status.out, status.err)
    return b"\0".join([*(text.encode() for text in shown), *_files(skyhaul.folder)])


WRONG = "wrongWRONG234567"


@pytest.mark.parametrize(
    ("via", "wrong", "named"),
    [
        ("http", {"CDSE_PASSWORD": WRONG}, b"CDSE_PASSWORD"),
        ("http", {"CDSE_TOTP_SECRET": WRONG}, b"CDSE_TOTP_SECRET"),
        ("s3", {"CDSE_S3_SECRET_KEY": WRONG}, b"CDSE_S3_SECRET_KEY"),
        ("s3", {"CDSE_S3_ACCESS_KEY": WRONG}, b"CDSE_S3_ACCESS_KEY"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_is_wrong_is_named_and_not_shown(archive, skyhaul, via, wrong, named):
    archive.play(totp_secret=TOTP)
    everything = told(skyhaul, *TWO, "--via", via, **{"CDSE_TOTP_SECRET": TOTP, "SKYHAUL_DEBUG": "1", **wrong})
    assert named in everything
    assert archive.fetched == 0 or via == "s3"
    for secret in (*secrets(archive), WRONG.encode()):
        assert secret not in everything
    assert TOKEN.search(everything) is None


@pytest.mark.parametrize("status", [400, 401, 403])
@pytest.mark.parametrize(("setting", "via"), SENT_ON.values(), ids=SENT_ON)
def test_a_host_that_repeats_what_it_is_told_is_not_quoted(archive, skyhaul, setting, via, status):
    """Some debug pages, and some proxies, print the whole request."""
    with stranger(status, repeats=True) as host:
        everything = told(
            *(skyhaul, *TWO, "--limit", "1", "--via", via),
            **{f"SKYHAUL_PROVIDERS__CDSE__{setting}": host.url, "SKYHAUL_DEBUG": "1"},
        )
    assert host.heard
    for secret in secrets(archive)[:-1]:
        assert secret not in everything
    for request in host.heard:
        for shown in re.findall(rb"(?:Bearer |Signature=|Credential=|totp=)([^\s,&]+)", request):
            assert shown not in everything


@pytest.mark.parametrize("answer", [None, 407])
def test_the_password_of_a_proxy_is_nowhere(archive, skyhaul, answer):
    with stranger(answer or 407, repeats=True) as proxy:
        place = proxy.url.removeprefix("http://") if answer else "127.0.0.1:9"
        url = f"http://alice:open-sesame@{place}"
        everything = told(skyhaul, *TWO, HTTP_PROXY=url, http_proxy=url, ALL_PROXY=url, SKYHAUL_DEBUG="1")
    assert bool(proxy.heard) == bool(answer)
    assert b"open-sesame" not in everything
    assert b"YWxpY2U6b3Blbi1zZXNhbWU" not in everything  # alice:open-sesame as a proxy is told it


SIGNED = {
    "sas": "?sv=2024-01-01&se=2030-01-01&sp=r&sig=abraCADABRA%2F1234",
    "presigned": "?X-Amz-Credential=AKIA0abraCADABRA&X-Amz-Expires=600&X-Amz-Signature=abraCADABRA1234",
    "older": "?AWSAccessKeyId=AKIA0abraCADABRA&Expires=1&Signature=abraCADABRA1234",
    "token": "?token=abraCADABRA1234",
}


@pytest.mark.parametrize("status", [200, 302, 403, 404, None])
@pytest.mark.parametrize("query", SIGNED.values(), ids=SIGNED)
def test_the_signature_of_an_address_in_a_list_is_nowhere(skyhaul, status, query):
    with (
        stranger(403, repeats=True) as other,
        stranger(status or 500, other.url if status == 302 else None, b"II* a picture") as host,
    ):
        root = host.url if status else "http://127.0.0.1:9"
        rows = "".join(f"{root}/{name}.tif{query}\n" for name in "ab")
        everything = told(skyhaul, "--from", "-", stdin=rows, SKYHAUL_DEBUG="1")
    assert b"a.tif" in everything
    assert b"abraCADABRA" not in everything


@pytest.mark.parametrize(
    "row",
    [
        "ftp://alice:open-sesame@h.example/x.tif",
        "https://alice:open-sesame@h.example",
        "https://alice:open-sesame@h.example/x.tif",
        "https://h.example?token=open-sesame",
        "https://h.example/x.tif alice:open-sesame@h.example",
    ],
)
def test_a_line_of_a_list_that_cannot_be_used_is_not_quoted_with_its_password(skyhaul, row):
    ran = skyhaul("download", "--from", "-", "--into", "x", stdin=f"https://h.example/y.tif\n{row}\n")
    assert ran.code == 2
    assert "open-sesame" not in ran.out + ran.err
    assert "line 2" in ran.complaint


def _files(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
