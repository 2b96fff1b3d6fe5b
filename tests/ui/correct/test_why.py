"""Maps, the classes under the cursor, and classes without a pixel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image
from qtpy.QtCore import Qt

from napari_naclip.engine.segmenter import run_to_end
from napari_naclip.engine.types import Region, Settings
from napari_naclip.layers.maps import is_map
from napari_naclip.layers.read import take_snapshots
from napari_naclip.ui.class_table.columns import Column
from napari_naclip.ui.compute import SLOT
from napari_naclip.ui.correct import why_messages as messages
from napari_naclip.ui.correct.why_work import _Canvas

TIMEOUT = 60_000


def maps(viewer) -> dict[str, Image]:
    """Return the maps by the last words of their names."""
    return {
        layer.name.split(': ')[-1]: layer
        for layer in viewer.layers
        if is_map(layer)
    }


def is_idle(widget) -> bool:
    why, live = widget._corrections.why, widget._live
    return (
        live._wish is None
        and not live._timer.isActive()
        and not why._timer.isActive()
        and not why._cursor_timer.isActive()
        and not any(why._asides.is_asked(k) for k in ('heat', 'all', 'pixel'))
    )


@pytest.fixture
def settle(qtbot):
    """Return a function that waits until everything has followed."""

    def wait(widget) -> None:
        qtbot.waitUntil(lambda: is_idle(widget), timeout=TIMEOUT)

    return wait


@pytest.fixture
def opened(make_napari_viewer, open_widget, run, settle, picture, press):
    """Return viewer, widget and labels after a run, with the part unfolded."""
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    widget = open_widget(viewer, 'sand; water; grass')
    run(widget)
    press(widget.why.more)
    settle(widget)
    return viewer, widget, viewer.layers[-1]


@pytest.fixture
def select(qtbot):
    """Return a function that clicks the name of a class in the table."""

    def click(widget, row: int) -> None:
        table = widget.classes.table
        index = table.model().index(row, Column.NAME)
        qtbot.mouseClick(
            table.viewport(),
            Qt.MouseButton.LeftButton,
            pos=table.visualRect(index).center(),
        )

    return click


def confidence_of(widget) -> np.ndarray:
    (kept,) = widget._live.find()[1]
    settings = kept.shown.settings
    queries = run_to_end(kept.live.queries(kept.shown.classes, settings))
    tally = kept.live.tally(kept.shown.classes, queries, settings)
    return tally.confidence()


def test_confidence_lies_above_the_labels(opened, press, settle) -> None:
    viewer, widget, labels = opened
    press(widget.why.boxes['confidence'])
    settle(widget)
    (layer,) = maps(viewer).values()
    assert viewer.layers.index(layer) == viewer.layers.index(labels) + 1
    assert viewer.layers.selection.active is labels
    assert widget.image.image is viewer.layers[0]
    np.testing.assert_allclose(layer.data, confidence_of(widget), atol=1e-3)
    assert tuple(layer.contrast_limits) == (0, 1)
    np.testing.assert_array_equal(layer.extent.world, labels.extent.world)
    press(widget.why.boxes['confidence'])
    settle(widget)
    assert not maps(viewer)


def test_the_heat_map_follows_the_selected_class(
    opened, press, settle, select
) -> None:
    viewer, widget, _ = opened
    for name in ('heat', 'confidence', 'margin'):
        press(widget.why.boxes[name])
    settle(widget)
    shares = []
    layer = None
    for row, name in enumerate(('sand', 'water', 'grass')):
        select(widget, row)
        settle(widget)
        heat = maps(viewer)[f'heat map of {name}']
        assert layer in (None, heat)
        layer = heat
        shares.append(heat.data.astype(float).copy())
    np.testing.assert_allclose(sum(shares), 1, atol=3e-3)
    ordered = np.sort(shares, axis=0)
    found = maps(viewer)
    np.testing.assert_allclose(
        found['confidence'].data, ordered[-1], atol=2e-3
    )
    np.testing.assert_allclose(
        found['margin'].data, ordered[-1] - ordered[-2], atol=4e-3
    )


def test_maps_follow_a_live_setting_and_another_class(
    opened, press, settle, qtbot
) -> None:
    viewer, widget, _ = opened
    press(widget.why.boxes['confidence'])
    settle(widget)
    (layer,) = maps(viewer).values()
    before = layer.data.copy()
    widget.options.sharpness.setValue(20)
    settle(widget)
    blurred = layer.data.copy()
    assert blurred.mean() < before.mean()
    qtbot.keyClicks(widget.classes.entry, 'brick; road')
    qtbot.keyClick(widget.classes.entry, Qt.Key.Key_Return)
    settle(widget)
    assert maps(viewer)['confidence'] is layer
    np.testing.assert_allclose(layer.data, confidence_of(widget), atol=1e-3)
    assert (layer.data != blurred).any()


def test_a_deleted_map_unchecks_its_box(opened, press, settle) -> None:
    viewer, widget, _ = opened
    for name in ('heat', 'margin'):
        press(widget.why.boxes[name])
    settle(widget)
    viewer.layers.remove(maps(viewer)['margin'])
    settle(widget)
    assert not widget.why.boxes['margin'].isChecked()
    assert widget.why.boxes['heat'].isChecked()
    assert len(maps(viewer)) == 1
    press(widget.why.boxes['margin'])
    settle(widget)
    assert len(maps(viewer)) == 2


def test_a_closed_dock_leaves_no_map(opened, press, settle) -> None:
    viewer, widget, _ = opened
    press(widget.why.boxes['confidence'])
    settle(widget)
    callbacks = len(viewer.mouse_move_callbacks)
    viewer.window.remove_dock_widget(widget)
    assert not maps(viewer)
    assert len(viewer.mouse_move_callbacks) == callbacks - 1


def test_maps_go_with_their_labels(opened, press, settle) -> None:
    viewer, widget, labels = opened
    press(widget.why.boxes['confidence'])
    settle(widget)
    viewer.layers.remove(labels)
    settle(widget)
    assert not maps(viewer)
    assert widget.why.status.text() == messages.NO_RUN


def test_a_run_goes_before_a_map(opened, press, settle, qtbot) -> None:
    viewer, widget, _ = opened
    for _ in SLOT.acquire():
        pass
    try:
        press(widget.why.boxes['heat'])
        qtbot.wait(300)
        assert not maps(viewer)
        assert widget.why.status.text() == messages.WORKING
    finally:
        SLOT.release()
    settle(widget)
    assert maps(viewer)
    assert widget.why.status.text() == ''


def test_a_second_run_replaces_what_is_shown(
    opened, press, settle, run
) -> None:
    viewer, widget, _ = opened
    press(widget.why.boxes['confidence'])
    settle(widget)
    (layer,) = maps(viewer).values()
    viewer.layers[0].data = viewer.layers[0].data[::-1].copy()
    run(widget)
    settle(widget)
    assert list(maps(viewer).values()) == [layer]
    np.testing.assert_allclose(layer.data, confidence_of(widget), atol=1e-3)


def test_maps_follow_the_displayed_plane(
    make_napari_viewer, open_widget, run, press, settle, picture
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(np.stack([picture, picture[::-1]]), rgb=True)
    widget = open_widget(viewer)
    viewer.dims.set_current_step(0, 0)
    run(widget)
    viewer.dims.set_current_step(0, 1)
    run(widget)
    press(widget.why.boxes['confidence'])
    settle(widget)
    (layer,) = maps(viewer).values()
    second = layer.data.copy()
    assert layer.data.shape == (1, *picture.shape[:2])
    assert layer.extent.data[0][0] == layer.extent.data[1][0]
    assert layer.translate[0] == 1
    viewer.dims.set_current_step(0, 0)
    settle(widget)
    assert layer.translate[0] == 0
    assert (layer.data != second).any()
    np.testing.assert_allclose(layer.data[0], confidence_of(widget), atol=1e-3)


def move_to(viewer, position) -> None:
    """Move the mouse, as napari tells of it."""

    class Event:
        pass

    event = Event()
    event.position = position
    for callback in viewer.mouse_move_callbacks:
        callback(viewer, event)


def test_the_classes_under_the_cursor(opened, settle) -> None:
    viewer, widget, labels = opened
    names = ['', 'sand', 'water', 'grass']
    for point in [(3, 5), (50, 60), (95, 127)]:
        move_to(viewer, point)
        settle(widget)
        share = round(100 * float(confidence_of(widget)[point]))
        first = f'Under the cursor: {names[labels.data[point]]} {share} %'
        assert widget.why.pixel.text().startswith(first)
        assert widget.why.pixel.text().count('%') == 3
    move_to(viewer, (-10, 5))
    settle(widget)
    assert widget.why.pixel.text() == messages.NOTHING_THERE


def test_all_under_the_cursor_is_exact_after_a_moment(
    opened, settle, qtbot
) -> None:
    viewer, widget, _ = opened
    refinement = widget.options.refinement
    refinement.setCurrentIndex(refinement.findData('fast'))
    settle(widget)
    said = []
    panel = widget._corrections.why._panel
    show = panel.show_pixel
    panel.show_pixel = lambda text: (said.append(text), show(text))
    move_to(viewer, (50, 60))
    settle(widget)
    qtbot.waitUntil(lambda: len(said) == 2, timeout=TIMEOUT)
    assert 'Only the first is exact' in said[0]
    assert 'exact' not in said[1]
    assert said[1].count('%') == 3
    # The winner was known before.
    assert said[1].split(',')[0] == said[0].split(',')[0]


def test_classes_without_a_pixel_are_named(opened, settle, qtbot) -> None:
    _, widget, labels = opened
    words = 'brick; road; sky; metal; glass; horse; clock; snow'
    qtbot.keyClicks(widget.classes.entry, words)
    qtbot.keyClick(widget.classes.entry, Qt.Key.Key_Return)
    settle(widget)
    names = ['sand', 'water', 'grass', *words.split('; ')]
    absent = [n for v, n in enumerate(names, 1) if v not in labels.data]
    assert absent
    lines = widget.why.empty.text().splitlines()
    assert [line.split(':')[0] for line in lines] == absent


def test_choices_come_back_with_the_dock(opened, press, settle) -> None:
    viewer, widget, _ = opened
    press(widget.why.boxes['confidence'])
    settle(widget)
    viewer.window.remove_dock_widget(widget)
    _, again = viewer.window.add_plugin_dock_widget('napari-naclip')
    assert again.why.is_open
    assert again.why.boxes['confidence'].isChecked()
    settle(again)
    assert maps(viewer)


def test_maps_of_parts_do_not_cover_each_other() -> None:
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros((6, 8)))
    (plane,) = take_snapshots(image, viewer, Settings(detail=None))
    part = replace(plane, region=Region(2, 2, 4, 5))
    rest = plane.without(part)
    for order in ((part, rest), (rest, part)):
        canvas = _Canvas(order)
        for each in order:
            value = 1 if each is part else 2
            canvas.put(each, np.full(each.area.size, value, np.float16))
        found = canvas.found().values
        expected = np.full((6, 8), 2)
        expected[2:4, 2:5] = 1
        np.testing.assert_array_equal(found, expected)
