"""What is kept where, and for how long."""

from __future__ import annotations

import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_naclip.engine.store import FeatureStore, database, disk
from napari_naclip.engine.store.rows import pack, unpack
from store_tools import (
    SIZE,
    found,
    is_whole,
    make_key,
    make_tokens,
    put_all,
)


@pytest.mark.parametrize('dtype', ['float16', 'float32'])
@pytest.mark.parametrize('memory', [0, 1_000_000])
def test_what_is_put_comes_back(make_store, memory, dtype) -> None:
    store = make_store(memory=memory)
    tokens = make_tokens(1, (3, 5, 20), dtype)
    assert store.get(make_key(1)) is None
    store.put(make_key(1), tokens)
    expected = tokens.copy()
    tokens[:] = 0
    kept = store.get(make_key(1))
    assert kept.dtype == dtype
    assert np.array_equal(kept, expected)
    with pytest.raises(ValueError, match='read-only'):
        kept[0] = 0


def test_a_batch_is_not_kept_alive(make_store) -> None:
    store = make_store(memory=1_000_000)
    batch = np.zeros((32, 3, 5, 20), np.float16)
    store.put(make_key(1), batch[4].transpose(1, 0, 2))
    assert store.get(make_key(1)).base is None


def test_what_leaves_memory_is_on_the_disk(make_store) -> None:
    store = make_store(memory=3 * SIZE)
    put_all(store, range(20))
    usage = store.usage()
    assert usage.memory_size <= 3 * SIZE
    assert usage.disk_windows >= 17
    assert found(store, range(20)) == list(range(20))


def test_empty_memory_fills_from_the_disk(make_store) -> None:
    store = make_store(memory=10 * SIZE)
    put_all(store, range(8))
    store.free()
    assert store.usage().memory_size == 0
    assert len(found(store, range(8))) == 8
    usage = store.usage()
    assert (usage.memory_windows, usage.disk_windows) == (8, 8)
    # Nothing is written a second time.
    status = store._disk._database.path.stat()
    store.free()
    assert store.usage().disk_windows == 8
    assert store._disk._database.path.stat().st_size == status.st_size


def test_evicted_elsewhere_is_written_again(make_store) -> None:
    store, other = make_store(memory=10 * SIZE), make_store()
    put_all(store, range(8))
    store.flush()
    other.clear()
    assert other.usage().disk_windows == 0
    store.free()
    assert found(other, range(8)) == list(range(8))


def test_flush_keeps_both(make_store) -> None:
    store = make_store(memory=10 * SIZE)
    put_all(store, range(8))
    assert store.usage().disk_windows == 0
    store.flush()
    usage = store.usage()
    assert (usage.memory_windows, usage.disk_windows) == (8, 8)


def test_contains_looks_at_both_levels(make_store) -> None:
    store = make_store(memory=3 * SIZE)
    put_all(store, range(8))
    keys = [make_key(number) for number in (0, 7, 8)]
    assert store.contains(keys) == [True, True, False]
    assert store.contains([]) == []
    many = [make_key(number) for number in range(1500)]
    assert sum(store.contains(many)) == 8


def test_clear_forgets_both_levels(make_store) -> None:
    store = make_store(memory=3 * SIZE)
    put_all(store, range(8))
    store.clear()
    assert found(store, range(8)) == []
    usage = store.usage()
    assert (usage.memory_size, usage.disk_size) == (0, 0)
    put_all(store, range(8))
    assert found(store, range(8)) == list(range(8))


def test_budgets_of_zero_turn_levels_off(make_store, folder) -> None:
    store = make_store(memory=0, disk=0)
    put_all(store, range(3))
    assert found(store, range(3)) == []
    assert not folder.exists()


def test_smaller_budgets_act_at_once(make_store) -> None:
    store = make_store(memory=20 * SIZE, disk=100 * SIZE)
    put_all(store, range(60))
    store.set_budgets(memory=5 * SIZE)
    usage = store.usage()
    assert usage.memory_size <= 5 * SIZE
    assert usage.disk_windows >= 55
    store.set_budgets(disk=30 * SIZE)
    usage = store.usage()
    assert 0 < usage.disk_size <= 30 * SIZE
    assert usage.disk_budget == 30 * SIZE
    store.set_budgets(disk=0)
    assert store.usage().disk_size == 0


def test_a_file_over_the_budget_shrinks(make_store) -> None:
    store = make_store(disk=100 * SIZE)
    put_all(store, range(60))
    store.close()
    later = make_store(disk=30 * SIZE)
    put_all(later, [60])
    assert later.usage().disk_size <= 30 * SIZE
    assert found(later, [60]) == [60]


def test_a_run_goes_on_while_the_file_shrinks(make_store, monkeypatch) -> None:
    store = make_store(memory=0, disk=400 * SIZE)
    put_all(store, range(300))
    monkeypatch.setattr(disk, '_STEP', 8)
    monkeypatch.setattr(disk, '_BREATH', 0.01)
    thread = threading.Thread(
        target=store.set_budgets, kwargs={'disk': 50 * SIZE}
    )
    thread.start()
    used = 0
    while thread.is_alive():
        put_all(store, [300])
        assert found(store, [300]) == [300]
        used += 1
    thread.join()
    assert used > 10
    assert store.usage().disk_size <= 50 * SIZE
    assert found(store, [300]) == [300]


def test_larger_than_the_budgets(make_store) -> None:
    store = make_store(memory=SIZE, disk=50 * SIZE)
    put_all(store, [0])
    huge = make_tokens(1, (70, 70, 256))
    store.put(make_key(1), huge)
    assert store.get(make_key(1)) is None
    assert found(store, [0]) == [0]
    large = make_tokens(1, (14, 14, 256))
    store.put(make_key(1), large)
    assert np.array_equal(store.get(make_key(1)), large)


def test_the_last_tokens_count(make_store) -> None:
    store = make_store(memory=3 * SIZE)
    put_all(store, range(8))
    store.put(make_key(0), make_tokens(100))
    put_all(store, range(10, 18))
    assert np.array_equal(store.get(make_key(0)), make_tokens(100))
    store.set_budgets(memory=0)
    store.put(make_key(0), make_tokens(101))
    assert np.array_equal(store.get(make_key(0)), make_tokens(101))


@pytest.mark.parametrize(
    ('key', 'tokens'),
    [
        (b'short', make_tokens(1)),
        (make_key(1), make_tokens(1)[0]),
        (make_key(1), make_tokens(1).astype('float64')),
        (make_key(1), make_tokens(1)[:0]),
    ],
)
def test_mistakes_of_the_caller(make_store, key, tokens) -> None:
    with pytest.raises(ValueError, match=r'tokens of|a key of'):
        make_store().put(key, tokens)


def test_negative_budget(make_store) -> None:
    with pytest.raises(ValueError, match='budgets of'):
        make_store(memory=-1)
    with pytest.raises(ValueError, match='budgets of'):
        make_store().set_budgets(disk=-1)


def test_without_a_folder() -> None:
    store = FeatureStore(None, memory=3 * SIZE, disk=10**9)
    put_all(store, range(8))
    assert found(store, range(8)) == [5, 6, 7]
    usage = store.usage()
    assert (usage.folder, usage.disk_size, usage.problem) == (None, 0, '')
    store.clear()


@pytest.mark.skipif(os.name != 'posix', reason='POSIX rights')
def test_private_to_the_user(make_store, folder) -> None:
    put_all(make_store(), range(3))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_looking_makes_no_file(make_store, folder) -> None:
    store = make_store()
    assert store.get(make_key(1)) is None
    assert store.contains([make_key(1)]) == [False]
    assert store.usage().disk_windows == 0
    store.free()
    store.clear()
    assert not folder.exists()


def test_older_versions_are_removed(make_store, folder, monkeypatch) -> None:
    monkeypatch.setattr(database, 'VERSION', 3)
    folder.mkdir()
    names = ['features-1.sqlite', 'features-2.sqlite-journal']
    others = ['features-4.sqlite', 'features-x.sqlite', 'other']
    for name in names + others:
        (folder / name).write_bytes(b'x')
    put_all(make_store(), [1])
    left = sorted(path.name for path in folder.iterdir())
    assert set(left) >= {*others, 'features-3.sqlite'}
    assert not set(left) & set(names)


def test_threads(make_store) -> None:
    store = make_store(memory=6 * SIZE, disk=60 * SIZE)
    start = threading.Barrier(4)

    def work(seed: int) -> None:
        draw = np.random.default_rng(seed)
        start.wait()
        for number in draw.integers(0, 40, 120).tolist():
            if draw.random() < 0.5:
                store.put(make_key(number), make_tokens(number))
            else:
                assert is_whole(number, store.get(make_key(number)))
            assert store._memory.size <= 6 * SIZE
            if draw.random() < 0.05:
                store.free()
            if draw.random() < 0.02:
                store.clear()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    usage = store.usage()
    assert usage.problem == ''
    assert usage.disk_size <= 60 * SIZE
    store.clear()
    assert store._memory.size == 0


def test_clear_drops_what_is_on_its_way(make_store, monkeypatch) -> None:
    store = make_store(memory=3 * SIZE)
    put_all(store, range(3))
    waiting, go_on = threading.Event(), threading.Event()
    original = store._write

    def write(*arguments):
        waiting.set()
        assert go_on.wait(10)
        return original(*arguments)

    monkeypatch.setattr(store, '_write', write)
    thread = threading.Thread(target=put_all, args=(store, [3]))
    thread.start()
    assert waiting.wait(10)
    # Found while it is neither here nor there.
    assert found(store, range(3)) == [0, 1, 2]
    store.clear()
    go_on.set()
    thread.join()
    assert found(store, range(4)) == []


@given(
    st.tuples(*[st.integers(1, 9)] * 3), st.sampled_from(['<f2', '<f4', '>f4'])
)
def test_rows_give_back_what_they_hold(shape, dtype) -> None:
    tokens = make_tokens(sum(shape), shape, dtype)
    header, body = pack(b'k', tokens)
    assert np.array_equal(unpack(b'k', header, body), tokens)
    assert unpack(b'other', header, body) is None


@given(st.data())
def test_a_changed_row_is_nothing(data) -> None:
    header, body = pack(b'k', make_tokens(1, (2, 3, 4)))
    fields = [*header, body]
    place = data.draw(st.integers(0, 5))
    changed = data.draw(
        st.none()
        | st.integers(-(2**40), 2**40)
        | st.floats()
        | st.text()
        | st.binary(max_size=60)
    )
    if changed == fields[place]:
        return
    fields[place] = changed
    assert unpack(b'k', tuple(fields[:5]), fields[5]) is None
    flipped = bytearray(body)
    flipped[data.draw(st.integers(0, len(body) - 1))] ^= 1
    assert unpack(b'k', header, bytes(flipped)) is None
