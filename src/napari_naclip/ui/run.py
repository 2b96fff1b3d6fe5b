"""One run: a worker thread that never raises, and what becomes of its result.

The worker gets a frozen request and yields progress; only the GUI thread
touches layers. An exception that left the worker would hang napari's progress
bar and task list (a RuntimeError) or raise a second one (PySide6), so the
outermost frame turns everything into an outcome.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari.qt.threading import create_worker
from qtpy.QtCore import QObject, Signal

from napari_naclip.engine.types import Partial, Progress
from napari_naclip.ui.compute import SLOT, threads_left_for_window

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari.layers import Image

    from napari_naclip.engine.types import ClassList, Segmentation, Settings
    from napari_naclip.layers.labels import Result
    from napari_naclip.layers.read import PlaneSnapshot
    from napari_naclip.ui.compute import ModelRequest

#: Seconds between two progress messages: more would only load the window.
_REPORT_INTERVAL = 0.1


@dataclass(frozen=True, slots=True)
class RunRequest:
    """All that a run needs, taken from widget and layers when it starts."""

    image: Image
    snapshot: PlaneSnapshot
    classes: ClassList
    settings: Settings
    model: ModelRequest
    target: Result | None


@dataclass(frozen=True, slots=True)
class Done:
    """A finished run."""

    segmentation: Segmentation = field(repr=False)


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A run that the person stopped."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A run that ended in an error."""

    error: Exception


Outcome = Done | Cancelled | Failed


class Run:
    """A request on its way through the worker.

    Parameters
    ----------
    request : RunRequest
    """

    def __init__(self, request: RunRequest) -> None:
        self.request = request
        self.cancel = threading.Event()
        self._steps = _compute(request)

    def work(
        self,
    ) -> Generator[tuple[Run, Progress], None, tuple[Run, Outcome]]:
        """Yield progress; return how the run ended. Runs in the worker."""
        try:
            return self, (yield from self._advance())
        except Exception as error:  # noqa: BLE001 - see the module's docstring
            return self, Failed(error)
        finally:
            self.close()

    def _advance(self) -> Generator[tuple[Run, Progress], None, Outcome]:
        reported, stage = 0.0, None
        while not self.cancel.is_set():
            try:
                progress = next(self._steps)
            except StopIteration as stop:
                if self.cancel.is_set():
                    break
                return Done(stop.value)
            if isinstance(progress, Partial):
                continue
            now = time.monotonic()
            if progress.stage != stage or now - reported > _REPORT_INTERVAL:
                reported, stage = now, progress.stage
                yield self, progress
        return Cancelled()

    def close(self) -> None:
        """Give back the compute slot and all memory, however it ended.

        When napari closes it stops workers between two steps and keeps them;
        their frames would hold the slot for good.
        """
        self.cancel.set()
        self._steps.close()


def _compute(
    request: RunRequest,
) -> Generator[Progress | Partial, None, Segmentation]:
    yield from SLOT.acquire()
    try:
        model = yield from SLOT.load(request.model)
        from napari_naclip.engine.segment import iter_segment

        yield Progress('read')
        pixels = request.snapshot.read()
        with threads_left_for_window():
            return (
                yield from iter_segment(
                    pixels,
                    request.classes,
                    model=model,
                    settings=request.settings,
                )
            )
    finally:
        SLOT.release()


class RunController(QObject):
    """Starts one run at a time and tells how it goes.

    Signals
    -------
    progressed : Progress
    ended : RunRequest, Outcome
        In the GUI thread; not for a run that was abandoned.
    """

    progressed = Signal(object)
    ended = Signal(object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._run: Run | None = None

    @property
    def is_running(self) -> bool:
        """Whether a run is under way whose end will be told."""
        return self._run is not None

    def start(self, request: RunRequest) -> None:
        """Start a run; there must be none under way."""
        run = self._run = Run(request)
        create_worker(
            run.work,
            _start_thread=True,
            _connect={
                'yielded': self._on_yielded,
                'returned': self._on_returned,
                'finished': run.close,
            },
        )

    def cancel(self) -> None:
        """Ask the run to stop; ``ended`` follows."""
        if self._run is not None:
            self._run.cancel.set()

    def abandon(self) -> None:
        """Stop the run and forget it; nothing follows."""
        self.cancel()
        self._run = None

    # A run that was abandoned may still speak after the next one started.

    def _on_yielded(self, item: tuple[Run, Progress]) -> None:
        run, progress = item
        if run is self._run:
            self.progressed.emit(progress)

    def _on_returned(self, item: tuple[Run, Outcome]) -> None:
        run, outcome = item
        if run is self._run:
            self._run = None
            self.ended.emit(run.request, outcome)
