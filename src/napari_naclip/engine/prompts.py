"""Text in, names and prompts out: the class grammar.

Pure strings; nothing here knows of a model.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from napari_naclip.engine.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

#: One entry (quoted or plain) and the separator that ends it.
_ENTRY = re.compile(
    r'[^\S\n]*(?:"(?P<quoted>(?:[^"]|"")*)"[^\S\n]*|(?P<plain>[^,;\n"]*))'
    r'(?P<end>[,;\n]|\Z)'
)


def parse_classes(text: str) -> list[list[str]]:
    """Return the classes that a text names, each as its list of prompts.

    Classes are separated by ``;`` or line breaks, the prompts of a class
    (synonyms) by ``,``. Double quotes keep a separator inside a prompt, and
    ``""`` inside quotes is a quotation mark. Blank lines and one separator
    at the end are ignored.

    Parameters
    ----------
    text : str
        For example ``'sky; tree, bush; water'``.

    Returns
    -------
    list of list of str
        The prompts of each class, outer white space removed, in reading
        order; at least one prompt in each.

    Raises
    ------
    InputError
        If there is no class, an empty class or prompt, or an open quote.

    Examples
    --------
    >>> parse_classes('sky; tree, bush; "salt, coarse"')
    [['sky'], ['tree', 'bush'], ['salt, coarse']]
    """
    text = text.replace('\r\n', '\n').replace('\r', '\n')
    classes: list[list[str]] = []
    prompts: list[str] = []
    position = 0
    while position < len(text):
        match = _ENTRY.match(text, position)
        if match is None:
            raise InputError(
                'The class list has a quotation mark that is never closed, '
                f'or text beside a quoted prompt: {text[position:][:40]!r}. '
                'Put the whole prompt in quotes, or remove the mark.'
            )
        position = match.end()
        quoted, end = match['quoted'], match['end']
        prompt = (
            match['plain'] if quoted is None else quoted.replace('""', '"')
        ).strip()
        is_last = position >= len(text) and end != ','
        is_blank = not prompt and quoted is None and not prompts
        if is_blank and (end == '\n' or is_last):
            if end == ';':
                _reject_empty(len(classes) + 1)
            continue
        if not prompt:
            _reject_empty(len(classes) + 1)
        prompts.append(prompt)
        if end == ',' and position >= len(text):
            _reject_empty(len(classes) + 1)
        if end != ',':
            classes.append(prompts)
            prompts = []
    if not classes:
        raise InputError(
            'There is no class to look for. Type at least one, for example: '
            'sky; tree, bush; water'
        )
    return classes


def parse_prompts(text: str) -> list[str]:
    """Return the prompts of one class, which a text names.

    Parameters
    ----------
    text : str
        Prompts separated by ``,``, or by what separates classes; nothing or
        white space for none.

    Returns
    -------
    list of str

    Raises
    ------
    InputError
        If there is an empty prompt or an open quote.
    """
    if not text.strip():
        return []
    return [prompt for prompts in parse_classes(text) for prompt in prompts]


def _reject_empty(number: int) -> None:
    raise InputError(
        f'Class {number} is empty or has an empty prompt. Remove the extra '
        'separator, or type a name there.'
    )


def format_classes(
    classes: Iterable[Iterable[str]], *, separator: str = '; '
) -> str:
    """Return the text that ``parse_classes`` reads as these classes.

    Parameters
    ----------
    classes : iterable of iterable of str
        The prompts of each class.
    separator : str
        What stands between two classes: ``'; '`` or a line break.
    """
    return separator.join(map(format_prompts, classes))


def format_prompts(prompts: Iterable[str]) -> str:
    """Return the text that ``parse_prompts`` reads as these prompts."""
    return ', '.join(map(_quote, prompts))


def _quote(prompt: str) -> str:
    if prompt == prompt.strip() and not re.search(r'[,;\n"]', prompt):
        return prompt
    return '"' + prompt.replace('"', '""') + '"'
