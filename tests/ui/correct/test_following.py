"""Finishing is of the labels that the settings say, and nothing undoes it."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_naclip.correct.objects import split
from napari_naclip.correct.tidy import CleanUp
from napari_naclip.ui.class_table.columns import Column
from napari_naclip.ui.correct import finish_messages as messages
from napari_naclip.ui.kept_live import KeptLive

TIMEOUT = 60_000
#: Pixels of the smallest object that new settings leave.
SMALLEST = 1500
RADIUS = 5


@pytest.fixture
def rest(qtbot):
    """Return a function that waits until all is done, and nothing follows."""

    def wait(widget) -> str:
        qtbot.waitUntil(
            lambda: (
                not widget._corrections.finisher.is_busy
                and not widget._live.is_busy
            ),
            timeout=TIMEOUT,
        )
        # What a timer still has to see would come now.
        widget._live.look()
        qtbot.waitUntil(lambda: not widget._live.is_busy, timeout=TIMEOUT)
        return widget.finish.status.text()

    return wait


@pytest.fixture
def answered(opened, rest):
    """Return viewer, widget, and what the model answers with new settings.

    The labels are those of the old ones.
    """
    viewer, widget, labels = opened
    old = labels.data.copy()
    widget.options.smallest.setValue(SMALLEST)
    rest(widget)
    new = labels.data.copy()
    widget.options.smallest.setValue(0)
    rest(widget)
    np.testing.assert_array_equal(labels.data, old)
    assert (new != old).any()
    widget.finish.tidy.radius.setValue(RADIUS)
    return viewer, widget, new


def cleaned(labels: np.ndarray) -> np.ndarray:
    """Return what the clean-up of some labels gives."""
    made = CleanUp(radius=RADIUS, values=frozenset({1, 2, 3})).apply(labels)
    assert (made != labels).any()
    return made


@pytest.fixture
def held(answered, hold_at, qtbot):
    """Return what lets an answer to new settings go on, and the rest."""
    viewer, widget, new = answered
    hold = hold_at(KeptLive, 'wake', is_live=True)
    widget.options.smallest.setValue(SMALLEST)
    qtbot.waitUntil(hold.reached.is_set, timeout=TIMEOUT)
    return hold, viewer, widget, new


def test_a_setting_that_just_changed_is_what_is_cleaned(
    answered, press, rest
) -> None:
    viewer, widget, new = answered
    labels = viewer.layers[-1]
    before = labels.data.copy()
    widget.options.smallest.setValue(SMALLEST)
    press(widget.finish.tidy.clean)
    # Nothing has been asked yet.
    np.testing.assert_array_equal(labels.data, before)
    assert widget.finish.status.text() == messages.FOLLOWING
    assert rest(widget).startswith('Cleaned up')
    np.testing.assert_array_equal(labels.data, cleaned(new))
    # One step of Revert, apart from the setting's.
    press(widget.options.revert)
    rest(widget)
    np.testing.assert_array_equal(labels.data, new)


def test_an_answer_under_way_comes_before_the_clean_up(
    held, press, rest, qtbot
) -> None:
    hold, viewer, widget, new = held
    labels, finish = viewer.layers[-1], widget.finish
    before = labels.data.copy()
    press(finish.tidy.clean)
    # What was chosen when it was pressed is what is done.
    finish.tidy.radius.setValue(RADIUS + 3)
    assert finish.status.text() == messages.FOLLOWING
    assert finish.cancel.isVisible()
    for button in (finish.tidy.clean, finish.objects.split, finish.compare):
        assert not button.isEnabled()
    qtbot.wait(100)
    np.testing.assert_array_equal(labels.data, before)
    hold.go_on.set()
    assert rest(widget).startswith('Cleaned up')
    np.testing.assert_array_equal(labels.data, cleaned(new))
    assert finish.tidy.clean.isEnabled()


def test_a_clean_up_that_waits_is_cancelled(held, press, rest) -> None:
    hold, viewer, widget, new = held
    press(widget.finish.tidy.clean)
    press(widget.finish.cancel)
    hold.go_on.set()
    assert rest(widget) == messages.CANCELLED
    np.testing.assert_array_equal(viewer.layers[-1].data, new)


def test_a_setting_that_changes_during_a_clean_up_is_cleaned_too(
    answered, press, rest, qtbot, monkeypatch
) -> None:
    viewer, widget, new = answered
    labels, seen = viewer.layers[-1], []
    is_in, go_on = threading.Event(), threading.Event()
    real = CleanUp.apply

    def wait(wanted, data, *args):
        seen.append(data.copy())
        is_in.set()
        assert go_on.wait(60)
        return real(wanted, data, *args)

    monkeypatch.setattr(CleanUp, 'apply', wait)
    press(widget.finish.tidy.clean)
    qtbot.waitUntil(is_in.is_set, timeout=TIMEOUT)
    widget.options.smallest.setValue(SMALLEST)
    # The labels follow at once, whatever the clean-up takes.
    qtbot.waitUntil(lambda: not widget._live.is_busy, timeout=TIMEOUT)
    np.testing.assert_array_equal(labels.data, new)
    go_on.set()
    assert rest(widget).startswith('Cleaned up')
    assert len(seen) == 2
    np.testing.assert_array_equal(seen[1], new)
    monkeypatch.undo()
    np.testing.assert_array_equal(labels.data, cleaned(new))


def test_an_answer_that_comes_after_a_clean_up_is_cleaned_too(
    answered, press, rest, qtbot, hold_at, monkeypatch
) -> None:
    """The clean-up is made first, but of labels that are old by then."""
    viewer, widget, new = answered
    finisher = widget._corrections.finisher
    go_on, made = threading.Event(), threading.Event()
    real = CleanUp.apply

    def wait(*args):
        assert go_on.wait(60)
        made.set()
        return real(*args)

    monkeypatch.setattr(CleanUp, 'apply', wait)
    press(widget.finish.tidy.clean)
    hold = hold_at(KeptLive, 'wake', is_live=True)
    widget.options.smallest.setValue(SMALLEST)
    qtbot.waitUntil(hold.reached.is_set, timeout=TIMEOUT)
    go_on.set()
    qtbot.waitUntil(made.is_set, timeout=TIMEOUT)
    qtbot.waitUntil(
        lambda: widget.finish.status.text() == messages.FOLLOWING,
        timeout=TIMEOUT,
    )
    assert finisher.is_busy
    hold.go_on.set()
    assert rest(widget).startswith('Cleaned up')
    monkeypatch.undo()
    np.testing.assert_array_equal(viewer.layers[-1].data, cleaned(new))


def test_a_run_ends_a_clean_up_that_waits(
    held, press, rest, wait_for_rest
) -> None:
    hold, viewer, widget, new = held
    press(widget.finish.tidy.clean)
    press(widget.panel.run)
    hold.go_on.set()
    wait_for_rest(widget)
    assert rest(widget) == messages.BUSY
    np.testing.assert_array_equal(viewer.layers[-1].data, new)


def test_labels_that_go_end_a_clean_up_that_waits(held, press, rest) -> None:
    hold, viewer, widget, _ = held
    press(widget.finish.tidy.clean)
    viewer.layers.remove(viewer.layers[-1])
    hold.go_on.set()
    assert rest(widget) == messages.GONE


def test_another_plane_is_not_cleaned_instead(
    make_napari_viewer, open_widget, run, press, rest, qtbot, hold_at, picture
) -> None:
    viewer = make_napari_viewer(show=True)
    viewer.add_image(np.stack([picture, picture[:, ::-1]]))
    widget = open_widget(viewer, 'sand; water; grass')
    scope = widget.image.scope_box
    scope.setCurrentIndex(scope.findData('all'))
    run(widget)
    press(widget.finish.more)
    rest(widget)
    labels = viewer.layers[-1]
    before = labels.data.copy()
    plane = viewer.dims.current_step[0]
    hold = hold_at(KeptLive, 'wake', is_live=True)
    widget.options.smallest.setValue(SMALLEST)
    qtbot.waitUntil(hold.reached.is_set, timeout=TIMEOUT)
    widget.finish.tidy.radius.setValue(RADIUS)
    press(widget.finish.tidy.clean)
    viewer.dims.set_current_step(0, 1 - plane)
    # The labels of both are what the settings say; none was cleaned.
    hold.go_on.set()
    assert rest(widget) == messages.MOVED
    other = labels.data[1 - plane].copy()
    assert (other != before[1 - plane]).any()
    widget.options.smallest.setValue(0)
    rest(widget)
    np.testing.assert_array_equal(labels.data[1 - plane], before[1 - plane])


def test_objects_are_of_the_labels_that_settings_say(
    held, press, rest
) -> None:
    hold, viewer, widget, new = held
    press(widget.finish.objects.split)
    assert widget.finish.status.text() == messages.FOLLOWING
    wanted = widget.finish.objects.splitting()
    hold.go_on.set()
    rest(widget)
    np.testing.assert_array_equal(
        viewer.layers[-1].data, split(new, (1, 2, 3), wanted)
    )


def test_agreement_is_of_the_labels_that_settings_say(
    held, press, rest
) -> None:
    hold, viewer, widget, new = held
    labels = viewer.layers[-1]
    # One stroke foretells what the model is about to say.
    place = labels.data != new
    labels.data[place] = new[place]
    press(widget.finish.compare)
    assert widget.finish.status.text() == messages.FOLLOWING
    hold.go_on.set()
    text = rest(widget)
    assert text.startswith('Accuracy 100.00 %')
    assert f'{int(place.sum()):,} px edited or accepted' in text


def test_a_dock_that_is_closed_cleans_nothing_later(
    held, press, qtbot
) -> None:
    hold, viewer, widget, _ = held
    labels = viewer.layers[-1]
    before = labels.data.copy()
    press(widget.finish.tidy.clean)
    viewer.window.remove_dock_widget(widget)
    hold.go_on.set()
    qtbot.wait(200)
    assert not widget._corrections.finisher.is_busy
    np.testing.assert_array_equal(labels.data, before)


def test_names_colors_and_locks_undo_no_clean_up(
    answered, press, rest, qtbot
) -> None:
    """They decide no label, so that none is written anew."""
    viewer, widget, new = answered
    labels, classes = viewer.layers[-1], widget.classes
    before = labels.data.copy()
    table, model = classes.table, classes.table.model()
    lock = table.visualRect(model.index(0, Column.LOCK)).center()
    assert model.setData(model.index(0, Column.NAME), 'dunes')
    press(widget.finish.tidy.clean)
    assert rest(widget).startswith('Cleaned up')
    np.testing.assert_array_equal(labels.data, cleaned(before))
    assert model.setData(model.index(2, Column.NAME), 'lawn')
    assert model.setData(model.index(1, Column.COLOR), '#123456')
    # Locked, and unlocked again.
    for values in ({1}, set()):
        qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=lock)
        assert classes.locked_values() == values
        rest(widget)
        np.testing.assert_array_equal(labels.data, cleaned(before))
    recipe = labels.metadata['napari-naclip']
    assert [(row['name'], row['color']) for row in recipe['classes']] == [
        (row.name, row.color) for row in classes.rows()
    ]
    # What decides labels writes them anew.
    widget.options.smallest.setValue(SMALLEST)
    rest(widget)
    np.testing.assert_array_equal(labels.data, new)
