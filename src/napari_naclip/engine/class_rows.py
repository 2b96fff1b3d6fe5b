"""The rows of the class table, and what may become one.

Here is what one row may hold; ``class_state`` has the list.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from napari_naclip.engine.classes import (
    BACKGROUND_NAME,
    BACKGROUND_VALUE,
    MAX_VALUE,
    TextClass,
    name_key,
)
from napari_naclip.engine.errors import InputError
from napari_naclip.engine.prompts import parse_classes
from napari_naclip.engine.taught import UNTAUGHT, Teaching, read_teaching

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Control characters and the byte order mark: no part of a word.
_CONTROLS: Final = re.compile(r'[\x00-\x1f\x7f-\x9f\ufeff]+')
_SURROGATES: Final = re.compile('[\ud800-\udfff]')


def clean_text(text: str) -> str:
    """Return a name or prompt on one line, single spaces between its words.

    The model's tokenizer takes white space the same way.

    Raises
    ------
    InputError
        If half a character is in it, which no file could hold.
    """
    if _SURROGATES.search(text):
        raise InputError(
            f'{_SURROGATES.sub("?", text)!r} holds half a character. Type it '
            'again.'
        )
    return ' '.join(_CONTROLS.sub(' ', text).split())


@dataclass(frozen=True, slots=True)
class ClassDraft:
    """A class that has no place in a list yet.

    Attributes
    ----------
    name : str
    prompts : tuple of str
    color : str
        ``#rrggbb``, or nothing for a free one.
    value : int or None
        Label value that it should have; 0 makes it the background row. None:
        the next one.
    is_on, is_locked : bool
    teaching : Teaching
    """

    name: str
    prompts: tuple[str, ...]
    color: str = ''
    value: int | None = None
    is_on: bool = True
    is_locked: bool = False
    teaching: Teaching = UNTAUGHT

    def __post_init__(self) -> None:
        if self.value is not None and not 0 <= self.value <= MAX_VALUE:
            raise InputError(
                f'Class {self.name!r} has the label value {self.value}; '
                f'values go from 0 to {MAX_VALUE}.'
            )


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One row of the class table.

    Attributes
    ----------
    value : int
        Label value, 0 for the background row.
    name : str
        Free text for people.
    prompts : tuple of str
        What the model reads. Empty only for the background row, or for a
        class that was taught by examples.
    color : str
        ``#rrggbb``, small letters; by default the value's.
    is_on : bool
        Whether the class takes part in the next run.
    is_locked : bool
        Whether its pixels may not be changed.
    teaching : Teaching
        Examples of the class, and how much they count.
    """

    value: int
    name: str
    prompts: tuple[str, ...]
    color: str = ''
    is_on: bool = True
    is_locked: bool = False
    teaching: Teaching = UNTAUGHT

    def __post_init__(self) -> None:
        prompts = tuple(clean_text(prompt) for prompt in self.prompts)
        row = TextClass(
            clean_text(self.name),
            prompts,
            self.value,
            self.color,
            self.teaching,
        )
        object.__setattr__(self, 'name', row.name)
        object.__setattr__(self, 'prompts', row.prompts)
        object.__setattr__(self, 'color', row.color.lower())

    @property
    def is_background(self) -> bool:
        """Whether this is the background row."""
        return self.value == BACKGROUND_VALUE

    def to_class(self) -> TextClass:
        """Return what the engine takes."""
        return TextClass(
            self.name, self.prompts, self.value, self.color, self.teaching
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the row as plain data."""
        data = {
            'value': self.value,
            'name': self.name,
            'prompts': list(self.prompts),
            'color': self.color,
            'on': self.is_on,
            'locked': self.is_locked,
        }
        if self.teaching:
            data['taught'] = self.teaching.to_dict()
        return data


def count_queries(rows: Iterable[ClassRow]) -> int:
    """Return how many queries the rows that are on compete with."""
    return sum(
        max(len(row.prompts), 1 if row.teaching else 0)
        for row in rows
        if row.is_on
    )


def read_draft(data: object) -> ClassDraft:
    """Return the class that plain data, as of ``ClassRow.to_dict``, describe.

    Only the name, or prompts, must be there.

    Raises
    ------
    InputError
        If something else is in it.
    """
    if not isinstance(data, dict):
        raise InputError(f'{data!r:.40} is no class. Write its name and more.')
    name, prompts = data.get('name', ''), data.get('prompts')
    value, color = data.get('value'), data.get('color', '')
    is_on, is_locked = data.get('on', True), data.get('locked', False)
    if not isinstance(name, str):
        raise InputError(f'The name {name!r:.40} of a class is no text.')
    if prompts is None:
        prompts = [name] if name.strip() else []
    if not (
        isinstance(prompts, list)
        and all(isinstance(prompt, str) for prompt in prompts)
    ):
        raise InputError(
            f'The prompts of class {name!r} are no list of texts.'
        )
    if value is not None and (
        not isinstance(value, int) or isinstance(value, bool)
    ):
        raise InputError(
            f'The label value {value!r:.40} of class {name!r} is no whole '
            'number.'
        )
    if not isinstance(color, str):
        raise InputError(
            f'The color {color!r:.40} of class {name!r} is not of the form '
            '#rrggbb.'
        )
    if not (isinstance(is_on, bool) and isinstance(is_locked, bool)):
        raise InputError(
            f"'on' and 'locked' of class {name!r} are true or false."
        )
    name = name if name.strip() or not prompts else prompts[0]
    teaching = read_teaching(data.get('taught'), name)
    return ClassDraft(
        name, tuple(prompts), color, value, is_on, is_locked, teaching
    )


def read_class_text(text: str) -> tuple[ClassDraft, ...]:
    """Return the classes that a text names; see ``parse_classes``.

    A first entry named ``background`` becomes the background row.

    Raises
    ------
    InputError
        If the text cannot be read.
    """
    entries = parse_classes(text)
    return tuple(
        ClassDraft(
            prompts[0],
            tuple(prompts),
            value=_value_of_entry(index, prompts[0]),
        )
        for index, prompts in enumerate(entries)
    )


def _value_of_entry(index: int, name: str) -> int | None:
    is_background = index == 0 and name_key(name) == BACKGROUND_NAME
    return BACKGROUND_VALUE if is_background else None


def make_row(draft: ClassDraft, value: int, color: str) -> ClassRow:
    """Return a draft as a row; `color` is for one that names none."""
    fields = {
        field.name: getattr(draft, field.name)
        for field in dataclasses.fields(draft)
    }
    return ClassRow(
        **{**fields, 'value': value, 'color': draft.color or color}
    )
