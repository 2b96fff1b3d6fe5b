"""The heading of a section that is folded away until it is wanted."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QToolButton, QWidget


class Fold(QToolButton):
    """A button with an arrow that shows and hides a section.

    Parameters
    ----------
    text : str
        Names the section.
    tooltip : str
    section : QWidget
        Hidden from now on, until the button is checked.
    """

    def __init__(self, text: str, tooltip: str, section: QWidget) -> None:
        super().__init__()
        self._section = section
        self.setText(text)
        self.setAccessibleName(text)
        self.setToolTip(tooltip)
        self.setCheckable(True)
        self.setAutoRaise(True)
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.toggled.connect(self._on_toggled)
        self._on_toggled(is_open=False)

    def _on_toggled(self, is_open: bool) -> None:
        self._section.setVisible(is_open)
        self.setArrowType(
            Qt.ArrowType.DownArrow if is_open else Qt.ArrowType.RightArrow
        )
