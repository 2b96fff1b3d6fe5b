"""Parts of an image: what the canvas shows, shapes, all planes."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.components import ViewerModel
from skimage.draw import polygon2mask

from napari_naclip.engine.errors import InputError
from napari_naclip.engine.types import Region, Settings
from napari_naclip.layers.read import take_snapshots
from napari_naclip.layers.regions import fill_polygon

FULL = Settings(detail=None)
SQUARE = np.array([[2.0, 3.0], [2.0, 7.0], [8.0, 7.0], [8.0, 3.0]])


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


def test_shapes_become_regions_with_masks(viewer: ViewerModel) -> None:
    image = viewer.add_image(np.arange(600.0).reshape(20, 30))
    shapes = viewer.add_shapes()
    shapes.add_rectangles(SQUARE)
    shapes.add_ellipses(SQUARE + 8.5)
    shapes.add_polygons(np.array([[0.0, 0.0], [0.0, 9.0], [9.0, 0.0]]))
    shapes.add_lines(np.array([[0.0, 0.0], [9.0, 9.0]]))
    # Beside the image, and across its border.
    shapes.add_rectangles(SQUARE + 100)
    shapes.add_rectangles(SQUARE + np.array([15, 0]))
    square, ellipse, triangle, border = take_snapshots(
        image, viewer, FULL, scope='shapes', shapes=shapes
    )
    assert square.region == Region(2, 3, 8, 7)
    assert square.mask is None
    assert square.engine_region == square.region
    assert square.read().shape == (20, 30)
    assert ellipse.region == Region(11, 12, 17, 16)
    # The area of an ellipse with the half axes 3 and 2.
    assert np.count_nonzero(ellipse.mask) == pytest.approx(np.pi * 6, rel=0.2)
    assert not ellipse.mask[0, 0]
    assert triangle.mask[0].sum() == 9
    assert triangle.mask[-1].sum() == 1
    assert border.region == Region(17, 3, 20, 7)


def test_shapes_in_other_units_and_turned(viewer: ViewerModel) -> None:
    image = viewer.add_image(
        np.zeros((40, 60)), units='um', scale=(2, 2), translate=(10, 20)
    )
    # A square of 20 µm, given in mm and turned by 90 degrees.
    shapes = viewer.add_shapes(
        np.array([[0, 0], [0, 10], [20, 10], [20, 0]]) / 1000,
        units='mm',
        rotate=90,
        translate=(0.03, 0.06),
    )
    (snapshot,) = take_snapshots(
        image, viewer, FULL, scope='shapes', shapes=shapes
    )
    # World rows 20 to 30 or 30 to 40 µm, columns 60 to 80 or 40 to 60.
    corners = np.array([shapes.data_to_world(c) for c in shapes.data[0]])
    low, high = corners.min(axis=0) * 1000, corners.max(axis=0) * 1000
    expected = [
        *np.ceil((low - (10, 20)) / 2 - 1e-6),
        *np.ceil((high - (10, 20)) / 2 - 1e-6),
    ]
    region = snapshot.region
    assert [region.top, region.left, region.bottom, region.right] == expected


def test_shapes_of_other_planes_are_ignored(viewer: ViewerModel) -> None:
    image = viewer.add_image(np.zeros((4, 20, 30)))
    here, there = (np.insert(SQUARE, 0, z, axis=1) for z in (2, 3))
    shapes = viewer.add_shapes([here, there])
    viewer.dims.set_point(0, 2)
    (snapshot,) = take_snapshots(
        image, viewer, FULL, scope='shapes', shapes=shapes
    )
    assert snapshot.plane_key == (2,)
    viewer.dims.set_point(0, 0)
    with pytest.raises(InputError, match='No shape'):
        take_snapshots(image, viewer, FULL, scope='shapes', shapes=shapes)
    with pytest.raises(InputError, match='no Shapes layer'):
        take_snapshots(image, viewer, FULL, scope='shapes')


def test_flat_shapes_lie_on_every_plane(viewer: ViewerModel) -> None:
    image = viewer.add_image(np.zeros((4, 20, 30)))
    shapes = viewer.add_shapes(SQUARE)
    viewer.dims.set_point(0, 3)
    (snapshot,) = take_snapshots(
        image, viewer, FULL, scope='shapes', shapes=shapes
    )
    assert (snapshot.plane_key, snapshot.region.top) == ((3,), 2)


def test_all_planes_of_all_sliders(viewer: ViewerModel) -> None:
    data = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    image = viewer.add_image(data)
    viewer.dims.set_point((0, 1), (1, 0))
    snapshots = take_snapshots(image, viewer, FULL, scope='all')
    # What is on the screen comes first.
    keys = [(1, 0), (0, 0), (0, 1), (0, 2), (1, 1), (1, 2)]
    assert [s.plane_key for s in snapshots] == keys
    for key, snapshot in zip(keys, snapshots, strict=True):
        np.testing.assert_array_equal(snapshot.read(), data[key])


@pytest.mark.parametrize('shown', range(8))
def test_plane_of_a_level_holds_the_one_displayed(
    viewer: ViewerModel, shown: int
) -> None:
    full = np.zeros((40, 30, 8))
    image = viewer.add_image([full, full[::2, ::2, ::2]], multiscale=True)
    viewer.dims.order = (2, 0, 1)
    viewer.dims.set_point(2, shown)
    (snapshot,) = take_snapshots(image, viewer, Settings(detail=10))
    assert snapshot.level == 1
    assert snapshot.plane_key == (shown // 2,)


def test_all_planes_when_none_is_displayed(viewer: ViewerModel) -> None:
    image = viewer.add_image(np.zeros((2, 4, 5)))
    viewer.add_image(np.zeros((9, 4, 5)))
    viewer.dims.set_point(0, 7)
    snapshots = take_snapshots(image, viewer, FULL, scope='all')
    assert [s.plane_key for s in snapshots] == [(0,), (1,)]


def test_cut_region_reads_no_more(viewer: ViewerModel) -> None:
    read = []

    def make(block_info=None):
        read.append(block_info[None]['chunk-location'])
        return np.ones((1, 10, 10), np.uint8)

    data = da.map_blocks(
        make, chunks=((1,) * 3, (10,) * 4, (10,) * 5), dtype=np.uint8
    )
    image = viewer.add_image(data, contrast_limits=(0, 5))
    image.corner_pixels = np.array([[0, 12, 21], [0, 18, 34]])
    read.clear()
    (snapshot,) = take_snapshots(
        image, viewer, FULL, scope='visible', fits_region=True
    )
    assert read == []
    assert snapshot.engine_region is None
    plane = snapshot.read()
    assert plane.shape == snapshot.read_size == (7, 14)
    assert read == []
    assert np.asarray(plane).all()
    at = snapshot.plane_key[0]
    assert set(read) == {(at, 1, 2), (at, 1, 3)}
    part = Region(1, 2, 3, 4)
    assert snapshot.place(part) == Region(13, 23, 15, 25)


def test_detail_of_a_region_chooses_the_level(viewer: ViewerModel) -> None:
    levels = [np.eye(n) for n in (320, 160, 80)]
    image = viewer.add_image(levels, multiscale=True)
    image.corner_pixels = np.array([[20, 20], [39, 59]])
    for fits, level, region in (
        (False, 2, Region(20, 20, 40, 60)),
        (True, 0, Region(80, 80, 160, 240)),
    ):
        (snapshot,) = take_snapshots(
            image,
            viewer,
            Settings(detail=80),
            scope='visible',
            fits_region=fits,
        )
        assert (snapshot.level, snapshot.region) == (level, region)


def test_nothing_visible_is_said(viewer: ViewerModel) -> None:
    image = viewer.add_image(np.zeros((20, 30)))
    image.corner_pixels = np.array([[19, 4], [19, 20]])
    with pytest.raises(InputError, match='visible'):
        take_snapshots(image, viewer, FULL, scope='visible')


def test_visible_region_of_a_real_canvas(make_napari_viewer, qtbot) -> None:
    viewer = make_napari_viewer(show=True)
    image = viewer.add_image(np.random.default_rng(0).random((400, 500)))
    (before,) = take_snapshots(image, viewer, FULL, scope='visible')
    # napari 0.9 gave it a new place.
    camera = getattr(viewer, 'scene', viewer).camera
    camera.center = (100, 300)
    camera.zoom = 20

    def is_close() -> None:
        (seen,) = take_snapshots(image, viewer, FULL, scope='visible')
        assert max(seen.region.size) < 200
        middle = np.array(
            [
                seen.region.top + seen.region.bottom,
                seen.region.left + seen.region.right,
            ]
        )
        np.testing.assert_allclose(middle / 2, (100.5, 300.5), atol=3)

    qtbot.waitUntil(is_close, timeout=10_000)
    assert before.region.size[0] > 0


@given(
    corners=st.lists(
        st.tuples(st.floats(-6, 26, width=16), st.floats(-6, 26, width=16)),
        min_size=3,
        max_size=3,
    )
)
@settings(max_examples=60, deadline=None)
def test_filled_triangle(corners: list[tuple[float, float]]) -> None:
    """As skimage does it, but for pixels on the very border."""
    points = np.array(corners)
    inside = fill_polygon(points, Region(0, 0, 20, 20))
    ours = np.zeros((20, 20), bool) if inside is None else inside
    theirs = polygon2mask((20, 20), points)
    rows, columns = np.nonzero(ours != theirs)
    for at in np.stack([rows, columns], axis=1):
        assert distance_to_border(at, points) < 1e-3


def distance_to_border(at: np.ndarray, points: np.ndarray) -> float:
    distances = []
    for start, end in zip(points, np.roll(points, -1, axis=0), strict=True):
        side = end - start
        length = max(float(side @ side), 1e-12)
        share = np.clip((at - start) @ side / length, 0, 1)
        distances.append(np.linalg.norm(at - start - share * side))
    return min(distances)
