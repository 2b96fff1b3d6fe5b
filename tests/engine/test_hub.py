"""Weights on this machine and downloads, with a hub of our own on loopback."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import http.server
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import filelock
import huggingface_hub
import pytest
from huggingface_hub import constants
from huggingface_hub.errors import GatedRepoError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_naclip.engine import download, download_errors, hub
from napari_naclip.engine.errors import (
    NetworkError,
    StorageError,
    WeightsError,
    WeightsMissingError,
)
from napari_naclip.engine.models import load_model
from napari_naclip.engine.part import Part
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
        expected = f'/{ENTRY.repo}/resolve/main/{ENTRY.file}'
        is_expected = self.path in (
            expected,
            expected.replace('/main/', f'/{COMMIT}/'),
        )
        status = server.status if is_expected else 404
        size = len(server.content)
        if server.store and status == 200:
            self.send_response(302)
            self.send_header('Location', server.store + self.path)
            self.send_header('X-Repo-Commit', COMMIT)
            digest = hashlib.sha256(server.content).hexdigest()
            self.send_header('X-Linked-ETag', f'"{digest}"')
            self.send_header('X-Linked-Size', str(size))
            self.send_header('Content-Length', '0')
            self.end_headers()
            return False
        if status == 200 and start is not None:
            status = 206 if start < size else 416
        self.send_response(status)
        self.send_header('X-Repo-Commit', COMMIT)
        etag = server.etag or hashlib.sha256(server.content).hexdigest()
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
        body = (server.sent or server.content)[start or 0 :]
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


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the hub's cache folder, empty."""
    folder = tmp_path / 'hub'
    monkeypatch.setattr(constants, 'HF_HUB_CACHE', str(folder))
    monkeypatch.setattr(constants, 'HF_ASSETS_CACHE', str(tmp_path / 'assets'))
    monkeypatch.setattr(constants, 'HF_HUB_OFFLINE', False)
    monkeypatch.setattr(download, 'RETRY_PAUSES', (0.05, 0.05))
    return folder


def point_to(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    # The hub's library reads HF_ENDPOINT once, when it is imported.
    monkeypatch.setattr(constants, 'ENDPOINT', url)
    monkeypatch.setattr(
        constants,
        'HUGGINGFACE_CO_URL_TEMPLATE',
        url + '/{repo_id}/resolve/{revision}/{filename}',
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


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving() as server:
        point_to(monkeypatch, server.url)
        yield server


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


def fill_cache(cache: Path, content: bytes = b'weights') -> Path:
    """Put a file into the cache in the hub's layout; return its link."""
    repo = cache / f'models--{ENTRY.repo.replace("/", "--")}'
    blob = repo / 'blobs' / hashlib.sha256(content).hexdigest()
    link = repo / 'snapshots' / COMMIT / ENTRY.file
    for folder in (blob.parent, link.parent, repo / 'refs'):
        folder.mkdir(parents=True)
    (repo / 'refs' / 'main').write_text(COMMIT)
    blob.write_bytes(content)
    link.symlink_to(Path('../../blobs') / blob.name)
    return link


def no_network(*args: object, **kwargs: object) -> Any:
    raise AssertionError('the network was used')


# What is here


def test_a_file_in_the_hub_s_cache_is_found_without_network(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = fill_cache(cache)
    monkeypatch.setattr(socket.socket, 'connect', no_network)
    assert hub.find_cached(ENTRY) == link
    assert fetch()[0] == link


def test_a_link_without_its_blob_is_not_cached(cache: Path) -> None:
    link = fill_cache(cache)
    link.resolve().unlink()
    assert hub.find_cached(ENTRY) is None


def test_an_empty_cache_holds_nothing() -> None:
    assert hub.find_cached(ENTRY) is None
    assert hub.find_started(ENTRY) is None


def test_the_folder_is_the_one_the_hub_gives_to_libraries() -> None:
    # For its constants are read once; this call makes the folder.
    folder = huggingface_hub.cached_assets_path(
        'napari-naclip',
        'weights',
        ENTRY.repo,
        assets_dir=constants.HF_ASSETS_CACHE,
    )
    assert target() == folder / ENTRY.file


def test_nothing_is_downloaded_unasked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(socket.socket, 'connect', no_network)
    monkeypatch.setattr(socket, 'getaddrinfo', no_network)
    with pytest.raises(WeightsMissingError) as caught:
        load_model('ViT-B-16', device='cpu')
    assert caught.value.size == 4 * 149620737
    assert caught.value.present == 0
    assert caught.value.model == 'ViT-B-16'
    assert 'about 598 MB' in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_what_is_here_already_is_told() -> None:
    leave_part(CONTENT[:2_000_000])
    with pytest.raises(WeightsMissingError) as caught:
        load_model('ViT-B-16', device='cpu')
    assert (caught.value.present, caught.value.size) == (2_000_000, 6_291_456)
    assert '2 of 6 MB are on this machine' in str(caught.value)
    assert 'the rest (4 MB)' in str(caught.value)


@pytest.mark.parametrize(
    'note', ['', '{', '[]', '{"etag": "a"}', '{"etag": "a", "size": 2}']
)
def test_a_part_without_a_note_that_fits_is_nothing(note: str) -> None:
    leave_part(CONTENT[:5])
    hub.beside(target(), '.part.json').write_text(note)
    assert hub.find_started(ENTRY) is None


# A download


def test_a_download_is_whole_and_reports_bytes(server: Hub) -> None:
    server.delay = 0.02
    path, seen = fetch()
    assert path.read_bytes() == CONTENT
    assert path == hub.find_cached(ENTRY) == target()
    assert {file.name for file in path.parent.iterdir()} <= {
        ENTRY.file,
        ENTRY.file + '.lock',
    }
    total = len(CONTENT)
    done = [progress.done for progress in seen]
    assert done == sorted(done)
    assert seen[0] == Progress('download')
    assert seen[-1] == Progress('download', total, total)
    assert any(0 < count < total for count in done)


def test_a_second_time_nothing_is_asked(server: Hub) -> None:
    first, _ = fetch()
    server.requests.clear()
    assert fetch()[0] == first
    assert not server.requests


def test_the_hub_hears_of_nothing_but_the_file(server: Hub) -> None:
    assert constants.HF_HUB_DISABLE_TELEMETRY
    fetch()
    assert {line.split('/')[1] for line in server.requests} == {'timm'}
    assert not any('torch' in head['user-agent'] for head in server.headers)


def test_the_bytes_are_of_the_version_that_was_described(server: Hub) -> None:
    fetch()
    assert server.requests[-1].split('/')[4] == COMMIT


def test_the_token_is_sent(
    server: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('HF_TOKEN', 'hf_something')
    fetch()
    assert {head.get('authorization') for head in server.headers} == {
        'Bearer hf_something'
    }


def test_bytes_may_come_from_elsewhere_where_the_token_does_not_go(
    server: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('HF_TOKEN', 'hf_something')
    with serving() as store:
        # Another name of the same machine is another host.
        server.store = f'http://localhost:{store.server_port}'
        leave_part(CONTENT[:3_000_000])
        assert fetch()[0].read_bytes() == CONTENT
        assert store.ranges == ['bytes=3000000-']
        assert all('authorization' in head for head in server.headers)
        assert not any('authorization' in head for head in store.headers)


def test_a_model_is_loaded_from_what_was_downloaded(server: Hub) -> None:
    with pytest.raises(WeightsError, match=re.escape(str(target()))):
        load_model('ViT-B-16', device='cpu', download=True)
    assert target().read_bytes() == CONTENT


# Going on


def test_a_cancel_is_answered_at_once_and_keeps_what_arrived(
    server: Hub,
) -> None:
    server.delay = 0.05
    steps, done = start_until(1_000_000)
    started = time.monotonic()
    steps.close()
    assert time.monotonic() - started < 1
    assert hub.find_cached(ENTRY) is None
    found = hub.find_started(ENTRY)
    assert found is not None
    assert found.present >= done

    server.delay = 0.0
    path, seen = fetch()
    assert path.read_bytes() == CONTENT
    assert server.ranges == [None, f'bytes={found.present}-']
    assert seen[0] == Progress('download', found.present, found.size)


def test_a_cancel_is_answered_while_the_connection_stalls(
    server: Hub,
) -> None:
    server.stall_after = 1 << 20
    steps, _ = start_until(1 << 20)
    for _ in range(3):  # each step is short, too
        started = time.monotonic()
        next(steps)
        assert time.monotonic() - started < 0.5
    started = time.monotonic()
    steps.close()
    assert time.monotonic() - started < 1
    # Nobody else holds the lock now, though the connection is still open.
    server.stall_after = sys.maxsize
    assert fetch()[0].read_bytes() == CONTENT
    assert server.ranges[-1] == f'bytes={1 << 20}-'


def test_a_stalled_connection_is_opened_anew(
    server: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, 'HF_HUB_DOWNLOAD_TIMEOUT', 1)
    server.stall_after = 4 << 20
    assert fetch()[0].read_bytes() == CONTENT
    assert server.ranges == [None, f'bytes={4 << 20}-']


def test_a_broken_connection_goes_on_by_itself(server: Hub) -> None:
    server.break_after = 2_500_000
    path, seen = fetch()
    assert path.read_bytes() == CONTENT
    assert len(server.ranges) == 3
    done = [progress.done for progress in seen]
    assert done == sorted(done)


def test_a_connection_that_keeps_breaking_is_told(server: Hub) -> None:
    leave_part(CONTENT[:3_000_000])
    server.break_after = 0
    with pytest.raises(NetworkError, match='could not be downl') as caught:
        fetch()
    assert '3 of 6 MB have arrived; the next try goes on' in str(caught.value)
    assert hub.find_cached(ENTRY) is None
    server.break_after = sys.maxsize
    assert fetch()[0].read_bytes() == CONTENT
    assert server.ranges[-1] == 'bytes=3000000-'


def test_a_server_without_ranges_starts_again(server: Hub) -> None:
    server.knows_ranges = False
    leave_part(CONTENT[:3_000_000])
    path, seen = fetch()
    assert path.read_bytes() == CONTENT
    assert seen[0].done == 3_000_000
    assert 0 in [progress.done for progress in seen]


def test_another_version_starts_again(server: Hub) -> None:
    leave_part(OTHER[:3_000_000], of=OTHER)
    assert fetch()[0].read_bytes() == CONTENT
    assert server.ranges == [None]


def test_a_part_of_all_bytes_needs_no_more(server: Hub) -> None:
    leave_part(CONTENT)
    assert fetch()[0].read_bytes() == CONTENT
    assert server.ranges == []


def test_a_part_longer_than_the_file_starts_again(server: Hub) -> None:
    leave_part(CONTENT + b'more')
    assert fetch()[0].read_bytes() == CONTENT
    assert server.ranges == [None]


def test_a_damaged_part_is_never_used(server: Hub) -> None:
    leave_part(bytes(3_000_000))
    with pytest.raises(NetworkError, match='not what the hub announced'):
        fetch()
    assert hub.find_cached(ENTRY) is None
    assert hub.find_started(ENTRY) is None
    assert fetch()[0].read_bytes() == CONTENT


def test_other_bytes_than_announced_are_never_used(server: Hub) -> None:
    server.sent = OTHER
    with pytest.raises(NetworkError, match='not what the hub announced'):
        fetch()
    assert hub.find_cached(ENTRY) is None


def test_more_bytes_than_announced_are_never_used(
    server: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = download._ask

    def ask(entry: Any) -> Any:
        remote = real(entry)
        return download.Remote(remote.url, remote.etag, remote.size - 1)

    monkeypatch.setattr(download, '_ask', ask)
    with pytest.raises(NetworkError, match='more bytes than announced'):
        fetch()
    assert hub.find_cached(ENTRY) is None


def test_a_file_without_a_sum_is_checked_by_size(server: Hub) -> None:
    server.etag = 'f' * 40
    assert fetch()[0].read_bytes() == CONTENT


def test_a_process_that_was_killed_leaves_a_part_that_goes_on(
    server: Hub, tmp_path: Path
) -> None:
    server.delay = 0.1
    code = (
        'from napari_naclip.engine.download import download\n'
        'from napari_naclip.engine.registry import REGISTRY\n'
        'for progress in download(REGISTRY["ViT-B-16"]):\n'
        '    print(progress.done, flush=True)\n'
    )
    child = subprocess.Popen(
        [sys.executable, '-c', code],
        stdout=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            'HF_ENDPOINT': server.url,
            'HF_HOME': str(tmp_path),
            'HF_HUB_OFFLINE': '0',
        },
    )
    with child:
        assert child.stdout is not None
        for line in child.stdout:
            if int(line) > 1_000_000:
                break
        # While it is alive, another process waits and tells how far it is.
        steps = download.download(ENTRY)
        told = [next(steps).done for _ in range(12)]
        assert told == sorted(told)
        assert told[-1] > 1_000_000
        assert len(server.ranges) == 1
        child.kill()
        child.wait()
    server.delay = 0.0
    assert run_to_end(steps).read_bytes() == CONTENT
    assert len(server.ranges) == 2
    found = re.fullmatch(r'bytes=(\d+)-', server.ranges[1] or '')
    assert found
    assert int(found[1]) > 1_000_000


def test_what_another_process_has_finished_is_taken(server: Hub) -> None:
    target().parent.mkdir(parents=True)
    lock = filelock.FileLock(hub.beside(target(), '.lock'))
    with lock:
        steps = download.download(ENTRY)
        for _ in range(8):
            next(steps)
        target().write_bytes(CONTENT)
    assert run_to_end(steps) == target()
    assert server.ranges == []


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    content=st.binary(min_size=1, max_size=40),
    cuts=st.lists(st.integers(1, 39), max_size=4),
)
def test_a_part_can_be_closed_anywhere(
    tmp_path: Path, content: bytes, cuts: list[int]
) -> None:
    path = tmp_path / 'file'
    etag = hashlib.sha256(content).hexdigest()
    for cut in [*sorted(cuts), len(content)]:
        piece = Part(path, etag=etag, size=len(content))
        for _ in piece.open():
            pass
        assert piece.is_right is (piece.done == len(content))
        piece.write(content[piece.done : cut])
        if cut < len(content):
            piece.close()
            continue
        assert piece.is_right
        piece.finish()
        break
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]
    path.unlink()


# What can go wrong


def test_a_file_that_the_hub_lacks_is_told(server: Hub) -> None:
    server.status = 404
    with pytest.raises(NetworkError, match='The hub has no open_clip_model'):
        fetch()


@pytest.mark.parametrize('status', [403, 500])
def test_an_error_of_the_hub_is_told(server: Hub, status: int) -> None:
    server.status = status
    with pytest.raises(NetworkError, match='answered with an error'):
        fetch()


@pytest.mark.parametrize(('status', 'tries'), [(403, 1), (503, 3)])
def test_an_error_on_the_way_is_tried_again_if_it_may_pass(
    server: Hub, status: int, tries: int
) -> None:
    server.delay = 0.05
    steps, _ = start_until(1)
    server.status = status
    server.break_after = 0
    steps.close()
    leave_part(CONTENT[:100])
    remote = download.Remote(
        f'{server.url}/{ENTRY.repo}/resolve/main/{ENTRY.file}',
        hashlib.sha256(CONTENT).hexdigest(),
        len(CONTENT),
    )
    piece = Part(target(), etag=remote.etag, size=remote.size)
    for _ in piece.open():
        pass
    server.ranges.clear()
    with pytest.raises(NetworkError, match='answered with an error'):
        list(download._fetch(ENTRY, remote, piece))
    piece.close()
    assert server.ranges == ['bytes=100-'] * tries


def test_no_server_at_all_is_told_in_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket() as unused:
        unused.bind(('127.0.0.1', 0))
        point_to(monkeypatch, f'http://127.0.0.1:{unused.getsockname()[1]}')
        started = time.monotonic()
        with pytest.raises(NetworkError, match='Check the connection'):
            fetch()
        assert time.monotonic() - started < SOON


def test_a_name_that_is_not_found_is_told_in_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*args: object, **kwargs: object) -> Any:
        raise socket.gaierror(-3, 'Temporary failure in name resolution')

    monkeypatch.setattr(socket, 'getaddrinfo', fail)
    point_to(monkeypatch, 'http://hub.invalid')
    started = time.monotonic()
    with pytest.raises(NetworkError, match='Temporary failure'):
        fetch()
    assert time.monotonic() - started < SOON


def test_names_that_are_looked_up_for_ever_are_told_in_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    let_go = threading.Event()

    def hang(*args: object, **kwargs: object) -> Any:
        let_go.wait(60)
        raise socket.gaierror(-3, 'Temporary failure in name resolution')

    monkeypatch.setattr(socket, 'getaddrinfo', hang)
    monkeypatch.setattr(download, 'ANSWER_TIMEOUT', 0.5)
    point_to(monkeypatch, 'http://hub.invalid')
    with pytest.raises(NetworkError, match='did not answer in time'):
        fetch()
    let_go.set()


def test_offline_mode_is_obeyed(
    server: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, 'HF_HUB_OFFLINE', True)
    with pytest.raises(NetworkError, match='HF_HUB_OFFLINE forbids it'):
        fetch()
    assert server.requests == []


def test_no_room_is_told_before_the_transfer(
    server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        shutil, 'disk_usage', lambda path: SimpleNamespace(free=3_000_000)
    )
    with pytest.raises(StorageError, match='needs 6 MB') as caught:
        fetch()
    assert '3 MB are free' in str(caught.value)
    assert server.ranges == []
    assert not list(tmp_path.iterdir())
    # What is here needs no room again.
    leave_part(CONTENT[:4_000_000])
    assert fetch()[0].read_bytes() == CONTENT


def test_a_disk_that_fills_up_on_the_way_is_told_and_the_part_kept(
    server: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, written = io.FileIO.write, []

    class Full(io.FileIO):
        def write(self, data: Any) -> int:
            if sum(written) > 2_000_000:
                raise OSError(errno.ENOSPC, 'No space left on device')
            # As on a real disk, some of it fits.
            written.append(real(self, data[: max(1, len(data) // 2)]))
            return written[-1]

    with monkeypatch.context() as patch:
        patch.setattr('napari_naclip.engine.part.io.FileIO', Full)
        with pytest.raises(StorageError, match='No space left') as caught:
            fetch()
    assert 'is kept for the next try' in str(caught.value)
    found = hub.find_started(ENTRY)
    assert found is not None
    assert found.present == sum(written)
    assert fetch()[0].read_bytes() == CONTENT
    assert server.ranges[-1] == f'bytes={found.present}-'


def test_a_folder_that_cannot_be_made_is_told(
    server: Hub, tmp_path: Path
) -> None:
    (tmp_path / 'assets').write_text('a file is in the way')
    with pytest.raises(StorageError, match='cannot be written'):
        fetch()


def test_a_gated_repository_is_no_missing_one() -> None:
    error = GatedRepoError.__new__(GatedRepoError)
    assert 'accepted its terms' in str(
        download_errors.explain_transfer(ENTRY, error)
    )
