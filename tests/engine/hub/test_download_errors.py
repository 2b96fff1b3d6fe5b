"""Downloads that cannot succeed say why, in seconds."""

from __future__ import annotations

import errno
import hashlib
import io
import shutil
import socket
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from huggingface_hub import constants
from huggingface_hub.errors import GatedRepoError

from hub_server import (
    CONTENT,
    ENTRY,
    SOON,
    Hub,
    fetch,
    leave_part,
    point_to,
    start_until,
    target,
)
from napari_naclip.engine import download, download_errors, hub
from napari_naclip.engine.errors import (
    NetworkError,
    StorageError,
)
from napari_naclip.engine.part import Part


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
