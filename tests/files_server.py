"""A local HTTP server of files that misbehaves as told."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server:
    """Serves `files` by path. Each is cut after the bytes of `cuts` (one for each request, then no more).

    Attributes:
        requests: path and Range header of each request so far.
        ranges: whether Range is honoured; ``stale`` answers one with the wrong part.
        tagged: whether an ETag is sent.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.cuts: list[int] = []
        self.ranges: bool | str = True
        self.tagged = True
        self.stated_length: int | None = None
        self.status = 200
        self.kind = "application/octet-stream"
        self.redirects: dict[str, str] = {}
        self.pause = 0.0
        self.http: ThreadingHTTPServer

    def url(self, path: str = "/file.bin") -> str:
        return f"http://127.0.0.1:{self.http.server_address[1]}{path}"


@contextmanager
def serving() -> Iterator[Server]:
    """A running server."""
    server = Server()
    server.http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(server))
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.http.shutdown()
        server.http.server_close()
        thread.join()


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            server.requests.append((self.path, wanted))
            path = self.path.partition("?")[0].removeprefix(f"http://{self.headers['Host']}")
            if path in server.redirects:
                return self.answer(302, {"Location": server.redirects[path], "Content-Length": "0"})
            if server.status != 200 or path not in server.files:
                return self.answer(server.status if server.status != 200 else 404, {"Content-Length": "0"})
            content = server.files[path]
            tag = f'"{hashlib.md5(content).hexdigest()}"'
            headers = {"Content-Type": server.kind} | ({"ETag": tag} if server.tagged else {})
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted and server.ranges else 0
            if self.headers.get("If-Range", tag) != tag:
                start = 0
            if wanted and server.ranges == "stale":
                start //= 2
            if start >= len(content) > 0:
                return self.answer(416, {"Content-Range": f"bytes */{len(content)}", "Content-Length": "0"})
            if start:
                headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            rest = content[start:]
            headers["Content-Length"] = str(server.stated_length or len(rest))
            self.answer(206 if start else 200, headers)
            self.wfile.write(rest[: server.cuts.pop(0)] if server.cuts else rest)
            self.wfile.flush()
            time.sleep(server.pause)
            self.close_connection = True

        def answer(self, status: int, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

    return Handler
