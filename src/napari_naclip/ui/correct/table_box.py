"""A table of rows with buttons that copy and save it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_naclip.engine.errors import NaclipError
from napari_naclip.io.tables import format_table, write_table
from napari_naclip.ui.correct import finish_messages as messages
from napari_naclip.ui.correct.rows import RowsView

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class TableBox(QWidget):
    """Hidden until there are rows.

    Parameters
    ----------
    name : str
        Of the table; also what a file is called at first.
    tooltip : str

    Attributes
    ----------
    view : RowsView
    copy, save : QPushButton

    Signals
    -------
    told(str)
        What came of copying or saving.
    """

    told = Signal(str)

    def __init__(self, name: str, tooltip: str) -> None:
        super().__init__()
        self._name = name
        self.view = RowsView(name, tooltip)
        label = QLabel(name)
        label.setBuddy(self.view)
        self.copy = QPushButton('Copy')
        self.copy.setAccessibleName(f'Copy: {name}')
        self.copy.setToolTip(
            'Copies the whole table, for a spreadsheet (tabs between cells).'
        )
        self.save = QPushButton('Save CSV…')
        self.save.setAccessibleName(f'Save as CSV: {name}')
        self.save.setToolTip('Saves the whole table as CSV, numbers in full.')
        buttons = QHBoxLayout()
        buttons.addWidget(self.copy)
        buttons.addWidget(self.save)
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.addWidget(label)
        rows.addWidget(self.view)
        rows.addLayout(buttons)
        self.copy.clicked.connect(self._on_copy)
        self.save.clicked.connect(self._on_save)
        self.hide()

    def show_columns(self, columns: Mapping[str, Sequence[Any]]) -> None:
        """Show other rows; the box hides where there is none."""
        self.view.show_columns(columns)
        self.setVisible(self.view.rows.rowCount() > 0)

    def _on_copy(self) -> None:
        clipboard = QGuiApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(format_table(self.view.rows.columns, '\t'))
            self.told.emit(messages.COPIED)

    def _on_save(self) -> None:
        chosen, _ = QFileDialog.getSaveFileName(
            self, f'Save: {self._name}', filter='Table (*.csv)'
        )
        if not chosen:
            return
        path = Path(chosen)
        # The dialog has asked about the name as it was typed.
        is_asked = bool(path.suffix)
        if not is_asked:
            path = path.with_name(f'{path.name}.csv')
        try:
            write_table(path, self.view.rows.columns, overwrite=is_asked)
        except NaclipError as error:
            self.told.emit(str(error))
        else:
            self.told.emit(messages.describe_saved(path))
