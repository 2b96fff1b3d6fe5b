"""A part of a plane comes into the middle of the canvas."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_naclip.engine.types import Region
from napari_naclip.layers.view import look_at


def camera_of(viewer):
    return getattr(viewer, 'scene', viewer).camera


@pytest.mark.parametrize('scale', [1.0, 0.01])
def test_it_centers_and_zooms(scale) -> None:
    viewer = ViewerModel()
    labels = viewer.add_labels(
        np.zeros((400, 600), int), scale=(scale, scale), translate=(5, 9)
    )
    plane = (slice(None), slice(None))
    look_at(viewer, labels, plane, Region(100, 200, 300, 260))
    camera = camera_of(viewer)
    np.testing.assert_allclose(
        camera.center[-2:],
        (5 + 199.5 * scale, 9 + 229.5 * scale),
    )
    wide = camera.zoom
    # The part takes the same share of the canvas, whatever the unit.
    canvas = np.array(viewer.canvas.size)
    assert wide * scale == pytest.approx((0.4 * canvas / [200, 60]).min())
    look_at(viewer, labels, plane, Region(100, 200, 150, 250))
    assert camera.zoom * scale == pytest.approx(0.4 * canvas.min() / 50)
    look_at(viewer, labels, plane, Region(100, 200, 101, 201))
    # Not closer than what is needed to tell what it is.
    assert camera.zoom * 48 * scale == pytest.approx(canvas.min())


def test_exchanged_axes_and_planes() -> None:
    viewer = ViewerModel()
    labels = viewer.add_labels(np.zeros((3, 40, 60), int))
    viewer.dims.order = (0, 2, 1)
    viewer.dims.set_point(0, 2)
    look_at(
        viewer, labels, (2, slice(None), slice(None)), Region(0, 20, 10, 40)
    )
    np.testing.assert_allclose(camera_of(viewer).center[-2:], (29.5, 4.5))


def test_labels_in_another_unit_than_the_viewer() -> None:
    viewer = ViewerModel()
    viewer.add_image(np.zeros((4, 6)), scale=(100, 100), units=('nm', 'nm'))
    labels = viewer.add_labels(np.zeros((40, 60), int), units=('um', 'um'))
    if getattr(viewer.layers, 'units', None) is None:
        pytest.skip('this napari knows no units of a viewer')
    factor = (1 * labels.units[0]).to(viewer.layers.units[0]).magnitude
    assert factor != 1
    plane = (slice(None), slice(None))
    # All of it: where napari itself looks at all layers.
    look_at(viewer, labels, plane, Region(0, 0, 40, 60))
    camera = camera_of(viewer)
    np.testing.assert_allclose(
        camera.center[-2:], np.array([19.5, 29.5]) * factor
    )
    canvas = np.array(viewer.canvas.size)
    assert camera.zoom * factor == pytest.approx(
        min((0.4 * canvas / [40, 60]).min(), canvas.min() / 48)
    )
    center = camera.center
    viewer.reset_view()
    np.testing.assert_allclose(camera.center[-2:], center[-2:], rtol=0.1)
