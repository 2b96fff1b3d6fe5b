"""How cells are drawn and edited: a box, a color as a button, a text line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QModelIndex, QObject, QSize, Qt, Signal
from qtpy.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QValidator
from qtpy.QtWidgets import (
    QLineEdit,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from napari_naclip.engine.errors import InputError
from napari_naclip.ui.class_table.model import ClassTableModel, Column

if TYPE_CHECKING:
    from qtpy.QtCore import QAbstractItemModel

#: Keys that end the editing of a cell.
ENTER_KEYS = (Qt.Key.Key_Return, Qt.Key.Key_Enter)


class CheckDelegate(QStyledItemDelegate):
    """Draws a frame around a check box: the themes give it none.

    A click anywhere in the cell counts, as it does on a color: the box itself
    is small and stands at one side.
    """

    def paint(
        self,
        painter: QPainter | None,
        option: QStyleOptionViewItem,
        index: QModelIndex,
    ) -> None:
        """Draw the cell, and a frame where its box is."""
        super().paint(painter, option, index)
        if painter is None:
            return
        cell = QStyleOptionViewItem(option)
        self.initStyleOption(cell, index)
        style = cell.widget.style()
        if style is None:
            return
        box = style.subElementRect(
            QStyle.SubElement.SE_ItemViewItemCheckIndicator, cell, cell.widget
        )
        painter.save()
        painter.setPen(cell.palette.text().color())
        painter.drawRect(box.adjusted(0, 0, -1, -1))
        painter.restore()

    def editorEvent(
        self,
        event: QEvent | None,
        model: QAbstractItemModel | None,
        option: QStyleOptionViewItem,
        index: QModelIndex,
    ) -> bool:
        """Notice a click."""
        if model is None or not _is_click(event, option):
            return super().editorEvent(event, model, option, index)
        role, state = Qt.ItemDataRole.CheckStateRole, Qt.CheckState
        is_checked = index.data(role) == state.Checked.value
        other = state.Unchecked if is_checked else state.Checked
        return model.setData(index, other.value, role)


class ColorDelegate(QStyledItemDelegate):
    """Draws a class's color as a button.

    Signals
    -------
    pressed(QModelIndex)
        The button was clicked.
    """

    pressed = Signal(QModelIndex)

    def paint(
        self,
        painter: QPainter | None,
        option: QStyleOptionViewItem,
        index: QModelIndex,
    ) -> None:
        """Draw the cell, and on it a framed field of the color."""
        super().paint(painter, option, index)
        if painter is None:
            return
        height = option.fontMetrics.height()
        rect = option.rect
        field = rect.adjusted(
            max(3, rect.width() // 6), 3, -max(3, rect.width() // 6), -3
        )
        if field.height() > height:
            field.adjust(0, 0, 0, height - field.height())
            field.moveCenter(rect.center())
        painter.save()
        painter.setPen(option.palette.text().color())
        painter.setBrush(QColor(index.data(Qt.ItemDataRole.EditRole)))
        painter.drawRect(field.adjusted(0, 0, -1, -1))
        painter.restore()

    def sizeHint(
        self, option: QStyleOptionViewItem, _index: QModelIndex
    ) -> QSize:
        """Return the least size in which the color is seen."""
        height = option.fontMetrics.height()
        return QSize(2 * height, height + 6)

    def editorEvent(
        self,
        event: QEvent | None,
        model: QAbstractItemModel | None,
        option: QStyleOptionViewItem,
        index: QModelIndex,
    ) -> bool:
        """Notice a click."""
        if _is_click(event, option):
            self.pressed.emit(index)
            return True
        return super().editorEvent(event, model, option, index)


def _is_click(event: QEvent | None, option: QStyleOptionViewItem) -> bool:
    """Return whether the left button was let go in a cell."""
    return (
        isinstance(event, QMouseEvent)
        and event.type() == QEvent.Type.MouseButtonRelease
        and event.button() == Qt.MouseButton.LeftButton
        and event.modifiers() == Qt.KeyboardModifier.NoModifier
        and option.rect.contains(event.position().toPoint())
    )


class _CellValidator(QValidator):
    """Lets anything be typed, but only what the cell can hold be entered."""

    def __init__(
        self, model: ClassTableModel, index: QModelIndex, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._model = model
        self._index = index

    def validate(
        self, text: str | None, position: int
    ) -> tuple[QValidator.State, str, int]:
        """Return whether the text could be entered as it stands."""
        text = text or ''
        try:
            self._model.edited(self._index, text)
        except InputError:
            return QValidator.State.Intermediate, text, position
        return QValidator.State.Acceptable, text, position


class TextDelegate(QStyledItemDelegate):
    """Edits a name or prompts; what cannot be entered stays open.

    Signals
    -------
    refused(str)
        Enter was pressed on such a text; why it cannot be entered.
    """

    refused = Signal(str)

    def __init__(
        self, model: ClassTableModel, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._model = model
        self._index = QModelIndex()

    def createEditor(
        self,
        parent: QWidget | None,
        _option: QStyleOptionViewItem,
        index: QModelIndex,
    ) -> QWidget:
        """Return a line to type in."""
        self._index = index
        editor = QLineEdit(parent)
        editor.setFrame(False)
        editor.setValidator(_CellValidator(self._model, index, editor))
        is_name = index.column() == Column.NAME
        editor.setAccessibleName('Name' if is_name else 'Prompts')
        return editor

    def setModelData(
        self,
        editor: QWidget | None,
        model: QAbstractItemModel | None,
        index: QModelIndex,
    ) -> None:
        """Enter the text, if it is another one."""
        if isinstance(editor, QLineEdit) and model is not None:
            text = editor.text()
            if text != index.data(Qt.ItemDataRole.EditRole):
                model.setData(index, text, Qt.ItemDataRole.EditRole)

    def eventFilter(self, editor: QObject | None, event: QEvent | None) -> Any:
        """Say why a text is not taken when it is to be entered."""
        if (
            isinstance(editor, QLineEdit)
            and isinstance(event, QKeyEvent)
            and event.type() == QEvent.Type.KeyPress
            and event.key() in ENTER_KEYS
            and not editor.hasAcceptableInput()
        ):
            try:
                self._model.edited(self._index, editor.text())
            except InputError as error:
                self.refused.emit(str(error))
            return True
        return super().eventFilter(editor, event)
