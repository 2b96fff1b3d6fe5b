"""What every pixel of a result should be, by rules for single pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    run_state_machine_as_test,
)

from napari_naclip.engine.types import Region

Array = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Place = tuple[int, ...]
#: Where nothing is noted.
NONE = -1


class Memory(dict[Place, tuple[int, int]]):
    """By pixel: what stood there before a run or change, and the model's.

    Attributes
    ----------
    notes : dict
        What was noted of a pixel under an edit, before it was noted anew.
    """

    def __init__(self) -> None:
        super().__init__()
        self.notes: dict[Place, int] = {}


def places_in(rows: int, columns: int) -> st.SearchStrategy[tuple[int, int]]:
    """Return a strategy for pixels of a plane."""
    return st.tuples(st.integers(0, rows - 1), st.integers(0, columns - 1))


def regions_in(rows: int, columns: int) -> st.SearchStrategy[Region]:
    """Return a strategy for regions of a plane, of at least a pixel."""
    place = places_in(rows, columns)
    return st.tuples(place, place).map(
        lambda pair: Region(
            min(pair[0][0], pair[1][0]),
            min(pair[0][1], pair[1][1]),
            max(pair[0][0], pair[1][0]) + 1,
            max(pair[0][1], pair[1][1]) + 1,
        )
    )


class Step:
    """A step of a layer's history.

    Parameters
    ----------
    before, after, model : array
        Labels around it, and those of the model.
    """

    def __init__(self, before: Array, after: Array, model: Array) -> None:
        self.before, self.after = before.copy(), after.copy()
        self.changed = before != after
        self.was_models = self.changed & (before == model)


class History:
    """What undo and redo of a layer bring back."""

    def __init__(self) -> None:
        self._undo: list[Step] = []
        self._redo: list[Step] = []

    def add(self, before: Array, pixels: Pixels) -> None:
        """Note what one thing that the person did has changed."""
        step = Step(before, pixels.data, pixels.model)
        if step.changed.any():
            self._undo.append(step)
            self._redo.clear()

    def undo(
        self,
        pixels: Pixels,
        memories: Sequence[Memory | None] = (),
        accepted: Mask | None = None,
    ) -> None:
        """Put back the values before the last step, only where it changed.

        Where those were the model's, what it says by now.
        """
        if not self._undo:
            return
        step = self._undo.pop()
        self._redo.append(step)
        pixels.data[step.changed] = step.before[step.changed]
        shown = step.was_models
        if accepted is not None:
            shown = shown & ~accepted
        for at in zip(*np.nonzero(shown), strict=True):
            pixels.uncover(tuple(map(int, at)), memories)

    def redo(self, pixels: Pixels) -> None:
        """Do again what was undone last: an edit, whatever the model says."""
        if not self._redo:
            return
        step = self._redo.pop()
        self._undo.append(step)
        data, model = pixels.data, pixels.model
        data[step.changed] = step.after[step.changed]
        agreed = step.was_models & (data == model)
        pixels.under[agreed] = data[agreed]
        model[agreed] = step.before[agreed]

    def write_over(self, at: Place) -> None:
        """Note that the model wrote over an edit."""
        for step in self._undo:
            step.was_models[at] = False

    def forget(self) -> None:
        """Know no more what was the model's."""
        for step in self._undo + self._redo:
            step.was_models[:] = False


class Pixels:
    """A layer's labels, and what the model wrote last.

    Parameters
    ----------
    shape : tuple of int
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.data: Array = np.zeros(shape, np.int64)
        self.model: Array = np.zeros(shape, np.int64)
        self.under: Array = np.full(shape, NONE, np.int64)

    def copies(self) -> tuple[Array, Array]:
        """Return both as they are now."""
        return self.data.copy(), self.model.copy()

    def is_edited(self, at: Place) -> bool:
        """Return whether a pixel is the person's."""
        return bool(self.data[at] != self.model[at])

    def says(self, at: Place) -> int:
        """Return what the model says of a pixel by now."""
        under = int(self.under[at])
        return int(self.model[at]) if under == NONE else under

    def note(self, at: Place, value: int, memory: Memory) -> None:
        """Note what the model says under an edit, or nothing."""
        if value != self.under[at]:
            if at not in memory:
                memory.notes.setdefault(at, int(self.under[at]))
            self.under[at] = value

    def uncover(self, at: Place, memories: Sequence[Memory | None]) -> None:
        """Show what the model says of a pixel, as the model's."""
        for memory in memories:
            if memory is not None and at in memory.notes:
                was = memory.notes.pop(at)
                was = int(self.model[at]) if was == NONE else was
                memory.setdefault(at, (was, was))
        self.data[at] = self.model[at] = self.says(at)
        self.under[at] = NONE

    def may_write(self, at: Place, mode: str, memory: Memory) -> bool:
        """Return whether a mode lets the model write to a pixel."""
        if mode == 'everywhere':
            return True
        if mode == 'unedited' or at in memory:
            return not self.is_edited(at)
        return bool(self.data[at] == 0)

    def write(
        self,
        at: Place,
        value: int,
        mode: str,
        locked: set[int],
        memory: Memory,
        since: Memory | None = None,
        history: History | None = None,
        *,
        is_accepted: bool = False,
    ) -> bool:
        """Let the model say what a pixel is; return whether it is written.

        What it wrote since a step was resumed is in a memory of its own. It
        is no answer of the model without a history.
        """
        since = memory if since is None else since
        now, model = int(self.data[at]), int(self.model[at])
        is_written = (
            value != now
            and not {value, now} & locked
            and self.may_write(at, mode, since)
            and (mode == 'everywhere' or not is_accepted)
        )
        if history is None:
            if is_written:
                self.note(at, NONE, memory)
        elif is_written or not (self.is_edited(at) or is_accepted):
            self.note(at, NONE, memory)
            if mode != 'unedited' and self.is_edited(at):
                history.write_over(at)
        elif (
            value != self.says(at)
            and not {value, self.says(at)} & locked
            and (
                mode != 'background'
                or self.says(at) == 0
                or at in memory.notes
            )
        ):
            self.note(at, value, memory)
        if not is_written:
            return False
        if at not in memory:
            memory[at] = (now, model)
        elif now != model:
            # An edit that was made since: that is what comes back.
            memory[at] = (now, memory[at][1])
        since.setdefault(at, (now, model))
        self.data[at] = self.model[at] = value
        return True

    def write_all(
        self,
        plane: int,
        region: Region,
        values: Array,
        mode: str,
        locked: set[int],
        memory: Memory,
        since: Memory | None = None,
        history: History | None = None,
    ) -> None:
        """Let the model say what the pixels of a region are."""
        for row, column in np.ndindex(region.size):
            at = (plane, region.top + row, region.left + column)
            value = int(values[row, column])
            self.write(at, value, mode, locked, memory, since, history)

    def put_back(self, memory: Memory, locked: set[int]) -> None:
        """Take back what is remembered, but no edit and no locked class."""
        for at, under in memory.notes.items():
            if at not in memory:
                self.under[at] = under
        # A plane without a class: 0 meant nothing then.
        was_empty = {
            plane
            for plane in range(len(self.data))
            if not any(
                was for at, (was, _) in memory.items() if at[0] == plane
            )
        }
        for at, (was, model) in memory.items():
            fixed = locked - {0} if at[0] in was_empty else locked
            if not self.is_edited(at):
                if {was, int(self.data[at])} & fixed:
                    continue
                self.data[at] = was
            self.model[at] = model
            self.under[at] = memory.notes.get(at, NONE)

    def forget(
        self,
        at: Place,
        locked: set[int],
        memory: Memory,
        since: Memory | None = None,
    ) -> bool:
        """Give a pixel to the model; return whether it was edited, and may.

        It may have said something else where a pixel was accepted.
        """
        now, model = int(self.data[at]), int(self.model[at])
        says = self.says(at)
        if now == model == says or {now, says} & locked:
            return False
        self.note(at, NONE, memory)
        memory[at] = (now, memory.get(at, (now, model))[1])
        if since is not None:
            since.setdefault(at, (now, model))
        self.data[at] = self.model[at] = says
        return now != model

    def forget_all(
        self,
        plane: int,
        region: Region,
        locked: set[int],
        memory: Memory,
        since: Memory | None = None,
    ) -> int:
        """Give edits of a region to the model; return how many."""
        rows, columns = region.slices
        return sum(
            self.forget((plane, row, column), locked, memory, since)
            for row in range(rows.start, rows.stop)
            for column in range(columns.start, columns.stop)
        )


def check_safe(
    now: Array, before: Array, model: Array, locked: set[int], mode: str
) -> None:
    """Check that no edit and no locked class has changed in some mode.

    Parameters
    ----------
    now, before : array
        Labels.
    model : array
        What the model had written before.
    locked : set of int
    mode : str
        One of ``WriteMode``, 'cancelled' or 'revert'.
    """
    # A plane that was empty may become so again.
    is_back = mode in ('cancelled', 'revert')
    for value in locked - {0} if is_back else locked:
        np.testing.assert_array_equal(now == value, before == value)
    is_edited = before != model
    if mode == 'unedited':
        np.testing.assert_array_equal(now[is_edited], before[is_edited])
    if mode == 'background':
        painted = is_edited & (before != 0)
        np.testing.assert_array_equal(now[painted], before[painted])


def join(earlier: Memory, later: Memory) -> None:
    """Make the first of two memories in a row one of both."""
    written = set(earlier)
    for at, (was, model) in later.items():
        if at not in earlier:
            earlier[at] = (was, model)
        elif was != model:
            earlier[at] = (was, earlier[at][1])
    for at, under in later.notes.items():
        if at not in written:
            earlier.notes.setdefault(at, under)


def run_machine(
    machine: type[RuleBasedStateMachine], examples: int, steps: int
) -> None:
    """Let a machine do so many steps, in so many examples."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
