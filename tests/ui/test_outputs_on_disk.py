"""Labels layers whose arrays are on the disk behave as those in memory."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_naclip.engine import outputs
from napari_naclip.engine.errors import StorageError


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave no memory to outputs, and make their chunks small."""
    monkeypatch.setenv(outputs.OUTPUT_VARIABLE, '0')
    monkeypatch.setattr(outputs, 'CHUNK', (32, 24))


@pytest.mark.parametrize('is_stack', [False, True])
def test_run_paint_undo_run_again_revert(
    make_napari_viewer,
    open_widget,
    run,
    press,
    qtbot,
    picture,
    small,
    monkeypatch,
    is_stack,
) -> None:
    pixels = picture[..., 0]
    viewer = make_napari_viewer()
    viewer.add_image(np.stack([pixels, pixels]) if is_stack else pixels)
    widget = open_widget(viewer)
    assert run(widget).startswith('Done')
    labels = viewer.layers[-1]
    assert not isinstance(labels.data, np.ndarray)
    plane = labels.data[0] if is_stack else labels.data[:]
    assert plane.all()
    at = (0, 4, 5) if is_stack else (4, 5)
    own = int(labels.data[at])
    labels.brush_size = 3
    labels.paint(at, 7)
    assert labels.data[at] == 7
    labels.undo()
    assert labels.data[at] == own
    labels.redo()
    labels.fill(at, 9)
    assert labels.data[at] == 9
    before = labels.data[:]
    # Another run keeps it; Revert brings back what was beside it.
    press(widget.options.live)
    box = widget.options.refinement
    box.setCurrentIndex(box.findData('fast'))
    assert run(widget).startswith('Done')
    assert labels.data[at] == 9
    after = labels.data[:]
    assert (after != before).any()
    qtbot.waitUntil(widget.options.revert.isEnabled)
    press(widget.options.revert)
    np.testing.assert_array_equal(labels.data[:], before)
    # In memory it would be the same.
    monkeypatch.delenv(outputs.OUTPUT_VARIABLE)
    viewer.layers.remove(labels)
    assert run(widget).startswith('Done')
    plain = viewer.layers[-1].data
    assert isinstance(plain, np.ndarray)
    np.testing.assert_array_equal(plain[before != 9], after[before != 9])


def test_a_full_disk_is_told_and_nothing_painted_is_lost(
    small, monkeypatch
) -> None:
    import zarr

    viewer = ViewerModel()
    labels = viewer.add_labels(outputs.zeros((60, 50), np.uint8))
    labels.brush_size = 5
    labels.paint((10, 10), 3)
    before = labels.data[:]
    assert (before == 3).any()

    def fail(*_: object) -> None:
        raise OSError(28, 'No space left on device')

    with monkeypatch.context() as patch:
        patch.setattr(zarr.Array, '__setitem__', fail)
        # What napari shows of it is its text.
        with pytest.raises(StorageError, match=r'No space left.*Make room'):
            labels.paint((30, 30), 4)
    np.testing.assert_array_equal(labels.data[:], before)
    # With room again all goes on.
    labels.paint((30, 30), 4)
    assert labels.data[30, 30] == 4
    labels.undo()
    np.testing.assert_array_equal(labels.data[:], before)
