"""The thread that compresses and writes edits, one for the process.

What it wrote is removed when the program ends as it should, not by an
exception.
"""

from __future__ import annotations

import atexit
import logging
import queue
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

from napari_naclip.engine.errors import NaclipError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari_naclip.io.edit_store import EditWriter, Tile

#: Seconds that the end of the program waits for what is being written.
_PATIENCE: Final = 5.0

_logger = logging.getLogger(__name__)


class EditThread:
    """Does one thing after the other; started when it is first needed."""

    def __init__(self) -> None:
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = (
            queue.SimpleQueue()
        )
        self._thread: threading.Thread | None = None
        #: What is removed at the end: writers and edits that were restored.
        self._living: dict[int, Callable[[], None]] = {}
        #: The exception that was told last when the windows were closed.
        self._told_before: BaseException | None = None

    def save(
        self,
        writer: EditWriter,
        tiles: Mapping[str, Tile],
        head: dict[str, Any],
        image: Any,
        then: Callable[[Exception | None], None],
    ) -> None:
        """Save tiles of a result.

        Parameters
        ----------
        writer : EditWriter
        tiles, head : mapping
            See its ``take`` and ``commit``.
        image : array-like or None
            By a few pixels of it the image is known again. One that cannot
            be read is left out.
        then : callable
            Called in the thread with None, or with what went wrong.
        """

        def work() -> None:
            writer.take(tiles)
            if not writer.image.is_quick(image):
                # It is read from far, or not at all: labels come first.
                writer.commit({**head, 'image': None})
            writer.commit({**head, 'image': writer.image.describe(image)})

        self._do_for(writer, work, then)

    def take(
        self,
        writer: EditWriter,
        tiles: Mapping[str, Tile],
        then: Callable[[Exception | None], None],
    ) -> None:
        """Compress tiles of a result, to be saved with others that follow.

        Parameters
        ----------
        writer : EditWriter
        tiles : mapping
        then : callable
            See ``save``.
        """
        self._do_for(writer, lambda: writer.take(tiles), then)

    def _do_for(
        self,
        writer: EditWriter,
        work: Callable[[], None],
        then: Callable[[Exception | None], None],
    ) -> None:
        self.remove_at_end(id(writer), writer.remove)

        def try_it() -> None:
            try:
                work()
            except NaclipError as error:
                then(error)
            except Exception as error:
                _logger.exception('edits were not saved')
                then(error)
            else:
                then(None)

        self._do(try_it)

    def remove(self, writer: EditWriter) -> None:
        """Remove what a writer saved, after what it has to do."""

        def work() -> None:
            writer.remove()
            self._living.pop(id(writer), None)

        self._do(work)

    def remove_at_end(self, key: int, remove: Callable[[], None]) -> None:
        """Have something removed when the program ends as it should."""
        self._living[key] = remove
        self._start()

    def note_quit(self) -> None:
        """Take the program for closed as it should be.

        Whatever went wrong before did not end it.
        """
        self._told_before = _last_exception()

    def _do(self, work: Callable[[], None]) -> None:
        self._start()
        self._tasks.put(work)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._run, name='napari-naclip edits', daemon=True
            )
            self._thread.start()
            atexit.register(self._end)

    def _run(self) -> None:
        while True:
            work = self._tasks.get()
            if work is None:
                return
            work()
            # Else it would hold its arrays until the next one comes.
            del work

    def _end(self) -> None:
        if self._thread is not None:
            self._tasks.put(None)
            self._thread.join(_PATIENCE)
        if _last_exception() not in (None, self._told_before):
            # It ended the program: nobody has closed it.
            return
        for remove in list(self._living.values()):
            remove()


def _last_exception() -> BaseException | None:
    """Return the exception that was told last and that nobody caught."""
    found: BaseException | None = getattr(
        sys, 'last_exc', getattr(sys, 'last_value', None)
    )
    return found


#: The process's thread.
EDIT_THREAD: Final = EditThread()
