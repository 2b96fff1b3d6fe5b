"""Parts of a plane that several runs have labeled follow together."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt

from fresh_runs import fresh
from napari_naclip.engine.encoder import Encoder
from napari_naclip.engine.errors import InputError
from napari_naclip.engine.types import Region, Settings
from napari_naclip.layers.read import take_snapshots
from napari_naclip.ui import messages
from napari_naclip.ui.class_table.columns import Column
from napari_naclip.ui.live_thread import LiveThread
from sliders import drag

TIMEOUT = 60_000
#: Centers of two views of the picture that share no pixel, and of one that
#: shares some with the first.
LEFT, RIGHT, BETWEEN = (50, 40), (50, 210), (50, 60)
#: What is seen around them.
SIDE = 60


@pytest.fixture
def wide(picture) -> np.ndarray:
    """Return a picture of 96 x 256 pixels."""
    return np.concatenate([picture, picture[::-1, ::-1]], axis=1)


@pytest.fixture
def window(make_napari_viewer, open_widget, wide):
    """Return viewer and widget, which runs on what is visible."""
    viewer = make_napari_viewer(show=True)
    viewer.add_image(wide)
    widget = open_widget(viewer, 'sand; water; grass')
    choose_scope(widget, 'visible')
    return viewer, widget


@pytest.fixture
def run_on(window, run, settle, qtbot):
    """Return a function that runs on a view and returns what was seen."""
    viewer, widget = window

    def run_there(center: tuple[int, int], side: float = SIDE) -> Region:
        seen = pan(viewer, qtbot, center, side)
        assert run(widget).startswith('Done'), widget.panel.status.text()
        settle(widget)
        return seen

    return run_there


def choose_scope(widget, scope: str) -> None:
    box = widget.image.scope_box
    box.setCurrentIndex(box.findData(scope))


def pan(viewer, qtbot, center: tuple[int, int], side: float) -> Region:
    """Move the view; return what is visible then."""
    # The camera moved into the scene in napari 0.9.
    camera = getattr(viewer, 'scene', viewer).camera
    canvas = viewer.window._qt_viewer.canvas.size
    camera.zoom = max(canvas) / side
    camera.center = center
    seen = [visible(viewer)]

    def is_there() -> None:
        seen.append(visible(viewer))
        middle = seen[-1].left + seen[-1].right
        assert seen[-1] == seen[-2]
        assert max(seen[-1].size) < side + 4
        assert abs(middle / 2 - center[1]) < 3

    qtbot.waitUntil(is_there, timeout=TIMEOUT)
    return seen[-1]


def visible(viewer) -> Region:
    (seen,) = take_snapshots(
        viewer.layers[0], viewer, Settings(detail=None), scope='visible'
    )
    return seen.region


def assert_follows(window, wide, *parts: Region) -> None:
    """Check that parts are as a fresh run would make them, and all else 0."""
    viewer, widget = window
    labels = viewer.layers[-1]
    expected = np.zeros_like(labels.data)
    made = fresh(widget, labels, wide)
    for each in parts:
        expected[each.slices] = made[each.slices]
    np.testing.assert_array_equal(labels.data, expected)
    assert len(viewer.layers) == 2


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


def test_both_parts_follow_a_class_and_a_slider(
    window, run_on, toggle, press, settle, qtbot, wide
) -> None:
    viewer, widget = window
    first, second = run_on(LEFT), run_on(RIGHT)
    assert not first.meets(second)
    labels = viewer.layers[-1]
    before = labels.data.copy()
    assert_follows(window, wide, first, second)
    row = int(np.bincount(before[first.slices].ravel())[1:].argmax())
    toggle(widget, row, Column.ON)
    settle(widget)
    assert not (labels.data == row + 1).any()
    assert_follows(window, wide, first, second)
    toggle(widget, row, Column.ON)
    press(widget.classes.background)
    settle(widget)
    slider = widget.classes.controls.slider
    widget._page.ensureWidgetVisible(slider)
    drag(qtbot, slider, 0.9)
    settle(widget)
    for each in (first, second):
        assert (labels.data[each.slices] != before[each.slices]).any()
    assert_follows(window, wide, first, second)


def test_pixels_of_both_follow_the_newer_run(
    window, run_on, type_more, settle, press, wide
) -> None:
    viewer, widget = window
    first, second = run_on(LEFT), run_on(BETWEEN)
    assert first.meets(second)
    assert first != second
    parts = find_parts(window)
    counts = np.zeros(wide.shape[:2], int)
    for each in parts:
        counts[each.snapshot.area.slices] += 1
    # Nothing is answered twice, nor written twice.
    assert counts.max() == 1
    assert counts.sum() == (viewer.layers[-1].data != 0).sum()
    before = viewer.layers[-1].data.copy()
    type_more(widget, 'brick; road')
    settle(widget)
    assert_follows(window, wide, first, second)
    assert (viewer.layers[-1].data != before).any()
    press(widget.options.revert)
    np.testing.assert_array_equal(viewer.layers[-1].data, before)


def find_parts(window):
    """Return what answers for the plane."""
    return window[1]._live.find()[1]


def test_the_rest_of_a_whole_plane_follows_too(
    window, run_on, run, type_more, settle, wide
) -> None:
    _, widget = window
    choose_scope(widget, 'plane')
    run(widget)
    choose_scope(widget, 'visible')
    run_on(BETWEEN)
    assert len(find_parts(window)) == 2
    whole = Region(0, 0, *wide.shape[:2])
    type_more(widget, 'brick; road')
    settle(widget)
    assert_follows(window, wide, whole)
    # One run on all of it takes the place of all others.
    choose_scope(widget, 'plane')
    run(widget)
    settle(widget)
    assert len(find_parts(window)) == 1
    assert len(widget._session.lives) == 1


def test_with_live_off_each_part_is_as_it_was_asked_for(
    window, run_on, type_more, press, settle, wide
) -> None:
    viewer, widget = window
    first = run_on(LEFT)
    labels = viewer.layers[-1]
    before = labels.data.copy()
    press(widget.options.live)
    type_more(widget, 'brick; road')
    second = run_on(RIGHT)
    np.testing.assert_array_equal(
        labels.data[first.slices], before[first.slices]
    )
    press(widget.options.live)
    settle(widget)
    assert (labels.data[first.slices] != before[first.slices]).any()
    assert_follows(window, wide, first, second)


def test_revert_takes_a_run_back_with_what_followed_it(
    window, run_on, press, settle, qtbot, wide
) -> None:
    viewer, widget = window
    first = run_on(LEFT)
    labels = viewer.layers[-1]
    before = labels.data.copy()
    # Run takes what was typed, the first part only afterwards.
    qtbot.keyClicks(widget.classes.entry, 'brick; road')
    second = run_on(RIGHT)
    assert (labels.data[first.slices] != before[first.slices]).any()
    assert_follows(window, wide, first, second)
    # The layer tells of the run.
    recipe = labels.metadata['napari-naclip']
    assert recipe['picture']['region'][1] == second.left
    press(widget.options.revert)
    settle(widget)
    np.testing.assert_array_equal(labels.data, before)
    assert not widget.options.revert.isEnabled()


def test_a_cancelled_run_leaves_other_parts_alone(
    window, run_on, hold_at, press, wait_for_rest, type_more, settle, qtbot,
    wide,
) -> None:  # fmt: skip
    viewer, widget = window
    first, second = run_on(LEFT), run_on(RIGHT)
    labels = viewer.layers[-1]
    before = labels.data.copy()
    pan(viewer, qtbot, BETWEEN, SIDE)
    hold = hold_at(Encoder, 'fill')
    press(widget.panel.run)
    qtbot.waitUntil(hold.reached.is_set, timeout=TIMEOUT)
    press(widget.panel.cancel)
    hold.go_on.set()
    assert wait_for_rest(widget) == messages.CANCELLED
    settle(widget)
    np.testing.assert_array_equal(labels.data, before)
    assert [each.snapshot.region for each in find_parts(window)] == [
        first,
        second,
    ]
    type_more(widget, 'brick; road')
    settle(widget)
    assert_follows(window, wide, first, second)


def test_what_is_seen_is_answered_first(
    window, run_on, type_more, settle, qtbot, monkeypatch
) -> None:
    viewer, widget = window
    first, second = run_on(LEFT), run_on(RIGHT)
    answered = []
    real = LiveThread._answer

    def note(self, wish, question):
        answered.append(question.kept.snapshot.region)
        return real(self, wish, question)

    monkeypatch.setattr(LiveThread, '_answer', note)
    type_more(widget, 'brick')
    settle(widget)
    assert answered == [second, first]
    answered.clear()
    pan(viewer, qtbot, LEFT, SIDE)
    type_more(widget, 'road')
    settle(widget)
    assert answered == [first, second]


@pytest.mark.parametrize('is_seen', [True, False])
def test_a_part_that_fails_keeps_no_other_from_following(
    window, run_on, type_more, settle, qtbot, monkeypatch, wide, is_seen
) -> None:
    viewer, widget = window
    first, second = run_on(LEFT), run_on(RIGHT)
    if is_seen:
        pan(viewer, qtbot, LEFT, SIDE)
    labels = viewer.layers[-1]
    before = labels.data.copy()
    real = LiveThread._answer

    def fail(self, wish, question):
        if question.kept.snapshot.region == first:
            raise InputError('Bad sector.')
        return real(self, wish, question)

    with monkeypatch.context() as patch:
        patch.setattr(LiveThread, '_answer', fail)
        type_more(widget, 'brick; road')
        settle(widget)
    text = widget.panel.status.text()
    assert text == f'Bad sector. {messages.LIVE_HALF_DONE}'
    np.testing.assert_array_equal(
        labels.data[first.slices], before[first.slices]
    )
    made = fresh(widget, labels, wide)
    np.testing.assert_array_equal(
        labels.data[second.slices], made[second.slices]
    )
    # It is not asked for again by itself, but with the next change.
    widget._live.look()
    settle(widget)
    assert widget.panel.status.text() == text
    type_more(widget, 'wood')
    settle(widget)
    assert_follows(window, wide, first, second)


def test_maps_show_parts_that_know_other_classes(
    window, run_on, type_more, press, settle, qtbot
) -> None:
    viewer, widget = window
    first = run_on(LEFT)
    press(widget.options.live)
    type_more(widget, 'brick')
    second = run_on(BETWEEN)
    row = widget.classes.table.model().rowCount() - 1
    widget.classes.table.selectRow(row)
    press(widget.why.more)
    for name in ('heat', 'confidence'):
        press(widget.why.boxes[name])
    why = widget._corrections.why

    def is_shown() -> bool:
        return all(why._maps[k].layer for k in ('heat', 'confidence'))

    qtbot.waitUntil(is_shown, timeout=TIMEOUT)
    heat, confidence = (
        why._maps[k].layer.data for k in ('heat', 'confidence')
    )
    assert heat.shape == confidence.shape
    # They begin where the first part does; the class is of the second.
    of_first = np.s_[:, : second.left - first.left]
    assert confidence[of_first].any(axis=1).sum() == first.size[0]
    assert not heat[of_first].any()
    assert heat[:, second.left - first.left :].any()
    viewer.layers.clear()
    settle(widget)
