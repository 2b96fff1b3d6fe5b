"""Names and colors of the layer and of the class table, both ways."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_naclip.engine.types import ClassList, Settings
from napari_naclip.layers.labels import Result, add_result
from napari_naclip.layers.read import take_snapshots
from napari_naclip.layers.sync import (
    AppearanceWatcher,
    apply_appearance,
    read_list,
    shown_colors,
    shown_names,
    store_list,
    store_recipe,
)

CLASSES = ClassList.from_text('one, first; two', background='rest')


class Table:
    """Hears what changes, and refuses the name 'no'."""

    def __init__(self, result: Result) -> None:
        self.result = result
        self.heard: list[tuple[int, str]] = []

    def on_color(self, value: int, color: str) -> None:
        self.heard.append((value, color))

    def on_name(self, value: int, name: str) -> None:
        self.heard.append((value, name))
        if name == 'no':
            apply_appearance(self.result, CLASSES.rows)


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def result(viewer: ViewerModel) -> Result:
    image = viewer.add_image(np.zeros((6, 8)))
    (snapshot,) = take_snapshots(image, viewer, Settings())
    return add_result(viewer, image, snapshot, CLASSES)


@pytest.fixture
def table(result: Result) -> Table:
    return Table(result)


def watch(viewer, table) -> AppearanceWatcher:
    return AppearanceWatcher(
        viewer, table.result, table.on_color, table.on_name
    )


def recolor(labels, value: int, color: str) -> None:
    labels.colormap = {**labels.colormap.color_dict, value: color}


def rename(labels, row: int, name: str, *, tells: bool = True) -> None:
    # In place, as napari's features table does it, which sends no event.
    column = labels.features.columns.get_loc('class')
    labels.features.iloc[row, column] = name
    if tells:
        labels.events.features()


def test_changes_on_the_layer_are_told_once(viewer, table) -> None:
    watcher = watch(viewer, table)
    labels = table.result.labels
    recolor(labels, 2, '#102030')
    rename(labels, 1, 'eins')
    labels.events.colormap()
    assert table.heard == [(2, '#102030'), (1, 'eins')]
    rename(labels, 0, 'Rest', tells=False)
    assert len(table.heard) == 2
    watcher.look()
    assert table.heard[2:] == [(0, 'Rest')]
    rename(labels, 2, '  ')
    # A value that is in no row, and one that is never seen.
    recolor(labels, 7, '#102030')
    recolor(labels, 0, '#102030')
    assert len(table.heard) == 3


def test_own_changes_are_not_told(viewer, table) -> None:
    watcher = watch(viewer, table)
    rows = ClassList.from_text('uno; dos; tres').rows
    apply_appearance(table.result, rows)
    watcher.look()
    assert table.heard == []
    assert shown_names(table.result.labels) == {
        0: 'background',
        1: 'uno',
        2: 'dos',
        3: 'tres',
    }


def test_refused_name_is_put_back(viewer, table) -> None:
    watcher = watch(viewer, table)
    rename(table.result.labels, 1, 'no')
    assert table.heard == [(1, 'no')]
    assert shown_names(table.result.labels)[1] == 'one'
    watcher.look()
    assert len(table.heard) == 1


def test_nothing_is_set_that_is_shown_already(result) -> None:
    heard = []
    labels = result.labels
    labels.events.colormap.connect(heard.append)
    labels.events.features.connect(heard.append)
    apply_appearance(result, CLASSES.rows)
    assert heard == []
    recolor(labels, 1, 'red')
    apply_appearance(result, CLASSES.rows)
    assert shown_colors(labels)[1] == CLASSES.classes[0].color


def test_foreign_columns_stay(result) -> None:
    table = result.labels.features
    result.labels.features = {**table, 'mine': [10, 11, 12]}
    apply_appearance(result, ClassList.from_text('a; b; c').rows)
    assert list(result.labels.features['mine'])[:3] == [10, 11, 12]


def test_automatic_colors_are_no_change(viewer, table) -> None:
    watcher = watch(viewer, table)
    table.result.labels.new_colormap(seed=3)
    assert table.heard == []
    assert watcher.is_connected


def test_watcher_stops_with_its_layer_and_keeps_nobody(viewer, table) -> None:
    watcher = watch(viewer, table)
    viewer.layers.remove(table.result.labels)
    assert not watcher.is_connected
    rename(table.result.labels, 1, 'eins')
    assert table.heard == []
    watcher.disconnect()

    other = watch(viewer, table)
    left = weakref.ref(other), weakref.ref(table)
    result = table.result
    del other, watcher, table
    gc.collect()
    assert left[0]() is None
    rename(result.labels, 1, 'zwei')


def test_list_and_recipe_are_kept_side_by_side(result) -> None:
    labels = result.labels
    labels.metadata['mine'] = 1
    assert read_list(labels) is None
    store_list(labels, {'rows': [1]})
    store_recipe(labels, {'model': 'm'})
    assert read_list(labels) == {'rows': [1]}
    assert labels.metadata['napari-naclip']['model'] == 'm'
    assert labels.metadata['mine'] == 1
    labels.metadata = {'napari-naclip': 'broken'}
    assert read_list(labels) is None
