"""Alignment: an image pixel and its label have the same world position.

Through the functions that the widget calls, for every kind of layer, plane,
level, region and order of the axes.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.components import ViewerModel
from napari.layers import Image, Shapes

from napari_naclip.engine.types import ClassList, Region, Settings
from napari_naclip.layers.labels import add_result, write_region
from napari_naclip.layers.read import take_snapshots

CLASSES = ClassList.from_text('one; two')
PLANES = (3, 2)
SIZE = (24, 32)


@dataclass(frozen=True)
class Case:
    """An image layer of some kind, and how it is looked at."""

    ndim: int
    is_rgb: bool
    levels: int
    transform: dict[str, Any]
    order: tuple[int, ...]
    marked: tuple[int, ...]
    scope: str
    fits_region: bool
    detail: int | None
    shapes: dict[str, Any]
    viewer_units: str | None

    @property
    def shape(self) -> tuple[int, ...]:
        return (*PLANES[: self.ndim - 2], *SIZE)

    @property
    def displayed(self) -> list[int]:
        return list(self.order[-2:])


@st.composite
def transforms(draw, ndim: int) -> dict[str, Any]:
    number = st.floats(-50, 50, width=16)
    size = st.floats(0.125, 20, width=16)
    transform: dict[str, Any] = {
        'scale': draw(st.tuples(*[size] * ndim)),
        'translate': draw(st.tuples(*[number] * ndim)),
        'axis_labels': draw(st.sampled_from([None, tuple('tzyx'[-ndim:])])),
    }
    if draw(st.booleans()):
        if ndim == 2:
            transform['rotate'] = draw(st.floats(-180, 180))
        count = ndim * (ndim - 1) // 2
        shears = st.floats(-0.5, 0.5, width=16)
        # Of the last axes: with a slider's axis the middle of the stack may
        # be empty, as test_read.py shows.
        transform['shear'] = (0.0,) * (count - 1) + (draw(shears),)
    if draw(st.booleans()):
        affine = np.eye(ndim + 1)
        affine[:ndim, ndim] = draw(st.tuples(*[number] * ndim))
        affine[ndim - 1, ndim - 2] = draw(st.floats(-0.5, 0.5))
        transform['affine'] = affine
    return transform


@st.composite
def cases(draw) -> Case:
    ndim = draw(st.integers(2, 4))
    levels = draw(st.integers(1, 3))
    transform = draw(transforms(ndim))
    is_plain = not {'shear', 'affine'} & set(transform)
    axes = range(ndim)
    # Where axes are joined only the last two make planes of whole pixels.
    order = draw(st.permutations(axes)) if is_plain else list(axes)
    if not is_plain and draw(st.booleans()):
        order[-2:] = order[:-3:-1]
    units = draw(st.sampled_from([None, 'um', 'mm']))
    transform['units'] = None if units is None else (units,) * ndim
    shapes = (
        draw(transforms(2))
        if order[-2:] in ([ndim - 2, ndim - 1],)
        else {
            'scale': draw(st.tuples(*[st.floats(0.5, 2)] * ndim)),
            'translate': draw(st.tuples(*[st.floats(-9, 9)] * ndim)),
        }
    )
    shape = (*PLANES[: ndim - 2], *SIZE)
    return Case(
        ndim=ndim,
        is_rgb=draw(st.booleans()),
        levels=levels,
        transform=transform,
        order=tuple(order),
        marked=tuple(draw(st.integers(0, n - 1)) for n in shape),
        scope=draw(st.sampled_from(['plane', 'visible', 'shapes', 'all'])),
        fits_region=draw(st.booleans()),
        detail=draw(st.sampled_from([None, 3, 6, 12, 24])),
        shapes=shapes,
        viewer_units=None
        if units is None
        else draw(st.sampled_from([None, 'nm', 'mm'])),
    )


def make_image(case: Case) -> Image:
    """Return an image that is 255 in all pixels of the marked large one."""
    step = 2 ** (case.levels - 1)
    full = np.zeros(case.shape, np.uint8)
    large = tuple(
        slice(at, at + 1)
        if axis < case.ndim - 2
        else slice(at // step * step, at // step * step + step)
        for axis, at in enumerate(case.marked)
    )
    full[large] = 255
    if case.is_rgb:
        full = np.stack([full] * 3, axis=-1)
    levels = []
    for level in range(case.levels):
        part = (slice(None, None, 2**level),) * 2
        levels.append(full[(slice(None),) * (case.ndim - 2) + part])
    return Image(
        levels if case.levels > 1 else full,
        multiscale=case.levels > 1,
        rgb=case.is_rgb,
        contrast_limits=(0, 255),
        **case.transform,
    )


def make_viewer(case: Case, image: Image) -> ViewerModel:
    viewer = ViewerModel()
    if case.viewer_units is not None:
        # Another layer, whose units the viewer then has.
        extra = np.zeros((2,) * case.ndim)
        viewer.add_image(extra, units=(case.viewer_units,) * case.ndim)
    viewer.add_layer(image)
    viewer.dims.order = case.order
    world = image.data_to_world(case.marked)
    for axis in case.order[:-2]:
        factor = (1 * image.units[axis]).to(viewer.layers.units[axis])
        viewer.dims.set_point(axis, world[axis] * factor.magnitude)
    return viewer


def around(case: Case, axis: int) -> tuple[float, float]:
    """Return bounds, in pixels, of some pixels around the marked one."""
    step = 2 ** (case.levels - 1)
    at = case.marked[axis] // step * step
    return max(-0.5, at - 3.5), min(case.shape[axis], at + step + 3) - 0.5


def look_at(case: Case, image: Image) -> None:
    """Let the canvas show only pixels around the marked one."""
    corners = np.zeros((2, case.ndim))
    for axis in case.displayed:
        low, high = around(case, axis)
        corners[:, axis] = low + 0.5, high - 0.5
    if image.multiscale:
        factors = image.downsample_factors[image.data_level]
        corners[1] += 1
        corners /= factors
        corners[1] -= 1
        corners = np.stack([np.floor(corners[0]), np.ceil(corners[1])])
        shape = np.array(image.level_shapes[image.data_level])
        for axis in case.displayed:
            if corners[1, axis] <= corners[0, axis]:
                # napari shows two pixels at least.
                corners[:, axis] = 0, shape[axis] - 1
    image.corner_pixels = corners.astype(int)


def draw_shape(case: Case, image: Image, viewer: ViewerModel) -> Shapes:
    """Return a layer with a polygon around the marked pixel."""
    rows, columns = (around(case, axis) for axis in case.displayed)
    corners = np.tile(np.array(case.marked, float), (4, 1))
    corners[:, case.displayed[0]] = np.take(rows, [0, 0, 1, 1])
    corners[:, case.displayed[1]] = np.take(columns, [0, 1, 1, 0])
    world = np.array([image.data_to_world(each) for each in corners])
    ndim = len(case.shapes['scale'])
    layer = Shapes(ndim=ndim, units=image.units[-ndim:], **case.shapes)
    own = [layer.world_to_data(each[-ndim:]) for each in world]
    layer.add(np.array(own), shape_type='polygon')
    viewer.add_layer(layer)
    return layer


@given(case=cases())
@settings(max_examples=100, deadline=None)
def test_pixel_and_label_coincide(case: Case) -> None:
    image = make_image(case)
    viewer = make_viewer(case, image)
    shapes = None
    if case.scope == 'shapes':
        shapes = draw_shape(case, image, viewer)
    if case.scope == 'visible':
        look_at(case, image)

    snapshots = take_snapshots(
        image,
        viewer,
        Settings(detail=case.detail),
        scope=case.scope,
        shapes=shapes,
        fits_region=case.fits_region,
    )
    result = add_result(viewer, image, snapshots[0], CLASSES)
    for snapshot in snapshots:
        seen = snapshot.read()
        assert seen.shape[:2] == snapshot.read_size
        assert snapshot.shape == result.labels.data.shape
        # A model that knows the marked pixels, and only looks where it must.
        labels = np.where(seen.reshape(*seen.shape[:2], -1)[..., 0], 2, 1)
        labels = labels.astype(np.uint8)
        part = snapshot.engine_region
        if part is None:
            part = Region(0, 0, *labels.shape)
        # In two pieces, as partial results come.
        middle = (part.top + part.bottom) // 2
        for top, bottom in ((part.top, middle), (middle, part.bottom)):
            if top < bottom:
                piece = Region(top, part.left, bottom, part.right)
                write_region(result, snapshot, labels[piece.slices], piece)

    labels = result.labels
    factors = np.array(snapshots[0].downsample_factors)
    is_marked = np.asarray(snapshots[0].data) == 255
    if case.is_rgb:
        is_marked = is_marked[..., 0]
    is_run = np.zeros(is_marked.shape, bool)
    for snapshot in snapshots:
        is_run[snapshot.index] = True
    found = np.argwhere(labels.data == 2)
    assert len(found)
    assert found.tolist() == np.argwhere(is_marked & is_run).tolist()
    for at in (*found, np.full(case.ndim, -0.5), np.array(labels.data.shape)):
        # The center of a large pixel, in small ones.
        in_image = factors * (at + 0.5) - 0.5
        np.testing.assert_allclose(
            labels.data_to_world(at),
            image.data_to_world(in_image),
            rtol=1e-6,
            atol=1e-6,
        )
    assert tuple(labels.units) == tuple(image.units)
    assert tuple(labels.axis_labels) == tuple(image.axis_labels)
    # One inconsistent layer would take the units from the whole viewer.
    assert viewer.layers.units is not None


def test_affine_is_not_shared() -> None:
    viewer = ViewerModel()
    image = viewer.add_image(np.eye(40), affine=np.diag([2, 3, 1]))
    (snapshot,) = take_snapshots(image, viewer, Settings())
    labels = add_result(viewer, image, snapshot, CLASSES).labels
    image.affine = np.eye(3)
    np.testing.assert_allclose(labels.affine.affine_matrix, np.diag([2, 3, 1]))


@pytest.mark.parametrize('order', [(0, 1, 2), (0, 2, 1), (1, 0, 2), (2, 1, 0)])
def test_marked_pixel_of_any_plane(order: tuple[int, ...]) -> None:
    data = np.zeros((5, 40, 50), np.uint8)
    data[3, 11, 22] = 255
    viewer = ViewerModel()
    image = viewer.add_image(data)
    viewer.dims.order = order
    for axis, position in enumerate((3, 11, 22)):
        viewer.dims.set_point(axis, position)
    (snapshot,) = take_snapshots(image, viewer, Settings())
    plane = snapshot.read()
    assert plane.shape == snapshot.size
    assert plane.max() == 255
    seen = np.where(plane == 255, 2, 1).astype(np.uint8)
    result = add_result(viewer, image, snapshot, CLASSES)
    write_region(result, snapshot, seen)
    data = result.labels.data
    assert np.argwhere(data == 2).tolist() == [[3, 11, 22]]
    assert np.count_nonzero(data == 1) == plane.size - 1


def test_reduction_chooses_the_level() -> None:
    levels = [np.eye(n) for n in (320, 160, 80)]
    viewer = ViewerModel()
    image = viewer.add_image(levels, multiscale=True)
    for reduction, level in ((1.0, 0), (1.9, 0), (2.0, 1), (3.0, 1), (9.0, 2)):
        wish = SimpleNamespace(detail=336, reduction=reduction)
        (snapshot,) = take_snapshots(image, viewer, wish)
        assert snapshot.level == level
