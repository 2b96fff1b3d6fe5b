"""The thread of a run, without Qt.

It may be abandoned: a slow read, an import or a long batch cannot be
interrupted, so that Cancel stops waiting for it instead. It goes on to its
next step, sees that it was cancelled, gives back the compute slot and ends.
Until then the next run waits for the slot. What the model saw is written to
the disk after all that, when nobody waits for it anymore.

It waits for the window as well: the labels of a large plane take hundreds of
megabytes, and a window that draws, writes or shows a dialog takes none in.
"""

from __future__ import annotations

import atexit
import contextlib
import queue
import threading
import time
import weakref
from typing import TYPE_CHECKING

from napari_naclip.io.kept_features import shared_store
from napari_naclip.ui.job_errors import forget_locals
from napari_naclip.ui.jobs import (
    Finished,
    Item,
    RunRequest,
    iter_run,
    write_features,
)

if TYPE_CHECKING:
    from napari_naclip.engine.store import FeatureStore

#: Seconds that threads get when the program ends.
_EXIT_TIMEOUT = 5.0
#: Planes that may be finished before the window has taken the first of them:
#: one that it writes, one that it finds after that.
_MOST_FINISHED = 2
#: When something was made, and what; the last of it is an error or None.
_Made = tuple[float, Item | Exception | None]


class JobThread:
    """A request on its way through its own thread, which never raises.

    Parameters
    ----------
    request : RunRequest

    Attributes
    ----------
    cancelled : threading.Event
    """

    def __init__(self, request: RunRequest) -> None:
        self.cancelled = threading.Event()
        self._items: queue.SimpleQueue[_Made] = queue.SimpleQueue()
        self._changed = threading.Condition()
        # Guarded by it.
        self._undelivered = 0
        # Seconds; the thread's own.
        self._waited = 0.0
        self._thread = threading.Thread(
            # It holds this object until it ends: `_stop_all` must find it.
            target=self._work,
            args=(request,),
            name='napari-naclip run',
            # A read that never returns must not keep the program from
            # ending; `_stop_all` waits for all others.
            daemon=True,
        )

    def start(self) -> None:
        """Start to compute."""
        _running.add(self)
        self._thread.start()

    def get(self, timeout: float) -> _Made | None:
        """Return the next item and when it was made.

        Parameters
        ----------
        timeout : float
            Seconds; None is returned when there is nothing until then.

        Returns
        -------
        (float, item) or None
            Seconds of a clock that stands still while the thread waits for
            the window. The last item is an exception, or None where all went
            well.
        """
        try:
            return self._items.get(timeout=timeout)
        except queue.Empty:
            return None

    def drop_items(self) -> None:
        """Free what was made and not asked for."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._items.get_nowait()

    def cancel(self) -> None:
        """Ask the thread to stop at its next step, or to wait no longer."""
        self.cancelled.set()
        with self._changed:
            self._changed.notify_all()

    def note_delivered(self) -> None:
        """Let the thread go on: the window has taken a finished plane."""
        with self._changed:
            self._undelivered -= 1
            self._changed.notify_all()

    def join(self, timeout: float) -> None:
        """Wait for the end, but no longer than so many seconds."""
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def _work(self, request: RunRequest) -> None:
        store: FeatureStore | None = None
        end: Exception | None = None
        try:
            # Not asked for at the end: the folder may be another by then.
            store = shared_store()
            self._produce(request)
        except Exception as error:  # noqa: BLE001 - it must never raise
            end = error
            forget_locals(error)
        # It holds the image.
        del request
        self._put(end)
        del end
        if store is not None:
            write_features(store)

    def _produce(self, request: RunRequest) -> None:
        steps = iter_run(request)
        left = len(request.snapshots)
        try:
            for item in steps:
                if self.cancelled.is_set():
                    break
                if not isinstance(item, Finished):
                    self._put(item)
                    continue
                with self._changed:
                    self._undelivered += 1
                self._put(item)
                left -= 1
                # After the last one the slot is given back at once.
                if left:
                    self._wait_for_window()
        finally:
            steps.close()

    def _put(self, made: Item | Exception | None) -> None:
        self._items.put((time.monotonic() - self._waited, made))

    def _wait_for_window(self) -> None:
        start = time.monotonic()
        with self._changed:
            self._changed.wait_for(
                lambda: (
                    self.cancelled.is_set()
                    or self._undelivered < _MOST_FINISHED
                )
            )
        self._waited += time.monotonic() - start


_running: weakref.WeakSet[JobThread] = weakref.WeakSet()


@atexit.register
def _stop_all() -> None:
    """Let threads end before the interpreter does, if they can."""
    threads = list(_running)
    for thread in threads:
        thread.cancel()
    end = time.monotonic() + _EXIT_TIMEOUT
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
