"""Downloads that are interrupted go on, and are checked."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import filelock
import pytest
from huggingface_hub import constants
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub_server import (
    CONTENT,
    ENTRY,
    OTHER,
    SOON,
    Hub,
    fetch,
    leave_part,
    start_until,
    target,
)
from napari_naclip.engine import download, hub, transfer
from napari_naclip.engine.errors import (
    NetworkError,
)
from napari_naclip.engine.part import Part
from napari_naclip.engine.segmenter import run_to_end
from napari_naclip.engine.types import Progress


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


def test_a_cancel_ends_the_thread_that_reads(
    server: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So few that it is held up by them, and not done by itself.
    monkeypatch.setattr(transfer, '_QUEUED', 2)
    server.delay = 0.05
    others = set(threading.enumerate())
    steps, _ = start_until(1_000_000)
    readers = {
        thread
        for thread in set(threading.enumerate()) - others
        if thread.name.startswith('napari-naclip download')
    }
    assert len(readers) == 1
    steps.close()
    for thread in readers:
        thread.join(SOON)
        assert not thread.is_alive()


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

    def ask(entry: Any, revision: str | None) -> Any:
        entry, remote = real(entry, revision)
        less = download.Remote(remote.url, remote.etag, remote.size - 1)
        return entry, less

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
