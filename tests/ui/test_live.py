"""Labels follow the class list and the settings without a new run."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt

from fresh_runs import fresh
from napari_naclip.engine.encoder import Encoder
from napari_naclip.ui import messages
from napari_naclip.ui.class_table.columns import Column
from napari_naclip.ui.compute import SLOT
from napari_naclip.ui.messenger import find_messenger
from sliders import drag

TIMEOUT = 60_000


@pytest.fixture
def batches(monkeypatch) -> list[int]:
    """Return a list that grows with each batch that the tower looks at."""
    made: list[int] = []
    encode = Encoder._tokens

    def count(self, batch):
        made.append(len(batch))
        return encode(self, batch)

    monkeypatch.setattr(Encoder, '_tokens', count)
    return made


@pytest.fixture
def toggle(qtbot):
    """Return a function that clicks a cell of the class table."""

    def click(widget, row: int, column: Column) -> None:
        table = widget.classes.table
        place = table.visualRect(table.model().index(row, column)).center()
        qtbot.mouseClick(
            table.viewport(), Qt.MouseButton.LeftButton, pos=place
        )

    return click


def test_a_typed_class_appears_without_a_run(
    opened, batches, type_more, settle, picture
) -> None:
    _, widget, labels = opened
    before = labels.data.copy()
    type_more(widget, 'brick; road')
    settle(widget)
    assert batches == []
    assert {4, 5} & set(np.unique(labels.data))
    assert (labels.data != before).any()
    assert list(labels.features['class'])[-2:] == ['brick', 'road']
    assert widget.panel.status.text().startswith('Done: ')
    np.testing.assert_array_equal(labels.data, fresh(widget, labels, picture))


def test_off_and_on_brings_the_same_labels_back(
    opened, batches, toggle, settle, picture
) -> None:
    _, widget, labels = opened
    before = labels.data.copy()
    row = int(np.bincount(before.ravel()).argmax()) - 1
    toggle(widget, row, Column.ON)
    settle(widget)
    assert not (labels.data == row + 1).any()
    toggle(widget, row, Column.ON)
    settle(widget)
    np.testing.assert_array_equal(labels.data, before)
    assert batches == []


def test_a_slider_is_dragged_and_taken_back(
    opened, press, qtbot, settle, picture
) -> None:
    _, widget, labels = opened
    press(widget.classes.background)
    settle(widget)
    before = labels.data.copy()
    history = len(labels._undo_history)
    widget._page.ensureWidgetVisible(widget.classes.controls.slider)
    drag(qtbot, widget.classes.controls.slider, 0.9)
    settle(widget)
    assert widget.classes.margin.value() > 0.05
    assert (labels.data == 0).any()
    assert len(labels._undo_history) == history
    np.testing.assert_array_equal(labels.data, fresh(widget, labels, picture))
    press(widget.options.revert)
    settle(widget)
    # All of the drag was one step.
    np.testing.assert_array_equal(labels.data, before)
    assert widget.panel.status.text() == messages.REVERTED
    assert not widget.options.revert.isEnabled()


def test_settings_end_as_a_fresh_run(
    opened, batches, qtbot, type_more, settle, picture
) -> None:
    _, widget, labels = opened
    options, before = widget.options, labels.data.copy()
    sets = options.templates.combo
    sets.setCurrentIndex(sets.findData('plain'))
    settle(widget)
    assert (labels.data != before).any()
    for refine in ('fast', 'fine', 'off', 'fast'):
        options.refinement.setFocus()
        options.refinement.setCurrentIndex(options.refinement.findData(refine))
    for spin, text in (
        (options.sharpness, '72'),
        (options.smallest, '60'),
        (options.holes, '90'),
    ):
        spin.setFocus()
        spin.selectAll()
        qtbot.keyClicks(spin, text)
    type_more(widget, 'brick')
    settle(widget)
    assert batches == []
    recipe = labels.metadata['napari-naclip']['settings']
    assert (recipe['min_object'], recipe['max_hole']) == (60, 90)
    assert recipe['templates'] == ('{}',)
    np.testing.assert_array_equal(labels.data, fresh(widget, labels, picture))


def test_strokes_survive_changes_and_revert(
    opened, type_more, toggle, press, settle
) -> None:
    _, widget, labels = opened
    before = labels.data.copy()
    labels.brush_size = 9
    value = 1 + int(before[40, 40]) % 3
    labels.mode = 'paint'
    labels.paint((40, 40), value)
    stroke = labels.data != before
    assert stroke.sum() > 20
    type_more(widget, 'brick; road')
    settle(widget)
    assert (labels.data[stroke] == value).all()
    press(widget.options.revert)
    settle(widget)
    assert (labels.data[stroke] == value).all()
    np.testing.assert_array_equal(labels.data[~stroke], before[~stroke])
    labels.undo()
    np.testing.assert_array_equal(labels.data, before)


def test_a_locked_class_stays_and_follows_when_unlocked(
    opened, type_more, toggle, settle, picture
) -> None:
    _, widget, labels = opened
    before = labels.data.copy()
    value = int(np.bincount(before.ravel()).argmax())
    toggle(widget, value - 1, Column.LOCK)
    type_more(widget, 'brick; road; wood; sky')
    settle(widget)
    assert (labels.data != before).any()
    np.testing.assert_array_equal(labels.data == value, before == value)
    toggle(widget, value - 1, Column.LOCK)
    settle(widget)
    np.testing.assert_array_equal(labels.data, fresh(widget, labels, picture))


def test_off_waits_for_run(opened, press, type_more, run, settle) -> None:
    _, widget, labels = opened
    before = labels.data.copy()
    press(widget.options.live)
    type_more(widget, 'brick; road')
    settle(widget)
    np.testing.assert_array_equal(labels.data, before)
    press(widget.options.live)
    settle(widget)
    assert (labels.data != before).any()


def test_a_run_is_taken_back(opened, press, run, type_more, settle) -> None:
    _, widget, labels = opened
    assert not widget.options.revert.isEnabled()
    before = labels.data.copy()
    press(widget.options.live)
    type_more(widget, 'brick; road')
    run(widget)
    settle(widget)
    assert (labels.data != before).any()
    press(widget.options.revert)
    np.testing.assert_array_equal(labels.data, before)


@pytest.fixture
def held(opened, hold_at, type_more, qtbot):
    """Return a live answer that waits, with viewer, widget and labels."""
    viewer, widget, labels = opened
    hold = hold_at(Encoder, 'fill', is_live=True)
    type_more(widget, 'brick; road')
    qtbot.waitUntil(hold.reached.is_set, timeout=TIMEOUT)
    return hold, viewer, widget, labels


def test_labels_are_deleted_during_an_answer(held, settle) -> None:
    hold, viewer, widget, labels = held
    viewer.layers.remove(labels)
    hold.go_on.set()
    settle(widget)
    assert len(viewer.layers) == 1
    assert len(widget._session.lives) == 0


def test_the_image_is_replaced_during_an_answer(
    held, settle, type_more, picture
) -> None:
    hold, viewer, widget, labels = held
    before = labels.data.copy()
    viewer.layers[0].data = picture[::-1].copy()
    hold.go_on.set()
    settle(widget)
    type_more(widget, 'wood')
    settle(widget)
    np.testing.assert_array_equal(labels.data, before)


def test_a_run_during_an_answer(
    held, press, wait_for_rest, settle, picture
) -> None:
    hold, _viewer, widget, labels = held
    press(widget.panel.run)
    hold.go_on.set()
    assert wait_for_rest(widget).startswith('Done')
    settle(widget)
    np.testing.assert_array_equal(labels.data, fresh(widget, labels, picture))


def test_a_class_locked_during_an_answer_stays(held, toggle, settle) -> None:
    hold, _viewer, widget, labels = held
    before = labels.data.copy()
    for value in (1, 2, 3):
        toggle(widget, value - 1, Column.LOCK)
    # The parts of the answer under way come after the locks.
    hold.go_on.set()
    settle(widget)
    np.testing.assert_array_equal(labels.data, before)


def test_off_during_an_answer_is_told(held, press, settle, qtbot) -> None:
    hold, _viewer, widget, labels = held
    before = labels.data.copy()
    press(widget.options.live)
    qtbot.waitUntil(
        lambda: widget.panel.status.text() == messages.LIVE_STOPPED,
        timeout=TIMEOUT,
    )
    hold.go_on.set()
    settle(widget)
    np.testing.assert_array_equal(labels.data, before)


def test_the_window_is_closed_during_an_answer(held, qtbot) -> None:
    hold, viewer, _widget, _labels = held
    viewer.close()
    hold.go_on.set()
    answers = find_messenger().answers
    qtbot.waitUntil(lambda: answers._current is None, timeout=TIMEOUT)


def test_the_newest_of_many_changes_wins(
    held, type_more, settle, picture
) -> None:
    hold, _viewer, widget, labels = held
    for word in ('wood', 'sky', 'snow'):
        type_more(widget, word)
    hold.go_on.set()
    settle(widget)
    np.testing.assert_array_equal(labels.data, fresh(widget, labels, picture))


def test_two_viewers_do_not_disturb_each_other(
    opened, make_napari_viewer, open_widget, run, type_more, settle, picture
) -> None:
    _, widget, labels = opened
    other = make_napari_viewer()
    other.add_image(picture[::-1].copy())
    second = open_widget(other, 'sand; road')
    run(second)
    type_more(widget, 'brick')
    type_more(second, 'water')
    settle(widget)
    settle(second)
    np.testing.assert_array_equal(labels.data, fresh(widget, labels, picture))
    np.testing.assert_array_equal(
        other.layers[-1].data, fresh(second, other.layers[-1], picture[::-1])
    )


def test_another_plane_follows_when_it_is_displayed(
    make_napari_viewer, open_widget, run, type_more, settle, batches, picture
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(np.stack([picture[..., 0], picture[::-1, :, 1]]))
    widget = open_widget(viewer, 'sand; water')
    viewer.dims.set_current_step(0, 0)
    run(widget)
    viewer.dims.set_current_step(0, 1)
    run(widget)
    batches.clear()
    labels = viewer.layers[-1]
    before = labels.data.copy()
    type_more(widget, 'grass; brick; road')
    settle(widget)
    np.testing.assert_array_equal(labels.data[0], before[0])
    assert (labels.data[1] != before[1]).any()
    second = labels.data[1].copy()
    viewer.dims.set_current_step(0, 0)
    settle(widget)
    assert (labels.data[0] != before[0]).any()
    np.testing.assert_array_equal(labels.data[1], second)
    assert batches == []


def test_a_run_in_another_viewer_goes_first(
    held, make_napari_viewer, open_widget, press, qtbot, wait_for_rest, settle
) -> None:
    hold, viewer, widget, labels = held
    other = make_napari_viewer()
    other.add_image(viewer.layers[0].data[::-1].copy())
    second = open_widget(other, 'sand; road')
    press(second.panel.run)
    qtbot.waitUntil(lambda: SLOT.is_wanted, timeout=TIMEOUT)
    hold.reached.clear()
    hold.go_on.set()
    assert wait_for_rest(second).startswith('Done')
    settle(widget)
    # It began anew after it had made way.
    assert hold.reached.is_set()
    np.testing.assert_array_equal(
        labels.data, fresh(widget, labels, viewer.layers[0].data)
    )
