"""The classes that a person looks for: names, prompts, label values, colors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_naclip.engine.colors import class_color, is_hex_color
from napari_naclip.engine.errors import InputError
from napari_naclip.engine.prompts import format_classes, parse_classes
from napari_naclip.engine.taught import UNTAUGHT, Teaching

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

#: Name that makes the first entry of a class text the background row.
BACKGROUND_NAME: Final = 'background'
#: Label value of the background row.
BACKGROUND_VALUE: Final = 0
#: Largest label value that 16 bits hold.
MAX_VALUE: Final = 65535


@dataclass(frozen=True, slots=True)
class TextClass:
    """One class: what the person calls it and what the model reads.

    Attributes
    ----------
    name : str
        Free text for people.
    prompts : tuple of str
        Phrases for the model, each a query of its own; the best one counts.
        Empty only for a background row that is reached by the threshold, or
        for a class that was taught by examples.
    value : int
        Label value: 0 for the background row, else 1 to 65535.
    color : str
        ``#rrggbb``; by default the value's color in the cycle.
    teaching : Teaching
        Examples that move it away from its prompts; by default none.
    """

    name: str
    prompts: tuple[str, ...]
    value: int
    color: str = ''
    teaching: Teaching = UNTAUGHT

    def __post_init__(self) -> None:
        object.__setattr__(self, 'name', self.name.strip())
        if not self.name:
            raise InputError(
                f'Class {self.value} has no name. Type one, or remove it.'
            )
        if not BACKGROUND_VALUE <= self.value <= MAX_VALUE:
            raise InputError(
                f'Class {self.name!r} has the label value {self.value}; '
                f'values go from 1 to {MAX_VALUE}.'
            )
        if not (
            self.prompts or self.teaching or self.value == BACKGROUND_VALUE
        ):
            raise InputError(
                f'Class {self.name!r} has no prompt. Type what the model '
                'should look for, or teach it by examples.'
            )
        if any(not prompt.strip() for prompt in self.prompts):
            raise InputError(
                f'Class {self.name!r} has an empty prompt. Remove it, or '
                'type a phrase.'
            )
        repeated = _first_repeated(self.prompts)
        if repeated is not None:
            raise InputError(
                f'Class {self.name!r} has the prompt {repeated!r} twice. '
                'Remove one of them.'
            )
        if not self.color:
            object.__setattr__(self, 'color', _default_color(self.value))
        if not is_hex_color(self.color):
            raise InputError(
                f'{self.color!r} is not a color of the form #rrggbb, which '
                f'class {self.name!r} needs.'
            )

    @property
    def is_taught(self) -> bool:
        """Whether examples count; without a prompt they do at any weight."""
        return bool(self.teaching) and (
            self.teaching.weight > 0 or not self.prompts
        )


def _default_color(value: int) -> str:
    return '#000000' if value == BACKGROUND_VALUE else class_color(value)


def name_key(text: str) -> str:
    """Return what two names, or prompts, have in common if they are one."""
    return ' '.join(text.casefold().split())


def _first_repeated(texts: Iterable[str]) -> str | None:
    seen: set[str] = set()
    for text in texts:
        key = name_key(text)
        if key in seen:
            return text
        seen.add(key)
    return None


@dataclass(frozen=True, slots=True)
class ClassList:
    """The classes that compete for every pixel.

    Attributes
    ----------
    classes : tuple of TextClass
        At least one, with different names and label values of 1 or more.
    background : TextClass or None
        The background row (value 0). With prompts it competes like a class;
        with or without them it takes the pixels below the threshold. None:
        every pixel gets one of the classes.
    """

    classes: tuple[TextClass, ...]
    background: TextClass | None = None

    def __post_init__(self) -> None:
        if not self.classes:
            raise InputError(
                'There is no class to look for. Type at least one besides '
                'the background, for example: sky; tree, bush; water'
            )
        if self.background is not None and self.background.value != 0:
            raise InputError('The background row has the label value 0.')
        if any(each.value == BACKGROUND_VALUE for each in self.classes):
            raise InputError('The label value 0 is kept for the background.')
        repeated = _first_repeated(each.name for each in self.rows)
        if repeated is not None:
            raise InputError(
                f'The class {repeated!r} is there twice. Rename or remove '
                'one; synonyms of one class are separated by commas.'
            )
        values = [each.value for each in self.classes]
        if len(set(values)) < len(values):
            raise InputError('Two classes have the same label value.')

    @classmethod
    def from_text(
        cls, text: str, *, background: str | None = None
    ) -> ClassList:
        """Return the class list that a text describes.

        Parameters
        ----------
        text : str
            Classes separated by ``;`` or line breaks, synonyms by ``,``; see
            ``parse_classes``. A first entry named ``background`` becomes the
            background row.
        background : str, optional
            Prompts of a background row, separated by commas; ``''`` for one
            that only takes the pixels below the threshold.
        """
        return cls.from_prompts(parse_classes(text), background=background)

    @classmethod
    def from_prompts(
        cls,
        prompts: Iterable[Iterable[str]],
        *,
        background: str | None = None,
    ) -> ClassList:
        """Return a class list with each class's first prompt as its name."""
        rows = [tuple(each) for each in prompts]
        if any(not row for row in rows):
            raise InputError('A class has no prompt.')
        row = None
        if background is not None:
            words: tuple[str, ...] = ()
            if background.strip():
                words = tuple(
                    prompt
                    for entry in parse_classes(background)
                    for prompt in entry
                )
            row = TextClass(BACKGROUND_NAME, words, BACKGROUND_VALUE)
        if rows and rows[0][0].strip().casefold() == BACKGROUND_NAME:
            if row is not None:
                raise InputError(
                    'The background is given twice: as the first class and '
                    'on its own. Remove one of them.'
                )
            row = TextClass(BACKGROUND_NAME, rows.pop(0), BACKGROUND_VALUE)
        classes = tuple(
            TextClass(row_[0], row_, value)
            for value, row_ in enumerate(rows, start=1)
        )
        return cls(classes, row)

    @property
    def rows(self) -> tuple[TextClass, ...]:
        """All rows, the background first where there is one."""
        if self.background is None:
            return self.classes
        return (self.background, *self.classes)

    @property
    def competitors(self) -> tuple[TextClass, ...]:
        """The rows with prompts or examples, in the order of ``rows``."""
        return tuple(row for row in self.rows if row.prompts or row.teaching)

    @property
    def queries(self) -> tuple[str, ...]:
        """All prompts, in the order of ``competitors``."""
        return tuple(p for row in self.competitors for p in row.prompts)

    @property
    def query_owners(self) -> npt.NDArray[np.intp]:
        """Index into ``competitors`` of each query, (Q,), not decreasing.

        A class without prompts has one query, from its examples.
        """
        counts = [max(len(row.prompts), 1) for row in self.competitors]
        return np.repeat(np.arange(len(counts)), counts)

    @property
    def label_dtype(self) -> np.dtype[np.uint8] | np.dtype[np.uint16]:
        """The smallest dtype with room for one more value than is used."""
        largest = max(each.value for each in self.classes)
        return np.dtype(np.uint8) if largest < 255 else np.dtype(np.uint16)

    def to_text(self) -> str:
        """Return the class text, which holds prompts and nothing else."""
        return format_classes(
            [list(row.prompts) for row in self.rows if row.prompts]
        )

    def to_dict(self) -> list[dict[str, Any]]:
        """Return the rows as plain data for recipes and files."""
        return [
            {
                'value': row.value,
                'name': row.name,
                'prompts': list(row.prompts),
                'color': row.color,
                **({'taught': row.teaching.to_dict()} if row.teaching else {}),
            }
            for row in self.rows
        ]
