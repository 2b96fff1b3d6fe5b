"""Which sentences are put around each prompt: a set, or the person's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_naclip.engine.errors import StorageError
from napari_naclip.engine.templates import (
    IMAGENET_TEMPLATES,
    format_templates,
    parse_templates,
)
from napari_naclip.io.template_sets import (
    OWN_KEY,
    list_template_sets,
    load_own_templates,
    save_own_templates,
)
from napari_naclip.ui.forms import make_combo, make_wrapped_label, select
from napari_naclip.ui.words import messages
from napari_naclip.ui.words.editor import TemplateEditor

if TYPE_CHECKING:
    from collections.abc import Sequence


class TemplateChooser(QWidget):
    """A list of template sets and a button to write one's own.

    Attributes
    ----------
    combo : QComboBox
    edit : QPushButton
    status : QLabel
        Why the person's own set could not be kept.

    Signals
    -------
    changed
        Other templates are chosen.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._sets = {each.key: each for each in list_template_sets()}
        self._own: tuple[str, ...] = ()
        self.combo = make_combo(
            {each.title: each.key for each in self._sets.values()},
            messages.TEMPLATES_TIP,
        )
        for index, each in enumerate(self._sets.values()):
            self._describe(index, messages.describe_set(each))
        self.edit = QPushButton('Edit…')
        self.edit.setAccessibleName('Edit templates')
        self.edit.setToolTip(messages.EDIT_TIP)
        self.status = make_wrapped_label()
        self.status.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        # Below each other: a narrow dock has no room beside the combo box.
        layout.addWidget(self.combo)
        layout.addWidget(self.edit, alignment=Qt.AlignmentFlag.AlignRight)
        layout.addWidget(self.status)
        self._take_own(load_own_templates() or ())
        self._show_tip()
        self.combo.currentIndexChanged.connect(self._on_chosen)
        self.edit.clicked.connect(self.open_editor)

    @property
    def key(self) -> str:
        """Key of the set that is chosen; ``'own'`` for the person's own."""
        return str(self.combo.currentData())

    @property
    def templates(self) -> tuple[str, ...] | None:
        """What is chosen, as ``Settings.templates``."""
        if self.key == OWN_KEY:
            return self._own
        return self._sets[self.key].setting

    def choose(self, key: str) -> None:
        """Choose a set; without one of that key nothing changes."""
        select(self.combo, key)

    def set_templates(self, templates: Sequence[str] | None) -> None:
        """Choose the set with some templates; others become the own set.

        Raises
        ------
        InputError
            If they are no templates; nothing has changed then.
        """
        for key, each in self._sets.items():
            if templates is None:
                same = each.setting is None
            else:
                same = each.templates == tuple(templates)
            if same:
                self.choose(key)
                return
        self._take_own(parse_templates(format_templates(templates or ())))
        self.choose(OWN_KEY)

    def open_editor(self) -> TemplateEditor:
        """Open a window with what is chosen; it does not wait for its end."""
        editor = TemplateEditor(self.templates or IMAGENET_TEMPLATES, self)
        editor.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        editor.written.connect(self._on_written)
        editor.open()
        return editor

    def _on_written(self, templates: tuple[str, ...]) -> None:
        before = self.templates
        self._take_own(templates)
        try:
            save_own_templates(templates)
        except StorageError as error:
            self._say(messages.NOT_KEPT.format(error))
        else:
            self._say('')
        with QSignalBlocker(self.combo):
            self.choose(OWN_KEY)
        self._show_tip()
        if self.templates != before:
            self.changed.emit()

    def _on_chosen(self, _index: int) -> None:
        self._say('')
        self._show_tip()
        self.changed.emit()

    def _take_own(self, templates: tuple[str, ...]) -> None:
        if not templates:
            return
        self._own = templates
        place = len(self._sets)
        if self.combo.count() == place:
            self.combo.addItem(messages.OWN_TITLE, OWN_KEY)
        count = len(templates)
        self._describe(place, messages.OWN_TIP.format(count))

    def _describe(self, index: int, text: str) -> None:
        self.combo.setItemData(index, text, Qt.ItemDataRole.ToolTipRole)

    def _show_tip(self) -> None:
        about = self.combo.currentData(Qt.ItemDataRole.ToolTipRole)
        self.combo.setToolTip(f'{messages.TEMPLATES_TIP} {about}')
        self.combo.setAccessibleDescription(str(about))

    def _say(self, text: str) -> None:
        self.status.setText(text)
        self.status.setAccessibleName(text)
        self.status.setVisible(bool(text))
