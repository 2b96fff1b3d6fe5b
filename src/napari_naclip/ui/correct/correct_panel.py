"""The section of the panel that helps to correct a result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_naclip.ui.correct.edits_panel import EditsPanel
from napari_naclip.ui.correct.guide_panel import GuidePanel
from napari_naclip.ui.fold import Fold

if TYPE_CHECKING:
    from collections.abc import Mapping


class CorrectPanel(QWidget):
    """A heading, and below it what helps to correct; folded away at first.

    Attributes
    ----------
    more : Fold
        Shows or hides the rest.
    edits : EditsPanel
    guide : GuidePanel
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.details = QWidget()
        self.more = Fold(
            'Correct',
            'Shows or hides where the model may write, what you edited, and '
            'what leads to the places where labels may be wrong.',
            self.details,
        )
        self.edits = EditsPanel()
        self.guide = GuidePanel()
        parts = QVBoxLayout(self.details)
        parts.setContentsMargins(0, 0, 0, 0)
        parts.addWidget(self.edits)
        parts.addWidget(self.guide)
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.addWidget(self.more)
        rows.addWidget(self.details)

    def state(self) -> dict[str, Any]:
        """Return what is chosen, as plain data."""
        return {
            'is_expanded': self.more.isChecked(),
            'teaches': self.guide.teach.isChecked(),
            'edits': self.edits.state(),
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Choose what ``state`` told; what is unknown stays as it is."""
        self.more.setChecked(state.get('is_expanded') is True)
        if isinstance(state.get('teaches'), bool):
            self.guide.teach.setChecked(state['teaches'])
        if isinstance(state.get('edits'), dict):
            self.edits.set_state(state['edits'])
