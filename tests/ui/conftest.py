"""Fixtures for tests with a viewer."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from napari.utils import progress
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QAbstractButton

from napari_naclip.engine.encoder import Encoder
from napari_naclip.ui.compute import SLOT
from napari_naclip.ui.widget import SegmentationWidget

#: Milliseconds for a run with the demo model, on a busy machine.
TIMEOUT = 120_000


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tests out of the user's cache."""
    monkeypatch.setenv('NAPARI_NACLIP_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setenv('NAPARI_NACLIP_CONFIG', str(tmp_path / 'config'))
    monkeypatch.setenv('NAPARI_NACLIP_STATE', str(tmp_path / 'state'))


@pytest.fixture(autouse=True)
def nothing_left(qtbot) -> Iterator[None]:
    """Fail a test that leaves the compute slot taken or a bar open."""
    yield
    qtbot.waitUntil(lambda: not SLOT.is_taken, timeout=TIMEOUT)
    assert not progress._all_instances


@pytest.fixture
def zoom_in() -> Callable[..., None]:
    """Return a function that doubles a viewer's zoom."""

    def zoom(viewer) -> None:
        # The camera moved into the scene in napari 0.9.
        getattr(viewer, 'scene', viewer).camera.zoom *= 2

    return zoom


@pytest.fixture
def press(qtbot) -> Callable[[QAbstractButton], None]:
    """Return a function that clicks a button as a person does."""

    def click(button: QAbstractButton) -> None:
        assert button.isEnabled()
        # Near the left edge: a check box takes no click right of its text.
        place = QPoint(8, button.height() // 2)
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton, pos=place)

    return click


@pytest.fixture
def wait_for_rest(qtbot) -> Callable[[SegmentationWidget], str]:
    """Return a function that waits for the end of a run."""

    def wait(widget: SegmentationWidget) -> str:
        qtbot.waitUntil(widget.panel.run.isEnabled, timeout=TIMEOUT)
        assert not widget.panel.cancel.isEnabled()
        return widget.panel.status.text()

    return wait


@pytest.fixture
def run(press, wait_for_rest) -> Callable[[SegmentationWidget], str]:
    """Return a function that presses Run and waits for the end."""

    def run_widget(widget: SegmentationWidget) -> str:
        press(widget.panel.run)
        return wait_for_rest(widget)

    return run_widget


@pytest.fixture
def type_classes(qtbot) -> Callable[[SegmentationWidget, str], None]:
    """Return a function that types other classes in the place of all."""

    def type_over(widget: SegmentationWidget, text: str) -> None:
        table, entry = widget.classes.table, widget.classes.entry
        for box in (table, entry):
            qtbot.keyClick(box, 'A', Qt.KeyboardModifier.ControlModifier)
            qtbot.keyClick(box, Qt.Key.Key_Delete)
        qtbot.keyClicks(entry, text)
        qtbot.keyClick(entry, Qt.Key.Key_Return)

    return type_over


@pytest.fixture
def open_widget(type_classes) -> Callable[..., SegmentationWidget]:
    """Return a function that opens the plugin with the demo model."""

    def open_in(viewer, text: str = 'sand; water') -> SegmentationWidget:
        _, widget = viewer.window.add_plugin_dock_widget('napari-naclip')
        widget.model.choose_model('demo')
        type_classes(widget, text)
        return widget

    return open_in


@pytest.fixture
def type_more(qtbot) -> Callable[[SegmentationWidget, str], None]:
    """Return a function that types classes behind those that are there."""

    def type_in(widget: SegmentationWidget, text: str) -> None:
        qtbot.keyClicks(widget.classes.entry, text)
        qtbot.keyClick(widget.classes.entry, Qt.Key.Key_Return)

    return type_in


@pytest.fixture
def settle(qtbot) -> Callable[[SegmentationWidget], None]:
    """Return a function that waits until the labels have followed."""

    def wait(widget: SegmentationWidget) -> None:
        live = widget._live
        qtbot.waitUntil(
            lambda: live._wish is None and not live._timer.isActive(),
            timeout=TIMEOUT,
        )

    return wait


@dataclass
class Hold:
    """A run that waits inside one of its steps."""

    reached: threading.Event
    go_on: threading.Event


@pytest.fixture
def hold_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Hold]]:
    """Return a function that makes runs wait where a function is called.

    Or, with ``is_live``, the thread that answers without a run.
    """
    holds = []

    def hold_function(
        owner: object, name: str, *, is_live: bool = False
    ) -> Hold:
        hold = Hold(threading.Event(), threading.Event())
        real = getattr(owner, name)

        @functools.wraps(real)
        def wait(*args, **kwargs):
            thread = threading.current_thread()
            if (thread.name == 'napari-naclip live') is is_live:
                hold.reached.set()
                assert hold.go_on.wait(60)
            return real(*args, **kwargs)

        monkeypatch.setattr(owner, name, wait)
        holds.append(hold)
        return hold

    yield hold_function
    for hold in holds:
        hold.go_on.set()


@pytest.fixture
def hold(hold_at) -> Hold:
    """Make every run wait for its first windows until it is let go."""
    return hold_at(Encoder, 'fill')


@pytest.fixture
def start_held(qtbot, press, hold) -> Callable[[SegmentationWidget], Hold]:
    """Return a function that presses Run and waits until it is held."""

    def start(widget: SegmentationWidget) -> Hold:
        hold.reached.clear()
        hold.go_on.clear()
        press(widget.panel.run)
        qtbot.waitUntil(hold.reached.is_set, timeout=TIMEOUT)
        return hold

    return start


@pytest.fixture
def picture() -> np.ndarray:
    """Return a small color image of blocks."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (6, 8, 3)).astype(np.uint8)
    return coarse.repeat(16, axis=0).repeat(16, axis=1)


@pytest.fixture
def opened(make_napari_viewer, open_widget, run, settle, picture):
    """Return viewer, widget and labels after a first run."""
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    widget = open_widget(viewer, 'sand; water; grass')
    run(widget)
    settle(widget)
    return viewer, widget, viewer.layers[-1]
