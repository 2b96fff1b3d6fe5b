"""What is kept of images: how much, how much may be, and how to let it go.

Everything that may wait for the disk is done in threads, one at a time; the
panel looks whether they are done.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_naclip.engine.errors import NaclipError
from napari_naclip.engine.host_memory import trim
from napari_naclip.engine.outputs import OUTPUT_VARIABLE, output_budget
from napari_naclip.io.kept_features import save_budgets, shared_store
from napari_naclip.ui import messages
from napari_naclip.ui.fold import Fold
from napari_naclip.ui.forms import add_row, make_form
from napari_naclip.ui.kept_live import free_all

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from qtpy.QtGui import QShowEvent

    from napari_naclip.engine.store import FeatureStore, Usage

#: Milliseconds between two looks at a thread.
_INTERVAL: Final = 30
#: Bytes of the unit of the boxes.
_GB: Final = 1_000_000_000
#: The most that the boxes take, in GB.
_MOST: Final = 100_000


class KeptPanel(QWidget):
    """A heading, and below it what is kept; folded away at first.

    Attributes
    ----------
    more : Fold
        Shows or hides the rest.
    line : QLabel
        How much is kept, and what went wrong.
    memory, disk, outputs : QDoubleSpinBox
        Budgets in GB: of features, and of labels in memory.
    free, clear : QPushButton
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._waiting: deque[Callable[[], object]] = deque()
        self._job: _Job | None = None
        # Not a signal of the thread: the panel may be gone by then.
        self._timer = QTimer(self)
        self._timer.setInterval(_INTERVAL)
        self._timer.timeout.connect(self._look)
        self.details = QWidget()
        self.more = Fold(
            'Kept features',
            'Shows or hides how much is kept of images, so that a repeated '
            'run need not look again.',
            self.details,
        )
        self.line = _make_line()
        self.memory = _make_box(
            'Features of images that stay in memory while napari runs, in GB '
            '(1000 MB); 0 keeps none there.'
        )
        self.disk = _make_box(
            'Features that memory has no room for go to the disk, in GB '
            '(1000 MB); 0 keeps none there.'
        )
        self.outputs = _make_box(
            'Labels and confidence that stay in memory while napari runs, in '
            'GB (1000 MB). What comes beyond is on the disk while it is in '
            'use. Counts from the next run on.'
        )
        self.free = QPushButton('Free')
        self.free.setAccessibleName('Free the memory of kept features')
        self.free.setToolTip(
            'Empties the memory. What the disk has room for goes there.'
        )
        self.clear = QPushButton('Clear')
        self.clear.setAccessibleName('Clear all kept features')
        self.clear.setToolTip(
            'Forgets what is kept in memory and on the disk. The next run '
            'has to look at its image again.'
        )
        self._lay_out()
        self.more.toggled.connect(self.refresh)
        self.memory.valueChanged.connect(self._on_memory_changed)
        self.disk.valueChanged.connect(self._on_disk_changed)
        self.outputs.valueChanged.connect(self._on_outputs_changed)
        self.free.clicked.connect(self._on_free)
        self.clear.clicked.connect(self._on_clear)
        # Until it is known how much they are.
        for box in (self.memory, self.disk, self.outputs):
            box.setEnabled(False)

    def _lay_out(self) -> None:
        rows = QVBoxLayout(self.details)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.addWidget(self.line)
        form = make_form()
        add_row(form, 'Most in memory', self.memory)
        add_row(form, 'Most on disk', self.disk)
        add_row(form, 'Labels in memory', self.outputs)
        rows.addLayout(form)
        buttons = QHBoxLayout()
        buttons.addWidget(self.free)
        buttons.addWidget(self.clear)
        rows.addLayout(buttons)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.more)
        layout.addWidget(self.details)

    @property
    def is_busy(self) -> bool:
        """Whether something is being done, or waits to be."""
        return self._job is not None or bool(self._waiting)

    def refresh(self, _is_shown: object = None) -> None:
        """Look again how much is kept, if that is shown."""
        # What waits ends with a look.
        if self.details.isVisible() and not self._waiting:
            self._do(_nothing)

    def state(self) -> dict[str, Any]:
        """Return what is unfolded; ``set_state`` takes it."""
        return {'is_expanded': self.more.isChecked()}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Fold or unfold as a state says."""
        self.more.setChecked(state.get('is_expanded') is True)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Look again: other panels and programs keep features, too."""
        super().showEvent(event)
        self.refresh()

    def _on_memory_changed(self, value: float) -> None:
        self._do(functools.partial(save_budgets, memory=round(value * _GB)))

    def _on_disk_changed(self, value: float) -> None:
        self._do(functools.partial(save_budgets, disk=round(value * _GB)))

    def _on_outputs_changed(self, value: float) -> None:
        self._do(functools.partial(save_budgets, outputs=round(value * _GB)))

    def _on_free(self) -> None:
        free_all()
        self._do(functools.partial(_free, shared_store()))

    def _on_clear(self) -> None:
        self._do(shared_store().clear)

    def _do(self, action: Callable[[], object]) -> None:
        self._waiting.append(action)
        self._start_next()

    def _start_next(self) -> None:
        if self._job is None and self._waiting:
            self._job = _Job(shared_store(), self._waiting.popleft())
            self._timer.start()

    def _look(self) -> None:
        job = self._job
        if job is None or job.is_alive():
            return
        self._job = None
        self._timer.stop()
        if job.usage is not None:
            self._show(job.usage, job.problem)
        self._start_next()

    def _show(self, usage: Usage, problem: str) -> None:
        text = messages.describe_kept(usage, problem)
        self.line.setText(text)
        self.line.setAccessibleName(text)
        if self._waiting:
            # The person has chosen something else meanwhile.
            return
        for box, budget in (
            (self.memory, usage.memory_budget),
            (self.disk, usage.disk_budget),
            (self.outputs, output_budget()),
        ):
            if not box.hasFocus():
                box.blockSignals(True)
                box.setValue(budget / _GB)
                box.blockSignals(False)
            box.setEnabled(True)
        if os.environ.get(OUTPUT_VARIABLE, '').strip():
            self.outputs.setEnabled(False)
            self.outputs.setToolTip(
                f'Set by the environment variable {OUTPUT_VARIABLE}.'
            )


class _Job(threading.Thread):
    """Does something to the store and looks how much is kept then."""

    def __init__(
        self, store: FeatureStore, action: Callable[[], object]
    ) -> None:
        super().__init__(name='kept features', daemon=True)
        self._store = store
        self._action = action
        self.usage: Usage | None = None
        self.problem = ''
        self.start()

    def run(self) -> None:
        try:
            self._action()
        except NaclipError as error:
            self.problem = str(error)
        self.usage = self._store.usage()


def _nothing() -> None:
    pass


def _make_box(tooltip: str) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setRange(0, _MOST)
    box.setDecimals(1)
    box.setSingleStep(0.5)
    box.setSuffix(' GB')
    # One change when the number is typed, not one for each digit.
    box.setKeyboardTracking(False)
    box.setToolTip(tooltip)
    return box


def _make_line() -> QLabel:
    label = QLabel()
    label.setAccessibleName('How much is kept')
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    return label


def _free(store: FeatureStore) -> None:
    store.free()
    # What has not been imported keeps nothing.
    if 'torch' in sys.modules:
        from napari_naclip.engine.device import empty_caches

        empty_caches()
    trim()
