"""Names of models that are typed: any tag, any repository, any folder."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any, Final

from napari_naclip.engine.architectures import (
    architecture_names,
    image_size,
    model_config,
)
from napari_naclip.engine.entry import CONFIG_FILE, RegistryEntry
from napari_naclip.engine.errors import ModelError
from napari_naclip.engine.hub import find_cached

#: How a name starts that is a repository on the hub.
HUB_PREFIX: Final = 'hf-hub:'
#: How a name starts that is a folder on this machine.
FOLDER_PREFIX: Final = 'local-dir:'
#: What can be typed, for people.
FORMS: Final = 'ARCHITECTURE/TAG, hf-hub:ORGANIZATION/NAME or local-dir:FOLDER'
#: Side of the window in pixels, where nothing says another.
_USUAL_SIZE: Final = 224
#: Two names as the hub allows them, with a slash between them.
_REPOSITORY: Final = re.compile(
    r'(?!.*(?:--|\.\.|\.git$))\w(?:[\w.-]{0,94}\w)?/\w(?:[\w.-]{0,94}\w)?',
    re.ASCII,
)
#: Largest configuration that is read; more is no configuration.
_MOST_BYTES: Final = 1_000_000


def read_typed(name: str) -> RegistryEntry | None:
    """Return the entry of a name that is no registered one; None: no form fits.

    Looks at files only, and asks nobody.

    Parameters
    ----------
    name : str
        ``arch/tag``, ``hf-hub:org/name`` or ``local-dir:PATH``.

    Raises
    ------
    ModelError
        If the name has one of these forms and cannot be meant.
    """
    if name.startswith(HUB_PREFIX):
        return _read_hub(name)
    if name.startswith(FOLDER_PREFIX):
        return _read_folder(name)
    arch, slash, tag = name.partition('/')
    return _read_tag(name, arch, tag) if slash else None


def _read_hub(name: str) -> RegistryEntry:
    repo = name.removeprefix(HUB_PREFIX)
    if not _REPOSITORY.fullmatch(repo):
        raise ModelError(
            f'{name!r} is no repository on the hub. Write '
            f'{HUB_PREFIX}ORGANIZATION/NAME.'
        )
    entry = RegistryEntry(
        name,
        f'{repo} on the hub',
        _USUAL_SIZE,
        _USUAL_SIZE // 2,
        repo=repo,
        note='Look at its page on the hub for license and use.',
    )
    path = find_cached(dataclasses.replace(entry, file=CONFIG_FILE))
    return entry if path is None else _with_size(entry, path)


def _read_folder(name: str) -> RegistryEntry:
    text = name.removeprefix(FOLDER_PREFIX).strip()
    try:
        folder = Path(text).expanduser()
        is_there = text != '' and folder.is_dir()
        has_config = (folder / CONFIG_FILE).is_file()
    # No such user, too long a name, or a folder that is closed to us.
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, 'strerror', None) or error
        raise ModelError(
            f'The folder {text!r} cannot be read ({reason}). Write '
            f"{FOLDER_PREFIX} and the folder that has the model's files."
        ) from error
    if not is_there:
        raise ModelError(
            f'There is no folder {text!r}. Write {FOLDER_PREFIX} and the '
            "folder that has the model's files."
        )
    entry = RegistryEntry(
        name,
        f'Model in {folder.name}',
        _USUAL_SIZE,
        _USUAL_SIZE // 2,
        folder=folder,
    )
    return _with_size(entry, folder / CONFIG_FILE) if has_config else entry


def _with_size(entry: RegistryEntry, path: Path) -> RegistryEntry:
    size = image_size(read_config(path)['model_cfg'])
    if not size:
        return entry
    return dataclasses.replace(
        entry, native=size, window=size, stride=size // 2
    )


def _read_tag(name: str, arch: str, tag: str) -> RegistryEntry:
    config = model_config(arch)
    if config is None:
        raise ModelError(
            f'open_clip has no architecture {arch!r}'
            f'{suggest(arch, architecture_names())}. Write {FORMS}.'
        )
    if not tag:
        raise ModelError(
            f'{name!r} lacks the tag of the weights. Write {FORMS}.'
        )
    size = image_size(config) or _USUAL_SIZE
    return RegistryEntry(
        name,
        f'{arch}, weights {tag}',
        size,
        size // 2,
        arch=arch,
        tag=tag,
        native=size,
        note='Look at its page on the hub for license and use.',
    )


def read_config(path: Path) -> dict[str, Any]:
    """Return what an ``open_clip_config.json`` says.

    Returns
    -------
    dict
        With ``model_cfg``, in the form of open_clip, and perhaps
        ``preprocess_cfg``.

    Raises
    ------
    ModelError
        If it cannot be read or is no configuration of open_clip.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError('too large')  # noqa: TRY301
        config = json.loads(path.read_text(encoding='utf-8'))
        model = config['model_cfg']
        if not all(
            isinstance(part, dict)
            for part in (model, model['vision_cfg'], model['text_cfg'])
        ):
            raise TypeError('parts are no tables')  # noqa: TRY301
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        RecursionError,
    ) as error:
        raise ModelError(
            f'{path} is no configuration of open_clip ({error}). Choose '
            'another model, or the file of weights with the model that it '
            'was made for.'
        ) from error
    return dict(config)


def suggest(name: str, known: tuple[str, ...]) -> str:
    """Return ' (did you mean …?)' for a name that is nearly a known one."""
    import difflib

    folded = {each.casefold(): each for each in reversed(known)}
    close = difflib.get_close_matches(name.casefold(), folded, n=3)
    if not close:
        return ''
    return f' (did you mean {" or ".join(folded[each] for each in close)}?)'
