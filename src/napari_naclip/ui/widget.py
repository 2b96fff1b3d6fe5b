"""The dock widget: puts its parts together and layers and runs in touch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import (
    Notification,
    notification_manager,
)
from qtpy.QtCore import QEvent, Qt, Signal
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import (
    QFileDialog,
    QFormLayout,
    QLabel,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from napari_naclip.engine import registry
from napari_naclip.engine.errors import NaclipError, WeightsMissingError
from napari_naclip.layers import labels as label_layers
from napari_naclip.layers.read import take_snapshot
from napari_naclip.ui import messages
from napari_naclip.ui.activity import ActivityBar
from napari_naclip.ui.class_box import ClassBox
from napari_naclip.ui.image_chooser import ImageChooser
from napari_naclip.ui.offer import WeightsOffer
from napari_naclip.ui.options import Options
from napari_naclip.ui.run import (
    Done,
    Failed,
    Finished,
    Outcome,
    RunController,
    RunProgress,
    RunRequest,
)
from napari_naclip.ui.run_panel import RunPanel

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_naclip.layers.labels import Result

#: Narrower docks lose their title.
_MINIMUM_WIDTH = 250


class SegmentationWidget(QWidget):
    """Words in, mask out.

    Parameters
    ----------
    napari_viewer : napari.components.ViewerModel
        Handed in by napari, which looks for this name.

    Signals
    -------
    run_finished
        A run ended, however it did, and the widget is at rest.
    """

    run_finished = Signal()

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._results: list[Result] = []
        self._is_image_stale = False
        #: What to say at the end of the run, and notices.
        self._say: tuple[str, tuple[str, ...]] = ('', ())
        self.setMinimumWidth(_MINIMUM_WIDTH)

        self.chooser = ImageChooser(napari_viewer)
        self.classes = ClassBox()
        self.options = Options()
        self.offer = WeightsOffer()
        self.panel = RunPanel()
        self._activity = ActivityBar()
        self._runs = RunController(self)
        self._lay_out()

        self.panel.run.clicked.connect(self._on_run_clicked)
        self.panel.cancel.clicked.connect(self._on_cancel_clicked)
        self.offer.download_chosen.connect(self._on_download_chosen)
        self.offer.file_chosen.connect(self._on_file_chosen)
        self.offer.demo_chosen.connect(self._on_demo_chosen)
        self._runs.progressed.connect(self._on_progressed)
        self._runs.plane_finished.connect(self._on_plane_finished)
        self._runs.ended.connect(self._on_ended)
        for keys in ('Ctrl+Return', 'Ctrl+Enter'):
            shortcut = QShortcut(QKeySequence(keys), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(self.panel.run.click)
        self.panel.run.setToolTip(
            f'{self.panel.run.toolTip()} Ctrl+Enter in this panel.'
        )
        self.reset_choices()

    def _lay_out(self) -> None:
        image_label = QLabel('Image')
        image_label.setBuddy(self.chooser.native)
        self.chooser.native.setAccessibleName('Image')
        self.chooser.native.setToolTip('The image layer to segment.')
        image_row = QFormLayout()
        image_row.addRow(image_label, self.chooser.native)

        page = QWidget()
        rows = QVBoxLayout(page)
        rows.addLayout(image_row)
        for part in (self.classes, self.options, self.panel, self.offer):
            rows.addWidget(part)
        rows.addStretch()
        # napari never scrolls docks; without this a small screen would get a
        # window taller than itself.
        scroll = QScrollArea()
        scroll.setWidget(page)
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(
            Qt.ScrollBarPolicy.ScrollBarAsNeeded
        )
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scroll)

    def reset_choices(self, event: object = None) -> None:
        """Take the layers that there are now; napari calls this."""
        self.chooser.reset_choices(event)

    def event(self, event: QEvent | None) -> bool:
        """Stop a run when the dock is closed: that only takes the parent."""
        if (
            event is not None
            and event.type() == QEvent.Type.ParentChange
            and self.parent() is None
        ):
            self._abandon()
        return super().event(event)

    def _on_run_clicked(self) -> None:
        self._start(may_download=False)

    def _on_download_chosen(self) -> None:
        self._start(may_download=True)

    def _on_file_chosen(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self,
            'Weights of ' + self.options.model.currentText(),
            filter='Weights (*.safetensors *.pt *.pth *.bin);;All files (*)',
        )
        if path:
            self.options.use_weights(Path(path))
            self._start(may_download=False)

    def _on_demo_chosen(self) -> None:
        self.options.choose_model(registry.DEMO_NAME)
        self._start(may_download=False)

    def _on_cancel_clicked(self) -> None:
        self.panel.show_cancelling()
        self._runs.cancel()

    def _start(self, *, may_download: bool) -> None:
        if self._runs.is_running:
            return
        self.offer.hide()
        try:
            request = self._make_request(may_download=may_download)
        except NaclipError as error:
            self.panel.show_rest(str(error))
            return
        self._is_image_stale = False
        request.image.events.data.connect(self._on_image_replaced)
        self.panel.show_running()
        self._runs.start(request)

    def _make_request(self, *, may_download: bool) -> RunRequest:
        image = self.chooser.image
        if image is None:
            raise NaclipError(messages.NO_IMAGE)
        classes = self.classes.class_list()
        settings = self.options.settings()
        snapshot = take_snapshot(image, self._viewer, settings)
        settings = self.options.settings(
            threshold=self.classes.threshold(classes, settings),
            contrast_limits=snapshot.contrast_limits,
            gamma=snapshot.gamma,
        )
        target = self._find_result(image)
        if target is not None and not label_layers.accepts(target, snapshot):
            target = None
        return RunRequest(
            image=image,
            snapshots=(snapshot,),
            classes=label_layers.keep_values(classes, target),
            settings=settings,
            model=self.options.model_request(may_download=may_download),
            target=target,
        )

    def _find_result(self, image: Image) -> Result | None:
        """Return the newest result of an image that is still there."""
        self._results = [
            result
            for result in self._results
            if result.image in self._viewer.layers
            and result.labels in self._viewer.layers
        ]
        return next(
            (r for r in reversed(self._results) if r.image == image), None
        )

    def _on_image_replaced(self, _event: object) -> None:
        self._is_image_stale = True

    def _on_progressed(self, progress: RunProgress) -> None:
        self.panel.show_progress(progress)
        self._activity.show(progress)

    def _on_plane_finished(
        self, request: RunRequest, finished: Finished
    ) -> None:
        self._say = self._write_result(request, finished)

    def _on_ended(self, request: RunRequest, outcome: Outcome) -> None:
        self._activity.close()
        request.image.events.data.disconnect(self._on_image_replaced)
        match outcome:
            case Done():
                self.panel.show_rest(*self._say)
            case Failed():
                self._show_failure(request, outcome.error)
            case _:
                self.panel.show_rest(messages.CANCELLED)
        self.run_finished.emit()

    def _write_result(
        self, request: RunRequest, finished: Finished
    ) -> tuple[str, tuple[str, ...]]:
        """Write a plane; return what to say about it, and notices."""
        layers, target = self._viewer.layers, request.target
        if request.image not in layers or self._is_image_stale:
            return messages.DROPPED_IMAGE, ()
        if target is not None and (
            target.labels not in layers
            or not label_layers.accepts(target, finished.snapshot)
        ):
            return messages.DROPPED_LABELS, ()
        segmentation, kept = finished.segmentation, 0
        try:
            if target is None:
                self._results.append(
                    label_layers.add_result(
                        self._viewer,
                        request.image,
                        finished.snapshot,
                        segmentation,
                    )
                )
            else:
                kept = label_layers.update_result(
                    target, finished.snapshot, segmentation
                )
        except NaclipError as error:
            return str(error), ()
        return (
            messages.describe_result(segmentation, kept),
            segmentation.notices,
        )

    def _show_failure(self, request: RunRequest, error: Exception) -> None:
        details = messages.describe_details(error, request)
        if isinstance(error, NaclipError):
            self.panel.show_failure(str(error), details)
            if isinstance(error, WeightsMissingError):
                self.offer.show_for(error)
            return
        self.panel.show_failure(messages.UNEXPECTED.format(error), details)
        notification_manager.dispatch(Notification.from_exception(error))

    def _abandon(self) -> None:
        if self._runs.is_running:
            self._runs.abandon()
            self._activity.close()
            self.panel.show_rest(messages.CANCELLED)
