"""Painting in the next turn of the event loop, after much other work."""

from __future__ import annotations

import functools
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qtpy.QtWidgets import QWidget


@contextmanager
def painted_later(widget: QWidget) -> Iterator[None]:
    """Return a context after which a widget's window waits with painting.

    A new layer costs napari much time before it is painted; the window
    answers to the person between the two.
    """
    window = widget.window()
    if window is None or not window.updatesEnabled():
        yield
        return
    window.setUpdatesEnabled(False)
    try:
        yield
    finally:
        # Of the window: it may be closed before.
        timer = QTimer(window)
        timer.setSingleShot(True)
        timer.timeout.connect(
            functools.partial(_paint, weakref.ref(window), weakref.ref(timer))
        )
        timer.start(0)


def _paint(window: weakref.ref[QWidget], timer: weakref.ref[QTimer]) -> None:
    own, clock = window(), timer()
    if clock is not None:
        clock.deleteLater()
    if own is not None:
        own.setUpdatesEnabled(True)
