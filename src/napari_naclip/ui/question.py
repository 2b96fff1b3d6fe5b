"""A question that a thread answers: of a large file, or of the hub."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from qtpy.QtCore import QObject, QTimer, Signal

if TYPE_CHECKING:
    from collections.abc import Callable

#: Milliseconds between two looks whether the thread has ended.
_POLL_INTERVAL: Final = 50

#: The number of the question, its subject and the answer.
_Answers: TypeAlias = 'queue.SimpleQueue[tuple[int, Any, Any]]'


class Question(QObject):
    """Finds something out; the last subject that was asked of counts.

    Parameters
    ----------
    work : callable
        Takes the subject and returns the answer; called in the thread. It
        must not hold a widget.
    parent : QObject, optional

    Signals
    -------
    answered(object, object)
        The subject, and the answer or the exception that came instead.
    """

    answered = Signal(object, object)

    def __init__(
        self, work: Callable[[Any], object], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._work = work
        self._answers: _Answers = queue.SimpleQueue()
        self._number = 0
        self._timer = QTimer(self)
        self._timer.setInterval(_POLL_INTERVAL)
        self._timer.timeout.connect(self._take)

    @property
    def is_open(self) -> bool:
        """Whether an answer is still to come."""
        return self._timer.isActive()

    def ask(self, subject: object) -> None:
        """Ask of a subject; what was asked before is forgotten."""
        self._number += 1
        # The thread holds the queue alone: this object may be gone by then.
        threading.Thread(
            target=_answer,
            args=(self._work, self._number, subject, self._answers),
            name='napari-naclip look',
            daemon=True,
        ).start()
        self._timer.start()

    def forget(self) -> None:
        """Want no answer any more."""
        self._number += 1
        self._timer.stop()

    def _take(self) -> None:
        while not self._answers.empty():
            number, subject, answer = self._answers.get()
            if number == self._number:
                self.forget()
                self.answered.emit(subject, answer)


def _answer(
    work: Callable[[Any], object],
    number: int,
    subject: object,
    answers: _Answers,
) -> None:
    try:
        answers.put((number, subject, work(subject)))
    except Exception as error:  # noqa: BLE001 - a thread has nobody to tell
        answers.put((number, subject, error))
