"""Planes beyond those that are kept awake follow, too; none outlives a layer."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

from napari_naclip.engine.encoder import Encoder
from napari_naclip.engine.live import LiveSegmentation
from napari_naclip.ui import kept_parts

TIMEOUT = 60_000


@pytest.fixture
def lives():
    """Return a function that finds what answers and was made in the test.

    Other tests may share one for as long as all of them run.
    """

    def find() -> list[LiveSegmentation]:
        gc.collect()
        found = [x for x in gc.get_objects() if type(x) is LiveSegmentation]
        return [each for each in found if each not in before]

    before: weakref.WeakSet[LiveSegmentation] = weakref.WeakSet()
    before.update(find())
    return find


@pytest.fixture
def opened(lives, make_napari_viewer, open_widget, run, picture, settle):
    """Return viewer, widget and labels after a run over two planes."""
    viewer = make_napari_viewer()
    viewer.add_image(np.stack([picture[..., 0], picture[::-1, :, 1]]))
    viewer.dims.set_point(0, 0)
    widget = open_widget(viewer, 'sand; water; grass')
    box = widget.image.scope_box
    box.setCurrentIndex(box.findData('all'))
    run(widget)
    settle(widget)
    return viewer, widget, viewer.layers[-1]


@pytest.fixture
def settle(qtbot):
    """Return a function that waits until the labels have followed."""

    def wait(widget) -> None:
        live = widget._live
        qtbot.wait(50)
        qtbot.waitUntil(
            lambda: live._wish is None and not live._timer.isActive(),
            timeout=TIMEOUT,
        )

    return wait


def test_a_plane_that_sleeps_follows_when_displayed(
    opened, lives, settle, monkeypatch
) -> None:
    viewer, widget, labels = opened
    looked: list[int] = []
    tokens = Encoder._tokens
    monkeypatch.setattr(
        Encoder,
        '_tokens',
        lambda self, batch: looked.append(1) or tokens(self, batch),
    )
    widget.classes.add_text('brick; road')
    settle(widget)
    viewer.dims.set_point(0, 1)
    settle(widget)
    awake = labels.data.copy()
    widget.classes._history.stack.undo()
    settle(widget)
    viewer.dims.set_point(0, 0)
    settle(widget)
    before = labels.data.copy()
    assert (before != awake).any()

    monkeypatch.setattr(kept_parts, '_MOST_KEPT', 1)
    for plane in (1, 0):
        # The other one goes to sleep each time.
        viewer.dims.set_point(0, plane)
        widget.classes._history.stack.redo()
        settle(widget)
        assert len(lives()) == 1
        np.testing.assert_array_equal(labels.data[plane], awake[plane])
        if plane:
            np.testing.assert_array_equal(labels.data[0], before[0])
    # From the kept features: nothing was looked at again.
    assert not looked


def test_nothing_answers_for_a_layer_that_is_gone(
    opened, lives, settle
) -> None:
    viewer, widget, labels = opened
    widget.classes.add_text('brick')
    settle(widget)
    made = [weakref.ref(each) for each in lives()]
    assert made
    viewer.layers.remove(labels)
    del labels
    settle(widget)
    gc.collect()
    assert not [each for each in made if each() is not None]


def test_nothing_answers_for_a_window_that_is_gone(
    lives, make_napari_viewer, open_widget, run, picture, settle, qtbot
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    widget = open_widget(viewer, 'sand; water; grass')
    run(widget)
    widget.classes.add_text('brick')
    settle(widget)
    made = [weakref.ref(each) for each in lives()]
    assert made
    viewer.close()
    del viewer, widget
    qtbot.wait(100)
    gc.collect()
    assert not [each for each in made if each() is not None]
