"""Saved labels opened again, and what outlives a window."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.mark.parametrize('ending', ['.naclip', '.png'])
def test_saved_labels_go_on_where_they_were(
    make_napari_viewer, open_widget, run, picture, tmp_path, ending
) -> None:
    """In another window: the list is back, only empty pixels are filled."""
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
    filled = again.data[20:40]
    assert filled.all()
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
