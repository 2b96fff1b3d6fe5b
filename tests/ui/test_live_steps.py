"""What Revert takes back of the changes that labels followed."""

from __future__ import annotations

import numpy as np
import pytest

from napari_naclip.engine.encoder import Encoder
from napari_naclip.ui import messages, steps
from sliders import drag


@pytest.fixture
def opened(
    make_napari_viewer, open_widget, run, press, settle, picture, monkeypatch
):
    """Return widget, labels and a slider, after a run with a background.

    As if each change came long after the one before.
    """
    monkeypatch.setattr(steps, '_GAP', 0.0)
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    widget = open_widget(viewer, 'sand; water; grass')
    run(widget)
    press(widget.classes.background)
    settle(widget)
    slider = widget.classes.controls.slider
    widget._page.ensureWidgetVisible(slider)
    return widget, viewer.layers[-1], slider


def test_a_drag_is_not_of_the_step_before_it(
    opened, type_more, settle, press, qtbot
) -> None:
    widget, labels, slider = opened
    type_more(widget, 'brick; road')
    settle(widget)
    before = labels.data.copy()
    drag(qtbot, slider, 0.9)
    settle(widget)
    assert (labels.data != before).any()
    press(widget.options.revert)
    np.testing.assert_array_equal(labels.data, before)


def test_a_drag_with_a_rest_is_one_step(opened, settle, press, qtbot) -> None:
    widget, labels, slider = opened
    before, halfway = labels.data.copy(), []

    def look_at_it() -> None:
        settle(widget)
        halfway.append(labels.data.copy())

    # It is let go right after its last move.
    drag(qtbot, slider, 0.5, 0.9, rest=look_at_it)
    settle(widget)
    assert (halfway[0] != before).any()
    assert (labels.data != halfway[0]).any()
    press(widget.options.revert)
    np.testing.assert_array_equal(labels.data, before)


def test_the_change_after_a_drag_is_another_step(
    opened, type_more, settle, press, qtbot
) -> None:
    widget, labels, slider = opened
    drag(qtbot, slider, 0.3)
    settle(widget)
    before = labels.data.copy()
    type_more(widget, 'brick; road')
    settle(widget)
    assert (labels.data != before).any()
    press(widget.options.revert)
    np.testing.assert_array_equal(labels.data, before)


def test_the_change_after_a_run_is_another_step(
    opened, type_more, run, settle, press, qtbot, monkeypatch
) -> None:
    widget, labels, slider = opened
    # As if everything came at once.
    monkeypatch.setattr(steps, '_GAP', 1000.0)
    press(widget.options.live)
    oldest = labels.data.copy()
    drag(qtbot, slider, 0.3)
    run(widget)
    press(widget.options.live)
    settle(widget)
    before = labels.data.copy()
    assert (before != oldest).any()
    type_more(widget, 'brick; road')
    settle(widget)
    assert (labels.data != before).any()
    press(widget.options.revert)
    np.testing.assert_array_equal(labels.data, before)


@pytest.mark.parametrize('is_asked', [True, False])
def test_of_a_change_without_an_answer_yet_nothing_older_goes(
    opened, hold_at, type_more, settle, press, qtbot, is_asked
) -> None:
    widget, labels, _ = opened
    oldest = labels.data.copy()
    type_more(widget, 'brick; road')
    settle(widget)
    before = labels.data.copy()
    assert (before != oldest).any()
    hold = hold_at(Encoder, 'fill', is_live=True)
    type_more(widget, 'wood')
    if is_asked:
        qtbot.waitUntil(hold.reached.is_set, timeout=60_000)
    press(widget.options.revert)
    assert widget.panel.status.text() == messages.REVERTED_EARLY
    hold.go_on.set()
    settle(widget)
    np.testing.assert_array_equal(labels.data, before)
    press(widget.options.revert)
    assert widget.panel.status.text() == messages.REVERTED
    np.testing.assert_array_equal(labels.data, oldest)


@pytest.fixture
def stack(make_napari_viewer, open_widget, run, settle, picture, monkeypatch):
    """Return viewer, widget and labels after a run on both planes."""
    monkeypatch.setattr(steps, '_GAP', 0.0)
    viewer = make_napari_viewer()
    viewer.add_image(np.stack([picture[..., 0], picture[::-1, :, 1]]))
    viewer.dims.set_point(0, 0)
    widget = open_widget(viewer, 'sand; water; grass')
    box = widget.image.scope_box
    box.setCurrentIndex(box.findData('all'))
    run(widget)
    settle(widget)
    return viewer, widget, viewer.layers[-1]


def test_revert_takes_a_change_back_wherever_it_was_followed(
    stack, type_more, settle, press
) -> None:
    viewer, widget, labels = stack
    type_more(widget, 'brick')
    settle(widget)
    viewer.dims.set_point(0, 1)
    settle(widget)
    before = labels.data.copy()
    viewer.dims.set_point(0, 0)
    settle(widget)
    type_more(widget, 'road')
    settle(widget)
    for plane in (1, 0):
        viewer.dims.set_point(0, plane)
        settle(widget)
    assert (labels.data != before).any(axis=(1, 2)).all()
    press(widget.options.revert)
    np.testing.assert_array_equal(labels.data, before)
    # The change before is another step.
    assert not widget.options.revert.isEnabled()


def test_what_was_reverted_comes_back_on_no_plane(
    stack, type_more, settle, press
) -> None:
    viewer, widget, labels = stack
    before = labels.data.copy()
    type_more(widget, 'brick; road')
    settle(widget)
    press(widget.options.revert)
    for plane in (1, 0):
        viewer.dims.set_point(0, plane)
        settle(widget)
    np.testing.assert_array_equal(labels.data, before)
    # But with the next change.
    type_more(widget, 'wood')
    for plane in (0, 1):
        viewer.dims.set_point(0, plane)
        settle(widget)
    assert (labels.data != before).any(axis=(1, 2)).all()
