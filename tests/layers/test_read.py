"""What is seen of a layer: plane, level, limits, and what is refused."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from napari.components import ViewerModel

from napari_naclip.engine.errors import InputError
from napari_naclip.engine.pixels import to_rgb
from napari_naclip.engine.types import Settings
from napari_naclip.layers.read import take_snapshot


def test_plane_under_the_sliders() -> None:
    data = np.arange(4 * 3 * 5 * 6).reshape(4, 3, 5, 6)
    viewer = ViewerModel()
    image = viewer.add_image(data, scale=(2, 3, 1, 1), translate=(7, 0, 0, 0))
    viewer.dims.set_point(0, 7 + 2 * 2)
    viewer.dims.set_point(1, 3 * 1)
    snapshot = take_snapshot(image, viewer, Settings())
    assert snapshot.plane_key == (2, 1)
    np.testing.assert_array_equal(snapshot.read(), data[2, 1])


def test_plane_of_a_layer_in_other_units() -> None:
    data = np.zeros((6, 20, 20))
    data[4] = 1
    viewer = ViewerModel()
    viewer.add_image(
        np.zeros((6000, 20, 20)), units='nm', scale=(1, 1000, 1000)
    )
    image = viewer.add_image(data, units='um', contrast_limits=(0, 1))
    viewer.dims.set_point(0, 4000)
    snapshot = take_snapshot(image, viewer, Settings())
    assert snapshot.plane_key == (4,)
    assert snapshot.read().min() == 1


def test_layer_with_fewer_axes_than_the_viewer() -> None:
    viewer = ViewerModel()
    viewer.add_image(np.zeros((9, 20, 20)))
    image = viewer.add_image(np.eye(20))
    viewer.dims.set_point(0, 5)
    snapshot = take_snapshot(image, viewer, Settings())
    np.testing.assert_array_equal(snapshot.read(), np.eye(20))


def test_lazy_arrays_are_read_a_plane_at_a_time() -> None:
    read = []

    def make(block_info=None):
        at = block_info[None]['chunk-location'][0]
        read.append(at)
        return np.full((1, 8, 9), at)

    data = da.map_blocks(make, chunks=((1,) * 5, (8,), (9,)), dtype=np.int64)
    viewer = ViewerModel()
    image = viewer.add_image(data, contrast_limits=(0, 5))
    viewer.dims.set_point(0, 3)
    read.clear()
    snapshot = take_snapshot(image, viewer, Settings())
    assert read == []
    plane = snapshot.read()
    assert read == []
    assert (plane[2:4, 5:8] == np.full((2, 3), 3)).all()
    assert read == [3]
    assert (np.asarray(plane) == 3).all()
    assert set(read) == {3}


@pytest.mark.parametrize(
    ('detail', 'level'), [(None, 0), (336, 0), (100, 1), (60, 2), (20, 2)]
)
def test_level_that_fits(detail: int | None, level: int) -> None:
    levels = [np.random.default_rng(0).random((n, n)) for n in (320, 160, 80)]
    viewer = ViewerModel()
    image = viewer.add_image(levels, multiscale=True)
    snapshot = take_snapshot(image, viewer, Settings(detail=detail))
    assert snapshot.level == level
    np.testing.assert_array_equal(snapshot.read(), levels[level])


def test_what_is_seen_is_what_is_segmented() -> None:
    """Limits and gamma make the picture that napari shows."""
    data = np.random.default_rng(0).integers(0, 60000, (30, 40)).astype('u2')
    viewer = ViewerModel()
    image = viewer.add_image(data, contrast_limits=(10000, 40000), gamma=0.5)
    snapshot = take_snapshot(image, viewer, Settings())
    picture = to_rgb(
        snapshot.read(),
        contrast_limits=snapshot.contrast_limits,
        gamma=snapshot.gamma,
    )
    shown = np.clip((data.astype(float) - 10000) / 30000, 0, 1) ** 0.5
    expected = image.colormap.map(shown.ravel())[:, :3].reshape(30, 40, 3)
    np.testing.assert_allclose(picture / 255, expected, atol=0.005)


def test_three_dimensions_are_refused() -> None:
    viewer = ViewerModel(ndisplay=3)
    image = viewer.add_image(np.zeros((4, 20, 20)))
    with pytest.raises(InputError, match='Switch to 2-D'):
        take_snapshot(image, viewer, Settings())


def test_plane_beyond_the_layer_is_refused() -> None:
    viewer = ViewerModel()
    viewer.add_image(np.zeros((9, 20, 20)))
    image = viewer.add_image(np.zeros((3, 20, 20)))
    viewer.dims.set_point(0, 7)
    with pytest.raises(InputError, match='sliders'):
        take_snapshot(image, viewer, Settings())


def test_axes_that_the_layer_does_not_have_are_refused() -> None:
    viewer = ViewerModel()
    viewer.add_image(np.zeros((9, 20, 20)))
    image = viewer.add_image(np.eye(20))
    viewer.dims.order = (1, 0, 2)
    with pytest.raises(InputError, match='order of the axes'):
        take_snapshot(image, viewer, Settings())


@pytest.mark.filterwarnings('ignore:Non-orthogonal slicing')
def test_plane_of_a_sheared_stack_is_napari_s() -> None:
    data = np.arange(6)[:, None, None] * np.ones((6, 30, 30))
    viewer = ViewerModel()
    image = viewer.add_image(
        data, shear=(0.6, 0.3, 0.2), scale=(2, 1, 1), translate=(1, 5, 9)
    )
    seen = 0
    for step in range(int(viewer.dims.nsteps[0])):
        viewer.dims.set_current_step(0, step)
        try:
            plane = take_snapshot(image, viewer, Settings()).read()
        except InputError:
            continue
        seen += 1
        np.testing.assert_array_equal(plane, image._slice.image.raw)
    assert seen > 3
