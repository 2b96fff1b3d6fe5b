"""Layers with edits, as tests of saving begin with them."""

from __future__ import annotations

import numpy as np
from napari.components import ViewerModel

from napari_naclip.correct.model_labels import (
    ModelLabels,
    pack_edits,
    pack_notes,
    unpack_edits,
    unpack_notes,
)
from napari_naclip.engine.types import ClassList, Settings
from napari_naclip.layers.labels import Result, add_result, write_region
from napari_naclip.layers.read import take_snapshots
from napari_naclip.layers.sync import store_list
from napari_naclip.ui.correct.autosave import AutoSaver

TIMEOUT = 60_000


def make(image: np.ndarray):
    """Return a viewer and a result that the model filled with 1."""
    viewer = ViewerModel()
    layer = viewer.add_image(image, name='photo')
    (snapshot,) = take_snapshots(layer, viewer, Settings())
    classes = ClassList.from_text('one; two; three')
    result = add_result(viewer, layer, snapshot, classes)
    store_list(result.labels, classes_state())
    write_region(result, snapshot, np.ones(snapshot.size, np.uint8))
    return viewer, result


def classes_state() -> dict:
    """Return a list of classes as layers keep it."""
    from napari_naclip.engine.class_state import ListState

    return ListState.from_text('one; two; three').to_dict()


def leave_edits(image: np.ndarray, qtbot) -> np.ndarray:
    """Paint, and end as by a crash; return the labels."""
    viewer, result = make(image)
    saver = AutoSaver(viewer, interval=0.05)
    saver.follow(result)
    result.labels.paint((5, 6), 2)
    with qtbot.waitSignal(saver.told, timeout=TIMEOUT):
        pass
    (job,) = saver._jobs
    job._writer._held.release()
    saver._timer.stop()
    return np.array(result.labels.data)


def packed_and_unpacked(result: Result) -> ModelLabels:
    """Return what a file keeps of what the model wrote, and says."""
    packed = pack_edits(result.labels.data, result.written)
    written = unpack_edits(packed, result.labels.data)
    under = result.under
    if under is not None:
        noted = pack_notes(under, result.written.dtype)
        under = unpack_notes(noted, written)
    return ModelLabels(written, under=under)
