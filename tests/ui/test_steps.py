"""What is one step of Revert, also where it is written in many turns."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Labels

from napari_naclip.layers import placing
from napari_naclip.layers.checkpoint import revert
from napari_naclip.layers.edits import forget_steps
from napari_naclip.layers.labels import Result, write_region
from napari_naclip.layers.tidied import own_plane
from napari_naclip.ui import steps as steps_module
from napari_naclip.ui.steps import ChangeSteps

PLANE = (slice(None), slice(None))


@pytest.fixture
def edited(monkeypatch) -> Result:
    """Return a result that was painted over; each row is a step."""
    monkeypatch.setattr(placing, '_BAND_PIXELS', 8)
    labels = Labels(np.zeros((8, 8), np.uint8))
    result = Result(None, labels, {}, np.zeros((8, 8), np.uint8))
    write_region(result, own_plane(result, PLANE), np.ones((8, 8), np.uint8))
    labels.data[...] = 2
    return result


def test_forgetting_in_turns_is_one_step(edited) -> None:
    work = ChangeSteps().write_apart(edited, forget_steps(edited, PLANE))
    values, count = set(), None
    while count is None:
        try:
            next(work)
        except StopIteration as stop:
            count = stop.value
        values.add(int((edited.labels.data == 1).sum()))
    assert count == 64
    # No turn does all of it.
    assert {0, 8, 16, 56, 64} <= values
    revert(edited)
    assert (edited.labels.data == 2).all()


def change(
    steps: ChangeSteps, result: Result, value: int, *, is_unfinished: bool
) -> None:
    """Let labels follow a change, long after the one before."""
    steps.hold()
    steps.begin(result, is_unfinished=is_unfinished)
    with steps.writing(result):
        pixels = np.full((8, 8), value, np.uint8)
        write_region(result, own_plane(result, PLANE), pixels)


@pytest.mark.parametrize(('is_unfinished', 'left'), [(True, 1), (False, 3)])
def test_revert_brings_no_part_of_an_answer_back(
    edited, monkeypatch, is_unfinished, left
) -> None:
    monkeypatch.setattr(steps_module, '_GAP', 0.0)
    edited.labels.data[...] = 1
    steps = ChangeSteps()
    assert not steps.has_written(edited)
    change(steps, edited, 3, is_unfinished=False)
    assert steps.has_written(edited)
    change(steps, edited, 4, is_unfinished=is_unfinished)
    revert(edited)
    assert (edited.labels.data == left).all()
    assert not steps.has_written(edited)


def test_it_ends_where_it_is_reverted_meanwhile(edited) -> None:
    work = ChangeSteps().write_apart(edited, forget_steps(edited, PLANE))
    while (edited.labels.data == 2).all():
        next(work)
    revert(edited)
    with pytest.raises(StopIteration) as end:
        next(work)
    assert end.value.value is None
    assert (edited.labels.data == 2).all()
    assert edited.checkpoint is None
