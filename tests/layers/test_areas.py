"""Areas in world units."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_naclip.layers.areas import class_areas, shown_plane


@pytest.fixture
def data() -> np.ndarray:
    data = np.zeros((3, 10, 10), np.uint8)
    data[1, :2, :5] = 1
    data[1, 5, 5] = 7
    return data


def areas(data: np.ndarray, order=(0, 1, 2), **options) -> dict[int, str]:
    viewer = ViewerModel()
    labels = viewer.add_labels(data, **options)
    viewer.dims.order = order
    for axis, position in enumerate(labels.data_to_world((1, 1, 1))):
        viewer.dims.set_point(axis, position)
    return class_areas(labels, shown_plane(labels, viewer))


def test_areas_of_the_shown_plane(data) -> None:
    assert areas(data) == {0: '89 px', 1: '10 px', 7: '1 px'}
    # The row 1 of every plane: five pixels of class 1 in plane 1.
    assert areas(data, (1, 0, 2)) == {0: '25 px', 1: '5 px'}


def test_areas_in_world_units(data) -> None:
    found = areas(data, scale=(9, 0.5, 0.7), units='um', rotate=(0, 0, 30))
    assert found == {0: '31.1 µm²', 1: '3.5 µm²', 7: '0.35 µm²'}
    found = areas(data, scale=(9, 30, 40), units='m', translate=(5, 6, 7))
    assert found[0] == '106,800 m²'


def test_areas_with_a_unit_for_each_axis(data) -> None:
    found = areas(data, scale=(1, 2, 0.003), units=('s', 'um', 'mm'))
    assert found[7] == '6e-06 mm²'
    found = areas(data, scale=(1, 2, 3), units=('um', 'pixel', 's'))
    assert found[1].startswith('60 ')


def test_shear_keeps_areas(data) -> None:
    assert areas(data, shear=(0, 0, 0.7))[1] == '10 px'


def test_no_plane_is_shown() -> None:
    viewer = ViewerModel()
    labels = viewer.add_labels(np.zeros((3, 10, 10), np.uint8))
    viewer.add_image(np.zeros((9, 10, 10)))
    viewer.dims.set_point(0, 8)
    assert shown_plane(labels, viewer) is None
    viewer.dims.set_point(0, 1)
    assert shown_plane(labels, viewer) is not None
    viewer.dims.ndisplay = 3
    assert shown_plane(labels, viewer) is None
