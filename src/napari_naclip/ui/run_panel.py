"""Run, Cancel, the bar and the line that says how it goes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QTextEdit,
    QVBoxLayout,
    QWidget,
)

from napari_naclip.ui import messages
from napari_naclip.ui.forms import make_wrapped_label

if TYPE_CHECKING:
    from napari_naclip.engine.types import Progress, Stage
    from napari_naclip.ui.estimate import RunProgress

#: Seconds between two announcements: a screen reader reads each to its end.
_ANNOUNCE_INTERVAL = 5.0
#: Lines of details that are seen without scrolling.
_DETAIL_LINES = 8


class RunPanel(QWidget):
    """Buttons and status of a run; knows nothing of what runs.

    Attributes
    ----------
    run, cancel : QPushButton
    bar : QProgressBar
    status : QLabel
    more : QWidget
        Notices and the details of an error, which may be long: whoever owns
        the panel gives it a place that scrolls.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.run = QPushButton('Run')
        self.run.setAccessibleName('Run')
        self.run.setToolTip('Segment the image with these classes.')
        self.cancel = QPushButton('Cancel')
        self.cancel.setAccessibleName('Cancel')
        self.cancel.setToolTip('Stop; the labels stay as they were.')
        self.bar = QProgressBar()
        self.bar.setAccessibleName('Progress')
        self.bar.setToolTip('How far this step is, in percent.')
        self.bar.setTextVisible(False)
        self.status = make_wrapped_label()
        self.notices = make_wrapped_label()
        self.details = _ErrorDetails()
        buttons = QHBoxLayout()
        buttons.addWidget(self.run)
        buttons.addWidget(self.cancel)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(buttons)
        layout.addWidget(self.bar)
        layout.addWidget(self.status)
        self.more = QWidget()
        rows = QVBoxLayout(self.more)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.addWidget(self.notices)
        rows.addWidget(self.details)
        self._stage: tuple[Stage, int] | None = None
        self._announced = 0.0
        self._share = 0.0
        self.show_rest(messages.NO_CLASSES)
        self._has_news = False

    def add_shortcuts(self, owner: QWidget) -> None:
        """Make Ctrl+Enter press Run while the focus is in ``owner``."""
        for keys in ('Ctrl+Return', 'Ctrl+Enter'):
            shortcut = QShortcut(QKeySequence(keys), owner)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(self.run.click)
        self.run.setToolTip(f'{self.run.toolTip()} Ctrl+Enter in this panel.')

    def show_ready(self, classes: int) -> None:
        """Show what to do with so many classes, unless a run is told of."""
        text = messages.describe_ready(classes)
        if not self._has_news and text != self.status.text():
            self._say(text)

    def show_running(self) -> None:
        """Show that a run has started."""
        self._has_news = True
        self._stage, self._share = None, 0.0
        self.run.setEnabled(False)
        self.cancel.setEnabled(True)
        self.bar.setRange(0, 0)
        self.bar.show()
        self.notices.hide()
        self.details.hide()

    def show_progress(self, progress: RunProgress) -> None:
        """Show how far the run is, and how long it may still take."""
        if not self.cancel.isEnabled():
            return
        share = progress.share
        if progress.jobs > 1 and share is not None:
            # Reading the next plane is no step back.
            share = self._share = max(share, self._share)
        # Percent: bytes of a download do not fit into Qt's integers.
        self.bar.setRange(0, 0 if share is None else 100)
        self.bar.setValue(0 if share is None else int(100 * share))
        text = messages.describe_progress(progress)
        self.status.setText(text)
        now, stage = time.monotonic(), (progress.stage, progress.job)
        if stage != self._stage or now - self._announced >= _ANNOUNCE_INTERVAL:
            self._stage = stage
            self._announce(text)

    def show_update(self, progress: Progress) -> None:
        """Show how far labels are that follow a change."""
        self.status.setText(messages.describe_update(progress))

    def show_cancelling(self) -> None:
        """Show that the run was asked to stop."""
        self.cancel.setEnabled(False)
        self._say(messages.CANCELLING)

    def show_rest(self, text: str, notices: tuple[str, ...] = ()) -> None:
        """Show that nothing runs, and how the last run ended."""
        self._has_news = True
        self.run.setEnabled(True)
        self.cancel.setEnabled(False)
        self.bar.hide()
        self.details.hide()
        told = '\n'.join(f'Note: {each}' for each in notices)
        self.notices.setText(told)
        self.notices.setAccessibleName(told)
        self.notices.setVisible(bool(notices))
        self._say(text)

    def show_refusal(self, text: str) -> None:
        """Show why no run can start; until the classes are others."""
        self.show_rest(text)
        self._has_news = False

    def show_failure(self, text: str, details: str) -> None:
        """Show that nothing runs, and why the last run failed.

        Parameters
        ----------
        text : str
            One sentence with what to do.
        details : str
            Shown and copied on demand.
        """
        self.show_rest(text)
        self.details.show_for(details)

    def _say(self, text: str) -> None:
        self.status.setText(text)
        self._announce(text)

    def _announce(self, text: str) -> None:
        """Tell a screen reader: Qt reports a changed name or description."""
        self._announced = time.monotonic()
        self.status.setAccessibleName(text)
        self.bar.setAccessibleDescription(text)


class _ErrorDetails(QWidget):
    """What went wrong in all its length, folded away."""

    def __init__(self) -> None:
        super().__init__()
        self.toggle = QPushButton('Details')
        self.toggle.setCheckable(True)
        self.toggle.setAccessibleName('Details of the error')
        self.toggle.setToolTip('Show or hide what went wrong in detail.')
        self.copy = QPushButton('Copy details')
        self.copy.setAccessibleName('Copy details')
        self.copy.setToolTip(
            'Copy the details to the clipboard, to report the error.'
        )
        # napari's themes style this kind of text box, not QPlainTextEdit.
        self.text = QTextEdit()
        self.text.setReadOnly(True)
        self.text.setAccessibleName('Text of the details')
        self.text.setToolTip('Can be selected and copied.')
        self.text.setTabChangesFocus(True)
        self.text.setMinimumHeight(
            self.text.fontMetrics().lineSpacing() * _DETAIL_LINES
        )
        self._label = QLabel('What went wrong in detail')
        self._label.setWordWrap(True)
        self._label.setBuddy(self.text)
        buttons = QHBoxLayout()
        buttons.addWidget(self.toggle)
        buttons.addWidget(self.copy)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(buttons)
        layout.addWidget(self._label)
        layout.addWidget(self.text)
        self.toggle.toggled.connect(self.text.setVisible)
        self.toggle.toggled.connect(self._label.setVisible)
        self.copy.clicked.connect(self._on_copy)
        self.hide()

    def show_for(self, details: str) -> None:
        """Offer details, folded away."""
        self.toggle.setChecked(False)
        self.text.setPlainText(details)
        self.text.hide()
        self._label.hide()
        self.show()

    def _on_copy(self) -> None:
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(self.text.toPlainText())
