"""A part of a result gets a class, and gets back what it had."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_naclip.engine.types import Region
from napari_naclip.layers import assign as assigning
from napari_naclip.layers import history
from napari_naclip.layers.assign import (
    Acceptance,
    Assignment,
    accept,
    assign,
    take_back,
    withdraw,
)
from napari_naclip.layers.edits import forget_edits
from napari_naclip.layers.labels import Result
from napari_naclip.layers.tidied import own_plane
from napari_naclip.layers.write import write_block, write_region

PLANE = (1, slice(None), slice(None))
REGION = Region(2, 3, 12, 13)


@pytest.fixture(params=[1, 1000], ids=['a row at a time', 'at once'])
def result(request, monkeypatch) -> Result:
    monkeypatch.setattr(assigning, '_PIECE', request.param)
    model = np.random.default_rng(1).integers(0, 4, (3, 20, 30), np.uint8)
    labels = ViewerModel().add_labels(model.copy())
    return Result(None, labels, {}, model)


def give(result: Result, mask: np.ndarray, value: int) -> Assignment:
    assignment = Assignment(result, value)
    for _ in assign(result, PLANE, REGION, mask, assignment):
        pass
    return assignment


def test_only_the_mask_changes_and_comes_back(result) -> None:
    mask = np.random.default_rng(2).random((10, 10)) < 0.5
    before = result.labels.data.copy()
    assignment = give(result, mask, 3)
    expected = before.copy()
    expected[1, 2:12, 3:13][mask] = 3
    np.testing.assert_array_equal(result.labels.data, expected)
    assert assignment.pixels == (expected != before).sum()
    for _ in take_back(assignment):
        pass
    np.testing.assert_array_equal(result.labels.data, before)


def test_what_was_edited_before_stays(result) -> None:
    mask = np.ones((10, 10), bool)
    result.labels.data_setitem(
        (np.array([1]), np.array([4]), np.array([5])), 7
    )
    give(result, mask, 3)
    assert result.labels.data[1, 4, 5] == 7


def test_what_was_painted_since_stays(result) -> None:
    mask = np.ones((10, 10), bool)
    assignment = give(result, mask, 3)
    result.labels.data_setitem(
        (np.array([1]), np.array([4]), np.array([5])), 7
    )
    for _ in take_back(assignment):
        pass
    assert result.labels.data[1, 4, 5] == 7


@pytest.mark.parametrize('share', [0.5, 1.0], ids=['specks', 'all'])
def test_it_is_one_step_of_naparis_undo(result, share: float) -> None:
    mask = np.random.default_rng(2).random((10, 10)) < share
    layer = result.labels
    layer.data_setitem((np.array([0]), np.array([4]), np.array([5])), 7)
    before = layer.data.copy()
    assignment = give(result, mask, 3)
    after = layer.data.copy()
    layer.undo()
    np.testing.assert_array_equal(layer.data, before)
    layer.redo()
    np.testing.assert_array_equal(layer.data, after)
    # Taking it back is the next one.
    for _ in take_back(assignment):
        pass
    np.testing.assert_array_equal(layer.data, before)
    layer.undo()
    np.testing.assert_array_equal(layer.data, after)
    layer.undo()
    layer.undo()
    assert layer.data[0, 4, 5] != 7


def test_what_comes_back_is_what_the_model_says_by_now(result) -> None:
    layer, inside = result.labels, (1, *REGION.slices)
    assignment = give(result, np.ones((10, 10), bool), 9)
    # Beside what was given it is written, below it is known.
    new = np.random.default_rng(3).integers(0, 4, (20, 30), np.uint8)
    new[5] = 9
    write_region(result, own_plane(result, PLANE), new)
    assert (layer.data[inside] == 9).all()
    for _ in take_back(assignment):
        pass
    np.testing.assert_array_equal(layer.data[1], new)
    np.testing.assert_array_equal(result.written[1], new)
    # It is a step of napari's undo, which the person has made.
    layer.undo()
    assert (layer.data[inside] == 9).all()
    np.testing.assert_array_equal(result.written[1], new)


def test_what_the_person_does_in_between_is_a_step_of_its_own(
    result, monkeypatch
) -> None:
    monkeypatch.setattr(assigning, '_PIECE', 50)
    layer = result.labels
    steps = assign(
        result, PLANE, REGION, np.ones((10, 10), bool), Assignment(result, 9)
    )
    next(steps)
    first = layer.data.copy()
    layer.data_setitem((np.array([0]), np.array([4]), np.array([5])), 7)
    painted = layer.data.copy()
    for _ in steps:
        pass
    assert (layer.data[1, 2:12, 3:13] == 9).all()
    layer.undo()
    np.testing.assert_array_equal(layer.data, painted)
    layer.undo()
    np.testing.assert_array_equal(layer.data, first)


def test_little_is_kept_of_each_pixel(result, monkeypatch) -> None:
    monkeypatch.setattr(assigning, '_PIECE', 1000)
    result.labels.data[1] = result.written[1] = 1
    mask = np.ones((10, 10), bool)
    mask[3, 4] = False
    (piece,) = give(result, mask, 3).pieces
    # The mask; of values that are all the same, one.
    assert piece.mask.nbytes == mask.size
    assert piece.before.strides == (0,)
    if history._MaskedStep is None:
        # A release that knows indices only.
        return
    (step,) = result.labels._undo_history[-1]
    assert step.mask is piece.mask
    assert step.old_values is piece.before


def test_what_was_accepted_is_not_written_again(result) -> None:
    mask = np.zeros((10, 10), bool)
    mask[2:5] = True
    acceptance = Acceptance(result)
    for _ in accept(result, PLANE, REGION, mask, acceptance):
        pass
    new = np.full((20, 30), 9, np.uint8)
    kept = write_block(result, PLANE, new)
    inside = result.labels.data[1, 2:12, 3:13]
    assert kept == mask.sum()
    np.testing.assert_array_equal(inside == 9, ~mask)
    for _ in withdraw(acceptance):
        pass
    assert write_block(result, PLANE, new) == 0
    assert (result.labels.data[1] == 9).all()


def test_forgetting_edits_forgets_what_was_accepted(result) -> None:
    for _ in accept(result, PLANE, REGION, np.ones((10, 10), bool)):
        pass
    forget_edits(result, PLANE)
    write_block(result, PLANE, np.full((20, 30), 9, np.uint8))
    assert (result.labels.data[1] == 9).all()


def test_what_another_answer_accepted_stays_accepted(result) -> None:
    first, second = np.zeros((2, 10, 10), bool)
    first[:6] = second[3:] = True
    for _ in accept(result, PLANE, REGION, first):
        pass
    acceptance = Acceptance(result)
    for _ in accept(result, PLANE, REGION, second, acceptance):
        pass
    for _ in withdraw(acceptance):
        pass
    inside = result.accepted[1, 2:12, 3:13]
    np.testing.assert_array_equal(inside, first)
    assert result.accepted.sum() == first.sum()


def test_what_was_accepted_before_keeps_its_label(result) -> None:
    mask = np.ones((10, 10), bool)
    right = np.random.default_rng(3).random((10, 10)) < 0.5
    before = result.labels.data[1, 2:12, 3:13].copy()
    for _ in accept(result, PLANE, REGION, right):
        pass
    give(result, mask, 9)
    inside = result.labels.data[1, 2:12, 3:13]
    np.testing.assert_array_equal(inside, np.where(right, before, 9))


def test_locked_classes_are_neither_overwritten_nor_extended(result) -> None:
    mask = np.ones((10, 10), bool)
    before = result.labels.data.copy()
    for _ in assign(
        result, PLANE, REGION, mask, Assignment(result, 3), {3, 9}
    ):
        pass
    np.testing.assert_array_equal(result.labels.data, before)
    assignment = Assignment(result, 7)
    for _ in assign(result, PLANE, REGION, mask, assignment, {2}):
        pass
    given = result.labels.data.copy()
    inside = before[1, 2:12, 3:13] != 2
    np.testing.assert_array_equal(given[1, 2:12, 3:13] == 7, inside)
    # A class that is locked since gets nothing back either.
    for _ in take_back(assignment, {1}):
        pass
    now = result.labels.data
    np.testing.assert_array_equal(
        now, np.where((given == 7) & (before != 1), before, given)
    )


def test_back_makes_no_edit_where_the_model_agrees_by_now(result) -> None:
    mask = np.ones((10, 10), bool)
    assignment = give(result, mask, 3)
    model = np.full((20, 30), 8, np.uint8)
    write_block(result, PLANE, model, mode='everywhere')
    model[2:6] = 3
    write_block(result, PLANE, model, mode='everywhere')
    for _ in take_back(assignment):
        pass
    np.testing.assert_array_equal(result.labels.data, result.written)


def test_back_gives_what_the_model_says_now(result) -> None:
    mask = np.zeros((10, 10), bool)
    mask[:5] = True
    assignment = give(result, mask, 9)
    # The model has another opinion by now.
    result.written[1, 2:7, 3:13] = 5
    for _ in take_back(assignment):
        pass
    assert (result.labels.data[1, 2:7, 3:13] == 5).sum() == 50


def test_what_fails_can_be_taken_back_again(result, monkeypatch) -> None:
    monkeypatch.setattr(assigning, '_PIECE', 30)
    mask = np.ones((10, 10), bool)
    before = result.labels.data.copy()
    assignment = give(result, mask, 9)
    left, set_item = 2, result.labels.data_setitem

    def fail(*args) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError('no room')
        set_item(*args)

    monkeypatch.setattr(result.labels, 'data_setitem', fail)
    with pytest.raises(OSError, match='no room'):
        for _ in take_back(assignment):
            pass
    assert (result.labels.data == 9).any()
    left = 100
    for _ in take_back(assignment):
        pass
    np.testing.assert_array_equal(result.labels.data, before)
    assert not assignment.pieces
