"""A person at the window: mouse, keys, and looking until something is there.

Mouse and keys are the X server's own (``xdotool``): they go to whatever is at
that place of the screen and has the focus, as a person's would. What cannot
be done so ends the program with a sentence.
"""

from __future__ import annotations

import io
import itertools
import subprocess
import time
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from qtpy.QtCore import QBuffer, QIODevice, QPoint, QRect
from qtpy.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QComboBox,
    QMenu,
    QScrollArea,
    QWidget,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    import napari
    from qtpy.QtCore import QModelIndex

#: Seconds that anything may take on a busy machine.
PATIENCE = 120.0
#: Bytes of a picture above which it gets a palette.
_MOST_BYTES = 650_000
#: Seconds in which the window draws itself after the last change.
_SETTLE = 0.6


def expect(is_true: object, sentence: str) -> None:
    """End the program with a sentence if something does not hold."""
    if not is_true:
        raise SystemExit(f'FAILED: {sentence}')


class WindowDriver:
    """Acts on one napari window and keeps pictures of it.

    Parameters
    ----------
    viewer : napari.Viewer
    folder : Path
        Of the pictures.
    names : collection of str, optional
        Pictures that are kept, without suffix; by default all.
    """

    def __init__(
        self,
        viewer: napari.Viewer,
        folder: Path,
        names: Collection[str] | None = None,
    ) -> None:
        self._folder = folder
        self._names = names
        self.use(viewer)

    def use(self, viewer: napari.Viewer) -> None:
        """Go on with another window, in front of all others."""
        self.viewer = viewer
        with warnings.catch_warnings():
            # napari has no public way to its window.
            warnings.simplefilter('ignore', FutureWarning)
            self.window: QWidget = viewer.window._qt_window
            self._canvas: QWidget = viewer.window._qt_viewer.canvas.native
        self.window.move(0, 0)
        self.window.raise_()
        self.window.activateWindow()
        self.wait(self.window.isActiveWindow, 'the window is active')

    def wait(
        self,
        is_done: Callable[[], object],
        what: str,
        seconds: float = PATIENCE,
    ) -> None:
        """Let the window live until something is so."""
        end = time.monotonic() + seconds
        while not is_done():
            expect(time.monotonic() < end, f'it never came so far: {what}.')
            self._live()

    def pause(self, seconds: float = _SETTLE) -> None:
        """Let the window live for some time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._live()

    def _live(self) -> None:
        QApplication.processEvents()
        time.sleep(0.01)

    # Mouse.

    def point(self, widget: QWidget, place: QPoint) -> None:
        """Move the mouse to a place of a widget."""
        spot = widget.mapToGlobal(place)
        factor = widget.devicePixelRatioF()
        _act(
            'mousemove',
            str(round(spot.x() * factor)),
            str(round(spot.y() * factor)),
        )
        self.pause(0.05)

    def click(self, widget: QWidget, place: QPoint | None = None) -> None:
        """Click into a widget, which must be seen and be in front there.

        Parameters
        ----------
        widget : QWidget
        place : QPoint, optional
            By default the middle of a button, the left end of others.
        """
        self.scroll_to(widget)
        self._wait_until_still(widget)
        if place is None:
            place = widget.rect().center()
        name = widget.accessibleName() or type(widget).__name__
        expect(widget.isEnabled(), f'“{name}” is disabled.')
        hit = QApplication.widgetAt(widget.mapToGlobal(place))
        expect(
            hit is not None and (hit is widget or widget.isAncestorOf(hit)),
            f'“{name}” is not in front where it is clicked, but {hit}.',
        )
        self.point(widget, place)
        _act('click', '1')
        self.pause(0.1)

    def _wait_until_still(self, widget: QWidget) -> None:
        """Wait until layouts have stopped to move a widget about."""
        before = None
        for _ in range(20):
            now = widget.mapToGlobal(QPoint(0, 0)), widget.size()
            if now == before:
                return
            before = now
            # Longer than a panel waits before it tells of a choice.
            self.pause(0.25)

    def check(self, box: QWidget) -> None:
        """Click the mark of a check box."""
        self.click(box, QPoint(8, box.height() // 2))

    def click_cell(
        self, view: QAbstractItemView, row: int, column: int
    ) -> None:
        """Click a cell of a table."""
        self.scroll_to(view)
        self._click_item(view, view.model().index(row, column))

    def _click_item(self, view: QAbstractItemView, index: QModelIndex) -> None:
        view.scrollTo(index)
        self.pause(0.05)
        self.click(view.viewport(), view.visualRect(index).center())

    def choose(self, combo: QComboBox, text: str) -> None:
        """Choose an entry of a combo box with the mouse."""
        index = combo.findText(text)
        expect(index >= 0, f'There is no “{text}” to choose.')
        self.click(combo)
        view = combo.view()
        self.wait(view.isVisible, f'the list with “{text}” is open')
        self.pause(0.2)
        self._click_item(view, combo.model().index(index, 0))
        self.wait(lambda: combo.currentText() == text, f'“{text}” is chosen')

    def choose_menu(self, *texts: str) -> None:
        """Choose an entry of the menu bar's menus with the mouse."""
        bar: Any = self.window
        menu: Any = bar.menuBar()
        for text in texts:
            menu = self.click_entry(menu, text)

    def click_entry(self, menu: Any, text: str) -> QMenu | None:
        """Click an entry of a menu; return the menu that it opens."""
        titles = {
            action.text().replace('&', ''): action for action in menu.actions()
        }
        expect(text in titles, f'No “{text}” in the menu {list(titles)}.')
        action = titles[text]
        self.click(menu, menu.actionGeometry(action).center())
        opened: QMenu | None = action.menu()
        if opened is not None:
            self.wait(opened.isVisible, f'the menu “{text}” is open')
        return opened

    def scroll_to(self, widget: QWidget) -> None:
        """Turn the mouse wheel until a widget is seen."""
        area = _scroll_area_of(widget)
        if area is None or area.isAncestorOf(widget) is False:
            return
        # What has just appeared gets its place a moment later.
        self.pause(0.1)
        viewport = area.viewport()
        for _ in range(80):
            top = widget.mapTo(viewport, QPoint(0, 0)).y()
            shown = QRect(0, top, 1, widget.height())
            middle = shown.center().y()
            if shown.top() >= 0 and shown.bottom() < viewport.height():
                return
            if widget.height() > viewport.height() and (
                0 <= middle < viewport.height()
            ):
                return
            bar = area.verticalScrollBar()
            before = bar.value()
            self.point(viewport, QPoint(2, viewport.height() // 2))
            _act('click', '4' if shown.top() < 0 else '5')
            self.pause(0.05)
            if bar.value() == before:
                return

    def park(self) -> None:
        """Take the mouse out of the window, so that no tooltip shows."""
        self.point(self.window, QPoint(self.window.width() - 4, 4))

    # Keys.

    def type(self, text: str) -> None:
        """Type a text, where the focus is."""
        _act('type', '--delay', '4', '--', text)
        self.pause(0.2)

    def press(self, *keys: str) -> None:
        """Press keys, one after the other, by their X names."""
        for key in keys:
            _act('key', '--', key)
            self.pause(0.1)

    # The canvas.

    def drag(self, points: Sequence[Sequence[float]]) -> None:
        """Drag the mouse over the canvas through (row, column) positions.

        In world coordinates of the displayed dimensions.
        """
        places = [self._canvas_place(point) for point in _densify(points)]
        self.point(self._canvas, places[0])
        _act('mousedown', '1')
        for place in places[1:]:
            self.point(self._canvas, place)
        _act('mouseup', '1')
        self.pause(0.2)

    def see_all(self) -> None:
        """Give the canvas the focus and show all that there is."""
        self.click(self._canvas)
        self.press('ctrl+r')

    def click_canvas(self, point: Sequence[float]) -> None:
        """Click the canvas at a (row, column) position of the world."""
        self.click(self._canvas, self._canvas_place(point))

    def turn_wheel(self, point: Sequence[float], clicks: int) -> None:
        """Turn the wheel over the canvas: positive zooms in."""
        self.point(self._canvas, self._canvas_place(point))
        for _ in range(abs(clicks)):
            _act('click', '4' if clicks > 0 else '5')
            self.pause(0.1)

    def _canvas_place(self, point: Sequence[float]) -> QPoint:
        camera = self.viewer.camera
        middle = np.array(camera.center[-2:])
        row, column = (np.asarray(point) - middle) * camera.zoom
        rect = self._canvas.rect()
        return QPoint(
            round(rect.width() / 2 + column), round(rect.height() / 2 + row)
        )

    # Pictures.

    def picture(self, name: str, *, is_parked: bool = True) -> None:
        """Keep what the screen shows of the window."""
        if self._names is not None and name not in self._names:
            return
        if is_parked:
            self.park()
        self.pause()
        frame = self.window.geometry()
        pixels = self.window.screen().grabWindow(
            0, frame.x(), frame.y(), frame.width(), frame.height()
        )
        buffer = QBuffer()
        buffer.open(QIODevice.OpenModeFlag.ReadWrite)
        pixels.save(buffer, 'PNG')
        image = Image.open(io.BytesIO(bytes(buffer.data().data())))
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f'{name}.png'
        image = image.convert('RGB')
        image.save(path, optimize=True)
        if path.stat().st_size > _MOST_BYTES:
            # Unlike others, this way keeps the few pixels of a swatch right.
            image.quantize(256, method=Image.Quantize.FASTOCTREE).save(
                path, optimize=True
            )


def _act(*words: str) -> None:
    subprocess.run(['xdotool', *words], check=True)


def _scroll_area_of(widget: QWidget) -> QScrollArea | None:
    parent = widget.parentWidget()
    while parent is not None and not isinstance(parent, QScrollArea):
        parent = parent.parentWidget()
    return parent


def _densify(points: Sequence[Sequence[float]]) -> list[np.ndarray]:
    return [
        position
        for start, stop in itertools.pairwise(points)
        for position in np.linspace(start, stop, 12)
    ]
