"""A person's way through several images, lists and panels."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

from napari_naclip.io.last_list import load_last
from napari_naclip.ui import messages
from napari_naclip.ui.class_table.model import Column
from napari_naclip.ui.compute import SLOT
from napari_naclip.ui.widget import SegmentationWidget


def names(widget: SegmentationWidget) -> dict[int, str]:
    """Return what the class table lists, by label value."""
    return {row.value: row.name for row in widget.classes.rows()}


def shown(labels) -> dict[int, str]:
    """Return the names in a layer's features, by label value."""
    table = labels.features
    return dict(zip(table['index'], table['class'], strict=True))


def rename(widget: SegmentationWidget, row: int, name: str) -> None:
    """Rename a class in the table."""
    model = widget.classes.table.model()
    assert model.setData(model.index(row, Column.NAME), name)


@pytest.fixture
def two_images(make_napari_viewer, open_widget, run, type_classes, picture):
    """Two images with results of different lists; the second ran last."""
    viewer = make_napari_viewer()
    one = viewer.add_image(picture, name='one')
    widget = open_widget(viewer, 'sand; water')
    run(widget)
    first = viewer.layers[-1]
    two = viewer.add_image(picture[::-1].copy(), name='two')
    type_classes(widget, 'grass; forest; road')
    run(widget)
    second = viewer.layers[-1]
    assert second is not first
    return viewer, widget, (one, first), (two, second)


def test_each_labels_layer_keeps_its_own_list(two_images) -> None:
    viewer, widget, (_, first), (_, second) = two_images
    of_second = names(widget)
    viewer.layers.selection.active = first
    assert list(names(widget).values()) == ['sand', 'water']
    viewer.layers.selection.active = second
    assert names(widget) == of_second
    assert list(shown(first).values()) == ['unlabeled', 'sand', 'water']
    assert set(shown(second).values()) == {
        'unlabeled',
        'grass',
        'forest',
        'road',
    }


def test_selected_labels_choose_their_image(two_images, run, qtbot) -> None:
    viewer, widget, (one, first), (two, second) = two_images
    assert widget.image.image == two
    viewer.layers.selection.active = first
    assert widget.image.image == one
    before = second.data.copy()
    qtbot.keyClicks(widget.classes.entry, 'grass')
    run(widget)
    assert len(viewer.layers) == 4
    np.testing.assert_array_equal(second.data, before)
    assert 'grass' in shown(first).values()


def test_pinned_image_stays_when_labels_are_selected(
    two_images, press
) -> None:
    viewer, widget, (_, first), (two, _) = two_images
    press(widget.image.pin_box)
    viewer.layers.selection.active = first
    assert widget.image.image == two


def test_edits_for_another_image_leave_the_first_alone(
    make_napari_viewer, open_widget, run, picture
) -> None:
    viewer = make_napari_viewer()
    one = viewer.add_image(picture, name='one')
    widget = open_widget(viewer, 'sand; water')
    run(widget)
    first = viewer.layers[-1]
    viewer.add_image(picture, name='two')
    rename(widget, 0, 'dunes')
    assert shown(first)[1] == 'sand'
    viewer.layers.selection.active = first
    assert names(widget) == {1: 'sand', 2: 'water'}
    assert widget.image.image == one


def test_back_at_the_first_image_the_table_is_in_step_again(
    make_napari_viewer, open_widget, run, picture
) -> None:
    viewer = make_napari_viewer()
    one = viewer.add_image(picture, name='one')
    widget = open_widget(viewer, 'sand; water')
    run(widget)
    first = viewer.layers[-1]
    viewer.add_image(picture, name='two')
    viewer.layers.selection.active = one
    rename(widget, 0, 'dunes')
    assert shown(first)[1] == 'dunes'


def test_undo_of_a_taken_list_renames_nothing(
    make_napari_viewer, open_widget, run, press, picture, tmp_path
) -> None:
    """The list of a file comes in the place of one with the same values."""
    path = str(tmp_path / 'saved.naclip')
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    run(open_widget(viewer, 'sand; water'))
    viewer.layers[-1].save(path)
    other = make_napari_viewer()
    other.add_image(picture)
    widget = open_widget(other, '')
    widget.classes.replace_text('grass; forest')
    assert names(widget) == {1: 'grass', 2: 'forest'}
    labels = other.open(path, plugin='napari-naclip')[0]
    assert names(widget) == {1: 'sand', 2: 'water'}
    widget.classes.add_text('road')
    press(widget.classes.actions_row.undo)
    press(widget.classes.actions_row.undo)
    assert list(names(widget).values()) == ['grass', 'forest']
    assert min(names(widget)) > 3
    assert shown(labels)[1] == 'sand'
    assert shown(labels)[2] == 'water'
    press(widget.classes.actions_row.redo)
    assert names(widget) == {1: 'sand', 2: 'water'}


def test_other_labels_selected_during_a_run(
    two_images, start_held, wait_for_rest
) -> None:
    """The table shows the list of the other layer; the run keeps its own."""
    viewer, widget, (one, first), (_, second) = two_images
    viewer.layers.selection.active = first
    viewer.layers.selection.active = one
    of_second = dict(shown(second))
    hold = start_held(widget)
    viewer.layers.selection.active = second
    of_table = names(widget)
    hold.go_on.set()
    assert wait_for_rest(widget).startswith('Done')
    assert shown(first) == {0: 'unlabeled', 1: 'sand', 2: 'water'}
    assert shown(second) == of_second
    assert names(widget) == of_table
    viewer.layers.selection.active = first
    assert names(widget) == {1: 'sand', 2: 'water'}


def test_list_from_a_file_selected_during_a_run(
    make_napari_viewer,
    open_widget,
    start_held,
    wait_for_rest,
    picture,
    run,
    type_classes,
    tmp_path,
) -> None:
    """Another numbering, where the same values are other classes."""
    viewer = make_napari_viewer()
    viewer.add_image(picture, name='one')
    widget = open_widget(viewer, 'grass; forest')
    hold = start_held(widget)
    hold.go_on.set()
    wait_for_rest(widget)
    path = str(tmp_path / 'saved.naclip')
    viewer.layers[-1].save(path)
    viewer.layers.clear()
    image = viewer.add_image(picture, name='one')
    type_classes(widget, '')
    widget.classes.set_state(type(widget.classes.state())())
    type_classes(widget, 'sand; water')
    hold = start_held(widget)
    saved = viewer.open(path, plugin='napari-naclip')[0]
    assert names(widget) == {1: 'grass', 2: 'forest'}
    hold.go_on.set()
    assert wait_for_rest(widget).startswith('Done')
    made = next(
        layer for layer in viewer.layers if layer not in (image, saved)
    )
    assert shown(made) == {0: 'unlabeled', 1: 'sand', 2: 'water'}
    assert shown(saved) == {0: 'unlabeled', 1: 'grass', 2: 'forest'}
    viewer.layers.selection.active = saved
    assert names(widget) == {1: 'grass', 2: 'forest'}
    viewer.layers.selection.active = made
    assert names(widget) == {1: 'sand', 2: 'water'}


def test_reopened_dock_is_in_step_with_the_labels(
    make_napari_viewer, open_widget, run, picture
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    widget = open_widget(viewer)
    run(widget)
    labels = viewer.layers[-1]
    viewer.window.remove_dock_widget(widget)
    again = SegmentationWidget(viewer)
    viewer.window.add_dock_widget(again)
    rename(again, 0, 'dunes')
    assert shown(labels)[1] == 'dunes'
    labels.colormap = {**labels.colormap.color_dict, 1: '#123456'}
    assert again.classes.rows()[0].color == '#123456'


def test_same_widget_put_back_is_in_step(
    make_napari_viewer, open_widget, run, picture
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    widget = open_widget(viewer)
    run(widget)
    labels = viewer.layers[-1]
    viewer.window.remove_dock_widget(widget)
    viewer.window.add_dock_widget(widget)
    rename(widget, 0, 'dunes')
    assert shown(labels)[1] == 'dunes'
    viewer.window.remove_dock_widget(widget)
    viewer.window.add_dock_widget(widget)
    rename(widget, 0, 'beach')
    assert shown(labels)[1] == 'beach'


def test_closed_dock_is_garbage(
    make_napari_viewer, zoom_in, open_widget, run, qtbot, picture
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(np.stack([picture[..., 0]] * 3))
    widget = open_widget(viewer)
    run(widget)
    alive = weakref.ref(widget)
    viewer.window.remove_dock_widget(widget)
    # Nothing listens any more, though the widget is still there.
    viewer.dims.set_current_step(0, 2)
    zoom_in(viewer)
    assert not widget._preview_timer.isActive()
    del widget
    qtbot.wait(50)
    gc.collect()
    assert alive() is None
    viewer.layers[-1].colormap = {1: 'red', None: 'white'}
    viewer.dims.set_current_step(0, 1)
    viewer.layers.clear()
    qtbot.wait(500)


def test_list_is_kept_when_the_window_is_closed_at_once(
    make_napari_viewer, open_widget, qtbot, picture
) -> None:
    viewer = make_napari_viewer(show=True)
    widget = open_widget(viewer, '')
    qtbot.waitUntil(widget.isVisible)
    widget.classes.replace_text('moor; fen')
    viewer.close()
    state = load_last()
    assert state is not None
    assert [row.name for row in state.rows] == ['moor', 'fen']


def test_second_panel_cannot_disturb_a_run(
    make_napari_viewer,
    open_widget,
    start_held,
    press,
    wait_for_rest,
    qtbot,
    picture,
    type_classes,
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    first = open_widget(viewer)
    hold = start_held(first)
    hold.go_on.set()
    wait_for_rest(first)
    labels = viewer.layers[-1]
    before = labels.data.copy()
    second = SegmentationWidget(viewer)
    viewer.window.add_dock_widget(second)
    second.model.choose_model('demo')
    second.classes.set_state(first.classes.state())
    type_classes(first, 'grass; forest')
    second.classes.set_state(first.classes.state())
    hold = start_held(first)
    press(second.panel.run)
    assert second.panel.status.text() == messages.BUSY
    press(first.panel.cancel)
    hold.go_on.set()
    assert wait_for_rest(first) == messages.CANCELLED
    qtbot.waitUntil(lambda: not SLOT.is_taken, timeout=60_000)
    np.testing.assert_array_equal(labels.data, before)


def test_second_panel_shows_the_same_list(
    make_napari_viewer, open_widget, run, picture
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    first = open_widget(viewer)
    run(first)
    labels = viewer.layers[-1]
    second = SegmentationWidget(viewer)
    viewer.window.add_dock_widget(second)
    viewer.layers.selection.active = None
    viewer.layers.selection.active = labels
    rename(first, 0, 'dunes')
    assert names(second) == names(first)
    second.classes.add_text('moor')
    assert names(first) == names(second)
    assert shown(labels)[1] == 'dunes'
