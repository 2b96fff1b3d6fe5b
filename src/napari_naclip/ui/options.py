"""How the labels follow the picture: the choice of a refinement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QLabel, QWidget

if TYPE_CHECKING:
    from collections.abc import Mapping

_REFINEMENTS: Final = {
    'off': 'off',
    'fast': 'fast',
    'fine (slow)': 'fine',
}


class Options(QWidget):
    """What decides the result besides image, words and model.

    Signals
    -------
    changed
        Something was chosen differently.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.refinement = QComboBox()
        for text, value in _REFINEMENTS.items():
            self.refinement.addItem(text, value)
        self.refinement.setAccessibleName('Refinement')
        self.refinement.setToolTip(
            'Makes labels follow the edges of the picture (PAMR): fast is '
            'that of the published evaluation, fine that of its pictures.'
        )
        label = QLabel('Refinement')
        label.setBuddy(self.refinement)
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow(label, self.refinement)
        self.refinement.currentIndexChanged.connect(self._on_chosen)

    def settings_part(self) -> dict[str, Any]:
        """Return the part of ``Settings`` that is chosen here."""
        return {'refine': self.refinement.currentData()}

    def state(self) -> dict[str, Any]:
        """Return what is chosen, as plain data."""
        return self.settings_part()

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Choose what ``state`` told; what is unknown stays as it is."""
        index = self.refinement.findData(state.get('refine'))
        if index >= 0:
            self.refinement.setCurrentIndex(index)

    def _on_chosen(self, _index: int) -> None:
        self.changed.emit()
