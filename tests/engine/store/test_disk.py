"""Disks that are full, broken, forbidden, or used by others too."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from napari_naclip.engine.errors import StorageError
from napari_naclip.engine.store import database, disk
from store_tools import SIZE, is_whole, make_key, make_tokens

HUNDRED = range(100)


def put_all(store, numbers) -> None:
    for number in numbers:
        store.put(make_key(number), make_tokens(number))


def count_whole(store, numbers=HUNDRED) -> int:
    """Return how many windows are kept; all of them must be intact."""
    kept = 0
    for number in numbers:
        tokens = store.get(make_key(number))
        assert is_whole(number, tokens)
        kept += tokens is not None
    return kept


@pytest.fixture
def now(monkeypatch) -> list[float]:
    """Return the time as the store sees it; adding to it passes time."""
    clock = [time.monotonic()]
    monkeypatch.setattr(disk.time, 'monotonic', lambda: clock[0])
    return clock


def test_bytes_damaged_anywhere(make_store, folder) -> None:
    draw = np.random.default_rng(1)
    store = make_store()
    put_all(store, HUNDRED)
    for _ in range(30):
        store.close()
        path = database.database_path(folder)
        data = bytearray(path.read_bytes())
        for place in draw.integers(0, len(data), 40):
            data[place] ^= int(draw.integers(1, 256))
        path.write_bytes(data)
        count_whole(store)
        put_all(store, range(100, 110))
        store.free()
        count_whole(store, range(110))
        store.usage()
    # It can be used again, however it was damaged.
    store.clear()
    put_all(store, HUNDRED)
    assert count_whole(store) == 100


def test_a_damaged_window_is_removed(make_store, folder, caplog) -> None:
    store = make_store()
    put_all(store, HUNDRED)
    store.close()
    path = database.database_path(folder)
    data = bytearray(path.read_bytes())
    place = data.index(make_tokens(50).tobytes()[:200])
    data[place + 7] ^= 255
    path.write_bytes(data)
    assert count_whole(store) == 99
    assert store.usage().disk_windows == 99
    assert caplog.text.count('damaged') == 1


@pytest.mark.parametrize('damage', ['garbage', 'cut', 'head', 'foreign'])
def test_a_damaged_file_is_begun_anew(
    make_store, folder, caplog, damage
) -> None:
    store = make_store()
    put_all(store, HUNDRED)
    store.close()
    path = database.database_path(folder)
    data = path.read_bytes()
    if damage == 'garbage':
        path.write_bytes(os.urandom(100_000))
    elif damage == 'cut':
        path.write_bytes(data[: len(data) // 2])
    elif damage == 'head':
        path.write_bytes(bytes(4096) + data[4096:])
    else:
        path.unlink()
        with sqlite3.connect(path) as other:
            other.execute('CREATE TABLE windows (a)')
        other.close()
    count_whole(store)
    put_all(store, range(100, 150))
    count_whole(store, range(150))
    put_all(store, HUNDRED)
    assert count_whole(store, range(150)) == 150
    assert store.usage().problem == ''
    if damage != 'foreign':
        assert 'are kept anew' in caplog.text


def test_a_full_disk(make_store, caplog, now, monkeypatch) -> None:
    store = make_store(memory=10 * SIZE)
    put_all(store, range(40))

    def refuse(*_):
        error = sqlite3.OperationalError('database or disk is full')
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(disk, 'insert', refuse)
        for number in range(40, 80):
            put_all(store, [number])
            assert store.get(make_key(number)) is not None
            now[0] += 5
    assert 'it is full' in store.usage().problem
    assert caplog.text.count('it is full') == 1
    now[0] += 100
    # Nothing that was there before is lost; room is used when there is some.
    assert count_whole(store, range(30)) == 30
    put_all(store, range(80, 120))
    assert store.usage().problem == ''
    assert count_whole(store, range(80, 120)) == 40


def test_sqlite_finds_the_disk_full(make_store, monkeypatch, caplog) -> None:
    store = make_store(memory=10 * SIZE)
    put_all(store, range(40))
    connection = store._disk._database.open(may_create=False)
    count = connection.execute('PRAGMA page_count').fetchall()[0][0]
    monkeypatch.setattr(store._disk, '_make_room', lambda _, rows: list(rows))
    connection.execute(f'PRAGMA max_page_count = {count + 3}')
    put_all(store, range(40, 80))
    assert 'it is full' in store.usage().problem
    assert count_whole(store, range(30)) >= 10


def test_room_is_left_for_others(make_store, monkeypatch, now) -> None:
    store = make_store()
    put_all(store, HUNDRED)
    size = store.usage().disk_size
    # Windows go on to come and go, but the file does not grow.
    monkeypatch.setattr(disk, 'RESERVE', 2**60)
    put_all(store, range(100, 150))
    usage = store.usage()
    assert (usage.disk_size, usage.problem) == (size, '')
    assert count_whole(store, range(100, 150)) == 50
    # Where there never was room, nothing is begun.
    store.clear()
    put_all(store, HUNDRED)
    assert 'it is full' in store.usage().problem
    assert store.usage().disk_size < 10 * SIZE


def test_a_small_disk(make_store, folder, now) -> None:
    folder.mkdir()
    mounted = (
        subprocess.run(
            ['mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', str(folder)],
            capture_output=True,
            check=False,
        )
        if hasattr(os, 'geteuid') and os.geteuid() == 0
        else None
    )
    if mounted is None or mounted.returncode:
        pytest.skip('a small disk can only be mounted by root')
    try:
        store = make_store(memory=10 * SIZE)
        put_all(store, range(20))
        before = count_whole(store, range(20))
        # Somebody else takes all the rest.
        with pytest.raises(OSError, match='space'):
            (folder / 'other').write_bytes(bytes(2_000_000))
        # What is kept is found by who opens the file now; the other half is
        # in the first one's memory.
        assert count_whole(make_store(), range(20)) == 10
        for number in HUNDRED:
            put_all(store, [number])
            assert store.get(make_key(number)) is not None
        count_whole(store)
        assert before == 20
        (folder / 'other').unlink()
        now[0] += 100
        put_all(store, HUNDRED)
        assert count_whole(store) > 10
        store.clear()
        assert store.usage().disk_size == 0
        store.close()
    finally:
        subprocess.run(['umount', '-l', str(folder)], check=True)


@pytest.mark.parametrize('place', ['file', 'folder'])
def test_a_forbidden_place(make_store, folder, caplog, now, place) -> None:
    if place == 'file':
        folder.write_text('')
    elif os.name != 'posix' or os.geteuid() == 0:
        pytest.skip('the administrator may write everywhere')
    else:
        folder.mkdir(mode=0o500)
    store = make_store(memory=10 * SIZE)
    for number in HUNDRED:
        put_all(store, [number])
        now[0] += 5
    assert count_whole(store) == 10
    problem = store.usage().problem
    assert str(folder) in problem
    assert 'Runs go on' in problem
    assert caplog.text.count('Runs go on') == 1


def test_held_by_another_process(make_store, folder, now) -> None:
    store = make_store(memory=10 * SIZE)
    put_all(store, range(40))
    other = sqlite3.connect(database.database_path(folder))
    other.execute('BEGIN EXCLUSIVE')
    try:
        start = time.perf_counter()
        put_all(store, range(40, 80))
        count_whole(store)
        store.usage()
        # Waits once, then leaves the disk alone for a while.
        assert time.perf_counter() - start < 2
        with pytest.raises(StorageError, match='another program'):
            store.clear()
    finally:
        other.close()
    now[0] += 100
    assert count_whole(store, range(30)) >= 0
    put_all(store, HUNDRED)
    assert count_whole(store) == 100


def test_read_beside_another_process_that_writes(
    make_store, folder, monkeypatch
) -> None:
    # The uses of what is read cannot be noted meanwhile.
    monkeypatch.setattr(disk, '_MOST_USES', 25)
    put_all(make_store(), range(40))
    other = sqlite3.connect(database.database_path(folder))
    other.execute('BEGIN IMMEDIATE')
    try:
        assert count_whole(make_store(), range(40)) == 40
    finally:
        other.close()


def test_deleted_while_open(make_store, folder) -> None:
    if os.name != 'posix':
        pytest.skip('a file that is open cannot be deleted here')
    store = make_store()
    put_all(store, HUNDRED)
    database.database_path(folder).unlink()
    assert count_whole(store) == 0
    put_all(store, HUNDRED)
    assert count_whole(store) == 100


def test_two_stores_at_once(make_store) -> None:
    first, second = make_store(disk=80 * SIZE), make_store(disk=80 * SIZE)
    failures = []

    def work(store, seed: int) -> None:
        draw = np.random.default_rng(seed)
        for number in draw.integers(0, 100, 150).tolist():
            if draw.random() < 0.5:
                put_all(store, [number])
            elif not is_whole(number, store.get(make_key(number))):
                failures.append(number)
            if draw.random() < 0.02:
                store.clear()

    threads = [
        threading.Thread(target=work, args=(store, seed))
        for seed, store in enumerate((first, second))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert first.usage().problem == second.usage().problem == ''
    first.clear()
    assert second.usage().disk_windows == 0
    put_all(second, range(10))
    assert count_whole(first, range(10)) == 10
    assert Path(first.folder) == second.folder


def test_no_memory_while_windows_go_to_the_disk(
    make_store, monkeypatch
) -> None:
    store = make_store(memory=4 * SIZE)

    def fail(*_arguments: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(disk, 'insert', fail)
        put_all(store, range(8))
    # Nothing is stuck half way: there is room for what comes.
    put_all(store, range(20, 24))
    assert count_whole(store, range(20, 24)) == 4
    assert store.usage().memory_size <= 4 * SIZE
