"""The outline lies where the part of the result lies, whatever its place."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_naclip.engine.types import Region
from napari_naclip.layers.blocks import reduce_mask
from napari_naclip.layers.outline import Outline, reduction_of

PLACES = {
    'plain': {},
    'scaled': {'scale': (2.0, 0.5), 'translate': (7.0, -3.0)},
    'turned': {'rotate': 30.0, 'shear': (0.3,), 'scale': (2.0, 3.0)},
    'affine': {
        'affine': np.array([[1.0, 0.4, 5], [-0.2, 2.0, 1], [0, 0, 1]]),
        'translate': (1.0, 2.0),
    },
}


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


def show(outline, viewer, labels, plane, region, mask) -> None:
    """Outline a mask, reduced as it has to be."""
    step = reduction_of(mask.shape)
    for _ in outline.show(
        viewer,
        labels,
        plane,
        (region.top, region.left),
        reduce_mask(mask, step),
        step,
    ):
        pass


def corner(mask: np.ndarray) -> np.ndarray:
    """Return the first pixel that is set, along all axes."""
    return np.argwhere(mask)[0].astype(float)


@pytest.mark.parametrize('place', PLACES)
@pytest.mark.parametrize('height', [40, 3000])
def test_it_lies_on_the_part(viewer, place, height) -> None:
    labels = viewer.add_labels(
        np.zeros((height + 50, 60), int), **PLACES[place]
    )
    mask = np.zeros((height, 20), bool)
    mask[8:, 4:] = True
    outline = Outline('region')
    show(
        outline,
        viewer,
        labels,
        (slice(None), slice(None)),
        Region(10, 5, 10 + height, 25),
        mask,
    )
    layer = viewer.layers['region']
    step = round(float(layer.scale[0] / labels.scale[0]))
    assert (step > 1) == (height > 1000)
    # The center of the first set pixel is that of the pixels that it covers.
    first = corner(layer.data == 1)
    expected = np.array([18.0, 9.0]) + (step - 1) / 2
    expected -= np.array([8.0, 4.0]) % step
    np.testing.assert_allclose(
        layer.data_to_world(first), labels.data_to_world(expected), rtol=1e-6
    )
    assert max(layer.data.shape) <= 520


def test_it_lies_in_its_plane_and_is_one_layer(viewer) -> None:
    labels = viewer.add_labels(np.zeros((4, 30, 50), int), scale=(3, 1, 1))
    viewer.add_image(np.zeros((4, 30, 50)))
    viewer.layers.selection.active = labels
    outline = Outline('region')
    for plane, top in ((2, 5), (3, 8)):
        show(
            outline,
            viewer,
            labels,
            (plane, slice(None), slice(None)),
            Region(top, 6, top + 4, 10),
            np.ones((4, 4), bool),
        )
        layer = viewer.layers['region']
        assert viewer.layers.selection.active is labels
        np.testing.assert_allclose(
            layer.data_to_world(corner(layer.data == 1)),
            (plane * 3, top, 6),
        )
    assert len(viewer.layers) == 3


def test_a_removed_outline_comes_back_and_goes(viewer) -> None:
    labels = viewer.add_labels(np.zeros((30, 50), int))
    outline = Outline('region')

    def show_it() -> None:
        show(
            outline,
            viewer,
            labels,
            (slice(None), slice(None)),
            Region(0, 0, 4, 4),
            np.ones((4, 4), bool),
        )

    show_it()
    viewer.layers.remove('region')
    show_it()
    assert 'region' in viewer.layers
    outline.pause(viewer)
    assert not viewer.layers['region'].visible
    show_it()
    assert viewer.layers['region'].visible
    outline.remove(viewer)
    assert list(viewer.layers) == [labels]
    outline.remove(viewer)


def test_it_takes_units_and_axes_of_another_result(viewer) -> None:
    outline = Outline('region')
    for unit, axes in (('um', ('y', 'x')), ('nm', ('z', 'x'))):
        labels = viewer.add_labels(
            np.zeros((30, 50), int),
            units=(unit, unit),
            axis_labels=axes,
            scale=(2, 2),
        )
        show(
            outline,
            viewer,
            labels,
            (slice(None), slice(None)),
            Region(5, 6, 9, 10),
            np.ones((4, 4), bool),
        )
        assert viewer.layers['region'].units == labels.units
        assert viewer.layers['region'].axis_labels == axes


def test_the_extent_of_all_layers_stays(viewer) -> None:
    labels = viewer.add_labels(np.zeros((900, 1300), int), scale=(2, 2))
    seen = []
    viewer.dims.events.range.connect(lambda _: seen.append(viewer.dims.range))
    outline = Outline('region')
    for region in (
        Region(0, 0, 40, 50),
        Region(860, 1200, 900, 1300),
        Region(0, 0, 900, 1300),
        Region(899, 0, 900, 1300),
        Region(10, 1290, 890, 1300),
    ):
        show(
            outline,
            viewer,
            labels,
            (slice(None), slice(None)),
            region,
            np.ones(region.size, bool),
        )
        assert (viewer.layers['region'].data == 1).any()
    assert seen == []
