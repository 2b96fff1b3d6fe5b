"""A hub of our own on loopback, and what the tests with it share."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import json
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants, file_download

from napari_naclip.engine import download, hub
from napari_naclip.engine.registry import REGISTRY
from napari_naclip.engine.segmenter import run_to_end
from napari_naclip.engine.types import Progress

ENTRY = REGISTRY['ViT-B-16']


COMMIT = '0123456789abcdef' * 2 + '01234567'


CONTENT = bytes(range(256)) * 4096 * 6  # 6 MiB


OTHER = CONTENT[::-1]


#: Seconds in which everything that fails must have failed.
SOON = 20


class Hub(http.server.ThreadingHTTPServer):
    """Plays the hub for one file.

    It can send slowly, break off, stall, ignore ranges and give errors.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(('127.0.0.1', 0), Handler)
        self.content = CONTENT
        #: Other files that it has, by repository and name.
        self.others: dict[tuple[str, str], bytes] = {}
        self.etag: str | None = None
        self.status = 200
        self.delay = 0.0
        #: Bytes after which each connection breaks.
        self.break_after = sys.maxsize
        #: Bytes after which a connection sends nothing more.
        self.stall_after = sys.maxsize
        self.let_go = threading.Event()
        self.knows_ranges = True
        #: Another server that has the bytes, as the hub's large files have.
        self.store: str | None = None
        #: What is sent may be other than what was announced.
        self.sent: bytes | None = None
        self.requests: list[str] = []
        self.ranges: list[str | None] = []
        self.headers: list[dict[str, str]] = []

    def handle_error(self, *args: object) -> None:
        pass  # who asked has gone

    @property
    def url(self) -> str:
        return f'http://127.0.0.1:{self.server_port}'

    def find(self, path: str) -> bytes | None:
        """Return the file that a path asks for, of any version."""
        files = {(ENTRY.repo, ENTRY.file): self.content, **self.others}
        for (repo, name), content in files.items():
            for version in ('main', COMMIT):
                if path == f'/{repo}/resolve/{version}/{name}':
                    return content
        return None


class Handler(http.server.BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *args: object) -> None:
        pass

    def send_head(self, start: int | None = None) -> bool:
        server = self.server
        server.requests.append(f'{self.command} {self.path}')
        server.headers.append(
            {name.lower(): value for name, value in self.headers.items()}
        )
        found = server.find(self.path)
        content = found or b''
        status = 404 if found is None else server.status
        size = len(content)
        if server.store and status == 200:
            self.send_response(302)
            self.send_header('Location', server.store + self.path)
            self.send_header('X-Repo-Commit', COMMIT)
            digest = hashlib.sha256(content).hexdigest()
            self.send_header('X-Linked-ETag', f'"{digest}"')
            self.send_header('X-Linked-Size', str(size))
            self.send_header('Content-Length', '0')
            self.end_headers()
            return False
        if status == 200 and start is not None:
            status = 206 if start < size else 416
        self.send_response(status)
        self.send_header('X-Repo-Commit', COMMIT)
        etag = server.etag or hashlib.sha256(content).hexdigest()
        self.send_header('ETag', f'"{etag}"')
        if status == 404:
            self.send_header('X-Error-Code', 'EntryNotFound')
        length = 0
        if status == 200:
            length = size
        elif status == 206:
            assert start is not None
            length = size - start
            self.send_header(
                'Content-Range', f'bytes {start}-{size - 1}/{size}'
            )
        self.send_header('Content-Length', str(length))
        self.end_headers()
        return length > 0

    def do_HEAD(self) -> None:
        self.send_head()

    def do_GET(self) -> None:
        server = self.server
        asked = self.headers.get('Range')
        server.ranges.append(asked)
        start = None
        if asked and server.knows_ranges:
            found = re.fullmatch(r'bytes=(\d+)-', asked)
            assert found
            start = int(found[1])
        if not self.send_head(start):
            return
        body = (server.sent or server.find(self.path) or b'')[start or 0 :]
        count = 0
        while count < len(body) and count < server.break_after:
            if count >= server.stall_after:
                server.let_go.wait(60)
            room = min(1 << 18, server.break_after - count)
            self.wfile.write(body[count : count + room])
            self.wfile.flush()
            count += room
            time.sleep(server.delay)
        if count < len(body):
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)


def point_to(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    # The hub's library reads HF_ENDPOINT once, when it is imported.
    monkeypatch.setattr(constants, 'ENDPOINT', url)
    # Before version 1 another module has a name of its own for it.
    for owner in (constants, file_download):
        monkeypatch.setattr(
            owner,
            'HUGGINGFACE_CO_URL_TEMPLATE',
            url + '/{repo_id}/resolve/{revision}/{filename}',
            raising=owner is constants,
        )


@contextlib.contextmanager
def serving() -> Iterator[Hub]:
    server = Hub()
    thread = threading.Thread(
        target=server.serve_forever, args=(0.02,), daemon=True
    )
    thread.start()
    yield server
    server.let_go.set()
    server.shutdown()
    server.server_close()
    thread.join()


def target() -> Path:
    return hub.weights_path(ENTRY)


def part() -> Path:
    return hub.beside(target(), '.part')


def leave_part(content: bytes, of: bytes = CONTENT) -> None:
    """Leave what a download of a file leaves that ended early."""
    target().parent.mkdir(parents=True, exist_ok=True)
    part().write_bytes(content)
    note = {'etag': hashlib.sha256(of).hexdigest(), 'size': len(of)}
    hub.beside(target(), '.part.json').write_text(json.dumps(note))


def fetch() -> tuple[Path, list[Progress]]:
    """Download to the end; return the file and what was told."""
    seen: list[Progress] = []
    path = run_to_end(download.download(ENTRY), seen.append)
    return path, seen


def start_until(least: int) -> tuple[Any, int]:
    """Download at least so many bytes; return the steps and the bytes."""
    steps = download.download(ENTRY)
    for progress in steps:
        if progress.done >= least:
            return steps, progress.done
    raise AssertionError('the download ended')


def fill_cache(
    cache: Path,
    content: bytes = b'weights',
    *,
    repo: str = ENTRY.repo,
    file: str = ENTRY.file,
) -> Path:
    """Put a file into the cache in the hub's layout; return its link."""
    folder = cache / f'models--{repo.replace("/", "--")}'
    blob = folder / 'blobs' / hashlib.sha256(content).hexdigest()
    link = folder / 'snapshots' / COMMIT / file
    for each in (blob.parent, link.parent, folder / 'refs'):
        each.mkdir(parents=True, exist_ok=True)
    (folder / 'refs' / 'main').write_text(COMMIT)
    blob.write_bytes(content)
    link.symlink_to(Path('../../blobs') / blob.name)
    return link


def no_network(*args: object, **kwargs: object) -> Any:
    raise AssertionError('the network was used')
