"""Answers are written in steps, between which a person may do anything."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_naclip.engine.types import ClassList, Segmentation, Settings
from napari_naclip.layers import placing
from napari_naclip.layers.labels import add_result, revert, write_region
from napari_naclip.layers.read import take_snapshots
from napari_naclip.ui.kept_live import Shown
from napari_naclip.ui.live_thread import Question
from napari_naclip.ui.live_writing import AnswerWriter

CLASSES = ClassList.from_text('one; two; three')
SIZE = (8, 4)


class Panel:
    """What a person does while labels are written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # A row at a time.
        monkeypatch.setattr(placing, '_BAND_PIXELS', SIZE[1])
        viewer = ViewerModel()
        image = viewer.add_image(np.zeros(SIZE))
        (snapshot,) = take_snapshots(image, viewer, Settings())
        self.result = add_result(viewer, image, snapshot, CLASSES)
        write_region(self.result, snapshot, np.full(SIZE, 1, np.uint8))
        self.locked: frozenset[int] = frozenset()
        self.has_place = True
        self.writer = AnswerWriter(
            lambda _kept: self.has_place, lambda: self.locked
        )
        wanted = Shown(CLASSES, Settings(), frozenset())
        self.kept = SimpleNamespace(
            result=self.result, snapshot=snapshot, shown=wanted
        )
        self.question = Question(self.kept, wanted, None)
        self.writer.begin((self.kept,))

    @property
    def labels(self) -> np.ndarray:
        return np.asarray(self.result.labels.data)

    def write(self, value: int):
        made = Segmentation(
            labels=np.full(SIZE, value, np.uint8),
            confidence=np.zeros(SIZE, np.float16),
            classes=CLASSES,
            recipe={},
        )
        return self.writer.write(self.question, made)


def end(steps) -> int | None:
    """Do all steps; return what they return."""
    try:
        while True:
            next(steps)
    except StopIteration as stop:
        return stop.value


@pytest.fixture
def panel(monkeypatch: pytest.MonkeyPatch) -> Panel:
    return Panel(monkeypatch)


def start(panel: Panel, value: int, rows: int):
    """Begin to write; return the steps after so many rows."""
    steps = panel.write(value)
    while np.count_nonzero(panel.labels[:, 0] == value) < rows:
        next(steps)
    assert panel.kept.shown is None
    return steps


def test_a_class_locked_meanwhile_stays(panel: Panel) -> None:
    steps = start(panel, 2, 3)
    panel.locked = frozenset({1})
    assert end(steps) == 0
    assert panel.labels[:, 0].tolist() == [2, 2, 2, 1, 1, 1, 1, 1]


def test_a_class_unlocked_meanwhile_is_written(panel: Panel) -> None:
    panel.locked = frozenset({3})
    steps = start(panel, 2, 3)
    panel.locked = frozenset()
    end(steps)
    assert (panel.labels == 2).all()


def test_what_is_painted_meanwhile_stays(panel: Panel) -> None:
    steps = start(panel, 2, 3)
    panel.labels[1] = panel.labels[6] = 3
    # Only that which was in the way counts.
    assert end(steps) == SIZE[1]
    assert panel.labels[:, 0].tolist() == [2, 3, 2, 2, 2, 2, 3, 2]


def test_all_of_it_is_one_step_of_revert(panel: Panel) -> None:
    end(start(panel, 2, 3))
    revert(panel.result)
    assert (panel.labels == 1).all()


def test_a_layer_that_goes_meanwhile_ends_it(panel: Panel) -> None:
    steps = start(panel, 2, 3)
    panel.has_place = False
    assert end(steps) is None
    assert panel.labels[:, 0].tolist() == [2, 2, 2, 1, 1, 1, 1, 1]


def test_what_is_left_half_done_is_seen(panel: Panel) -> None:
    drawn: list[object] = []
    panel.result.labels.events.set_data.connect(drawn.append)
    steps = start(panel, 2, 3)
    drawn.clear()
    steps.close()
    assert drawn
