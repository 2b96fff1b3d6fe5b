"""The dock widget: puts its parts together and layers and runs in touch."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import (
    Notification,
    notification_manager,
    show_warning,
)
from qtpy.QtCore import QEvent, QTimer, Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_naclip.engine import registry
from napari_naclip.engine.errors import NaclipError, WeightsMissingError
from napari_naclip.engine.types import Settings
from napari_naclip.io.last_list import load_last
from napari_naclip.layers.read import take_snapshots
from napari_naclip.ui import messages
from napari_naclip.ui.activity import ActivityBar
from napari_naclip.ui.class_table.panel import ClassPanel
from napari_naclip.ui.image_panel import ImagePanel
from napari_naclip.ui.list_sync import ListSync
from napari_naclip.ui.model_panel import ModelPanel
from napari_naclip.ui.offer import WeightsOffer
from napari_naclip.ui.options import Options
from napari_naclip.ui.page import ScrollingPage
from napari_naclip.ui.preferences import read_preferences
from napari_naclip.ui.preview import describe_run
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
from napari_naclip.ui.run_list import RunList
from napari_naclip.ui.run_panel import RunPanel
from napari_naclip.ui.sessions import SESSIONS
from napari_naclip.ui.writing import RunWriter

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image
    from qtpy.QtGui import QHideEvent

    from napari_naclip.engine.device import ComputeChoice
    from napari_naclip.layers.snapshot import PlaneSnapshot

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
    image, classes, model, options, offer, panel : QWidget
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
        self._writer: RunWriter | None = None
        self._write_error: Exception | None = None
        self.setMinimumWidth(_MINIMUM_WIDTH)

        preferences = read_preferences()
        self.image = ImagePanel(napari_viewer)
        self.image.set_state({'detail': preferences.detail or 'full'})
        self.classes = ClassPanel()
        self.model = ModelPanel(preferences=preferences)
        self.options = Options()
        self.offer = WeightsOffer()
        self.panel = RunPanel()
        self._activity = ActivityBar()
        self._runs = RunController(self)
        self._run_list: RunList | None = None
        self._sync: ListSync | None = None
        self._restore_state()
        self._preview_timer = QTimer(self)
        self._preview_timer.setSingleShot(True)
        self._preview_timer.setInterval(_PREVIEW_DELAY)
        self._lay_out()
        self._connect()
        self.reset_choices()
        self._open()

    def _lay_out(self) -> None:
        self._page = ScrollingPage(
            (
                self.image,
                self.classes,
                self.model,
                self.options,
                self.offer,
                self.panel.more,
            )
        )
        self._page.follow(self.offer)
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
        self.panel.cancel.clicked.connect(self._on_cancel_clicked)
        self.offer.download_chosen.connect(self._on_download_chosen)
        self.offer.file_chosen.connect(self._on_file_chosen)
        self.offer.demo_chosen.connect(self._on_demo_chosen)
        self._runs.progressed.connect(self._on_progressed)
        self._runs.partial.connect(self._on_partial)
        self._runs.plane_finished.connect(self._on_plane_finished)
        self._runs.loaded.connect(self._on_loaded)
        self._runs.ended.connect(self._on_ended)
        self._preview_timer.timeout.connect(self._show_preview)
        for changed in (
            self.image.changed,
            self.classes.changed,
            self.model.changed,
            self.options.changed,
        ):
            changed.connect(self._on_choice)
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

    @property
    def _stateful_parts(self) -> dict[str, ImagePanel | ModelPanel | Options]:
        return {
            'image': self.image,
            'model': self.model,
            'options': self.options,
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
        if self._runs.is_running:
            self._runs.abandon()
            self._activity.close()
            if self._writer is not None:
                self._writer.take_back()
                self._writer = self._run_list = None
            self.panel.show_rest(messages.CANCELLED)
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

    def _on_camera(self, _event: object = None) -> None:
        # Nothing else that a run looks at depends on the view.
        if self.image.scope == 'visible':
            self._on_choice()

    def _on_image_choice(self) -> None:
        image = self.image.image
        if self._sync is not None:
            self._sync.look_at(image)
        writer = self._writer
        if (
            writer is not None
            and self._run_list is not None
            and (image is not None and image != writer.image)
        ):
            self._run_list.leave()

    def _on_image_meant(self, image: Image) -> None:
        """Look at the image whose result was selected, unless pinned."""
        if not self.image.is_pinned:
            self.image.chooser.choose(image)

    def _on_list_changed(self) -> None:
        # A second panel of the viewer starts with it.
        self._session.classes = self.classes.state()

    def _show_preview(self) -> None:
        """Say what the model would see, in how many windows, how long."""
        if self.image.image is None:
            self.image.set_summary('')
            return
        try:
            snapshots, settings = self._take_snapshots(has_masks=False)
            text = describe_run(
                snapshots,
                settings,
                self.model.model_request(),
                queries=sum(len(row.prompts) for row in self.classes.rows()),
            )
        except NaclipError as error:
            text = str(error)
        self.image.set_summary(text)

    def _take_snapshots(
        self, *, has_masks: bool = True
    ) -> tuple[tuple[PlaneSnapshot, ...], Settings]:
        image = self.image.image
        if image is None:
            raise NaclipError(messages.NO_IMAGE)
        settings = Settings(
            **self.image.settings_part(), **self.options.settings_part()
        )
        snapshots = take_snapshots(
            image,
            self._viewer,
            settings,
            scope=self.image.scope,
            shapes=self.image.shapes,
            picture=self.image.picture,
            fits_region=self.image.fits_region,
            has_masks=has_masks,
        )
        return snapshots, settings

    def _make_request(self, *, may_download: bool) -> RunRequest:
        image = self.image.image
        if image is None:
            raise NaclipError(messages.NO_IMAGE)
        self.classes.take_entry()
        if self._sync is not None:
            self._sync.look()
        snapshots, settings = self._take_snapshots()
        classes = self.classes.class_list()
        settings = dataclasses.replace(
            settings, threshold=self.classes.threshold(classes, settings)
        )
        target = self._session.results.find_target(
            self._viewer, image, snapshots[0], self.classes.rows()
        )
        return RunRequest(
            image=image,
            snapshots=snapshots,
            classes=classes,
            settings=settings,
            model=self.model.model_request(may_download=may_download),
            target=target,
            reserved_cores=read_preferences().reserved_cores,
        )

    def _on_run_clicked(self) -> None:
        self._start(may_download=False)

    def _on_download_chosen(self) -> None:
        self._start(may_download=True)

    def _on_file_chosen(self) -> None:
        if self.model.ask_for_weights():
            self._start(may_download=False)

    def _on_demo_chosen(self) -> None:
        self.model.choose_model(registry.DEMO_NAME)
        self._start(may_download=False)

    def _start(self, *, may_download: bool) -> None:
        if self._runs.is_running:
            return
        self.offer.hide()
        own_list: RunList | None = None
        try:
            request = self._make_request(may_download=may_download)
            own_list = RunList(self.classes)
            self._writer = RunWriter(
                self._viewer, self._session.results, request, own_list
            )
        except NaclipError as error:
            if own_list is not None:
                own_list.end()
            self.panel.show_rest(str(error))
            return
        self._run_list = own_list
        self._write_error = None
        self.panel.show_running()
        self._runs.start(request)

    # During a run and at its end.

    def _on_cancel_clicked(self) -> None:
        self.panel.show_cancelling()
        self._runs.cancel()

    def _on_progressed(self, progress: RunProgress) -> None:
        self.panel.show_progress(progress)
        self._activity.show(progress)

    def _on_loaded(self, choice: ComputeChoice | None) -> None:
        if choice is not None:
            self.model.show_choice(choice)
        self._write(None)

    def _on_partial(self, _request: RunRequest, part: Part) -> None:
        self._write(part)

    def _on_plane_finished(
        self, _request: RunRequest, finished: Finished
    ) -> None:
        self._write(finished)

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
            if self._sync is not None and (
                self._run_list is not None and self._run_list.is_shown
            ):
                self._sync.follow(writer.result)
        except NaclipError as error:
            self._write_error = error
            self._runs.cancel()

    def _on_ended(self, request: RunRequest, outcome: Outcome) -> None:
        self._activity.close()
        writer, self._writer = self._writer, None
        self._run_list = None
        if writer is None:
            return
        if self._write_error is not None:
            writer.take_back()
            self.panel.show_rest(str(self._write_error))
        else:
            match outcome:
                case Done():
                    told = self.panel.notices.text()
                    self.panel.show_rest(*writer.end())
                    # What was told before is no reason to scroll away.
                    if self.panel.notices.text() not in ('', told):
                        self._page.bring_into_sight(self.panel.notices)
                case Failed():
                    writer.take_back()
                    self._show_failure(request, outcome)
                case Cancelled():
                    writer.take_back()
                    self.panel.show_rest(
                        messages.describe_cancelled(
                            outcome.finished, len(request.snapshots)
                        )
                    )
        self.model.refresh()
        self._preview_timer.start()
        self.run_finished.emit()

    def _show_failure(self, request: RunRequest, failed: Failed) -> None:
        error = failed.error
        is_expected = isinstance(error, NaclipError)
        text = messages.shorten_home(
            str(error) if is_expected else messages.UNEXPECTED.format(error)
        )
        if isinstance(error, WeightsMissingError):
            # No fault of anybody's that details would explain.
            self.panel.show_rest(text)
            self.offer.show_for(error)
            return
        details = messages.describe_details(error, request)
        self.panel.show_failure(text, details)
        if is_expected:
            show_warning(text)
        else:
            # napari shows it with its traceback.
            notification_manager.dispatch(Notification.from_exception(error))
