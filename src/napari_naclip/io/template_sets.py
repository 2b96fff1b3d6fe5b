"""Template sets: those that ship with the package, and the person's own.

The files in ``napari_naclip/data/templates`` have one template a line; lines
that begin with ``#`` say what the set is and where it is from. The person's
own set is kept in the configuration folder.
"""

from __future__ import annotations

import functools
import json
import logging
import os
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Final

from napari_naclip.engine.errors import InputError, StorageError
from napari_naclip.engine.templates import (
    format_templates,
    parse_templates,
    read_set_text,
)
from napari_naclip.io.last_list import config_folder, write_settings

#: The set that ``Settings(templates=None)`` means.
DEFAULT_KEY: Final = 'imagenet'
#: What the person's own set is asked for by.
OWN_KEY: Final = 'own'
#: Sets for anything, in the order in which they are offered; then the others.
_GENERAL: Final = (DEFAULT_KEY, 'fast', 'plain')

_SUFFIX: Final = '.txt'
_OWN_FILE: Final = 'templates.json'
_VERSION: Final = 1
#: Bytes of a file of templates, at most; more is a mistake.
_MOST_BYTES: Final = 1_000_000

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TemplateSet:
    """Prompt templates that ship with the package.

    Attributes
    ----------
    key : str
        What it is asked for by.
    title, description, source, license : str
        For people.
    templates : tuple of str
        With one ``{}`` each.
    """

    key: str
    title: str
    description: str
    source: str
    license: str
    templates: tuple[str, ...] = field(repr=False)

    @property
    def setting(self) -> tuple[str, ...] | None:
        """What ``Settings.templates`` is with it: None for the default."""
        return None if self.key == DEFAULT_KEY else self.templates


@functools.cache
def list_template_sets() -> tuple[TemplateSet, ...]:
    """Return all sets: the 80, those for anything, then fields by title."""
    folder = resources.files('napari_naclip.data') / 'templates'
    keys = [
        file.name.removesuffix(_SUFFIX)
        for file in folder.iterdir()
        if file.name.endswith(_SUFFIX)
    ]
    general = [_read_set(key) for key in _GENERAL]
    fields = [_read_set(key) for key in keys if key not in _GENERAL]
    return (*general, *sorted(fields, key=lambda each: each.title))


def load_template_set(key: str) -> TemplateSet:
    """Return a set by its key.

    Raises
    ------
    InputError
        If there is none of that name.
    """
    found = {each.key: each for each in list_template_sets()}
    if key not in found:
        raise InputError(
            f'There is no template set {key!r}. Choose one of '
            f'{", ".join(found)}.'
        )
    return found[key]


def find_templates(name: str) -> tuple[str, ...] | None:
    """Return what ``Settings.templates`` is for a name or a file.

    Parameters
    ----------
    name : str
        Key of a set, ``'own'`` for the person's own, or the path of a text
        file with one template a line. A set goes before a file of its name.

    Raises
    ------
    InputError
        If it is neither, or the file holds something else.
    StorageError
        If the file cannot be read.
    """
    sets = {each.key: each for each in list_template_sets()}
    if name in sets:
        return sets[name].setting
    if name == OWN_KEY:
        own = load_own_templates()
        if own is None:
            raise InputError(
                'There are no templates of your own on this machine. Write '
                'them in the panel in napari, or name a file.'
            )
        return own
    path = Path(name)
    if not os.path.lexists(path):
        raise InputError(
            f'{name!r} is neither a template set nor a file. Choose one of '
            f'{", ".join((*sets, OWN_KEY))}, or a text file with one template '
            'a line.'
        )
    return read_templates(path)


def read_templates(path: Path) -> tuple[str, ...]:
    """Return the templates of a text file in UTF-8, one a line.

    Raises
    ------
    InputError
        If it holds something else.
    StorageError
        If it cannot be read.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(
                f'{path} is too large for a file of templates. Check the name.'
            )
        text = path.read_text(encoding='utf-8-sig')
    except OSError as error:
        raise StorageError(
            f'The templates in {path} cannot be read: '
            f'{error.strerror or error}. Check the name.'
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(
            f'{path} is no text in UTF-8, which a file of templates must be. '
            'Save it again as plain text.'
        ) from error
    try:
        return parse_templates(text)
    except InputError as error:
        raise InputError(f'{path}: {error}') from error


def save_own_templates(templates: tuple[str, ...]) -> None:
    """Keep the person's own set, whole or not at all.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    content = {'version': _VERSION, 'templates': list(templates)}
    write_settings(_OWN_FILE, content)


def load_own_templates() -> tuple[str, ...] | None:
    """Return the person's own set; None where there is none.

    A file that cannot be understood counts as none; that is logged, and it
    stays until another set is kept.
    """
    path = config_folder() / _OWN_FILE
    try:
        data = json.loads(path.read_text(encoding='utf-8'))
        if not isinstance(data, dict) or data.get('version') != _VERSION:
            raise InputError('They are those of another version.')
        lines = data.get('templates')
        if not isinstance(lines, list) or not all(
            isinstance(line, str) for line in lines
        ):
            raise InputError('The file holds no templates.')
        return parse_templates(format_templates(lines))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        _logger.warning(
            'Your own templates in %s cannot be read: %s', path, error
        )
        return None


def _read_set(key: str) -> TemplateSet:
    text = read_set_text(key)
    about = dict(
        line.removeprefix('# ').split(': ', 1)
        for line in text.splitlines()
        if line.startswith('# ')
    )
    return TemplateSet(
        key=key,
        title=about['title'],
        description=about['description'],
        source=about['source'],
        license=about['license'],
        templates=parse_templates(text),
    )
