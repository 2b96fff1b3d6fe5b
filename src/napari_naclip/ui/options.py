"""How the labels follow the picture: the choice of a refinement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_naclip.ui.forms import add_combo, make_form, select

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
        form = make_form(self)
        self.refinement = add_combo(
            form,
            'Refinement',
            _REFINEMENTS,
            'Makes labels follow the edges of the picture (PAMR): fast is '
            'that of the published evaluation, fine that of its pictures.',
        )
        self.refinement.currentIndexChanged.connect(self._on_chosen)

    def settings_part(self) -> dict[str, Any]:
        """Return the part of ``Settings`` that is chosen here."""
        return {'refine': self.refinement.currentData()}

    def state(self) -> dict[str, Any]:
        """Return what is chosen, as plain data."""
        return self.settings_part()

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Choose what ``state`` told; what is unknown stays as it is."""
        select(self.refinement, state.get('refine'))

    def _on_chosen(self, _index: int) -> None:
        self.changed.emit()
