"""Where a correction is worth most: what is shown, and what may be done.

The panel knows no viewer and no region: it tells what the person presses and
shows what it is given (see ``guide``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QKeySequence, QPixmap, QShortcut
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

from napari_naclip.ui.correct.messages import (
    LOCKED_CHOICE,
    describe_choice,
    describe_share,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: Buttons for the likeliest classes.
CHOICES: Final = 4
#: Side of a color beside a class's name, in pixels of a normal screen.
_SWATCH: Final = 12


@dataclass(frozen=True, slots=True)
class Choice:
    """A class that the person may give a region.

    Attributes
    ----------
    value : int
    name, color : str
    share : float or None
        Probability, 0 to 1; None where it is not told.
    is_locked : bool
        It may not be given.
    """

    value: int
    name: str
    color: str
    share: float | None = None
    is_locked: bool = False


class GuidePanel(QWidget):
    """Next, the likeliest classes, accept and back; keys while it is used.

    Attributes
    ----------
    next, accept, back, others : QPushButton
    choices : list of QPushButton
        The likeliest classes of the region that is shown.
    teach : QCheckBox
    about, progress : QLabel
        What is shown, and how much has been looked at.

    Signals
    -------
    next_wanted, accepted, back_wanted
    assigned(int)
        The label value that the region is to get.
    """

    next_wanted = Signal()
    accepted = Signal()
    back_wanted = Signal()
    assigned = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.next = _make_button(
            'Next (N)',
            'Go to the region where a correction is worth most. N while the '
            'focus is in this part of the panel.',
        )
        self.accept = _make_button(
            'As it is (A)',
            'The region is right: it is not shown again, and the next one '
            'is. A while the focus is in this part of the panel.',
        )
        self.back = _make_button(
            'Back (B)',
            'Take the last step back: the region gets the labels that it '
            'had, and is shown again. B while the focus is in this part of '
            'the panel.',
        )
        self.about = _make_line('The region')
        self.progress = _make_line('How much has been looked at')
        self.choices = [
            _make_button('', describe_choice(number))
            for number in range(1, CHOICES + 1)
        ]
        self._values: list[int] = []
        self.others = _make_button(
            'Another class', 'The region gets a class of the whole list.'
        )
        self._menu = QMenu(self.others)
        self.others.setMenu(self._menu)
        self.teach = QCheckBox('Teach')
        self.teach.setAccessibleName('Teach')
        self.teach.setChecked(True)
        self.teach.setToolTip(
            'Regions that you give a class become its examples, and the rest '
            'of the labels follow. How much examples count is set below the '
            'class list.'
        )
        self._lay_out()
        self._connect()
        self.show_nothing('')

    def _lay_out(self) -> None:
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        for line in ((self.next, self.back), (self.accept, self.teach)):
            row = QHBoxLayout()
            for widget in line:
                row.addWidget(widget)
            rows.addLayout(row)
            if self.next in line:
                rows.addWidget(self.about)
        for button in (*self.choices, self.others):
            rows.addWidget(button)
        rows.addWidget(self.progress)

    def _connect(self) -> None:
        for button, signal, key in (
            (self.next, self.next_wanted, 'N'),
            (self.accept, self.accepted, 'A'),
            (self.back, self.back_wanted, 'B'),
        ):
            button.clicked.connect(signal)
            self._add_key(key, button.click)
        for place, button in enumerate(self.choices):
            button.clicked.connect(
                lambda _=False, place=place: self._assign(place)
            )
            self._add_key(str(place + 1), button.click)

    def _add_key(self, key: str, slot: Callable[[], object]) -> None:
        shortcut = QShortcut(QKeySequence(key), self)
        shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        shortcut.activated.connect(slot)

    def _assign(self, place: int) -> None:
        if place < len(self._values):
            self.assigned.emit(self._values[place])

    def show_nothing(self, about: str) -> None:
        """Show that no region is looked at.

        Parameters
        ----------
        about : str
            Why.
        """
        self._show_about(about)
        self._show_choices(())
        self.accept.setEnabled(False)
        self.others.setEnabled(False)

    def show_region(
        self, about: str, choices: Sequence[Choice], others: Sequence[Choice]
    ) -> None:
        """Show a region.

        Parameters
        ----------
        about : str
            What it is said to be.
        choices : sequence of Choice
            The likeliest classes, the best first.
        others : sequence of Choice
            All classes.
        """
        self._show_about(about)
        self._show_choices(choices[:CHOICES])
        self._menu.clear()
        for each in others:
            action = self._menu.addAction(
                _swatch(each.color, self.devicePixelRatioF()),
                f'{each.name} (locked)' if each.is_locked else each.name,
            )
            if action is not None:
                action.setEnabled(not each.is_locked)
                action.triggered.connect(
                    lambda _=False, value=each.value: self.assigned.emit(value)
                )
        self.accept.setEnabled(True)
        self.others.setEnabled(bool(others))

    def show_progress(self, text: str, *, can_go_back: bool) -> None:
        """Show how much has been looked at."""
        self.progress.setText(text)
        self.progress.setVisible(bool(text))
        self.back.setEnabled(can_go_back)

    def _show_about(self, text: str) -> None:
        self.about.setText(text)
        self.about.setVisible(bool(text))

    def _show_choices(self, choices: Sequence[Choice]) -> None:
        self._values = [each.value for each in choices]
        had_focus = any(button.hasFocus() for button in self.choices)
        for number, button in enumerate(self.choices, start=1):
            button.setVisible(number <= len(choices))
            if number > len(choices):
                continue
            choice = choices[number - 1]
            share = (
                ''
                if choice.share is None
                else f'  {describe_share(choice.share)}'
            )
            if choice.is_locked:
                share = f'{share} (locked)'
            # An ampersand in a name is no mark of a key.
            name = choice.name.replace('&', '&&')
            button.setText(f'{number}  {name}{share}')
            button.setAccessibleName(f'{choice.name}{share}')
            button.setEnabled(not choice.is_locked)
            button.setToolTip(
                LOCKED_CHOICE if choice.is_locked else describe_choice(number)
            )
            button.setIcon(_swatch(choice.color, self.devicePixelRatioF()))
        if had_focus and not any(button.hasFocus() for button in self.choices):
            # Else the keys would end with the button that had it.
            self.next.setFocus()


def _swatch(color: str, ratio: float) -> QIcon:
    pixmap = QPixmap(QSize(_SWATCH, _SWATCH) * ratio)
    pixmap.setDevicePixelRatio(ratio)
    pixmap.fill(QColor(color))
    return QIcon(pixmap)


def _make_button(text: str, tooltip: str) -> QPushButton:
    button = QPushButton(text)
    button.setAccessibleName(text)
    button.setToolTip(tooltip)
    # A long name must not decide how wide the dock is.
    button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    return button


def _make_line(name: str) -> QLabel:
    line = QLabel()
    line.setAccessibleName(name)
    line.setWordWrap(True)
    line.hide()
    return line
