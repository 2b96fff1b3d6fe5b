"""From what is chosen in the panels to a run's request, and a preview of it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from napari_naclip.engine.class_rows import count_queries
from napari_naclip.engine.errors import NaclipError
from napari_naclip.engine.types import Settings
from napari_naclip.layers.read import take_snapshots
from napari_naclip.ui import messages
from napari_naclip.ui.jobs import RunRequest
from napari_naclip.ui.preferences import read_preferences
from napari_naclip.ui.preview import describe_run

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_naclip.layers.labels import Result
    from napari_naclip.layers.snapshot import PlaneSnapshot
    from napari_naclip.ui.beyond_panel import BeyondPanel
    from napari_naclip.ui.class_table.panel import ClassPanel
    from napari_naclip.ui.image_panel import ImagePanel
    from napari_naclip.ui.model_panel import ModelPanel
    from napari_naclip.ui.options import Options
    from napari_naclip.ui.results import ResultBook


class RequestMaker:
    """Reads the panels of one widget.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    book : ResultBook
        Where a run may find the result that it updates.
    image, classes, model, options, beyond : QWidget
        The panels.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        book: ResultBook,
        *,
        image: ImagePanel,
        classes: ClassPanel,
        model: ModelPanel,
        options: Options,
        beyond: BeyondPanel,
    ) -> None:
        self._viewer = viewer
        self._book = book
        self._image = image
        self._classes = classes
        self._model = model
        self._options = options
        self._beyond = beyond

    def describe(self) -> str:
        """Return what a run would see, in how many windows, how long.

        Where it could not run, why; empty without an image.
        """
        if self._image.image is None:
            return ''
        try:
            _, snapshots, settings = self._look(has_masks=False)
            return describe_run(
                snapshots,
                settings,
                self._model.model_request(),
                queries=count_queries(self._classes.rows()),
            )
        except NaclipError as error:
            return str(error)

    def make(self, shown: Result | None, *, may_download: bool) -> RunRequest:
        """Return the request of a run that starts now.

        Parameters
        ----------
        shown : Result or None
            The one whose list the table shows.
        may_download : bool
            Whether weights may be downloaded.

        Raises
        ------
        NaclipError
            If something that is chosen cannot be used; the text says what.
        """
        image, snapshots, settings = self._look()
        classes = self._classes.class_list()
        return RunRequest(
            image=image,
            snapshots=snapshots,
            classes=classes,
            settings=dataclasses.replace(
                settings,
                threshold=self._classes.threshold(classes, settings),
            ),
            model=self._model.model_request(may_download=may_download),
            target=self._book.find_target(
                self._viewer,
                image,
                snapshots[0],
                self._classes.rows(),
                shown,
            ),
            reserved_cores=read_preferences().reserved_cores,
        )

    def _look(
        self, *, has_masks: bool = True
    ) -> tuple[Image, tuple[PlaneSnapshot, ...], Settings]:
        panel = self._image
        image = panel.image
        if image is None:
            raise NaclipError(messages.NO_IMAGE)
        settings = Settings(
            **panel.settings_part(),
            **self._options.settings_part(),
            **self._beyond.settings_part(),
        )
        snapshots = take_snapshots(
            image,
            self._viewer,
            settings,
            scope=panel.scope,
            shapes=panel.shapes,
            picture=panel.picture,
            fits_region=panel.fits_region,
            has_masks=has_masks,
        )
        return image, snapshots, settings
