"""Undo of a stroke shows what the model says by then, not before it."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt

from fresh_runs import fresh
from napari_naclip.layers.edits import edited_mask

WHOLE = (slice(None), slice(None))


@pytest.fixture
def press_keys(qtbot):
    """Return a function that presses Z in the canvas, with modifiers."""

    def press(viewer, modifiers) -> None:
        canvas = viewer.window._qt_viewer.canvas.native
        qtbot.keyClick(canvas, Qt.Key.Key_Z, modifiers)

    return press


UNDO = Qt.KeyboardModifier.ControlModifier
REDO = UNDO | Qt.KeyboardModifier.ShiftModifier


def paint(labels) -> tuple[np.ndarray, int]:
    """Paint most of a picture; return where, and what."""
    before = labels.data.copy()
    value = 1 + int(before[40, 40]) % 3
    labels.brush_size = 60
    labels.mode = 'paint'
    labels.paint((40, 40), value)
    return labels.data != before, value


def test_undo_redo_and_undo_after_a_setting(
    opened, type_more, settle, press_keys, picture
) -> None:
    viewer, widget, labels = opened
    result = widget._sync.result
    old = labels.data.copy()
    stroke, value = paint(labels)
    type_more(widget, 'brick; road; wood; sky')
    settle(widget)
    now = fresh(widget, labels, picture)
    assert (now != old)[stroke].any()
    for _ in range(2):
        press_keys(viewer, UNDO)
        # At once: the model need not be asked for it.
        np.testing.assert_array_equal(labels.data, now)
        assert not edited_mask(result, WHOLE).any()
        press_keys(viewer, REDO)
        assert (labels.data[stroke] == value).all()
        np.testing.assert_array_equal(edited_mask(result, WHOLE), stroke)
    press_keys(viewer, UNDO)
    settle(widget)
    np.testing.assert_array_equal(labels.data, now)


def test_undo_after_revert_shows_what_was_before(
    opened, type_more, settle, press, press_keys
) -> None:
    viewer, widget, labels = opened
    before = labels.data.copy()
    stroke, _ = paint(labels)
    type_more(widget, 'brick; road; wood; sky')
    settle(widget)
    press_keys(viewer, UNDO)
    press(widget.options.revert)
    settle(widget)
    np.testing.assert_array_equal(labels.data, before)
    press_keys(viewer, REDO)
    np.testing.assert_array_equal(
        edited_mask(widget._sync.result, WHOLE), stroke
    )
    press_keys(viewer, UNDO)
    np.testing.assert_array_equal(labels.data, before)


def test_undo_after_a_run_without_live(
    opened, type_more, run, press, press_keys, picture
) -> None:
    viewer, widget, labels = opened
    press(widget.options.live)
    old = labels.data.copy()
    stroke, _ = paint(labels)
    type_more(widget, 'brick; road; wood; sky')
    run(widget)
    now = fresh(widget, labels, picture)
    assert (now != old)[stroke].any()
    press_keys(viewer, UNDO)
    np.testing.assert_array_equal(labels.data, now)
