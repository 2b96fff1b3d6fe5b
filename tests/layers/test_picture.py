"""How values become a picture: limits, colors, composites."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_naclip.engine.errors import InputError
from napari_naclip.engine.pixels import to_rgb
from napari_naclip.engine.types import Settings
from napari_naclip.layers.picture import Picture
from napari_naclip.layers.read import take_snapshots

FULL = Settings(detail=None)
RNG = np.random.default_rng(0)


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


def see(snapshot) -> np.ndarray:
    """Return what the model gets to see."""
    wish = snapshot.adapt(FULL)
    return to_rgb(
        snapshot.read(),
        contrast_limits=wish.contrast_limits,
        gamma=wish.gamma,
    )


def test_range_is_one_for_all_planes(viewer: ViewerModel) -> None:
    data = RNG.integers(100, 200, (3, 8, 9)).astype(np.uint16)
    data[0, 0, 0], data[2, 1, 1] = 50, 1050
    image = viewer.add_image(data, contrast_limits=(0, 5), gamma=0.3)
    snapshots = take_snapshots(
        image, viewer, FULL, scope='all', picture=Picture('range')
    )
    assert len(snapshots) == 3
    for snapshot in snapshots:
        expected = (data[snapshot.index] - 50.0) / 1000 * 255
        np.testing.assert_allclose(see(snapshot)[..., 1], expected, rtol=1e-4)
    assert snapshots[1].describe()['limits'] == [[50, 1050]]
    viewer.dims.set_point(0, 1)
    (alone,) = take_snapshots(image, viewer, FULL, picture=Picture('range'))
    assert see(alone).max() == 255


def test_percentiles_leave_outliers_out(viewer: ViewerModel) -> None:
    data = RNG.random((40, 50)).astype(np.float32)
    data[0, 0], data[0, 1], data[0, 2] = 1e6, np.nan, -np.inf
    image = viewer.add_image(data, contrast_limits=(0, 1))
    (snapshot,) = take_snapshots(
        image, viewer, FULL, picture=Picture('percentiles')
    )
    low, high = np.percentile(data[np.isfinite(data)], (0.5, 99.5))
    expected = np.clip((data - low) / (high - low), 0, 1) * 255
    expected[0, :3] = 255, 0, 0
    np.testing.assert_allclose(see(snapshot)[..., 0], expected, atol=1e-3)


def test_limits_of_a_cut_region_are_its_own(viewer: ViewerModel) -> None:
    data = np.arange(400.0).reshape(20, 20)
    image = viewer.add_image(data)
    image.corner_pixels = np.array([[5, 5], [9, 9]])
    for fits, limits in ((True, [105, 189]), (False, [0, 399])):
        (snapshot,) = take_snapshots(
            image,
            viewer,
            FULL,
            scope='visible',
            fits_region=fits,
            picture=Picture('range'),
        )
        assert snapshot.describe()['limits'] == [limits]


def test_no_finite_value_is_said(viewer: ViewerModel) -> None:
    image = viewer.add_image(np.full((8, 9), np.nan), contrast_limits=(0, 1))
    (snapshot,) = take_snapshots(image, viewer, FULL, picture=Picture('range'))
    with pytest.raises(InputError, match='no finite value'):
        snapshot.read()


@pytest.mark.parametrize('order', [(0, 1), (1, 0)])
def test_colormap_is_napari_s(viewer: ViewerModel, order) -> None:
    data = RNG.integers(0, 60000, (30, 40)).astype(np.uint16)
    image = viewer.add_image(
        data, colormap='viridis', contrast_limits=(1e4, 4e4), gamma=0.5
    )
    viewer.dims.order = order
    (snapshot,) = take_snapshots(
        image, viewer, FULL, picture=Picture(channels='colormap')
    )
    shown = np.clip((data.astype(float) - 1e4) / 3e4, 0, 1) ** 0.5
    expected = image.colormap.map(shown.ravel())[:, :3].reshape(30, 40, 3)
    expected = expected.transpose(*order, 2)
    np.testing.assert_allclose(see(snapshot) / 255, expected, atol=0.02)


def test_composite_is_what_the_canvas_shows(make_napari_viewer, qtbot) -> None:
    viewer = make_napari_viewer(show=True)
    layers = [
        viewer.add_image(
            RNG.integers(0, 200, (2, 4, 4)).astype(np.uint8),
            name=name,
            colormap=name,
            blending='additive',
            opacity=opacity,
            contrast_limits=(20, 180),
            gamma=gamma,
        )
        for name, opacity, gamma in (
            ('green', 1.0, 1.0),
            ('magenta', 0.6, 0.7),
            ('blue', 0.9, 1.0),
        )
    ]
    layers[2].visible = False
    viewer.dims.set_point(0, 1)
    (snapshot,) = take_snapshots(
        layers[0], viewer, FULL, picture=Picture(channels='composite')
    )
    # With asynchronous slicing the canvas comes later than the data.
    qtbot.waitUntil(lambda: all(layer.loaded for layer in layers))
    shot = viewer.export_figure(scale_factor=8, flash=False)
    step = shot.shape[0] // 4
    canvas = shot[step // 2 :: step, step // 2 :: step, :3]
    np.testing.assert_allclose(see(snapshot), canvas[:4, :4], atol=3)


def test_others_are_left_out_of_a_composite(viewer: ViewerModel) -> None:
    data = RNG.random((8, 9))
    image = viewer.add_image(data, name='base', visible=False)
    viewer.add_image(data, name='same')
    viewer.add_image(data, name='moved', translate=(1, 0))
    viewer.add_image(data[:5], name='small')
    viewer.add_image(
        data, name='hidden and moved', scale=(2, 2), visible=False
    )
    viewer.add_labels(np.ones((8, 9), np.uint8), name='labels')
    (snapshot,) = take_snapshots(
        image, viewer, FULL, picture=Picture(channels='composite')
    )
    assert len(snapshot.channels) == 2
    assert snapshot.left_out == ('moved', 'small')


def test_color_images_stay_as_they_are(viewer: ViewerModel) -> None:
    data = RNG.integers(0, 255, (40, 50, 3)).astype(np.uint8)
    image = viewer.add_image(data)
    for channels in ('colormap', 'composite'):
        (snapshot,) = take_snapshots(
            image, viewer, FULL, picture=Picture(channels=channels)
        )
        np.testing.assert_array_equal(snapshot.read(), data)
    (snapshot,) = take_snapshots(image, viewer, FULL, picture=Picture('range'))
    assert snapshot.read().shape == data.shape


def test_opacity_of_a_color_image_survives_limits(viewer: ViewerModel) -> None:
    data = RNG.integers(0, 255, (40, 50, 4)).astype(np.uint8)
    image = viewer.add_image(data)
    (as_shown,) = take_snapshots(image, viewer, FULL)
    data[0, 0, :3], data[0, 1, :3] = 0, 255
    data[0, :2, 3] = 0, 255
    (snapshot,) = take_snapshots(image, viewer, FULL, picture=Picture('range'))
    np.testing.assert_allclose(see(snapshot), see(as_shown), atol=0.01)
