"""The box that classes are typed or pasted into."""

from __future__ import annotations

from math import ceil
from typing import Final

from qtpy.QtCore import QEvent, QMimeData, QSize, Qt, Signal
from qtpy.QtGui import QKeyEvent, QKeySequence
from qtpy.QtWidgets import QSizePolicy, QTextEdit, QWidget

from napari_naclip.ui.class_table.delegates import ENTER_KEYS

#: Lines up to which the box grows.
_MOST_LINES: Final = 5


class EntryBox(QTextEdit):
    """One line of classes; grows with what is typed or pasted.

    A line edit would turn the line breaks of a pasted list into spaces.

    Signals
    -------
    submitted(str)
        Enter was pressed, or several lines were pasted.
    """

    submitted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAcceptRichText(False)
        self.setTabChangesFocus(True)
        for set_policy in (
            self.setHorizontalScrollBarPolicy,
            self.setVerticalScrollBarPolicy,
        ):
            set_policy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(
            QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed
        )
        self.setAccessibleName('New classes')
        self.setPlaceholderText('sky; tree, bush; water')
        self.setToolTip(
            'Classes, separated by ";" or line breaks; synonyms by ",". Enter '
            'adds them; a pasted list or column is added at once. Put a '
            'phrase with such a mark in quotes. The model reads English.'
        )
        document = self.document()
        layout = None if document is None else document.documentLayout()
        if layout is not None:
            layout.documentSizeChanged.connect(self._on_size_changed)

    def sizeHint(self) -> QSize:
        """Return the size of the lines that are there."""
        document, line = self.document(), self.fontMetrics().lineSpacing()
        height = float(line)
        if document is not None:
            margins = 2 * document.documentMargin()
            most = _MOST_LINES * line + margins
            height = min(max(document.size().height(), line + margins), most)
        height = ceil(height) + 2 * self.frameWidth()
        return QSize(super().sizeHint().width(), height)

    def minimumSizeHint(self) -> QSize:
        """Return the same height; the width may shrink."""
        width = self.fontMetrics().horizontalAdvance('sky; tree')
        return QSize(width, self.sizeHint().height())

    def submit(self) -> None:
        """Hand on what stands in the box."""
        self.submitted.emit(self.toPlainText())

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Submit at Enter; Shift+Enter begins a line."""
        if (
            event is not None
            and event.key() in ENTER_KEYS
            and event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
            == Qt.KeyboardModifier.NoModifier
        ):
            event.accept()
            self.submit()
            return
        super().keyPressEvent(event)

    def event(self, event: QEvent | None) -> bool:
        """Leave undo and redo to the table while there is no text to undo."""
        if (
            isinstance(event, QKeyEvent)
            and event.type() == QEvent.Type.ShortcutOverride
            and self._is_for_table(event)
        ):
            event.ignore()
            return False
        return super().event(event)

    def insertFromMimeData(self, source: QMimeData | None) -> None:
        """Paste a list: a line a class, cells beside each other synonyms."""
        if source is None or not source.hasText():
            super().insertFromMimeData(source)
            return
        text = join_cells(source.text())
        self.insertPlainText(text)
        if '\n' in text.strip():
            self.submit()

    def _on_size_changed(self) -> None:
        self.updateGeometry()

    def _is_for_table(self, event: QKeyEvent) -> bool:
        document = self.document()
        if document is None:
            return False
        if event.matches(QKeySequence.StandardKey.Undo):
            return not document.isUndoAvailable()
        if event.matches(QKeySequence.StandardKey.Redo):
            return not document.isRedoAvailable()
        return False


def join_cells(text: str) -> str:
    """Return cells of a spreadsheet as class text; other text as it is."""
    text = text.replace('\r\n', '\n').replace('\r', '\n')
    if '\t' not in text:
        return text
    lines = []
    for line in text.split('\n'):
        cells = (cell.strip() for cell in line.split('\t'))
        lines.append(', '.join(cell for cell in cells if cell))
    return '\n'.join(lines)
