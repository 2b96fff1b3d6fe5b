"""How a class is split into objects, and the table of them."""

from __future__ import annotations

from typing import Final

from qtpy.QtCore import QSignalBlocker, QSize
from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QFormLayout,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_naclip.correct.objects import Splitting
from napari_naclip.ui.correct.table_box import TableBox
from napari_naclip.ui.forms import add_combo, add_row, make_form

#: What the boxes take at most, in pixels.
_MOST_DISTANCE: Final = 1000.0
_MOST_AREA: Final = 1e6
#: Of the numbers in them.
_MOST_DECIMALS: Final = 9


class ObjectsBox(QWidget):
    """Distances and sizes, in pixels or in the unit of the layer.

    Attributes
    ----------
    unit, planes : QComboBox
    distance, smallest : QDoubleSpinBox
    neck : QSpinBox
    split : QPushButton
    table : TableBox
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        #: Side of a pixel, in the unit that is chosen, and in that offered.
        self._side = self._offered = 1.0
        start = Splitting()
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        # Labels are short: beside them a narrow dock has little room.
        self._form = form = make_form()
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        self.unit = add_combo(
            form,
            'Unit',
            {'px': False},
            'In which unit the next two numbers are: pixels, or the unit of '
            'the layer.',
        )
        self.distance = _make_number(
            'Middles of two objects are at least this far apart. Larger: '
            'fewer, larger objects.',
            1.0,
            _MOST_DISTANCE,
        )
        self.distance.setValue(start.min_distance)
        add_row(form, 'Distance', self.distance)
        self.distance.setAccessibleName('Distance of objects')
        self.smallest = _make_number(
            'Smaller objects are left out; a smaller part of an object stays '
            'with it.',
            0.0,
            _MOST_AREA,
        )
        add_row(form, 'Smallest', self.smallest)
        self.smallest.setAccessibleName('Smallest area of an object')
        self.neck = QSpinBox()
        self.neck.setRange(0, 100)
        self.neck.setSuffix(' %')
        self.neck.setValue(round(100 * start.neck))
        self.neck.setToolTip(
            'What touches is parted where the neck is at most this share of '
            'the width of the narrower part. 0: what touches is one object.'
        )
        add_row(form, 'Neck', self.neck)
        self.neck.setAccessibleName('Widest neck between objects')
        self.planes = add_combo(
            form,
            'Planes',
            {'displayed': False, 'all': True},
            'The displayed plane, or all planes one after the other; no two '
            'objects have the same number.',
        )
        self.show_planes(has_more=False)
        rows.addLayout(form)
        self.split = QPushButton('Split into objects')
        self.split.setAccessibleName('Split into objects')
        self.split.setToolTip(
            'Adds a Labels layer in which each object has a number of its '
            'own, and a table. The labels stay as they are.'
        )
        rows.addWidget(self.split)
        self.table = TableBox(
            'Objects',
            'One row for each object. Click on one to see it in the middle '
            'of the canvas; click on a title to sort.',
        )
        rows.addWidget(self.table)
        self.unit.currentIndexChanged.connect(self._on_unit)
        self.show_unit(1.0, 'px')

    @property
    def has_all_planes(self) -> bool:
        """Whether all planes are to be split."""
        return self.planes.currentData() is True

    def splitting(self) -> Splitting:
        """Return what is chosen, in pixels."""
        return Splitting(
            min_distance=max(1.0, self.distance.value() / self._side),
            min_area=self.smallest.value() / self._side**2,
            neck=self.neck.value() / 100,
        )

    def show_planes(self, *, has_more: bool) -> None:
        """Offer all planes where there are more than the displayed one."""
        if not has_more:
            self.planes.setCurrentIndex(0)
        for each in (self.planes, self._form.labelForField(self.planes)):
            if each is not None:
                each.setVisible(has_more)

    def show_unit(self, side: float, unit: str) -> None:
        """Offer the unit of a layer beside pixels.

        Parameters
        ----------
        side : float
            Of a pixel, in that unit.
        unit : str
            Of length; ``'px'``: there is none.
        """
        is_world = self.unit.currentData() is True and unit != 'px'
        with QSignalBlocker(self.unit):
            self.unit.clear()
            self.unit.addItem('px', userData=False)
            if unit != 'px':
                self.unit.addItem(unit, userData=True)
            self.unit.setCurrentIndex(int(is_world))
        self._offered = side
        self._on_unit()

    def _on_unit(self, _index: int = 0) -> None:
        """Show the same numbers in the unit that is chosen."""
        wanted = self.splitting()
        name = self.unit.currentText()
        self._side = self._offered if self.unit.currentData() is True else 1.0
        for box, value, least, most, suffix in (
            (
                self.distance,
                wanted.min_distance * self._side,
                self._side,
                _MOST_DISTANCE * self._side,
                name,
            ),
            (
                self.smallest,
                wanted.min_area * self._side**2,
                0.0,
                _MOST_AREA * self._side**2,
                name if name == 'px' else f'{name}²',
            ),
        ):
            # The first digit of what a pixel is.
            step = self._side if box is self.distance else self._side**2
            decimals = 0
            while decimals < _MOST_DECIMALS and step * 10**decimals < 1:
                decimals += 1
            box.setDecimals(0 if name == 'px' else decimals)
            box.setRange(least, most)
            box.setSingleStep(step if box is self.distance else 10 * step)
            box.setSuffix(f' {suffix}')
            box.setValue(value)


class _Number(QDoubleSpinBox):
    """Shows no zeros at its end: a narrow dock has no room for them."""

    def textFromValue(self, value: float) -> str:
        """Return the number without what it does not need."""
        text = super().textFromValue(value)
        point = self.locale().decimalPoint()
        return text.rstrip('0').removesuffix(point) if point in text else text

    def sizeHint(self) -> QSize:
        """Return room for the padding, too, which napari's style adds."""
        return self._with_padding(super().sizeHint())

    def minimumSizeHint(self) -> QSize:
        """Return the same: what does not fit goes below its label."""
        return self._with_padding(super().minimumSizeHint())

    def _with_padding(self, size: QSize) -> QSize:
        extra = self.fontMetrics().horizontalAdvance('000')
        return size + QSize(extra, 0)


def _make_number(tooltip: str, least: float, most: float) -> QDoubleSpinBox:
    box = _Number()
    box.setRange(least, most)
    box.setDecimals(0)
    box.setKeyboardTracking(False)
    box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    box.setToolTip(tooltip)
    return box
