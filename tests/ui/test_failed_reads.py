"""Images of which a part cannot be read: what is finished stays."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest

from napari_naclip.engine import source, tiles
from napari_naclip.io.kept_features import shared_store

#: Rows from here on cannot be read.
BROKEN = 256


@pytest.fixture
def tall(monkeypatch: pytest.MonkeyPatch):
    """Return a dask array of 384 x 96 pixels, and which rows are broken."""
    monkeypatch.setattr(tiles, 'TILE', 32)
    monkeypatch.setattr(source, 'READ_BYTES', 64 * 96)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (24, 6), np.uint8).repeat(16, 0)
    pixels = pixels.repeat(16, 1)
    broken: set[int] = set()

    def give(block: np.ndarray, block_info=None) -> np.ndarray:
        (top, _), _ = block_info[0]['array-location']
        if any(top + len(block) > row >= top for row in broken):
            raise OSError('bad sector.')
        return block

    lazy = da.from_array(pixels, chunks=(64, 96)).map_blocks(
        give, dtype=pixels.dtype
    )
    return lazy, broken


def open_tall(viewer, open_widget, lazy):
    viewer.add_image(lazy, contrast_limits=(0, 255), cache=False)
    return open_widget(viewer, 'sand; water')


def test_final_labels_stay_and_revert_takes_them_back(
    make_napari_viewer, open_widget, run, press, qtbot, tall
) -> None:
    lazy, broken = tall
    viewer = make_napari_viewer()
    widget = open_tall(viewer, open_widget, lazy)
    broken.add(BROKEN)
    text = run(widget)
    assert 'bad sector' in text
    assert 'Rows 256 to' in text
    assert 'Revert' in text
    labels = viewer.layers[-1]
    is_labeled = labels.data.any(axis=1)
    count = np.count_nonzero(is_labeled)
    assert 64 <= count <= BROKEN
    # From the top without a gap.
    assert is_labeled[:count].all()
    assert list(labels.features['class']) == ['unlabeled', 'sand', 'water']
    kept = labels.data.copy()
    qtbot.waitUntil(widget.options.revert.isEnabled)
    press(widget.options.revert)
    assert not labels.data.any()
    # They were those of the whole image.
    broken.clear()
    assert run(widget).startswith('Done')
    assert viewer.layers[-1] is labels
    np.testing.assert_array_equal(labels.data[:count], kept[:count])


def test_failure_over_older_labels_can_be_reverted(
    make_napari_viewer, open_widget, run, press, qtbot, type_classes, tall
) -> None:
    lazy, broken = tall
    viewer = make_napari_viewer()
    widget = open_tall(viewer, open_widget, lazy)
    assert run(widget).startswith('Done')
    labels = viewer.layers[-1]
    before = labels.data.copy()
    press(widget.options.live)
    labels.data[0, :8] = 7
    broken.add(BROKEN)
    type_classes(widget, 'forest; road')
    shared_store().clear()
    assert 'Revert' in run(widget)
    assert labels.data[1:64].min() >= 3
    assert (labels.data[0, :8] == 7).all()
    np.testing.assert_array_equal(labels.data[BROKEN:], before[BROKEN:])
    qtbot.waitUntil(widget.options.revert.isEnabled)
    press(widget.options.revert)
    before[0, :8] = 7
    np.testing.assert_array_equal(labels.data, before)


def test_previews_do_not_stay(
    make_napari_viewer, open_widget, run, tall
) -> None:
    lazy, broken = tall
    viewer = make_napari_viewer()
    widget = open_tall(viewer, open_widget, lazy)
    box = widget.options.refinement
    box.setCurrentIndex(box.findData('fast'))
    broken.add(BROKEN)
    text = run(widget)
    assert 'bad sector' in text
    assert 'Revert' not in text
    assert len(viewer.layers) == 1
