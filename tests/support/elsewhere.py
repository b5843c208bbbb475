"""Hosts that are none of the archive's: one sends everybody on to another, which notes what it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(slots=True)
class Stranger:
    """A host that answers every request alike, and keeps all of it: the line, the headers, the body. Some repeat it in their answer."""

    status: int
    location: str | None = None
    body: bytes = b""
    repeats: bool = False
    heard: list[bytes] = field(default_factory=list)
    url: str = ""


@contextmanager
def stranger(
    status: int = 404, location: str | None = None, body: bytes = b"", *, repeats: bool = False
) -> Iterator[Stranger]:
    """A stranger on loopback. To a ``location`` the path that was asked for is added."""
    host = Stranger(status, location, body, repeats)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = "".join(f"{name}: {value}\n" for name, value in self.headers.items())
            host.heard.append(self.raw_requestline + headers.encode("utf-8", "replace") + body)
            said = (
                json.dumps({"message": host.heard[-1].decode("utf-8", "replace")}).encode()
                if host.repeats
                else host.body
            )
            self.send_response(host.status)
            if host.location is not None:
                self.send_header("Location", host.location + self.path)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 as the library calls it
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        host.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield host
        finally:
            server.shutdown()
            thread.join()
