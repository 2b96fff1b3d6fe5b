"""Of all that is imported beside a window comes one full collection."""

from __future__ import annotations

import gc
import weakref

import pytest

from napari_naclip.ui import jobs
from napari_naclip.ui.imports import collect_once, young_collections

pytestmark = pytest.mark.usefixtures('all_collected')


class Node:
    """Part of a cycle."""


@pytest.fixture
def generations():
    """Return the generations that are collected, as they come."""
    seen: list[int] = []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == 'start':
            seen.append(info['generation'])

    gc.callbacks.append(note)
    yield seen
    gc.callbacks.remove(note)


def test_only_young_objects_are_looked_at(generations: list[int]) -> None:
    before = gc.get_threshold()
    made = []
    gc.collect()
    generations.clear()
    with young_collections():
        for _ in range(600_000):
            made.append([])
        assert generations
        assert 2 not in generations
    generations.clear()
    # What was made is old by now: it does not start one either.
    made.extend([] for _ in range(5_000))
    assert 2 not in generations
    assert gc.get_threshold() == before


def test_what_was_made_is_collected_later() -> None:
    with young_collections():
        node = Node()
        node.other = node
        gone = weakref.ref(node)
        del node
    assert gc.get_freeze_count() == 0
    gc.collect()
    assert gone() is None


def test_what_others_froze_stays_frozen() -> None:
    gc.freeze()
    try:
        count = gc.get_freeze_count()
        with young_collections():
            pass
        assert gc.get_freeze_count() == count
    finally:
        gc.unfreeze()


def test_one_collection_follows_the_imports_of_a_process(
    generations: list[int],
) -> None:
    collect_once.cache_clear()
    for _ in range(3):
        with young_collections():
            made = [[] for _ in range(100_000)]
        collect_once()
    assert generations.count(2) == 1
    del made


def test_the_layer_of_a_run_is_added_after_it(
    make_napari_viewer, open_widget, run, picture, monkeypatch
) -> None:
    told = []
    monkeypatch.setattr(jobs, 'collect_once', lambda: told.append('collected'))
    viewer = make_napari_viewer()
    image = viewer.add_image(picture)
    viewer.layers.events.inserted.connect(lambda _: told.append('added'))
    run(open_widget(viewer, 'sand; water'))
    assert image in viewer.layers
    assert told == ['collected', 'added']
