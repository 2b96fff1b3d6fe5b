"""What the tests of the class table share besides fixtures."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QLineEdit,
    QMenu,
)

from napari_naclip.ui.class_table.panel import ClassPanel

CTRL = Qt.KeyboardModifier.ControlModifier
ALT = Qt.KeyboardModifier.AltModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
LEFT = Qt.MouseButton.LeftButton


def names(panel: ClassPanel) -> list[str]:
    return [row.name for row in panel.rows()]


def values(panel: ClassPanel) -> list[int]:
    return [row.value for row in panel.rows()]


def editor_of(panel: ClassPanel) -> QLineEdit:
    (editor,) = panel.table.findChildren(QLineEdit)
    return editor


def count(signal) -> list[int]:
    calls: list[int] = []
    signal.connect(lambda *_: calls.append(1))
    return calls


def choose(menu: QMenu, *texts: str) -> None:
    for text in texts[:-1]:
        menu = next(a.menu() for a in menu.actions() if a.text() == text)
    next(a for a in menu.actions() if a.text() == texts[-1]).trigger()
