"""Work that a part of the panel has done in a thread, one at a time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import QObject, QTimer, Signal

from napari_naclip.ui.job_errors import forget_locals

if TYPE_CHECKING:
    from collections.abc import Callable

    #: Gets what asks whether to stop, and what takes the share that is done.
    Work = Callable[[Callable[[], bool], Callable[[float], None]], Any]

#: Milliseconds between two looks at the thread.
_INTERVAL: Final = 30


class TaskRunner(QObject):
    """Has one piece of work done at a time, and tells in the GUI thread.

    What was cancelled goes on in its thread until it looks, and is forgotten:
    the next may start at once.

    Signals
    -------
    progressed(float)
        The share, 0 to 1, that is done.
    """

    progressed = Signal(float)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._thread: _Thread | None = None
        self._done: Callable[[Any], object] | None = None
        self._share = 0.0
        # Not a signal of the thread: the panel may be gone by then.
        self._timer = QTimer(self)
        self._timer.setInterval(_INTERVAL)
        self._timer.timeout.connect(self._look)

    @property
    def is_busy(self) -> bool:
        """Whether something is being done."""
        return self._thread is not None

    def start(self, work: Work, done: Callable[[Any], object]) -> None:
        """Do something; what was being done before is cancelled.

        Parameters
        ----------
        work : callable
            Called in the thread with ``is_stopped`` and ``tell``.
        done : callable
            Gets in the GUI thread what it returns, or the exception that it
            raises; not after ``cancel``.
        """
        self.cancel()
        self._done = done
        self._share = 0.0
        self._thread = _Thread(work)
        self._timer.start()

    def cancel(self) -> None:
        """Give up what is being done."""
        thread, self._thread, self._done = self._thread, None, None
        self._timer.stop()
        if thread is not None:
            thread.stopped.set()

    def _look(self) -> None:
        thread, done = self._thread, self._done
        if thread is None or done is None:
            return
        if thread.is_alive():
            if thread.share != self._share:
                self._share = thread.share
                self.progressed.emit(self._share)
            return
        self.cancel()
        done(thread.outcome)


class _Thread(threading.Thread):
    """Does one piece of work; holds what came of it."""

    def __init__(self, work: Work) -> None:
        # Daemon: what never returns must not keep the program.
        super().__init__(name='napari-naclip finish', daemon=True)
        self._work: Work | None = work
        self.stopped = threading.Event()
        self.share = 0.0
        self.outcome: Any = None
        self.start()

    def run(self) -> None:
        work, self._work = self._work, None
        if work is None:
            return
        try:
            self.outcome = work(self.stopped.is_set, self._tell)
        except Exception as error:  # noqa: BLE001 - told in the GUI thread
            forget_locals(error)
            self.outcome = error

    def _tell(self, share: float) -> None:
        self.share = share
