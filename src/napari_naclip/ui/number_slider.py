"""A slider beside a spin box, for the same number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QDoubleSpinBox, QSlider

from napari_naclip.ui.forms import keep_wheel_away

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget


class NumberSlider(QSlider):
    """Leads a spin box and follows it.

    Parameters
    ----------
    spin : QDoubleSpinBox
        Has the number; may go further than the slider.
    name : str
        Accessible name.
    maximum : float
        What the slider reaches; it begins where the spin box does.
    step : float
        Of the slider.
    """

    def __init__(
        self,
        spin: QDoubleSpinBox,
        name: str,
        *,
        maximum: float,
        step: float,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self._spin = spin
        self._step = step
        self.setAccessibleName(name)
        self.setToolTip(spin.toolTip())
        self.setRange(round(spin.minimum() / step), round(maximum / step))
        self.setPageStep(max(1, (self.maximum() - self.minimum()) // 10))
        keep_wheel_away(self)
        # For the mouse: keys change the number in the spin box.
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.follow()
        spin.valueChanged.connect(self._on_number)
        self.valueChanged.connect(self._on_moved)

    def follow(self) -> None:
        """Show the spin box's number, and whether it can be changed."""
        with QSignalBlocker(self):
            self.setValue(round(self._spin.value() / self._step))
        self.setEnabled(self._spin.isEnabled())

    def _on_number(self, _number: float) -> None:
        self.follow()

    def _on_moved(self, value: int) -> None:
        self._spin.setValue(value * self._step)
