"""One run after the other: starts it, shows how it goes, writes what it makes.

Puts the worker (``run``), the layer (``writing``) and what tells of both (the
run panel and napari's activity dock) in touch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.utils.notifications import (
    Notification,
    notification_manager,
    show_warning,
)
from qtpy.QtCore import QObject, Signal

from napari_naclip.engine.errors import NaclipError, WeightsMissingError
from napari_naclip.ui import messages
from napari_naclip.ui.activity import ActivityBar
from napari_naclip.ui.painting import painted_later
from napari_naclip.ui.run import (
    Cancelled,
    Done,
    Failed,
    Finished,
    Outcome,
    Part,
    RunController,
    RunProgress,
    RunRequest,
)
from napari_naclip.ui.writing import RunWriter

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_naclip.engine.device import ComputeChoice
    from napari_naclip.layers.labels import WriteMode
    from napari_naclip.ui.results import ResultBook
    from napari_naclip.ui.run_list import RunList
    from napari_naclip.ui.run_panel import RunPanel


class RunDirector(QObject):
    """Leads the runs of one widget, one at a time.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    book : ResultBook
    panel : RunPanel
        Shows how it goes.
    parent : QObject

    Signals
    -------
    progressed : RunProgress
    loaded : ComputeChoice
        Where the model runs.
    plane_written : RunRequest, Finished, Result
        A plane or region is in the layer, to stay.
    written : Result
        The run wrote into it, and the table shows the list of the run.
    weights_missing : WeightsMissingError
    cancelled : RunRequest, bool
        The person wishes it to stop; whether the table shows its list.
    ended
        The panel is at rest again, however the run ended; not after
        ``abandon``.
    """

    progressed = Signal(object)
    loaded = Signal(object)
    plane_written = Signal(object, object, object)
    written = Signal(object)
    weights_missing = Signal(object)
    cancelled = Signal(object, bool)
    ended = Signal()

    def __init__(
        self,
        viewer: ViewerModel,
        book: ResultBook,
        panel: RunPanel,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._book = book
        self._panel = panel
        self._activity = ActivityBar()
        self._runs = RunController(self)
        self._writer: RunWriter | None = None
        self._list: RunList | None = None
        self._write_error: Exception | None = None
        self._runs.progressed.connect(self._on_progressed)
        self._runs.imported.connect(self._on_imported)
        self._runs.loaded.connect(self._on_loaded)
        self._runs.partial.connect(self._on_made)
        self._runs.plane_finished.connect(self._on_made)
        self._runs.ended.connect(self._on_ended)

    @property
    def is_running(self) -> bool:
        """Whether a run is under way."""
        return self._runs.is_running

    def start(
        self,
        request: RunRequest,
        own_list: RunList,
        mode: WriteMode = 'unedited',
    ) -> None:
        """Start a run; there must be none under way.

        Parameters
        ----------
        request : RunRequest
        own_list : RunList
        mode : WriteMode
            Where it may write.

        Raises
        ------
        NaclipError
            If another run writes to the same labels.
        """
        try:
            self._writer = RunWriter(
                self._viewer, self._book, request, own_list, mode
            )
        except NaclipError:
            own_list.end()
            raise
        self._list = own_list
        self._write_error = None
        self._panel.show_running()
        self._runs.start(request)

    def cancel(self) -> None:
        """Stop the run, because the person wishes so."""
        self._panel.show_cancelling()
        self._runs.cancel()
        if self._writer is not None and self._list is not None:
            self.cancelled.emit(self._writer.request, self._list.is_shown)

    def abandon(self) -> None:
        """Stop the run and forget it, because its dock was closed."""
        if not self.is_running:
            return
        self._runs.abandon()
        self._activity.close()
        if self._writer is not None:
            self._writer.take_back()
            self._writer = self._list = None
        self._panel.show_rest(messages.CANCELLED)

    def look_at(self, image: Image | None) -> None:
        """Note which image is chosen: what is typed now is for that one."""
        if (
            image is not None
            and self._writer is not None
            and self._list is not None
            and image != self._writer.image
        ):
            self._list.leave()

    def _on_progressed(self, progress: RunProgress) -> None:
        self._panel.show_progress(progress)
        self.progressed.emit(progress)
        self._activity.show(progress)

    def _on_imported(self) -> None:
        with painted_later(self._panel):
            self._write(None)

    def _on_loaded(self, choice: ComputeChoice | None) -> None:
        if choice is not None:
            self.loaded.emit(choice)

    def _on_made(self, _request: RunRequest, item: Part | Finished) -> None:
        self._write(item)

    def _write(self, item: Part | Finished | None) -> None:
        """Write what the run made; stop it when there is no place for it."""
        writer = self._writer
        if writer is None or self._write_error is not None:
            return
        try:
            match item:
                case None:
                    writer.prepare()
                case Part():
                    writer.write_part(item)
                case Finished():
                    writer.write_finished(item)
        except NaclipError as error:
            self._write_error = error
            self._runs.cancel()
            return
        if isinstance(item, Finished):
            self.plane_written.emit(writer.request, item, writer.result)
        if self._list is not None and self._list.is_shown:
            self.written.emit(writer.result)

    def _on_ended(self, request: RunRequest, outcome: Outcome) -> None:
        self._activity.close()
        writer, self._writer = self._writer, None
        self._list = None
        if writer is None:
            return
        if self._write_error is not None:
            writer.take_back()
            self._panel.show_rest(str(self._write_error))
        else:
            match outcome:
                case Done():
                    self._panel.show_rest(*writer.end())
                case Failed():
                    self._show_failure(
                        request, outcome.error, parts_stay=writer.keep_parts()
                    )
                case Cancelled():
                    writer.take_back()
                    self._panel.show_rest(
                        messages.describe_cancelled(
                            outcome.finished, len(request.snapshots)
                        )
                    )
        self.ended.emit()

    def _show_failure(
        self, request: RunRequest, error: Exception, *, parts_stay: bool
    ) -> None:
        is_expected = isinstance(error, NaclipError)
        text = messages.shorten_home(
            str(error) if is_expected else messages.UNEXPECTED.format(error)
        )
        if parts_stay:
            text = f'{text} {messages.PARTS_STAY}'
        if isinstance(error, WeightsMissingError):
            # No fault of anybody's that details would explain.
            self._panel.show_rest(text)
            self.weights_missing.emit(error)
            return
        details = messages.describe_details(error, request)
        self._panel.show_failure(text, details)
        if is_expected:
            show_warning(text)
        else:
            # napari shows it with its traceback.
            notification_manager.dispatch(Notification.from_exception(error))
