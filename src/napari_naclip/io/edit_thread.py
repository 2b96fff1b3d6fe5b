"""The thread that compresses and writes edits, one for the process.

What it wrote is removed when the program ends as it should.
"""

from __future__ import annotations

import atexit
import hashlib
import logging
import queue
import threading
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_naclip.engine.errors import NaclipError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari_naclip.io.edit_store import EditWriter, Tile

#: Pixels along an axis of the pieces by which an image is known again.
_PIECE: Final = 16
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
            By a few pixels of it the image is known again.
        then : callable
            Called in the thread with None, or with what went wrong.
        """

        def work() -> None:
            writer.take(tiles)
            writer.commit({**head, 'image': describe_image(image)})

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
        for remove in list(self._living.values()):
            remove()


def describe_image(data: Any) -> dict[str, Any] | None:
    """Return what an image is known by, as plain data; None without one.

    Parameters
    ----------
    data : array-like or None
        Of the layer. Five pieces of it are read, in its middle and towards
        its corners.
    """
    if data is None:
        return None
    shape = tuple(int(length) for length in data.shape)
    digest = hashlib.blake2b(digest_size=16)
    for share in ((0.5, 0.5), (0.1, 0.1), (0.1, 0.9), (0.9, 0.1), (0.9, 0.9)):
        index: list[slice] = []
        for axis, length in enumerate(shape):
            place = share[axis % 2]
            side = _PIECE if axis >= len(shape) - 3 else 1
            start = max(0, min(int(place * length), length - side))
            index.append(slice(start, start + side))
        piece = np.ascontiguousarray(data[tuple(index)])
        digest.update(piece.tobytes())
    return {
        'shape': list(shape),
        'dtype': str(data.dtype),
        'digest': digest.hexdigest(),
    }


#: The process's thread.
EDIT_THREAD: Final = EditThread()
