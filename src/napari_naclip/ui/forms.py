"""Rows of a form: a visible label for each control, and no wide combo boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QComboBox,
    QFormLayout,
    QLabel,
    QLayout,
    QSizePolicy,
    QWidget,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


class _WheelGuard(QObject):
    """Leaves the wheel to the scroll area unless a control has the focus.

    Else a person who scrolls through the panel changes what happens to come
    under the mouse, without noticing.
    """

    def eventFilter(
        self, control: QObject | None, event: QEvent | None
    ) -> Any:
        """Refuse a turn of the wheel over a control without the focus."""
        if (
            event is not None
            and event.type() == QEvent.Type.Wheel
            and isinstance(control, QWidget)
            and not control.hasFocus()
        ):
            event.ignore()
            return True
        return super().eventFilter(control, event)


def keep_wheel_away(control: QWidget) -> None:
    """Make the wheel change a control only when it has the focus."""
    # Else the wheel itself would give it the focus.
    control.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    control.installEventFilter(_WheelGuard(control))


def make_form(parent: QWidget | None = None) -> QFormLayout:
    """Return a form without margins whose fields take the width."""
    form = QFormLayout() if parent is None else QFormLayout(parent)
    form.setContentsMargins(0, 0, 0, 0)
    form.setFieldGrowthPolicy(
        QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow
    )
    return form


def add_row(
    form: QFormLayout,
    name: str,
    widget: QWidget,
    field: QLayout | None = None,
) -> None:
    """Add a control with its label to a form.

    Parameters
    ----------
    form : QFormLayout
    name : str
        Label and accessible name.
    widget : QWidget
        What the label belongs to.
    field : QLayout, optional
        What stands beside the label, if that is more than the control.
    """
    widget.setAccessibleName(name)
    if isinstance(widget, QComboBox | QAbstractSpinBox):
        keep_wheel_away(widget)
    if isinstance(widget, QComboBox):
        # A long entry must not decide how wide the dock is.
        widget.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        widget.setMinimumContentsLength(5)
        widget.setSizePolicy(
            QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed
        )
    label = QLabel(name)
    label.setBuddy(widget)
    if field is None:
        form.addRow(label, widget)
    else:
        form.addRow(label, field)


def add_combo(
    form: QFormLayout, name: str, choices: Mapping[str, Any], tooltip: str
) -> QComboBox:
    """Add a combo box and return it; its data are the values of choices."""
    combo = make_combo(choices, tooltip)
    add_row(form, name, combo)
    return combo


def make_combo(choices: Mapping[str, Any], tooltip: str) -> QComboBox:
    """Return a combo box of texts and their data."""
    combo = QComboBox()
    for text, value in choices.items():
        combo.addItem(text, value)
    combo.setToolTip(tooltip)
    return combo


def select(combo: QComboBox, value: object) -> None:
    """Choose the entry with some data; without one nothing changes."""
    # Not findData: PySide6 raises for numbers that Qt's integers cannot hold.
    for index in range(combo.count()):
        if combo.itemData(index) == value:
            combo.setCurrentIndex(index)
            break


def make_wrapped_label() -> QLabel:
    """Return a label for plain sentences that can be copied."""
    label = QLabel()
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    return label
