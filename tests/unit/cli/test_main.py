from __future__ import annotations

import os
import subprocess
import sys

import pytest

from skyhaul import __main__
from skyhaul.errors import AccessDenied, DiskFull
from skyhaul.version import __version__


@pytest.fixture
def ended(monkeypatch, capfd):
    """What main does when the command line raises, or returns, something."""

    def run(outcome):
        def app(**_):
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

        monkeypatch.setattr(__main__, "app", app)
        with pytest.raises(SystemExit) as end:
            __main__.main()
        return end.value.code, capfd.readouterr().err

    return run


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (0, 0), (3, 3)])
def test_a_command_that_ends(ended, returned, code):
    assert ended(returned) == (code, "")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (AccessDenied("no"), 5),
        (BaseExceptionGroup("tasks", [DiskFull("no")]), 6),
        (BaseExceptionGroup("tasks", [BaseExceptionGroup("inner", [DiskFull("no"), DiskFull("no")])]), 6),
    ],
)
def test_an_expected_failure_is_its_sentence(ended, error, code):
    assert ended(error) == (code, "skyhaul: no\n")


def test_a_bug_does_not_show_what_an_address_holds(ended, monkeypatch):
    monkeypatch.delenv("SKYHAUL_DEBUG", raising=False)
    _, err = ended(ValueError("no slice of https://alice:sesame@h.example/x?sig=sesame"))
    assert "ValueError: no slice of https://***@h.example/x?sig=***" in err


@pytest.mark.parametrize("error", [KeyboardInterrupt(), BaseExceptionGroup("tasks", [KeyboardInterrupt()])])
def test_an_interruption(ended, error):
    assert ended(error) == (130, "skyhaul: interrupted\n")


def test_a_bug_is_one_line_and_a_traceback_on_request(ended, monkeypatch):
    monkeypatch.delenv("SKYHAUL_DEBUG", raising=False)
    code, err = ended(ZeroDivisionError("division\nby zero"))
    assert code == 70
    assert err == (
        "skyhaul: internal error, please report it: ZeroDivisionError: division by zero; SKYHAUL_DEBUG=1 shows the traceback\n"
    )
    monkeypatch.setenv("SKYHAUL_DEBUG", "1")
    monkeypatch.setattr(__main__, "app", lambda **_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        __main__.main()


def started(*arguments, **more):
    return subprocess.Popen(
        [sys.executable, "-m", "skyhaul", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more
    )


def test_version_and_help():
    assert started("--version").communicate() == (f"skyhaul {__version__}\n", "")
    out, err = started("--help").communicate()
    assert err == ""
    assert {"demo", "search", "plan", "download", "run", "status", "providers", "simulate", "auth"} <= set(out.split())


def test_no_command_is_help_and_a_usage_error():
    process = started()
    out, err = process.communicate()
    assert (process.returncode, out) == (2, "")
    assert err.startswith("Usage: skyhaul")


def test_a_reader_that_has_gone_is_no_failure_to_speak_of(tmp_path):
    read, write = os.pipe()
    os.close(read)
    process = subprocess.run(
        [sys.executable, "-m", "skyhaul", "providers"],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    os.close(write)
    assert (process.returncode, process.stderr) == (141, "")


def test_help_imports_nothing_heavy():
    code = "import sys, skyhaul.__main__; print(*sys.modules)"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    heavy = {
        "aiohttp",
        "aiobotocore",
        "botocore",
        "shapely",
        "pyproj",
        "numpy",
        "rich",
        "asyncio",
        "tenacity",
    }
    assert not heavy & loaded
