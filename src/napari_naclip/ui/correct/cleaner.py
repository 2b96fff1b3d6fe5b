"""From *Clean up* to the labels: one plane at a time, as a step of Revert.

Runs on the GUI thread. A clean-up is of the labels that the settings say when
it is written: an answer that came later would undo it behind its back.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

from napari_naclip.engine.classes import BACKGROUND_VALUE
from napari_naclip.engine.errors import NaclipError
from napari_naclip.layers.tidied import write_clean
from napari_naclip.ui.correct import finish_messages as messages
from napari_naclip.ui.correct.finish_work import clean_plane
from napari_naclip.ui.steps import ChangeSteps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_naclip.correct.tidy import CleanUp
    from napari_naclip.layers.labels import Result
    from napari_naclip.ui.class_table.panel import ClassPanel
    from napari_naclip.ui.correct.doing import Doing
    from napari_naclip.ui.correct.finish_panel import FinishPanel
    from napari_naclip.ui.correct.finish_work import Cleaned, ModelPlane
    from napari_naclip.ui.director import RunDirector
    from napari_naclip.ui.live import LiveUpdater
    from napari_naclip.ui.turns import Turns

    Plane = tuple[int | slice, ...]
    Start = Callable[[Result, Plane], object]


class Cleaner:
    """Cleans labels up for one panel.

    Parameters
    ----------
    panel : FinishPanel
    doing : Doing
    turns : Turns
        Write.
    classes : ClassPanel
    runs : RunDirector
        While it runs nothing is written.
    live : LiveUpdater
        Nothing is written but what the settings say.
    after_labels : callable
        Lets something start once the labels of a plane are complete.
    find_model : callable
        Returns what the model wrote of a plane of a result.
    is_there : callable
        Tells whether a result still has an array.
    """

    def __init__(
        self,
        panel: FinishPanel,
        doing: Doing,
        turns: Turns,
        *,
        classes: ClassPanel,
        runs: RunDirector,
        live: LiveUpdater,
        after_labels: Callable[[Start, Result, Plane], object],
        find_model: Callable[[Result, Plane], ModelPlane],
        is_there: Callable[[Result, Any], bool],
    ) -> None:
        self._panel = panel
        self._doing = doing
        self._turns = turns
        self._classes = classes
        self._runs = runs
        self._live = live
        self._after_labels = after_labels
        self._find_model = find_model
        self._is_there = is_there
        self._steps = ChangeSteps()

    def clean(
        self, wanted: CleanUp, value: int | None, result: Result, plane: Plane
    ) -> None:
        """Begin to clean up a plane of a result.

        Parameters
        ----------
        wanted : CleanUp
            Whatever its values are.
        value : int or None
            The class that it is about; None: all that there are by then.
        result : Result
        plane : tuple of int or slice
        """
        if self._is_written(result):
            self._panel.say(messages.BUSY)
            return
        if tuple(result.labels.data.shape) != result.written.shape:
            self._panel.say(messages.GONE)
            return
        # Of all classes, too, what is in none has no objects to tidy.
        values = (
            result.rows.keys() - {BACKGROUND_VALUE}
            if value is None
            else {value}
        )
        again = functools.partial(self.clean, wanted, value)
        self._doing.start(
            messages.CLEANING,
            clean_plane(
                result.labels.data,
                self._find_model(result, plane),
                dataclasses.replace(wanted, values=frozenset(values)),
            ),
            functools.partial(
                self._take, again, result, plane, result.revision
            ),
        )

    def _is_written(self, result: Result) -> bool:
        """Return whether a run writes to a result."""
        return self._runs.is_running or result.checkpoint is not None

    def _take(
        self,
        again: Start,
        result: Result,
        plane: Plane,
        revision: int,
        made: Cleaned,
    ) -> None:
        # What else is written comes before it.
        self._panel.show_busy(is_busy=True, can_cancel=False)
        self._turns.add(self._write(again, result, plane, revision, made))

    def _write(
        self,
        again: Start,
        result: Result,
        plane: Plane,
        revision: int,
        made: Cleaned,
    ) -> Iterator[None]:
        """Write a clean-up in steps, as one step of Revert."""
        self._panel.show_busy(is_busy=False)
        if self._is_written(result):
            self._panel.say(messages.BUSY)
            return
        if not self._is_there(result, made.source):
            self._panel.say(messages.GONE)
            return
        self._live.look_now()
        if self._live.is_busy or result.revision != revision:
            # What was cleaned is no more what the settings say.
            self._after_labels(again, result, plane)
            return
        self._panel.show_busy(is_busy=True, can_cancel=False)
        # A live answer would write its own step in between.
        self._live.pause()
        self._steps.forget()
        steps = write_clean(
            result,
            plane,
            made.before,
            made.after,
            self._classes.locked_values,
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
            self._panel.show_busy(is_busy=False)
            self._live.go_on()
