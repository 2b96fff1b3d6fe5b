"""The window in which a person writes templates of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QLabel,
    QPushButton,
    QTextEdit,
    QVBoxLayout,
    QWidget,
)

from napari_naclip.engine.errors import InputError
from napari_naclip.engine.templates import format_templates, parse_templates
from napari_naclip.ui.forms import make_wrapped_label
from napari_naclip.ui.words import messages

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Lines that are seen without scrolling.
_LINES = 12


class TemplateEditor(QDialog):
    """A text box; says at once which line is none, and takes only good ones.

    Parameters
    ----------
    templates : iterable of str
        What stands in the box at first.

    Attributes
    ----------
    text : QTextEdit
    status : QLabel
        How many templates there are, or what is wrong.
    use : QPushButton

    Signals
    -------
    written(object)
        A tuple of templates is to be used.
    """

    written = Signal(object)

    def __init__(
        self, templates: Iterable[str], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(messages.EDITOR_TITLE)
        self._templates: tuple[str, ...] = ()
        # napari's themes style this kind of text box, not QPlainTextEdit.
        self.text = QTextEdit()
        self.text.setAcceptRichText(False)
        self.text.setTabChangesFocus(True)
        self.text.setLineWrapMode(QTextEdit.LineWrapMode.NoWrap)
        self.text.setAccessibleName(messages.EDITOR_TITLE)
        self.text.setToolTip(messages.EDITOR_TIP)
        self.text.setMinimumHeight(
            self.text.fontMetrics().lineSpacing() * _LINES
        )
        label = QLabel(messages.EDITOR_LABEL)
        label.setWordWrap(True)
        label.setBuddy(self.text)
        self.status = make_wrapped_label()
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.use = QPushButton(messages.USE)
        buttons.addButton(self.use, QDialogButtonBox.ButtonRole.AcceptRole)
        self.use.setAccessibleName(messages.USE)
        self.use.setToolTip(messages.USE_TIP)
        layout = QVBoxLayout(self)
        layout.addWidget(label)
        layout.addWidget(self.text, stretch=1)
        layout.addWidget(self.status)
        layout.addWidget(buttons)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        self.text.textChanged.connect(self._on_text_changed)
        self.text.setPlainText(format_templates(templates))

    def accept(self) -> None:
        """Hand the templates on, unless a line is wrong."""
        if self._templates:
            self.written.emit(self._templates)
            super().accept()

    def _on_text_changed(self) -> None:
        try:
            self._templates = parse_templates(self.text.toPlainText())
        except InputError as error:
            self._templates = ()
            text = str(error)
        else:
            text = messages.describe_count(len(self._templates))
        self.status.setText(text)
        self.status.setAccessibleName(text)
        self.text.setAccessibleDescription(text)
        self.use.setEnabled(bool(self._templates))
