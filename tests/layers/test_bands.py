"""Writing in bands gives what writing pixel by pixel would."""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.components import ViewerModel

from napari_naclip.engine import outputs
from napari_naclip.engine.types import ClassList, Region, Settings
from napari_naclip.layers import blocks, placing
from napari_naclip.layers import labels as label_layers
from napari_naclip.layers.labels import add_result, write_region
from napari_naclip.layers.read import take_snapshots

CLASSES = ClassList.from_text('one; two; three')


@pytest.fixture(autouse=True, scope='module')
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep tests out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp('cache')
        patch.setenv('NAPARI_NACLIP_CACHE', str(folder))
        yield


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    is_transposed=st.booleans(),
    has_mask=st.booleans(),
    locked=st.sets(st.integers(0, 30)),
    most_compared=st.sampled_from([0, 16]),
    band=st.integers(1, 40),
    is_on_disk=st.booleans(),
    mode=st.sampled_from(['unedited', 'background', 'everywhere']),
)
def test_as_pixel_by_pixel(
    seed: int,
    is_transposed: bool,
    has_mask: bool,
    locked: set[int],
    most_compared: int,
    band: int,
    is_on_disk: bool,
    mode: str,
) -> None:
    rng = np.random.default_rng(seed)
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros((2, 7, 9)))
    if is_transposed:
        viewer.dims.order = (0, 2, 1)
    (snapshot,) = take_snapshots(image, viewer, Settings(detail=None))
    with patch.object(
        outputs, 'output_budget', lambda: 0 if is_on_disk else 10**6
    ):
        result = add_result(viewer, image, snapshot, CLASSES)
        label_layers.checkpoint(result)
    data, written = result.labels.data, result.written
    assert isinstance(data, np.ndarray) is not is_on_disk
    model = rng.integers(0, 4, data.shape)
    before = np.where(rng.random(data.shape) < 0.3, 3, model)
    data[:], written[:] = before, model
    assert label_layers.has_edits(result) == (before != model).any()

    top, left = rng.integers(0, 4, 2)
    region = Region(int(top), int(left), int(top) + 3, int(left) + 2)
    new = rng.integers(0, 4, region.size).astype(np.uint8)
    mask = rng.random(region.size) < 0.6 if has_mask else None
    with (
        patch.object(placing, '_BAND_PIXELS', band),
        patch.object(outputs, 'CHUNK', (2, 3)),
        patch.object(blocks, '_MOST_COMPARED', most_compared),
    ):
        kept = write_region(result, snapshot, new, region, mask, locked, mode)

    expected, own, expected_kept = before.copy(), model.copy(), 0
    (plane,) = snapshot.plane_key
    for row, column in np.ndindex(region.size):
        at = (region.top + row, region.left + column)
        at = (plane, *(at[::-1] if is_transposed else at))
        value = new[row, column]
        if (mask is not None and not mask[row, column]) or before[at] == value:
            continue
        is_edited = before[at] != model[at]
        is_barred = {
            'unedited': is_edited,
            'background': before[at] != 0,
            'everywhere': False,
        }[mode]
        if is_barred:
            expected_kept += is_edited
        elif not {int(before[at]), int(value)} & locked:
            expected[at] = own[at] = value
    np.testing.assert_array_equal(data[:], expected)
    np.testing.assert_array_equal(written[:], own)
    assert kept == expected_kept

    label_layers.restore(result, result.checkpoint)
    np.testing.assert_array_equal(data[:], before)
    np.testing.assert_array_equal(written[:], model)


@pytest.mark.parametrize('dtype', [np.int64, np.uint16])
def test_labels_of_a_wider_type(dtype: type) -> None:
    """A person may have put another array into the layer."""
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros((5, 6)))
    (snapshot,) = take_snapshots(image, viewer, Settings(detail=None))
    result = add_result(viewer, image, snapshot, CLASSES)
    result.labels.data = result.labels.data.astype(dtype)
    write_region(result, snapshot, np.full((5, 6), 2, np.uint8))
    assert result.labels.data.dtype == dtype
    assert (result.labels.data == 2).all()
