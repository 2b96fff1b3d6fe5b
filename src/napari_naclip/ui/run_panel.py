"""Run, Cancel, the bar and the line that says how it goes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_naclip.ui import messages

if TYPE_CHECKING:
    from napari_naclip.engine.types import Progress, Stage

#: Share of a stage after which its remaining time is told.
_SHARE_KNOWN = 0.05


class RunPanel(QWidget):
    """Buttons and status of a run; knows nothing of what runs."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.run = QPushButton('Run')
        self.run.setToolTip('Segment the image with these classes.')
        self.cancel = QPushButton('Cancel')
        self.cancel.setToolTip('Stop; the labels stay as they were.')
        self.bar = QProgressBar()
        self.bar.setAccessibleName('Progress')
        self.bar.setTextVisible(False)
        self.status = _wrapped_label('Status')
        self.notices = _wrapped_label('Notices')
        self.notices.hide()
        buttons = QHBoxLayout()
        buttons.addWidget(self.run)
        buttons.addWidget(self.cancel)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(buttons)
        for widget in (self.bar, self.status, self.notices):
            layout.addWidget(widget)
        self._stage: Stage | None = None
        self._stage_started = 0.0
        self._stage_first = 0
        self.show_rest(messages.READY)

    def show_running(self) -> None:
        """Show that a run has started."""
        self._stage = None
        self.run.setEnabled(False)
        self.cancel.setEnabled(True)
        self.bar.setRange(0, 0)
        self.bar.show()
        self.notices.hide()

    def show_progress(self, progress: Progress) -> None:
        """Show how far the run is, and how long it may still take."""
        now = time.monotonic()
        if progress.stage != self._stage:
            self._stage = progress.stage
            self._stage_started, self._stage_first = now, progress.done
        if not self.cancel.isEnabled():
            return
        # Percent: bytes of a download do not fit into Qt's integers.
        total, done = progress.total, progress.done
        self.bar.setRange(0, 100 if total else 0)
        self.bar.setValue(100 * done // total if total else 0)
        text = messages.describe_stage(progress)
        steps = done - self._stage_first
        if total and steps > 0 and done >= _SHARE_KNOWN * total:
            left = (now - self._stage_started) / steps * (total - done)
            text += f', {messages.describe_time(left)}'
        self.status.setText(text)

    def show_cancelling(self) -> None:
        """Show that the run was asked to stop."""
        self.cancel.setEnabled(False)
        self.status.setText(messages.CANCELLING)

    def show_rest(self, text: str, notices: tuple[str, ...] = ()) -> None:
        """Show that nothing runs, and how the last run ended."""
        self.run.setEnabled(True)
        self.cancel.setEnabled(False)
        self.bar.hide()
        self.status.setText(text)
        self.notices.setText('\n'.join(f'Note: {each}' for each in notices))
        self.notices.setVisible(bool(notices))


def _wrapped_label(name: str) -> QLabel:
    label = QLabel()
    label.setAccessibleName(name)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    return label
