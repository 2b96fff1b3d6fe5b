"""Edits that are saved by themselves, while there are some.

On the GUI thread tiles are compared and copied, a few in each turn (see
``save_job``); a thread compresses and writes them. What was saved goes when
the program ends as it should, or the layer is saved with its edits; after a
crash it is offered (see ``restore``).
"""

from __future__ import annotations

import time
import weakref
from typing import TYPE_CHECKING, Final

from qtpy.QtCore import QCoreApplication, QObject, QTimer, Signal

from napari_naclip.io.edit_thread import EDIT_THREAD
from napari_naclip.ui.correct import edit_messages as messages
from napari_naclip.ui.correct.failures import describe_failure
from napari_naclip.ui.correct.save_job import SaveJob

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_naclip.layers.labels import Result

#: Seconds between two saves.
INTERVAL: Final = 30.0
#: Seconds of the GUI thread for tiles in one turn.
_TURN: Final = 0.006
#: Milliseconds between two looks at the thread.
_LOOK: Final = 100


class AutoSaver(QObject):
    """Saves the edits of a viewer's results.

    It does not hold the viewer.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    parent : QObject, optional
    interval : float
        Seconds between two saves.

    Signals
    -------
    told(str)
        When edits were saved, or why they were not.
    """

    told = Signal(str)

    def __init__(
        self,
        viewer: ViewerModel,
        parent: QObject | None = None,
        *,
        interval: float = INTERVAL,
    ) -> None:
        super().__init__(parent)
        self._viewer = weakref.ref(viewer)
        self._jobs: list[SaveJob] = []
        self._copying: list[SaveJob] = []
        self._failure = ''
        self._timer = QTimer(self)
        self._timer.setInterval(max(1, round(1000 * interval)))
        self._timer.timeout.connect(self._begin)
        self._turn_timer = QTimer(self)
        self._turn_timer.setSingleShot(True)
        self._turn_timer.timeout.connect(self._go_on)
        self._look_timer = QTimer(self)
        self._look_timer.setInterval(_LOOK)
        self._look_timer.timeout.connect(self._look)
        self._gone_timer = QTimer(self)
        self._gone_timer.setSingleShot(True)
        self._gone_timer.timeout.connect(self._drop_removed)
        viewer.layers.events.removed.connect(self._on_layer_removed)
        app = QCoreApplication.instance()
        if app is not None:
            app.aboutToQuit.connect(EDIT_THREAD.note_quit)

    def follow(self, result: Result | None) -> None:
        """Save the edits of a result from now on, also when others follow."""
        viewer = self._viewer()
        if (
            result is None
            or viewer is None
            or any(job.result is result for job in self._jobs)
        ):
            return
        new = SaveJob(result, viewer)
        for job in tuple(self._jobs):
            if job.result.labels == result.labels:
                # The layer was adopted anew.
                new.take_over(job)
                self._drop(job)
        self._jobs.append(new)
        # Not begun anew: the others would wait.
        if not self._timer.isActive():
            self._timer.start()

    def _drop(self, job: SaveJob) -> None:
        job.marks.close()
        job.remove()
        self._jobs.remove(job)
        if job in self._copying:
            self._copying.remove(job)

    def _on_layer_removed(self, _event: object = None) -> None:
        # Not at once: it may be put back in the same step of a script.
        self._gone_timer.start(0)

    def _drop_removed(self) -> None:
        """Forget what the person removed, and with it the edits."""
        viewer = self._viewer()
        if viewer is None:
            return
        for job in tuple(self._jobs):
            if job.result.labels not in viewer.layers:
                self._drop(job)

    def _begin(self) -> None:
        """Look which results have changed."""
        viewer = self._viewer()
        if viewer is None:
            self._timer.stop()
            return
        self._drop_removed()
        for job in self._jobs:
            if job not in self._copying and job.begin():
                self._copying.append(job)
        if self._copying:
            self._turn_timer.start(0)

    def _go_on(self) -> None:
        """Look at some tiles."""
        until = time.perf_counter() + _TURN
        while self._copying and time.perf_counter() < until:
            if self._copying[0].is_busy or self._copying[0].outcomes:
                # The thread has enough: more copies would take memory.
                self._watch()
                return
            job = self._copying[0]
            try:
                is_done = job.step()
            except Exception as error:  # noqa: BLE001 - it is told
                # Not a part of it as if it were all.
                job.repeat()
                self._copying.pop(0)
                self._tell_failure(error)
                continue
            if is_done:
                self._copying.pop(0)
                self._watch()
        if self._copying:
            self._turn_timer.start(0)

    def _watch(self) -> None:
        # Not begun anew: it must come, however often it is asked for.
        if not self._look_timer.isActive():
            self._look_timer.start()

    def _look(self) -> None:
        """Tell what the thread has done, and let it have more."""
        # Before its outcomes are read: it may end in the meantime.
        is_busy = any(job.is_busy for job in self._jobs)
        for job in self._jobs:
            if job.outcomes:
                failure = job.outcomes.pop()
                job.outcomes.clear()
                if failure is None:
                    self._failure = ''
                    self.told.emit(messages.describe_saved())
                else:
                    job.repeat()
                    if job in self._copying:
                        # Not a part of it as if it were all.
                        self._copying.remove(job)
                    self._tell_failure(failure)
        if self._copying and not self._copying[0].is_busy:
            self._turn_timer.start(0)
        if not is_busy:
            self._look_timer.stop()

    def _tell_failure(self, error: Exception) -> None:
        text = describe_failure(
            error,
            no_memory=messages.NO_MEMORY_TO_SAVE,
            unexpected=messages.SAVING_FAILED,
        )
        # Once, not every 30 seconds.
        if text != self._failure:
            self._failure = text
            self.told.emit(messages.NOT_SAVED.format(text))
