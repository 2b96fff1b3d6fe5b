"""Stacks and other odd images: what is finished stays, the rest is told."""

from __future__ import annotations

import numpy as np
import pytest

from napari_naclip.engine.encoder import Encoder
from napari_naclip.io.kept_features import shared_store
from napari_naclip.ui import messages


@pytest.fixture
def stack(picture) -> np.ndarray:
    """Return three different planes."""
    return np.stack([picture[..., 0], picture[::-1, :, 1], picture[..., 2]])


def choose_scope(widget, scope: str) -> None:
    """Choose what a run segments."""
    box = widget.image.scope_box
    box.setCurrentIndex(box.findData(scope))


@pytest.mark.parametrize('blank', [(0,), (1,), (0, 2)])
def test_blank_planes_are_left_out(
    make_napari_viewer, open_widget, run, stack, blank
) -> None:
    stack[list(blank)] = 7
    viewer = make_napari_viewer()
    viewer.add_image(stack)
    widget = open_widget(viewer)
    choose_scope(widget, 'all')
    assert run(widget).startswith('Done')
    assert f'{len(blank)} of 3 planes' in widget.panel.notices.text()
    labels = viewer.layers[-1].data
    for plane in range(3):
        assert labels[plane].any() == (plane not in blank)


def test_stack_of_blank_planes_is_an_error(
    make_napari_viewer, open_widget, run, stack
) -> None:
    stack[:] = 7
    viewer = make_napari_viewer()
    viewer.add_image(stack, contrast_limits=(0, 255))
    widget = open_widget(viewer)
    choose_scope(widget, 'all')
    assert 'constant' in run(widget)
    assert len(viewer.layers) == 1


def test_failure_in_the_second_plane_keeps_the_first(
    make_napari_viewer, open_widget, run, stack, monkeypatch
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(stack)
    viewer.dims.set_point(0, 2)
    widget = open_widget(viewer)
    choose_scope(widget, 'all')
    real, calls = Encoder._tokens, []

    def fail(self, batch):
        calls.append(len(batch))
        if len(calls) > first:
            raise RuntimeError('the disk is on fire')
        return real(self, batch)

    monkeypatch.setattr(
        'napari_naclip.ui.director.notification_manager.dispatch',
        lambda _: None,
    )
    first = 10**6
    with monkeypatch.context() as patch:
        patch.setattr(Encoder, '_tokens', fail)
        run(widget)
        first = len(calls) // 3
        viewer.layers.pop()
        calls.clear()
        shared_store().clear()
        assert 'the disk is on fire' in run(widget)
    labels = viewer.layers[-1].data
    # The plane on the screen was the first.
    assert labels[2].all()
    assert not labels[:2].any()
    assert run(widget).startswith('Done')
    assert labels.all()
    assert len(viewer.layers) == 2


def test_locked_background_leaves_room_for_the_first_result(
    make_napari_viewer, open_widget, run, picture
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    widget = open_widget(viewer, 'background, grass; sand; water')
    model = widget.classes.table.model()
    model.set_locked((0,), is_locked=True)
    run(widget)
    labels = viewer.layers[-1].data
    assert labels.any()
    # Now it is what a person wants to keep.
    labels[:40] = 0
    run(widget)
    assert not labels[:40].any()


def test_labels_of_another_shape_are_left_alone(
    make_napari_viewer, open_widget, run, stack
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(stack)
    widget = open_widget(viewer)
    run(widget)
    labels = viewer.layers[-1]
    labels.data = np.ones((2, 10, 10), np.int32)
    assert run(widget).startswith('Done')
    assert len(viewer.layers) == 3
    assert (labels.data == 1).all()
    assert widget.panel.status.text() != messages.DROPPED_LABELS


def test_more_classes_than_8_bits_hold(
    make_napari_viewer, open_widget, run, stack
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(stack[0])
    widget = open_widget(viewer, 'sand; water')
    run(widget)
    labels = viewer.layers[-1]
    assert labels.data.dtype == np.uint8
    labels.paint((30, 30), 2)
    painted = labels.data[30, 30]
    widget.classes.add_text('; '.join(f'thing {i}' for i in range(300)))
    run(widget)
    assert labels.data.dtype == np.uint16
    assert labels.data[30, 30] == painted
    assert len(viewer.layers) == 2
    assert len(labels.features) == 303


@pytest.mark.parametrize('color', ['rgb', 'rgba', 'transposed', 'pyramid'])
def test_odd_images_in_every_scope(
    make_napari_viewer, open_widget, run, picture, color
) -> None:
    viewer = make_napari_viewer()
    if color == 'rgba':
        opaque = np.full((*picture.shape[:2], 1), 255, np.uint8)
        viewer.add_image(np.concatenate([picture, opaque], axis=-1))
    elif color == 'transposed':
        planes = np.stack([picture[..., 0]] * 2)
        viewer.add_image(planes, scale=(3, 2, 1), units=('um', 'um', 'um'))
        viewer.dims.order = (0, 2, 1)
    elif color == 'pyramid':
        viewer.add_image([picture, picture[::2, ::2]], multiscale=True)
    else:
        viewer.add_image(picture, rotate=20)
    shapes = viewer.add_shapes(
        [np.array([[10, 10], [10, 60], [50, 60], [50, 10]])],
        shape_type='polygon',
    )
    widget = open_widget(viewer)
    for scope in ('plane', 'visible', 'all', 'shapes'):
        choose_scope(widget, scope)
        widget.image.fit_box.setChecked(scope == 'shapes')
        widget._show_preview()
        assert 'window' in widget.image.summary.text()
        assert run(widget).startswith('Done'), widget.panel.status.text()
    assert shapes in viewer.layers
