"""What happens during a run: cancel, deleted layers, closed windows, errors."""

from __future__ import annotations

import numpy as np
import pytest

from napari_naclip.engine.encoder import Encoder
from napari_naclip.engine.errors import InputError
from napari_naclip.ui import messages
from napari_naclip.ui.compute import SLOT


def test_cancel_leaves_labels(
    make_napari_viewer,
    open_widget,
    run,
    start_held,
    press,
    wait_for_rest,
    type_classes,
    picture,
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    widget = open_widget(viewer)
    hold = start_held(widget)
    assert not widget.panel.run.isEnabled()
    hold.go_on.set()
    wait_for_rest(widget)
    labels = viewer.layers[-1]
    before = labels.data.copy()

    type_classes(widget, 'grass; forest; road')
    hold = start_held(widget)
    press(widget.panel.cancel)
    assert widget.panel.status.text() == messages.CANCELLING
    hold.go_on.set()
    assert wait_for_rest(widget) == messages.CANCELLED
    np.testing.assert_array_equal(labels.data, before)
    assert list(labels.features['class']) == ['unlabeled', 'sand', 'water']


def test_cancelled_first_run_adds_nothing(
    make_napari_viewer, open_widget, start_held, press, wait_for_rest, picture
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    widget = open_widget(viewer)
    hold = start_held(widget)
    press(widget.panel.cancel)
    hold.go_on.set()
    assert wait_for_rest(widget) == messages.CANCELLED
    assert len(viewer.layers) == 1


def test_layer_of_a_run_that_never_loads_is_taken_back(
    make_napari_viewer,
    open_widget,
    run,
    press,
    hold_at,
    qtbot,
    wait_for_rest,
    picture,
    monkeypatch,
) -> None:
    """It is added before the model is loaded, which may be stopped or fail."""
    from napari_naclip.engine import models

    real = models._load_demo
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    widget = open_widget(viewer)
    # Loaded anew.
    monkeypatch.setattr(SLOT, '_key', None)
    hold = hold_at(models, '_load_demo')
    press(widget.panel.run)
    qtbot.waitUntil(hold.reached.is_set, timeout=60_000)
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=60_000)
    press(widget.panel.cancel)
    assert wait_for_rest(widget) == messages.CANCELLED
    assert len(viewer.layers) == 1
    hold.go_on.set()
    qtbot.waitUntil(lambda: not SLOT.is_taken, timeout=60_000)

    def fail():
        raise InputError('The file is no model.')

    monkeypatch.setattr(SLOT, '_key', None)
    monkeypatch.setattr(models, '_load_demo', fail)
    assert run(widget) == 'The file is no model.'
    assert len(viewer.layers) == 1
    monkeypatch.setattr(models, '_load_demo', real)
    assert run(widget).startswith('Done')
    assert len(viewer.layers) == 2


def test_no_layer_comes_and_goes_when_weights_are_missing(
    make_napari_viewer, open_widget, run, picture, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(
        'huggingface_hub.constants.HF_HUB_CACHE', str(tmp_path)
    )
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    added = []
    viewer.layers.events.inserted.connect(added.append)
    widget = open_widget(viewer)
    widget.model.choose_model('ViT-B-16')
    run(widget)
    assert not widget.offer.isHidden()
    assert not added


def test_deleted_image(
    make_napari_viewer, open_widget, start_held, wait_for_rest, picture
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    widget = open_widget(viewer)
    hold = start_held(widget)
    viewer.layers.clear()
    hold.go_on.set()
    assert wait_for_rest(widget) == messages.DROPPED_IMAGE
    assert len(viewer.layers) == 0


def test_replaced_image_data(
    make_napari_viewer, open_widget, start_held, wait_for_rest, picture
) -> None:
    viewer = make_napari_viewer()
    image = viewer.add_image(picture)
    widget = open_widget(viewer)
    hold = start_held(widget)
    image.data = picture[::-1].copy()
    hold.go_on.set()
    assert wait_for_rest(widget) == messages.DROPPED_IMAGE
    assert len(viewer.layers) == 1


def test_deleted_labels(
    make_napari_viewer, open_widget, start_held, wait_for_rest, picture
) -> None:
    viewer = make_napari_viewer()
    image = viewer.add_image(picture)
    widget = open_widget(viewer)
    hold = start_held(widget)
    hold.go_on.set()
    wait_for_rest(widget)
    hold = start_held(widget)
    viewer.layers.remove(viewer.layers[-1])
    hold.go_on.set()
    assert wait_for_rest(widget) == messages.DROPPED_LABELS
    assert list(viewer.layers) == [image]


def test_brush_stroke_during_run(
    make_napari_viewer,
    open_widget,
    run,
    start_held,
    wait_for_rest,
    type_classes,
    picture,
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    widget = open_widget(viewer)
    hold = start_held(widget)
    hold.go_on.set()
    wait_for_rest(widget)
    labels = viewer.layers[-1]
    type_classes(widget, 'grass; forest')
    hold = start_held(widget)
    stroke = 3 - int(labels.data[30, 30])
    labels.paint((30, 30), stroke)
    hold.go_on.set()
    wait_for_rest(widget)
    assert labels.data[30, 30] == stroke


def test_turned_to_3d(
    make_napari_viewer, open_widget, start_held, run, wait_for_rest, picture
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(np.stack([picture[..., 0]] * 3))
    widget = open_widget(viewer)
    hold = start_held(widget)
    viewer.dims.ndisplay = 3
    hold.go_on.set()
    assert wait_for_rest(widget).startswith('Done')
    assert viewer.layers[-1].data.shape == (3, 96, 128)
    assert 'Switch to 2-D' in run(widget)


def test_closed_dock(
    make_napari_viewer, open_widget, start_held, qtbot, picture
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    widget = open_widget(viewer)
    hold = start_held(widget)
    viewer.window.remove_dock_widget(widget)
    hold.go_on.set()
    qtbot.waitUntil(lambda: not SLOT.is_taken, timeout=60_000)
    qtbot.wait(200)
    assert len(viewer.layers) == 1


def test_closed_window(
    make_napari_viewer, open_widget, start_held, qtbot, picture
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    widget = open_widget(viewer)
    hold = start_held(widget)
    viewer.close()
    hold.go_on.set()
    qtbot.waitUntil(lambda: not SLOT.is_taken, timeout=60_000)


def test_worker_error_is_one_line(
    make_napari_viewer, open_widget, run, monkeypatch, picture
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    widget = open_widget(viewer)

    def fail(self, batch):
        raise RuntimeError('the disk is on fire')

    dispatched = []
    monkeypatch.setattr(
        'napari_naclip.ui.director.notification_manager.dispatch',
        dispatched.append,
    )
    with monkeypatch.context() as patch:
        patch.setattr(Encoder, '_tokens', fail)
        assert 'the disk is on fire' in run(widget)
    assert len(dispatched) == 1
    assert len(viewer.layers) == 1
    # And the next run works.
    assert run(widget).startswith('Done')


def test_out_of_memory_is_told(
    make_napari_viewer, open_widget, run, monkeypatch, picture
) -> None:
    import torch

    def fail(self, batch):
        raise torch.OutOfMemoryError('CUDA out of memory')

    viewer = make_napari_viewer()
    viewer.add_image(picture)
    widget = open_widget(viewer)
    monkeypatch.setattr(Encoder, '_tokens', fail)
    assert 'not enough memory' in run(widget)


def test_two_viewers_take_turns(
    make_napari_viewer,
    open_widget,
    start_held,
    press,
    qtbot,
    wait_for_rest,
    picture,
) -> None:
    first_viewer, second_viewer = make_napari_viewer(), make_napari_viewer()
    first_viewer.add_image(picture)
    second_viewer.add_image(picture)
    first, second = open_widget(first_viewer), open_widget(second_viewer)
    hold = start_held(first)
    press(second.panel.run)
    qtbot.waitUntil(
        lambda: 'another run' in second.panel.status.text(), timeout=60_000
    )
    press(second.panel.cancel)
    assert wait_for_rest(second) == messages.CANCELLED
    press(second.panel.run)
    hold.go_on.set()
    assert wait_for_rest(first).startswith('Done')
    assert wait_for_rest(second).startswith('Done')
    np.testing.assert_array_equal(
        first_viewer.layers[-1].data, second_viewer.layers[-1].data
    )


@pytest.mark.parametrize('when', ['before', 'after'])
def test_new_run_after_abandoned_one(
    make_napari_viewer,
    open_widget,
    start_held,
    qtbot,
    wait_for_rest,
    when,
    picture,
) -> None:
    """A late result of a run that was given up is no result of the next."""
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    widget = open_widget(viewer, 'grass; forest')
    hold = start_held(widget)
    viewer.window.remove_dock_widget(widget)
    if when == 'before':
        hold.go_on.set()
        qtbot.waitUntil(lambda: not SLOT.is_taken, timeout=60_000)
    viewer.window.add_dock_widget(widget)
    widget.panel.run.click()
    hold.go_on.set()
    assert wait_for_rest(widget).startswith('Done')
    assert len(viewer.layers) == 2
