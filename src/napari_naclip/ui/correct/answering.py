"""A person's answers, and the writing of one of them at a time."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_naclip.engine.errors import InputError
from napari_naclip.layers.assign import (
    Acceptance,
    Assignment,
    accept,
    assign,
    take_back,
    withdraw,
)
from napari_naclip.ui.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from napari_naclip.correct.guidance import Step
    from napari_naclip.engine.taught import Example
    from napari_naclip.ui.class_table.panel import ClassPanel
    from napari_naclip.ui.correct.guided import Guided, Placed


@dataclass(slots=True, eq=False)
class Answer:
    """What a person answered, so that it can be taken back.

    Attributes
    ----------
    guided : Guided
    step : Step
        Of its guidance.
    made : Assignment
        The labels that it changed.
    agreed : Acceptance
        Pixels that had the label already, and count as right.
    example : Example or None
        What the class was taught by it.
    """

    guided: Guided
    step: Step
    made: Assignment = field(repr=False)
    agreed: Acceptance = field(repr=False)
    example: Example | None = field(default=None, repr=False)

    @classmethod
    def of(cls, guided: Guided, step: Step) -> Answer:
        """Return an answer that has changed nothing yet."""
        result = guided.result
        return cls(
            guided, step, Assignment(result, step.value), Acceptance(result)
        )

    def write(self, found: Placed, locked: Collection[int]) -> Iterator[None]:
        """Write it where the region is, in steps; locked classes stay.

        The labels may have changed since the region was found: all of it is
        what was answered, and stays so.
        """
        result, value = self.guided.result, self.step.value
        where = (result, self.guided.plane, found.region, found.mask)
        yield from accept(*where, self.agreed, value)
        yield from assign(*where, self.made, locked)

    def take_back(self, locked: Collection[int]) -> Iterator[None]:
        """Take back what of it is written, in steps."""
        yield from take_back(self.made, locked)
        yield from withdraw(self.agreed, locked)
        # The next question may be how much is left.
        yield from self.guided.look_for_edits(locked)

    def touches(self, locked: Collection[int]) -> bool:
        """Return whether it is about labels that are locked."""
        return bool(self.made.pieces) and not {
            self.step.label,
            self.step.value,
        }.isdisjoint(locked)


def teach(classes: ClassPanel, value: int, example: Example) -> bool:
    """Teach a class by a region; return whether that was possible."""
    if not any(row.value == value for row in classes.rows()):
        return False
    try:
        classes.teach(value, example)
    except InputError as error:
        classes.tell(str(error))
        return False
    return True


def unteach(classes: ClassPanel, answer: Answer) -> None:
    """Take back what a class was taught by an answer, if it was."""
    if answer.example is None:
        return
    try:
        classes.unteach(answer.step.value, answer.example)
    except InputError as error:
        classes.tell(str(error))


class Writing(QObject):
    """Writes, and draws, in turns that hold up no window.

    Parameters
    ----------
    parent : QObject
    """

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._work: Iterator[None] | None = None
        self._turns = Turns(self)

    @property
    def is_busy(self) -> bool:
        """Whether something is being written."""
        return self._work is not None

    @property
    def is_idle(self) -> bool:
        """Whether everything is written and drawn."""
        return self._turns.is_idle

    def draw(self, steps: Iterator[None]) -> None:
        """Do steps that change no label; they must not raise."""
        self._turns.add(steps)

    def begin(
        self,
        work: Iterator[None],
        then: Callable[[], None],
        fail: Callable[[Exception], None],
    ) -> None:
        """Write in steps.

        Parameters
        ----------
        work : iterator
        then : callable
            What follows.
        fail : callable
            What follows instead where it cannot be written, with the reason.
        """
        self._work = work

        def steps() -> Iterator[None]:
            try:
                # Not ``yield from``: leaving these steps must not end it.
                for _ in work:
                    yield
            except Exception as error:  # noqa: BLE001 - of any kind of array
                self._work = None
                fail(error)
                return
            self._work = None
            then()

        self._turns.add(steps())

    def finish(self) -> None:
        """Write at once what is left; nothing follows."""
        work, self._work = self._work, None
        self._turns.clear()
        with contextlib.suppress(Exception):
            for _ in work or ():
                pass
