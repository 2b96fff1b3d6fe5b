"""A person is led from region to region, and what they answer is written."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt

from faults import Faults
from napari_naclip.demo.scenes import demo_scene
from napari_naclip.layers import assign as assigning
from napari_naclip.ui.correct import guide, messages
from napari_naclip.ui.correct.guide import OUTLINE_NAME

TIMEOUT = 60_000


@pytest.fixture
def scene():
    """Return a picture and the classes that are in it."""
    scene, text = demo_scene(height=224, width=320)
    return scene.image, text


@pytest.fixture
def guided(make_napari_viewer, open_widget, run, press, qtbot, scene):
    """Return viewer, widget and labels, with the section unfolded."""
    viewer = make_napari_viewer(show=True)
    image, text = scene
    viewer.add_image(image)
    widget = open_widget(viewer, text)
    run(widget)
    press(widget.correct.more)
    # Keys go to the window that is in use.
    widget.activateWindow()
    qtbot.waitUntil(widget.isActiveWindow, timeout=TIMEOUT)
    return viewer, widget, viewer.layers[-1]


@pytest.fixture
def click_next(press, qtbot):
    """Return a function that presses Next and waits for a region."""

    def click(widget) -> None:
        panel = widget.correct.guide
        press(panel.next)
        qtbot.waitUntil(
            lambda: (
                panel.accept.isEnabled() and widget._corrections.guide.is_idle
            ),
            timeout=TIMEOUT,
        )

    return click


@pytest.fixture
def press_key(qtbot):
    """Return a function that presses a key and waits for what it does."""

    def press(widget, key: str) -> None:
        qtbot.keyClick(widget.correct.guide.next, key)
        qtbot.waitUntil(
            lambda: widget._corrections.guide.is_idle, timeout=TIMEOUT
        )

    return press


def outlined(viewer) -> np.ndarray:
    """Return the outlined pixels of the image."""
    layer = viewer.layers[OUTLINE_NAME]
    top, left = (int(each) for each in layer.translate)
    mask = np.zeros(viewer.layers[0].data.shape[:2], bool)
    rows, columns = np.nonzero(layer.data == 1)
    mask[rows + top, columns + left] = True
    return mask


def test_next_shows_a_region_of_one_label(guided, click_next) -> None:
    viewer, widget, labels = guided
    viewer.layers.selection.active = labels
    click_next(widget)
    mask = outlined(viewer)
    assert mask.any()
    assert len(np.unique(labels.data[mask])) == 1
    assert viewer.layers.selection.active is labels
    (name,) = (
        row.name
        for row in widget.classes.rows()
        if row.value == labels.data[mask][0]
    )
    assert widget.correct.guide.about.text().startswith(name)
    rows, columns = np.nonzero(mask)
    middle = (rows.min() + rows.max()) / 2, (columns.min() + columns.max()) / 2
    camera = getattr(viewer, 'scene', viewer).camera
    np.testing.assert_allclose(camera.center[-2:], middle, atol=1)


def test_a_key_gives_a_class_and_goes_on_and_back(
    guided, click_next, qtbot
) -> None:
    viewer, widget, labels = guided
    before = labels.data.copy()
    widget.correct.guide.teach.setChecked(False)
    click_next(widget)
    panel, first = widget.correct.guide, outlined(viewer)
    other = next(
        place
        for place, button in enumerate(panel.choices)
        if not panel.about.text().startswith(button.text()[3:].split('  ')[0])
    )
    qtbot.keyClick(panel.next, str(other + 1))
    qtbot.waitUntil(
        lambda: not (outlined(viewer) & first).any(), timeout=TIMEOUT
    )
    changed = labels.data != before
    np.testing.assert_array_equal(changed, first)
    assert len(np.unique(labels.data[first])) == 1
    assert panel.progress.text().startswith('1 region answered')
    qtbot.keyClick(panel.next, 'B')
    qtbot.waitUntil(
        lambda: np.array_equal(outlined(viewer), first), timeout=TIMEOUT
    )
    np.testing.assert_array_equal(labels.data, before)
    assert not panel.back.isEnabled()


def test_an_answer_teaches_and_back_takes_it_back(
    guided, click_next, press_key, qtbot
) -> None:
    _, widget, labels = guided
    before = labels.data.copy()

    def taught() -> list[str]:
        return [r.name for r in widget.classes.rows() if r.teaching]

    def follow() -> None:
        qtbot.waitUntil(
            lambda: (
                widget._live._wish is None
                and not widget._live._timer.isActive()
            ),
            timeout=TIMEOUT,
        )

    click_next(widget)
    panel = widget.correct.guide
    own = panel.about.text().split('?')[0]
    place, name = next(
        (place, button.text()[3:].split('  ')[0])
        for place, button in enumerate(panel.choices, start=1)
        if button.text()[3:].split('  ')[0] != own
    )
    press_key(widget, str(place))
    assert taught() == [name]
    follow()
    given = labels.data.copy()
    press_key(widget, 'B')
    assert taught() == []
    follow()
    np.testing.assert_array_equal(labels.data, before)
    panel.teach.setChecked(False)
    press_key(widget, str(place))
    assert taught() == []
    follow()
    # What teaching did beside the region itself.
    assert (labels.data != given).any()


def test_accepting_leads_through_all_regions(
    guided, click_next, press_key
) -> None:
    viewer, widget, labels = guided
    before = labels.data.copy()
    click_next(widget)
    panel = widget.correct.guide
    seen = np.zeros(before.shape, int)
    for _ in range(200):
        seen += outlined(viewer)
        press_key(widget, 'A')
        if not panel.accept.isEnabled():
            break
    assert panel.about.text() == messages.ALL_SEEN
    assert (seen == 1).all()
    np.testing.assert_array_equal(labels.data, before)
    assert OUTLINE_NAME not in viewer.layers


def test_what_was_painted_is_not_shown_nor_overwritten(
    guided, click_next, press_key
) -> None:
    viewer, widget, labels = guided
    click_next(widget)
    first = outlined(viewer)
    free = max(labels.features['index']) + 7
    labels.data_setitem(np.nonzero(first), free)
    press_key(widget, 'N')
    assert not (outlined(viewer) & first).any()
    assert (labels.data[first] == free).all()


def test_regions_follow_other_labels(guided, click_next, qtbot) -> None:
    viewer, widget, labels = guided
    click_next(widget)
    qtbot.keyClick(widget.correct.guide.next, 'A')
    qtbot.keyClicks(widget.classes.entry, 'red dots')
    qtbot.keyClick(widget.classes.entry, Qt.Key.Key_Return)
    qtbot.waitUntil(
        lambda: (
            widget._live._wish is None and not widget._live._timer.isActive()
        ),
        timeout=TIMEOUT,
    )
    click_next(widget)
    mask = outlined(viewer)
    assert len(np.unique(labels.data[mask])) == 1


def test_without_labels_it_says_so(
    make_napari_viewer, open_widget, press, scene
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(scene[0])
    widget = open_widget(viewer)
    press(widget.correct.more)
    press(widget.correct.guide.next)
    assert widget.correct.guide.about.text() == messages.NO_RESULT


def test_folding_closing_and_removing_take_the_outline_away(
    guided, click_next, press, qtbot
) -> None:
    viewer, widget, labels = guided
    click_next(widget)
    press(widget.correct.more)
    assert OUTLINE_NAME not in viewer.layers
    press(widget.correct.more)
    click_next(widget)
    viewer.layers.remove(labels)
    qtbot.waitUntil(lambda: OUTLINE_NAME not in viewer.layers, timeout=TIMEOUT)
    assert not widget.correct.guide.accept.isEnabled()


def test_keys_act_in_the_section_only(guided, click_next, qtbot) -> None:
    viewer, widget, _ = guided
    click_next(widget)
    first = outlined(viewer)
    widget.classes.entry.setFocus()
    qtbot.keyClick(widget.classes.entry, Qt.Key.Key_A)
    assert np.array_equal(outlined(viewer), first)
    assert widget.classes.entry.toPlainText().endswith('a')


def test_what_was_accepted_stays(
    guided, click_next, press_key, press, qtbot
) -> None:
    viewer, widget, labels = guided
    click_next(widget)
    first = outlined(viewer)
    (value,) = np.unique(labels.data[first])
    press_key(widget, 'A')
    # Without its class the rest gets other labels.
    widget.classes._model.set_on([int(value)], is_on=False)
    qtbot.waitUntil(
        lambda: (labels.data[~first] != value).all(), timeout=TIMEOUT
    )
    qtbot.waitUntil(lambda: not widget._live.is_busy, timeout=TIMEOUT)
    assert (labels.data[first] == value).all()
    # Back gives it to the model, which is asked nothing any more.
    press(widget.options.live)
    press(widget.correct.guide.back)
    qtbot.waitUntil(lambda: widget._corrections.guide.is_idle, timeout=TIMEOUT)
    assert (labels.data != value).all()


@pytest.mark.parametrize('is_accepted', [True, False])
def test_all_of_a_region_is_what_was_answered(
    guided, click_next, press_key, hold_at, qtbot, is_accepted
) -> None:
    """Labels follow a setting before other regions are there."""
    viewer, widget, labels = guided
    widget.correct.guide.teach.setChecked(False)
    click_next(widget)
    panel, first = widget.correct.guide, outlined(viewer)
    (value,) = np.unique(labels.data[first])

    def follow() -> None:
        qtbot.waitUntil(lambda: not widget._live.is_busy, timeout=TIMEOUT)

    # Who looks at the region still sees its old label.
    hold = hold_at(guide, 'find_guided', is_live=True)
    widget.classes._model.set_on([int(value)], is_on=False)
    follow()
    others, counts = np.unique(labels.data[first], return_counts=True)
    assert value not in others
    if is_accepted:
        answer = value
        press_key(widget, 'A')
    else:
        answer = others[counts.argmax()]
        press_key(widget, str(1 + panel._values.index(answer)))
    assert (labels.data[first] == answer).all()
    hold.go_on.set()
    # No other setting changes it.
    off = [int(answer)] if not is_accepted else []
    widget.classes._model.set_on([int(value)], is_on=True)
    follow()
    widget.classes._model.set_on(off, is_on=False)
    follow()
    assert (labels.data[first] == answer).all()
    # But Back gives it to the model.
    press_key(widget, 'B')
    result = widget._sync.result
    np.testing.assert_array_equal(labels.data, result.written)
    assert result.accepted is None or not result.accepted.any()


def test_locked_classes_are_neither_asked_nor_given(
    guided, click_next, press_key
) -> None:
    viewer, widget, labels = guided
    panel, model = widget.correct.guide, widget.classes._model
    panel.teach.setChecked(False)
    click_next(widget)
    first = outlined(viewer)
    (own,) = np.unique(labels.data[first])
    # What is outlined is locked: another region follows.
    model.set_locked([int(own)], is_locked=True)
    click_next(widget)
    assert not (labels.data[outlined(viewer)] == own).any()
    (place,) = (
        place for place, value in enumerate(panel._values) if value == own
    )
    button = panel.choices[place]
    assert not button.isEnabled()
    assert button.text().endswith('(locked)')
    assert button.toolTip() == messages.LOCKED_CHOICE
    before = labels.data.copy()
    press_key(widget, str(place + 1))
    np.testing.assert_array_equal(labels.data, before)
    (action,) = (
        each for each in panel._menu.actions() if 'locked' in each.text()
    )
    assert not action.isEnabled()
    model.set_locked([int(own)], is_locked=False)
    assert button.isEnabled()
    press_key(widget, str(place + 1))
    assert (labels.data != before).any()
    given = labels.data.copy()
    model.set_locked([int(own)], is_locked=True)
    press_key(widget, 'B')
    assert panel.about.text() == messages.BACK_LOCKED
    np.testing.assert_array_equal(labels.data, given)
    model.set_locked([int(own)], is_locked=False)
    press_key(widget, 'B')
    np.testing.assert_array_equal(labels.data, before)


def test_what_cannot_be_written_leaves_no_half_answer(
    guided, click_next, press_key, monkeypatch
) -> None:
    viewer, widget, labels = guided
    monkeypatch.setattr(assigning, '_PIECE', 100)
    panel = widget.correct.guide
    click_next(widget)
    before = labels.data.copy()
    own = labels.data[outlined(viewer)][0]
    place = next(i for i, each in enumerate(panel._values) if each != own)
    written = Faults(labels.data_setitem, 1)
    monkeypatch.setattr(labels, 'data_setitem', written)
    press_key(widget, str(place + 1))
    assert written.has_failed
    assert panel.about.text() == messages.NOTHING_WRITTEN.format('no room')
    np.testing.assert_array_equal(labels.data, before)
    assert not panel.back.isEnabled()
    assert not any(row.teaching for row in widget.classes.rows())
    # What cannot be taken back stays an answer.
    panel.teach.setChecked(False)
    monkeypatch.setattr(labels, 'data_setitem', written.work)
    click_next(widget)
    press_key(widget, str(place + 1))
    written = Faults(labels.data_setitem, 0)
    monkeypatch.setattr(labels, 'data_setitem', written)
    press_key(widget, 'B')
    assert panel.about.text() == messages.NOT_TAKEN_BACK.format('no room')
    assert panel.back.isEnabled()
    press_key(widget, 'B')
    np.testing.assert_array_equal(labels.data, before)
    assert not panel.back.isEnabled()
