"""The class table as the dock widget uses it: one panel, one list.

Owns the history and puts the parts in touch; what a list may be is the
engine's, what a file may be is io's.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_naclip.engine.class_rows import read_class_text
from napari_naclip.engine.errors import InputError, NaclipError
from napari_naclip.engine.types import threshold_from_margin
from napari_naclip.io.class_files import read_classes, write_classes
from napari_naclip.io.presets import load_preset
from napari_naclip.ui.class_table import messages
from napari_naclip.ui.class_table.actions import ListActions
from napari_naclip.ui.class_table.background import BackgroundControls
from napari_naclip.ui.class_table.entry import EntryBox
from napari_naclip.ui.class_table.history import (
    ListHistory,
    looks_of,
    result_of,
)
from napari_naclip.ui.class_table.model import ClassTableModel
from napari_naclip.ui.class_table.teaching import TeachingControls
from napari_naclip.ui.class_table.view import ClassTableView
from napari_naclip.ui.forms import make_wrapped_label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_naclip.engine.class_rows import ClassDraft, ClassRow
    from napari_naclip.engine.class_state import ListState
    from napari_naclip.engine.classes import ClassList
    from napari_naclip.engine.taught import Example
    from napari_naclip.engine.types import Settings


class ClassPanel(QWidget):
    """Where classes are typed, listed, colored, turned off and locked.

    Attributes
    ----------
    entry : EntryBox
    table : ClassTableView
    teaching : TeachingControls
    actions_row : ListActions
    controls : BackgroundControls
    background, margin : QCheckBox, QDoubleSpinBox
    status : QLabel
        What went wrong, or should be known.

    Signals
    -------
    changed
        The next result would be another one: classes, prompts, on or off,
        order, background or certainty.
    appearance_changed
        Names or colors are others, or of other label values; not where
        ``rename_value`` or ``recolor_value`` made them so.
    locks_changed
        Other label values are locked.
    state_changed
        Anything that ``state`` holds; for keeping it.
    """

    changed = Signal()
    appearance_changed = Signal()
    locks_changed = Signal()
    state_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._is_from_layer = False
        self._history = ListHistory(self)
        self._model = ClassTableModel(self._history, self)
        self.entry = EntryBox()
        self.add = QPushButton('Add')
        self.add.setToolTip('Add what stands in the box (Enter).')
        self.table = ClassTableView(self._model)
        self.actions_row = ListActions(self._history.stack)
        self.teaching = TeachingControls(self._history, self.table)
        self.controls = BackgroundControls()
        self.background = self.controls.background
        self.margin = self.controls.margin
        self.status = make_wrapped_label()
        self.status.hide()
        self._lay_out()

        self.entry.submitted.connect(self._on_submitted)
        self.add.clicked.connect(self.entry.submit)
        self.table.refused.connect(self._say)
        self.controls.background_chosen.connect(self._on_background_chosen)
        self.controls.margin_chosen.connect(self._history.set_margin)
        self.controls.contrast_chosen.connect(self.changed)
        self.actions_row.preset_chosen.connect(self._on_preset_chosen)
        self.actions_row.import_chosen.connect(self._on_import_chosen)
        self.actions_row.export_chosen.connect(self._on_export_chosen)
        self.actions_row.remove_chosen.connect(self.table.remove_selected)
        self._history.changed.connect(self._on_changed)
        for keys, slot in (
            ('Ctrl+Z', self._history.stack.undo),
            ('Ctrl+Shift+Z', self._history.stack.redo),
        ):
            shortcut = QShortcut(QKeySequence(keys), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(slot)

    def _lay_out(self) -> None:
        label = QLabel('Add classes, separated by “;”; synonyms by “,”')
        label.setWordWrap(True)
        label.setBuddy(self.entry)
        entry_row = QHBoxLayout()
        entry_row.addWidget(self.entry, stretch=1)
        entry_row.addWidget(self.add, alignment=Qt.AlignmentFlag.AlignTop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(label)
        layout.addLayout(entry_row)
        layout.addWidget(self.status)
        table_label = QLabel('Class list')
        table_label.setBuddy(self.table)
        layout.addWidget(table_label)
        layout.addWidget(self.table, stretch=1)
        layout.addWidget(self.teaching)
        layout.addWidget(self.actions_row)
        layout.addWidget(self.controls)

    def class_list(self) -> ClassList:
        """Return the classes that are on, for a run.

        From now on their label values count as painted: they are kept for
        them whatever becomes of the list.

        Raises
        ------
        InputError
            If none is on.
        """
        classes = self.controls.classes_for(self._history.state)
        self._history.mark_used()
        return classes

    def threshold(self, classes: ClassList, settings: Settings) -> float:
        """Return the probability that the certainty means for the classes."""
        margin = self._history.state.margin
        if margin == 0 or not self._history.state.has_background:
            return 0.0
        return threshold_from_margin(
            margin, len(classes.query_owners), settings.logit_scale
        )

    def rows(self) -> tuple[ClassRow, ...]:
        """Return all rows, also those that are off."""
        return self._history.state.rows

    def locked_values(self) -> frozenset[int]:
        """Return the label values whose pixels are to be kept."""
        return self._history.state.locked_values

    def state(self) -> ListState:
        """Return what is to be kept with a result or for the next start."""
        return self._history.state

    def set_state(self, state: ListState) -> None:
        """Show another list; its steps cannot be undone.

        ``set_state(ListState())`` begins a list with values from 1.
        """
        self._say('')
        self._history.reset(state)

    @property
    def numbering(self) -> int:
        """Tells whether the list is still the same one, however edited."""
        return self._history.numbering

    def restore_state(
        self, state: ListState, layer_name: str, *, is_kept: bool = False
    ) -> None:
        """Show a layer's list; undo brings back one that is not kept."""
        step = f'take the list of “{layer_name}”'
        self._history.restore(state, step, is_kept=is_kept)

    def tell(self, text: str) -> None:
        """Show a sentence below the entry box; an empty one hides it."""
        self._say(text)

    def add_text(self, text: str) -> None:
        """Add the classes of a text, as if they were typed.

        Raises
        ------
        InputError
            If it cannot be read or a name is there; nothing is added then.
        """
        self._add(read_class_text(text))

    def replace_text(self, text: str) -> None:
        """Put the classes of a text in the place of all rows.

        Raises
        ------
        InputError
            If it cannot be read; nothing has changed then.
        """
        self._history.replace_all(read_class_text(text), 'replace the list')

    def take_entry(self) -> None:
        """Add what still stands in the entry box; nothing if it is empty.

        For the Run button: a newcomer may not have pressed Enter.

        Raises
        ------
        InputError
            If it cannot be added; it stays in the box.
        """
        text = self.entry.toPlainText()
        if text.strip():
            self.add_text(text)
            self.entry.clear()
            self._say('')

    def rename_value(self, value: int, name: str) -> None:
        """Take over the name that a class got in the layer.

        A step that can be undone. Unknown label values are ignored.

        Raises
        ------
        InputError
            If the list cannot have the name.
        """
        self._take_from_layer(value, 'rename', name=name)

    def recolor_value(self, value: int, color: str) -> None:
        """Take over the color, ``#rrggbb``, that a class got in the layer.

        A step that can be undone. Unknown label values are ignored.

        Raises
        ------
        InputError
            If it is no color.
        """
        self._take_from_layer(value, 'recolor', color=color)

    def set_areas(self, areas: Mapping[int, str]) -> None:
        """Show areas, with their unit, by label value; none hides them."""
        self._model.set_areas(areas)

    def teach(self, value: int, example: Example) -> None:
        """Add an example to a class; see ``TeachingControls.teach``."""
        self.teaching.teach(value, example)

    def unteach(self, value: int, example: Example) -> None:
        """Take an example back; see ``TeachingControls.unteach``."""
        self.teaching.unteach(value, example)

    def forget(self, value: int) -> None:
        """Forget a class's examples; see ``TeachingControls.forget``."""
        self.teaching.forget(value)

    def _take_from_layer(self, value: int, verb: str, **change: str) -> None:
        row = self._history.state.find(value)
        if row is None:
            return
        state = self._history.state.with_row(value, **change)
        self._is_from_layer = True
        try:
            self._history.edit(state, f'{verb} “{row.name}”')
        finally:
            self._is_from_layer = False

    def _add(self, drafts: tuple[ClassDraft, ...]) -> None:
        state = self._history.state.add(drafts)
        present = {row.value for row in self.rows()}
        added = [row for row in state.rows if row.value not in present]
        self._history.edit(state, f'add {messages.describe_rows(added)}')
        self.table.scrollToBottom()

    def _on_submitted(self, text: str) -> None:
        try:
            self.add_text(text)
        except InputError as error:
            self._say(str(error))
        else:
            self.entry.clear()
            self._say('')

    def _on_background_chosen(self, is_on: bool) -> None:
        verb = 'turn on' if is_on else 'turn off'
        try:
            self._history.edit(
                self._history.state.with_background(is_on=is_on),
                f'{verb} the background',
            )
        except InputError as error:
            self._say(str(error))
            self.controls.show_state(self._history.state)

    def _on_preset_chosen(self, key: str, is_replacing: bool) -> None:
        preset = load_preset(key)
        what = f'list “{preset.title}”'
        margin = preset.margin if is_replacing else None
        try:
            if is_replacing:
                self._history.replace_all(preset.drafts, what, margin)
            else:
                state = self._history.state.add(preset.drafts)
                self._history.edit(state, f'add {what}')
        except InputError as error:
            self._say(str(error))
            return
        self._say(messages.describe_preset(preset, margin))

    def _on_import_chosen(self, is_replacing: bool) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self,
            'Import classes',
            filter='Classes (*.txt *.csv *.tsv *.json);;All files (*)',
        )
        if not path:
            return
        try:
            drafts = read_classes(path)
            what = f'import {Path(path).name}'
            if is_replacing:
                self._history.replace_all(drafts, what)
            else:
                self._history.edit(self._history.state.add(drafts), what)
        except NaclipError as error:
            self._say(str(error))
            return
        given = {row.name: row.value for row in self.rows()}
        moved = [
            draft.name
            for draft in drafts
            if draft.value
            and given.get(draft.name, draft.value) != draft.value
        ]
        is_told = is_replacing and moved
        self._say(
            messages.VALUES_CHANGED.format(', '.join(moved)) if is_told else ''
        )

    def _on_export_chosen(self) -> None:
        chosen, kind = QFileDialog.getSaveFileName(
            self, 'Export classes', filter=';;'.join(messages.FILTERS)
        )
        if not chosen:
            return
        path = Path(chosen)
        # The dialog has asked about the name as it was typed.
        is_asked = bool(path.suffix)
        if not is_asked:
            path = path.with_name(
                path.name + messages.FILTERS.get(kind, '.json')
            )
        try:
            notices = write_classes(path, self.state(), overwrite=is_asked)
        except NaclipError as error:
            self._say(str(error))
            return
        self._say(' '.join((messages.EXPORTED.format(path.name), *notices)))

    def _on_changed(self, before: ListState, state: ListState) -> None:
        # What was told was of the list as it was.
        self._say('')
        self.controls.show_state(state)
        if result_of(before) != result_of(state):
            self.changed.emit()
        if not self._is_from_layer and looks_of(before) != looks_of(state):
            self.appearance_changed.emit()
        if before.locked_values != state.locked_values:
            self.locks_changed.emit()
        self.state_changed.emit()

    def _say(self, text: str) -> None:
        self.status.setText(text)
        self.status.setAccessibleName(f'Class list: {text}' if text else '')
        self.status.setVisible(bool(text))
