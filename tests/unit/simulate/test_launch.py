"""Starting and stopping the archive's process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import anyio
import msgspec
import pytest

from skyhaul.simulate.launch import launched

pytestmark = pytest.mark.anyio
SMALL = ("--products", "12", "--scale", "0.001")


def stats(addresses: dict[str, str]) -> dict[str, object]:
    with urllib.request.urlopen(f"{addresses['control_url']}/stats") as response:
        return msgspec.json.decode(response.read())


async def test_a_launched_archive_lives_as_long_as_its_block():
    async with launched([*SMALL, "--scenario", "unlimited", "--set", "username=me"]) as addresses:
        assert (await anyio.to_thread.run_sync(stats, addresses))["requests"] == {}
        environment = addresses["environment"]
        assert environment["SKYHAUL_PROVIDERS__CDSE__S3_URL"] == addresses["s3_url"]
        assert environment["CDSE_USERNAME"] == "me"
    with pytest.raises(urllib.error.URLError):
        await anyio.to_thread.run_sync(stats, addresses)


async def test_an_archive_that_cannot_start_says_so():
    with pytest.raises(RuntimeError, match="before it was ready"):
        async with launched([*SMALL, "--set", "conections=2"]):
            pass


def started() -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "skyhaul.simulate", "--until-stdin-closes", *SMALL]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def test_it_ends_with_its_parents_end_of_the_pipe():
    process = started()
    process.stdout.readline()
    process.stdin.close()  # as the system does for a parent that was killed
    assert process.wait(timeout=20) == 0
    process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_quietly_when_told_to(number):
    process = started()
    process.stdout.readline()
    os.kill(process.pid, number)
    assert process.wait(timeout=20) == 0
    process.stdin.close()
    process.stdout.close()
