"""Alignment: an image pixel and its label have the same world position."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.components import ViewerModel
from napari.layers import Image

from napari_naclip.engine.types import ClassList, Segmentation, Settings
from napari_naclip.layers.labels import add_result
from napari_naclip.layers.read import take_snapshot

CLASSES = ClassList.from_text('one; two')


@dataclass(frozen=True)
class Case:
    """An image layer of some kind."""

    ndim: int
    is_rgb: bool
    levels: int
    transform: dict[str, Any]


@st.composite
def cases(draw) -> Case:
    ndim = draw(st.integers(2, 4))
    number = st.floats(-50, 50, width=16)
    size = st.floats(0.125, 20, width=16)
    transform: dict[str, Any] = {
        'scale': draw(st.tuples(*[size] * ndim)),
        'translate': draw(st.tuples(*[number] * ndim)),
        'units': draw(st.sampled_from([None, ('um',) * ndim, ('mm',) * ndim])),
        'axis_labels': draw(st.sampled_from([None, tuple('tzyx'[-ndim:])])),
    }
    if draw(st.booleans()):
        if ndim == 2:
            transform['rotate'] = draw(st.floats(-180, 180))
        count = ndim * (ndim - 1) // 2
        shears = st.floats(-0.5, 0.5, width=16)
        # Of the displayed axes: with a slider's axis the middle of the stack
        # may be empty, as test_read.py shows.
        transform['shear'] = (0.0,) * (count - 1) + (draw(shears),)
    if draw(st.booleans()):
        affine = np.eye(ndim + 1)
        affine[:ndim, ndim] = draw(st.tuples(*[number] * ndim))
        affine[ndim - 1, ndim - 2] = draw(st.floats(-0.5, 0.5))
        transform['affine'] = affine
    return Case(
        ndim=ndim,
        is_rgb=draw(st.booleans()),
        levels=draw(st.integers(1, 3)),
        transform=transform,
    )


def make_image(case: Case, seed: int = 0) -> Image:
    shape = (*(3, 2)[: case.ndim - 2], 48, 64)
    rng = np.random.default_rng(seed)
    full = rng.integers(0, 255, shape, dtype=np.uint8)
    if case.is_rgb:
        full = np.stack([full] * 3, axis=-1)
    levels = []
    for level in range(case.levels):
        step = 2**level
        plane = (slice(None, None, step), slice(None, None, step))
        leading = (slice(None),) * (case.ndim - 2)
        levels.append(full[leading + plane])
    return Image(
        levels if case.levels > 1 else full,
        multiscale=case.levels > 1,
        rgb=case.is_rgb,
        **case.transform,
    )


@given(case=cases(), detail=st.sampled_from([None, 12, 24, 48]))
@settings(max_examples=60, deadline=None)
def test_pixel_and_label_coincide(case: Case, detail: int | None) -> None:
    viewer = ViewerModel()
    image = make_image(case)
    viewer.add_layer(image)
    snapshot = take_snapshot(image, viewer, Settings(detail=detail))
    seen = np.ones(snapshot.size, np.uint8)
    labels = add_result(viewer, image, snapshot, segmentation(seen)).labels

    # What the two layers span in the world is the same, edge to edge.
    factors = np.array(snapshot.downsample_factors)
    corner = np.array(snapshot.shape) - 0.5
    for at in (np.full(case.ndim, -0.5), corner):
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


def segmentation(labels: np.ndarray) -> Segmentation:
    return Segmentation(
        labels=labels,
        confidence=np.ones(labels.shape, np.float32),
        classes=CLASSES,
        recipe={},
    )


def test_affine_is_not_shared() -> None:
    viewer = ViewerModel()
    image = viewer.add_image(np.eye(40), affine=np.diag([2, 3, 1]))
    snapshot = take_snapshot(image, viewer, Settings())
    ones = np.ones((40, 40), np.uint8)
    labels = add_result(viewer, image, snapshot, segmentation(ones)).labels
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
    snapshot = take_snapshot(image, viewer, Settings())
    plane = snapshot.read()
    assert plane.shape == snapshot.size
    assert plane.max() == 255
    seen = np.where(plane == 255, 2, 1).astype(np.uint8)
    labels = add_result(viewer, image, snapshot, segmentation(seen)).labels
    assert np.argwhere(labels.data == 2).tolist() == [[3, 11, 22]]
    assert np.count_nonzero(labels.data == 1) == plane.size - 1
