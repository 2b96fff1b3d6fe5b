"""What the selected class was taught by, and how much that counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_naclip.engine.errors import InputError
from napari_naclip.engine.taught import UNTAUGHT, Teaching
from napari_naclip.ui.class_table import messages
from napari_naclip.ui.forms import keep_wheel_away
from napari_naclip.ui.number_slider import NumberSlider

if TYPE_CHECKING:
    from napari_naclip.engine.class_rows import ClassRow
    from napari_naclip.engine.taught import Example
    from napari_naclip.ui.class_table.history import ListHistory
    from napari_naclip.ui.class_table.view import ClassTableView


class TeachingControls(QWidget):
    """Weight of a class's examples, and a way to forget them.

    Shown where the selected row has examples; every change is a step of the
    history.

    Parameters
    ----------
    history : ListHistory
    table : ClassTableView
        Whose selection it follows.

    Attributes
    ----------
    weight : QDoubleSpinBox
    slider : NumberSlider
    forget_button : QPushButton
    """

    def __init__(
        self,
        history: ListHistory,
        table: ClassTableView,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._history = history
        self._table = table
        self._title = QLabel()
        self._title.setWordWrap(True)
        self.weight = QDoubleSpinBox()
        self.weight.setAccessibleName('Weight of examples')
        self.weight.setRange(0, 1)
        self.weight.setDecimals(2)
        self.weight.setSingleStep(0.05)
        # A step of the history for each number, not for each digit.
        self.weight.setKeyboardTracking(False)
        self.weight.setToolTip(messages.WEIGHT_TIP)
        keep_wheel_away(self.weight)
        self.slider = NumberSlider(
            self.weight,
            'Weight of examples, as a slider',
            maximum=1,
            step=0.05,
        )
        self.slider.setTracking(False)
        self.forget_button = QPushButton('Forget examples')
        self.forget_button.setToolTip(messages.FORGET_TIP)
        label = QLabel('Weight')
        label.setBuddy(self.weight)
        row = QHBoxLayout()
        row.addWidget(label)
        row.addWidget(self.weight, stretch=1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._title)
        layout.addLayout(row)
        layout.addWidget(self.slider)
        layout.addWidget(self.forget_button)
        self.weight.valueChanged.connect(self._on_weight)
        self.forget_button.clicked.connect(self._on_forget)
        history.changed.connect(self._show)
        selection = table.selectionModel()
        if selection is not None:
            selection.selectionChanged.connect(self._show)
        self._show()

    def teach(self, value: int, example: Example) -> None:
        """Add an example to a class, as one step.

        Raises
        ------
        InputError
            If the list has no such class, or the class too many examples.
        """
        row = self._history.state.find(value)
        if row is None:
            raise InputError(messages.NO_CLASS.format(value))
        self._teach(
            row,
            row.teaching.with_example(example),
            f'teach “{row.name}”',
        )

    def unteach(self, value: int, example: Example) -> None:
        """Take an example back, as one step; unknown: nothing."""
        row = self._history.state.find(value)
        if row is not None and example in row.teaching.examples:
            self._teach(
                row,
                row.teaching.without(example),
                f'take back an example of “{row.name}”',
            )

    def forget(self, value: int) -> None:
        """Forget all examples of a class, as one step; unknown: nothing.

        Raises
        ------
        InputError
            If nothing else says what the class is.
        """
        row = self._history.state.find(value)
        if row is not None and row.teaching:
            self._teach(row, UNTAUGHT, f'forget the examples of “{row.name}”')

    def _teach(self, row: ClassRow, teaching: Teaching, step: str) -> None:
        state = self._history.state.with_row(row.value, teaching=teaching)
        self._history.edit(state, step)

    @property
    def _row(self) -> ClassRow | None:
        """The selected row, if it is one and has examples."""
        values = self._table.selected_values()
        if len(values) != 1:
            return None
        row = self._history.state.find(values[0])
        return row if row is not None and row.teaching else None

    def _on_weight(self, weight: float) -> None:
        row = self._row
        if row is not None:
            self._teach(
                row,
                Teaching(row.teaching.examples, round(weight, 2)),
                f'weight of the examples of “{row.name}”',
            )

    def _on_forget(self) -> None:
        row = self._row
        if row is None:
            return
        try:
            self.forget(row.value)
        except InputError as error:
            self._table.refused.emit(str(error))

    def _show(self) -> None:
        row = self._row
        self.setVisible(row is not None)
        if row is None:
            return
        self._title.setText(f'“{row.name}”: {messages.describe_teaching(row)}')
        with QSignalBlocker(self.weight):
            self.weight.setValue(row.teaching.weight if row.prompts else 1.0)
        # Without words there is nothing to weigh examples against.
        self.weight.setEnabled(bool(row.prompts))
        self.slider.follow()
