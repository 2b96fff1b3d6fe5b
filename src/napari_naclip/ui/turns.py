"""Work for the GUI thread that is done a little in each turn of its loop."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Final

from qtpy.QtCore import QObject, QTimer

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Seconds of work in one turn.
_TURN: Final = 0.012


class Turns(QObject):
    """Does steps in the order in which they came.

    Parameters
    ----------
    parent : QObject
    """

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._waiting: deque[Iterator[None]] = deque()
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._go_on)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is left to do."""
        return not self._waiting

    def add(self, steps: Iterator[None]) -> None:
        """Do steps after all others; they must not raise."""
        self._waiting.append(steps)
        self._timer.start()

    def clear(self) -> None:
        """Leave what is not done; those under way may call it."""
        self._waiting.clear()
        self._timer.stop()

    def _go_on(self) -> None:
        end = time.perf_counter() + _TURN
        while self._waiting and time.perf_counter() < end:
            steps = self._waiting[0]
            try:
                next(steps)
            except StopIteration:
                # They may have left everything, and begun anew.
                if self._waiting and self._waiting[0] is steps:
                    self._waiting.popleft()
        if not self._waiting:
            self._timer.stop()
