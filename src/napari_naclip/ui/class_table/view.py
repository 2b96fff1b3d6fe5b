"""The table itself: columns, keys, the context menu, dragging of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.QtCore import (
    QEvent,
    QItemSelection,
    QItemSelectionModel,
    QSize,
    Qt,
    Signal,
)
from qtpy.QtGui import QColor, QContextMenuEvent, QKeyEvent, QResizeEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QColorDialog,
    QMenu,
    QTableView,
    QWidget,
)

from napari_naclip.ui.class_table import messages
from napari_naclip.ui.class_table.columns import (
    lay_out_headers,
    share_width,
)
from napari_naclip.ui.class_table.delegates import (
    ENTER_KEYS,
    CheckDelegate,
    ColorDelegate,
    TextDelegate,
)
from napari_naclip.ui.class_table.model import (
    CHECK_COLUMNS,
    TEXT_COLUMNS,
    ClassTableModel,
    Column,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtCore import QModelIndex

#: Rows that are seen at least, and that the table would like to show.
_LEAST_ROWS: Final = 3
_ROWS: Final = 7


class ClassTableView(QTableView):
    """Shows a ``ClassTableModel``.

    Signals
    -------
    refused(str)
        Something could not be done; why, in a sentence.
    """

    refused = Signal(str)

    def __init__(
        self, model: ClassTableModel, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._model = model
        self._color_value: int | None = None
        self._kept_values: set[int] = set()
        self._kept_current: tuple[int, int] | None = None
        self.setModel(model)
        self.setAccessibleName('Class table')
        self.setToolTip('The classes. Right click, or the menu key, for more.')
        self.setSelectionBehavior(
            QAbstractItemView.SelectionBehavior.SelectRows
        )
        self.setEditTriggers(QAbstractItemView.EditTrigger.DoubleClicked)
        # Tab goes on to the next control; arrows go from cell to cell.
        self.setTabKeyNavigation(False)
        self.setHorizontalScrollBarPolicy(
            Qt.ScrollBarPolicy.ScrollBarAlwaysOff
        )
        self.setWordWrap(False)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setCornerButtonEnabled(False)
        self.setDragEnabled(True)
        self.setAcceptDrops(True)
        self.setDropIndicatorShown(True)
        self.setDragDropOverwriteMode(False)
        self.setDragDropMode(QAbstractItemView.DragDropMode.DragDrop)
        self.setDefaultDropAction(Qt.DropAction.MoveAction)

        self._colors = ColorDelegate(self)
        self._texts = TextDelegate(model, self)
        self._checks = CheckDelegate(self)
        for column in CHECK_COLUMNS:
            self.setItemDelegateForColumn(column, self._checks)
        self.setItemDelegateForColumn(Column.COLOR, self._colors)
        for column in TEXT_COLUMNS:
            self.setItemDelegateForColumn(column, self._texts)
        lay_out_headers(self)
        self._colors.pressed.connect(self._on_color_pressed)
        self._texts.refused.connect(self.refused)
        model.refused.connect(self.refused)
        model.modelAboutToBeReset.connect(self._keep_selection)
        model.modelReset.connect(self._restore_selection)
        model.dataChanged.connect(self._share_width)
        model.modelReset.connect(self._share_width)
        self._share_width()

    def sizeHint(self) -> QSize:
        """Return a size with room for some rows."""
        return QSize(super().sizeHint().width(), self._height_of(_ROWS))

    def minimumSizeHint(self) -> QSize:
        """Return the least size that is of use."""
        return QSize(
            super().minimumSizeHint().width(), self._height_of(_LEAST_ROWS)
        )

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Share the new width."""
        super().resizeEvent(event)
        self._share_width()

    def changeEvent(self, event: QEvent | None) -> None:
        """Measure anew when a theme brings another font."""
        super().changeEvent(event)
        if event is not None and event.type() in (
            QEvent.Type.FontChange,
            QEvent.Type.StyleChange,
        ):
            lay_out_headers(self)
            self._share_width()

    def selected_values(self) -> list[int]:
        """Return the label values of the selected rows, from top to bottom."""
        selection = self.selectionModel()
        if selection is None:
            return []
        rows = sorted(index.row() for index in selection.selectedRows())
        return [self._model.rows[row].value for row in rows]

    def remove_selected(self) -> None:
        """Remove the selected rows; the background row stays."""
        values = self.selected_values()
        if not values:
            self.refused.emit(messages.NOTHING_SELECTED)
            return
        row = self.currentIndex().row()
        column = max(self.currentIndex().column(), 0)
        self._model.remove(values)
        if not self.selected_values() and self._model.rows:
            # The keyboard goes on where it was.
            row = min(max(row, 0), len(self._model.rows) - 1)
            self.setCurrentIndex(self._model.index(row, column))

    def move_up(self) -> None:
        """Move the selected rows up by one."""
        self._move(-1)

    def move_down(self) -> None:
        """Move the selected rows down by one."""
        self._move(1)

    def edit_name(self) -> None:
        """Rename the class of the current row in place."""
        self._edit_column(Column.NAME)

    def edit_prompts(self) -> None:
        """Edit the prompts of the current row in place."""
        self._edit_column(Column.PROMPTS)

    def choose_color(self) -> None:
        """Open the color dialog for the class of the current row."""
        index = self.currentIndex()
        if not index.isValid():
            self.refused.emit(messages.NOTHING_SELECTED)
            return
        row = self._model.rows[index.row()]
        self._color_value = row.value
        dialog = QColorDialog(QColor(row.color), self)
        dialog.setWindowTitle(f'Color of {row.name}')
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.colorSelected.connect(self._on_color_selected)
        dialog.open()

    def toggle_on(self) -> None:
        """Turn the selected rows on, or off if the current one is on."""
        self._toggle(Column.ON)

    def toggle_lock(self) -> None:
        """Lock the selected rows, or unlock if the current one is locked."""
        self._toggle(Column.LOCK)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Do what the context menu has, by its keys."""
        # Enter in an editor reaches the table too, before the editor closes.
        is_editing = self.state() == QAbstractItemView.State.EditingState
        action = None
        if event is not None and not is_editing:
            action = self._action_of(event)
        if event is None or action is None:
            super().keyPressEvent(event)
            return
        event.accept()
        action()

    def contextMenuEvent(self, event: QContextMenuEvent | None) -> None:
        """Open the menu where the mouse is, or at the current cell."""
        if event is None:
            return
        place = event.globalPos()
        viewport = self.viewport()
        if (
            event.reason() == QContextMenuEvent.Reason.Keyboard
            and self.currentIndex().isValid()
            and viewport is not None
        ):
            cell = self.visualRect(self.currentIndex())
            place = viewport.mapToGlobal(cell.center())
        menu = self.make_menu()
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(place)
        event.accept()

    def make_menu(self) -> QMenu:
        """Return the context menu."""
        menu = QMenu(self)
        menu.setAccessibleName('Class')
        has_rows = bool(self.selected_values())
        entries: tuple[tuple[str, str, Callable[[], None]] | None, ...] = (
            ('Rename', 'F2', self.edit_name),
            ('Edit prompts', 'Shift+F2', self.edit_prompts),
            ('Change color…', 'Space', self.choose_color),
            None,
            ('On or off', 'Space', self.toggle_on),
            ('Lock or unlock', 'Space', self.toggle_lock),
            None,
            ('Move up', 'Alt+Up', self.move_up),
            ('Move down', 'Alt+Down', self.move_down),
            ('Remove', 'Delete', self.remove_selected),
        )
        for entry in entries:
            if entry is None:
                menu.addSeparator()
                continue
            text, keys, slot = entry
            # The key is shown only: it acts while the table has the focus.
            action = menu.addAction(f'{text}\t{keys}')
            if action is not None:
                action.setEnabled(has_rows)
                action.triggered.connect(slot)
        return menu

    def _action_of(self, event: QKeyEvent) -> Callable[[], None] | None:
        key, modifiers = event.key(), event.modifiers()
        modifiers &= ~Qt.KeyboardModifier.KeypadModifier
        none = Qt.KeyboardModifier.NoModifier
        if modifiers == Qt.KeyboardModifier.AltModifier:
            return {
                Qt.Key.Key_Up: self.move_up,
                Qt.Key.Key_Down: self.move_down,
            }.get(Qt.Key(key))
        if key == Qt.Key.Key_F2:
            if modifiers == Qt.KeyboardModifier.ShiftModifier:
                return self.edit_prompts
            return self._edit_current if modifiers == none else None
        if modifiers == none and key == Qt.Key.Key_Delete:
            return self.remove_selected
        if modifiers != none or not self.currentIndex().isValid():
            return None
        column = self.currentIndex().column()
        is_enter = key in ENTER_KEYS
        if is_enter and column in TEXT_COLUMNS:
            return self._edit_current
        if is_enter or key == Qt.Key.Key_Space:
            if column == Column.COLOR:
                return self.choose_color
            is_lock = column == Column.LOCK
            if column in CHECK_COLUMNS or key == Qt.Key.Key_Space:
                return self.toggle_lock if is_lock else self.toggle_on
        return None

    def _edit_current(self) -> None:
        is_prompts = self.currentIndex().column() == Column.PROMPTS
        self._edit_column(Column.PROMPTS if is_prompts else Column.NAME)

    def _edit_column(self, column: Column) -> None:
        index = self.currentIndex()
        if not index.isValid():
            self.refused.emit(messages.NOTHING_SELECTED)
            return
        cell = self._model.index(index.row(), column)
        self.setCurrentIndex(cell)
        self.edit(cell)

    def _toggle(self, column: Column) -> None:
        index, values = self.currentIndex(), self.selected_values()
        if not index.isValid():
            return
        current = self._model.rows[index.row()]
        if current.value not in values:
            values = [current.value]
        if column == Column.ON:
            self._model.set_on(values, is_on=not current.is_on)
        else:
            self._model.set_locked(values, is_locked=not current.is_locked)

    def _move(self, step: int) -> None:
        values = self.selected_values()
        places = [
            place
            for place, row in enumerate(self._model.rows)
            if row.value in values and not row.is_background
        ]
        if not places:
            return
        if step < 0:
            self._model.move(values, max(places[0] - 1, 0))
        else:
            self._model.move(values, places[-1] + 2)

    def _on_color_pressed(self, index: QModelIndex) -> None:
        self.setCurrentIndex(index)
        self.choose_color()

    def _on_color_selected(self, color: QColor) -> None:
        if self._color_value is not None:
            self._model.set_color(self._color_value, color.name())

    def _share_width(self) -> None:
        share_width(self, has_areas=self._model.has_areas)

    def _keep_selection(self) -> None:
        """Note which rows are selected: a reset of the model forgets them."""
        self._kept_values = set(self.selected_values())
        index = self.currentIndex()
        self._kept_current = None
        if index.isValid():
            value = self._model.rows[index.row()].value
            self._kept_current = (value, index.column())

    def _restore_selection(self) -> None:
        selection = self.selectionModel()
        if selection is None:
            return
        chosen, last = QItemSelection(), len(Column) - 1
        current: QModelIndex | None = None
        for place, row in enumerate(self._model.rows):
            if row.value in self._kept_values:
                first = self._model.index(place, 0)
                chosen.select(first, self._model.index(place, last))
            if self._kept_current and row.value == self._kept_current[0]:
                current = self._model.index(place, self._kept_current[1])
        if current is not None:
            flags = QItemSelectionModel.SelectionFlag.NoUpdate
            selection.setCurrentIndex(current, flags)
            self.scrollTo(current)
        flags = QItemSelectionModel.SelectionFlag.ClearAndSelect
        selection.select(chosen, flags)

    def _height_of(self, rows: int) -> int:
        header, side = self.horizontalHeader(), self.verticalHeader()
        height = 2 * self.frameWidth()
        if header is not None and side is not None:
            row = max(side.minimumSectionSize(), side.defaultSectionSize())
            height += header.sizeHint().height() + rows * row
        return height
