"""What is imported beside a window starts no full garbage collection."""

from __future__ import annotations

import gc
import weakref

import pytest

from napari_naclip.ui.imports import young_collections


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
