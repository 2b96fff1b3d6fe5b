"""Maps lie where their labels are."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_naclip.engine.types import Region
from napari_naclip.layers.maps import (
    MOST_SIDE,
    MapLayer,
    PlaneMap,
    is_map,
    step_for,
    take_every,
)


@pytest.fixture
def viewer() -> ViewerModel:
    made = ViewerModel()
    made.add_image(np.zeros((3, 40, 60)), scale=(2, 3, 3), rotate=15)
    made.add_labels(
        np.zeros((3, 40, 60), int),
        scale=(2, 3, 3),
        rotate=15,
        translate=(7, 8, 9),
    )
    return made


def test_a_part_lies_on_its_pixels(viewer: ViewerModel) -> None:
    image, labels = viewer.layers
    shown = PlaneMap(
        (1, slice(None), slice(None)),
        Region(10, 20, 30, 50),
        1,
        np.ones((20, 30), np.float16),
    )
    made = MapLayer('magma')
    steps = made.show(viewer, labels, 'a map', shown)
    assert not made.layer.visible
    for _ in steps:
        pass
    assert made.layer.visible
    assert list(viewer.layers) == [image, labels, made.layer]
    assert viewer.layers.selection.active is labels
    assert is_map(made.layer)
    assert not is_map(image)
    for pixel in [(0, 0, 0), (0, 19, 29)]:
        np.testing.assert_allclose(
            made.layer.data_to_world(pixel),
            labels.data_to_world((1, pixel[1] + 10, pixel[2] + 20)),
            atol=1e-6,
        )
    made.hide(viewer)
    assert list(viewer.layers) == [image, labels]
    # What is taken away in between does not come back.
    steps = made.show(viewer, labels, 'a map', shown)
    gone = made.layer
    made.hide(viewer)
    assert list(steps) == [None]
    assert not gone.visible


def test_what_the_person_set_stays(viewer: ViewerModel) -> None:
    labels = viewer.layers[1]
    plane = (0, slice(None), slice(None))
    made = MapLayer('magma')
    whole = Region(0, 0, 40, 60)
    values = np.zeros((40, 60), np.float16)
    made.show(viewer, labels, 'one', PlaneMap(plane, whole, 1, values))
    first = made.layer
    first.opacity, first.visible = 0.2, False
    part = PlaneMap((2, *plane[1:]), Region(0, 0, 5, 6), 1, values[:5, :6])
    made.show(viewer, labels, 'other', part)
    assert made.layer is first
    assert (first.name, first.opacity, first.visible) == ('other', 0.2, False)
    assert first.data.shape == (1, 5, 6)
    viewer.layers.remove(first)
    made.show(viewer, labels, 'again', part)
    assert made.layer is not first


def test_it_takes_units_and_axes_of_other_labels(viewer: ViewerModel) -> None:
    made = MapLayer('magma')
    plane = (0, slice(None), slice(None))
    values = np.zeros((40, 60), np.float16)
    shown = PlaneMap(plane, Region(0, 0, 40, 60), 1, values)
    for unit in ('um', 'nm'):
        labels = viewer.layers[-1]
        labels.units = ('s', unit, unit)
        labels.axis_labels = ('t', unit, 'x')
        made.show(viewer, labels, 'a map', shown)
        assert made.layer.units == labels.units
        assert made.layer.axis_labels == labels.axis_labels


@pytest.mark.parametrize('size', [(1, 1), (40, 60), (MOST_SIDE + 1, 7)])
def test_large_maps_are_thinned(size: tuple[int, int]) -> None:
    step = step_for(size)
    values = np.add.outer(np.arange(size[0]), np.arange(size[1]))
    thin = take_every(values, step)
    assert max(thin.shape) <= MOST_SIDE
    assert thin.shape == tuple(-(-side // step) for side in size)
    assert thin[0, 0] == min(step // 2, size[0] - 1) + min(
        step // 2, size[1] - 1
    )
