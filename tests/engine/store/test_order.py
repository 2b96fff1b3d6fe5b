"""What leaves first, and what stays."""

from __future__ import annotations

import time

from store_tools import SIZE, found, put_all


def test_least_recently_used_leaves_memory_first(make_store) -> None:
    store = make_store(memory=3 * SIZE, disk=0)
    put_all(store, (1, 2, 3))
    assert found(store, [1]) == [1]
    put_all(store, [4])
    assert found(store, range(5)) == [1, 3, 4]
    assert store.usage().memory_size == 3 * SIZE


def test_least_recently_used_leaves_the_disk_first(make_store) -> None:
    store = make_store(disk=50 * SIZE)
    put_all(store, range(30))
    # The first half is used once more, from the disk.
    assert found(store, range(15)) == list(range(15))
    put_all(store, range(30, 60))
    usage = store.usage()
    assert usage.disk_size <= 50 * SIZE
    kept = found(store, range(60))
    assert set(range(15)) <= set(kept)
    assert set(range(30, 60)) <= set(kept)
    assert not set(kept) & {15, 16, 17, 18, 19}


def test_use_is_remembered_by_the_next_process(make_store) -> None:
    store = make_store(disk=50 * SIZE)
    put_all(store, range(30))
    found(store, range(5))
    store.close()
    later = make_store(disk=50 * SIZE)
    put_all(later, range(30, 65))
    kept = found(later, range(65))
    assert set(range(5)) <= set(kept)
    assert 5 not in kept


def test_a_clock_that_was_ahead_is_forgotten(make_store, monkeypatch) -> None:
    true = time.time_ns
    with monkeypatch.context() as patch:
        patch.setattr(time, 'time_ns', lambda: true() + 10**15)
        ahead = make_store(disk=50 * SIZE)
        put_all(ahead, range(40))
        found(ahead, range(5))
        ahead.close()
    later = make_store(disk=50 * SIZE)
    put_all(later, range(50, 75))
    kept = found(later, range(75))
    assert set(range(50, 75)) <= set(kept)
    # What is older leaves in the order it was in.
    assert set(kept) & set(range(40)) >= set(range(5))
    assert 5 not in kept


def test_a_scan_larger_than_memory_keeps_memory_in_use(
    make_store, monkeypatch
) -> None:
    store = make_store(memory=10 * SIZE)
    put_all(store, range(20))
    reads = []
    original = store._disk.find
    monkeypatch.setattr(
        store._disk, 'find', lambda *a: reads.append(a) or original(*a)
    )
    writes = []
    monkeypatch.setattr(store._disk, 'write', writes.append)
    for _ in range(3):
        reads.clear()
        assert len(found(store, range(20))) == 20
        assert len(reads) <= 11
    assert not writes
