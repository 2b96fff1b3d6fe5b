"""The widget as a person uses it: keys, clicks and what comes of them."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_naclip.ui.widget import SegmentationWidget


def test_words_in_mask_out(
    make_napari_viewer, open_widget, run, picture
) -> None:
    viewer = make_napari_viewer()
    image = viewer.add_image(picture, name='photo')
    widget = open_widget(viewer, 'sand; water, sea; grass')
    assert isinstance(widget, SegmentationWidget)

    status = run(widget)

    assert status.startswith('Done'), status
    labels = viewer.layers[-1]
    assert labels.name == 'photo labels'
    assert labels.data.shape == picture.shape[:2]
    assert labels.data.dtype == np.uint8
    assert set(np.unique(labels.data)) <= {1, 2, 3}
    assert list(labels.features['index']) == [0, 1, 2, 3]
    assert list(labels.features['class']) == [
        'unlabeled',
        'sand',
        'water',
        'grass',
    ]
    assert list(labels.features['prompts'])[2] == 'water, sea'
    colors = labels.colormap.color_dict
    assert len({tuple(colors[value]) for value in (1, 2, 3)}) == 3
    assert colors[0][3] == 0
    recipe = labels.metadata['napari-naclip']
    assert recipe['model']['name'] == 'demo'
    assert recipe['classes'][1]['prompts'] == ['water', 'sea']
    # The run made its labels active; the next one looks at the image again.
    assert viewer.layers.selection.active is labels
    assert widget.image.image == image


def test_keyboard_runs(
    make_napari_viewer, open_widget, qtbot, wait_for_rest, picture
) -> None:
    viewer = make_napari_viewer(show=True)
    viewer.add_image(picture)
    widget = open_widget(viewer)
    widget.activateWindow()
    widget.classes.entry.setFocus()
    qtbot.waitUntil(widget.classes.entry.hasFocus)
    qtbot.keyClick(
        widget.classes.entry,
        Qt.Key.Key_Return,
        Qt.KeyboardModifier.ControlModifier,
    )
    assert wait_for_rest(widget).startswith('Done')
    assert len(viewer.layers) == 2


def test_keyboard_runs_the_model_that_is_being_typed(
    make_napari_viewer, open_widget, qtbot, wait_for_rest, picture
) -> None:
    viewer = make_napari_viewer(show=True)
    viewer.add_image(picture)
    widget = open_widget(viewer)
    widget.activateWindow()
    widget.model.model.setFocus()
    qtbot.keyClick(widget.model.model, Qt.Key.Key_End)
    widget.model.typed.setFocus()
    qtbot.waitUntil(widget.model.typed.hasFocus)
    qtbot.keyClicks(widget.model.typed, 'nothing/such')
    qtbot.keyClick(
        widget.model.typed,
        Qt.Key.Key_Return,
        Qt.KeyboardModifier.ControlModifier,
    )
    assert widget.model.model_request().name == 'nothing/such'
    assert "no architecture 'nothing'" in wait_for_rest(widget)


def test_background_row(
    make_napari_viewer, open_widget, qtbot, press, run, picture
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    widget = open_widget(viewer)
    assert not widget.classes.margin.isEnabled()
    press(widget.classes.background)
    assert widget.classes.margin.isEnabled()
    run(widget)
    labels = viewer.layers[-1]
    assert labels.features['class'][0] == 'background'
    without = np.count_nonzero(labels.data == 0)
    widget.classes.margin.setValue(0.2)
    run(widget)
    assert without < np.count_nonzero(labels.data == 0)


def test_background_as_first_class(
    make_napari_viewer, open_widget, run, picture
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    widget = open_widget(viewer, 'background, grass; sand')
    assert widget.classes.background.isChecked()
    run(widget)
    labels = viewer.layers[-1]
    assert list(labels.features['class']) == ['background', 'sand']
    assert labels.features['prompts'][0] == 'background, grass'
    assert 0 < np.count_nonzero(labels.data == 0) < labels.data.size


def test_what_stands_in_the_box_is_run(
    make_napari_viewer, open_widget, qtbot, run, picture
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    widget = open_widget(viewer, 'sand')
    qtbot.keyClicks(widget.classes.entry, 'water; grass')
    run(widget)
    assert list(viewer.layers[-1].features['class'])[1:] == [
        'sand',
        'water',
        'grass',
    ]
    assert widget.classes.entry.toPlainText() == ''


def test_unknown_words_are_told(
    make_napari_viewer, open_widget, run, picture
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    widget = open_widget(viewer, 'sand; walrus')
    run(widget)
    told = widget.panel.notices.text()
    assert not widget.panel.notices.isHidden()
    assert "'walrus'" in told
    assert 'water' in told


def test_single_class_is_told(
    make_napari_viewer, open_widget, run, picture
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    widget = open_widget(viewer, 'sand')
    widget.classes.controls.contrast.setChecked(False)
    run(widget)
    assert 'covers everything' in widget.panel.notices.text()
    assert (viewer.layers[-1].data == 1).all()


def test_missing_weights_are_offered_and_demo_accepted(
    make_napari_viewer,
    open_widget,
    press,
    run,
    wait_for_rest,
    picture,
    tmp_path,
    monkeypatch,
) -> None:
    monkeypatch.setattr(
        'huggingface_hub.constants.HF_HUB_CACHE', str(tmp_path)
    )
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    widget = open_widget(viewer)
    assert widget.offer.isHidden()
    widget.model.choose_model('ViT-B-16')
    assert 'not on this machine' in run(widget)
    assert not widget.offer.isHidden()
    assert '598 MB' in widget.offer.download.text()
    press(widget.offer.demo)
    assert wait_for_rest(widget).startswith('Done')
    assert widget.offer.isHidden()
    assert widget.model.model_request().name == 'demo'


def test_weights_from_a_file(
    qtbot,
    make_napari_viewer,
    open_widget,
    press,
    run,
    wait_for_rest,
    picture,
    tmp_path,
    monkeypatch,
) -> None:
    monkeypatch.setattr(
        'huggingface_hub.constants.HF_HUB_CACHE', str(tmp_path)
    )
    path = tmp_path / 'cut.safetensors'
    path.write_bytes(b'cut')
    monkeypatch.setattr(
        'qtpy.QtWidgets.QFileDialog.getOpenFileName',
        lambda *args, **kwargs: (str(path), ''),
    )
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    widget = open_widget(viewer)
    widget.model.choose_model('ViT-B-16')
    run(widget)
    with qtbot.waitSignal(widget.model.weights.looked, timeout=60_000):
        press(widget.offer.file)
    assert 'cut.safetensors is cut' in wait_for_rest(widget)


@pytest.mark.parametrize(
    ('text', 'told'),
    [
        ('', 'no class'),
        ('sand; ; water', 'empty'),
        ('" "', 'empty'),
        ('sand; Sand', 'twice'),
        ('sand; "water', 'quotation mark'),
    ],
)
def test_unusable_classes(
    make_napari_viewer, open_widget, run, picture, text, told
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    widget = open_widget(viewer, text)
    assert told in run(widget)
    assert len(viewer.layers) == 1


def test_no_image(make_napari_viewer, open_widget, run) -> None:
    viewer = make_napari_viewer()
    widget = open_widget(viewer)
    assert 'no image' in run(widget)


@pytest.mark.parametrize(
    'image',
    [
        np.full((20, 20), np.nan),
        np.zeros((20, 20), np.uint8),
        np.ones((1, 1)),
    ],
    ids=['nan', 'constant', 'one pixel'],
)
def test_unusable_images(make_napari_viewer, open_widget, run, image) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(image, contrast_limits=(0, 1))
    widget = open_widget(viewer)
    status = run(widget)
    assert status.startswith('The image')
    assert len(viewer.layers) == 1


def test_follows_active_image(
    make_napari_viewer, open_widget, picture
) -> None:
    viewer = make_napari_viewer()
    first = viewer.add_image(picture)
    widget = open_widget(viewer)
    assert widget.image.image == first
    second = viewer.add_image(picture)
    assert widget.image.image == second
    viewer.layers.selection.active = first
    assert widget.image.image == first
    points = viewer.add_points([[0, 0]])
    assert viewer.layers.selection.active is points
    assert widget.image.image == first
    viewer.layers.remove(first)
    assert widget.image.image == second


def test_opened_twice_is_one_dock(make_napari_viewer) -> None:
    viewer = make_napari_viewer()
    viewer.window.add_plugin_dock_widget('napari-naclip', 'Text segmentation')
    viewer.window.add_plugin_dock_widget('napari-naclip', 'Text segmentation')
    assert len(viewer.window.dock_widgets) == 1
