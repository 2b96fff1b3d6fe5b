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
from napari_naclip.layers.tidied import write_clean
from napari_naclip.ui.correct import finish_messages as messages
from napari_naclip.ui.correct.comparing import (
    Answered,
    Compared,
    answer_edited,
    compare_plane,
)
from napari_naclip.ui.correct.doing import Doing
from napari_naclip.ui.correct.finish_work import (
    Cleaned,
    ModelPlane,
    Objects,
    clean_plane,
    split_planes,
)
from napari_naclip.ui.correct.object_shower import ObjectShower
from napari_naclip.ui.correct.why_work import Asked
from napari_naclip.ui.steps import ChangeSteps
from napari_naclip.ui.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    import numpy.typing as npt
    from napari.components import ViewerModel
    from napari.layers import Labels

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
        Told when labels have changed.
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
        self._runs = runs
        self._live = live
        self._sync: ListSync | None = None
        self._steps = ChangeSteps()
        self._doing = Doing(panel, self)
        self._turns = Turns(self)
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

    def _find_or_say(self) -> tuple[Result, Plane] | None:
        result, plane = self._find()
        if result is None:
            self._panel.say(messages.NO_RESULT)
        elif plane is None:
            self._panel.say(messages.NO_PLANE)
        else:
            return result, plane
        return None

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
        found = self._find_or_say()
        if found is None:
            return
        result, plane = found
        value = self._panel.value
        # Of all classes, too, what is in none has no objects to tidy.
        wanted = self._panel.tidy.clean_up(
            result.rows.keys() - {BACKGROUND_VALUE}
            if value is None
            else {value}
        )
        if wanted.is_nothing:
            self._panel.say(messages.NOTHING_TO_CLEAN)
        elif self._is_written(result):
            self._panel.say(messages.BUSY)
        elif tuple(result.labels.data.shape) != result.written.shape:
            self._panel.say(messages.GONE)
        else:
            self._doing.start(
                messages.CLEANING,
                clean_plane(
                    result.labels.data, self._model(result, plane), wanted
                ),
                functools.partial(self._take_clean, result, plane),
            )

    def _is_written(self, result: Result) -> bool:
        """Return whether a run writes to a result."""
        return self._runs.is_running or result.checkpoint is not None

    def _take_clean(self, result: Result, plane: Plane, made: Cleaned) -> None:
        if self._is_written(result):
            self._panel.say(messages.BUSY)
        elif not self._is_there(result, made.source):
            self._panel.say(messages.GONE)
        else:
            self._turns.add(self._write_clean(result, plane, made))

    def _write_clean(
        self, result: Result, plane: Plane, made: Cleaned
    ) -> Iterator[None]:
        """Write a clean-up in steps, as one step of Revert."""
        self._steps.forget()
        # A live answer would write its own step in between.
        self._live.pause()
        steps = write_clean(
            result,
            plane,
            made.before,
            made.after,
            self._classes.locked_values(),
        )
        try:
            while self._is_there(result, made.source):
                if self._is_written(result) or not self._steps.is_last(result):
                    break
                with self._steps.writing(result):
                    next(steps)
                yield
        except StopIteration as stop:
            self._panel.say(messages.describe_cleaned(*stop.value))
        except NaclipError as error:
            self._panel.say(str(error))
        else:
            # What is written is a step of Revert like any other.
            steps.close()
            self._panel.say(messages.CUT_SHORT)
        finally:
            self._live.go_on()

    def _is_there(self, result: Result, source: Any) -> bool:
        return (
            result.labels in self._viewer.layers
            and result.labels.data is source
        )

    # Objects.

    def _on_split(self) -> None:
        found = self._find_or_say()
        if found is None:
            return
        result, plane = found
        chosen = self._panel.value
        values = tuple(
            value
            for value in sorted(result.rows)
            if value != BACKGROUND_VALUE and chosen in (None, value)
        )
        if not values:
            self._panel.say(messages.NO_CLASS)
            return
        box = self._panel.objects
        planes = (
            all_planes(result.labels, plane)
            if (box.has_all_planes)
            else [plane]
        )
        try:
            work = split_planes(
                result.labels.data,
                planes,
                values,
                box.splitting(),
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
        found = self._find_or_say()
        if found is None:
            return
        result, plane = found
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
