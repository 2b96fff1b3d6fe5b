"""Whose weights a file holds, told from its name and the form it has.

Models that are built alike differ in what no tensor tells: the activation,
mean and std. The name that a file was published with tells it, if it is left.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from napari_naclip.engine.entry import WEIGHTS_FILES
from napari_naclip.engine.hub import folder_name

if TYPE_CHECKING:
    from napari_naclip.engine.entry import RegistryEntry

#: What OpenAI's own state dicts hold besides weights.
OPENAI_NUMBERS: Final = ('input_resolution', 'context_length', 'vocab_size')


def likeness(entry: RegistryEntry, path: Path, *, is_openai: bool) -> int:
    """Return how much speaks for a file being a model's; 0: nothing.

    Parameters
    ----------
    entry : RegistryEntry
        One that is built like the file.
    path : Path
    is_openai : bool
        Whether the file has the form of OpenAI's own.
    """
    folders = {part.removeprefix('models--') for part in path.parts[:-1]}
    is_named = entry.file != '' and Path(entry.file).name == path.name
    if folder_name(entry.repo) in folders and (is_named or not entry.file):
        return 5
    if is_named and path.name not in WEIGHTS_FILES:
        return 4
    if is_openai and entry.tag == 'openai':
        return 3
    if _is_said(entry, path.stem):
        return 2
    # A folder in the hub's cache, or the one that the file lies in.
    named = (path.parent.name, *(each for each in folders if '--' in each))
    return int(_is_said(entry, ' '.join(named)))


def _is_said(entry: RegistryEntry, text: str) -> bool:
    family = _family(entry)
    return any(word.startswith(family) for word in _words(text))


def _family(entry: RegistryEntry) -> str:
    """Return what all weights of a model's makers are called."""
    word = _words(entry.tag or entry.name)[0]
    # LAION-2B and LAION-400M, DFN-2B and DFN-5B.
    return re.sub(r'\d+[bm]?$', '', word)


def _words(text: str) -> list[str]:
    return re.findall(r'[a-z0-9]+', text.casefold())
