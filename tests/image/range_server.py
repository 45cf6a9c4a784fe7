"""Serves files of this host to the guest over HTTP with ranges, as RAUC reads a bundle."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

from tests.image.machine import HOST

_RANGE: Final = re.compile(r"bytes=(\d+)-(\d*)")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: RangeServer

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class's name)
        pass

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        path = self.server.folder / Path(self.path).name
        if not path.is_file():
            self.send_error(404)
            return
        size = path.stat().st_size
        first, last = 0, size - 1
        asked = _RANGE.match(self.headers.get("Range", ""))
        if asked:
            first, last = int(asked[1]), min(int(asked[2] or last), last)
        self.send_response(206 if asked else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(last - first + 1))
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.end_headers()
        if with_body:
            with path.open("rb") as file:
                file.seek(first)
                self.wfile.write(file.read(last - first + 1))
            self.server.count(last - first + 1)


class RangeServer(ThreadingHTTPServer):
    """Listens on this machine alone, which the guest reaches as 10.0.2.2."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.served_bytes = 0
        self._lock = threading.Lock()

    def count(self, sent_bytes: int) -> None:
        """Add to what was served."""
        with self._lock:
            self.served_bytes += sent_bytes

    def url(self, name: str) -> str:
        """Return the address of a file as the guest reaches it."""
        return f"http://{HOST}:{self.server_port}/{name}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a guest that is killed hangs up."""


@contextmanager
def serving(folder: Path) -> Iterator[RangeServer]:
    """Serve the files of a folder."""
    server = RangeServer(folder)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
