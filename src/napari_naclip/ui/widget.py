"""The dock widget: puts its parts together; each part does its own work."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QTimer, Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_naclip.engine import registry
from napari_naclip.engine.errors import NaclipError
from napari_naclip.io.last_list import load_last
from napari_naclip.ui.beyond_panel import BeyondPanel
from napari_naclip.ui.class_table.panel import ClassPanel
from napari_naclip.ui.correct.correct_panel import CorrectPanel
from napari_naclip.ui.correct.corrections import Corrections
from napari_naclip.ui.correct.finish_panel import FinishPanel
from napari_naclip.ui.correct.restore import RestoreOffer
from napari_naclip.ui.correct.why_panel import WhyPanel
from napari_naclip.ui.director import RunDirector
from napari_naclip.ui.image_panel import ImagePanel
from napari_naclip.ui.kept_panel import KeptPanel
from napari_naclip.ui.list_sync import ListSync
from napari_naclip.ui.live import LiveUpdater
from napari_naclip.ui.model_panel import ModelPanel
from napari_naclip.ui.offer import WeightsOffer
from napari_naclip.ui.options import Options
from napari_naclip.ui.page import ScrollingPage
from napari_naclip.ui.preferences import read_preferences
from napari_naclip.ui.request import RequestMaker
from napari_naclip.ui.run_list import RunList
from napari_naclip.ui.run_panel import RunPanel
from napari_naclip.ui.sessions import SESSIONS
from napari_naclip.ui.words.notes import WordNotes

if TYPE_CHECKING:
    from pathlib import Path

    from napari.components import ViewerModel
    from napari.layers import Image
    from qtpy.QtGui import QHideEvent

    from napari_naclip.layers.labels import Result

#: Narrower docks lose their title.
_MINIMUM_WIDTH = 250
#: Milliseconds after the last change until the size of the run is told.
_PREVIEW_DELAY = 150


class SegmentationWidget(QWidget):
    """Words in, mask out.

    Parameters
    ----------
    napari_viewer : napari.components.ViewerModel
        Handed in by napari, which looks for this name.

    Attributes
    ----------
    image, classes, words, model, options, beyond, why, correct : QWidget
    finish, kept, offer, panel : QWidget
        The parts, from top to bottom.

    Signals
    -------
    run_finished
        A run ended, however it did, and the widget is at rest.
    """

    run_finished = Signal()

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._session = SESSIONS.find(napari_viewer)
        self.setMinimumWidth(_MINIMUM_WIDTH)

        preferences = read_preferences()
        self.image = ImagePanel(napari_viewer)
        self.image.set_state({'detail': preferences.detail or 'full'})
        self.classes = ClassPanel()
        self.model = ModelPanel(preferences=preferences)
        self.options = Options()
        self.words = WordNotes(self.classes, self.options.templates, self)
        self.beyond = BeyondPanel()
        self.why = WhyPanel()
        self.correct = CorrectPanel()
        self.finish = FinishPanel()
        self.kept = KeptPanel()
        self.offer = WeightsOffer()
        self.restore_offer = RestoreOffer()
        self.panel = RunPanel()
        results = self._session.results
        self._runs = RunDirector(napari_viewer, results, self.panel, self)
        self._live = LiveUpdater(
            napari_viewer,
            self._session,
            image=self.image,
            classes=self.classes,
            options=self.options,
            panel=self.panel,
            edits=self.correct.edits,
            runs=self._runs,
            parent=self,
        )
        self._corrections = Corrections(
            napari_viewer,
            self._session,
            self,
            live=self._live,
            runs=self._runs,
        )
        self._requests = RequestMaker(
            napari_viewer,
            results,
            image=self.image,
            classes=self.classes,
            model=self.model,
            options=self.options,
            beyond=self.beyond,
        )
        self._sync: ListSync | None = None
        self._told = ''
        self._file_to_run: Path | None = None
        self._restore_state()
        self._preview_timer = QTimer(self)
        self._preview_timer.setSingleShot(True)
        self._preview_timer.setInterval(_PREVIEW_DELAY)
        self._lay_out()
        self._connect()
        self.reset_choices()
        self.image.return_to(
            self._session.image, is_pinned=self._session.is_pinned
        )
        self._open()
        self._show_ready()

    def _lay_out(self) -> None:
        self._page = ScrollingPage(
            (
                self.image,
                self.classes,
                self.words,
                self.model,
                self.options,
                self.beyond,
                self.why,
                self.correct,
                self.finish,
                self.kept,
                self.offer,
                self.restore_offer,
                self.panel.more,
            )
        )
        self._page.follow(self.offer)
        self._page.follow(self.restore_offer)
        self._page.follow(self.panel.details.text)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._page, stretch=1)
        # Run and what it says are always in sight.
        margin = self._page.margin
        footer = QVBoxLayout()
        footer.setContentsMargins(margin, 0, margin, margin)
        footer.addWidget(self.panel)
        layout.addLayout(footer)
        details = self.panel.details
        for before, after in itertools.pairwise(
            (
                self.offer.demo,
                self.restore_offer.restore,
                self.restore_offer.discard,
                details.toggle,
                details.copy,
                details.text,
                self.panel.run,
                self.panel.cancel,
            )
        ):
            self.setTabOrder(before, after)

    def _connect(self) -> None:
        self.panel.run.clicked.connect(self._on_run_clicked)
        self.panel.cancel.clicked.connect(self._runs.cancel)
        self.offer.download_chosen.connect(self._on_download_chosen)
        self.offer.file_chosen.connect(self._on_file_chosen)
        self.offer.demo_chosen.connect(self._on_demo_chosen)
        self.model.weights.looked.connect(self._on_looked)
        self._runs.loaded.connect(self.model.show_choice)
        self._runs.written.connect(self._on_written)
        self._runs.weights_missing.connect(self.offer.show_for)
        self._runs.ended.connect(self._on_ended)
        self._preview_timer.timeout.connect(self._show_preview)
        for changed in (
            self.image.changed,
            self.classes.changed,
            self.model.changed,
            self.options.changed,
            self.beyond.changed,
        ):
            changed.connect(self._on_choice)
        self.classes.locks_changed.connect(self._live.look)
        self.options.sharpness.valueChanged.connect(
            self.classes.controls.show_sharpness
        )
        self.image.changed.connect(self._on_image_choice)
        self.classes.state_changed.connect(self._on_list_changed)
        self.panel.add_shortcuts(self)

    def reset_choices(self, event: object = None) -> None:
        """Take the layers that there are now; napari calls this."""
        self.image.reset_choices(event)

    # What is kept while the dock is closed.

    def _restore_state(self) -> None:
        state = self._session.classes or load_last()
        if state is not None:
            self.classes.set_state(state)
        for name, part in self._stateful_parts.items():
            if name in self._session.choices:
                part.set_state(self._session.choices[name])

    def _keep_state(self) -> None:
        self._session.classes = self.classes.state()
        for name, part in self._stateful_parts.items():
            self._session.choices[name] = part.state()
        self._session.image = self.image.image
        self._session.is_pinned = self.image.is_pinned

    @property
    def _stateful_parts(self) -> dict[str, Any]:
        """The parts with ``state`` and ``set_state``."""
        return {
            'image': self.image,
            'model': self.model,
            'options': self.options,
            'beyond': self.beyond,
            'contrast': self.classes.controls,
            'why': self.why,
            'correct': self.correct,
            'finish': self.finish,
            'kept': self.kept,
        }

    def event(self, event: QEvent | None) -> bool:
        """Notice that the dock is closed: that only takes the parent."""
        if event is not None and event.type() == QEvent.Type.ParentChange:
            if self.parent() is None:
                self._close()
            else:
                self._open()
        return super().event(event)

    def hideEvent(self, event: QHideEvent | None) -> None:
        """Save what waits: the window may be closing."""
        if self._sync is not None:
            self._sync.flush()
        super().hideEvent(event)

    def _open(self) -> None:
        """Listen to the viewer, also after the dock was closed."""
        if self._sync is not None:
            return
        self._sync = ListSync(
            self._viewer, self.classes, self._session.results, self
        )
        self._sync.image_meant.connect(self._on_image_meant)
        self._sync.look_at(self.image.image)
        self._live.open(self._sync)
        self._corrections.open(self._sync)
        self.image.chooser.open()
        for event, slot in self._viewer_events():
            event.connect(slot)

    def _viewer_events(self) -> tuple[tuple[Any, Any], ...]:
        # The camera moved into the scene in napari 0.9.
        camera = getattr(self._viewer, 'scene', self._viewer).camera
        return (
            (self._viewer.dims.events.current_step, self._on_choice),
            (self._viewer.dims.events.ndisplay, self._on_choice),
            (self._viewer.dims.events.order, self._on_choice),
            (camera.events.zoom, self._on_camera),
            (camera.events.center, self._on_camera),
        )

    def _close(self) -> None:
        if self._sync is None:
            return
        self._keep_state()
        self._runs.abandon()
        self._live.close()
        self._corrections.close()
        self._preview_timer.stop()
        self._sync.close()
        self._sync.deleteLater()
        self._sync = None
        self.image.chooser.close()
        for event, slot in self._viewer_events():
            event.disconnect(slot)

    # Before a run.

    def _on_choice(self, _event: object = None) -> None:
        self._preview_timer.start()
        self._live.look()
        self._corrections.look()

    def _on_camera(self, _event: object = None) -> None:
        # Nothing else that a run looks at depends on the view.
        if self.image.scope == 'visible':
            self._on_choice()

    def _on_image_choice(self) -> None:
        image = self.image.image
        if self._sync is not None:
            self._sync.look_at(image)
        self._runs.look_at(image)

    def _on_image_meant(self, image: Image) -> None:
        """Look at the image whose result was selected, unless pinned."""
        if not self.image.is_pinned:
            self.image.chooser.choose(image)

    def _on_list_changed(self) -> None:
        # A second panel of the viewer starts with it.
        self._session.classes = self.classes.state()
        self._show_ready()

    def _show_ready(self) -> None:
        rows = self.classes.rows()
        self.panel.show_ready(
            sum(row.is_on and not row.is_background for row in rows)
        )

    def _show_preview(self) -> None:
        self.image.set_summary(self._requests.describe())

    def _on_run_clicked(self) -> None:
        self._start(may_download=False)

    def _on_download_chosen(self) -> None:
        self._start(may_download=True)

    def _on_file_chosen(self) -> None:
        # The run starts when it is known which model the file is for.
        if self.model.weights.ask():
            self._file_to_run = self.model.weights.path

    def _on_looked(self) -> None:
        path, self._file_to_run = self._file_to_run, None
        if path is not None and path == self.model.weights.path:
            self._start(may_download=False)

    def _on_demo_chosen(self) -> None:
        self.model.choose_model(registry.DEMO_NAME)
        self._start(may_download=False)

    def _start(self, *, may_download: bool) -> None:
        if self._runs.is_running:
            return
        self.offer.hide()
        self._told = self.panel.notices.text()
        try:
            self.classes.take_entry()
            self.model.take_entry()
            shown = None
            if self._sync is not None:
                self._sync.look()
                shown = self._sync.result
            request = self._requests.make(shown, may_download=may_download)
            self._runs.start(
                request, RunList(self.classes), self.correct.edits.mode
            )
            self._live.make_way(request)
        except NaclipError as error:
            self.panel.show_refusal(str(error))

    # During a run and at its end.

    def _on_written(self, result: Result) -> None:
        if self._sync is not None:
            self._sync.follow(result)
            self._live.look()

    def _on_ended(self) -> None:
        # What was told before is no reason to scroll away.
        if self.panel.notices.text() not in ('', self._told):
            self._page.bring_into_sight(self.panel.notices)
        self.model.refresh()
        self.kept.refresh()
        self._on_choice()
        self.run_finished.emit()
