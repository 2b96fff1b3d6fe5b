"""Clean-up, objects and agreement by real clicks in the dock."""

from __future__ import annotations

import csv
import threading
import time

import numpy as np
import pytest
from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QFileDialog

from napari_naclip.correct.objects import Splitting, split
from napari_naclip.correct.tidy import CleanUp
from napari_naclip.layers import placing
from napari_naclip.layers.tidied import write_clean
from napari_naclip.ui.correct import cleaner, finish_work
from napari_naclip.ui.correct import finish_messages as messages

TIMEOUT = 60_000
PLANE = (slice(None), slice(None))


@pytest.fixture
def held(monkeypatch):
    """Make splitting wait until it is let go; return what lets it."""
    go_on = threading.Event()

    def wait(*args, **options):
        assert go_on.wait(60)
        return split(*args, **options)

    monkeypatch.setattr(finish_work, 'split', wait)
    yield go_on
    go_on.set()


def choose(widget, name: str) -> int:
    box = widget.finish.class_box
    box.setCurrentIndex(box.findText(name))
    assert box.currentText() == name
    return box.currentData()


def test_clean_up_of_a_class_respects_edits_and_is_reverted(
    opened, do, press, qtbot
) -> None:
    _, widget, labels = opened
    value = choose(widget, 'water')
    # A speck that is painted by hand is no pixel of the model's.
    labels.data[40:42, 40:42] = value
    before = labels.data.copy()
    result = widget._sync.result
    is_edited = before != result.written
    assert is_edited.any()
    widget.finish.tidy.radius.setValue(4)
    widget.finish.tidy.smallest.setValue(400)
    text = do(widget, widget.finish.tidy.clean)
    wanted = CleanUp(radius=4, min_object=400, values=frozenset({value}))
    expected = np.where(is_edited, before, wanted.apply(before))
    assert (expected != before).any()
    np.testing.assert_array_equal(labels.data, expected)
    assert text.startswith('Cleaned up: ')
    assert f'{(expected != before).sum():,} px changed' in text
    qtbot.waitUntil(widget.options.revert.isEnabled)
    press(widget.options.revert)
    np.testing.assert_array_equal(labels.data, before)


def test_locked_classes_stay(opened, do, monkeypatch) -> None:
    _, widget, labels = opened
    before = labels.data.copy()
    monkeypatch.setattr(
        widget.classes, 'locked_values', lambda: frozenset({1, 2, 3})
    )
    widget.finish.tidy.radius.setValue(6)
    assert do(widget, widget.finish.tidy.clean).startswith('Nothing was')
    np.testing.assert_array_equal(labels.data, before)


@pytest.mark.parametrize('has_background', [False, True])
def test_what_has_no_class_gets_none(
    opened, do, press, qtbot, has_background
) -> None:
    _, widget, labels = opened
    result = widget._sync.result
    if has_background:
        press(widget.classes.background)
        qtbot.waitUntil(lambda: 0 in result.rows, timeout=TIMEOUT)
        qtbot.wait(300)
    # Background, or never labeled: not one piece, and some of it small.
    for data in (labels.data, result.written):
        data[:] = 1
        data[:30] = 2
        data[:, 90:] = 0
        data[50:53, 20:23] = 0
        data[10:12, 70:72] = 3
        data[60:62, 95:97] = 3
    before = labels.data.copy()
    widget.finish.tidy.largest.setChecked(True)
    widget.finish.tidy.smallest.setValue(50)
    do(widget, widget.finish.tidy.clean)
    assert (labels.data[before == 0] == 0).all()
    # One of the two objects of its class goes, to what is around it.
    assert (labels.data[10:12, 70:72] == 2).all()
    assert (labels.data[60:62, 95:97] == 0).all() == has_background


def test_what_changes_during_a_clean_up_stays(
    opened, press, qtbot, monkeypatch
) -> None:
    _, widget, labels = opened
    go_on = threading.Event()
    real = CleanUp.apply

    def wait(*args):
        assert go_on.wait(60)
        return real(*args)

    monkeypatch.setattr(CleanUp, 'apply', wait)
    widget.finish.tidy.radius.setValue(5)
    press(widget.finish.tidy.clean)
    assert widget.finish.status.text() == messages.CLEANING
    assert not widget.finish.tidy.clean.isEnabled()
    qtbot.wait(100)
    # Another answer of the model comes meanwhile.
    other = np.roll(labels.data, 7, axis=1).copy()
    labels.data[...] = other
    widget._sync.result.written[...] = other
    before = np.roll(other, -7, axis=1)
    go_on.set()
    qtbot.waitUntil(
        lambda: not widget._corrections.finisher.is_busy, timeout=TIMEOUT
    )
    differs = labels.data != other
    assert (before[differs] == other[differs]).all()


@pytest.mark.parametrize('between', ['setting', 'revert'])
def test_a_clean_up_is_one_step_whatever_comes_between(
    opened, press, qtbot, monkeypatch, between
) -> None:
    """A live answer waits; what reverts meanwhile ends it."""
    _, widget, labels = opened
    result, live = widget._sync.result, widget._live
    before = labels.data.copy()
    seen = []

    def write_slowly(*args):
        steps = write_clean(*args)
        while True:
            # One step in each turn of the window.
            time.sleep(0.013)
            try:
                next(steps)
            except StopIteration as stop:
                return stop.value
            if result.previous is not None:
                seen.append(result.previous)
            if len(seen) == 1 and between == 'setting':
                widget.options.holes.setValue(900)
            elif len(seen) == 1:
                QTimer.singleShot(0, live._on_revert)
            yield

    monkeypatch.setattr(placing, '_BAND_PIXELS', 500)
    monkeypatch.setattr(cleaner, 'write_clean', write_slowly)
    widget.finish.tidy.radius.setValue(6)
    press(widget.finish.tidy.clean)
    qtbot.waitUntil(
        lambda: not (widget._corrections.finisher.is_busy or live.is_busy),
        timeout=TIMEOUT,
    )
    text = widget.finish.status.text()
    assert len({id(each) for each in seen}) == 1
    if between == 'setting':
        assert text.startswith('Cleaned up')
        # What was asked meanwhile follows, as a step of its own.
        assert result.previous is not seen[0]
    else:
        assert text == messages.CUT_SHORT
        assert result.previous is None
        np.testing.assert_array_equal(labels.data, before)


def test_nothing_to_do_and_failures_are_said(
    opened, do, monkeypatch, caplog
) -> None:
    viewer, widget, labels = opened
    assert do(widget, widget.finish.tidy.clean) == messages.NOTHING_TO_CLEAN
    viewer.dims.ndisplay = 3
    assert do(widget, widget.finish.compare) == messages.NO_PLANE
    viewer.dims.ndisplay = 2

    def fail(*_args, **_options):
        raise RuntimeError('odd')

    monkeypatch.setattr(finish_work, 'split', fail)
    text = do(widget, widget.finish.objects.split)
    assert text == messages.FAILED.format('odd')
    assert 'RuntimeError: odd' in caplog.text
    viewer.layers.remove(labels)
    for button in (widget.finish.objects.split, widget.finish.compare):
        assert do(widget, button) == messages.NO_RESULT


def test_a_class_becomes_objects_with_a_table(
    opened, do, qtbot, tmp_path, monkeypatch, press
) -> None:
    viewer, widget, labels = opened
    value = choose(widget, 'sand')
    box = widget.finish.objects
    # 3 µm are 6 pixels.
    box.unit.setCurrentIndex(box.unit.findText('µm'))
    assert box.distance.suffix() == ' µm'
    assert box.distance.value() == 5
    box.distance.setValue(3)
    box.smallest.setValue(2)
    assert box.smallest.suffix() == ' µm²'
    text = do(widget, box.split)
    objects = viewer.layers[-1]
    expected = split(labels.data, (value,), Splitting(6, 8))
    count = expected.max()
    assert count > 0
    np.testing.assert_array_equal(objects.data, expected)
    assert text == messages.describe_objects(count, objects.name)
    np.testing.assert_array_equal(objects.scale, labels.scale)
    table = box.table.view
    columns = table.rows.columns
    assert columns['object'] == list(range(1, count + 1))
    assert set(columns['class']) == {'sand'}
    assert columns['area (µm²)'][0] == (expected == 1).sum() / 4
    shown = widget._session.lives.find(widget._sync.result, PLANE)
    confidence = shown[0].live.confidence.astype(float)
    assert columns['confidence'][0] == pytest.approx(
        confidence[expected == 1].mean()
    )
    # A click goes there, also when the rows are sorted.
    table.sortByColumn(
        list(columns).index('area (µm²)'), Qt.SortOrder.DescendingOrder
    )
    place = table.visualRect(table.model().index(0, 0)).center()
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    largest = 1 + int(np.argmax(columns['area (µm²)']))
    assert objects.selected_label == largest
    top, left, bottom, right = (
        columns[side][largest - 1]
        for side in ('top', 'left', 'bottom', 'right')
    )
    camera = getattr(viewer, 'scene', viewer).camera
    assert camera.center[-2:] == pytest.approx(
        ((top + bottom - 1) / 4, (left + right - 1) / 4)
    )
    # The class table still is that of the labels.
    assert widget._sync.result.labels == labels
    path = tmp_path / 'objects.csv'
    monkeypatch.setattr(
        QFileDialog, 'getSaveFileName', lambda *_, **__: (str(path), '')
    )
    press(box.table.save)
    assert widget.finish.status.text() == 'Saved as objects.csv.'
    with path.open(encoding='utf-8') as file:
        assert len(list(csv.reader(file))) == count + 1
    press(box.table.copy)
    assert QGuiApplication.clipboard().text().startswith('object\tclass\t')
    # Once more, into the same layer.
    number = len(viewer.layers)
    choose(widget, 'all classes')
    do(widget, box.split)
    assert len(viewer.layers) == number
    assert objects.data.max() > count
    # Objects that a person corrected stay; others come beside them.
    objects.data[objects.data == 2] = 1
    merged = objects.data.copy()
    do(widget, box.split)
    np.testing.assert_array_equal(objects.data, merged)
    assert len(viewer.layers) == number + 1


def test_all_planes_have_objects_of_their_own(
    make_napari_viewer, open_widget, run, do, press, picture
) -> None:
    viewer = make_napari_viewer(show=True)
    viewer.add_image(np.stack([picture, picture[:, ::-1]]))
    widget = open_widget(viewer, 'sand; water')
    scope = widget.image.scope_box
    scope.setCurrentIndex(scope.findData('all'))
    run(widget)
    labels = viewer.layers[-1]
    press(widget.finish.more)
    box = widget.finish.objects
    assert box.planes.isVisible()
    box.planes.setCurrentIndex(box.planes.findData(True))
    do(widget, box.split)
    ids = viewer.layers[-1].data
    assert ids.dtype == np.int32
    both = [set(np.unique(plane)) - {0} for plane in ids]
    assert all(both)
    assert not both[0] & both[1]
    np.testing.assert_array_equal(ids > 0, labels.data > 0)
    columns = box.table.view.rows.columns
    last = box.table.view.rows.rowCount() - 1
    assert columns['plane z'][last] == 1
    table = box.table.view
    table.selectRow(last)
    assert viewer.dims.current_step[0] == 1
    assert viewer.layers[-1].selected_label == columns['object'][last]


def test_splitting_is_cancelled_or_left(opened, held, press, qtbot) -> None:
    viewer, widget, labels = opened
    count = len(viewer.layers)
    press(widget.finish.objects.split)
    assert widget.finish.status.text() == messages.SPLITTING
    press(widget.finish.cancel)
    assert widget.finish.status.text() == messages.CANCELLED
    held.set()
    qtbot.wait(200)
    assert len(viewer.layers) == count
    # Labels that go end it, too.
    held.clear()
    press(widget.finish.objects.split)
    viewer.layers.remove(labels)
    held.set()
    qtbot.waitUntil(
        lambda: not widget._corrections.finisher.is_busy, timeout=TIMEOUT
    )
    assert widget.finish.status.text() == messages.GONE
    assert len(viewer.layers) == count - 1


def test_a_closed_dock_forgets_what_is_under_way(
    opened, held, press, qtbot
) -> None:
    viewer, widget, _ = opened
    count = len(viewer.layers)
    press(widget.finish.objects.split)
    viewer.window.remove_dock_widget(widget)
    held.set()
    qtbot.wait(200)
    assert len(viewer.layers) == count
    assert not widget._corrections.finisher.is_busy


def test_live_answers_go_on_beside(opened, held, press, qtbot) -> None:
    """A long split does not hold the thread that answers settings."""
    _, widget, labels = opened
    press(widget.finish.objects.split)
    before = labels.data.copy()
    qtbot.keyClicks(widget.classes.entry, 'brick; road')
    qtbot.keyClick(widget.classes.entry, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: (labels.data != before).any(), timeout=TIMEOUT)
    assert widget._corrections.finisher.is_busy
    names = [
        widget.finish.class_box.itemText(n)
        for n in range(widget.finish.class_box.count())
    ]
    assert names[-1] == 'road'
    held.set()
    qtbot.waitUntil(
        lambda: not widget._corrections.finisher.is_busy, timeout=TIMEOUT
    )
