"""Contrast words: what a class that is alone is compared with.

A class without a rival wins every pixel, however little it looks like it. With
contrast words it competes: they are the prompts of the background row, so that
the pixels they win are background, and the recipe names them.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from napari_naclip.engine.classes import (
    BACKGROUND_NAME,
    BACKGROUND_VALUE,
    ClassList,
    TextClass,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Common surroundings; written for this program, after no data set.
CONTRAST_WORDS: Final = (
    'background',
    'plain surface',
    'texture',
    'shadow',
    'sky',
    'wall',
    'floor',
    'ground',
    'road',
    'grass',
    'trees',
    'water',
)


def needs_contrast(classes: ClassList) -> bool:
    """Return whether one class competes with nothing.

    That is one class and no background row, or one that has neither prompts
    nor examples and is reached by the threshold only: a class that is alone
    has a probability of 1 everywhere, which no threshold is above.
    """
    return len(classes.competitors) == 1


def contrast_words(prompts: Iterable[str]) -> tuple[str, ...]:
    """Return the contrast words for a class with these prompts.

    Words that the class has itself, in singular or plural, are left out: they
    would take its own pixels.
    """
    taken = {stem for prompt in prompts for stem in _stems(prompt)}
    return tuple(
        word for word in CONTRAST_WORDS if taken.isdisjoint(_stems(word))
    )


def with_contrast(classes: ClassList) -> ClassList:
    """Return the list with contrast words, if its only class needs them.

    They become the prompts of the background row, which is made where there is
    none; a list in which something competes stays as it is.
    """
    if not needs_contrast(classes):
        return classes
    words = contrast_words(classes.competitors[0].prompts)
    row = classes.background
    if row is None:
        row = TextClass(BACKGROUND_NAME, words, BACKGROUND_VALUE)
    return ClassList(classes.classes, replace(row, prompts=words))


def describe_contrast(classes: ClassList) -> str:
    """Return a sentence on a list that ``with_contrast`` changed."""
    words = () if classes.background is None else classes.background.prompts
    return (
        f'{classes.classes[0].name!r} is the only class and is compared with '
        f'contrast words, whose pixels are background: {", ".join(words)}.'
    )


def _stems(text: str) -> set[str]:
    return {
        word.removesuffix('s') for word in re.findall(r'\w+', text.casefold())
    }
