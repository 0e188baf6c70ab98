"""A server on loopback that takes whatever a crash reporter sends, and keeps it."""

from __future__ import annotations

import gzip
import json
import threading
import zlib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
}


class Collector(ThreadingHTTPServer):
    """``texts`` has the body of each report, decoded, in the order in which they came."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.texts: list[str] = []
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Collector

    def do_GET(self) -> None:
        self._answer(b"{}")  # a reporter that asks for its configuration gets none

    def do_POST(self) -> None:
        body = self._body()
        decode = DECODERS.get(self.headers.get("Content-Encoding", ""), bytes)
        self.server.texts.append(decode(body).decode("utf-8", "replace"))
        self._answer(b'{"err": 0, "result": {"uuid": "0"}}')

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def documents(text: str) -> list[Any]:
    """Return the JSON documents of a report: it is one, or has one in each line."""
    found = []
    for piece in [text, *text.splitlines()]:
        try:
            found.append(json.loads(piece))
        except ValueError:
            continue
    return found


def without_frames_of(folder: str, data: Any) -> Any:
    """Return a report's data without the stack frames of the files in a folder."""
    if isinstance(data, dict):
        return {key: without_frames_of(folder, value) for key, value in data.items()}
    if isinstance(data, list):
        return [without_frames_of(folder, it) for it in data if folder not in path_of(it)]
    return data


def path_of(frame: Any) -> str:
    """Return the path of a stack frame's file; empty for what is none."""
    names = ("abs_path", "filename", "file")
    found = [frame[name] for name in names if frame.get(name)] if isinstance(frame, dict) else []
    return str(found[0]) if found else ""


def frames(data: Any) -> Iterator[dict[str, Any]]:
    """Yield all stack frames in a report's data, whoever made it."""
    if isinstance(data, dict):
        if path_of(data):
            yield data
        for value in data.values():
            yield from frames(value)
    elif isinstance(data, list):
        for value in data:
            yield from frames(value)
