"""Whether there is a background row, and the certainty that feeds it."""

from __future__ import annotations

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
from napari_naclip.engine.types import Settings, threshold_from_margin
from napari_naclip.ui.class_table import messages
from napari_naclip.ui.forms import keep_wheel_away
from napari_naclip.ui.number_slider import NumberSlider

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
    """

    background_chosen = Signal(bool)
    margin_chosen = Signal(float)

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
        layout.addLayout(row)
        layout.addWidget(self.slider)
        layout.addWidget(self._meaning)
        self.background.toggled.connect(self.background_chosen)
        self.margin.valueChanged.connect(self.margin_chosen)
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
        self._show_meaning()

    def show_sharpness(self, sharpness: float) -> None:
        """Show what the certainty means with another sharpness."""
        self._sharpness = sharpness
        self._show_meaning()

    def _show_meaning(self) -> None:
        text, state = '', self._state
        if state.margin and state.has_background:
            queries = count_queries(state.rows)
            text = messages.describe_certainty(
                threshold_from_margin(state.margin, queries, self._sharpness)
            )
        self._meaning.setText(text)
        self._meaning.setVisible(bool(text))
