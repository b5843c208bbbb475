"""How much of an account's allowance does a download use? 12 Sentinel-2 trees of 87 objects and 40 MB, 4 streams of 20 MB/s, 60 ms.

Efficiency is verified bytes ÷ (seconds × 80 MB/s). ``run`` counts the seconds of the run, from the first catalogue request to the last
published product; ``process`` the whole command with its start. Goals of the main job: auto 0.93, zips 0.85, S3 0.27, never a fifth
stream. Peers run with four workers, which is the most that the account takes without refusals; they verify nothing.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from support import Archive, Run, archive, emptied, machine, run, skyhaul, table

PRODUCTS = 12
ALLOWANCE_BYTES_PER_S = 4 * 20_000_000
RUNS = 3
WORLD = ("--products", "40", "--tree-bytes", "40000000", "--no-oddities", "--set", "latency_s=0.06")
QUERY = ("--collection", "SENTINEL-2", "--product-type", "S2MSI2A", "--limit", str(PRODUCTS))

Row = tuple[str, str, str, str, int, int]


def ours(served: Archive, folder: Path, via: str) -> Row:
    events = folder / "events.jsonl"
    shares, processes = [], []
    streams = refused = 0
    for _ in range(RUNS):
        into = emptied(folder / "archive")
        events.unlink(missing_ok=True)
        served.reset()
        done = run(
            skyhaul("download", *QUERY, "--via", via, "--into", str(into), "--events", str(events)), served.environment
        )
        assert done.code == 0, done.err
        report = json.loads(events.read_text().splitlines()[-1])["report"]
        assert report["verified"] == PRODUCTS, report
        shares.append(report["bytes"] / report["seconds"] / ALLOWANCE_BYTES_PER_S)
        processes.append(report["bytes"] / done.wall_s / ALLOWANCE_BYTES_PER_S)
        stats = served.stats()
        streams, refused = max(streams, stats["streams_max"]), refused + stats["refused"]
    return f"skyhaul --via {via}", "verified", _spread(shares), _spread(processes), streams, refused


def peer(served: Archive, folder: Path, name: str, command: Callable[[Path, Path], Run]) -> Row:
    keys = json.loads(_products(served))
    shares = []
    streams = refused = 0
    for _ in range(RUNS):
        into = emptied(folder / "archive")
        served.reset()
        done = command(into, _key_file(folder, keys))
        assert done.code == 0, done.err[-2000:]
        got = sum(path.stat().st_size for path in into.rglob("*") if path.is_file())
        shares.append(got / done.wall_s / ALLOWANCE_BYTES_PER_S)
        stats = served.stats()
        streams, refused = max(streams, stats["streams_max"]), refused + stats["refused"]
    return name, "nothing", "", _spread(shares), streams, refused


def _products(served: Archive) -> str:
    found = run(skyhaul("search", *QUERY, "--format", "jsonl"), served.environment)
    assert found.code == 0, found.err
    return json.dumps([json.loads(line)["s3_path"] for line in found.out.splitlines()])


def _key_file(folder: Path, keys: list[str]) -> Path:
    path = folder / "keys.json"
    path.write_text(json.dumps(keys))
    return path


def s5cmd(served: Archive) -> Callable[[Path, Path], Run]:
    environment = _aws(served)

    def command(into: Path, keys: Path) -> Run:
        lines = [f"cp s3://{key}/* {into}/{key.rpartition('/')[2]}/" for key in json.loads(keys.read_text())]
        script = keys.with_suffix(".txt")
        script.write_text("\n".join(lines))
        call = ["s5cmd", "--endpoint-url", served.addresses["s3_url"], "--numworkers", "4", "run", str(script)]
        return run(call, environment)

    return command


def rclone(served: Archive) -> Callable[[Path, Path], Run]:
    environment = {
        **_aws(served),
        "RCLONE_CONFIG": "/dev/null",
        "RCLONE_CONFIG_CDSE_TYPE": "s3",
        "RCLONE_CONFIG_CDSE_PROVIDER": "Other",
        "RCLONE_CONFIG_CDSE_ENV_AUTH": "true",
        "RCLONE_CONFIG_CDSE_ENDPOINT": served.addresses["s3_url"],
    }

    def command(into: Path, keys: Path) -> Run:
        prefixes = [key.partition("/")[2] for key in json.loads(keys.read_text())]
        listing = keys.with_suffix(".rclone")
        listing.write_text("\n".join(f"+ /{prefix}/**" for prefix in prefixes) + "\n- *\n")
        options = ["--transfers", "4", "--checkers", "4", "--filter-from", str(listing), "--s3-list-version", "2"]
        return run(["rclone", "copy", "cdse:eodata", str(into), *options], environment)

    return command


def _aws(served: Archive) -> dict[str, str]:
    given = served.environment
    return {
        **given,
        "AWS_ACCESS_KEY_ID": given["CDSE_S3_ACCESS_KEY"],
        "AWS_SECRET_ACCESS_KEY": given["CDSE_S3_SECRET_KEY"],
        "AWS_REGION": "default",
        "PATH": f"{Path(sys.executable).parent}:{given['PATH']}",
    }


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def main() -> None:
    print(machine())
    print(f"{PRODUCTS} trees of 87 objects and 40 MB, 4 × 20 MB/s, 60 ms; median of {RUNS} and spread")
    rows: list[tuple[object, ...]] = [("client", "checks", "run", "process", "streams", "refused")]
    with tempfile.TemporaryDirectory() as scratch, archive(*WORLD) as served:
        folder = Path(scratch)
        _products(served)
        rows += [ours(served, folder, via) for via in ("auto", "http", "s3")]
        binaries = Path(sys.executable).parent
        for name, command in (("s5cmd, 4 workers", s5cmd), ("rclone, 4 transfers", rclone)):
            if (binaries / name.partition(",")[0]).exists() or shutil.which(name.partition(",")[0]):
                rows.append(peer(served, folder, name, command(served)))
        print(table(rows))


if __name__ == "__main__":
    main()
