"""Whether there is a background row, and the certainty that feeds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from napari_naclip.engine.class_rows import count_queries
from napari_naclip.engine.class_state import MAX_MARGIN, ListState
from napari_naclip.engine.contrast import (
    describe_contrast,
    needs_contrast,
    with_contrast,
)
from napari_naclip.engine.errors import InputError
from napari_naclip.engine.types import Settings, threshold_from_margin
from napari_naclip.ui.class_table import messages
from napari_naclip.ui.forms import keep_wheel_away, make_wrapped_label
from napari_naclip.ui.number_slider import NumberSlider

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_naclip.engine.classes import ClassList

#: Margins beyond it are typed: CLIP's are far smaller.
_SLIDER_END = 0.1


class BackgroundControls(QWidget):
    """A check box and a number; shows a list's state, does not hold it.

    Signals
    -------
    background_chosen(bool)
        The person wants the background row on or off.
    margin_chosen(float)
        The person set the certainty.
    contrast_chosen
        A class that is alone is to have contrast words, or not.
    """

    background_chosen = Signal(bool)
    margin_chosen = Signal(float)
    contrast_chosen = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state = ListState()
        self._sharpness = Settings().logit_scale
        self.background = QCheckBox('Background')
        self.background.setToolTip(
            'A row for everything else (label 0). Its prompts say what that '
            'looks like: wall, floor. Without prompts it takes only the '
            'pixels below the certainty. Without the row every pixel gets '
            'one of the classes.'
        )
        self.contrast = QCheckBox('Contrast words')
        self.contrast.setToolTip(messages.CONTRAST_TIP)
        self.contrast.setChecked(True)
        self._alone = make_wrapped_label()
        self.margin = QDoubleSpinBox()
        self.margin.setAccessibleName('Certainty')
        self.margin.setRange(0, MAX_MARGIN)
        self.margin.setDecimals(3)
        self.margin.setSingleStep(0.005)
        self.margin.setToolTip(
            'How far the best prompt must lead over equal rivals, as a '
            'difference of cosines (0 to 0.2). Pixels with less become '
            'background. 0: none. Needs the background row.'
        )
        keep_wheel_away(self.margin)
        self.slider = NumberSlider(
            self.margin,
            'Certainty, as a slider',
            maximum=_SLIDER_END,
            step=0.001,
        )
        self._meaning = QLabel()
        self._meaning.setWordWrap(True)
        label = QLabel('Certainty')
        label.setBuddy(self.margin)
        row = QHBoxLayout()
        row.addWidget(label)
        row.addWidget(self.margin, stretch=1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.background)
        layout.addWidget(self.contrast)
        layout.addWidget(self._alone)
        layout.addLayout(row)
        layout.addWidget(self.slider)
        layout.addWidget(self._meaning)
        self.background.toggled.connect(self.background_chosen)
        self.margin.valueChanged.connect(self.margin_chosen)
        self.contrast.toggled.connect(self._show_alone)
        self.contrast.toggled.connect(self._show_meaning)
        self.contrast.toggled.connect(self.contrast_chosen)
        self.show_state(ListState())

    def show_state(self, state: ListState) -> None:
        """Show what a list has."""
        with QSignalBlocker(self.background), QSignalBlocker(self.margin):
            self.background.setChecked(state.has_background)
            # Not while it is typed: "0.0" on the way to "0.05" would go.
            if self.margin.value() != round(state.margin, 3):
                self.margin.setValue(state.margin)
        self.margin.setEnabled(state.has_background)
        self.slider.follow()
        self._state = state
        self._show_alone()
        self._show_meaning()

    def classes_for(self, state: ListState) -> ClassList:
        """Return the classes of a list that are on, for the engine.

        A class that is alone gets contrast words, unless that is switched
        off.

        Raises
        ------
        InputError
            If none is on.
        """
        classes = state.class_list()
        return with_contrast(classes) if self.contrast.isChecked() else classes

    def state(self) -> dict[str, bool]:
        """Return what is chosen and is no part of the list."""
        return {'contrast': self.contrast.isChecked()}

    def set_state(self, state: Mapping[str, bool]) -> None:
        """Choose what ``state`` told."""
        self.contrast.setChecked(state.get('contrast') is not False)

    def show_sharpness(self, sharpness: float) -> None:
        """Show what the certainty means with another sharpness."""
        self._sharpness = sharpness
        self._show_meaning()

    def _show_alone(self) -> None:
        """Offer contrast words where they count, and name them."""
        try:
            classes = self._state.class_list()
        except InputError:
            is_alone, text = False, ''
        else:
            is_alone = needs_contrast(classes)
            text = messages.ALONE.format(classes.classes[0].name)
            if self.contrast.isChecked():
                text = describe_contrast(with_contrast(classes))
        self.contrast.setVisible(is_alone)
        self._alone.setText(text)
        self._alone.setAccessibleName(text)
        self._alone.setVisible(is_alone)

    def _show_meaning(self) -> None:
        text, state = '', self._state
        if state.margin and state.has_background:
            queries = count_queries(state.rows)
            text = messages.describe_certainty(
                threshold_from_margin(state.margin, queries, self._sharpness)
            )
        self._meaning.setText(text)
        self._meaning.setVisible(bool(text))
