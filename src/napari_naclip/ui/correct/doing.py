"""One thing at a time that the Finish part does, and what it says of it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import QObject, QTimer

from napari_naclip.engine.errors import NaclipError
from napari_naclip.ui.asides import Asides
from napari_naclip.ui.correct import finish_messages as messages
from napari_naclip.ui.correct.failures import describe_failure
from napari_naclip.ui.correct.task import TaskRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from napari_naclip.ui.correct.finish_panel import FinishPanel
    from napari_naclip.ui.correct.task import Work
    from napari_naclip.ui.live import LiveUpdater

#: Of what is asked.
_KIND: Final = 'finish'
#: Milliseconds between two looks whether labels follow the settings.
_LOOK: Final = 30


class Doing(QObject):
    """Has work done in a thread and tells how it goes and what failed.

    Parameters
    ----------
    panel : FinishPanel
    live : LiveUpdater
        Knows whether labels are to follow the settings still.
    parent : QObject
    """

    def __init__(
        self, panel: FinishPanel, live: LiveUpdater, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._panel = panel
        self._live = live
        self._text = ''
        self._begin: Callable[[], object] | None = None
        # Not a signal: live answers end in many ways, a run is one.
        self._timer = QTimer(self)
        self._timer.setInterval(_LOOK)
        self._timer.timeout.connect(self._look)
        self._tasks = TaskRunner(self)
        self._tasks.progressed.connect(self._on_progress)
        self._asides = Asides(self)
        panel.cancel.clicked.connect(self._on_cancel)

    @property
    def is_busy(self) -> bool:
        """Whether something is being done, or waits."""
        return (
            self._begin is not None
            or self._tasks.is_busy
            or self._asides.is_asked(_KIND)
        )

    def after_labels(self, begin: Callable[[], object]) -> None:
        """Let something begin once the labels are what the settings say.

        An answer that is under way would change them behind its back.

        Parameters
        ----------
        begin : callable
            Called at once where there is nothing to wait for; never after
            ``end``.
        """
        self._live.look_now()
        if not self._live.is_busy:
            begin()
            return
        self.end()
        self._begin = begin
        self._panel.say(messages.FOLLOWING)
        self._panel.show_busy(is_busy=True)
        self._timer.start()

    def _look(self) -> None:
        begin = self._begin
        if begin is not None and not self._live.is_busy:
            self.end()
            begin()

    def start(
        self, text: str, work: Work, done: Callable[[Any], object]
    ) -> None:
        """Do something.

        Parameters
        ----------
        text : str
            What is being done, for the person.
        work : callable
            See ``TaskRunner.start``.
        done : callable
            Gets what it returns, in the GUI thread.
        """
        self._text = text
        self._asides.drop(_KIND)
        self._panel.say(text)
        self._panel.show_busy(is_busy=True)
        self._tasks.start(work, functools.partial(self._on_done, done))

    def ask(
        self,
        text: str,
        question: Callable[[], Generator[object, None, Any]],
        done: Callable[[Any], object],
    ) -> None:
        """Ask the model something, on the thread of live answers.

        Parameters
        ----------
        text : str
            What is being done, for the person.
        question : callable
            See ``Asides.ask``.
        done : callable
            Gets the answer, in the GUI thread; it may start what follows.
        """
        self._tasks.cancel()
        self._panel.say(text)
        self._panel.show_busy(is_busy=True)
        take = functools.partial(self._on_done, done)
        self._asides.ask(_KIND, question, take, take)

    def end(self) -> None:
        """Give up what is being done, or waits."""
        self._begin = None
        self._timer.stop()
        self._tasks.cancel()
        self._asides.drop(_KIND)
        self._panel.show_busy(is_busy=False)

    def _on_done(self, done: Callable[[Any], object], outcome: Any) -> None:
        self.end()
        if isinstance(outcome, Exception):
            self._fail(outcome)
            return
        try:
            done(outcome)
        except (NaclipError, MemoryError) as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self._panel.say(
            describe_failure(
                error,
                no_memory=messages.NO_MEMORY,
                unexpected=messages.FAILED,
            )
        )

    def _on_cancel(self) -> None:
        self.end()
        self._panel.say(messages.CANCELLED)

    def _on_progress(self, share: float) -> None:
        self._panel.say(messages.describe_progress(self._text, share))
