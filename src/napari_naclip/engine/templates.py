"""Prompt templates: the sentences around a prompt, as text and checked.

Pure strings; the sets that ship with the package are read by ``io``.
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Final

from napari_naclip.engine.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Where the prompt goes in a template.
SLOT: Final = '{}'
#: Templates of a set, at most; each is encoded for each prompt.
MAX_TEMPLATES: Final = 1000
#: Characters of a template, at most: models read far fewer.
MAX_LENGTH: Final = 1000
#: What begins a line that is no template.
_COMMENT: Final = '#'
#: Characters of a line that an error shows, and lines that it names.
_SHOWN, _NAMED = 40, 3


def template_problem(template: str) -> str:
    """Return what is wrong with a template, '' if nothing is."""
    if template.count(SLOT) != 1:
        return (
            f'The template {_shorten(template)!r} needs {SLOT} exactly once, '
            'where the prompt goes.'
        )
    if len(template) > MAX_LENGTH:
        return (
            f'The template {_shorten(template)!r} has {len(template)} '
            f'characters, but may have {MAX_LENGTH}. Shorten it.'
        )
    return ''


def parse_templates(text: str) -> tuple[str, ...]:
    r"""Return the templates that a text holds, one a line.

    Blank lines and lines that begin with ``#`` are left out, and outer white
    space with them.

    Parameters
    ----------
    text : str
        For example ``'a photo of a {}.\na sketch of a {}.'``.

    Returns
    -------
    tuple of str
        At least one, each once, with one ``{}``.

    Raises
    ------
    InputError
        If there is no template, or a line is none or is there twice; the
        lines are named by number.

    Examples
    --------
    >>> parse_templates('# mine\na photo of a {}.\n\n{}\n')
    ('a photo of a {}.', '{}')
    """
    places: dict[str, int] = {}
    problems: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        template = ' '.join(line.split())
        if not template or template.startswith(_COMMENT):
            continue
        problem = template_problem(template)
        if not problem and template in places:
            problem = (
                f'The template {_shorten(template)!r} stands in line '
                f'{places[template]} already. Remove one.'
            )
        if problem:
            problems.append(f'Line {number}: {problem}')
        places.setdefault(template, number)
    if len(problems) > _NAMED:
        more = len(problems) - _NAMED
        lines = 'line is' if more == 1 else 'lines are'
        problems[_NAMED:] = [f'{more} more {lines} wrong.']
    if problems:
        raise InputError(' '.join(problems))
    if not places:
        raise InputError(
            f"There is no prompt template. Use '{SLOT}' for the bare prompt."
        )
    if len(places) > MAX_TEMPLATES:
        raise InputError(
            f'There are {len(places)} templates, but {MAX_TEMPLATES} at most '
            'can be used, since each is encoded for each prompt. Remove some.'
        )
    return tuple(places)


def format_templates(templates: Iterable[str]) -> str:
    """Return the text that ``parse_templates`` reads as these templates."""
    return ''.join(f'{template}\n' for template in templates)


def _shorten(text: str) -> str:
    return text if len(text) <= _SHOWN else f'{text[:_SHOWN]}…'


def read_set_text(key: str) -> str:
    """Return the text of a set of the package; its first lines describe it."""
    folder = resources.files('napari_naclip.data') / 'templates'
    return (folder / f'{key}.txt').read_text(encoding='utf-8')


#: The 80 templates of CLIP's ImageNet evaluation, which the paper uses.
IMAGENET_TEMPLATES: Final = parse_templates(read_set_text('imagenet'))
