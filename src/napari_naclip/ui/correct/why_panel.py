"""Why labels are what they are: what is shown, and what may be chosen.

The panel knows no viewer: it tells what the person chooses and shows what it
is given (see ``why``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QLabel,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_naclip.ui.correct import why_messages as messages
from napari_naclip.ui.fold import Fold

if TYPE_CHECKING:
    from collections.abc import Mapping


class WhyPanel(QWidget):
    """A heading, and below it maps to show and lines to read.

    Attributes
    ----------
    more : Fold
        Shows or hides the rest.
    boxes : dict of str to QCheckBox
        Of the maps ``'heat'``, ``'confidence'`` and ``'margin'``.
    pixel, empty, status : QLabel
        The classes under the cursor; classes without a pixel; what goes on,
        or went wrong.

    Signals
    -------
    changed
        Something was folded, or a map was chosen or not.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.details = QWidget()
        self.more = Fold(
            'Why',
            'Shows or hides how likely each class is, and what would help '
            'classes without a pixel.',
            self.details,
        )
        self.boxes = {
            'heat': _make_box(
                'Heat map',
                'An image layer: the probability, 0 to 1, of the class that '
                'is selected in the list, among all classes.',
            ),
            'confidence': _make_box(
                'Confidence',
                'An image layer: the probability, 0 to 1, of the best class '
                'of each pixel.',
            ),
            'margin': _make_box(
                'Margin',
                'An image layer: by how much the probability of the best '
                'class is larger than that of the second, 0 to 1. Where it '
                'is small, look twice.',
            ),
        }
        self.pixel = _make_line('Classes under the cursor')
        self.empty = _make_line('Classes without a pixel')
        self.status = _make_line('What the maps wait for')
        rows = QVBoxLayout(self.details)
        rows.setContentsMargins(0, 0, 0, 0)
        # All of it would be too wide for a narrow dock.
        self.boxes['heat'].setAccessibleName('Heat map of the selected class')
        for box in self.boxes.values():
            rows.addWidget(box)
        for line in (self.status, self.pixel, self.empty):
            rows.addWidget(line)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.more)
        layout.addWidget(self.details)
        self.more.toggled.connect(self.changed)
        for box in self.boxes.values():
            box.toggled.connect(self.changed)
        self.show_pixel(messages.NOTHING_THERE)
        self.show_empty('')
        self.say('')

    @property
    def is_open(self) -> bool:
        """Whether the lines can be seen."""
        return self.more.isChecked()

    def is_wanted(self, kind: str) -> bool:
        """Return whether a map is to be shown."""
        return self.boxes[kind].isChecked()

    def uncheck(self, kind: str) -> None:
        """Show that a map is not there any more."""
        self.boxes[kind].setChecked(False)

    def name_class(self, name: str) -> None:
        """Say whose the heat map is."""
        # The name is not part of the text: a long one would be cut off.
        box = self.boxes['heat']
        box.setAccessibleDescription(name)

    def show_pixel(self, text: str) -> None:
        """Show what is under the cursor."""
        if self.pixel.text() != text:
            self.pixel.setText(text)

    def show_empty(self, text: str) -> None:
        """Show which classes have no pixel."""
        self.empty.setText(text)
        self.empty.setVisible(bool(text))

    def say(self, text: str) -> None:
        """Show what goes on, or went wrong."""
        self.status.setText(text)
        self.status.setVisible(bool(text))

    def state(self) -> dict[str, Any]:
        """Return what is unfolded and chosen; ``set_state`` takes it."""
        return {
            'is_expanded': self.more.isChecked(),
            'maps': [k for k, box in self.boxes.items() if box.isChecked()],
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Fold, unfold and choose as a state says."""
        self.more.setChecked(state.get('is_expanded') is True)
        chosen = state.get('maps', ())
        for kind, box in self.boxes.items():
            box.setChecked(kind in chosen)


def _make_box(text: str, tooltip: str) -> QCheckBox:
    box = QCheckBox(text)
    box.setAccessibleName(text)
    box.setToolTip(tooltip)
    return box


def _make_line(name: str) -> QLabel:
    line = QLabel()
    line.setAccessibleName(name)
    line.setWordWrap(True)
    line.setTextFormat(Qt.TextFormat.PlainText)
    line.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    line.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    return line
