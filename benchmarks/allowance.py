"""How much of an account's allowance does a download use? Trees of 87 objects, 4 streams of 20 MB/s, 60 ms until an answer begins.

Efficiency is verified bytes ÷ (seconds × 80 MB/s). ``run`` counts the seconds of the run, from the first catalogue request to the last
published product; ``process`` the whole command with its start, which is what the goals mean; ``beyond s`` is how much longer the command
took than its bytes at 80 MB/s. Start and end are the same for 480 MB, which take 6 s, as for a night: what they cost is seen there, what is
lost between the streams in the longer runs. The figure of merit is the mixed work, with faults: connections reset, answers 503, a body cut.

Streams that are released 1 s late leave products of 40 MB 0.67 of the allowance, and those of 400 MB 0.95. Nobody outside knows whether
the real archive counts a request that waits for its answer as a stream, so small objects and mixed work are fetched in both worlds: where
it counts, four connections can do no better than objects × 60 ms ÷ 4, which leaves 0.95 of the mixed work, less what has to come twice.

Opponents verify nothing and hold four streams, the most that the account takes without refusals. S3: s5cmd --numworkers 4 run, a cp for
each tree; rclone copy --transfers 4 --checkers 4 --s3-list-version 2 with a filter; phidown mode fast, max_workers 4. Zips: CDSETool
concurrency 4; eodag max_workers 4, no extraction. The Python clients search too, one page.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import peers
from support import IN_SHORT, Archive, Run, archive, emptied, machine, run, skyhaul, table

ALLOWANCE_BYTES_PER_S = 4 * 20_000_000
RUNS = 3
MANY = 1_000_000
SMALLEST = "*/MTD_DS.xml"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Products to fetch and an archive to fetch them from; ``goals`` by route."""

    title: str
    products: int
    goals: Mapping[str, float]
    tree_bytes: int | None = None
    settings: tuple[str, ...] = ()
    only: str | None = None
    runs: int = RUNS

    @property
    def archive(self) -> tuple[str, ...]:
        """Options of the embedded archive."""
        # Runs that follow each other would meet the requests a minute, which is another question.
        settings = ("latency_s=0.06", f"s3_requests_per_minute={MANY}", *self.settings)
        options = [word for setting in settings for word in ("--set", setting)]
        size = ("--scale", "0.04") if self.tree_bytes is None else ("--tree-bytes", str(self.tree_bytes))
        return ("--products", "120", *size, "--no-oddities", *options)

    @property
    def query(self) -> tuple[str, ...]:
        """Options of the search."""
        kind = ("--online",) if self.tree_bytes is None else ("--collection", "SENTINEL-2", "--product-type", "S2MSI2A")
        return (*kind, "--start", "2024-01-01", "--limit", str(self.products))


FREE = "count_waiting=false"
FAULTS = (
    {"kind": "reset", "route": "download.*", "every": 20},
    {"kind": "status", "route": "download.*", "every": 25},
    {"kind": "cut", "route": "download.*", "every": 40},
)
SMALL = World(
    title="12 trees of 40 MB; who waits counts as a stream",
    tree_bytes=40_000_000,
    products=12,
    goals={"auto": 0.97, "http": 0.95, "s3": 0.27},
)
MIXED = World(
    title="mixed: 60 products of 0.2 to 303 MB, 80 ms, faults",
    products=60,
    goals={"auto": 0.97, "http": 0.95},
    settings=("latency_s=0.08", f"faults={json.dumps(FAULTS)}"),
)
WORLDS = (
    SMALL,
    World(title="the same; waiting is free", tree_bytes=40_000_000, products=12, goals={"s3": 0.60}, settings=(FREE,)),
    World(
        title="the same; streams released 1 s late",
        tree_bytes=40_000_000,
        products=12,
        goals={"http": 0.90},
        settings=("release_delay_s=1",),
    ),
    MIXED,
    replace(
        MIXED, title="the same mixed work; waiting is free", settings=(*MIXED.settings, FREE), goals={"auto": 0.97}
    ),
    World(
        title="12 trees of 400 MB; streams released 1 s late",
        tree_bytes=400_000_000,
        products=12,
        goals={"http": 0.90},
        settings=("release_delay_s=1",),
        runs=1,
    ),
    World(title="4 trees of 1 GB", tree_bytes=10**9, products=4, goals={"s3": 0.95}, runs=1),
    World(
        title="4 trees of 1 GB; waiting is free",
        tree_bytes=10**9,
        products=4,
        goals={"s3": 0.95},
        settings=(FREE,),
        runs=1,
    ),
    World(
        title="one object of 4 GB",
        tree_bytes=30 * 10**9,
        products=1,
        goals={"s3": 0.95},
        only="*/R10m/*_B08_10m.jp2",
        runs=1,
    ),
)

Row = tuple[str, str, str, str, str, int, int]


def ours(served: Archive, folder: Path, world: World, via: str) -> Row:
    events = folder / "events.jsonl"
    shares, processes, beyond_s = [], [], []
    streams = refused = 0
    only = () if world.only is None else ("--only", world.only)
    for _ in range(world.runs):
        into = emptied(folder / "archive")
        events.unlink(missing_ok=True)
        served.reset()
        done = run(
            skyhaul("download", *world.query, *only, "--via", via, "--into", str(into), "--events", str(events)),
            {
                **served.environment,
                "SKYHAUL_ACCOUNTS": str(folder / "accounts.db"),
                "SKYHAUL_PROVIDERS__CDSE__REQUESTS_PER_MINUTE": str(MANY),
            },
        )
        assert done.code == 0, done.err
        report = json.loads(events.read_text().splitlines()[-1])["report"]
        assert report["verified"] == world.products, report
        shares.append(report["bytes"] / report["seconds"] / ALLOWANCE_BYTES_PER_S)
        processes.append(report["bytes"] / done.wall_s / ALLOWANCE_BYTES_PER_S)
        beyond_s.append(done.wall_s - report["bytes"] / ALLOWANCE_BYTES_PER_S)
        stats = served.stats()
        streams, refused = max(streams, stats["streams_max"]), refused + stats["refused"]
    (folder / "accounts.db").unlink()  # what was learnt of this archive is not known of the next
    figures = _spread(shares), _spread(processes), f"{statistics.median(beyond_s):.2f}"
    return f"skyhaul --via {via}", "verified", *figures, streams, refused


def peer(served: Archive, folder: Path, name: str, command: Callable[[Path], Run]) -> Row:
    shares, beyond_s = [], []
    streams = refused = failed = 0
    for _ in range(RUNS):
        into = emptied(folder / "archive")
        served.reset()
        done = command(into)
        if done.code != 0:
            failed += 1
            continue
        got = sum(path.stat().st_size for path in into.rglob("*") if path.is_file())
        shares.append(got / done.wall_s / ALLOWANCE_BYTES_PER_S)
        beyond_s.append(done.wall_s - got / ALLOWANCE_BYTES_PER_S)
        stats = served.stats()
        streams, refused = max(streams, stats["streams_max"]), refused + stats["refused"]
    told = f", {failed} of {RUNS} runs not whole" if failed else ""
    if not shares:
        return name + told, "nothing", "", "", "", streams, refused
    return name + told, "nothing", "", _spread(shares), f"{statistics.median(beyond_s):.2f}", streams, refused


def _products(served: Archive) -> list[dict[str, str]]:
    """What skyhaul fetches, for the others to fetch too."""
    found = run(skyhaul("search", *SMALL.query, "--format", "jsonl"), served.environment)
    assert found.code == 0, found.err
    return [json.loads(line) for line in found.out.splitlines()]


def s5cmd(served: Archive, folder: Path, keys: list[str]) -> Callable[[Path], Run]:
    environment = _aws(served)

    def command(into: Path) -> Run:
        lines = [f"cp s3://{key}/* {into}/{key.rpartition('/')[2]}/" for key in keys]
        script = folder / "keys.s5cmd"
        script.write_text("\n".join(lines))
        call = ["s5cmd", "--endpoint-url", served.addresses["s3_url"], "--numworkers", "4", "run", str(script)]
        return run(call, environment)

    return command


def rclone(served: Archive, folder: Path, keys: list[str]) -> Callable[[Path], Run]:
    environment = {
        **_aws(served),
        "RCLONE_CONFIG": "/dev/null",
        "RCLONE_CONFIG_CDSE_TYPE": "s3",
        "RCLONE_CONFIG_CDSE_PROVIDER": "Other",
        "RCLONE_CONFIG_CDSE_ENV_AUTH": "true",
        "RCLONE_CONFIG_CDSE_ENDPOINT": served.addresses["s3_url"],
    }

    def command(into: Path) -> Run:
        prefixes = [key.partition("/")[2] for key in keys]
        listing = folder / "keys.rclone"
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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the small trees alone, once each, and no peers")
    parser.add_argument(
        "--world", default="", metavar="WORDS", help="the worlds alone whose title has these words in it"
    )
    given = parser.parse_args()
    worlds = (replace(SMALL, runs=1),) if given.quick else [world for world in WORLDS if given.world in world.title]
    print(machine())
    rows: list[tuple[object, ...]] = [
        ("world", "client", "goal", "checks", "run", "process", "beyond s", "streams", "refused")
    ]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for world in worlds:
            with archive(*world.archive) as served:
                # The archive makes the digests of its zips and of its objects when it is first asked for them: minutes for 30 GB.
                if {"auto", "http"} & world.goals.keys():
                    ours(served, folder, replace(world, runs=1), "http")
                if "s3" in world.goals:
                    ours(served, folder, replace(world, runs=1, only=SMALLEST), "s3")
                for via, goal in world.goals.items():
                    client, *figures = ours(served, folder, world, via)
                    rows.append((world.title, client, goal, *figures))
                if world is SMALL:
                    rows += [(world.title, name, "", *figures) for name, *figures in others(served, folder)]
    print(table(rows))
    took = [
        f"{', '.join(f'{_who(row)} {str(row[5]).split()[0]}' for row in rows[1:] if row[0] == world.title and row[5])} on {_short(world)}"
        for world in (SMALL, MIXED)
        if any(row[0] == world.title for row in rows)
    ]
    print(f"{IN_SHORT}of 4 × 20 MB/s, whole commands: {'; '.join(took)}")


def _who(row: tuple[object, ...]) -> str:
    return str(row[1]).partition(",")[0]


def _short(world: World) -> str:
    return world.title.partition(";")[0]


def others(served: Archive, folder: Path) -> Iterator[Row]:
    """The opponents that are installed."""
    products = _products(served)
    keys, names = [each["s3_path"] for each in products], [each["name"] for each in products]
    binaries = Path(sys.executable).parent
    for name, command in (("s5cmd, 4 workers, S3", s5cmd), ("rclone, 4 transfers, S3", rclone)):
        binary = name.partition(",")[0]
        if (binaries / binary).exists() or shutil.which(binary):
            yield peer(served, folder, name, command(served, folder, keys))
    for name in peers.installed():
        yield peer(served, folder, name, partial(peers.fetched, name, served, names))


if __name__ == "__main__":
    main()
