"""Checks of a whole tree of widgets: what a person would find ugly or lost.

Each returns the problems that it finds, a line each, so that a test shows all
of them at once. They look at what is visible: show the widget first.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

from qtpy.QtCore import QPoint, QRect, QSize, Qt
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QFormLayout,
    QGroupBox,
    QLabel,
    QLineEdit,
    QPushButton,
    QRadioButton,
    QScrollArea,
    QScrollBar,
    QStyle,
    QStyleOptionButton,
    QStyleOptionComboBox,
    QToolButton,
    QWidget,
)

#: Docks that napari makes: at a side, a wide one there, and below the canvas.
DOCK_SIZES = ((250, 900), (400, 700), (1400, 220))
#: Widest minimum that leaves napari's dock its title bar, and the height that
#: a window of 600 pixels has to spare.
LEAST_SIZE = QSize(250, 300)


def describe(widget: QWidget) -> str:
    """Return a name by which a widget can be found in the code."""
    text = getattr(widget, 'text', '')
    name = (
        widget.accessibleName()
        or widget.objectName()
        or (text() if callable(text) else '')
    )
    return f'{type(widget).__name__} {name!r}'


def visible_widgets(root: QWidget) -> Iterator[QWidget]:
    """Yield the widgets that a person can see, or scroll to."""
    for widget in (root, *root.findChildren(QWidget)):
        if widget.isVisible() and not is_inner(widget):
            yield widget


def is_inner(widget: QWidget) -> bool:
    """Return whether a widget is a part that Qt made for another."""
    parent = widget.parentWidget()
    return (
        widget.objectName().startswith('qt_')
        or isinstance(widget, QScrollBar)
        or isinstance(parent, QComboBox | QAbstractSpinBox)
        or type(widget).__name__ == 'QComboBoxPrivateContainer'
    )


def clipped_texts(root: QWidget) -> list[str]:
    """Return the texts that are cut off where they are.

    Texts that a person's own names decide (entries of a combo box, of a list)
    count only as they are now.
    """
    problems = []
    for widget in visible_widgets(root):
        room, text = _text_room(widget)
        if text:
            need = widget.fontMetrics().size(
                int(Qt.TextFlag.TextShowMnemonic.value), text
            )
            if isinstance(widget, QLabel) and widget.wordWrap():
                need = QSize(0, widget.heightForWidth(widget.width()))
                room = widget.size()
            if need.width() > room.width() or need.height() > room.height():
                problems.append(
                    f'{describe(widget)}: {text!r} needs {need.width()} x '
                    f'{need.height()}, has {room.width()} x {room.height()}'
                )
        if isinstance(widget, QScrollArea):
            overhang = _overhang(widget)
            if overhang > 0:
                problems.append(
                    f'{describe(widget)} cuts off {overhang} px at its right'
                )
    return problems


def _text_room(widget: QWidget) -> tuple[QSize, str]:
    """Return the room for a widget's text, and the text."""
    style = widget.style()
    if isinstance(widget, QLabel):
        return widget.contentsRect().size(), widget.text()
    if isinstance(widget, QComboBox):
        combo = QStyleOptionComboBox()
        widget.initStyleOption(combo)
        rect = style.subControlRect(
            QStyle.ComplexControl.CC_ComboBox,
            combo,
            QStyle.SubControl.SC_ComboBoxEditField,
            widget,
        )
        # A style sheet's padding takes height from the rectangle, not from
        # the text, which is drawn over it.
        return QSize(rect.width(), widget.height()), widget.currentText()
    if isinstance(widget, QToolButton):
        return widget.contentsRect().size(), widget.text()
    if isinstance(widget, QPushButton | QCheckBox | QRadioButton):
        button = QStyleOptionButton()
        widget.initStyleOption(button)
        element = {
            QPushButton: QStyle.SubElement.SE_PushButtonContents,
            QCheckBox: QStyle.SubElement.SE_CheckBoxContents,
            QRadioButton: QStyle.SubElement.SE_RadioButtonContents,
        }
        rect = next(
            style.subElementRect(part, button, widget)
            for kind, part in element.items()
            if isinstance(widget, kind)
        )
        return QSize(rect.width(), widget.height()), widget.text()
    if isinstance(widget, QGroupBox):
        return widget.size(), widget.title()
    if isinstance(widget, QAbstractSpinBox):
        line = widget.findChild(QLineEdit)
        if line is not None:
            return line.contentsRect().size(), line.text()
    return QSize(), ''


def _overhang(area: QScrollArea) -> int:
    """Return how much is out of a view that does not scroll there."""
    bar, page = area.horizontalScrollBar(), area.widget()
    if page is None or bar.isVisible():
        return 0
    return page.width() - area.viewport().width()


def has_label(widget: QWidget, labels: list[QLabel]) -> bool:
    """Return whether a text that a person sees belongs to a control."""
    if isinstance(widget, QAbstractButton):
        return bool(widget.text().strip())
    if isinstance(widget, QGroupBox):
        return bool(widget.title())
    if any(label.buddy() is widget for label in labels):
        return True
    # The check box that opens a row of a form is its label.
    parent = widget.parentWidget()
    for form in parent.findChildren(QFormLayout) if parent else ():
        row = form.labelForField(widget)
        if isinstance(row, QAbstractButton) and row.text():
            return True
    return False


def unlabeled_controls(root: QWidget) -> list[str]:
    """Return what lacks a visible label, an accessible name or a tooltip."""
    labels = [each for each in root.findChildren(QLabel) if each.isVisible()]
    problems = []
    for widget in visible_widgets(root):
        if not is_control(widget):
            continue
        if not has_label(widget, labels):
            problems.append(f'{describe(widget)} has no visible label')
        has_text = isinstance(widget, QAbstractButton | QGroupBox)
        if not (widget.accessibleName() or has_text):
            problems.append(f'{describe(widget)} has no accessible name')
        if not widget.toolTip():
            problems.append(f'{describe(widget)} has no tooltip')
    return problems


def is_control(widget: QWidget) -> bool:
    """Return whether a person can put the keyboard's focus there."""
    if isinstance(widget, QScrollArea | QLabel):
        # Their focus is for scrolling and for selecting text.
        return False
    return bool(widget.focusPolicy().value & Qt.FocusPolicy.TabFocus.value)


def tab_order(root: QWidget) -> list[QWidget]:
    """Return the controls in the order in which Tab goes through them."""
    order, widget = [], root
    while True:
        widget = widget.nextInFocusChain()
        if widget is None or widget is root:
            return order
        if (
            root.isAncestorOf(widget)
            and widget.isVisible()
            and widget.isEnabled()
            and not is_inner(widget)
            and is_control(widget)
        ):
            order.append(widget)


def tab_order_faults(root: QWidget) -> list[str]:
    """Return the steps of Tab that go against the order of reading."""
    order = tab_order(root)
    if root.focusProxy() is None and len(order) < 2:
        return []
    problems = []
    for before, after in itertools.pairwise(order):
        first, second = _places(before, after, root)
        overlap = min(first.bottom(), second.bottom()) - max(
            first.top(), second.top()
        )
        is_same_row = overlap > min(first.height(), second.height()) / 2
        is_read_so = (
            second.left() >= first.left()
            if is_same_row
            else second.top() >= first.top()
        )
        if not is_read_so:
            problems.append(
                f'Tab goes from {describe(before)} at {first.left()}, '
                f'{first.top()} back to {describe(after)} at '
                f'{second.left()}, {second.top()}'
            )
    return problems


def _places(
    before: QWidget, after: QWidget, root: QWidget
) -> tuple[QRect, QRect]:
    """Return where two controls are, whatever is scrolled out of sight.

    Beside a control that does not scroll with another, it is the scrolled
    area that counts.
    """
    first, second = _scroll_area_of(before, root), _scroll_area_of(after, root)
    if first is second:
        return _place(before, root), _place(after, root)
    return _place(first or before, root), _place(second or after, root)


def _scroll_area_of(widget: QWidget, root: QWidget) -> QScrollArea | None:
    while widget is not root:
        widget = widget.parentWidget()
        if isinstance(widget, QScrollArea):
            return widget
    return None


def _place(widget: QWidget, root: QWidget) -> QRect:
    return QRect(widget.mapTo(root, QPoint(0, 0)), widget.size())


def own_styles(root: QWidget) -> list[str]:
    """Return the widgets with a style sheet that is not napari's."""
    return [
        f'{describe(widget)} has a style sheet of its own'
        for widget in (root, *root.findChildren(QWidget))
        if widget.styleSheet()
    ]


def fixed_fonts(root: QWidget, enlarge: Callable[[], None]) -> list[str]:
    """Return the widgets whose text does not grow with napari's.

    Parameters
    ----------
    enlarge : callable
        Doubles the size of all text.
    """
    before = {
        widget: widget.fontMetrics().height()
        for widget in visible_widgets(root)
    }
    enlarge()
    return [
        f'{describe(widget)} has a fixed font size'
        for widget, height in before.items()
        if _text_room(widget)[1]
        and widget.fontMetrics().height() < 1.5 * height
    ]


def size_faults(root: QWidget) -> list[str]:
    """Return whether a widget asks for more than a small window has."""
    least = root.minimumSizeHint().expandedTo(root.minimumSize())
    problems = []
    if least.width() > LEAST_SIZE.width():
        problems.append(f'{describe(root)} is at least {least.width()} wide')
    if least.height() > LEAST_SIZE.height():
        problems.append(f'{describe(root)} is at least {least.height()} high')
    return problems


def has_scroll_area(root: QWidget) -> bool:
    """Return whether a small window can show all of a widget."""
    return bool(root.findChildren(QScrollArea))
