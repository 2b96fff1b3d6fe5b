"""A table of numbers and names that is read, sorted and gone through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QSize,
    QSortFilterProxyModel,
    Qt,
    Signal,
)
from qtpy.QtWidgets import QAbstractItemView, QTableView, QWidget

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qtpy.QtCore import QItemSelection

#: Rows that are seen without scrolling.
_ROWS: Final = 6
#: Rows of which the columns take their width.
_LOOKED_AT: Final = 40
#: Numbers from here on are written without decimals.
_MANY: Final = 1000


class RowsModel(QAbstractTableModel):
    """Shows columns of one length; the texts are short, the values whole."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._columns: dict[str, Sequence[Any]] = {}
        self._count = 0

    @property
    def columns(self) -> dict[str, Sequence[Any]]:
        """What is shown, by title."""
        return self._columns

    def show_columns(self, columns: Mapping[str, Sequence[Any]]) -> None:
        """Show other columns."""
        self.beginResetModel()
        self._columns = dict(columns)
        self._count = max(map(len, self._columns.values()), default=0)
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Return how many rows there are."""
        is_top = parent is None or not parent.isValid()
        return self._count if is_top else 0

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Return how many columns there are."""
        is_top = parent is None or not parent.isValid()
        return len(self._columns) if is_top else 0

    def data(
        self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Return the text of a cell, or what it is sorted by."""
        title = list(self._columns)[index.column()]
        value = self._columns[title][index.row()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return format_cell(value)
            case Qt.ItemDataRole.UserRole:
                return -1.0 if value is None or value != value else value
            case Qt.ItemDataRole.ToolTipRole:
                return f'{title}: {format_cell(value) or "not known"}'
            case Qt.ItemDataRole.TextAlignmentRole:
                side = (
                    Qt.AlignmentFlag.AlignLeft
                    if isinstance(value, str)
                    else Qt.AlignmentFlag.AlignRight
                )
                return side | Qt.AlignmentFlag.AlignVCenter
        return None

    def headerData(
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        """Return the title of a column."""
        if orientation == Qt.Orientation.Horizontal and role in (
            Qt.ItemDataRole.DisplayRole,
            Qt.ItemDataRole.ToolTipRole,
        ):
            return list(self._columns)[section]
        return None


def format_cell(value: Any) -> str:
    """Return a value as short text; nothing for None and NaN."""
    if value is None or value != value:
        return ''
    if not isinstance(value, float):
        return f'{value:,}' if isinstance(value, int) else str(value)
    if abs(value) >= _MANY:
        return f'{value:,.0f}'
    # As many digits of 1 as of 0.985.
    return f'{value:#.3g}'.removesuffix('.')


class RowsView(QTableView):
    """Shows a ``RowsModel``, sorted by the column whose title is clicked.

    Parameters
    ----------
    name, tooltip : str

    Signals
    -------
    chosen(int)
        The row, as in the columns, that was clicked or gone to by keys.
    """

    chosen = Signal(int)

    def __init__(self, name: str, tooltip: str) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setToolTip(tooltip)
        self.rows = RowsModel(self)
        self._sorted = QSortFilterProxyModel(self)
        self._sorted.setSourceModel(self.rows)
        self._sorted.setSortRole(Qt.ItemDataRole.UserRole)
        self.setModel(self._sorted)
        self.setSortingEnabled(True)
        self.setSelectionBehavior(
            QAbstractItemView.SelectionBehavior.SelectRows
        )
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        # Tab leaves the table, as it does any other control.
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        header = self.verticalHeader()
        if header is not None:
            header.hide()
        selection = self.selectionModel()
        if selection is not None:
            selection.selectionChanged.connect(self._on_selected)

    def show_columns(self, columns: Mapping[str, Sequence[Any]]) -> None:
        """Show other columns, in their own order."""
        self._sorted.sort(-1)
        header = self.horizontalHeader()
        if header is not None:
            header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.rows.show_columns(columns)
        if header is not None:
            # All rows of a large table would hold up the window.
            header.setResizeContentsPrecision(_LOOKED_AT)
        self.resizeColumnsToContents()

    def sizeHint(self) -> QSize:
        """Return the size of some rows."""
        row = self.verticalHeader()
        height = 24 if row is None else row.defaultSectionSize()
        return QSize(super().sizeHint().width(), (_ROWS + 1) * height)

    def minimumSizeHint(self) -> QSize:
        """Return the size of few rows, however wide they are."""
        return QSize(
            super().minimumSizeHint().width(), self.sizeHint().height()
        )

    def _on_selected(
        self, selected: QItemSelection, _before: QItemSelection
    ) -> None:
        indexes = selected.indexes()
        if indexes:
            self.chosen.emit(self._sorted.mapToSource(indexes[0]).row())
