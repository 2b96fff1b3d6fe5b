"""Edits that are saved by themselves, while there are some.

On the GUI thread tiles are copied, a few in each turn; a thread compresses
and writes them (see ``io.edit_thread``). What was saved goes when the program
ends as it should, or the layer is saved with its edits; after a crash it is
offered (see ``restore``).
"""

from __future__ import annotations

import time
import weakref
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_naclip.engine.errors import NaclipError
from napari_naclip.io.edit_store import TILE, EditWriter
from napari_naclip.io.edit_thread import EDIT_THREAD
from napari_naclip.io.folders import edits_folder
from napari_naclip.io.layer_files import describe_layer
from napari_naclip.io.saved_edits import tile_index
from napari_naclip.layers.areas import shown_plane
from napari_naclip.layers.changes import TileMarks
from napari_naclip.layers.written import saved_at
from napari_naclip.ui.correct import edit_messages as messages

if TYPE_CHECKING:
    import numpy.typing as npt
    from napari.components import ViewerModel

    from napari_naclip.layers.labels import Result

#: Seconds between two saves.
INTERVAL: Final = 30.0
#: Seconds of the GUI thread for copies in one turn.
_TURN: Final = 0.006
#: Milliseconds between two looks at the thread.
_LOOK: Final = 100


class AutoSaver(QObject):
    """Saves the edits of a viewer's results.

    It does not hold the viewer.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    parent : QObject, optional
    interval : float
        Seconds between two saves.

    Signals
    -------
    told(str)
        When edits were saved, or why they were not.
    """

    told = Signal(str)

    def __init__(
        self,
        viewer: ViewerModel,
        parent: QObject | None = None,
        *,
        interval: float = INTERVAL,
    ) -> None:
        super().__init__(parent)
        self._viewer = weakref.ref(viewer)
        self._jobs: list[_Job] = []
        self._copying: list[_Job] = []
        self._failure = ''
        self._timer = QTimer(self)
        self._timer.setInterval(max(1, round(1000 * interval)))
        self._timer.timeout.connect(self._begin)
        self._turn_timer = QTimer(self)
        self._turn_timer.setSingleShot(True)
        self._turn_timer.timeout.connect(self._go_on)
        self._look_timer = QTimer(self)
        self._look_timer.setInterval(_LOOK)
        self._look_timer.timeout.connect(self._look)

    def follow(self, result: Result | None) -> None:
        """Save the edits of a result from now on, also when others follow."""
        viewer = self._viewer()
        if (
            result is None
            or viewer is None
            or any(job.result is result for job in self._jobs)
        ):
            return
        for job in tuple(self._jobs):
            if job.result.labels == result.labels:
                # The layer was adopted anew.
                self._drop(job)
        self._jobs.append(_Job(result, viewer))
        self._timer.start()

    def _drop(self, job: _Job) -> None:
        job.marks.close()
        job.remove()
        self._jobs.remove(job)
        if job in self._copying:
            self._copying.remove(job)

    def _begin(self) -> None:
        """Look which results have changed."""
        viewer = self._viewer()
        if viewer is None:
            self._timer.stop()
            return
        for job in tuple(self._jobs):
            if job.result.labels not in viewer.layers:
                # Removed by the person, and with it the edits.
                self._drop(job)
            elif job not in self._copying and job.begin():
                self._copying.append(job)
        if self._copying:
            self._turn_timer.start(0)

    def _go_on(self) -> None:
        """Copy some tiles."""
        until = time.perf_counter() + _TURN
        while self._copying and time.perf_counter() < until:
            try:
                is_done = self._copying[0].copy_one()
            except NaclipError as error:
                self._copying.pop(0)
                self._tell_failure(str(error))
                continue
            if is_done:
                self._copying.pop(0)
                self._look_timer.start()
        if self._copying:
            self._turn_timer.start(0)

    def _look(self) -> None:
        """Tell what the thread has done."""
        for job in self._jobs:
            if job.outcomes:
                failure = job.outcomes.pop()
                job.outcomes.clear()
                if failure is None:
                    self._failure = ''
                    self.told.emit(messages.describe_saved())
                else:
                    self._tell_failure(str(failure))
        if not any(job.is_busy for job in self._jobs):
            self._look_timer.stop()

    def _tell_failure(self, text: str) -> None:
        # Once, not every 30 seconds.
        if text != self._failure:
            self._failure = text
            self.told.emit(messages.NOT_SAVED.format(text))


class _Job:
    """Saves one result.

    Attributes
    ----------
    outcomes : list
        What the thread has done: None, or what went wrong.
    """

    def __init__(self, result: Result, viewer: ViewerModel) -> None:
        self.result = result
        seen = weakref.ref(viewer)

        def find_plane() -> tuple[int | slice, ...] | None:
            viewer = seen()
            if viewer is None:
                return None
            return shown_plane(result.labels, viewer)

        self.marks = TileMarks(result, TILE, find_plane)
        self.marks.mark_all()
        self.outcomes: list[Exception | None] = []
        self.is_busy = False
        self._writer: EditWriter | None = None
        self._keys: list[str] = []
        self._tiles: dict[
            str, tuple[npt.NDArray[np.integer], npt.NDArray[np.integer]]
        ] = {}
        self._has_edits = False

    def begin(self) -> bool:
        """Take the tiles that have changed; return whether there are any."""
        result = self.result
        if self.is_busy:
            return False
        if saved_at(result) > self.marks.changed_at:
            self.remove()
            return False
        if (
            self.marks.is_empty
            or tuple(result.labels.data.shape) != result.written.shape
        ):
            return False
        self._keys = list(self.marks.take())
        self._tiles = {}
        return True

    def copy_one(self) -> bool:
        """Copy a tile; return whether all are copied and handed over.

        Raises
        ------
        StorageError
            If there is no folder to save in.
        """
        result = self.result
        if self._keys:
            key = self._keys.pop()
            try:
                index = tile_index(key, result.written.shape)
            except ValueError:
                # The layer has got other data since.
                return False
            labels = np.array(result.labels.data[index])
            written = np.array(result.written[index])
            if not self._has_edits:
                self._has_edits = not np.array_equal(labels, written)
            self._tiles[key] = (labels, written)
            return False
        tiles, self._tiles = self._tiles, {}
        if self._writer is None:
            if not self._has_edits:
                # Nothing that the model could not make again.
                self.marks.put_back(tiles)
                return True
            try:
                self._writer = EditWriter(edits_folder())
            except NaclipError:
                self.marks.put_back(tiles)
                raise
        image: Any = result.image
        data = None if image is None else image.data
        head = {
            'shape': list(result.written.shape),
            'layer': describe_layer(result.labels.as_layer_data_tuple()[1]),
        }
        self.is_busy = True
        EDIT_THREAD.save(
            self._writer,
            tiles,
            head,
            data[0] if data is not None and image.multiscale else data,
            self._finish,
        )
        return True

    def _finish(self, failure: Exception | None) -> None:
        """Take what the thread has done; called there."""
        self.outcomes.append(failure)
        self.is_busy = False

    def remove(self) -> None:
        """Remove what was saved: it is not needed any more."""
        writer, self._writer = self._writer, None
        self._has_edits = False
        if writer is not None:
            EDIT_THREAD.remove(writer)
            # All of it, when there is something to save again.
            self.marks.mark_all()
