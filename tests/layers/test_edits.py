"""Edited pixels: found, counted, outlined, and given back to the model."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from napari.components import ViewerModel

from napari_naclip.engine.errors import InputError
from napari_naclip.engine.types import ClassList, Region, Settings
from napari_naclip.layers import edits
from napari_naclip.layers import labels as label_layers
from napari_naclip.layers.areas import shown_plane
from napari_naclip.layers.blocks import reduce_mask
from napari_naclip.layers.edits import EditCount, forget_edits, iter_edits
from napari_naclip.layers.labels import Result, add_result, write_region
from napari_naclip.layers.read import take_snapshots
from napari_naclip.layers.shown_parts import drawn_parts, visible_part

CLASSES = ClassList.from_text('one; two; three')
PLANE = (slice(None), slice(None))


def make(shape: tuple[int, ...] = (12, 9)) -> tuple[ViewerModel, Result]:
    """Return a result that the model filled with 1."""
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros(shape), name='photo')
    snapshots = take_snapshots(image, viewer, Settings(), scope='all')
    result = add_result(viewer, image, snapshots[0], CLASSES)
    for snapshot in snapshots:
        write_region(result, snapshot, np.ones(snapshot.size, np.uint8))
    return viewer, result


@settings(max_examples=40, deadline=None)
@given(
    mask=hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2)),
    step=st.integers(1, 4),
)
def test_reduced_mask_has_every_pixel(mask, step) -> None:
    small = reduce_mask(mask, step)
    expected = np.zeros([-(-side // step) for side in mask.shape], bool)
    for row, column in np.argwhere(mask):
        expected[row // step, column // step] = True
    np.testing.assert_array_equal(small, expected)


@settings(max_examples=30, deadline=None)
@given(
    strokes=st.lists(
        st.tuples(st.integers(0, 11), st.integers(0, 8), st.integers(0, 3)),
        max_size=6,
    ),
    strip=st.integers(1, 200),
    step=st.integers(1, 3),
)
def test_count_follows_strokes_and_strips(strokes, strip, step) -> None:
    _, result = make()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(edits, '_STRIP_PIXELS', strip)
        count = EditCount(result, PLANE)
        count.count_on(200)
        for row, column, value in strokes:
            result.labels.data[row, column] = value
            count.mark(row, row + 1)
            count.count_on(200)
        expected = result.labels.data != 1
        assert count.is_done
        assert count.total == expected.sum()
        # Nothing is looked at that was not marked.
        result.labels.data[:] = 1
        count.count_on(200)
        assert count.total == expected.sum()
        result.labels.data[expected] = 2
        part = Region(1, 2, 12, 9)
        strips = dict(iter_edits(result, PLANE, part, step))
    np.testing.assert_array_equal(
        np.concatenate(list(strips.values())),
        reduce_mask(expected[part.slices], step),
    )
    assert list(strips) == list(
        np.cumsum([0, *map(len, strips.values())])[:-1]
    )


def test_forgotten_edits_are_the_models_until_revert() -> None:
    _, result = make((2, 12, 9))
    layer = result.labels
    layer.data[0, 3:6, 3:6] = 2
    layer.data[1, 3:6, 3:6] = 2
    before = layer.data.copy()
    plane = (0, slice(None), slice(None))
    region = Region(3, 3, 5, 6)
    mask = np.ones(region.size, bool)
    mask[0, 0] = False
    result.previous = label_layers.checkpoint(result)
    assert forget_edits(result, plane, region, mask) == 5
    assert (layer.data[0] == 2).sum() == 4
    assert layer.data[0, 3, 3] == 2
    assert (layer.data[1] == 2).sum() == 9
    assert forget_edits(result, plane, locked={2}) == 0
    assert forget_edits(result, plane) == 4
    assert (layer.data[0] == 1).all()
    result.checkpoint = None
    label_layers.revert(result)
    np.testing.assert_array_equal(layer.data, before)
    # As edits, not as the model's labels.
    assert forget_edits(result, plane) == 9


def test_forgotten_edits_get_what_the_model_says_by_now() -> None:
    viewer, result = make()
    layer = result.labels
    layer.data[3:6, 3:6] = 2
    (snapshot,) = take_snapshots(result.image, viewer, Settings(), scope='all')
    # Under the edits it is of another opinion: in part the person's.
    new = np.full((12, 9), 3, np.uint8)
    new[5] = 2
    write_region(result, snapshot, new)
    before, written = layer.data.copy(), result.written.copy()
    result.previous = label_layers.checkpoint(result)
    assert forget_edits(result, PLANE) == 9
    np.testing.assert_array_equal(layer.data, new)
    np.testing.assert_array_equal(result.written, new)
    result.checkpoint = None
    label_layers.revert(result)
    np.testing.assert_array_equal(layer.data, before)
    np.testing.assert_array_equal(result.written, written)
    # What it says is not lost by that.
    assert forget_edits(result, PLANE) == 9
    np.testing.assert_array_equal(layer.data, new)


@pytest.mark.parametrize('order', [(0, 1), (1, 0)])
def test_parts_lie_along_the_axes_of_the_data(order) -> None:
    viewer, result = make()
    shapes = viewer.add_shapes([[[1, 2], [1, 4], [6, 4], [6, 2]]])
    viewer.dims.order = order
    labels = result.labels
    assert shown_plane(labels, viewer) is not None
    (part,) = drawn_parts(labels, shapes, viewer)
    expected = np.zeros((12, 9), bool)
    # Centers on the first sides count, those on the last do not.
    expected[1:6, 2:4] = True
    own = np.zeros((12, 9), bool)
    own[part.region.slices] = part.mask
    np.testing.assert_array_equal(own, expected)
    assert visible_part(labels, viewer) == Region(0, 0, 12, 9)


def test_shapes_beside_the_plane_are_told() -> None:
    viewer, result = make()
    shapes = viewer.add_shapes([[[50, 50], [50, 60], [60, 60], [60, 50]]])
    with pytest.raises(InputError, match='encloses a pixel'):
        drawn_parts(result.labels, shapes, viewer)
