"""What goes beyond the paper, folded away: all of it is off at first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QFormLayout,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_naclip.engine.beyond import Beyond
from napari_naclip.ui.fold import Fold
from napari_naclip.ui.forms import add_combo, add_row, make_form, select

if TYPE_CHECKING:
    from collections.abc import Mapping

_TITLE: Final = 'Beyond the paper'
_SIZES: Final = {
    'off': None,
    'half': 0.5,
    'three quarters': 0.75,
    'one and a half': 1.5,
    'double': 2.0,
}


class BeyondPanel(QWidget):
    """A heading, and below it what later work adds to the method.

    Attributes
    ----------
    more : Fold
        Shows or hides the rest; says whether something is on.
    cross, token : QSpinBox
        Shares in percent.
    scale : QComboBox
    mirror : QCheckBox

    Signals
    -------
    changed
        Something was chosen differently.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.details = QWidget()
        self.more = Fold(
            _TITLE,
            'Shows or hides what later work adds to the method. All of it is '
            'off in the paper, and changes labels with the next run.',
            self.details,
        )
        form = make_form(self.details)
        # A narrow dock has no room for the labels beside their numbers.
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapAllRows)
        self.cross = _make_share(
            0,
            "Share of the middle blocks' attention in that of the last one, "
            'in percent (ResCLIP: about 30). Off in the paper. Costs little '
            'time.',
        )
        add_row(form, 'Cross-correlation', self.cross)
        self.token = _make_share(
            -100,
            'Share of the embedding of the whole window that is added to each '
            'patch, in percent; below 0 it is subtracted (SegEarth-OV, for '
            'aerial images: -30). 0, as in the paper: off. Costs little time.',
        )
        add_row(form, 'Class token', self.token)
        self.scale = add_combo(
            form,
            'Second size',
            _SIZES,
            'Each window is seen at this size too, and both are averaged. Off '
            'in the paper. Half takes about 1.4 times as long, double six '
            'times.',
        )
        self.mirror = QCheckBox('Mirrored too')
        self.mirror.setAccessibleName('Mirrored too')
        self.mirror.setToolTip(
            'Each window is seen mirrored left to right too, and both are '
            'averaged. Off in the paper. Takes twice the time.'
        )
        form.addRow(self.mirror)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.more)
        layout.addWidget(self.details)
        for spin in (self.cross, self.token):
            spin.valueChanged.connect(self._on_chosen)
        self.scale.currentIndexChanged.connect(self._on_chosen)
        self.mirror.toggled.connect(self._on_chosen)

    @property
    def beyond(self) -> Beyond:
        """What is chosen."""
        return Beyond(
            cross_share=self.cross.value() / 100,
            cls_share=self.token.value() / 100,
            mirror=self.mirror.isChecked(),
            second_scale=self.scale.currentData(),
        )

    def settings_part(self) -> dict[str, Any]:
        """Return the part of ``Settings`` that is chosen here."""
        return {'beyond': self.beyond}

    def state(self) -> dict[str, Any]:
        """Return what is chosen, as plain data."""
        return {
            'cross': self.cross.value(),
            'token': self.token.value(),
            'size': self.scale.currentData(),
            'mirror': self.mirror.isChecked(),
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Choose what ``state`` told."""
        self.cross.setValue(state['cross'])
        self.token.setValue(state['token'])
        select(self.scale, state['size'])
        self.mirror.setChecked(state['mirror'])

    def _on_chosen(self, _value: object) -> None:
        # What is on must not be out of sight when it is folded away.
        title = _TITLE if self.beyond.is_off else f'{_TITLE}: on'
        self.more.setText(title)
        self.more.setAccessibleName(title)
        self.changed.emit()


def _make_share(least: int, tooltip: str) -> QSpinBox:
    spin = QSpinBox()
    spin.setRange(least, 100)
    spin.setSingleStep(5)
    spin.setSuffix(' %')
    spin.setToolTip(tooltip)
    if least == 0:
        spin.setSpecialValueText('off')
    return spin
