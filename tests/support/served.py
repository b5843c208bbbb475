"""The embedded archive as a process of its own, and skyhaul as another one: what a user has, with a hand on the faults."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.warm import Warm

WORLD = ("--products", "500", "--scale", "0.0004")
"""Every kind of product there is, small: what takes long in a test is the number of requests, not of bytes."""

UNHURRIED = {"bytes_per_s_per_connection": None, "s3_requests_per_minute": None, "max_sessions": 1_000_000}
TIMEOUT_S = 120

TILE = "32TQR"
MIXED = (
    "S1A_AUX_CAL_V20240401T010000_G20240403T011514.SAFE",  # a zip in the bucket, whose name does not say so
    "S1A_OPER_AUX_POEORB_OPOD_20240423T034828_V20240401T225942_20240403T005942.EOF",  # one file
    "S1A_IW_GRDH_1SDV_20240401T052345_20240401T052410_053236_067FA6_6B9D_COG.SAFE",  # no checksums in the catalogue
    "S2B_MSIL1C_20240402T101019_N0510_R022_T32TPQ_20240402T140941.SAFE",
    "S2B_MSIL2A_20240512T082937_N0510_R021_T36RTV_20240512T124730.SAFE",  # no size in the catalogue either
    "S3A_OL_1_EFR____20240401T075405_20240401T075705_20240401T100518_0179_110_363_2340_PS1_O_NR_004.SEN3",
    "S5P_OFFL_L2__NO2____20240401T103324_20240401T121453_33511_03_020600_20240403T051410.nc",  # one file
)  # fmt: skip


class Archive:
    """A running archive. Its scenario is that of the start, unless a test plays another one."""

    def __init__(self, addresses: Mapping[str, Any]) -> None:
        self.addresses = addresses
        self.environment: dict[str, str] = addresses["environment"]
        self._control = addresses["control_url"]
        self._usual = self._ask("scenario")

    def play(self, *faults: Mapping[str, Any], **changes: Any) -> None:
        """The usual scenario with these faults and changes, from now on; everything is counted anew, tapes are where they were."""
        self._ask("scenario", {**self._usual, "faults": faults, **changes})
        self._ask("tapes/rewind", {})
        self._ask("stats/reset", {})

    def load_tapes(self) -> None:
        """Put online what was ordered."""
        self._ask("tapes/load", {})

    def stats(self) -> dict[str, Any]:
        """What was counted since the last ``play``."""
        counted: dict[str, Any] = self._ask("stats")
        return counted

    def asked(self, *routes: str) -> int:
        """Requests to routes that begin so, since the last ``play``."""
        return sum(count for route, count in self.stats()["requests"].items() if route.startswith(routes))

    @property
    def fetched(self) -> int:
        """Requests for bytes of products since the last ``play``."""
        return self.asked("download.zip", "s3.get")

    def _ask(self, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(f"{self._control}/{path}", data=data, timeout=10) as reply:
            return json.load(reply)


@contextmanager
def simulated(*options: str) -> Iterator[Archive]:
    """``skyhaul simulate`` for the length of the block."""
    command = [sys.executable, "-m", "skyhaul", "simulate", "--until-stdin-closes", *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            addresses = process.stdout.readline()
            assert addresses, f"{' '.join(command)} ended before it was ready"
            yield Archive(json.loads(addresses))
        finally:
            process.stdin.close()
            process.wait(TIMEOUT_S)


@pytest.fixture(scope="session")
def served() -> Iterator[Archive]:
    """One archive for all tests."""
    settings = [f"{name}={json.dumps(value)}" for name, value in UNHURRIED.items()]
    with simulated(*WORLD, *(word for setting in settings for word in ("--set", setting))) as archive:
        yield archive


@pytest.fixture
def archive(served: Archive) -> Archive:
    """The archive without faults, its counts at zero."""
    served.play()
    return served


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A command that has ended: its exit code, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Stdout as JSON Lines."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def complaint(self) -> str:
        """The one sentence that a failure is told in."""
        assert "Traceback" not in self.out + self.err
        told = [line for line in self.err.splitlines() if line.startswith("skyhaul:")]
        assert len(told) == 1, self.err
        return told[0].removeprefix("skyhaul: ")


class Skyhaul:
    """The command line, run in a folder of its own by a user who has nothing set but what the archive told.

    With ``warm`` a command that is run to its end is forked from what is imported already.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], warm: Warm | None = None) -> None:
        self.folder = folder
        self._warm = warm
        home = folder / "home"
        home.mkdir(exist_ok=True)
        kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "TMPDIR") if name in os.environ}
        self.environment = {
            **kept,
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
            # The archive counts no requests, but who looks at the account's usual limits would wait for the next minute.
            "SKYHAUL_PROVIDERS__CDSE__REQUESTS_PER_MINUTE": "1000000",
            **environment,
        }

    def __call__(self, *arguments: object, stdin: str = "", without: Sequence[str] = (), **environment: str) -> Ran:
        """Run a command to its end. ``environment`` is added to, ``without`` taken from what is set."""
        set_ = self._set(environment, without)
        if self._warm is not None:
            words = list(map(str, arguments))
            told = self._warm.run(words, environment=set_, folder=self.folder, stdin=stdin, timeout_s=TIMEOUT_S)
            return Ran(code=told[0], out=told[1], err=told[2])
        done = subprocess.run(
            self.command(*arguments),
            env=set_,
            cwd=self.folder,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        return Ran(code=done.returncode, out=done.stdout, err=done.stderr)

    @contextmanager
    def begun(self, *arguments: object, **environment: str) -> Iterator[subprocess.Popen[str]]:
        """A command that is still running; it is killed if the block leaves it so."""
        with subprocess.Popen(
            self.command(*arguments),
            env=self._set(environment, ()),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    @staticmethod
    def command(*arguments: object) -> list[str]:
        """The words of a command line."""
        return [sys.executable, "-m", "skyhaul", *map(str, arguments)]

    def _set(self, environment: Mapping[str, str], without: Sequence[str]) -> dict[str, str]:
        return {name: value for name, value in {**self.environment, **environment}.items() if name not in without}


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """skyhaul, imported."""
    process = Warm()
    yield process
    process.close()


@pytest.fixture
def skyhaul(archive: Archive, warm: Warm, tmp_path: Path) -> Skyhaul:
    """skyhaul, pointed at the archive, in an empty folder."""
    return Skyhaul(tmp_path, archive.environment, warm)
