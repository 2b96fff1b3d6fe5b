"""A look into a file of weights, in a thread: it may be large."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Final

from qtpy.QtCore import QObject, QTimer, Signal

from napari_naclip.engine.errors import NaclipError

if TYPE_CHECKING:
    from pathlib import Path

    from napari_naclip.engine.guess import Guess

#: Milliseconds between two looks whether the thread has ended.
_POLL_INTERVAL: Final = 50


class FileLook(QObject):
    """Finds out which model a file looks like; the last one asked for counts.

    Signals
    -------
    found(Path, object)
        The file, and a ``Guess`` or the error that came instead.
    """

    found = Signal(object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._answers: queue.SimpleQueue[tuple[Path, Guess | Exception]] = (
            queue.SimpleQueue()
        )
        self._asked: Path | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(_POLL_INTERVAL)
        self._timer.timeout.connect(self._take)

    @property
    def is_looking(self) -> bool:
        """Whether an answer is still to come."""
        return self._asked is not None

    def start(self, path: Path) -> None:
        """Look into a file; what was asked before is forgotten."""
        self._asked = path
        # The thread holds the queue alone: this object may be gone by then.
        threading.Thread(
            target=_look,
            args=(path, self._answers),
            name='napari-naclip look',
            daemon=True,
        ).start()
        self._timer.start()

    def forget(self) -> None:
        """Want no answer any more."""
        self._asked = None
        self._timer.stop()

    def _take(self) -> None:
        while not self._answers.empty():
            path, answer = self._answers.get()
            if path == self._asked:
                self.forget()
                self.found.emit(path, answer)


def _look(
    path: Path, answers: queue.SimpleQueue[tuple[Path, Guess | Exception]]
) -> None:
    try:
        # Imported here, in the thread: torch takes seconds.
        from napari_naclip.engine.guess import guess_file

        answers.put((path, guess_file(path)))
    except NaclipError as error:
        answers.put((path, error))
    except Exception as error:  # noqa: BLE001 - a thread has nobody to tell
        answers.put((path, error))
