"""Take the pictures of the documentation by driving the real window.

Run it where there is a screen, or with a virtual one:

    xvfb-run -s "-screen 0 1440x900x24" python scripts/take_screenshots.py docs

Everything is typed, clicked and painted through Qt's events, as a person's
would be; nothing is drawn into the pictures.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import threading
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import napari
import numpy as np
from huggingface_hub import constants
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_naclip.demo.scenes import demo_scene
from napari_naclip.engine.segmenter import Segmenter

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_naclip.ui.widget import SegmentationWidget

WINDOW = (1280, 800)


def main() -> None:
    """Take all pictures into a folder."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('folder', type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as empty:
        # Nothing of this machine's shows: no model in the cache.
        constants.HF_HUB_CACHE = empty
        take_all(folder)


def take_all(folder: Path) -> None:
    """Drive one window through a session and save a picture of each step."""
    scene, classes = demo_scene()
    viewer = napari.Viewer()
    viewer.window.resize(*WINDOW)
    viewer.add_image(scene.image, name='demo scene')
    _, widget = viewer.window.add_plugin_dock_widget('napari-naclip')

    def save(name: str) -> None:
        wait(lambda: False, 1.0)
        path = str(folder / f'{name}.png')
        viewer.screenshot(path, canvas_only=False, flash=False)

    type_text(widget, '\n'.join(classes.split('; ')))
    save('1-before')
    click(widget.panel.run)
    wait(widget.panel.run.isEnabled)
    save('2-error-no-weights')

    held, go_on = hold_first_batch()
    click(widget.offer.demo)
    wait(held.is_set)
    save('3-during')
    go_on.set()
    wait(widget.panel.run.isEnabled)
    save('4-after')

    labels = viewer.layers[-1]
    labels.selected_label = 2
    labels.mode = 'paint'
    labels.brush_size = 40
    wait(lambda: False, 0.5)
    before = labels.data.copy()
    stroke(viewer, [(140, 200), (160, 320), (120, 440)])
    painted = labels.data != before
    if not painted.any():
        raise SystemExit('The brush stroke did not arrive at the layer.')
    type_text(widget, 'sand\nwater, sea\ngrass\nforest\nroad\nplain red')
    widget.options.refinement.setCurrentIndex(1)
    click(widget.panel.run)
    wait(widget.panel.run.isEnabled)
    labels.mode = 'pan_zoom'
    save('5-painted-and-run-again')
    if not (labels.data[painted] == 2).all():
        raise SystemExit('The second run changed painted pixels.')

    type_text(widget, 'sand\nwalrus')
    click(widget.panel.run)
    wait(widget.panel.run.isEnabled)
    save('6-unknown-word')
    viewer.close()


def hold_first_batch() -> tuple[threading.Event, threading.Event]:
    """Make the next run wait in its first batch; return both events."""
    held, go_on = threading.Event(), threading.Event()
    real = Segmenter._tokens

    def tokens(self: Segmenter, batch):
        held.set()
        go_on.wait(60)
        return real(self, batch)

    Segmenter._tokens = tokens
    return held, go_on


def wait(is_done: Callable[[], bool], seconds: float = 120) -> None:
    """Let the window live until something is done, or for some time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not is_done():
        QApplication.processEvents()
        time.sleep(0.01)


def click(button) -> None:
    """Click a button."""
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def type_text(widget: SegmentationWidget, text: str) -> None:
    """Type over the classes."""
    box = widget.classes.text
    QTest.keyClick(box, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    for line, rest in enumerate(text.split('\n')):
        if line:
            QTest.keyClick(box, Qt.Key.Key_Return)
        QTest.keyClicks(box, rest)


def stroke(viewer: napari.Viewer, points: list[tuple[int, int]]) -> None:
    """Paint a line through data positions with the mouse."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', FutureWarning)
        canvas = viewer.window._qt_viewer.canvas
    native = canvas.native
    center = np.array([native.height(), native.width()]) / 2
    zoom = viewer.camera.zoom
    middle = np.array(viewer.camera.center[-2:])
    dense = np.concatenate(
        [
            np.linspace(start, stop, 30)
            for start, stop in itertools.pairwise(points)
        ]
    )
    places = (dense - middle) * zoom + center
    corners = [QPoint(round(x), round(y)) for y, x in places]
    left = Qt.MouseButton.LeftButton
    QTest.mouseMove(native, corners[0])
    wait(lambda: False, 0.1)
    QTest.mousePress(native, left, pos=corners[0])
    for corner in corners:
        move(native, corner)
        wait(lambda: False, 0.01)
    QTest.mouseRelease(native, left, pos=corners[-1])
    wait(lambda: False, 0.2)


def move(native, place: QPoint) -> None:
    """Move the mouse with the left button down."""
    from qtpy.QtCore import QEvent
    from qtpy.QtGui import QMouseEvent

    event = QMouseEvent(
        QEvent.Type.MouseMove,
        QPointF(place),
        QPointF(native.mapToGlobal(place)),
        Qt.MouseButton.NoButton,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    QApplication.sendEvent(native, event)


if __name__ == '__main__':
    main()
