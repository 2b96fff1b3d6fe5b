"""How labels are decided: all that changes them without looking again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QPushButton,
    QSpinBox,
    QWidget,
)

from napari_naclip.engine.types import Settings
from napari_naclip.ui.forms import add_combo, add_row, make_form, select
from napari_naclip.ui.number_slider import NumberSlider
from napari_naclip.ui.words.chooser import TemplateChooser

if TYPE_CHECKING:
    from collections.abc import Mapping

_REFINEMENTS: Final = {
    'off': 'off',
    'fast': 'fast',
    'fine (slow)': 'fine',
}
#: Pixels of an object or hole, at most.
_MOST_PIXELS: Final = 1_000_000


class Options(QWidget):
    """What decides the result besides image, words and model.

    Attributes
    ----------
    live : QCheckBox
    revert : QPushButton
        Whoever can bring labels back enables it.
    templates : TemplateChooser
    refinement : QComboBox
    sharpness : QDoubleSpinBox
    slider : NumberSlider
        For the sharpness.
    smallest, holes : QSpinBox

    Signals
    -------
    changed
        Something was chosen differently.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        form = make_form(self)
        # A narrow dock has no room for the longest label beside its number.
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        self.live = QCheckBox('Live')
        self.live.setAccessibleName('Live')
        self.live.setChecked(True)
        self.live.setToolTip(
            'After a run the labels of the displayed plane follow at once '
            'what is changed in the class list and below; other planes when '
            'they are displayed. Off: changes wait for Run.'
        )
        self.revert = QPushButton('Revert')
        self.revert.setAccessibleName('Revert')
        self.revert.setToolTip(
            'Bring back the labels from before the last run or change; one '
            'step. What you edited stays, and so do classes and settings.'
        )
        self.revert.setEnabled(False)
        row = QHBoxLayout()
        row.addWidget(self.live)
        row.addStretch()
        row.addWidget(self.revert)
        form.addRow(row)
        self.templates = TemplateChooser()
        field = QHBoxLayout()
        field.addWidget(self.templates)
        add_row(form, 'Templates', self.templates.combo, field)
        # Where that does not fit beside the label, it goes below.
        self.templates.combo.setMinimumContentsLength(9)
        self.refinement = add_combo(
            form,
            'Refinement',
            _REFINEMENTS,
            'Makes labels follow the edges of the picture (PAMR): fast is '
            'that of the published evaluation, fine that of its pictures.',
        )
        self.sharpness = QDoubleSpinBox()
        self.sharpness.setRange(10, 100)
        self.sharpness.setDecimals(1)
        self.sharpness.setValue(Settings().logit_scale)
        self.sharpness.setToolTip(
            'Factor on the cosines before they become probabilities (10 to '
            '100; published: 40). Higher: the best class takes more of the '
            'probability.'
        )
        self.slider = NumberSlider(
            self.sharpness, 'Sharpness, as a slider', maximum=100, step=1
        )
        add_row(form, 'Sharpness', self.sharpness)
        form.addRow(self.slider)
        self.smallest = _make_pixels(
            'Objects of fewer pixels go to the class around them. 0: off.'
        )
        add_row(form, 'Smallest object', self.smallest)
        self.holes = _make_pixels(
            'Holes of fewer pixels within one class are filled with it. 0: '
            'off.'
        )
        add_row(form, 'Holes', self.holes)
        self.live.toggled.connect(self._on_chosen)
        self.templates.changed.connect(self.changed)
        self.refinement.currentIndexChanged.connect(self._on_chosen)
        for spin in (self.sharpness, self.smallest, self.holes):
            spin.valueChanged.connect(self._on_chosen)

    @property
    def is_live(self) -> bool:
        """Whether labels follow without a run."""
        return self.live.isChecked()

    def settings_part(self) -> dict[str, Any]:
        """Return the part of ``Settings`` that is chosen here."""
        return {
            'templates': self.templates.templates,
            'refine': self.refinement.currentData(),
            'logit_scale': self.sharpness.value(),
            'min_object': self.smallest.value(),
            'max_hole': self.holes.value(),
        }

    def state(self) -> dict[str, Any]:
        """Return what is chosen, as plain data."""
        return {**self.settings_part(), 'live': self.is_live}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Choose what ``state`` told; what is unknown stays as it is."""
        if 'templates' in state:
            self.templates.set_templates(state['templates'])
        select(self.refinement, state.get('refine'))
        scale = state.get('logit_scale')
        if isinstance(scale, float) and 10 <= scale <= 100:
            self.sharpness.setValue(scale)
        for name, spin in (
            ('min_object', self.smallest),
            ('max_hole', self.holes),
        ):
            value = state.get(name)
            if type(value) is int and 0 <= value <= _MOST_PIXELS:
                spin.setValue(value)
        if isinstance(state.get('live'), bool):
            self.live.setChecked(state['live'])

    def _on_chosen(self, _value: object) -> None:
        self.changed.emit()


def _make_pixels(tooltip: str) -> QSpinBox:
    spin = QSpinBox()
    spin.setRange(0, _MOST_PIXELS)
    spin.setSingleStep(10)
    spin.setSuffix(' px')
    spin.setSpecialValueText('off')
    spin.setToolTip(tooltip)
    return spin
