"""Objects in the units of their layer, and where they are shown."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_naclip.correct.objects import Splitting, measure, split
from napari_naclip.engine.types import Region
from napari_naclip.layers.areas import shown_plane
from napari_naclip.layers.object_layer import ObjectLayer
from napari_naclip.layers.objects import (
    all_planes,
    go_to,
    make_columns,
    show_objects,
)

PLANE = (1, slice(None), slice(None))


@pytest.fixture
def stack():
    """Return a viewer and labels of three planes of 20 x 30 pixels."""
    viewer = ViewerModel()
    data = np.zeros((3, 20, 30), np.uint8)
    data[1, 2:6, 3:9] = 1
    data[1, 10:20, 20:22] = 2
    labels = viewer.add_labels(
        data,
        scale=(2, 0.5, 0.25),
        translate=(0, 10, 100),
        units=('s', 'um', 'um'),
    )
    return viewer, labels


def find(labels):
    plane = np.asarray(labels.data[PLANE])
    ids = split(plane, (1, 2), Splitting())
    whole = np.zeros(labels.data.shape, np.int32)
    whole[PLANE] = ids
    confidence = np.full(plane.shape, np.nan)
    confidence[:8] = 0.5
    return whole, [(PLANE, measure(ids, plane, confidence))]


def finish(steps):
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value


def test_the_table_is_in_the_layer_s_units(stack) -> None:
    _, labels = stack
    _, tables = find(labels)
    columns = make_columns(labels, tables, {1: 'cell'})
    assert columns['index'] == [1, 2]
    assert columns['class'] == ['cell', '2']
    assert columns['area (µm²)'] == pytest.approx([24 / 8, 20 / 8])
    assert columns['pixels'] == [24, 20]
    assert columns['center y (µm)'] == pytest.approx([11.75, 17.25])
    assert columns['center x (µm)'] == pytest.approx([101.375, 105.125])
    assert columns['confidence'] == [0.5, None]
    assert columns['plane z'] == [1, 1]
    assert [columns[n][0] for n in ('top', 'left', 'bottom', 'right')] == [
        2,
        3,
        6,
        9,
    ]
    assert {len(each) for each in columns.values()} == {2}


def test_the_layer_lies_on_the_labels(stack) -> None:
    viewer, labels = stack
    ids, tables = find(labels)
    columns = make_columns(labels, tables, {})
    viewer.layers.selection.active = labels
    objects = finish(show_objects(viewer, labels, ids, columns))
    assert viewer.layers.selection.active == labels
    np.testing.assert_array_equal(objects.scale, labels.scale)
    np.testing.assert_array_equal(objects.translate, labels.translate)
    assert objects.units == labels.units
    assert objects.features['index'].tolist() == [1, 2]
    assert objects.visible
    again = finish(show_objects(viewer, labels, ids, columns))
    assert again is not objects


def test_later_objects_go_beside_those_of_other_planes(stack) -> None:
    viewer, labels = stack
    labels.data[0, 3:7, 3:7] = 1
    ids, tables = find(labels)
    shown = ObjectLayer(labels)
    finish(shown.show(viewer, ids, tables, {}))
    layer = shown.layer
    first = layer.data[1].copy()
    # A person merges two objects of a plane that is not split again.
    layer.data[1][layer.data[1] == 2] = 1
    layer.data[2, 0, 0] = 7
    kept = layer.data[1:].copy()
    own = split(labels.data[0], (1,), Splitting())
    later = np.zeros_like(ids)
    later[0] = own
    part = [((0, *PLANE[1:]), measure(own, labels.data[0]))]
    assert finish(shown.add(viewer, later, part, {}))
    np.testing.assert_array_equal(layer.data[1:], kept)
    np.testing.assert_array_equal(layer.data[0], np.where(own, 8, 0))
    assert layer.features['index'].tolist() == [8, 1, 2]
    # Once more, after the plane was left alone: its own are replaced.
    assert finish(shown.add(viewer, later, part, {}))
    assert layer.features['index'].tolist() == [8, 1, 2]
    # What was painted is not replaced, neither on a plane that was split
    # nor on one that never was.
    before = layer.data.copy()
    for z in (1, 2):
        again = [((z, *PLANE[1:]), tables[0][1])]
        assert not finish(shown.add(viewer, ids, again, {}))
    layer.data[1] = first
    crossing = [((slice(None), 4, slice(None)), tables[0][1])]
    assert not finish(shown.add(viewer, ids, crossing, {}))
    layer.data[1] = before[1]
    np.testing.assert_array_equal(layer.data, before)
    viewer.layers.remove(layer)
    assert not finish(shown.add(viewer, later, part, {}))


def test_going_to_an_object_shows_its_plane_and_its_place(stack) -> None:
    viewer, labels = stack
    ids, tables = find(labels)
    objects = finish(
        show_objects(viewer, labels, ids, make_columns(labels, tables, {}))
    )
    viewer.dims.set_current_step(0, 0)
    go_to(viewer, objects, PLANE, 2, Region(10, 20, 20, 22))
    assert viewer.dims.current_step[0] == 1
    assert objects.selected_label == 2
    assert viewer.layers.selection.active == objects
    camera = getattr(viewer, 'scene', viewer).camera
    assert camera.center[-2:] == pytest.approx((17.25, 105.125))


def test_going_to_an_object_in_another_unit(stack) -> None:
    viewer, labels = stack
    viewer.add_image(np.zeros((9, 2, 2)), units=('ms', 'nm', 'nm'))
    if getattr(viewer.layers, 'units', None) is None:
        pytest.skip('this napari knows no units of a viewer')
    ids, tables = find(labels)
    objects = finish(
        show_objects(viewer, labels, ids, make_columns(labels, tables, {}))
    )
    viewer.dims.set_point(0, 0)
    go_to(viewer, objects, PLANE, 2, Region(10, 20, 20, 22))
    assert shown_plane(objects, viewer) == PLANE


def test_all_planes_have_the_axes_of_one(stack) -> None:
    _, labels = stack
    whole = slice(None)
    assert all_planes(labels, PLANE) == [(n, whole, whole) for n in range(3)]
    assert len(all_planes(labels, (whole, 4, whole))) == 20
