"""The class list as Qt's views read and edit it: six columns.

Rows are immutable; every edit makes a new list and goes through the history.
"""

from __future__ import annotations

import json
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import (
    QAbstractTableModel,
    QMimeData,
    QModelIndex,
    QObject,
    Qt,
    Signal,
)

from napari_naclip.engine.colors import describe_color
from napari_naclip.engine.errors import InputError
from napari_naclip.engine.prompts import format_prompts, parse_prompts
from napari_naclip.ui.class_table import messages

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from napari_naclip.engine.class_rows import ClassRow
    from napari_naclip.engine.class_state import ListState
    from napari_naclip.ui.class_table.history import ListHistory


class Column(IntEnum):
    """The columns, in their order."""

    ON = 0
    COLOR = 1
    NAME = 2
    PROMPTS = 3
    LOCK = 4
    AREA = 5


#: Columns that are a check box.
CHECK_COLUMNS: Final = frozenset({Column.ON, Column.LOCK})
#: Columns that are a text.
TEXT_COLUMNS: Final = frozenset({Column.NAME, Column.PROMPTS})

_TITLES: Final = {
    Column.ON: 'On',
    Column.COLOR: 'Color',
    Column.NAME: 'Name',
    Column.PROMPTS: 'Prompts',
    Column.LOCK: 'Lock',
    Column.AREA: 'Area',
}
_HEADER_TIPS: Final = {
    Column.ON: 'Whether the class takes part in the next run.',
    Column.COLOR: 'Color of the class in the labels.',
    Column.NAME: 'What you call the class. Free: the model does not read it.',
    Column.PROMPTS: (
        'What the model looks for, in English. Synonyms are separated by '
        '","; put a phrase with such a mark in quotes. The best one counts.'
    ),
    Column.LOCK: 'Whether pixels of the class are kept as they are.',
    Column.AREA: 'Area of the class in the labels.',
}
_MIME_TYPE: Final = 'application/x-napari-naclip-classes'


class ClassTableModel(QAbstractTableModel):
    """Shows a ``ListHistory`` and edits it.

    Signals
    -------
    refused(str)
        An edit could not be made; why, in a sentence.
    """

    refused = Signal(str)

    def __init__(
        self, history: ListHistory, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.history = history
        self._rows = history.state.rows
        self._areas: dict[int, str] = {}
        history.changed.connect(self._on_changed)

    @property
    def rows(self) -> tuple[ClassRow, ...]:
        """The rows as they are shown."""
        return self._rows

    @property
    def has_areas(self) -> bool:
        """Whether any row has an area."""
        return bool(self._areas)

    def set_areas(self, areas: Mapping[int, str]) -> None:
        """Show areas, with their unit, by label value."""
        self._areas = dict(areas)
        self._emit_all_changed()

    def set_on(self, values: Collection[int], *, is_on: bool) -> None:
        """Turn rows on or off."""
        state = self.history.state.with_rows(values, is_on=is_on)
        verb = 'turn on' if is_on else 'turn off'
        self.history.edit(state, f'{verb} {self._describe(values)}')

    def set_locked(self, values: Collection[int], *, is_locked: bool) -> None:
        """Lock or unlock rows."""
        state = self.history.state.with_rows(values, is_locked=is_locked)
        verb = 'lock' if is_locked else 'unlock'
        self.history.edit(state, f'{verb} {self._describe(values)}')

    def set_color(self, value: int, color: str) -> None:
        """Give a row another color, ``#rrggbb``."""
        state = self.history.state.with_row(value, color=color)
        self.history.edit(state, f'recolor {self._describe((value,))}')

    def remove(self, values: Collection[int]) -> None:
        """Remove rows; the background row stays."""
        state = self.history.state.without(values)
        self.history.edit(state, f'remove {self._describe(values)}')
        # Afterwards: what is told goes when the list changes.
        if 0 in values:
            self.refused.emit(messages.BACKGROUND_STAYS)

    def move(self, values: Collection[int], position: int) -> None:
        """Move rows before the row at a position."""
        state = self.history.state.moved(values, position)
        self.history.edit(state, f'move {self._describe(values)}')

    def edited(self, index: QModelIndex, text: str) -> ListState:
        """Return the list with another text in a cell.

        Raises
        ------
        InputError
            If the cell cannot hold it.
        """
        row = self._rows[index.row()]
        if index.column() == Column.NAME:
            return self.history.state.with_row(row.value, name=text)
        prompts = tuple(parse_prompts(text))
        return self.history.state.with_row(row.value, prompts=prompts)

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of rows."""
        is_root = parent is None or not parent.isValid()
        return len(self._rows) if is_root else 0

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of columns."""
        is_root = parent is None or not parent.isValid()
        return len(Column) if is_root else 0

    def headerData(
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        """Return the title of a column, or what it means."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return _TITLES[Column(section)]
        if role == Qt.ItemDataRole.ToolTipRole:
            return _HEADER_TIPS[Column(section)]
        return None

    def data(
        self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Return what a cell shows or says."""
        if not index.isValid():
            return None
        row, column = self._rows[index.row()], Column(index.column())
        match role:
            case Qt.ItemDataRole.DisplayRole:
                text = self._text(row, column)
                if column == Column.PROMPTS and row.teaching:
                    return f'{text} {messages.mark_teaching(row)}'.strip()
                return text
            case Qt.ItemDataRole.EditRole:
                if column == Column.COLOR:
                    return row.color
                return self._text(row, column)
            case Qt.ItemDataRole.CheckStateRole if column in CHECK_COLUMNS:
                is_checked = (
                    row.is_on if column == Column.ON else row.is_locked
                )
                # The number, because bindings differ in how enums go to C++.
                state = Qt.CheckState
                return (state.Checked if is_checked else state.Unchecked).value
            case Qt.ItemDataRole.ToolTipRole:
                return self._tool_tip(row, column)
            case Qt.ItemDataRole.AccessibleTextRole:
                return self._accessible_text(row, column)
        return None

    def setData(
        self,
        index: QModelIndex,
        value: Any,
        role: int = Qt.ItemDataRole.EditRole,
    ) -> bool:
        """Edit a cell; an edit that cannot be made is refused in words."""
        if not index.isValid():
            return False
        row, column = self._rows[index.row()], Column(index.column())
        if role == Qt.ItemDataRole.CheckStateRole and column in CHECK_COLUMNS:
            is_checked = Qt.CheckState(value) == Qt.CheckState.Checked
            if column == Column.ON:
                self.set_on((row.value,), is_on=is_checked)
            else:
                self.set_locked((row.value,), is_locked=is_checked)
            return True
        if role != Qt.ItemDataRole.EditRole:
            return False
        try:
            if column == Column.COLOR:
                self.set_color(row.value, str(value))
            elif column in TEXT_COLUMNS:
                verb = 'rename' if column == Column.NAME else 'prompts of'
                self.history.edit(
                    self.edited(index, str(value)), f'{verb} “{row.name}”'
                )
            else:
                return False
        except InputError as error:
            self.refused.emit(str(error))
            return False
        return True

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        """Return what can be done with a cell, and what dropped between."""
        if not index.isValid():
            # Between rows only, not on one.
            return Qt.ItemFlag.ItemIsDropEnabled
        flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        if index.column() in CHECK_COLUMNS:
            flags |= Qt.ItemFlag.ItemIsUserCheckable
        if index.column() in TEXT_COLUMNS:
            flags |= Qt.ItemFlag.ItemIsEditable
        if not self._rows[index.row()].is_background:
            flags |= Qt.ItemFlag.ItemIsDragEnabled
        return flags

    def supportedDropActions(self) -> Qt.DropAction:
        """Return that rows can be moved."""
        return Qt.DropAction.MoveAction

    def mimeTypes(self) -> list[str]:
        """Return the one type that rows are dragged as."""
        return [_MIME_TYPE]

    def mimeData(self, indexes: Iterable[QModelIndex]) -> QMimeData:
        """Return the rows that are dragged, as their label values."""
        values = {self._rows[index.row()].value for index in indexes}
        data = QMimeData()
        # With the list, since a second window has another.
        content = {'list': id(self.history), 'values': sorted(values)}
        data.setData(_MIME_TYPE, json.dumps(content).encode())
        return data

    def dropMimeData(
        self,
        data: QMimeData | None,
        action: Qt.DropAction,
        row: int,
        column: int,  # noqa: ARG002
        parent: QModelIndex,
    ) -> bool:
        """Move rows to where they were dropped."""
        if data is None or action != Qt.DropAction.MoveAction:
            return False
        try:
            content = json.loads(data.data(_MIME_TYPE).data())
        except ValueError:
            return False
        if content['list'] != id(self.history):
            return False
        if row < 0:
            row = parent.row() if parent.isValid() else len(self._rows)
        self.move(content['values'], row)
        return True

    def _text(self, row: ClassRow, column: Column) -> str | None:
        if column == Column.NAME:
            return row.name
        if column == Column.PROMPTS:
            return format_prompts(row.prompts)
        if column == Column.AREA:
            return self._areas.get(row.value, '')
        return None

    def _tool_tip(self, row: ClassRow, column: Column) -> str:
        keys = {
            Column.ON: 'Space',
            Column.COLOR: 'Space or Enter',
            Column.NAME: 'F2, Enter or double click',
            Column.PROMPTS: 'F2, Enter or double click',
            Column.LOCK: 'Space',
        }
        text = self._accessible_text(row, column)
        if column == Column.NAME and row.value in self._areas:
            text += f', {self._areas[row.value]}'
        if row.teaching and column in TEXT_COLUMNS:
            text += f'. {messages.describe_teaching(row).capitalize()}'
        elif column == Column.PROMPTS and not row.prompts:
            text += '. Without prompts it takes only the pixels below the '
            text += 'certainty'
        key = keys.get(column)
        return f'{text}. {key} to change.' if key else f'{text}.'

    def _accessible_text(self, row: ClassRow, column: Column) -> str:
        name = row.name
        match column:
            case Column.ON:
                return f'{name}: {"on" if row.is_on else "off"}'
            case Column.COLOR:
                return (
                    f'Color of {name}: {describe_color(row.color)}, '
                    f'{row.color}'
                )
            case Column.NAME:
                return f'{name}, label value {row.value}'
            case Column.PROMPTS:
                prompts = format_prompts(row.prompts) or 'none'
                mark = messages.mark_teaching(row)
                return f'Prompts of {name}: {prompts} {mark}'.strip()
            case Column.LOCK:
                return f'{name}: {"locked" if row.is_locked else "unlocked"}'
            case _:
                area = self._areas.get(row.value)
                return f'Area of {name}: {area or "not known"}'

    def _describe(self, values: Collection[int]) -> str:
        rows = [row for row in self._rows if row.value in values]
        return messages.describe_rows(rows)

    def _on_changed(self, _before: ListState, state: ListState) -> None:
        shown = [row.value for row in self._rows]
        if [row.value for row in state.rows] == shown:
            self._rows = state.rows
            self._emit_all_changed()
            return
        self.beginResetModel()
        self._rows = state.rows
        self.endResetModel()

    def _emit_all_changed(self) -> None:
        if self._rows:
            last = self.index(len(self._rows) - 1, len(Column) - 1)
            self.dataChanged.emit(self.index(0, 0), last)
