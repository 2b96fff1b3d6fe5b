"""What is to be cleaned up in a class."""

from __future__ import annotations

from typing import Final

from qtpy.QtWidgets import (
    QCheckBox,
    QFormLayout,
    QPushButton,
    QSpinBox,
    QWidget,
)

from napari_naclip.correct.smooth import MOST_RADIUS
from napari_naclip.correct.tidy import CleanUp
from napari_naclip.ui.forms import add_row, make_form

#: Pixels of an object or hole, at most.
_MOST_PIXELS: Final = 1_000_000


class TidyBox(QWidget):
    """Smoothing, largest object, small objects, holes; a button.

    Attributes
    ----------
    radius, smallest, holes : QSpinBox
    largest : QCheckBox
    clean : QPushButton
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        form = make_form(self)
        # A narrow dock has no room for the longest label beside its number.
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        self.radius = _make_pixels(
            'Borders become smooth: each pixel gets the class that most '
            'pixels within this radius have. 0: off.',
            MOST_RADIUS,
            1,
        )
        add_row(form, 'Smooth borders', self.radius)
        self.smallest = _make_pixels(
            'Objects of the class of fewer pixels go to what is around them. '
            '0: off.'
        )
        add_row(form, 'Remove objects below', self.smallest)
        self.holes = _make_pixels(
            'Holes of fewer pixels in the class are filled with it. 0: off.'
        )
        add_row(form, 'Fill holes below', self.holes)
        self.largest = QCheckBox('Largest object only')
        self.largest.setAccessibleName('Largest object only')
        self.largest.setToolTip(
            'Only the largest object of the class stays; the others go to '
            'what is around them.'
        )
        form.addRow(self.largest)
        self.clean = QPushButton('Clean up')
        self.clean.setAccessibleName('Clean up')
        self.clean.setToolTip(
            'Cleans the displayed plane, once. What you edited and locked '
            'classes stay; Revert takes it back. A new run, or a setting '
            'that changes the labels, writes them anew.'
        )
        form.addRow(self.clean)

    def clean_up(self) -> CleanUp:
        """Return what is chosen, whatever it is to be done to."""
        return CleanUp(
            radius=self.radius.value(),
            largest_only=self.largest.isChecked(),
            min_object=self.smallest.value(),
            max_hole=self.holes.value(),
        )


def _make_pixels(
    tooltip: str, most: int = _MOST_PIXELS, step: int = 10
) -> QSpinBox:
    spin = QSpinBox()
    spin.setRange(0, most)
    spin.setSingleStep(step)
    spin.setSuffix(' px')
    spin.setSpecialValueText('off')
    spin.setToolTip(tooltip)
    return spin
