"""The hub's cache and downloads, with a hub of our own on the loopback."""

from __future__ import annotations

import hashlib
import http.server
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import constants
from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError

from napari_naclip.engine import weights
from napari_naclip.engine.errors import (
    NetworkError,
    StorageError,
    WeightsMissingError,
)
from napari_naclip.engine.models import load_model
from napari_naclip.engine.registry import REGISTRY
from napari_naclip.engine.segmenter import run_to_end
from napari_naclip.engine.types import Progress

ENTRY = REGISTRY['ViT-B-16']
COMMIT = '0123456789abcdef' * 2 + '01234567'
#: Seconds in which everything that fails must have failed.
SOON = 20


class Hub(http.server.ThreadingHTTPServer):
    """Plays the hub for one file."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(('127.0.0.1', 0), Handler)
        self.content = bytes(range(256)) * 4096 * 24  # 24 MiB
        self.status = 200
        self.delay = 0.0
        self.break_after = len(self.content)
        self.requests: list[str] = []
        self.agents: list[str] = []


class Handler(http.server.BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *args: object) -> None:
        pass

    def send_head(self) -> bool:
        hub = self.server
        hub.requests.append(f'{self.command} {self.path}')
        hub.agents.append(self.headers.get('User-Agent', ''))
        expected = f'/{ENTRY.repo}/resolve/main/{ENTRY.file}'
        is_expected = self.path in (
            expected,
            expected.replace('/main/', f'/{COMMIT}/'),
        )
        status = hub.status if is_expected else 404
        self.send_response(status)
        self.send_header('X-Repo-Commit', COMMIT)
        self.send_header('ETag', hashlib.sha256(hub.content).hexdigest())
        if status == 404:
            self.send_header('X-Error-Code', 'EntryNotFound')
        length = len(hub.content) if status == 200 else 0
        self.send_header('Content-Length', str(length))
        self.end_headers()
        return status == 200

    def do_HEAD(self) -> None:
        self.send_head()

    def do_GET(self) -> None:
        if not self.send_head():
            return
        hub = self.server
        try:
            for start in range(0, hub.break_after, 2**20):
                self.wfile.write(hub.content[start : start + 2**20])
                time.sleep(hub.delay)
        except OSError:
            pass  # who asked has gone
        if hub.break_after < len(hub.content):
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the hub's cache folder, empty."""
    folder = tmp_path / 'hub'
    monkeypatch.setattr(constants, 'HF_HUB_CACHE', str(folder))
    monkeypatch.setattr(constants, 'HF_HUB_OFFLINE', False)
    return folder


def point_to(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    # The hub's library reads HF_ENDPOINT once, when it is imported.
    monkeypatch.setattr(constants, 'ENDPOINT', url)
    monkeypatch.setattr(
        constants,
        'HUGGINGFACE_CO_URL_TEMPLATE',
        url + '/{repo_id}/resolve/{revision}/{filename}',
    )


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    server = Hub()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    point_to(monkeypatch, f'http://127.0.0.1:{server.server_port}')
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def files_in(cache: Path) -> list[Path]:
    """Return the whole files of weights, finished or not, in the cache."""
    return [
        path
        for path in cache.rglob('*')
        if path.is_file() and path.stat().st_size > 1000
    ]


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


def test_a_cached_file_is_found_without_network(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = fill_cache(cache)
    monkeypatch.setattr(socket.socket, 'connect', no_network)
    assert weights.find_cached(ENTRY) == link


def test_a_link_without_its_blob_is_not_cached(cache: Path) -> None:
    link = fill_cache(cache)
    link.resolve().unlink()
    assert weights.find_cached(ENTRY) is None


def test_an_empty_cache_holds_nothing() -> None:
    assert weights.find_cached(ENTRY) is None


def test_nothing_is_downloaded_unasked(
    monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    monkeypatch.setattr(socket.socket, 'connect', no_network)
    monkeypatch.setattr(socket, 'getaddrinfo', no_network)
    with pytest.raises(WeightsMissingError) as caught:
        load_model('ViT-B-16', device='cpu')
    assert caught.value.size == 4 * 149620737
    assert caught.value.model == 'ViT-B-16'
    assert 'about 598 MB' in str(caught.value)
    assert not cache.exists()


def test_a_download_lands_in_the_cache_and_reports_bytes(
    hub: Hub, cache: Path
) -> None:
    hub.delay = 0.02
    seen: list[Progress] = []
    path = run_to_end(weights.download(ENTRY), seen.append)
    assert path.read_bytes() == hub.content
    assert path == weights.find_cached(ENTRY)
    assert path.is_relative_to(cache)
    total = len(hub.content)
    done = [progress.done for progress in seen]
    assert done == sorted(done)
    assert seen[0] == Progress('download')
    assert seen[-1] == Progress('download', total, total)
    assert any(0 < count < total for count in done)


def test_a_second_time_nothing_is_transferred(hub: Hub) -> None:
    first = run_to_end(weights.download(ENTRY))
    hub.requests.clear()
    assert run_to_end(weights.download(ENTRY)) == first
    assert not [line for line in hub.requests if line.startswith('GET')]


def test_the_hub_hears_of_nothing_but_the_file(hub: Hub) -> None:
    assert constants.HF_HUB_DISABLE_TELEMETRY
    run_to_end(weights.download(ENTRY))
    assert {line.split('/')[1] for line in hub.requests} == {'timm'}
    assert not any('torch' in agent for agent in hub.agents)


def test_a_cancel_stops_the_transfer(hub: Hub, cache: Path) -> None:
    hub.delay = 0.2
    steps = weights.download(ENTRY)
    for progress in steps:
        if progress.done > 0:
            break
    started = time.monotonic()
    steps.close()
    assert time.monotonic() - started < SOON
    assert not [
        thread
        for thread in threading.enumerate()
        if thread.name == 'napari-naclip download'
    ]
    assert weights.find_cached(ENTRY) is None
    assert len(hub.content) not in [p.stat().st_size for p in files_in(cache)]

    # And the next try is a whole one.
    hub.delay = 0.0
    path = run_to_end(weights.download(ENTRY))
    assert path.read_bytes() == hub.content


def test_a_file_that_the_hub_lacks_is_told(hub: Hub) -> None:
    hub.status = 404
    with pytest.raises(NetworkError, match='The hub has no open_clip_model'):
        run_to_end(weights.download(ENTRY))


def test_an_error_of_the_hub_is_told(hub: Hub) -> None:
    hub.status = 403
    with pytest.raises(NetworkError, match='answered with an error'):
        run_to_end(weights.download(ENTRY))


def test_a_connection_that_breaks_off_is_told(
    hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # After the headers, each time; the library tries again a few times.
    hub.break_after = 0
    monkeypatch.setattr(
        huggingface_hub.file_download, 'time', SimpleNamespace(sleep=int)
    )
    started = time.monotonic()
    with pytest.raises(NetworkError, match='ViT-B-16 could not be downloaded'):
        run_to_end(weights.download(ENTRY))
    assert time.monotonic() - started < SOON
    assert weights.find_cached(ENTRY) is None


def test_no_server_at_all_is_told_in_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket() as unused:
        unused.bind(('127.0.0.1', 0))
        point_to(monkeypatch, f'http://127.0.0.1:{unused.getsockname()[1]}')
        started = time.monotonic()
        with pytest.raises(NetworkError, match='Check the connection'):
            run_to_end(weights.download(ENTRY))
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
        run_to_end(weights.download(ENTRY))
    assert time.monotonic() - started < SOON


def test_no_room_is_told_before_the_transfer(
    hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        shutil, 'disk_usage', lambda path: SimpleNamespace(free=10_000_000)
    )
    with pytest.raises(StorageError, match='needs 25 MB') as caught:
        run_to_end(weights.download(ENTRY))
    assert '10 MB are free' in str(caught.value)
    assert not [line for line in hub.requests if line.startswith('GET')]
    assert not cache.exists()


def test_a_disk_that_fills_up_on_the_way_is_told(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> str:
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(huggingface_hub, 'hf_hub_download', fail)
    with pytest.raises(StorageError, match='No space left on device'):
        run_to_end(weights.download(ENTRY))


def test_a_cache_that_cannot_be_written_is_told(hub: Hub, cache: Path) -> None:
    cache.write_text('a file is in the way')
    with pytest.raises(StorageError, match='cannot be written'):
        run_to_end(weights.download(ENTRY))


def test_a_connection_lost_after_the_first_answer_is_no_missing_file(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> str:
        raise LocalEntryNotFoundError('An error happened; no local file.')

    monkeypatch.setattr(huggingface_hub, 'hf_hub_download', fail)
    with pytest.raises(NetworkError, match='Check the connection'):
        run_to_end(weights.download(ENTRY))


def test_a_gated_repository_is_no_missing_one() -> None:
    error = GatedRepoError.__new__(GatedRepoError)
    assert 'accepted its terms' in str(weights._explain_transfer(ENTRY, error))
