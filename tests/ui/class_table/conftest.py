"""Fixtures for the class table; no viewer is needed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from qtpy.QtCore import QPoint, Qt

from class_tools import (
    LEFT,
)
from napari_naclip.ui.class_table.model import Column
from napari_naclip.ui.class_table.panel import ClassPanel


@pytest.fixture
def panel(qtbot) -> ClassPanel:
    panel = ClassPanel()
    qtbot.addWidget(panel)
    panel.resize(300, 700)
    with qtbot.waitExposed(panel):
        panel.show()
    with qtbot.waitActive(panel):
        panel.activateWindow()
    return panel


@pytest.fixture
def enter(qtbot, panel) -> Callable[[str], None]:
    """Return a function that types into the entry box and presses Enter."""

    def type_and_enter(text: str) -> None:
        panel.entry.setFocus()
        qtbot.keyClicks(panel.entry, text)
        qtbot.keyClick(panel.entry, Qt.Key.Key_Return)

    return type_and_enter


@pytest.fixture
def key(qtbot, panel) -> Callable[..., None]:
    """Return a function that presses a key in the table."""

    def press_key(key: Qt.Key, modifier=Qt.KeyboardModifier.NoModifier):
        panel.table.setFocus()
        qtbot.waitUntil(panel.table.hasFocus)
        qtbot.keyClick(panel.table, key, modifier)

    return press_key


@pytest.fixture
def cell(qtbot, panel) -> Callable[..., QPoint]:
    """Return a function that clicks on a cell; near its left edge."""

    def click(row: int, column: Column, modifier=None, *, is_double=False):
        index = panel.table.model().index(row, column)
        rect = panel.table.visualRect(index)
        # A check box is left in its cell, the middle is anything's.
        is_box = column in (Column.ON, Column.LOCK)
        place = rect.center()
        if is_box:
            place = QPoint(rect.left() + 9, rect.center().y())
        press = qtbot.mouseDClick if is_double else qtbot.mouseClick
        modifier = modifier or Qt.KeyboardModifier.NoModifier
        press(panel.table.viewport(), LEFT, modifier, place)

    return click
