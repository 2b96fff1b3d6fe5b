"""The list that is shown, and every one before it: undo and redo.

No edit alters a list; each is a step from one ``ListState`` to the next on one
``QUndoStack``. Undo brings rows back, never a label value: ``next_value``
stays where it was.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from qtpy.QtCore import QObject, Signal
from qtpy.QtGui import QUndoCommand, QUndoStack

from napari_naclip.engine.class_state import ListState
from napari_naclip.engine.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_naclip.engine.class_rows import ClassDraft

#: Steps that can be undone.
_LIMIT: Final = 200


@dataclass(slots=True, eq=False, weakref_slot=True)
class _Snapshot:
    """A list at one time, and which numbering its label values are of."""

    state: ListState
    epoch: int


class _Edit(QUndoCommand):
    """One step; shows the list before or after it."""

    def __init__(
        self,
        history: ListHistory,
        before: _Snapshot,
        after: _Snapshot,
        text: str,
        margins: tuple[float, float] | None = None,
    ) -> None:
        super().__init__(text)
        self._history = history
        self._before = before
        self._after = after
        self._margins = margins

    def redo(self) -> None:
        """Show the list after the step; the stack calls it on push too."""
        self._history.show_snapshot(self._after, self._margins)

    def undo(self) -> None:
        """Show the list before the step."""
        margins = None if self._margins is None else self._margins[::-1]
        self._history.show_snapshot(self._before, margins)


class ListHistory(QObject):
    """Holds the class list and what it was.

    A list that replaces one which no run had is numbered from 1 again. Such
    numberings are told apart as epochs; as soon as a run has had one, those
    of the others are moved behind it, so that an undo cannot bring back a
    class with a label value that has been painted for another.

    Signals
    -------
    changed(ListState, ListState)
        The list before and now.
    """

    changed = Signal(object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.stack = QUndoStack(self)
        self.stack.setUndoLimit(_LIMIT)
        self._snapshots: WeakSet[_Snapshot] = WeakSet()
        self._now = self._take(ListState(), 0)
        self._state = self._now.state
        self._next_values = {0: self._state.next_value}
        self._newest_epoch = 0
        self._numbering = 0

    @property
    def state(self) -> ListState:
        """The list as it is."""
        return self._state

    @property
    def numbering(self) -> int:
        """Another number for every list that came in the place of all.

        As long as it is the same, so is the class of a label value that a
        run had.
        """
        return self._numbering

    def edit(self, state: ListState, text: str) -> None:
        """Make a list the one that is shown, as a step that can be undone.

        Parameters
        ----------
        state : ListState
            Made from the present one.
        text : str
            What the step does: ``'rename “sky”'``.
        """
        self._push(state, text, self._now.epoch)

    def replace_all(
        self,
        drafts: Iterable[ClassDraft],
        text: str,
        margin: float | None = None,
    ) -> None:
        """Put other classes in the place of all rows, as one step.

        Parameters
        ----------
        drafts : iterable of ClassDraft
        text : str
            What the step does.
        margin : float, optional
            Certainty that comes with them.

        Raises
        ------
        InputError
            If they are no list; nothing has changed then.
        """
        state = self._state.replace_all(drafts)
        epoch = self._now.epoch
        if not self._state.is_used:
            self._newest_epoch += 1
            epoch = self._newest_epoch
        self._push(state, text, epoch, margin)

    def reset(self, state: ListState) -> None:
        """Show another list and forget the steps that led to the old one."""
        before = self._state
        self.stack.clear()
        self._numbering += 1
        self._newest_epoch += 1
        self._next_values = {}
        self._now = self._take(state, self._newest_epoch)
        self._set(before, state)

    def restore(
        self, state: ListState, text: str, *, is_kept: bool = False
    ) -> None:
        """Show the list that a layer keeps.

        The one that was shown comes back by undo, unless it is kept
        elsewhere; all other steps are forgotten.
        """
        now, before = self._now, self._state
        self.reset(state)
        if before.rows and not is_kept:
            self._next_values[now.epoch] = before.next_value
            now.state = before
            self.stack.push(_Edit(self, now, self._now, text))

    def set_margin(self, margin: float) -> None:
        """Change the certainty, which is no step: its box has the old one."""
        self._set(self._state, replace(self._state, margin=margin))

    def mark_used(self) -> None:
        """Note that pixels may be painted with the label values from now on."""
        if self._state.is_used:
            return
        epoch = self._now.epoch
        next_value = self._next_values[epoch]
        try:
            for other, others_next in self._next_values.items():
                if other == epoch:
                    continue
                offset = next_value - 1
                for snapshot in self._snapshots:
                    if snapshot.epoch == other:
                        snapshot.state = snapshot.state.shifted(offset)
                        snapshot.epoch = epoch
                next_value += others_next - 1
        except InputError:
            # No room behind them: those lists are given up.
            self.stack.clear()
            next_value = self._next_values[epoch]
        self._next_values = {epoch: next_value}
        state = replace(self._state, is_used=True, next_value=next_value)
        self._set(self._state, state)

    def show_snapshot(
        self,
        snapshot: _Snapshot,
        margins: tuple[float, float] | None = None,
    ) -> None:
        """Show the rows of another time; for the steps alone.

        Of a step that changes the certainty too, from one margin to another,
        that change is left out where a person has set it otherwise since.
        """
        if self._state.is_used and not self._rebase(snapshot):
            return
        before, state = self._state, snapshot.state
        margin = before.margin
        if margins is not None and margin == margins[0]:
            margin = margins[1]
        self._now = snapshot
        given = self._next_values.get(snapshot.epoch, 1)
        self._set(
            before,
            replace(
                before,
                rows=state.rows,
                next_value=max(given, state.next_value),
                removed=before.removed_beside(state.rows),
                margin=margin,
            ),
        )

    def _rebase(self, snapshot: _Snapshot) -> bool:
        """Move a list of another numbering behind the one that is painted.

        Returns
        -------
        bool
            False if there are not enough label values for it.
        """
        epoch = self._now.epoch
        other = snapshot.epoch
        if other == epoch:
            return True
        offset = self._state.next_value - 1
        moved = [each for each in self._snapshots if each.epoch == other]
        try:
            states = [each.state.shifted(offset) for each in moved]
        except InputError:
            return False
        for each, state in zip(moved, states, strict=True):
            each.state, each.epoch = state, epoch
        self._next_values.pop(other, None)
        return True

    def _push(
        self,
        state: ListState,
        text: str,
        epoch: int,
        margin: float | None = None,
    ) -> None:
        margins = None
        if margin is not None and margin != self._state.margin:
            margins = self._state.margin, margin
        if state.rows == self._state.rows and margins is None:
            return
        after = self._take(state, epoch)
        self.stack.push(_Edit(self, self._now, after, text, margins))

    def _take(self, state: ListState, epoch: int) -> _Snapshot:
        snapshot = _Snapshot(state, epoch)
        self._snapshots.add(snapshot)
        return snapshot

    def _set(self, before: ListState, state: ListState) -> None:
        self._next_values[self._now.epoch] = state.next_value
        self._state = state
        if state != before:
            self.changed.emit(before, state)


def result_of(state: ListState) -> object:
    """Return what decides the next result."""
    on = [
        (row.value, row.prompts, row.teaching)
        for row in state.rows
        if row.is_on
    ]
    return on, state.margin if state.has_background else 0.0


def looks_of(state: ListState) -> object:
    """Return names and colors by label value."""
    return {row.value: (row.name, row.color) for row in state.rows}
