"""What both journeys do with the plugin's panel, and how runs are held."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QDockWidget, QFileDialog, QLineEdit

from napari_naclip.engine.encoder import Encoder
from napari_naclip.ui.class_table.model import Column
from napari_naclip.ui.widget import SegmentationWidget
from window_driver import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from window_driver import WindowDriver

MENU_ENTRY = 'Text segmentation (napari-naclip)'


def open_panel(driver: WindowDriver) -> SegmentationWidget:
    """Open the plugin from the menu and return its panel."""
    driver.choose_menu('Plugins', MENU_ENTRY)

    def find() -> list[SegmentationWidget]:
        return [
            panel
            for panel in driver.window.findChildren(SegmentationWidget)
            if panel.isVisible()
        ]

    driver.wait(find, 'the panel is open')
    driver.pause()
    return find()[0]


def type_classes(
    driver: WindowDriver, panel: SegmentationWidget, text: str
) -> None:
    """Type classes into the entry box and press Enter."""
    driver.click(panel.classes.entry)
    driver.wait(panel.classes.entry.hasFocus, 'the entry box has the focus')
    driver.type(text)
    driver.press('Return')


def names(panel: SegmentationWidget) -> list[str]:
    """Return the names of the classes, as the table has them."""
    return [row.name for row in panel.classes.rows()]


def select_class(
    driver: WindowDriver, panel: SegmentationWidget, name: str
) -> int:
    """Click the name of a class in the table; return its row."""
    row = names(panel).index(name)
    driver.click_cell(panel.classes.table, row, Column.NAME)
    return row


def run(driver: WindowDriver, panel: SegmentationWidget) -> str:
    """Press Run, wait for the end, return what is said then."""
    driver.click(panel.panel.run)
    return wait_for_rest(driver, panel)


def wait_for_rest(driver: WindowDriver, panel: SegmentationWidget) -> str:
    """Wait until nothing runs; return what the panel says."""
    driver.wait(panel.panel.run.isEnabled, 'the run is over')
    check_rest(panel)
    # Areas are counted a moment later.
    driver.pause(1)
    return panel.panel.status.text()


def wait_for_labels(driver: WindowDriver) -> None:
    """Wait until the labels have followed all that was changed."""
    labels = driver.viewer.layers[-1]
    while True:
        before = labels.data.copy()
        driver.pause(0.7)
        if np.array_equal(before, labels.data):
            return


def check_rest(panel: SegmentationWidget) -> None:
    """Check that the panel says that nothing runs."""
    expect(panel.panel.run.isEnabled(), 'Run is disabled at rest.')
    expect(not panel.panel.cancel.isEnabled(), 'Cancel is on at rest.')
    expect(panel.panel.bar.isHidden(), 'The progress bar shows at rest.')


def check_running(panel: SegmentationWidget) -> None:
    """Check that the panel says that something runs."""
    expect(not panel.panel.run.isEnabled(), 'Run is on during a run.')
    expect(panel.panel.cancel.isEnabled(), 'Cancel is off during a run.')
    expect(panel.panel.bar.isVisible(), 'There is no bar during a run.')


def answer_file_dialog(
    driver: WindowDriver, path: str, ask: Callable[[], None]
) -> None:
    """Do what opens a file dialog, and type a path into it."""

    def answer() -> None:
        dialogs: list[Any] = [
            widget
            for widget in QApplication.topLevelWidgets()
            if isinstance(widget, QFileDialog) and widget.isVisible()
        ]
        expect(dialogs, 'No file dialog has opened.')
        # What a window manager would do.
        dialogs[0].activateWindow()
        driver.wait(dialogs[0].isActiveWindow, 'the dialog is active')
        driver.press('ctrl+a')
        driver.type(path)
        driver.press('Return')

    QTimer.singleShot(1500, answer)
    ask()
    driver.wait(
        lambda: QApplication.activeModalWidget() is None, 'the dialog closed'
    )
    driver.window.activateWindow()
    driver.pause(0.3)


class HeldRuns:
    """While this is entered, runs stop after some batches of windows.

    So that there is something to see in the middle of a run that would take
    a second.
    """

    def __init__(self, batches: int) -> None:
        self._left = batches
        self._real = Encoder._tokens
        self.reached = threading.Event()
        self.go_on = threading.Event()

    def _wait(self) -> None:
        self._left -= 1
        if self._left < 0:
            self.reached.set()
            self.go_on.wait(60)

    def __enter__(self) -> Self:
        held, real = self, self._real

        def tokens(encoder: Encoder, batch: torch.Tensor) -> torch.Tensor:
            held._wait()
            return real(encoder, batch)

        Encoder._tokens = tokens  # type: ignore[method-assign]
        return self

    def __exit__(self, *_error: object) -> None:
        self.go_on.set()
        Encoder._tokens = self._real  # type: ignore[method-assign]


class SlowRuns(HeldRuns):
    """While this is entered, each batch of windows takes some time longer."""

    def __init__(self, seconds: float) -> None:
        super().__init__(0)
        self._seconds = seconds

    def _wait(self) -> None:
        time.sleep(self._seconds)


def set_number(driver: WindowDriver, box, text: str) -> None:
    """Type a number into a spin box."""
    line = box.findChild(QLineEdit)
    driver.click(line)
    driver.wait(box.hasFocus, 'the box of the number has the focus')
    driver.press('ctrl+a')
    driver.type(text)
    driver.press('Tab')


def value_of(panel: SegmentationWidget, name: str) -> int:
    """Return the label value of a class."""
    return panel.classes.rows()[names(panel).index(name)].value


def areas_of(panel: SegmentationWidget) -> list[str]:
    """Return what the table shows as areas."""
    model = panel.classes.table.model()
    return [
        str(model.index(row, Column.AREA).data())
        for row in range(model.rowCount())
    ]


def dock_of(panel: SegmentationWidget) -> QDockWidget:
    """Return the dock that a panel is in."""
    widget = panel.parentWidget()
    while widget is not None and not isinstance(widget, QDockWidget):
        widget = widget.parentWidget()
    expect(widget is not None, 'The panel is in no dock.')
    return widget
