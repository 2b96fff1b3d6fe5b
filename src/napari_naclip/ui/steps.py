"""Which changes of model labels are one step of Revert."""

from __future__ import annotations

import math
import time
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from napari_naclip.layers import labels as label_layers
from napari_naclip.layers.checkpoint import resume_edits

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from napari_naclip.layers.checkpoint import Checkpoint
    from napari_naclip.layers.labels import Result
    from napari_naclip.ui.kept_live import Shown

#: Seconds without a change that separate two steps.
_GAP: Final = 1.0


class ChangeSteps:
    """Remembers what the changes of one panel overwrite.

    Changes that come soon one after the other, or while a slider is held,
    are one step; one drag is not of the step of a change long before it. So
    are those that follow one that went over edits: Revert must be able to
    bring them back.

    Another plane that follows later what the panel asks for already is of the
    step of that change: what a person takes back is the change, wherever
    labels have followed it.
    """

    def __init__(self) -> None:
        self._step: Checkpoint | None = None
        # Weakly: a layer that was deleted must go.
        self._held: weakref.ref[Result] | None = None
        self._asked: Shown | None = None
        self._changed_at = -math.inf
        self._is_held = False
        # The next change is of another step, however soon it comes.
        self._is_over = False
        self._is_apart = False

    def hold(self) -> None:
        """Note that the person takes hold of a slider."""
        self._is_over = self._is_over or not self._is_soon()
        self._is_held = True

    def release(self) -> None:
        """Note that the person lets go of it; see ``hold``."""
        self._is_held = False
        self._changed_at = time.monotonic()

    def _is_soon(self) -> bool:
        return time.monotonic() - self._changed_at < _GAP

    def begin(
        self,
        result: Result,
        asked: Shown | None = None,
        *,
        is_unfinished: bool = False,
    ) -> None:
        """Note that labels are about to change.

        Parameters
        ----------
        result : Result
            Whose labels will.
        asked : Shown or None
            What the panel asks for, of whichever plane. None: not known.
        is_unfinished : bool
            Whether they are part old, part new still from the last change:
            that is no state to go back to.
        """
        before = self._asked
        is_same = (
            asked is not None
            and before is not None
            and before.is_enough_for(asked)
        )
        is_soon = self._is_held or self._is_soon()
        if not is_same:
            self._changed_at = time.monotonic()
        if not (
            (is_unfinished or is_same or (is_soon and not self._is_over))
            and result is self._result
            and self._step is result.previous
        ):
            self.forget()
        self._asked = asked

    def go_on(self, result: Result | None, asked: Shown) -> None:
        """Let what follows to what a run was asked for be of its step.

        Parameters
        ----------
        result : Result or None
            Into which it has written.
        asked : Shown
            See ``begin``.
        """
        before, held, known = self._step, self._result, self._asked
        self.forget()
        step = None if result is None else result.previous
        if result is None or step is None:
            return
        is_own = step is not before or result is not held
        if is_own or (known is not None and known.is_enough_for(asked)):
            self._step, self._asked = step, asked
            self._held = weakref.ref(result, self._on_gone)
            # Any other change is of another step, however soon it comes.
            self._is_over = True

    def forget(self) -> None:
        """Begin another step with the next change."""
        self._step = self._held = self._asked = None
        self._is_apart = self._is_over = False

    @property
    def _result(self) -> Result | None:
        return None if self._held is None else self._held()

    def _on_gone(self, held: weakref.ref[Result]) -> None:
        if held is self._held:
            self.forget()

    def has_written(self, result: Result) -> bool:
        """Return whether Revert would take back something of this step."""
        step = self._step
        return (
            step is not None
            and result is self._result
            and result.previous is step
        )

    def is_last(self, result: Result) -> bool:
        """Return whether nothing was written or reverted since by others."""
        step = self._step
        return (
            step is None
            or result is not self._result
            or not step.planes
            or result.previous is step
        )

    def write_apart(
        self, result: Result, steps: Generator[None, None, int]
    ) -> Generator[None, None, int | None]:
        """Write something in steps, as a step of Revert of its own.

        Returns
        -------
        int or None
            What `steps` return; None where they were left, as something else
            was written or reverted meanwhile.

        Raises
        ------
        StorageError
            If there is no room for what is overwritten.
        """
        self.forget()
        self.begin(result)
        self._is_apart = True
        own: Checkpoint | None = None
        while result.checkpoint is None and (
            own is None or (self._step is own and self.is_last(result))
        ):
            with self.writing(result):
                try:
                    next(steps)
                except StopIteration as stop:
                    count: int = stop.value
                    return count
            own = self._step
            yield
        steps.close()
        return None

    @contextmanager
    def writing(self, result: Result) -> Iterator[None]:
        """Return a context in which what is overwritten is remembered.

        Raises
        ------
        StorageError
            If there is no room for it.
        """
        if self._step is None or self._result is not result:
            # What is overwritten goes with it.
            self._held = weakref.ref(result, self._on_gone)
            step = None if self._is_apart else resume_edits(result)
            self._step = step or label_layers.checkpoint(result)
        result.checkpoint = self._step
        try:
            yield
        finally:
            result.checkpoint = None
            if self._step.planes:
                result.previous = self._step
