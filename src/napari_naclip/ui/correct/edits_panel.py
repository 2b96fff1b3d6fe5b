"""Edits by hand: where the model may write, how many there are, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_naclip.ui.correct import edit_messages as messages
from napari_naclip.ui.forms import add_combo, make_form, select

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_naclip.layers.write import WriteMode


class EditsPanel(QWidget):
    """What is done about pixels that the person edited.

    The panel knows no layer: it tells what is chosen, and shows what it is
    told (see ``edits``).

    Attributes
    ----------
    write_box : QComboBox
    outline : QCheckBox
    forget : QPushButton
        With a menu of where.
    count, saved : QLabel
        How many pixels were edited, and when they were saved.

    Signals
    -------
    outline_toggled(bool)
    forget_wanted(str)
        ``'view'``, ``'shapes'`` or ``'plane'``.
    """

    outline_toggled = Signal(bool)
    forget_wanted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        form = make_form()
        self.write_box = add_combo(
            form,
            'Write',
            {
                'where not edited': 'unedited',
                'only into background': 'background',
                'everywhere': 'everywhere',
            },
            messages.WRITE_TIP,
        )
        self.count = _make_line('Edited pixels')
        self.saved = _make_line('Saved edits')
        self.outline = QCheckBox('Outline edits')
        self.outline.setAccessibleName('Outline edits')
        self.outline.setToolTip(messages.OUTLINE_TIP)
        self.forget = QPushButton('Forget edits')
        self.forget.setAccessibleName('Forget edits')
        self.forget.setToolTip(messages.FORGET_TIP)
        self.forget.setSizePolicy(
            QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed
        )
        self.forget.setMenu(self._make_menu())
        row = QHBoxLayout()
        row.addWidget(self.outline)
        row.addWidget(self.forget)
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.addLayout(form)
        rows.addWidget(self.count)
        rows.addLayout(row)
        rows.addWidget(self.saved)
        self.outline.toggled.connect(self.outline_toggled)
        self.show_count(None)

    def _make_menu(self) -> QMenu:
        menu = QMenu(self.forget)
        for text, scope in messages.FORGET_SCOPES.items():
            action = menu.addAction(text)
            if action is not None:
                action.triggered.connect(
                    lambda _=False, scope=scope: self.forget_wanted.emit(scope)
                )
        return menu

    @property
    def mode(self) -> WriteMode:
        """Where a run may write."""
        value: WriteMode = self.write_box.currentData()
        return value

    @property
    def live_mode(self) -> WriteMode:
        """Where a changed setting may write: never over edits.

        It comes without being asked for, again and again.
        """
        return 'unedited' if self.mode == 'everywhere' else self.mode

    def show_count(self, pixels: int | None, *, is_done: bool = True) -> None:
        """Show how many pixels of the plane were edited.

        Parameters
        ----------
        pixels : int or None
            None: there is no result.
        is_done : bool
            Whether all are counted.
        """
        self.count.setText(messages.describe_edits(pixels, is_done=is_done))
        self.count.show()
        self.forget.setEnabled(bool(pixels))
        self.outline.setEnabled(pixels is not None)

    def show_saved(self, text: str) -> None:
        """Show when edits were saved by themselves, or why they were not."""
        self.saved.setText(text)
        self.saved.setVisible(bool(text))

    def state(self) -> dict[str, Any]:
        """Return what is chosen, as plain data."""
        return {'mode': self.mode, 'outline': self.outline.isChecked()}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Choose what ``state`` told; what is unknown stays as it is."""
        select(self.write_box, state.get('mode'))
        if isinstance(state.get('outline'), bool):
            self.outline.setChecked(state['outline'])


def _make_line(name: str) -> QLabel:
    line = QLabel()
    line.setAccessibleName(name)
    line.setWordWrap(True)
    line.setTextFormat(Qt.TextFormat.PlainText)
    line.hide()
    return line
