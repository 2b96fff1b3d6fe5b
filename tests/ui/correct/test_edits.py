"""Edits in the panel: write modes, count, outline, forgetting."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_naclip.layers import edits
from napari_naclip.layers.edits import iter_edits
from napari_naclip.ui import steps, turns
from napari_naclip.ui.correct import edits as followers
from sliders import drag

TIMEOUT = 60_000
OUTLINE = 'edited pixels'


@pytest.fixture
def opened(make_napari_viewer, open_widget, run, picture, qtbot, press):
    """Return viewer, widget and labels after a run, with the part open."""
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    widget = open_widget(viewer, 'sand; water; grass')
    press(widget.correct.more)
    run(widget)
    labels = viewer.layers[-1]
    qtbot.waitUntil(
        lambda: (
            widget.correct.edits.count.text() == 'No pixel edited.'
            and not widget._live._timer.isActive()
            and widget._live._wish is None
        ),
        timeout=TIMEOUT,
    )
    return viewer, widget, labels


@pytest.fixture
def count(qtbot):
    """Return a function that waits for a number of edited pixels."""

    def wait(widget, pixels: int) -> None:
        text = f'{pixels} px edited' if pixels else 'No pixel edited.'
        qtbot.waitUntil(
            lambda: widget.correct.edits.count.text() == text, timeout=TIMEOUT
        )

    return wait


@pytest.fixture
def settle(qtbot):
    """Return a function that waits until the labels have followed."""

    def wait(widget) -> None:
        live = widget._live
        qtbot.waitUntil(
            lambda: live._wish is None and not live._timer.isActive(),
            timeout=TIMEOUT,
        )

    return wait


def paint(labels, value: int = 3) -> np.ndarray:
    """Paint as with a brush; return which pixels that changed."""
    before = labels.data.copy()
    labels.brush_size = 9
    labels.paint((12, 14), value)
    changed = labels.data != before
    assert changed.any()
    return changed


def other_class(labels) -> int:
    """Return a class that the labels at the brush do not have."""
    return next(v for v in (1, 2, 3) if labels.data[12, 14] != v)


def test_everywhere_goes_over_edits_and_revert_brings_them(
    opened, run, press, count, qtbot
) -> None:
    _, widget, labels = opened
    model = labels.data.copy()
    edited = paint(labels, other_class(labels))
    mine = labels.data.copy()
    count(widget, int(edited.sum()))
    run(widget)
    np.testing.assert_array_equal(labels.data, mine)
    widget.correct.edits.write_box.setFocus()
    qtbot.keyClicks(widget.correct.edits.write_box, 'every')
    assert widget.correct.edits.mode == 'everywhere'
    run(widget)
    np.testing.assert_array_equal(labels.data, model)
    count(widget, 0)
    qtbot.waitUntil(widget.options.revert.isEnabled, timeout=TIMEOUT)
    press(widget.options.revert)
    np.testing.assert_array_equal(labels.data, mine)
    count(widget, int(edited.sum()))


def test_changed_settings_never_cost_edits(
    opened, run, press, settle, qtbot, monkeypatch
) -> None:
    _, widget, labels = opened
    # Each change is a step of Revert of its own.
    monkeypatch.setattr(steps, '_GAP', 0.0)
    slider = widget.classes.controls.slider
    press(widget.classes.background)
    settle(widget)
    widget._page.ensureWidgetVisible(slider)
    model = labels.data.copy()
    edited = paint(labels, other_class(labels))
    mine = labels.data.copy()
    qtbot.keyClicks(widget.correct.edits.write_box, 'every')
    drag(qtbot, slider, 0.9)
    settle(widget)
    assert (labels.data != mine).any()
    np.testing.assert_array_equal(labels.data[edited], mine[edited])
    drag(qtbot, slider, 0.02)
    settle(widget)
    run(widget)
    settle(widget)
    np.testing.assert_array_equal(labels.data[edited], model[edited])
    for share in (0.9, 0.02):
        drag(qtbot, slider, share)
        settle(widget)
    press(widget.options.revert)
    np.testing.assert_array_equal(labels.data[edited], mine[edited])


def test_only_background_is_filled(opened, run, qtbot) -> None:
    _, widget, labels = opened
    model = labels.data.copy()
    labels.data[2:5, 2:5] = 0
    labels.data[6, 6] = 1 + model[6, 6] % 3
    before = labels.data.copy()
    labels.refresh()
    qtbot.keyClicks(widget.correct.edits.write_box, 'only')
    run(widget)
    np.testing.assert_array_equal(
        labels.data, np.where(before == 0, model, before)
    )


def test_forgotten_in_shapes_then_on_the_plane(
    opened, press, count, qtbot
) -> None:
    viewer, widget, labels = opened
    model = labels.data.copy()
    edited = paint(labels, other_class(labels))
    mine = labels.data.copy()
    count(widget, int(edited.sum()))
    in_view, in_shapes, on_plane = widget.correct.edits.forget.menu().actions()
    in_shapes.trigger()
    assert 'no Shapes layer' in widget.panel.status.text()
    # The upper half of the stroke.
    viewer.add_shapes(
        [[[0, 0], [0, 40], [11.5, 40], [11.5, 0]]], shape_type='polygon'
    )
    in_shapes.trigger()
    lower = edited.copy()
    lower[:12] = False
    count(widget, int(lower.sum()))
    np.testing.assert_array_equal(labels.data, np.where(lower, mine, model))
    press(widget.options.revert)
    np.testing.assert_array_equal(labels.data, mine)
    count(widget, int(edited.sum()))
    in_view.trigger()
    count(widget, 0)
    np.testing.assert_array_equal(labels.data, model)
    assert not widget.correct.edits.forget.isEnabled()
    labels.data[0, 0] = other_class(labels)
    labels.refresh()
    count(widget, 1)
    on_plane.trigger()
    count(widget, 0)


def test_outline_follows_the_brush(opened, press, count, qtbot) -> None:
    viewer, widget, labels = opened
    press(widget.correct.edits.outline)
    active = viewer.layers.selection.active

    def outlined() -> np.ndarray:
        layer = viewer.layers[OUTLINE]
        top, left = (int(each) for each in layer.translate)
        rows, columns = layer.data.shape
        found = np.zeros(labels.data.shape, bool)
        found[top : top + rows, left : left + columns] = layer.data == 1
        return found

    edited = paint(labels, other_class(labels))
    qtbot.waitUntil(
        lambda: (
            OUTLINE in viewer.layers and np.array_equal(outlined(), edited)
        ),
        timeout=TIMEOUT,
    )
    assert viewer.layers.selection.active == active
    assert viewer.layers[OUTLINE].contour >= 1
    labels.undo()
    qtbot.waitUntil(lambda: not outlined().any(), timeout=TIMEOUT)
    viewer.layers.remove(OUTLINE)
    labels.redo()
    qtbot.waitUntil(
        lambda: not widget.correct.edits.outline.isChecked(), timeout=TIMEOUT
    )
    press(widget.correct.edits.outline)
    qtbot.waitUntil(lambda: OUTLINE in viewer.layers, timeout=TIMEOUT)
    press(widget.correct.edits.outline)
    assert OUTLINE not in viewer.layers


def test_outline_is_found_in_turns(opened, press, qtbot, monkeypatch) -> None:
    viewer, widget, labels = opened
    found: list[int] = []

    def find(*args):
        for each in iter_edits(*args):
            found.append(1)
            yield each

    # A row at a time, and a strip in each turn.
    monkeypatch.setattr(edits, '_STRIP_PIXELS', 1)
    monkeypatch.setattr(turns, '_TURN', 1e-4)
    monkeypatch.setattr(followers, 'iter_edits', find)
    edited = paint(labels, other_class(labels))
    press(widget.correct.edits.outline)
    assert OUTLINE not in viewer.layers
    qtbot.waitUntil(lambda: OUTLINE in viewer.layers, timeout=TIMEOUT)
    assert len(found) > 10
    assert (viewer.layers[OUTLINE].data == 1).sum() == edited.sum()


def test_choices_come_back_with_the_dock(opened, open_widget, qtbot) -> None:
    viewer, widget, _ = opened
    qtbot.keyClicks(widget.correct.edits.write_box, 'only')
    viewer.window.remove_dock_widget(widget.parentWidget())
    again = open_widget(viewer, 'sand; water; grass')
    assert again.correct.edits.mode == 'background'


def test_space_chooses_with_the_keyboard_alone(opened, qtbot) -> None:
    _, widget, _ = opened
    widget.correct.edits.outline.setFocus()
    qtbot.keyClick(widget.correct.edits.outline, Qt.Key.Key_Space)
    assert widget.correct.edits.outline.isChecked()
