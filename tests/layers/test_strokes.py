"""What undo and redo of strokes leave, after the model has said more."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_naclip.engine.types import ClassList, Settings
from napari_naclip.layers.edits import edited_mask
from napari_naclip.layers.labels import Result, add_result, write_region
from napari_naclip.layers.read import take_snapshots

WHOLE = (slice(None), slice(None))
AT = (3, 4)


@pytest.fixture
def written():
    """Return a result full of 1, and a function that answers with a value."""
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros((6, 8)))
    (snapshot,) = take_snapshots(image, viewer, Settings(detail=None))
    classes = ClassList.from_text('one; two; three')
    result = add_result(viewer, image, snapshot, classes)

    def answer(value: int, **options) -> None:
        labels = np.full((6, 8), value, np.uint8)
        write_region(result, snapshot, labels, **options)

    answer(1)
    result.labels.brush_size = 1
    return result, answer


def is_edited(result: Result) -> bool:
    return bool(edited_mask(result, WHOLE)[AT])


@pytest.mark.parametrize('later', [2, 3], ids=['agrees', 'says another'])
def test_undo_and_redo(written, later: int) -> None:
    result, answer = written
    layer = result.labels
    layer.paint(AT, 2)
    answer(later)
    assert layer.data[AT] == 2
    assert is_edited(result)
    for _ in range(2):
        layer.undo()
        assert (layer.data == later).all()
        assert not is_edited(result)
        layer.redo()
        assert layer.data[AT] == 2
        assert is_edited(result)
        # Still nobody else's.
        answer(1)
        answer(later)
        assert layer.data[AT] == 2


def test_undo_of_several_strokes(written) -> None:
    result, answer = written
    layer = result.labels
    layer.paint(AT, 2)
    layer.paint(AT, 3)
    answer(2)
    layer.undo()
    assert layer.data[AT] == 2
    assert is_edited(result)
    layer.undo()
    assert (layer.data == 2).all()
    assert not is_edited(result)


def test_undo_of_what_a_run_went_over(written) -> None:
    result, answer = written
    layer = result.labels
    layer.paint(AT, 2)
    answer(3, mode='everywhere')
    layer.undo()
    assert layer.data[AT] == 1
    assert is_edited(result)


def test_undo_of_a_hidden_layer_is_seen_before_the_next_answer(
    written,
) -> None:
    result, answer = written
    layer = result.labels
    layer.paint(AT, 2)
    answer(3)
    layer.visible = False
    layer.undo()
    answer(2)
    assert (layer.data == 2).all()
    layer.redo()
    answer(1)
    assert layer.data[AT] == 2
