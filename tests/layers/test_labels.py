"""Writing into a Labels layer: parts, edits, locks, and taking back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from napari.components import ViewerModel

from napari_naclip.correct.model_labels import WRITTEN_KEY
from napari_naclip.engine.types import ClassList, Region, Settings
from napari_naclip.layers import labels as label_layers
from napari_naclip.layers.adoption import adopt_result
from napari_naclip.layers.labels import Result, add_result, write_region
from napari_naclip.layers.read import take_snapshots
from napari_naclip.layers.snapshot import PlaneSnapshot
from napari_naclip.layers.sync import apply_appearance, read_list, store_list

FULL = Settings(detail=None)
CLASSES = ClassList.from_text('one; two; three')
Made = tuple[ViewerModel, PlaneSnapshot, Result]


def make(shape: tuple[int, ...] = (6, 8)) -> Made:
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros(shape), name='photo')
    (snapshot,) = take_snapshots(image, viewer, FULL)
    result = add_result(viewer, image, snapshot, CLASSES, {'model': 'm'})
    return viewer, snapshot, result


def whole(value: int, size: tuple[int, int] = (6, 8)) -> np.ndarray:
    return np.full(size, value, np.uint8)


def test_new_layer_is_empty_and_named() -> None:
    viewer, _, result = make()
    assert viewer.layers[-1] == result.labels
    assert result.labels.name == 'photo labels'
    assert not result.labels.data.any()
    assert list(result.labels.features['class'])[1:] == ['one', 'two', 'three']
    assert result.labels.metadata['napari-naclip'] == {'model': 'm'}
    assert not label_layers.has_edits(result)


def test_region_leaves_the_rest_and_what_is_known_of_it() -> None:
    _, snapshot, result = make()
    write_region(result, snapshot, whole(1))
    result.labels.data[0, 0] = 3
    part = Region(2, 2, 4, 5)
    write_region(result, snapshot, whole(2, (2, 3)), part)
    expected = whole(1)
    expected[part.slices] = 2
    expected[0, 0] = 3
    np.testing.assert_array_equal(result.labels.data, expected)
    # The edit is still one, and the rest is still the model's.
    assert write_region(result, snapshot, whole(2)) == 1
    assert (result.labels.data == 2).sum() == 47
    assert result.labels.data[0, 0] == 3


def test_only_masked_pixels_of_a_shape_are_written() -> None:
    viewer, _, result = make()
    shapes = viewer.add_shapes(
        np.array([[-0.6, -0.6], [-0.6, 3.6], [3.6, -0.6]]),
        shape_type='polygon',
    )
    (snapshot,) = take_snapshots(
        result.image, viewer, FULL, scope='shapes', shapes=shapes
    )
    # As partial results come: by pieces that know nothing of the mask.
    for piece in (Region(0, 0, 2, 8), Region(2, 0, 6, 8)):
        write_region(result, snapshot, whole(1, piece.size), piece)
    expected = np.zeros((6, 8), bool)
    expected[snapshot.region.slices] = snapshot.mask
    np.testing.assert_array_equal(result.labels.data == 1, expected)
    # As the whole result comes: of the region alone.
    write_region(result, snapshot, whole(2, snapshot.region.size))
    np.testing.assert_array_equal(result.labels.data == 2, expected)
    mask = np.zeros(snapshot.region.size, bool)
    mask[0, 0] = True
    size = snapshot.region.size
    write_region(result, snapshot, whole(3, size), mask=mask)
    assert np.argwhere(result.labels.data == 3).tolist() == [[0, 0]]


def test_labels_of_another_size_are_a_mistake() -> None:
    _, snapshot, result = make()
    with pytest.raises(ValueError, match='do not fit'):
        write_region(result, snapshot, whole(1, (3, 3)))


ARRAYS = hnp.arrays(np.uint8, (6, 8), elements=st.integers(0, 3))


@given(
    first=ARRAYS,
    edit=ARRAYS,
    is_edit=hnp.arrays(bool, (6, 8)),
    second=ARRAYS,
    locked=st.frozensets(st.integers(0, 3)),
)
@settings(max_examples=60, deadline=None)
def test_edits_and_locked_classes_never_change(
    first, edit, is_edit, second, locked
) -> None:
    _, snapshot, result = make()
    write_region(result, snapshot, first)
    layer = result.labels
    layer.data[is_edit] = edit[is_edit]
    before = layer.data.copy()
    kept = write_region(result, snapshot, second, locked=locked)
    after = layer.data
    is_kept = before != first
    assert kept == (is_kept & (before != second)).sum()
    np.testing.assert_array_equal(after[is_kept], before[is_kept])
    for value in locked:
        np.testing.assert_array_equal(after == value, before == value)
    is_free = ~is_kept & ~np.isin(before, list(locked))
    is_free &= ~np.isin(second, list(locked))
    np.testing.assert_array_equal(after[is_free], second[is_free])
    np.testing.assert_array_equal(after[~is_free], before[~is_free])
    # A third run finds the same edits.
    write_region(result, snapshot, first)
    np.testing.assert_array_equal(layer.data[is_kept], before[is_kept])


@given(
    first=ARRAYS,
    parts=st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 7), ARRAYS), max_size=4
    ),
    strokes=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 7))),
)
@settings(max_examples=60, deadline=None)
def test_cancel_leaves_labels_as_they_were(first, parts, strokes) -> None:
    _, snapshot, result = make()
    write_region(result, snapshot, first)
    layer = result.labels
    before, written = layer.data.copy(), result.written.copy()
    mark = label_layers.checkpoint(result)
    for top, left, values in parts:
        piece = Region(top, left, 6, 8)
        write_region(result, snapshot, values[piece.slices], piece)
    stroke = np.zeros((6, 8), bool)
    for at in strokes:
        stroke[at] = True
    layer.data[stroke] = 9
    label_layers.restore(result, mark)
    np.testing.assert_array_equal(layer.data, np.where(stroke, 9, before))
    np.testing.assert_array_equal(result.written, written)
    assert result.checkpoint is None
    assert label_layers.has_edits(result) == bool(stroke.any())


def test_cancel_on_several_planes_of_a_turned_stack() -> None:
    viewer, _, result = make((3, 6, 8))
    viewer.dims.set_point(0, 0)
    snapshots = take_snapshots(result.image, viewer, FULL, scope='all')
    mark = label_layers.checkpoint(result)
    write_region(result, snapshots[0], whole(1))
    viewer.dims.order = (2, 1, 0)
    viewer.dims.set_point(2, 5)
    (turned,) = take_snapshots(result.image, viewer, FULL)
    write_region(result, turned, whole(2, turned.size))
    assert (result.labels.data[:, :, 5] == 2).all()
    assert (result.labels.data[0, :, :5] == 1).all()
    label_layers.restore(result, mark)
    assert not result.labels.data.any()


def test_cancel_takes_new_rows_and_the_recipe_back() -> None:
    _, _, result = make()
    store_list(result.labels, {'rows': []})
    mark = label_layers.checkpoint(result)
    more = ClassList.from_text('one; two; three; four')
    apply_appearance(result, more.rows)
    assert len(result.labels.features) == 5
    result.labels.metadata = {'napari-naclip': {'model': 'other'}, 'mine': 1}
    store_list(result.labels, {'rows': [1]})
    label_layers.restore(result, mark)
    assert list(result.rows) == [1, 2, 3]
    assert len(result.labels.features) == 4
    assert result.labels.metadata['napari-naclip']['model'] == 'm'
    assert result.labels.metadata['mine'] == 1
    # The list is the widget's: it is kept in step there.
    assert read_list(result.labels) == {'rows': [1]}


def test_layer_grows_to_16_bits() -> None:
    _, snapshot, result = make()
    write_region(result, snapshot, whole(1))
    mark = label_layers.checkpoint(result)
    result.labels.data[0, 0] = 2
    write_region(result, snapshot, np.full((6, 8), 300, np.uint16))
    assert result.labels.data.dtype == np.uint16
    assert result.labels.data[0, 0] == 2
    assert (result.labels.data == 300).sum() == 47
    label_layers.restore(result, mark)
    assert (result.labels.data == 1).sum() == 47


def test_undo_of_a_stroke_still_works_after_a_part() -> None:
    _, snapshot, result = make()
    write_region(result, snapshot, whole(1))
    result.labels.paint((0, 0), 2)
    write_region(result, snapshot, whole(3, (2, 2)), Region(4, 4, 6, 6))
    assert result.labels.data[4, 4] == 3
    result.labels.undo()
    assert result.labels.data[0, 0] == 1
    assert result.labels.data[4, 4] == 3


def test_adopted_layer_keeps_all_that_is_in_it() -> None:
    viewer, snapshot, result = make()
    write_region(result, snapshot, whole(1, (3, 8)), Region(0, 0, 3, 8))
    labels = result.labels
    assert adopt_result(result.image, labels) is None
    store_list(labels, {'rows': []})
    # As of a file that tells nothing of the model.
    del labels.metadata[WRITTEN_KEY]
    adopted = adopt_result(result.image, labels)
    assert adopted.rows == result.rows
    write_region(adopted, snapshot, whole(2))
    assert (labels.data[:3] == 1).all()
    assert (labels.data[3:] == 2).all()
    labels.translate = (1, 0)
    assert adopt_result(result.image, labels) is None
    other = viewer.add_image(np.zeros((5, 5)))
    assert adopt_result(other, labels) is None


def test_edits_are_known_without_the_image() -> None:
    viewer, snapshot, result = make()
    write_region(result, snapshot, whole(1))
    labels = result.labels
    labels.data[0, 0] = 3
    store_list(labels, {'rows': []})
    viewer.layers.remove(result.image)
    other = viewer.add_image(np.zeros((6, 8)))
    adopted = adopt_result(other, labels)
    assert write_region(adopted, snapshot, whole(2)) == 1
    assert (labels.data == 2).sum() == 47


def test_duplicate_keeps_what_the_original_has_not() -> None:
    """Both layers share metadata, but only one is written to."""
    viewer, snapshot, result = make()
    write_region(result, snapshot, whole(1))
    store_list(result.labels, {'rows': []})
    data, state, _ = result.labels.as_layer_data_tuple()
    twin = viewer.add_labels(data.copy(), **{**state, 'name': 'twin'})
    adopted = adopt_result(result.image, twin)
    twin.data[0, 0] = 2
    write_region(result, snapshot, whole(2))
    write_region(adopted, snapshot, whole(3))
    assert twin.data[0, 0] == 2
    assert (twin.data[1:] == 1).all()


def test_level_of_a_pyramid_is_adopted() -> None:
    viewer = ViewerModel()
    image = viewer.add_image(
        [np.eye(n) for n in (64, 32)],
        multiscale=True,
        units='um',
        scale=(3, 3),
    )
    (snapshot,) = take_snapshots(image, viewer, Settings(detail=32))
    result = add_result(viewer, image, snapshot, CLASSES)
    assert result.labels.data.shape == (32, 32)
    store_list(result.labels, {'rows': []})
    assert adopt_result(image, result.labels) is not None
