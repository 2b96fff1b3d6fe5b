"""One run: a worker that never raises, and what becomes of its results.

The worker only hands on what the run's own thread makes (``job_thread``), so
that it answers Cancel at once; only the GUI thread touches layers. An
exception that left the worker would hang napari's progress bar and task list
(a RuntimeError) or raise a second one (PySide6), so the outermost frame turns
everything into an outcome.
"""

from __future__ import annotations

import functools
import time
import weakref
from typing import TYPE_CHECKING

from napari.qt.threading import GeneratorWorker, create_worker
from qtpy.compat import isalive
from qtpy.QtCore import QObject, Signal

from napari_naclip.ui.compute import RATES, rate_key
from napari_naclip.ui.estimate import RunEstimator, RunProgress
from napari_naclip.ui.job_thread import JobThread
from napari_naclip.ui.jobs import (
    Cancelled,
    Done,
    Failed,
    Finished,
    Imported,
    Item,
    Loaded,
    Outcome,
    Part,
    RunRequest,
)
from napari_naclip.ui.parts import merge_partials
from napari_naclip.ui.preview import job_sizes

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = [
    'Cancelled',
    'Done',
    'Failed',
    'Finished',
    'Outcome',
    'Part',
    'RunController',
    'RunProgress',
    'RunRequest',
]

#: Seconds between two progress messages: more would only load the window.
_REPORT_INTERVAL = 0.1
#: Seconds between two deliveries of parts: drawing labels takes longer.
_PART_INTERVAL = 0.25
#: Seconds between two looks at whether the run was cancelled.
_POLL_INTERVAL = 0.05
#: Seconds that a cancelled step gets to end before it is left behind.
_GRACE = 0.5


class Run:
    """A run between its thread and the GUI thread.

    Parameters
    ----------
    request : RunRequest
        Not kept: napari keeps its workers until the window is closed, and
        with them all that they hold.
    is_wanted : callable
        Tells, from any thread, whether somebody is left to take what it makes.
    """

    def __init__(
        self, request: RunRequest, is_wanted: Callable[[], bool] = lambda: True
    ) -> None:
        self._jobs = len(request.snapshots)
        self._key = rate_key(request.model, request.settings)
        self._estimator = RunEstimator(
            job_sizes(request.snapshots),
            queries=len(request.classes.query_owners),
            refine=request.settings.refine,
            known=RATES.find(self._key),
        )
        self._thread = JobThread(request)
        self._is_wanted = is_wanted
        #: Whether the person stopped it; the GUI thread's.
        self.was_cancelled = False
        self._parts: list[Part] = []
        self._progress: RunProgress | None = None
        self._told_progress = self._told_parts = 0.0
        self._stage: tuple[str, int] | None = None

    def pump(self) -> Generator[Item, None, Outcome]:
        """Yield what the thread makes; return how the run ended."""
        finished = 0
        self._thread.start()
        cancelled = self._thread.cancelled
        while not cancelled.is_set():
            made = self._thread.get(_POLL_INTERVAL)
            if cancelled.is_set():
                break
            if made is None and not self._is_wanted():
                # It may wait for someone who is gone.
                self.stop()
            if made is not None:
                at, item = made
                if item is None:
                    rates = self._estimator.finish(at)
                    if rates is not None:
                        RATES.remember(self._key, rates)
                    return Done(finished)
                if isinstance(item, Exception):
                    # What is decided by now may stay.
                    yield from merge_partials(self._parts)
                    return Failed(item, finished)
                if isinstance(item, Finished):
                    finished += 1
                    # They would come after the result that holds them.
                    self._parts.clear()
                    yield item
                elif isinstance(item, Imported | Loaded):
                    yield item
                elif isinstance(item, Part):
                    self._parts.append(item)
                else:
                    self._progress = self._estimator.update(item, at)
            yield from self._tell()
        self._thread.join(_GRACE)
        return Cancelled(finished)

    def _tell(self) -> Generator[Item, None, None]:
        now = time.monotonic()
        progress = self._progress
        if progress is not None:
            stage = progress.stage, progress.job
            if (
                stage != self._stage
                or now - self._told_progress >= _REPORT_INTERVAL
            ):
                self._told_progress, self._stage = now, stage
                self._progress = None
                yield progress
        if self._parts and now - self._told_parts >= _PART_INTERVAL:
            self._told_parts = now
            parts, self._parts = merge_partials(self._parts), []
            yield from parts

    def cancel(self) -> None:
        """Stop, because the person wishes so."""
        self.was_cancelled = True
        self._thread.cancel()

    def note_delivered(self) -> None:
        """Count a finished plane down: the GUI thread is done with it."""
        self._thread.note_delivered()

    def stop(self) -> None:
        """Stop, because nobody is left to take what it makes."""
        self._thread.cancel()

    def close(self) -> None:
        """Make the thread give back slot and memory, however it ended.

        When napari closes it stops workers between two steps and keeps them.
        """
        self._thread.cancel()
        self._parts.clear()
        self._thread.drop_items()


def _work(run: Run) -> Generator[tuple[Run, Item], None, tuple[Run, Outcome]]:
    """Yield what a run makes; return how it ended. Runs in the worker."""
    steps = run.pump()
    try:
        while True:
            yield run, next(steps)
    except StopIteration as stop:
        return run, stop.value
    except Exception as error:  # noqa: BLE001 - see the module's docstring
        return run, Failed(error)
    finally:
        steps.close()
        run.close()


class _NamedWork(functools.partial[object]):
    """The worker's function as napari shows it when it asks about closing."""

    def __repr__(self) -> str:
        return 'text segmentation'


class _Worker(GeneratorWorker):  # type: ignore[misc]
    """A worker that also stops while there is nothing to yield.

    napari's own stops at the next thing that it yields. A run that waits for
    the window has none, and a window that is closing waits for its workers.
    """

    def __init__(self, func: Callable[..., object], run: Run) -> None:
        super().__init__(func, run)
        self._stop_run = run.stop

    def quit(self) -> None:
        """Ask it to stop."""
        super().quit()
        self._stop_run()


def _is_alive(thing: QObject | None) -> bool:
    return thing is not None and bool(isalive(thing))  # type: ignore[no-untyped-call]


class RunController(QObject):
    """Starts one run at a time and tells how it goes.

    Signals
    -------
    progressed : RunProgress
    imported
        What is imported once is there, and so are the weights.
    loaded : ComputeChoice or None
        The model is there, and where it runs.
    partial : RunRequest, Part
        Labels that are ready before the rest, at most a few times a second.
    plane_finished : RunRequest, Finished
        The result of one job; more may follow.
    ended : RunRequest, Outcome
        Once for each run, after all others. All of them in the GUI thread;
        none follows a run that was abandoned, and only ``ended`` follows
        ``cancel``.
    """

    progressed = Signal(object)
    imported = Signal()
    loaded = Signal(object)
    partial = Signal(object, object)
    plane_finished = Signal(object, object)
    ended = Signal(object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._run: Run | None = None
        self._request: RunRequest | None = None
        self._delivered = 0

    @property
    def is_running(self) -> bool:
        """Whether a run is under way whose end will be told."""
        return self._run is not None

    def start(self, request: RunRequest) -> None:
        """Start a run; there must be none under way."""
        own = weakref.ref(self)
        run = Run(request, lambda: _is_alive(own()))
        self._run, self._request, self._delivered = run, request, 0
        # Qt calls it after `returned`, which may let go of the run: PySide6
        # crashes when the plain object of a bound method has died by then;
        # a partial keeps it.
        close = functools.partial(run.close)
        create_worker(
            _NamedWork(_work),
            run,
            _start_thread=True,
            _worker_class=_Worker,
            _connect={
                'yielded': self._on_yielded,
                'returned': self._on_returned,
                'finished': close,
            },
        )

    def cancel(self) -> None:
        """Ask the run to stop; ``ended`` follows within a second."""
        if self._run is not None:
            self._run.cancel()

    def abandon(self) -> None:
        """Stop the run and forget it; nothing follows."""
        self.cancel()
        self._run = self._request = None

    # A run that was abandoned may still speak after the next one started.

    def _on_yielded(self, item: tuple[Run, Item]) -> None:
        run, message = item
        try:
            self._deliver(run, message)
        finally:
            # Whatever became of it: the run waits for that.
            if isinstance(message, Finished):
                run.note_delivered()

    def _deliver(self, run: Run, message: Item) -> None:
        request = self._request
        if run is not self._run or request is None or run.was_cancelled:
            return
        if isinstance(message, Finished):
            self._delivered += 1
            self.plane_finished.emit(request, message)
        elif isinstance(message, Part):
            self.partial.emit(request, message)
        elif isinstance(message, Imported):
            self.imported.emit()
            message.handled.set()
        elif isinstance(message, Loaded):
            self.loaded.emit(message.choice)
        else:
            self.progressed.emit(message)

    def _on_returned(self, item: tuple[Run, Outcome]) -> None:
        run, outcome = item
        request = self._request
        if run is not self._run or request is None:
            return
        # What was under way to this thread when Cancel was pressed was
        # dropped: the count that matters is this thread's.
        count = self._delivered
        is_all = count == len(request.snapshots)
        if is_all and not isinstance(outcome, Failed):
            outcome = Done(count)
        elif run.was_cancelled:
            outcome = Cancelled(count)
        self._run = self._request = None
        self.ended.emit(request, outcome)
