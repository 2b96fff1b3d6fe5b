"""The class table without a window: rows, label values, and how both change.

A ``ListState`` is never altered; each change gives a new one, so that a
widget can keep old ones for its undo. It is stored with a result and from one
start of the program to the next.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from napari_naclip.engine.class_rows import (
    ClassRow,
    make_row,
    read_class_text,
    read_draft,
)
from napari_naclip.engine.classes import (
    BACKGROUND_NAME,
    BACKGROUND_VALUE,
    MAX_VALUE,
    ClassList,
    name_key,
)
from napari_naclip.engine.colors import next_color
from napari_naclip.engine.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from napari_naclip.engine.class_rows import ClassDraft

#: Largest margin of cosines that can be set; CLIP's margins are far smaller.
MAX_MARGIN: Final = 0.2
#: Version of what ``ListState.to_dict`` gives.
_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class ListState:
    """The class table: its rows and what decides the next label value.

    Attributes
    ----------
    rows : tuple of ClassRow
        The background row first where there is one; different names and
        label values.
    next_value : int
        The label value of the next class. It never falls: a value that was
        given once is not given again.
    margin : float
        Certainty, a difference of cosines from 0 to 0.2.
    is_used : bool
        Whether a run had these values, so that pixels may be painted with
        them. Only where none had can a list that replaces this one begin
        with 1 again.
    removed : tuple of ClassRow
        Rows that were removed after a run had them: a class that is added
        again gets the label value and the color that its pixels have.
    """

    rows: tuple[ClassRow, ...] = ()
    next_value: int = 1
    margin: float = 0.0
    is_used: bool = False
    removed: tuple[ClassRow, ...] = ()

    def __post_init__(self) -> None:
        values = [row.value for row in self.rows]
        if len(set(values)) < len(values):
            raise InputError('Two classes have the same label value.')
        if BACKGROUND_VALUE in values[1:]:
            raise InputError('The background row is not the first one.')
        seen: set[str] = set()
        for row in self.rows:
            key = name_key(row.name)
            if key in seen:
                raise InputError(
                    f'The class {row.name!r} is there twice. Rename or '
                    'remove one; synonyms of one class are separated by '
                    'commas.'
                )
            seen.add(key)
        if not max(values, default=0) < self.next_value <= MAX_VALUE + 1:
            raise InputError(
                f'The next label value is {self.next_value}, but the '
                f'largest in use {max(values, default=0)}, of at most '
                f'{MAX_VALUE}.'
            )
        if not 0 <= self.margin <= MAX_MARGIN:
            raise InputError(
                f'The certainty is {self.margin}; it goes from 0 to '
                f'{MAX_MARGIN}.'
            )

    @classmethod
    def from_text(cls, text: str) -> ListState:
        """Return the list that a text describes, values from 1."""
        return cls.from_drafts(read_class_text(text))

    @classmethod
    def from_drafts(cls, drafts: Iterable[ClassDraft]) -> ListState:
        """Return a list of classes, with the values they name, or from 1."""
        return cls().replace_all(drafts)

    @property
    def background(self) -> ClassRow | None:
        """The background row, on or off."""
        first = self.rows[:1]
        return first[0] if first and first[0].is_background else None

    @property
    def has_background(self) -> bool:
        """Whether there is a background row that is on."""
        return self.background is not None and self.background.is_on

    @property
    def locked_values(self) -> frozenset[int]:
        """Label values of the rows that are locked, off ones too."""
        return frozenset(row.value for row in self.rows if row.is_locked)

    def find(self, value: int) -> ClassRow | None:
        """Return the row of a label value."""
        return next((row for row in self.rows if row.value == value), None)

    def class_list(self) -> ClassList:
        """Return the rows that are on, for the engine.

        Raises
        ------
        InputError
            If no class is on.
        """
        on = [row for row in self.rows if row.is_on]
        if self.rows and not any(not row.is_background for row in on):
            raise InputError(
                'There is no class to look for: none besides the background '
                'is on. Turn one on, or add one.'
            )
        return ClassList(
            tuple(row.to_class() for row in on if not row.is_background),
            next((row.to_class() for row in on if row.is_background), None),
        )

    def with_row(self, value: int, **changes: Any) -> ListState:
        """Return the list with another name, color, ... in one row.

        Parameters
        ----------
        value : int
            Label value of the row; without such a row nothing changes.
        **changes
            Fields of ``ClassRow``.

        Raises
        ------
        InputError
            If the row could not be so, or its name is there already.
        """
        return self.with_rows((value,), **changes)

    def with_rows(self, values: Collection[int], **changes: Any) -> ListState:
        """Return the list with the same change in several rows."""
        return replace(
            self,
            rows=tuple(
                replace(row, **changes) if row.value in values else row
                for row in self.rows
            ),
        )

    def with_background(self, *, is_on: bool) -> ListState:
        """Return the list with the background row on or off.

        A row that is not there is added without prompts.
        """
        if self.background is not None:
            return self.with_row(BACKGROUND_VALUE, is_on=is_on)
        if not is_on:
            return self
        row = ClassRow(BACKGROUND_VALUE, BACKGROUND_NAME, ())
        return replace(self, rows=(row, *self.rows))

    def without(self, values: Collection[int]) -> ListState:
        """Return the list without some rows; the background row stays."""
        kept = tuple(
            row
            for row in self.rows
            if row.is_background or row.value not in values
        )
        return replace(self, rows=kept, removed=self.removed_beside(kept))

    def removed_beside(self, kept: Iterable[ClassRow]) -> tuple[ClassRow, ...]:
        """Return the rows that a list of these rows has lost since a run."""
        if not self.is_used:
            return ()
        names = {name_key(row.name) for row in kept}
        values = {row.value for row in kept}
        lost: dict[str, ClassRow] = {}
        for row in (*self.removed, *self.rows):
            key = name_key(row.name)
            if key not in names and row.value not in values:
                lost[key] = row
        lost.pop(BACKGROUND_NAME, None)
        return tuple(lost.values())

    def moved(self, values: Collection[int], position: int) -> ListState:
        """Return the list with some rows put together at another place.

        Parameters
        ----------
        values : collection of int
            Label values of the rows, which keep their order. The background
            row is always the first and does not move.
        position : int
            Index into ``rows`` before which they come; ``len(rows)`` for the
            end.
        """
        values = set(values) - {BACKGROUND_VALUE}
        position = max(position, 1 if self.background is not None else 0)
        taken = [row for row in self.rows if row.value in values]
        before = [r for r in self.rows[:position] if r.value not in values]
        after = [r for r in self.rows[position:] if r.value not in values]
        return replace(self, rows=(*before, *taken, *after))

    def add(self, drafts: Iterable[ClassDraft]) -> ListState:
        """Return the list with more classes at its end.

        Each gets a new label value, unless a run had one of that name.

        Raises
        ------
        InputError
            If a class cannot be used or a name is in the list already.
        """
        names = {name_key(row.name) for row in self.rows}
        drafts = tuple(drafts)
        for draft in drafts:
            is_second = (
                draft.value == BACKGROUND_VALUE and self.background is not None
            )
            if is_second or name_key(draft.name) in names:
                raise InputError(
                    f'{draft.name!r} is in the list already. Give it another '
                    'name, or leave it out.'
                )
        rows, next_value = list(self.rows), self.next_value
        removed = {name_key(row.name): row for row in self.removed}
        for draft in drafts:
            if draft.value == BACKGROUND_VALUE:
                rows.insert(0, make_row(draft, BACKGROUND_VALUE, ''))
                continue
            old = removed.get(name_key(draft.name))
            if old is not None:
                rows.append(make_row(draft, old.value, old.color))
                continue
            _check_room(next_value)
            color = next_color(next_value, (row.color for row in rows))
            rows.append(make_row(draft, next_value, color))
            next_value += 1
        return replace(
            self,
            rows=tuple(rows),
            next_value=next_value,
            removed=self.removed_beside(rows),
        )

    def replace_all(self, drafts: Iterable[ClassDraft]) -> ListState:
        """Return a list of other classes in the place of this one.

        Where no run had the values of this list, each class gets the value it
        names, or one from 1 on. Where one had, the values go on: a class whose
        name is here keeps its value and color, and a value that is taken is
        given to nobody else.

        Raises
        ------
        InputError
            If a class cannot be used or a name is there twice.
        """
        drafts = tuple(drafts)
        known = {}
        if self.is_used:
            known = {
                name_key(row.name): row for row in (*self.removed, *self.rows)
            }
        free_from = self.next_value if self.is_used else 1
        values: list[int | None] = []
        for draft in drafts:
            old = known.get(name_key(draft.name))
            if draft.value == BACKGROUND_VALUE:
                values.append(BACKGROUND_VALUE)
            elif old is not None and not old.is_background:
                values.append(old.value)
            elif draft.value is not None and draft.value >= free_from:
                values.append(draft.value)
            else:
                values.append(None)
        used = [value for value in values if value is not None]
        next_value = max(free_from, max(used, default=0) + 1)
        if not used or max(used) == BACKGROUND_VALUE:
            next_value = free_from
        rows: list[ClassRow] = []
        for draft, given in zip(drafts, values, strict=True):
            value = given
            if value is None:
                _check_room(next_value)
                value, next_value = next_value, next_value + 1
            old = known.get(name_key(draft.name))
            color = next_color(max(value, 1), (row.color for row in rows))
            if value == BACKGROUND_VALUE:
                rows.insert(0, make_row(draft, value, ''))
            elif old is not None and old.value == value:
                rows.append(make_row(draft, value, old.color))
            else:
                rows.append(make_row(draft, value, color))
        return replace(
            self,
            rows=tuple(rows),
            next_value=next_value,
            removed=self.removed_beside(rows),
        )

    def shifted(self, offset: int) -> ListState:
        """Return the list with higher label values, as if given later."""
        rows = tuple(
            row
            if row.is_background
            else replace(row, value=row.value + offset)
            for row in self.rows
        )
        return replace(self, rows=rows, next_value=self.next_value + offset)

    def to_dict(self) -> dict[str, Any]:
        """Return the list as plain data for files and metadata."""
        return {
            'version': _VERSION,
            'rows': [row.to_dict() for row in self.rows],
            'next_value': self.next_value,
            'margin': self.margin,
            'used': self.is_used,
            'removed': [row.to_dict() for row in self.removed],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ListState:
        """Return the list that ``to_dict`` gave.

        Raises
        ------
        InputError
            If the data are anything else.
        """
        if not isinstance(data, dict) or data.get('version') != _VERSION:
            raise InputError(
                'These are no data of a class list, or those of a newer '
                'version of napari-naclip. Update it, or type the list.'
            )
        rows, next_value = data.get('rows'), data.get('next_value')
        margin, is_used = data.get('margin', 0.0), data.get('used', False)
        if not isinstance(rows, list) or not isinstance(is_used, bool):
            raise InputError('The data of a class list hold no rows.')
        if not isinstance(next_value, int) or isinstance(next_value, bool):
            raise InputError('The data of a class list hold no next value.')
        if (
            not isinstance(margin, int | float)
            or isinstance(margin, bool)
            or not math.isfinite(margin)
        ):
            raise InputError('The data of a class list hold no certainty.')
        removed = data.get('removed', [])
        if not isinstance(removed, list):
            raise InputError('The data of a class list are cut.')
        return cls(
            _read_rows(rows),
            next_value,
            float(margin),
            is_used,
            _read_rows(removed),
        )


def _read_rows(data: list[Any]) -> tuple[ClassRow, ...]:
    made = []
    for draft in map(read_draft, data):
        if draft.value is None:
            raise InputError(f'Class {draft.name!r} has no label value.')
        made.append(make_row(draft, draft.value, ''))
    return tuple(made)


def _check_room(value: int) -> None:
    if value > MAX_VALUE:
        raise InputError(
            f'There is no label value left: {MAX_VALUE} have been given. '
            'Start a new list.'
        )
