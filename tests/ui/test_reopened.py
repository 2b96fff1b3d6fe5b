"""Saved labels opened again, and what outlives a window."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLineEdit

from napari_naclip.ui.class_table.model import Column
from napari_naclip.ui.forms import select
from napari_naclip.ui.widget import SegmentationWidget


@pytest.mark.parametrize('ending', ['.naclip', '.png'])
def test_saved_labels_go_on_where_they_were(
    make_napari_viewer, open_widget, run, picture, tmp_path, ending
) -> None:
    """In another window: the list is back, and what was edited stays."""
    viewer = make_napari_viewer()
    viewer.add_image(picture, scale=(2, 3), units=('um', 'um'))
    run(open_widget(viewer, 'sand; water, sea; grass'))
    labels = viewer.layers[-1]
    labels.data[:20] = 3
    labels.data[20:40] = 0
    labels.save(str(tmp_path / f'saved{ending}'))
    saved = labels.data.copy()

    other = make_napari_viewer()
    other.add_image(picture, scale=(2, 3), units=('um', 'um'))
    widget = open_widget(other, '')
    widget.classes.replace_text('road; forest')
    path = tmp_path / f'saved{ending}'
    sidecar = path if ending == '.naclip' else path.with_suffix('.png.naclip')
    again = other.open(str(sidecar), plugin='napari-naclip')[0]
    rows = widget.classes.rows()
    assert [(row.value, row.name) for row in rows] == [
        (1, 'sand'),
        (2, 'water'),
        (3, 'grass'),
    ]
    assert rows[1].prompts == ('water', 'sea')

    assert run(widget).startswith('Done')
    assert len(other.layers) == 2
    np.testing.assert_array_equal(again.data, saved)
    # What was erased is an edit, too.
    select(widget.correct.edits.write_box, 'background')
    run(widget)
    assert again.data[20:40].all()
    np.testing.assert_array_equal(again.data[:20], saved[:20])
    np.testing.assert_array_equal(again.data[40:], saved[40:])


def test_opened_labels_belong_to_the_chosen_image(
    make_napari_viewer, open_widget, run, picture, tmp_path
) -> None:
    """Two channels lie at the same place; the chosen one is meant."""
    path = str(tmp_path / 'saved.naclip')
    viewer = make_napari_viewer()
    viewer.add_image(picture[..., 0])
    run(open_widget(viewer))
    viewer.layers[-1].save(path)
    other = make_napari_viewer()
    first = other.add_image(picture[..., 0], name='first')
    other.add_image(picture[..., 1], name='second')
    widget = open_widget(other)
    other.layers.selection.active = first
    other.open(path, plugin='napari-naclip')
    assert widget.image.image == first
    run(widget)
    assert len(other.layers) == 3


def test_nothing_calls_a_widget_whose_window_is_closed(
    make_napari_viewer, zoom_in, open_widget, run, qtbot, picture
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(np.stack([picture[..., 0]] * 3))
    widget = open_widget(viewer)
    run(widget)
    labels = viewer.layers[-1]
    viewer.close()
    qtbot.wait(50)
    # A script may go on with the viewer's model.
    zoom_in(viewer)
    viewer.dims.ndisplay = 3
    viewer.dims.order = (1, 0)
    labels.colormap = {1: 'red', None: 'white'}
    labels.features = {'index': [0, 1], 'class': ['a', 'b']}
    assert widget is not None
    qtbot.wait(500)


def test_camera_is_of_no_concern_to_a_whole_plane(
    make_napari_viewer, zoom_in, open_widget, qtbot, picture, monkeypatch
) -> None:
    """Taking snapshots at each move would make the view jerk."""
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    widget = open_widget(viewer)
    qtbot.wait(300)
    taken = []
    real = widget.image.set_summary
    monkeypatch.setattr(
        widget.image,
        'set_summary',
        lambda text: (taken.append(text), real(text)),
    )
    zoom_in(viewer)
    qtbot.wait(300)
    assert not taken
    scope = widget.image.scope_box
    scope.setCurrentIndex(scope.findData('visible'))
    qtbot.waitUntil(lambda: len(taken) == 1)
    zoom_in(viewer)
    qtbot.waitUntil(lambda: len(taken) == 2)


def test_a_reopened_dock_says_how_to_go_on(
    make_napari_viewer, open_widget, run, press, type_classes, qtbot, picture
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    _, first = viewer.window.add_plugin_dock_widget('napari-naclip')
    first.model.choose_model('demo')
    status = first.panel.status
    assert status.text() == 'Type classes, then press Run.'
    press(first.classes.background)
    assert status.text() == 'Type classes, then press Run.'
    press(first.classes.background)
    press(first.panel.run)
    assert status.text().startswith('There is no class to look for')
    type_classes(first, 'sand')
    assert status.text() == '1 class to look for. Press Run.'
    type_classes(first, 'sand; water')
    assert status.text() == '2 classes to look for. Press Run.'
    assert status.accessibleName() == status.text()
    told = run(first)
    # How a run ended stays, whatever is typed next.
    qtbot.keyClicks(first.classes.entry, 'grass')
    qtbot.keyClick(first.classes.entry, Qt.Key.Key_Return)
    assert status.text() == told

    viewer.window.remove_dock_widget(first)
    first.deleteLater()
    again = viewer.window.add_plugin_dock_widget('napari-naclip')[1]
    assert again.panel.status.text() == '3 classes to look for. Press Run.'
    assert run(again).startswith('Done')


def test_labels_without_their_image_bring_their_list_back(
    make_napari_viewer, open_widget, run, press, type_classes, qtbot, picture
) -> None:
    viewer = make_napari_viewer()
    image = viewer.add_image(picture)
    widget = open_widget(viewer, 'sand; water, sea')
    run(widget)
    labels = viewer.layers[-1]
    other = viewer.add_image(picture[:50], name='other')
    viewer.layers.remove(image)
    type_classes(widget, 'grass; road; forest')
    run(widget)
    others = viewer.layers[-1]
    assert others is not labels

    viewer.layers.selection.active = labels
    rows = widget.classes.rows()
    assert [(row.value, row.name) for row in rows] == [
        (1, 'sand'),
        (2, 'water'),
    ]
    assert rows[1].prompts == ('water', 'sea')
    assert widget.image.image == other
    qtbot.waitUntil(lambda: has_area(widget), timeout=5_000)
    # In step with that layer alone, in both directions.
    widget.classes.table.selectRow(0)
    qtbot.keyClick(widget.classes.table, Qt.Key.Key_F2)
    editor = widget.classes.table.findChild(QLineEdit)
    qtbot.keyClicks(editor, 'beach')
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(
        lambda: list(labels.features['class'])[1:] == ['beach', 'water']
    )
    labels.colormap = {1: '#010203', 2: '#040506', None: 'white'}
    assert widget.classes.rows()[1].color == '#040506'
    assert list(others.features['class'])[1:] == ['grass', 'road', 'forest']

    viewer.layers.selection.active = others
    assert [row.value for row in widget.classes.rows()] == [3, 4, 5]
    viewer.layers.selection.active = labels
    assert [row.name for row in widget.classes.rows()] == ['beach', 'water']
    # A run is for the image that there is, and leaves the labels alone.
    before = labels.data.copy()
    assert run(widget).startswith('Done')
    assert len(viewer.layers) == 3
    np.testing.assert_array_equal(labels.data, before)

    # The image is back: the labels lie on it, and are all the person's.
    image = viewer.add_image(picture)
    viewer.layers.selection.active = labels
    assert widget.image.image == image
    assert run(widget).startswith('Done')
    assert len(viewer.layers) == 4
    np.testing.assert_array_equal(labels.data, before)


def has_area(widget: SegmentationWidget) -> bool:
    model = widget.classes.table.model()
    cells = [model.index(row, Column.AREA).data() for row in range(2)]
    return any(cells)
