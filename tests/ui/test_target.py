"""Which of several Labels layers of one image is written to."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from napari.layers._layer_actions import _duplicate_layer

TIMEOUT = 60_000


@pytest.fixture
def settle(qtbot):
    """Return a function that waits until labels follow no change any more."""

    def settle(widget) -> None:
        qtbot.wait(50)
        qtbot.waitUntil(lambda: not widget._live.is_busy, timeout=TIMEOUT)

    return settle


@pytest.fixture
def opened(make_napari_viewer, open_widget, run, picture, press, settle):
    """Return a viewer, its widget and labels with unlabeled parts."""
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    widget = open_widget(viewer, 'sand; water; grass')
    run(widget)
    settle(widget)
    press(widget.classes.background)
    widget.classes.margin.setValue(0.06)
    settle(widget)
    labels = viewer.layers[-1]
    assert (labels.data == 0).any()
    return viewer, widget, labels


def _back_up(viewer, labels):
    viewer.layers.selection = {labels}
    _duplicate_layer(viewer.layers)
    copy = viewer.layers[-1]
    assert copy is not labels
    viewer.layers.selection.active = copy
    viewer.layers.selection.active = labels
    return copy


def test_live_changes_go_to_the_selected_layer(opened, settle) -> None:
    viewer, widget, labels = opened
    copy = _back_up(viewer, labels)
    kept = copy.data.copy()
    widget.classes.margin.setValue(0)
    settle(widget)
    assert (labels.data != 0).all()
    np.testing.assert_array_equal(copy.data, kept)


def test_a_run_leaves_a_backup_alone(opened, run, settle) -> None:
    viewer, widget, labels = opened
    copy = _back_up(viewer, labels)
    kept = copy.data.copy()
    widget.options.live.click()
    widget.classes.margin.setValue(0)
    run(widget)
    settle(widget)
    assert len(viewer.layers) == 3
    assert (labels.data != 0).all()
    np.testing.assert_array_equal(copy.data, kept)


def test_a_selected_copy_is_written_to(opened, run, settle) -> None:
    viewer, widget, labels = opened
    copy = _back_up(viewer, labels)
    viewer.layers.selection.active = copy
    kept = labels.data.copy()
    widget.classes.margin.setValue(0)
    run(widget)
    settle(widget)
    assert len(viewer.layers) == 3
    assert (copy.data != 0).all()
    np.testing.assert_array_equal(labels.data, kept)


def test_a_backup_takes_no_other_classes(opened) -> None:
    """Where the shown layer may not be updated, a new one is to be made."""
    viewer, widget, labels = opened
    _back_up(viewer, labels)
    request = widget._requests.make(widget._sync.result, may_download=False)
    result = request.target
    assert result is not None
    assert result.labels == labels
    # A class that only the shown layer has: its value is taken there.
    result.rows[9] = dataclasses.replace(result.rows[1], value=9)
    row = dataclasses.replace(result.rows[1], value=9, name='road')
    found = widget._session.results.find_target(
        viewer, request.image, request.snapshots[0], [row], result
    )
    assert found is None


def test_two_details_of_one_image(
    make_napari_viewer, open_widget, run, picture, settle
) -> None:
    viewer = make_napari_viewer()
    big = picture.repeat(8, 0).repeat(8, 1)
    viewer.add_image([big, big[::2, ::2]], multiscale=True)
    widget = open_widget(viewer, 'sand; water; grass')
    layers = {}
    for detail in (336, 'full'):
        widget.image.set_state({'detail': detail})
        run(widget)
        settle(widget)
        layers[detail] = viewer.layers[-1]
    low, high = layers[336], layers['full']
    assert low.data.shape != high.data.shape

    # What is selected follows, though the other is newer.
    viewer.layers.selection.active = low
    kept, before = high.data.copy(), low.data.copy()
    widget.image.set_state({'detail': 336})
    widget.classes.background.click()
    widget.classes.margin.setValue(0.06)
    settle(widget)
    assert (low.data != before).any()
    np.testing.assert_array_equal(high.data, kept)
    run(widget)
    np.testing.assert_array_equal(high.data, kept)
    assert list(viewer.layers)[1:] == [low, high]

    # The plane has a place only in the one that is not selected.
    widget.image.set_state({'detail': 'full'})
    run(widget)
    settle(widget)
    assert list(viewer.layers)[1:] == [low, high]
    assert (high.data != kept).any()


def test_labels_lie_on_an_image_that_was_scaled(
    make_napari_viewer, open_widget, run, picture
) -> None:
    viewer = make_napari_viewer()
    image = viewer.add_image(np.stack([picture[..., 0], picture[..., 1]] * 2))
    viewer.dims.set_point(0, 0)
    widget = open_widget(viewer, 'sand; water; grass')
    run(widget)
    labels = viewer.layers[-1]
    labels.paint((0, 40, 40), 3)
    painted = labels.data[0].copy()
    image.scale = (3, 0.5, 0.5)
    image.translate = (0, 10, 20)
    image.rotate = [[1, 0, 0], [0, 0.6, -0.8], [0, 0.8, 0.6]]
    image.units = ('um', 'um', 'um')
    viewer.dims.set_point(0, 6)
    run(widget)
    assert viewer.layers[-1] == labels
    assert len(viewer.layers) == 2
    for name in ('scale', 'translate', 'rotate', 'shear'):
        np.testing.assert_allclose(
            getattr(labels, name), getattr(image, name), atol=1e-9
        )
    assert labels.units == image.units
    # What is written is what is shown, and nothing was lost.
    assert viewer.dims.point[0] == 6
    assert [bool(plane.any()) for plane in labels.data] == [1, 0, 1, 0]
    np.testing.assert_array_equal(labels.data[0], painted)
