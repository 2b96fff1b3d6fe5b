"""Passes over windows: which leave first, and what the next one finds."""

from __future__ import annotations

import time

import numpy as np
import pytest

from napari_naclip.engine.encoder import Encoder
from napari_naclip.engine.features import DictStore
from napari_naclip.engine.models import load_model
from napari_naclip.engine.segmenter import Segmenter, run_to_end
from napari_naclip.engine.store import FeatureStore
from napari_naclip.engine.types import ClassList, Region, Settings
from store_tools import SIZE, found, make_key, make_tokens, put_all

#: Bytes of a window on the disk, with its part of the tables.
ROW = 6.5 * 4096
HUNDRED = range(100)


def look(store, numbers=HUNDRED) -> int:
    """Look for windows and put what is missing; return what was found."""
    windows, count = store.begin(), 0
    for number in numbers:
        if found(windows, [number]):
            count += 1
        else:
            put_all(windows, [number])
    return count


def make_levels(make_store, level: str, count: int) -> FeatureStore:
    """Return a store with one level, which has room for so many windows."""
    if level == 'memory':
        return make_store(memory=count * SIZE, disk=0)
    return make_store(memory=0, disk=round(count * ROW))


@pytest.fixture(params=['memory', 'disk'])
def make_level(make_store, request):
    return lambda count: make_levels(make_store, request.param, count)


def test_the_next_pass_finds_what_there_is_room_for(make_level) -> None:
    store = make_level(83)
    assert look(store) == 0
    # Less than a batch and some pages is missing.
    for _ in range(3):
        assert 70 <= look(store) <= 83


def test_after_a_pass_that_began_elsewhere(make_level) -> None:
    store = make_level(83)
    first = range(60, 75)
    rest = [number for number in HUNDRED if number not in first]
    look(store, [*first, *rest])
    assert look(store) >= 50
    assert look(store) >= 70


def test_windows_in_use_stay_when_a_pass_is_given_up(make_level) -> None:
    store = make_level(83)
    look(store)
    for _ in range(4):
        assert look(store, range(40)) == 40
    assert look(store) >= 70


def test_the_least_recent_pass_leaves_first(make_level) -> None:
    store = make_level(60)
    for start in (0, 20, 40):
        look(store, range(start, start + 20))
    # The first one is used again.
    assert look(store, range(20)) >= 18
    look(store, range(60, 85))
    kept = found(store, HUNDRED)
    assert set(kept) >= {*range(20), *range(60, 85)}
    assert not set(kept) & set(range(20, 40))


def test_what_comes_last_in_a_pass_leaves_first(make_level) -> None:
    store = make_level(60)
    look(store, range(50))
    look(store, range(50, 70))
    kept = found(store, range(70))
    assert kept[:20] == [*range(20)]
    assert kept[-20:] == [*range(50, 70)]


def test_used_twice_in_a_pass(make_level) -> None:
    store = make_level(60)
    windows = store.begin()
    put_all(windows, range(40))
    found(windows, range(10))
    windows = store.begin()
    found(windows, range(40))
    found(windows, range(10))
    look(store, range(50, 80))
    assert set(found(store, range(40))) >= set(range(20))


def test_a_stack_is_one_pass(make_level) -> None:
    store = make_level(83)
    for most in (0, 83, 83):
        with store.begin() as windows:
            count = sum(
                look(windows, range(start, start + 10))
                for start in range(0, 100, 10)
            )
        assert count <= most
    assert count >= 70
    # What is asked later about a plane is not of that pass.
    assert windows.begin() is not windows


def test_flushed_windows_are_found_by_the_next_process(make_store) -> None:
    store = make_store(memory=30 * SIZE, disk=round(83 * ROW))
    look(store)
    store.flush()
    store.close()
    later = make_store(memory=30 * SIZE, disk=round(83 * ROW))
    for _ in range(3):
        assert look(later) >= 70


@pytest.mark.parametrize('where', ['memory', 'disk', 'process'])
def test_a_long_pass_is_not_pushed_out_by_later_ones(
    make_store, monkeypatch, where
) -> None:
    store = make_levels(make_store, 'memory' if where == 'memory' else '', 60)
    other = store
    if where == 'process':
        other = make_levels(make_store, '', 60)
    now = [time.time_ns()]
    monkeypatch.setattr(time, 'time_ns', lambda: now[0])
    windows = store.begin()
    put_all(windows, range(20))
    now[0] += 10**9
    look(other, range(100, 140))
    # Soon after the other began it is the one that gives way.
    put_all(windows, range(20, 30))
    assert len(found(other.begin(), range(100, 140))) >= 38
    # The others, too, were long ago.
    now[0] += 3600 * 10**9
    put_all(windows, range(30, 60))
    assert len(found(windows, range(30, 60))) >= 25


def test_less_of_an_image_is_looked_at_again(tmp_path, monkeypatch) -> None:
    sizes, encode = [], Encoder._tokens

    def count(self, batch):
        sizes.append(len(batch))
        return encode(self, batch)

    monkeypatch.setattr(Encoder, '_tokens', count)
    model = load_model('demo', device='cpu', precision='float32')
    image = np.random.default_rng(0).integers(0, 256, (260, 260, 3), np.uint8)
    classes = ['grass; sand', 'grass; sand; water']

    def run(store: FeatureStore, first: Region | None) -> list[int]:
        settings = Settings(
            detail=None, window=32, stride=16, templates=('{}',)
        )
        live = Segmenter(model, settings, store).open(image)
        counts = []
        for words in classes:
            sizes.clear()
            listed = ClassList.from_text(words)
            labels.append(run_to_end(live.answer(listed, first=first)).labels)
            counts.append(sum(sizes))
        store.close()
        return counts

    def keep(number: int, memory: int, disk: int) -> FeatureStore:
        return FeatureStore(tmp_path / str(number), memory=memory, disk=disk)

    labels: list[np.ndarray] = []
    large = keep(0, 0, 10**8)
    looked_at, again = run(large, None)
    assert looked_at >= 200
    assert again == 0
    part = round(large.usage().disk_size * 0.83)
    visible = Region(160, 0, 240, 260)
    for number, store in enumerate(
        (keep(1, 0, part), keep(2, part, 0), keep(3, part // 4, part))
    ):
        for first in (None, visible):
            store.clear()
            looked_at, again = run(store, first)
            assert looked_at >= 200, number
            assert again <= 0.35 * looked_at, (number, first)
    for answers in (labels[::2], labels[1::2]):
        for other in answers[1:]:
            np.testing.assert_array_equal(other, answers[0])


class Counting(DictStore):
    """Counts the passes over it."""

    passes = 0

    def begin(self) -> Counting:
        self.passes += 1
        return self


def test_each_question_is_a_pass_of_its_own() -> None:
    model = load_model('demo', device='cpu', precision='float32')
    settings = Settings(detail=None, window=32, stride=16, templates=('{}',))
    classes = ClassList.from_text('grass; sand')
    store = Counting()
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    live = Segmenter(model, settings, store).open(image)
    queries = run_to_end(live.queries(classes))

    def teach() -> None:
        with live.reading_tokens() as read:
            for index in range(3):
                read(index)

    for ask in (
        lambda: run_to_end(live.answer(classes)),
        lambda: list(live.iter_maps(queries, settings)),
        teach,
    ):
        before = store.passes
        ask()
        assert store.passes == before + 1


def test_a_pass_keeps_the_last_tokens(make_store) -> None:
    windows = make_store(memory=3 * SIZE).begin()
    put_all(windows, range(8))
    windows.put(make_key(0), make_tokens(100))
    put_all(windows, range(10, 18))
    assert np.array_equal(windows.get(make_key(0)), make_tokens(100))
