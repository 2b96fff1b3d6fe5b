"""The buttons below the table: lists from elsewhere, undo, redo, remove."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.QtCore import Signal
from qtpy.QtGui import QAction, QKeySequence
from qtpy.QtWidgets import (
    QGridLayout,
    QMenu,
    QPushButton,
    QSizePolicy,
    QWidget,
)

from napari_naclip.io.presets import list_presets

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtGui import QUndoStack

_REPLACE: Final = 'Replace the list'
_ADD: Final = 'Add to the list'
_COLUMNS: Final = 3
#: Pixels between buttons; the usual ones are too many for a narrow dock.
_SPACING: Final = 4


class ListActions(QWidget):
    """Buttons that say what is wanted; they do nothing to a list.

    Signals
    -------
    preset_chosen(str, bool)
        Key of a preset, and whether it replaces the list.
    import_chosen(bool)
        A file is to be read; whether it replaces the list.
    export_chosen, remove_chosen
        The list is to be written, the selected rows removed.
    """

    preset_chosen = Signal(str, bool)
    import_chosen = Signal(bool)
    export_chosen = Signal()
    remove_chosen = Signal()

    def __init__(
        self, stack: QUndoStack, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.presets = _make_button(
            'Presets', 'Class lists that come with the plugin.'
        )
        self.presets.setMenu(self._make_preset_menu())
        self.importing = _make_button(
            'Import', 'Read classes from a file: text, CSV or JSON.'
        )
        self.importing.setMenu(self._make_import_menu())
        self.exporting = _make_button(
            'Export…', 'Write the classes to a file: text, CSV or JSON.'
        )
        self.undo = _make_button('Undo', '')
        self.redo = _make_button('Redo', '')
        self.remove = _make_button(
            'Remove', 'Remove the selected classes (Delete in the table).'
        )
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setHorizontalSpacing(_SPACING)
        for place, button in enumerate(
            (
                self.remove,
                self.undo,
                self.redo,
                self.presets,
                self.importing,
                self.exporting,
            )
        ):
            layout.addWidget(button, *divmod(place, _COLUMNS))
        self.exporting.clicked.connect(self.export_chosen)
        self.remove.clicked.connect(self.remove_chosen)
        self.undo.clicked.connect(stack.undo)
        self.redo.clicked.connect(stack.redo)
        # The slots ask nothing of the stack, which signals even its own end.
        stack.canUndoChanged.connect(self.undo.setEnabled)
        stack.canRedoChanged.connect(self.redo.setEnabled)
        stack.undoTextChanged.connect(self._on_undo_text)
        stack.redoTextChanged.connect(self._on_redo_text)
        self.undo.setEnabled(False)
        self.redo.setEnabled(False)
        self._on_undo_text('')
        self._on_redo_text('')

    def _on_undo_text(self, step: str) -> None:
        self.undo.setToolTip(_describe_step('Undo', step, 'Ctrl+Z'))

    def _on_redo_text(self, step: str) -> None:
        self.redo.setToolTip(_describe_step('Redo', step, 'Ctrl+Shift+Z'))

    def _make_preset_menu(self) -> QMenu:
        menu = QMenu('Presets', self)
        menu.setToolTipsVisible(True)
        for title, slot in (
            (_REPLACE, self._on_replacing_preset),
            (_ADD, self._on_added_preset),
        ):
            section = _add_section(menu, title)
            group = None
            for preset in list_presets():
                if group not in (None, preset.group):
                    section.addSeparator()
                group = preset.group
                # A single "&" would be swallowed as the mark of a key.
                title = preset.title.replace('&', '&&')
                action = QAction(title, section)
                action.setData(preset.key)
                action.setToolTip(f'{preset.description} {preset.source}')
                section.addAction(action)
            section.triggered.connect(slot)
        return menu

    def _make_import_menu(self) -> QMenu:
        menu = QMenu('Import', self)
        slots: tuple[tuple[str, Callable[[], None]], ...] = (
            (f'{_REPLACE}…', self._on_replacing_import),
            (f'{_ADD}…', self._on_added_import),
        )
        for title, slot in slots:
            action = QAction(title, menu)
            action.triggered.connect(slot)
            menu.addAction(action)
        return menu

    def _on_replacing_preset(self, action: QAction) -> None:
        self.preset_chosen.emit(action.data(), True)

    def _on_added_preset(self, action: QAction) -> None:
        self.preset_chosen.emit(action.data(), False)

    def _on_replacing_import(self) -> None:
        self.import_chosen.emit(True)

    def _on_added_import(self) -> None:
        self.import_chosen.emit(False)


def _describe_step(name: str, step: str, keys: str) -> str:
    native = QKeySequence(keys).toString(
        QKeySequence.SequenceFormat.NativeText
    )
    what = f'{name}: {step}' if step else f'{name} a change of the list'
    return f'{what} ({native} in this panel).'


def _add_section(menu: QMenu, title: str) -> QMenu:
    section = QMenu(title, menu)
    section.setToolTipsVisible(True)
    menu.addMenu(section)
    return section


def _make_button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setAccessibleName(text.rstrip('…'))
    button.setToolTip(tip)
    button.setSizePolicy(
        QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed
    )
    return button
