"""From the thread of live answers to the panels, in the GUI thread."""

from __future__ import annotations

import atexit

from qtpy.QtCore import QObject, Signal

from napari_naclip.ui.live_thread import LiveThread


class Messenger(QObject):
    """Takes what the thread says to the GUI thread; lives as long as it.

    Attributes
    ----------
    answers : LiveThread

    Signals
    -------
    told(Told)
        For all panels: each knows its wishes.
    told_aside(Aside, object)
        An aside and what came of it.
    """

    told = Signal(object)
    told_aside = Signal(object, object)

    def __init__(self) -> None:
        super().__init__()
        self.answers = LiveThread(self.told.emit, self.told_aside.emit)
        atexit.register(self.answers.close)


_messengers: list[Messenger] = []


def find_messenger() -> Messenger:
    """Return the process's messenger; call in the GUI thread."""
    if not _messengers:
        _messengers.append(Messenger())
    return _messengers[0]
