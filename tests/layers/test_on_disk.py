"""Labels on the disk are read in bands, whatever is done with all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from napari.components import ViewerModel
from napari.layers import Labels

from napari_naclip.engine import outputs
from napari_naclip.engine.types import ClassList, Settings
from napari_naclip.io import layer_files
from napari_naclip.layers import labels as label_layers
from napari_naclip.layers import placing
from napari_naclip.layers.blocks import put
from napari_naclip.layers.checkpoint import absorb
from napari_naclip.layers.edits import forget_edits
from napari_naclip.layers.labels import Result, add_result, write_region
from napari_naclip.layers.read import take_snapshots

CLASSES = ClassList.from_text('one; two; three')
SIZE = (3, 40, 10)
PLANE = (1, slice(None), slice(None))


@pytest.fixture(autouse=True)
def on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('NAPARI_NACLIP_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setenv(outputs.OUTPUT_VARIABLE, '0')
    monkeypatch.setattr(outputs, 'CHUNK', (4, 8))
    monkeypatch.setattr(placing, '_BAND_PIXELS', 1)


@pytest.fixture
def result() -> Result:
    """Return a result on the disk that the model filled with 1."""
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros(SIZE), name='photo')
    snapshots = take_snapshots(image, viewer, Settings(), scope='all')
    result = add_result(viewer, image, snapshots[0], CLASSES)
    for snapshot in snapshots:
        write_region(result, snapshot, np.ones(snapshot.size, np.uint8))
    assert not isinstance(result.labels.data, np.ndarray)
    return result


@pytest.fixture
def largest(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the pixels that are read and written at once."""
    seen = [0]
    read, write = zarr.Array.__getitem__, zarr.Array.__setitem__

    def get(self: zarr.Array, at: Any) -> Any:
        found = read(self, at)
        seen.append(np.size(found))
        return found

    def put(self: zarr.Array, at: Any, values: Any) -> None:
        write(self, at, values)
        seen.append(np.size(values))

    # napari reads what it shows.
    monkeypatch.setattr(Labels, 'refresh', lambda *_, **__: None)
    monkeypatch.setattr(zarr.Array, '__getitem__', get)
    monkeypatch.setattr(zarr.Array, '__setitem__', put)
    return seen


def paint(result: Result, seed: int = 0) -> np.ndarray:
    """Paint some pixels; return all labels."""
    values = result.labels.data[:]
    random = np.random.default_rng(seed)
    values = np.where(
        random.random(SIZE) < 0.3, random.integers(0, 4, SIZE), values
    )
    result.labels.data[:] = values
    return values


def test_forget_and_revert(result: Result, largest: list[int]) -> None:
    before = paint(result)
    mask = np.random.default_rng(1).random(SIZE[1:]) < 0.5
    largest.clear()
    result.previous = label_layers.checkpoint(result)
    forgotten = forget_edits(result, PLANE, mask=mask)
    assert max(largest) <= 40
    expected = before.copy()
    expected[1][mask] = 1
    assert forgotten == np.count_nonzero(expected != before) > 0
    np.testing.assert_array_equal(result.labels.data[:], expected)
    result.checkpoint = None
    largest.clear()
    label_layers.revert(result)
    assert max(largest) <= 40
    np.testing.assert_array_equal(result.labels.data[:], before)


@pytest.mark.parametrize('was_empty', [True, False])
def test_a_locked_background_holds_where_there_was_anything(
    result: Result, was_empty: bool
) -> None:
    """Also where that was in another band than what goes back."""
    result.labels.data[1], result.written[1] = 0, 0
    if not was_empty:
        result.labels.data[1, 0], result.written[1, 0] = 1, 1
    mark = label_layers.checkpoint(result)
    before = result.labels.data[:]
    result.labels.data[1], result.written[1] = 2, 2
    mark.is_touched[1] = True
    mark.before[1] = before[1]
    mark.planes[1, None, None] = PLANE
    label_layers.restore(result, mark, locked={0})
    rest = result.labels.data[1, 1:]
    assert (rest == (0 if was_empty else 2)).all()


@pytest.mark.parametrize(
    ('share', 'accesses'), [('none', 0), ('some', 2), ('all', 1)]
)
def test_chunks_are_not_read_or_written_for_nothing(
    result: Result, largest: list[int], share: str, accesses: int
) -> None:
    array = result.labels.data
    at = (1, slice(0, 4), slice(None))
    where = np.full((4, 10), share != 'none')
    where[0, 0] = share == 'all'
    expected = np.where(where, 3, array[at])
    largest.clear()
    put(array, at, np.full((4, 10), 3, np.uint8), where)
    assert len(largest) == accesses
    np.testing.assert_array_equal(array[at], expected)


def test_only_what_was_written_goes_back(
    result: Result, largest: list[int]
) -> None:
    mark = label_layers.checkpoint(result)
    before = paint(result)
    mark.is_touched[1, 8:12] = True
    mark.before[1] = before[1]
    mark.planes[1, None, None] = PLANE
    result.written[1, 8:12] = result.labels.data[1, 8:12] = 2
    largest.clear()
    label_layers.restore(result, mark)
    # Of the other nine bands it is only looked up that nothing was touched.
    assert sum(largest) <= 9 * 40 + 8 * 40
    np.testing.assert_array_equal(result.labels.data[:], before)


def test_two_changes_in_a_row(result: Result, largest: list[int]) -> None:
    before = paint(result)
    first = label_layers.checkpoint(result)
    forget_edits(result, PLANE)
    later = paint(result, seed=1)
    second = label_layers.checkpoint(result)
    forget_edits(result, PLANE)
    largest.clear()
    absorb(first, second)
    assert max(largest) <= 40
    result.previous, result.checkpoint = first, None
    label_layers.revert(result)
    # The last edit of each pixel.
    expected = np.where(later != 1, later, before)[1]
    np.testing.assert_array_equal(result.labels.data[1], expected)


def test_saved_and_opened(
    result: Result, largest: list[int], tmp_path: Path
) -> None:
    values = paint(result)
    layer = result.labels
    largest.clear()
    file = str(tmp_path / 'labels.naclip')
    layer_files.write_layers(file, [layer.as_layer_data_tuple()])
    # The rows of a tile of the file.
    assert max(largest) <= SIZE[1] * SIZE[2]
    ((labels, attributes, _),) = layer_files.read_layers(file)
    np.testing.assert_array_equal(labels, values)
    (model,) = (
        each
        for each in attributes['metadata'].values()
        if hasattr(each, 'array')
    )
    assert (model.array == 1).all()
