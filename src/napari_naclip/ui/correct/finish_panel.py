"""Finishing touches: clean-up, objects, and how right the model was.

The panel knows no layer: it tells what is pressed and shows what it is given
(see ``finisher``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import (
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_naclip.ui.correct.objects_box import ObjectsBox
from napari_naclip.ui.correct.table_box import TableBox
from napari_naclip.ui.correct.tidy_box import TidyBox
from napari_naclip.ui.fold import Fold
from napari_naclip.ui.forms import add_combo, make_form, select

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Entry of all classes.
_ALL = -1


class FinishPanel(QWidget):
    """A heading, and below it what finishes a mask; folded away at first.

    Attributes
    ----------
    more : Fold
    class_box : QComboBox
        Which class to clean up or split.
    tidy : TidyBox
    objects : ObjectsBox
    compare, cancel : QPushButton
    agreement : TableBox
    status : QLabel
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.details = QWidget()
        self.more = Fold(
            'Finish',
            'Shows or hides clean-up by class, objects with their table, and '
            'how far the model agrees with what you corrected.',
            self.details,
        )
        form = make_form()
        self.class_box = add_combo(
            form,
            'Class',
            {'all classes': _ALL},
            'Which class is cleaned up or split into objects.',
        )
        self.tidy = TidyBox()
        self.objects = ObjectsBox()
        self.compare = QPushButton('Compare with the model')
        self.compare.setAccessibleName('Compare with the model')
        self.compare.setToolTip(
            'How far the model agrees with the labels as they are now, on '
            'the displayed plane: what it wrote last, clean-up included, '
            'and where you edited, what it answers now.'
        )
        self.agreement = TableBox(
            'Agreement',
            'One row for each class: intersection over union, of all and of '
            'what you edited alone, pixels of the model and of the corrected '
            'labels, and what you gave to the class and took from it.',
        )
        self.status = _make_line('What came of it')
        self.cancel = QPushButton('Cancel')
        self.cancel.setAccessibleName('Cancel finishing')
        self.cancel.setToolTip('Stops; the labels stay as they are.')
        rows = QVBoxLayout(self.details)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.addLayout(form)
        for part in (
            self.tidy,
            self.objects,
            self.compare,
            self.agreement,
            self.status,
            self.cancel,
        ):
            rows.addWidget(part)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.more)
        layout.addWidget(self.details)
        for table in (self.objects.table, self.agreement):
            table.told.connect(self.say)
        self.show_busy(is_busy=False)
        self.say('')

    def show_classes(self, names: Iterable[tuple[int, str]]) -> None:
        """Offer classes by their label value; what is chosen stays chosen."""
        chosen = self.class_box.currentData()
        with QSignalBlocker(self.class_box):
            self.class_box.clear()
            self.class_box.addItem('all classes', _ALL)
            for value, name in names:
                self.class_box.addItem(name, value)
            select(self.class_box, chosen)

    @property
    def value(self) -> int | None:
        """Label value of the class that is chosen; None: all."""
        value = self.class_box.currentData()
        return None if value in (None, _ALL) else int(value)

    def show_busy(self, *, is_busy: bool, can_cancel: bool = True) -> None:
        """Let nothing else begin, or let it again."""
        for button in (self.tidy.clean, self.objects.split, self.compare):
            button.setEnabled(not is_busy)
        self.cancel.setVisible(is_busy and can_cancel)

    def say(self, text: str) -> None:
        """Tell what came of something."""
        self.status.setText(text)
        self.status.setAccessibleName(f'Finish: {text}' if text else '')
        self.status.setVisible(bool(text))

    def state(self) -> dict[str, Any]:
        """Return what is unfolded; ``set_state`` takes it."""
        return {'is_expanded': self.more.isChecked()}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Fold or unfold as a state says."""
        self.more.setChecked(state.get('is_expanded') is True)


def _make_line(name: str) -> QLabel:
    label = QLabel()
    label.setAccessibleName(name)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    return label
