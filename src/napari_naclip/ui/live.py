"""Labels that follow the class list and the settings without a new run.

Runs on the GUI thread: sees what has changed, wishes for it in the thread
that answers (``live_thread``), and writes what comes into the layer, where
nobody has edited. A plane that is not displayed waits until it is.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from qtpy.QtCore import QObject, QTimer, Signal

from napari_naclip.engine.errors import NaclipError
from napari_naclip.engine.types import Partial, Progress, Segmentation
from napari_naclip.layers import labels as label_layers
from napari_naclip.layers.areas import shown_plane
from napari_naclip.ui import messages
from napari_naclip.ui.kept_live import KeptLive, keep_model, may_lead
from napari_naclip.ui.live_thread import Question, Told, Wish
from napari_naclip.ui.live_writing import AnswerWriter
from napari_naclip.ui.messenger import find_messenger
from napari_naclip.ui.preferences import read_preferences
from napari_naclip.ui.results import may_update
from napari_naclip.ui.turns import Turns
from napari_naclip.ui.wanted import WantedLabels

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from napari.components import ViewerModel

    from napari_naclip.layers.labels import Result
    from napari_naclip.ui.class_table.panel import ClassPanel
    from napari_naclip.ui.correct.edits_panel import EditsPanel
    from napari_naclip.ui.director import RunDirector
    from napari_naclip.ui.image_panel import ImagePanel
    from napari_naclip.ui.jobs import Finished, RunRequest
    from napari_naclip.ui.list_sync import ListSync
    from napari_naclip.ui.options import Options
    from napari_naclip.ui.run_panel import RunPanel
    from napari_naclip.ui.sessions import Session

#: Milliseconds between a change and its wish: more may come at once.
_DELAY: Final = 30

_logger = logging.getLogger(__name__)


class LiveUpdater(QObject):
    """Keeps the displayed plane's labels up to date for one panel.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    session : Session
    image, classes, options, panel, edits : QWidget
    runs : RunDirector
        While it runs nothing is answered.
    parent : QObject

    Signals
    -------
    followed
        Labels are as they should be, after a run or a change, as far as they
        can be.
    """

    followed = Signal()

    def __init__(
        self,
        viewer: ViewerModel,
        session: Session,
        *,
        image: ImagePanel,
        classes: ClassPanel,
        options: Options,
        panel: RunPanel,
        edits: EditsPanel,
        runs: RunDirector,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._session = session
        self._image = image
        self._classes = classes
        self._options = options
        self._panel = panel
        self._runs = runs
        self._sync: ListSync | None = None
        self._wish: Wish | None = None
        self._wanted = WantedLabels(viewer, classes, options)
        self._is_paused = False
        # Of the panel, for the thread, which must not hold the panel itself.
        self._token = object()
        self._turns = Turns(self)
        self._writer = AnswerWriter(
            lambda kept: session.lives.has_place(kept, viewer),
            classes.locked_values,
            lambda: edits.live_mode,
        )
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_DELAY)
        self._timer.timeout.connect(self.look_now)
        runs.plane_written.connect(self._on_plane_written)
        runs.cancelled.connect(self._on_cancelled)
        options.revert.clicked.connect(self._on_revert)
        for slider in (options.slider, classes.controls.slider):
            slider.sliderPressed.connect(self._writer.steps.hold)
            slider.sliderReleased.connect(self._on_released)

    def open(self, sync: ListSync) -> None:
        """Begin to listen.

        Parameters
        ----------
        sync : ListSync
            Knows whose list the class table shows.
        """
        self._sync = sync
        find_messenger().told.connect(self._on_told)

    @property
    def is_busy(self) -> bool:
        """Whether labels are to follow a change still."""
        return self._wish is not None or self._timer.isActive()

    @property
    def is_open(self) -> bool:
        """Whether it listens."""
        return self._sync is not None

    def close(self) -> None:
        """Stop listening, for a dock that was closed."""
        if self._sync is not None:
            self._sync = None
            self._stop()
            self._timer.stop()
            find_messenger().told.disconnect(self._on_told)

    def look(self) -> None:
        """Look soon whether labels are to change."""
        # Not begun anew: it must come while a slider moves, too.
        if not self._timer.isActive():
            self._timer.start()

    def make_way(self, request: RunRequest) -> None:
        """Stop what is under way for a run that starts."""
        self._stop()
        self._session.lives.forgive(self)
        keep_model(request.model)
        self._options.revert.setEnabled(False)

    def pause(self) -> None:
        """Stop what is under way; nothing is asked before ``go_on``.

        For what writes model labels in steps of its own.
        """
        self._stop()
        self._is_paused = True

    def go_on(self) -> None:
        """Let labels follow again, after ``pause``."""
        self._is_paused = False
        if self.is_open:
            self.look()

    # What is wanted.

    def find(self) -> tuple[Result | None, tuple[KeptLive, ...]]:
        """Return the result whose list the table shows, and what answers."""
        result = None if self._sync is None else self._sync.result
        image = self._image.image
        if result is None or image is None or result.image != image:
            return None, ()
        plane = shown_plane(result.labels, self._viewer)
        if plane is None:
            return result, ()
        kept = self._leads(self._session.lives.find(result, plane))
        rows = self._classes.rows()
        if kept and not may_update(result, kept[0].snapshot, rows):
            return result, ()
        return result, kept

    def _leads(self, kept: Iterable[KeptLive]) -> tuple[KeptLive, ...]:
        """Return what follows this panel."""
        return tuple(x for x in kept if may_lead(x, self, self._viewer))

    def look_now(self) -> None:
        """Ask for what labels are to be, if they are not: ``is_busy`` then."""
        self._timer.stop()
        if self._runs.is_running or self._is_paused:
            return
        result, kept = self.find()
        self._show_revert(result)
        if not self._options.is_live:
            # Who turns it off and on again wants to try again.
            self._session.lives.forgive(self)
        if not kept or not self._options.is_live:
            self._leave(kept)
            return
        try:
            questions = self._wanted.ask(kept)
        except NaclipError:
            # No class is on; the next change may bring one.
            self._leave(kept)
            return
        if not questions:
            self._leave(kept)
        elif self._wish is None or not self._wish.still_asks(questions):
            self._wish = Wish(
                self._token,
                questions,
                reserved_cores=read_preferences().reserved_cores,
            )
            self._writer.begin(kept, self._wanted.describe())
            find_messenger().answers.submit(self._wish)

    def _on_released(self) -> None:
        if self._timer.isActive():
            # The last move belongs to the drag.
            self.look_now()
        self._writer.steps.release()

    def _leave(self, kept: tuple[KeptLive, ...]) -> None:
        """Stop what is under way; nothing follows it."""
        if self._wish is None:
            return
        self._stop()
        text = messages.LIVE_STOPPED
        if any(each.shown is None for each in kept):
            is_on = self._options.is_live
            text = messages.LIVE_HALF_DONE if is_on else messages.LIVE_MIXED
        self._panel.show_rest(text)

    def _stop(self) -> None:
        wish, self._wish = self._wish, None
        self._turns.clear()
        if wish is not None:
            find_messenger().answers.stop(wish)

    # What comes.

    def _on_told(self, told: Told) -> None:
        wish = told.wish
        if wish.owner is self._token and not wish.is_stopped.is_set():
            self._turns.add(self._take(told))

    def _take(self, told: Told) -> Iterator[None]:
        """Show something about a wish, in steps."""
        wish, made = told.wish, told.what
        # A wish that was replaced may still show parts; a newer one follows.
        if wish.is_stopped.is_set():
            return
        if isinstance(made, Partial | Segmentation):
            if told.question is not None:
                yield from self._write(told, told.question, made)
        elif wish is not self._wish:
            return
        elif isinstance(made, Exception):
            self._fail(wish, made)
        elif isinstance(made, Progress):
            self._panel.show_update(made)
        else:
            self._end(wish)

    def _write(
        self, told: Told, question: Question, made: Partial | Segmentation
    ) -> Iterator[None]:
        kept = question.kept
        try:
            count = yield from self._writer.write(question, made)
        except NaclipError as error:
            self._fail(told.wish, error)
            return
        is_last = told.wish is self._wish
        if count is None:
            if is_last:
                self._stop()
                if not self._runs.is_running:
                    self._panel.show_rest(messages.LIVE_GONE)
            return
        self._show_revert(kept.result)
        if not is_last:
            # The newer wish may not have asked about this plane.
            self.look()
        elif isinstance(made, Segmentation):
            kept.shown = question.wanted
            self._writer.finish(told, kept, made, count)
            self._session.lives.use(kept)

    def _end(self, wish: Wish) -> None:
        self._wish = None
        said = self._writer.describe(wish)
        if said is not None:
            self._panel.show_rest(*said)
        self.followed.emit()

    def _fail(self, wish: Wish, error: Exception) -> None:
        """Tell why labels do not follow, and whether they are a mixture."""
        is_last = wish is self._wish
        self._stop()
        is_mixed = self._wanted.fail(wish)
        text = str(error)
        if not isinstance(error, NaclipError):
            _logger.error('no live answer', exc_info=error)
            text = messages.LIVE_FAILED.format(error)
        if is_mixed:
            text = f'{text} {messages.LIVE_HALF_DONE}'
        self._panel.show_rest(messages.shorten_home(text))
        if not is_last:
            # The newer wish was stopped with it, and may go well.
            self.look()
        # Other parts of the plane may have.
        self.followed.emit()

    def rewrite(
        self,
        result: Result,
        plane: tuple[int | slice, ...],
        steps: Generator[None, None, int],
    ) -> Generator[None, None, int | None]:
        """Let model labels of a plane be written; see ``write_apart``.

        Not while a run is under way. Revert takes it back. The model is asked
        again then: what it wrote may be of older settings.
        """
        self.pause()
        try:
            return (yield from self._writer.steps.write_apart(result, steps))
        finally:
            for each in self._session.lives.find(result, plane):
                each.shown = None
            self.go_on()
            self._show_revert(result)

    # Runs, and back.

    def _on_plane_written(
        self, request: RunRequest, finished: Finished, result: Result
    ) -> None:
        self._session.lives.add(
            request, finished, result, self._classes.locked_values(), self
        )
        # Parts of earlier runs may follow to what this one was asked for.
        self._writer.steps.go_on(result, self._wanted.describe_run(request))
        self.followed.emit()

    def _on_cancelled(self, request: RunRequest, is_shown: bool) -> None:
        # At once: what is typed while it stops is for labels to follow.
        self._wanted.accept_run(
            self._leads(self._session.lives.find_before(request)),
            request,
            is_shown=is_shown,
        )

    def _show_revert(self, result: Result | None) -> None:
        self._options.revert.setEnabled(
            result is not None
            and result.previous is not None
            and not self._runs.is_running
        )

    def _on_revert(self) -> None:
        """Take the last change back, on all planes that followed it.

        None of the result follows it again, until something else changes.
        """
        if self._timer.isActive():
            self.look_now()
        result, _ = self.find()
        if result is None or self._runs.is_running:
            return
        # Then the last change is one that no label has followed yet.
        is_early = self._wish is not None and (
            not self._writer.steps.has_written(result)
        )
        self._stop()
        restored: tuple[tuple[object, ...], ...] = ()
        if not is_early:
            if result.previous is not None:
                restored = tuple(result.previous.planes)
            label_layers.revert(result, self._classes.locked_values())
        self._writer.steps.forget()
        self._wanted.accept_reverted(
            self._leads(self._session.lives.find_all(result)), restored
        )
        self._show_revert(result)
        self._panel.show_rest(
            messages.REVERTED_EARLY if is_early else messages.REVERTED
        )
        self.followed.emit()
