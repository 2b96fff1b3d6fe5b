"""From the panel's buttons to the labels: clean-up, objects, agreement.

Runs on the GUI thread. What takes long is done in a thread on the labels as
they are when it reads them; what has changed meanwhile is left alone.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject

from napari_naclip.engine.classes import BACKGROUND_VALUE
from napari_naclip.engine.errors import NaclipError
from napari_naclip.layers.areas import pixel_area, shown_plane
from napari_naclip.layers.objects import all_planes
from napari_naclip.ui.correct import finish_messages as messages
from napari_naclip.ui.correct.cleaner import Cleaner
from napari_naclip.ui.correct.comparing import (
    Answered,
    Compared,
    answer_edited,
    compare_plane,
)
from napari_naclip.ui.correct.doing import Doing
from napari_naclip.ui.correct.finish_work import (
    ModelPlane,
    Objects,
    split_planes,
)
from napari_naclip.ui.correct.object_shower import ObjectShower
from napari_naclip.ui.correct.why_work import Asked
from napari_naclip.ui.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt
    from napari.components import ViewerModel
    from napari.layers import Labels

    from napari_naclip.correct.objects import Splitting
    from napari_naclip.layers.labels import Result
    from napari_naclip.ui.class_table.panel import ClassPanel
    from napari_naclip.ui.correct.finish_panel import FinishPanel
    from napari_naclip.ui.director import RunDirector
    from napari_naclip.ui.list_sync import ListSync
    from napari_naclip.ui.live import LiveUpdater
    from napari_naclip.ui.sessions import Session

    Plane = tuple[int | slice, ...]
    Mask = npt.NDArray[np.bool_]


class Finisher(QObject):
    """Does what the Finish part of one panel asks for.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    session : Session
    panel : FinishPanel
    classes : ClassPanel
    runs : RunDirector
        While it runs nothing is written.
    live : LiveUpdater
        What is done waits for the labels that it is to write.
    parent : QObject

    Attributes
    ----------
    find_looked : callable or None
        Returns which pixels of a plane of a result the person has looked at,
        (H, W) bool, or None; set by what guides through regions.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        session: Session,
        panel: FinishPanel,
        *,
        classes: ClassPanel,
        runs: RunDirector,
        live: LiveUpdater,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._session = session
        self._panel = panel
        self._classes = classes
        self._sync: ListSync | None = None
        self._doing = Doing(panel, live, self)
        self._turns = Turns(self)
        self._cleaner = Cleaner(
            panel,
            self._doing,
            self._turns,
            classes=classes,
            runs=runs,
            live=live,
            after_labels=self._after_labels,
            find_model=self._model,
            is_there=self._is_there,
        )
        self._objects = ObjectShower(viewer, panel)
        self._about: tuple[Labels, Plane] | None = None
        self.find_looked: Callable[[Result, Plane], Mask | None] | None = None
        panel.tidy.clean.clicked.connect(self._on_clean)
        panel.objects.split.clicked.connect(self._on_split)
        panel.objects.table.view.chosen.connect(self._objects.go_to_row)
        panel.compare.clicked.connect(self._on_compare)
        panel.more.toggled.connect(self.look)
        classes.state_changed.connect(self._show_classes)
        self._show_classes()

    @property
    def is_busy(self) -> bool:
        """Whether something is being done, or written."""
        return self._doing.is_busy or not self._turns.is_idle

    def open(self, sync: ListSync) -> None:
        """Begin to act; `sync` knows whose list the class table shows."""
        self._sync = sync

    def close(self) -> None:
        """Give up what is under way, for a dock that was closed."""
        self._sync = None
        self._turns.clear()
        self._doing.end()

    def look(self, _event: object = None) -> None:
        """Offer the unit and the planes of the labels, where that shows."""
        if not self._panel.more.isChecked():
            return
        result, plane = self._find()
        about = (
            None
            if result is None or plane is None
            else (
                result.labels,
                plane,
            )
        )
        if about is None or about == self._about:
            return
        self._about = about
        area, unit = pixel_area(*about)
        # A square of a unit that is a length.
        name = unit.removesuffix('²')
        is_length = area > 0 and name != unit
        self._panel.objects.show_unit(
            area**0.5 if is_length else 1.0, name if is_length else 'px'
        )
        self._panel.objects.show_planes(has_more=len(all_planes(*about)) > 1)

    def _find(self) -> tuple[Result | None, Plane | None]:
        """Return the result whose list is shown, and the displayed plane."""
        result = None if self._sync is None else self._sync.result
        if result is None or result.labels not in self._viewer.layers:
            return None, None
        return result, shown_plane(result.labels, self._viewer)

    def _begin(self, start: Callable[[Result, Plane], object]) -> None:
        """Start something on what is shown, once its labels are complete."""
        result, plane = self._find()
        if result is None:
            self._panel.say(messages.NO_RESULT)
            return
        if plane is None:
            self._panel.say(messages.NO_PLANE)
            return

        self._after_labels(start, result, plane)

    def _after_labels(
        self,
        start: Callable[[Result, Plane], object],
        result: Result,
        plane: Plane,
    ) -> None:
        """Start something once the labels are what the settings say."""

        def go_on() -> None:
            if result.labels not in self._viewer.layers:
                self._panel.say(messages.GONE)
            elif self._find() != (result, plane):
                # Its labels follow when it is shown again.
                self._panel.say(messages.MOVED)
            else:
                start(result, plane)

        self._doing.after_labels(go_on)

    def _model(self, result: Result, plane: Plane) -> ModelPlane:
        """Return what the model wrote of a plane."""
        lives = self._session.lives.find(result, plane)
        return ModelPlane(
            result.written,
            plane,
            [each.snapshot for each in lives],
            has_background=BACKGROUND_VALUE in result.rows,
            accepted=result.accepted,
        )

    # Clean-up.

    def _on_clean(self) -> None:
        value = self._panel.value
        wanted = self._panel.tidy.clean_up()
        if wanted.is_nothing:
            self._panel.say(messages.NOTHING_TO_CLEAN)
            return
        self._begin(functools.partial(self._cleaner.clean, wanted, value))

    def _is_there(self, result: Result, source: Any) -> bool:
        return (
            result.labels in self._viewer.layers
            and result.labels.data is source
        )

    # Objects.

    def _on_split(self) -> None:
        box = self._panel.objects
        self._begin(
            functools.partial(
                self._split,
                self._panel.value,
                box.splitting(),
                box.has_all_planes,
            )
        )

    def _split(
        self,
        chosen: int | None,
        splitting: Splitting,
        has_all_planes: bool,
        result: Result,
        plane: Plane,
    ) -> None:
        values = tuple(
            value
            for value in sorted(result.rows)
            if value != BACKGROUND_VALUE and chosen in (None, value)
        )
        if not values:
            self._panel.say(messages.NO_CLASS)
            return
        planes = (
            all_planes(result.labels, plane) if has_all_planes else [plane]
        )
        try:
            work = split_planes(
                result.labels.data,
                planes,
                values,
                splitting,
                [
                    (each.snapshot, each.live)
                    for one in planes
                    for each in self._session.lives.find(result, one)
                    if each.live is not None
                ],
            )
        except NaclipError as error:
            self._panel.say(str(error))
            return
        self._doing.start(
            messages.SPLITTING,
            work,
            functools.partial(self._take_objects, result),
        )

    def _take_objects(self, result: Result, made: Objects) -> None:
        if not self._is_there(result, made.source):
            self._panel.say(messages.GONE)
            return
        if not any(len(table) for _, table in made.tables):
            self._panel.say(messages.NO_OBJECTS)
            return
        self._turns.add(self._objects.show(result, made))

    # Agreement.

    def _on_compare(self) -> None:
        self._begin(self._compare)

    def _compare(self, result: Result, plane: Plane) -> None:
        data = result.labels.data
        if tuple(data.shape) != result.written.shape:
            self._panel.say(messages.NOT_WRITTEN)
            return
        looked = None
        if self.find_looked is not None:
            looked = self.find_looked(result, plane)
        model = self._model(result, plane)

        def compare_with(answers: list[Answered]) -> None:
            self._doing.start(
                messages.COMPARING,
                compare_plane(data, model, looked, answers),
                functools.partial(self._show_agreement, result),
            )

        # Where labels do not follow yet, what they will be is not known.
        asked = [
            Asked(each, each.shown)
            for each in self._session.lives.find(result, plane)
            if each.shown is not None
        ]
        if asked:
            self._doing.ask(
                messages.COMPARING,
                functools.partial(answer_edited, data, model, asked),
                compare_with,
            )
        else:
            compare_with([])

    def _show_agreement(self, result: Result, made: Compared) -> None:
        table = self._panel.agreement
        if not made.has_model:
            table.show_columns({})
            self._panel.say(messages.NOT_WRITTEN)
            return
        names = {value: row.name for value, row in result.rows.items()}
        names.setdefault(BACKGROUND_VALUE, 'unlabeled')
        table.show_columns(made.columns(names))
        self._panel.say(
            messages.describe_agreement(
                made.agreement,
                made.edited,
                made.looked,
                is_sure=made.is_sure,
                is_asked=made.is_asked,
            )
        )

    def _show_classes(self) -> None:
        self._panel.show_classes(
            (row.value, row.name)
            for row in self._classes.rows()
            if row.value != BACKGROUND_VALUE
        )
